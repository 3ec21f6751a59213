/* What rules about quantised tensors share. A tensor `x` is bound as three values: x, x_scale and
 * x_zero. */
#ifndef ONNXC_PASSES_QUANTISED_H
#define ONNXC_PASSES_QUANTISED_H

#include "passes/pass.h"

/* The patterns; dequantised tensors may have other readers. */
#define DEQUANTISED(x)                                                                             \
  PM("DequantizeLinear", "dequantised " x, ANY(x), ANY(x "_scale"), OPT(x "_zero"))
#define QUANTISED(child) P("QuantizeLinear", child, ANY("y_scale"), OPT("y_zero"))

/* A tensor of bytes, and how they become f32. */
typedef struct Quantised {
  Value *data, *scale, *zero; /* zero: NULL for 0 */
  int axis;                   /* of the scales; -1: there is one */
} Quantised;

/* What a DequantizeLinear node reads, when it makes f32 of bytes in a way that integer operators
 * know. */
bool quantised_by(const Node *dequantize, Quantised *q);
/* The tensor bound as `name` (of DEQUANTISED); a scale for each index of `axis` is accepted, -1:
 * none is. */
bool quantised_of(const Match *m, const char *name, int axis, Quantised *q);
/* What a QuantizeLinear node makes: bytes, by one scale of f32. `data` is its output. */
bool quantised_to(const Node *quantize, Quantised *q);

/* The zero point, also where it is 0. */
Value *quantised_zero(Builder *b, const Quantised *q);
/* Whether two constants (or values) are the same numbers; absent zero points are 0. */
bool same_scale(const Quantised *a, const Quantised *b);

/* Bias of a product of x and w: the i32 numbers that can be added to the integer sums. */
Value *integer_bias(const Value *bias, const Quantised *x, const Quantised *w);

#endif
