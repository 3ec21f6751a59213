/* Windows that slide over spatial axes: the geometry of convolution and pooling. Spatial axis k is
 * axis k + 2 of the data. */
#ifndef ONNXC_OPS_WINDOW_H
#define ONNXC_OPS_WINDOW_H

#include "lower/lower.h"
#include "ops/op.h"

/* What the kernels of all windowed operators read first, in this order. */
#define WINDOW_PARAMS                                                                              \
  PARAM_STRING("auto_pad", "NOTSET"), PARAM_OPTIONAL("dilations", ATTR_INTS),                      \
      PARAM_OPTIONAL("kernel_shape", ATTR_INTS), PARAM_OPTIONAL("pads", ATTR_INTS),                \
      PARAM_OPTIONAL("strides", ATTR_INTS)

typedef enum WindowPad { WINDOW_EXPLICIT, WINDOW_VALID, WINDOW_SAME } WindowPad;

typedef struct Window {
  int rank; /* spatial axes */
  WindowPad pad;
  bool ceil;                   /* of the attribute ceil_mode */
  const Dim *kernel[MAX_RANK]; /* taps along each axis */
  int64_t stride[MAX_RANK], dilation[MAX_RANK];
  int64_t pads[2 * MAX_RANK]; /* beginnings, then ends; 0 unless explicit */
} Window;

/* Reads and checks the attributes. The kernel's size is that of weights `w` if that is not NULL,
 * which kernel_shape must agree with, else kernel_shape. */
bool window_read(const Node *node, int rank, const Type *w, Window *window);

/* Sizes of the result along the spatial axes of `x`; false: reported. */
bool window_slide(const Node *node, const Window *window, const Type *x, const Dim **out);
/* The same of a transposed convolution: the size of what would give `x`, before output_padding. */
const Dim *window_transposed(const Node *node, const Window *window, int axis, const Dim *in);

/* The window as [depth, height, width], where axes that the node lacks have size, kernel, stride
 * and dilation 1 and no padding. */
enum { SPATIAL = 3 };
typedef struct Geometry {
  const Dim *in[SPATIAL], *out[SPATIAL], *kernel[SPATIAL];
  const Dim *stride[SPATIAL], *dilation[SPATIAL];
  const Dim *pad[SPATIAL], *pad_end[SPATIAL]; /* before the first element, behind the last */
} Geometry;

/* Of a node with data X as input 0, weights of type `w` or none (NULL), and an inferred output 0.
 */
bool window_geometry(const Node *node, const Type *w, Geometry *g);
/* The same for a fast kernel: axes of one element come first, so that the last one, which is that
 * of rows, is long. */
bool window_kernel(const Node *node, const Type *w, Geometry *g);
/* That of a transposed convolution. */
bool window_kernel_transposed(const Node *node, const Type *w, Geometry *g);
/* The members of a kernel's parameters that are named like those of Geometry, but for pad_end. */
void window_fields(Lowering *l, Step *step, const Geometry *g);

/* Taps of one window. */
const Dim *window_taps(const Node *node, const Window *window);

#endif
