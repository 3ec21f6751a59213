/* Operators of signal processing. */
#include "onnxc_rt_reference.h"
#include "ops/op.h"
#include "reference/fft.h"

#include <string.h>

/* ---- windows -----------------------------------------------------------------------------------
 */

static bool window_infer(Node *node) {
  if (infer_tensor(node, 0) == NULL) return false;
  const Dim *size = infer_size(node, 0, 0, 0, NULL);
  if (size == NULL) return false;
  infer_output(node, 0, (DType)op_param_i(node, "output_datatype"), 1, &size);
  return true;
}

#define WINDOW(Name, kernel_)                                                                      \
  const OpDef op_##Name = {                                                                        \
      .name = #Name,                                                                               \
      .domain = "",                                                                                \
      .shape_inputs = 1,                                                                           \
      .params = (const OpParam[]){PARAM_INT("periodic", 1),                                        \
                                  PARAM_INT("output_datatype", ONNXC_RT_F32),                      \
                                  {0}},                                                            \
      .infer = window_infer,                                                                       \
      OP_KERNEL(kernel_),                                                                          \
  }

WINDOW(BlackmanWindow, onnxc_rt_ref_blackman_window);
WINDOW(HammingWindow, onnxc_rt_ref_hamming_window);
WINDOW(HannWindow, onnxc_rt_ref_hann_window);

/* ---- DFT, STFT ---------------------------------------------------------------------------------
 */

/* Real or complex: the last size is 1 or 2, the latter where `complex` says so. */
static bool check_parts(const Node *node, const Type *x, bool complex_only, bool real_only) {
  int64_t parts;
  bool known = x->rank >= 2 && dim_is_const(x->dims[x->rank - 1], &parts);
  if (!known || (parts != 1 && parts != 2)) {
    return node_error(node, DIAG_INVALID, "the input's last size must be 1 or 2");
  }
  if ((complex_only && parts != 2) || (real_only && parts != 1)) {
    return node_error(node, DIAG_INVALID, "onesided needs real input, its inverse complex input");
  }
  return true;
}

/* The signal's axis; -1 where it is not known. */
static bool dft_axis(const Node *node, const Type *x, int *axis) {
  int64_t given = -2;
  uint32_t n;
  *axis = -1;
  if (node_in(node, 2) != NULL && !infer_constant_ints(node, 2, &given, 1, &n)) return true;
  if (!infer_axis(node, given, x->rank, axis)) return false;
  if (*axis == x->rank - 1) return node_error(node, DIAG_INVALID, "the last axis is no signal");
  return true;
}

/* A length that is known is that of a signal. */
static bool check_length(const Node *node, const Dim *n) {
  enum { MOST = 1 << 30 };
  if (n == NULL || (n->hi >= 1 && n->lo <= MOST)) return true;
  return node_error(node, DIAG_INVALID, "the transform's length is %s, but must be in [1, 2^30]",
                    dim_text(node->graph->ctx->arena, n));
}

/* Half of n, rounded down, plus 1: what a real signal's spectrum has. */
static const Dim *half_spectrum(DimTable *t, const Dim *n) {
  return dim_add_i(t, dim_floordiv(t, n, dim_const(t, 2)), 1);
}

/* The number in input `i`, where it is known, and known to be positive if it comes at run time. */
static const Dim *known_number(const Node *node, uint32_t i) {
  uint32_t n;
  const Dim *const *contents = infer_contents(node, i, &n);
  if (contents == NULL || n != 1) return NULL;
  return contents[0]->value && contents[0]->lo < 1 ? NULL : contents[0];
}

static bool is_inverse(const Node *node) {
  return op_param_i(node, "inverse") != 0;
}

static bool is_onesided(const Node *node) {
  return op_param_i(node, "onesided") != 0;
}

/* Elements of the transform; NULL: not known. */
static const Dim *dft_length(const Node *node, const Type *x, int axis) {
  DimTable *t = infer_dims(node);
  if (node_in(node, 1) != NULL) return known_number(node, 1);
  if (axis < 0) return NULL;
  bool half = is_inverse(node) && is_onesided(node);
  return half ? dim_mul_i(t, dim_add_i(t, x->dims[axis], -1), 2) : x->dims[axis];
}

/* Elements of the result along the signal's axis. */
static const Dim *dft_size(Node *node, const Type *x, int axis) {
  const Dim *n = dft_length(node, x, axis);
  if (n == NULL) {
    return infer_fresh(node, 0, axis, node_in(node, 1) == NULL ? NULL : infer_number(node, 1, 0));
  }
  return is_onesided(node) && !is_inverse(node) ? half_spectrum(infer_dims(node), n) : n;
}

static bool dft_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  bool inverse = is_inverse(node), onesided = is_onesided(node);
  const Dim *dims[MAX_RANK];
  int axis;
  if (x == NULL || !dft_axis(node, x, &axis)) return false;
  if (!check_parts(node, x, inverse && onesided, onesided && !inverse)) return false;
  if (!check_length(node, dft_length(node, x, axis))) return false;
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  for (int i = 0; axis < 0 && i < x->rank - 1; i++) dims[i] = infer_fresh(node, 0, i, NULL);
  if (axis >= 0) dims[axis] = dft_size(node, x, axis);
  dims[x->rank - 1] = dim_const(infer_dims(node), inverse && onesided ? 1 : 2);
  infer_output(node, 0, x->dtype, x->rank, dims);
  return true;
}

/* For transforms of up to `n` elements, in double precision. */
static const Dim *fft_scratch(const Node *node, const Dim *n) {
  int64_t length;
  if (!dim_is_const(n, &length)) return dim_mul_i(infer_dims(node), n, ONNXC_RT_FFT_MOST_BYTES);
  return dim_const(infer_dims(node), onnxc_rt_fft_bytes(length, 0));
}

/* What is not known is bounded by the result's sizes: a half spectrum has n / 2 + 1 elements. */
static const Dim *dft_scratch(const Node *node) {
  DimTable *t = infer_dims(node);
  const Type *x = &node_in(node, 0)->type, *y = &node->out[0]->type;
  int axis;
  const Dim *n = dft_axis(node, x, &axis) ? dft_length(node, x, axis) : NULL;
  if (n != NULL) return fft_scratch(node, n);
  n = dim_const(t, 1);
  for (int i = 0; i < y->rank - 1; i++) n = dim_max(t, n, y->dims[i]);
  return fft_scratch(node, is_onesided(node) ? dim_mul_i(t, n, 2) : n);
}

const OpDef op_DFT = {
    .name = "DFT",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("inverse", 0), PARAM_INT("onesided", 0), {0}},
    .infer = dft_infer,
    OP_KERNEL(onnxc_rt_ref_dft),
    .scratch = dft_scratch,
};

/* Elements of a frame: given, those of the window, or all of the signal. */
static const Dim *frame_length(const Node *node) {
  if (node_in(node, 3) != NULL) return known_number(node, 3);
  const Value *window = node_in(node, 2);
  return window != NULL ? window->type.dims[0] : node_in(node, 0)->type.dims[1];
}

/* signal [n, length, 1 or 2] -> [n, frames, bins, 2]. */
static bool stft_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *window = &(Type){.rank = 1};
  bool onesided = op_param_i(node, "onesided") != 0;
  if (x == NULL || infer_tensor(node, 1) == NULL) return false;
  if (node_in(node, 2) != NULL) window = infer_tensor(node, 2);
  if (window == NULL) return false;
  if (x->rank != 3 || window->rank != 1) {
    return node_error(node, DIAG_INVALID, "the signal must have rank 3 and the window rank 1");
  }
  if (!check_parts(node, x, false, onesided)) return false;
  DimTable *t = infer_dims(node);
  const Dim *step = known_number(node, 1), *n = frame_length(node);
  bool known = step != NULL && step->lo >= 1 && n != NULL;
  if (!check_length(node, n)) return false;
  if (step != NULL && step->hi < 1) {
    return node_error(node, DIAG_INVALID, "the step between frames must be positive");
  }
  const Dim *frames = NULL, *bins = NULL;
  if (known) {
    frames = dim_add_i(t, dim_floordiv(t, dim_sub(t, x->dims[1], n), step), 1);
    bins = onesided ? half_spectrum(t, n) : n;
    if (frames->hi < 1) return node_error(node, DIAG_INVALID, "a frame is longer than the signal");
  }
  const Dim *dims[4] = {x->dims[0], known ? frames : infer_fresh(node, 0, 1, x->dims[1]),
                        known ? bins : infer_fresh(node, 0, 2, x->dims[1]), dim_const(t, 2)};
  infer_output(node, 0, x->dtype, 4, dims);
  return true;
}

static const Dim *stft_scratch(const Node *node) {
  const Dim *n = frame_length(node);
  return fft_scratch(node, n != NULL ? n : node_in(node, 0)->type.dims[1]);
}

const OpDef op_STFT = {
    .name = "STFT",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("onesided", 1), {0}},
    .infer = stft_infer,
    OP_KERNEL(onnxc_rt_ref_stft),
    .scratch = stft_scratch,
};

/* ---- MelWeightMatrix ---------------------------------------------------------------------------
 */

static bool mel_weight_matrix_infer(Node *node) {
  DimTable *t = infer_dims(node);
  for (uint32_t i = 0; i < 5; i++) {
    const Type *x = infer_tensor(node, i);
    if (x == NULL) return false;
    if (!dim_is(type_count(node->graph->ctx, x), 1)) {
      return node_error(node, DIAG_INVALID, "input %u must be one number", i);
    }
  }
  const Dim *length = known_number(node, 1);
  const Dim *most = infer_number(node, 1, 0);
  const Dim *dims[2] = {length != NULL ? half_spectrum(t, length) : infer_fresh(node, 0, 0, most),
                        infer_size(node, 0, 0, 1, NULL)};
  if (dims[1] == NULL) return false;
  infer_output(node, 0, (DType)op_param_i(node, "output_datatype"), 2, dims);
  return true;
}

const OpDef op_MelWeightMatrix = {
    .name = "MelWeightMatrix",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("output_datatype", ONNXC_RT_F32), {0}},
    .infer = mel_weight_matrix_infer,
    OP_KERNEL(onnxc_rt_ref_mel_weight_matrix),
};
