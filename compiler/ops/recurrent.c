/* LSTM, GRU and RNN. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"

#include <string.h>

/* What the three differ in. */
typedef struct Kind {
  int gates;       /* rows of W and R a hidden element */
  int activations; /* of one direction */
  bool has_cell;   /* a cell state, and peepholes */
} Kind;

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES };

static Kind kind_of(const Node *node) {
  switch (node->op->name[0]) {
  case 'L': return (Kind){4, 3, true};
  case 'G': return (Kind){3, 2, false};
  default: return (Kind){1, 1, false};
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
    if (known_activation(attr->strings[i])) continue;
    return node_error(node, DIAG_INVALID, "attribute activations has the unknown function '%s'",
                      attr->strings[i]);
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
  bool by_batch = op_param_i(node, "layout") != 0;
  return (Sizes){.steps = x->dims[by_batch],
                 .batch = x->dims[!by_batch],
                 .input = x->dims[2],
                 .hidden = r->dims[2],
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
  const Dim *w[3] = {s->directions, rows, s->input}, *r[3] = {s->directions, rows, s->hidden};
  if (!check_sizes(node, W, 3, w, "[directions, gates * hidden, input]")) return false;
  if (!check_sizes(node, R, 3, r, "[directions, gates * hidden, hidden]")) return false;
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
  if (!check_int(node, "layout", 0, 1) || !check_activations(node, kind)) return false;
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
  Kind kind = kind_of(node);
  if (!check_inputs(node, rules, kind.has_cell ? 8 : 6)) return false;
  if (!check_attributes(node, kind, input_type(node, R)->dims[2])) return false;
  Sizes s = sizes_of(node);
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

/* ---- operators ---------------------------------------------------------------------------------
 */

#define RECURRENT_PARAMS                                                                           \
  PARAM_STRING("direction", "forward"), PARAM_INT("layout", 0),                                    \
      PARAM_OPTIONAL("clip", ATTR_FLOAT), PARAM_OPTIONAL("activations", ATTR_STRINGS),             \
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
            {0},
        },
    .infer = infer_recurrent,
    OP_KERNEL(onnxc_rt_ref_lstm),
    .scratch = scratch,
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
            {0},
        },
    .infer = infer_recurrent,
    OP_KERNEL(onnxc_rt_ref_gru),
    .scratch = scratch,
    .macs = macs,
};

const OpDef op_RNN = {
    .name = "RNN",
    .domain = "",
    .params = (const OpParam[]){RECURRENT_PARAMS, PARAM_OPTIONAL("hidden_size", ATTR_INT), {0}},
    .infer = infer_recurrent,
    OP_KERNEL(onnxc_rt_ref_rnn),
    .scratch = scratch,
    .macs = macs,
};
