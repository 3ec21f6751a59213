/* LSTM, GRU and RNN, and the LSTM of ONNX Runtime with quantised weights, which are transposed. The
 * kernels know layout 0, which the other is decomposed into. */
#include "lower/lower.h"
#include "onnxc_rt_kernels.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"

#include <string.h>

/* What the three differ in. */
typedef struct Kind {
  int gates;       /* rows of W and R a hidden element */
  int activations; /* of one direction */
  bool has_cell;   /* a cell state, and peepholes */
  bool quantized;
} Kind;

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES, W_SCALE, W_ZERO, R_SCALE, R_ZERO };

static Kind kind_of(const Node *node) {
  switch (node->op->name[0]) {
  case 'D': return (Kind){4, 3, true, true};
  case 'L': return (Kind){4, 3, true, false};
  case 'G': return (Kind){3, 2, false, false};
  default: return (Kind){1, 1, false, false};
  }
}

/* ---- checks ------------------------------------------------------------------------------------
 */

static int directions_of(const Node *node) {
  return strcmp(op_param_s(node, "direction"), "bidirectional") == 0 ? 2 : 1;
}

/* The names that runtime/reference/recurrent_activation.c knows. */
static bool known_activation(const char *name) {
  static const char *const names[] = {"Affine",   "Elu",      "HardSigmoid",    "LeakyRelu",
                                      "Relu",     "Tanh",     "ScaledTanh",     "Sigmoid",
                                      "Softplus", "Softsign", "ThresholdedRelu"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(names[i], name) == 0) return true;
  }
  return false;
}

static bool check_activations(const Node *node, Kind kind) {
  const Attr *attr = op_param_list(node, "activations");
  size_t needed = (size_t)kind.activations * (size_t)directions_of(node);
  if (attr == NULL || attr->count == 0) return true;
  if (attr->count < needed) {
    return node_error(node, DIAG_INVALID, "attribute activations has %zu names, but needs %zu",
                      attr->count, needed);
  }
  for (size_t i = 0; i < needed; i++) {
    if (known_activation(attr->strings[i].bytes)) continue;
    return node_error(node, DIAG_INVALID, "attribute activations has the unknown function '%s'",
                      attr->strings[i].bytes);
  }
  return true;
}

/* Sizes that the inputs have in common. */
typedef struct Sizes {
  const Dim *steps, *batch, *input, *hidden, *directions;
  bool by_batch;
} Sizes;

static Sizes sizes_of(const Node *node) {
  const Type *x = input_type(node, X), *r = input_type(node, R);
  bool quantized = kind_of(node).quantized;
  bool by_batch = !quantized && op_param_i(node, "layout") != 0;
  return (Sizes){.steps = x->dims[by_batch],
                 .batch = x->dims[!by_batch],
                 .input = x->dims[2],
                 .hidden = r->dims[quantized ? 1 : 2],
                 .directions = dim_const(infer_dims(node), directions_of(node)),
                 .by_batch = by_batch};
}

/* States are [directions, batch, hidden], or with batch in front. */
static void state_dims(const Sizes *s, const Dim **dims) {
  dims[0] = s->by_batch ? s->batch : s->directions;
  dims[1] = s->by_batch ? s->directions : s->batch;
  dims[2] = s->hidden;
}

static bool check_weights(const Node *node, Kind kind, const Sizes *s) {
  DimTable *t = infer_dims(node);
  const Dim *rows = dim_mul_i(t, s->hidden, kind.gates);
  const Dim *w[3] = {s->directions, kind.quantized ? s->input : rows,
                     kind.quantized ? rows : s->input};
  const Dim *r[3] = {s->directions, kind.quantized ? s->hidden : rows,
                     kind.quantized ? rows : s->hidden};
  if (!check_sizes(node, W, 3, w,
                   kind.quantized ? "[directions, input, gates * hidden]"
                                  : "[directions, gates * hidden, input]")) {
    return false;
  }
  if (!check_sizes(node, R, 3, r,
                   kind.quantized ? "[directions, hidden, gates * hidden]"
                                  : "[directions, gates * hidden, hidden]")) {
    return false;
  }
  const Dim *b[2] = {s->directions, dim_mul_i(t, rows, 2)};
  return node_in(node, B) == NULL || check_sizes(node, B, 2, b, "[directions, 2 * gates * hidden]");
}

static bool check_states(const Node *node, const Sizes *s) {
  const Dim *state[3];
  state_dims(s, state);
  for (uint32_t i = INITIAL_H; i <= INITIAL_C; i++) {
    if (node_in(node, i) == NULL) continue;
    if (!check_sizes(node, i, 3, state, "a state of directions, batch and hidden")) return false;
  }
  const Dim *p[2] = {s->directions, dim_mul_i(infer_dims(node), s->hidden, 3)};
  if (node_in(node, PEEPHOLES) != NULL &&
      !check_sizes(node, PEEPHOLES, 2, p, "[directions, 3 * hidden]")) {
    return false;
  }
  return node_in(node, LENGTHS) == NULL || check_size(node, LENGTHS, 0, s->batch, "the batch");
}

static bool check_attributes(const Node *node, Kind kind, const Dim *hidden) {
  if (!check_choice(node, "direction", "forward reverse bidirectional")) return false;
  if (!kind.quantized && !check_int(node, "layout", 0, 1)) return false;
  if (!check_activations(node, kind)) return false;
  const Attr *clip = node_attr(node, "clip"), *size = node_attr(node, "hidden_size");
  if (clip != NULL && !(clip->f >= 0)) {
    return node_error(node, DIAG_INVALID, "attribute clip is %g, but must not be negative",
                      (double)clip->f);
  }
  DimTable *t = infer_dims(node);
  if (size == NULL || !dim_never_equal(t, hidden, dim_const(t, size->i))) return true;
  return node_error(node, DIAG_INVALID, "attribute hidden_size is %lld, but R has %s",
                    (long long)size->i, dim_text(node->graph->ctx->arena, hidden));
}

/* ---- inference ---------------------------------------------------------------------------------
 */

/* From inputs whose ranks and types are right. */
static bool infer_outputs(Node *node) {
  Kind kind = kind_of(node);
  Sizes s = sizes_of(node);
  if (!check_attributes(node, kind, s.hidden)) return false;
  if (!check_weights(node, kind, &s) || !check_states(node, &s)) return false;
  DType dtype = input_type(node, X)->dtype;
  const Dim *by_step[4] = {s.steps, s.directions, s.batch, s.hidden};
  const Dim *by_batch[4] = {s.batch, s.steps, s.directions, s.hidden}, *state[3];
  state_dims(&s, state);
  infer_output(node, 0, dtype, 4, s.by_batch ? by_batch : by_step);
  infer_output(node, 1, dtype, 3, state);
  infer_output(node, 2, dtype, 3, state);
  return true;
}

static bool infer_recurrent(Node *node) {
  static const InputRule rules[] = {
      INPUT("X", 3, 3),
      INPUT("W", 3, 3),
      INPUT("R", 3, 3),
      INPUT_OPTIONAL("B", 2, 2),
      INPUT_OPTIONAL("sequence_lens", 1, 1),
      INPUT_OPTIONAL("initial_h", 3, 3),
      INPUT_OPTIONAL("initial_c", 3, 3),
      INPUT_OPTIONAL("P", 2, 2),
  };
  return check_inputs(node, rules, kind_of(node).has_cell ? 8 : 6) && infer_outputs(node);
}

static const Dim *scratch(const Node *node) {
  return dim_mul_i(infer_dims(node), input_type(node, R)->dims[2],
                   (int64_t)8 * (kind_of(node).gates + 3));
}

static const Dim *macs(const Node *node) {
  Sizes s = sizes_of(node);
  DimTable *t = infer_dims(node);
  const Dim *rows = dim_mul_i(t, dim_mul(t, s.directions, s.hidden), kind_of(node).gates);
  const Dim *cell = dim_mul(t, rows, dim_add(t, s.input, s.hidden));
  return dim_mul(t, dim_mul(t, s.steps, s.batch), cell);
}

/* ---- layout 1 ----------------------------------------------------------------------------------
 */

static Value *swapped(Builder *b, Value *x) {
  return x == NULL ? NULL : compose_transpose(b, x, (const int64_t[]){1, 0, 2});
}

/* The same node in layout 0, between transpositions. */
static bool decompose_recurrent(Builder *b, Node *node) {
  if (op_param_i(node, "layout") == 0) return false;
  Value *inputs[PEEPHOLES + 1];
  for (uint32_t i = 0; i < node->n_formal; i++) {
    bool moves = i == X || i == INITIAL_H || i == INITIAL_C;
    inputs[i] = moves ? swapped(b, node_in(node, i)) : node_in(node, i);
  }
  Node *same = build_node(b, "", node->op->name, inputs, node->n_formal, node->n_out);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(same, node->attrs[i]);
  node_set_int(same, "layout", 0);
  build_done(b, same);
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node_out(node, i) == NULL) continue;
    Value *y = node_out(same, i);
    build_replace_output(b, node, i,
                         i == 0 ? compose_transpose(b, y, (const int64_t[]){2, 0, 1, 3})
                                : swapped(b, y));
  }
  return true;
}

/* ---- lowering ----------------------------------------------------------------------------------
 */

/* The kernels' activations are the operators' defaults, on an input that may be clipped. */
static bool has_kernel(const Node *node) {
  static const char *const defaults[] = {"Sigmoid", "Tanh", "Tanh"};
  Kind kind = kind_of(node);
  const Attr *names = op_param_list(node, "activations"), *clip = op_param_list(node, "clip");
  if (input_type(node, X)->dtype != ONNXC_RT_F32 || (clip != NULL && clip->f == 0)) return false;
  int n = names == NULL ? 0 : kind.activations * directions_of(node);
  for (int i = 0; i < n && (size_t)i < names->count; i++) {
    if (strcmp(names->strings[i].bytes, defaults[i % kind.activations]) != 0) return false;
  }
  return true;
}

/* Whether input `i` goes to the kernel in panels. */
static bool is_packed(const Node *node, uint32_t i) {
  return (i == W || i == R) && node_in(node, i)->constant != NULL;
}

static const Dim *kernel_scratch_bytes(const Node *node, const Sizes *s) {
  static const float panels[1];
  onnxc_rt_recurrent call = {.steps = (ptrdiff_t)s->steps->hi,
                             .batch = (ptrdiff_t)s->batch->hi,
                             .input = (ptrdiff_t)s->input->hi,
                             .hidden = (ptrdiff_t)s->hidden->hi,
                             .packed_w = is_packed(node, W) ? panels : NULL,
                             .packed_r = is_packed(node, R) ? panels : NULL};
  ptrdiff_t floats =
      kind_of(node).has_cell ? onnxc_rt_lstm_f32_scratch(&call) : onnxc_rt_gru_f32_scratch(&call);
  return dim_const(infer_dims(node), 4 * (int64_t)floats);
}

static Operand packed_weights(Lowering *l, const Node *node, uint32_t i) {
  const Tensor *tensor = node_in(node, i)->constant;
  const int64_t *dims = tensor->dims;
  size_t gates = (size_t)kind_of(node).gates, hidden = (size_t)dims[1] / gates;
  size_t part = onnxc_rt_recurrent_packed_count(gates, hidden, (size_t)dims[2]);
  size_t count = part * (size_t)dims[0];
  float *panels = ARENA_ARRAY(lower_context(l)->arena, count, float);
  const float *data = tensor->data;
  for (int64_t d = 0; d < dims[0]; d++) {
    onnxc_rt_recurrent_pack(data + d * dims[1] * dims[2], (ptrdiff_t)gates, (ptrdiff_t)hidden,
                            (ptrdiff_t)dims[2], panels + (size_t)d * part);
  }
  return lower_weight(l, node_in(node, i)->name, ONNXC_RT_F32, count, panels);
}

/* The inputs as the kernel takes them; done before its step is, for they may need steps too. */
static void kernel_operands(Lowering *l, const Node *node, Operand *operands) {
  for (uint32_t i = 0; i < node->n_formal; i++) {
    Value *value = node_in(node, i);
    if (value == NULL) continue;
    operands[i] = is_packed(node, i) ? packed_weights(l, node, i) : lower_dense(l, value);
  }
}

static void kernel_sizes(Lowering *l, Step *step, const Node *node, const Sizes *s) {
  const Attr *clip = op_param_list(node, "clip");
  kernel_dim(l, step, "steps", s->steps);
  kernel_dim(l, step, "batch", s->batch);
  kernel_dim(l, step, "input", s->input);
  kernel_dim(l, step, "hidden", s->hidden);
  kernel_dim(l, step, "directions", s->directions);
  kernel_int(l, step, "reverse", *op_param_s(node, "direction") == 'r');
  if (clip != NULL) kernel_float(l, step, "clip", clip->f);
}

static bool lower_recurrent(Lowering *l, Node *node) {
  static const char *const inputs[] = {"x",       "w",         "r",         "bias",
                                       "lengths", "initial_h", "initial_c", "peephole"};
  static const char *const outputs[] = {"y", "y_h", "y_c"};
  if (!has_kernel(node)) return false;
  Kind kind = kind_of(node);
  Sizes s = sizes_of(node);
  Operand operands[PEEPHOLES + 1] = {0};
  kernel_operands(l, node, operands);
  Step *step =
      lower_kernel(l, STEP_CONTRACTION, kind.has_cell ? "onnxc_rt_lstm_f32" : "onnxc_rt_gru_f32",
                   "onnxc_rt_recurrent");
  kernel_sizes(l, step, node, &s);
  for (uint32_t i = 0; i <= PEEPHOLES; i++) {
    if (operands[i].buffer == NULL) continue;
    const char *packed = i == W ? "packed_w" : "packed_r";
    kernel_input(l, step, is_packed(node, i) ? packed : inputs[i], operands[i]);
  }
  const char *option = kind.has_cell ? "input_forget" : "linear_before_reset";
  kernel_int(l, step, option, op_param_i(node, option) != 0);
  kernel_scratch(l, step, "scratch", kernel_scratch_bytes(node, &s));
  for (uint32_t i = 0; i < node->n_out; i++) {
    Value *y = node_out(node, i);
    if (y != NULL) kernel_output(l, step, outputs[i], lower_output(l, y));
  }
  return true;
}

/* ---- operators ---------------------------------------------------------------------------------
 */

#define RECURRENT_PARAMS                                                                           \
  PARAM_STRING("direction", "forward"), PARAM_OPTIONAL("clip", ATTR_FLOAT),                        \
      PARAM_OPTIONAL("activations", ATTR_STRINGS),                                                 \
      PARAM_OPTIONAL("activation_alpha", ATTR_FLOATS),                                             \
      PARAM_OPTIONAL("activation_beta", ATTR_FLOATS)

const OpDef op_LSTM = {
    .name = "LSTM",
    .domain = "",
    .params =
        (const OpParam[]){
            RECURRENT_PARAMS,
            PARAM_INT("input_forget", 0),
            PARAM_OPTIONAL("hidden_size", ATTR_INT),
            PARAM_INT("layout", 0),
            {0},
        },
    .infer = infer_recurrent,
    OP_KERNEL(onnxc_rt_ref_lstm),
    .scratch = scratch,
    .decompose = decompose_recurrent,
    .lower = lower_recurrent,
    .macs = macs,
};

const OpDef op_GRU = {
    .name = "GRU",
    .domain = "",
    .params =
        (const OpParam[]){
            RECURRENT_PARAMS,
            PARAM_INT("linear_before_reset", 0),
            PARAM_OPTIONAL("hidden_size", ATTR_INT),
            PARAM_INT("layout", 0),
            {0},
        },
    .infer = infer_recurrent,
    OP_KERNEL(onnxc_rt_ref_gru),
    .scratch = scratch,
    .decompose = decompose_recurrent,
    .lower = lower_recurrent,
    .macs = macs,
};

const OpDef op_RNN = {
    .name = "RNN",
    .domain = "",
    .params =
        (const OpParam[]){
            RECURRENT_PARAMS,
            PARAM_OPTIONAL("hidden_size", ATTR_INT),
            PARAM_INT("layout", 0),
            {0},
        },
    .infer = infer_recurrent,
    OP_KERNEL(onnxc_rt_ref_rnn),
    .scratch = scratch,
    .decompose = decompose_recurrent,
    .macs = macs,
};

/* ---- DynamicQuantizeLSTM -----------------------------------------------------------------------
 */

/* A scale or zero point for each direction, or for each column of each. */
static bool check_columns(const Node *node, uint32_t i) {
  const Type *type = input_type(node, i), *r = input_type(node, R);
  const Dim *sizes[2] = {r->dims[0], r->dims[2]};
  return check_sizes(node, i, type->rank == 1 ? 1 : 2, sizes, "one a direction, or a column") &&
         (type->dtype != ONNXC_RT_F32 || check_scale(node, i));
}

static bool infer_quantized_lstm(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F32), 0, "X", 3, 3),
      INPUT_OF(DTS_BYTE, 0, "W", 3, 3),
      INPUT_OF(DTS_BYTE, 0, "R", 3, 3),
      INPUT_OPTIONAL_OF(DT(F32), 0, "B", 2, 2),
      INPUT_OPTIONAL_OF(DT(I32), 0, "sequence_lens", 1, 1),
      INPUT_OPTIONAL_OF(DT(F32), 0, "initial_h", 3, 3),
      INPUT_OPTIONAL_OF(DT(F32), 0, "initial_c", 3, 3),
      INPUT_OPTIONAL_OF(DT(F32), 0, "P", 2, 2),
      INPUT_OF(DT(F32), 0, "W_scale", 1, 2),
      INPUT_OF(DTS_BYTE, 2, "W_zero_point", 1, 2),
      INPUT_OF(DT(F32), 0, "R_scale", 1, 2),
      INPUT_OF(DTS_BYTE, 3, "R_zero_point", 1, 2),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  for (uint32_t i = W_SCALE; i <= R_ZERO; i++) {
    if (!check_columns(node, i)) return false;
  }
  return infer_outputs(node);
}

static const Dim *quantized_lstm_scratch(const Node *node) {
  Sizes s = sizes_of(node);
  DimTable *t = infer_dims(node);
  const Dim *states = dim_mul_i(t, dim_mul(t, s.batch, s.hidden), 12);
  return dim_add(t, states, dim_add(t, dim_mul_i(t, s.hidden, 33), s.input));
}

const OpDef op_microsoft_DynamicQuantizeLSTM = {
    .name = "DynamicQuantizeLSTM",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            RECURRENT_PARAMS,
            PARAM_INT("input_forget", 0),
            PARAM_OPTIONAL("hidden_size", ATTR_INT),
            {0},
        },
    .infer = infer_quantized_lstm,
    OP_KERNEL(onnxc_rt_ref_dynamic_quantize_lstm),
    .scratch = quantized_lstm_scratch,
    .macs = macs,
};
