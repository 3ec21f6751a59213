/* fuse-qdq: an operator between dequantised inputs and a quantised output -> its integer form.
 *
 *   Q(Conv(DQ(x), DQ(w), DQ(bias)))      -> QLinearConv; MatMul, Gemm, Add, Mul, pools alike
 *   Q(Concat(DQ(x), DQ(y), ...))         -> Concat of bytes, each requantised where it must be
 *   Q(Relu(x)), Q(Clip(x, low, high))    -> Q(x), bounded from below and above as bytes
 *   move(DQ(x))                          -> DQ(move(x)), where move only moves or picks elements
 *   Q(move(x))                           -> move(Q(x)), where it keeps all of them
 *   Q(DQ(x)) of the same scale           -> x
 *
 * The last four are exact: quantising is monotonic. The integer forms compute what ONNX Runtime
 * computes when it fuses; they round once, where the operators between them round in f32, so a
 * result at the middle between two steps may come out as the other one. Operators without an
 * integer form stay, and become row programs that read and write bytes. So does Softmax, since
 * QLinearSoftmax looks powers up in a table and may be off by a step where that is far from the
 * middle.
 *
 * It runs in front of decompose, which takes the integer forms apart again: into integer products
 * with what rescales them as their epilogue. */
#include "passes/facts.h"
#include "passes/quantised.h"

#include <math.h>
#include <string.h>

static void copy_attrs(Node *to, const Node *from) {
  for (uint32_t i = 0; i < from->n_attrs; i++) node_set_attr(to, from->attrs[i]);
}

/* What the pattern QUANTISED found at the root. */
static bool quantised_root(const Match *m, Quantised *y) {
  return quantised_to(m->root, y);
}

/* A node of ONNX Runtime's, or of ONNX where it has one, with a tensor as three inputs. */
typedef struct Form {
  Builder *b;
  Value *inputs[16];
  uint32_t n;
} Form;

static void add(Form *f, Value *value) {
  f->inputs[f->n++] = value;
}

static void add_scales(Form *f, const Quantised *q) {
  add(f, q->scale);
  add(f, quantised_zero(f->b, q));
}

static void add_tensor(Form *f, const Quantised *q) {
  add(f, q->data);
  add_scales(f, q);
}

static Node *form_node(const Form *f, const char *domain, const char *op) {
  return build_node(f->b, domain, op, f->inputs, f->n, 1);
}

/* ---- products ----------------------------------------------------------------------------------
 */

static Value *fuse_conv(Match *m) {
  Quantised x, w, y;
  const Node *conv = match_node(m, "product");
  Value *bias = node_in(conv, 2);
  if (!quantised_of(m, "x", -1, &x) || !quantised_of(m, "w", 0, &w) || !quantised_root(m, &y)) {
    return NULL;
  }
  if (bias != NULL && (bias = integer_bias(bias, &x, &w)) == NULL) return NULL;
  Form f = {.b = &m->builder};
  add_tensor(&f, &x);
  add_tensor(&f, &w);
  add_scales(&f, &y);
  if (bias != NULL) add(&f, bias);
  Node *node = form_node(&f, "", "QLinearConv");
  copy_attrs(node, conv);
  return build_done(&m->builder, node);
}

static Value *fuse_matmul(Match *m) {
  Quantised x, w, y;
  const Node *product = match_node(m, "product");
  int rank = product->in[1].value->type.rank, columns = rank < 2 ? -1 : rank - 1;
  if (!quantised_of(m, "x", -1, &x) || !quantised_of(m, "w", columns, &w)) return NULL;
  if (!quantised_root(m, &y)) return NULL;
  Form f = {.b = &m->builder};
  add_tensor(&f, &x);
  add_tensor(&f, &w);
  add_scales(&f, &y);
  return build_done(&m->builder, form_node(&f, "", "QLinearMatMul"));
}

/* The bias is added in front of alpha. */
static Value *fuse_gemm(Match *m) {
  Quantised x, w, y;
  const Node *gemm = match_node(m, "product");
  Value *bias = node_in(gemm, 2);
  int columns = op_param_i(gemm, "transB") == 0;
  if (!quantised_of(m, "x", -1, &x) || !quantised_of(m, "w", columns, &w)) return NULL;
  if (!quantised_root(m, &y)) return NULL;
  if (bias != NULL && (op_param_f(gemm, "beta") != 1 || op_param_f(gemm, "alpha") != 1)) {
    return NULL;
  }
  if (bias != NULL && (bias = integer_bias(bias, &x, &w)) == NULL) return NULL;
  Form f = {.b = &m->builder};
  add_tensor(&f, &x);
  add_tensor(&f, &w);
  add(&f, bias);
  add_scales(&f, &y);
  Node *node = form_node(&f, "com.microsoft", "QGemm");
  node_set_float(node, "alpha", op_param_f(gemm, "alpha"));
  node_set_int(node, "transA", op_param_i(gemm, "transA"));
  node_set_int(node, "transB", op_param_i(gemm, "transB"));
  return build_done(&m->builder, node);
}

/* ---- elementwise operators, pools --------------------------------------------------------------
 */

static Value *fuse_binary(Match *m) {
  Quantised a, b, y;
  if (!quantised_of(m, "a", -1, &a) || !quantised_of(m, "b", -1, &b) || !quantised_root(m, &y)) {
    return NULL;
  }
  DType dtype = y.data->type.dtype;
  if (a.data->type.dtype != dtype || b.data->type.dtype != dtype) return NULL;
  Form f = {.b = &m->builder};
  add_tensor(&f, &a);
  add_tensor(&f, &b);
  add_scales(&f, &y);
  bool adds = strcmp(match_node(m, "op")->op->name, "Add") == 0;
  return build_done(&m->builder,
                    form_node(&f, "com.microsoft", adds ? "QLinearAdd" : "QLinearMul"));
}

/* An operator of one tensor whose integer form is called `name`. */
static Node *fuse_unary(Match *m, const char *name) {
  Quantised x, y;
  if (!quantised_of(m, "x", -1, &x) || !quantised_root(m, &y)) return NULL;
  if (x.data->type.dtype != y.data->type.dtype) return NULL;
  Form f = {.b = &m->builder};
  add_tensor(&f, &x);
  add_scales(&f, &y);
  return form_node(&f, "com.microsoft", name);
}

static Value *fuse_pool(Match *m) {
  const Node *pool = match_node(m, "op");
  bool global = strcmp(pool->op->name, "GlobalAveragePool") == 0;
  const Attr *dilations = global ? NULL : node_attr(pool, "dilations");
  for (size_t i = 0; dilations != NULL && i < dilations->count; i++) {
    if (dilations->ints[i] != 1) return NULL;
  }
  Node *node = fuse_unary(m, global ? "QLinearGlobalAveragePool" : "QLinearAveragePool");
  if (node == NULL) return NULL;
  copy_attrs(node, pool);
  return build_done(&m->builder, node);
}

/* ---- Concat ------------------------------------------------------------------------------------
 */

static Value *fuse_concat(Match *m) {
  const Node *concat = match_node(m, "op");
  Quantised y, part;
  if (!quantised_root(m, &y)) return NULL;
  for (uint32_t i = 0; i < concat->n_in; i++) {
    if (!quantised_by(node_in(concat, i)->producer, &part) || part.axis >= 0) return NULL;
  }
  Value **parts = ARENA_ARRAY(pass_scratch(m->run), concat->n_in, Value *);
  for (uint32_t i = 0; i < concat->n_in; i++) {
    quantised_by(node_in(concat, i)->producer, &part);
    parts[i] = part.data;
    if (same_scale(&part, &y)) continue;
    Node *node = build_node(&m->builder, "", "QuantizeLinear",
                            (Value *[]){node_in(concat, i), y.scale, y.zero}, y.zero ? 3 : 2, 1);
    copy_attrs(node, m->root);
    parts[i] = build_done(&m->builder, node);
  }
  Node *node = build_node(&m->builder, "", "Concat", parts, concat->n_in, 1);
  copy_attrs(node, concat);
  return build_done(&m->builder, node);
}

/* ---- bounds ------------------------------------------------------------------------------------
 */

/* `x` quantised as the root does it. */
static Value *quantise(Match *m, Value *x) {
  Value *inputs[3] = {x, node_in(m->root, 1), node_in(m->root, 2)};
  Node *node = build_node(&m->builder, "", "QuantizeLinear", inputs, inputs[2] ? 3 : 2, 1);
  copy_attrs(node, m->root);
  return build_done(&m->builder, node);
}

/* Nothing is quantised to less than the zero point if that is the least of the type. */
static Value *bound_relu(Match *m) {
  Quantised y;
  double zero = 0;
  if (!quantised_root(m, &y)) return NULL;
  bool known = y.zero == NULL || value_splat(y.zero, &zero);
  Value *bytes = quantise(m, match_value(m, "x"));
  if (known && zero == (y.data->type.dtype == ONNXC_RT_I8 ? -128 : 0)) return bytes;
  return BUILD(&m->builder, "Max", bytes, quantised_zero(&m->builder, &y));
}

/* The byte that a bound becomes; false when it bounds nothing, or is not known. */
static bool bound_byte(const Quantised *y, const Value *bound, double open, double *byte) {
  double scale, zero = 0, number, most = y->data->type.dtype == ONNXC_RT_I8 ? 127 : 255;
  if (bound == NULL) {
    *byte = open;
    return true;
  }
  bool known = value_splat(y->scale, &scale) && value_splat(bound, &number) &&
               (y->zero == NULL || value_splat(y->zero, &zero));
  if (!known || isnan(number)) return false;
  double step = nearbyint((double)((float)number / (float)scale)) + zero;
  *byte = fmin(fmax(step, most - 255), most);
  return true;
}

static Value *bound_clip(Match *m) {
  Quantised y;
  double low, high;
  if (!quantised_root(m, &y)) return NULL;
  double most = y.data->type.dtype == ONNXC_RT_I8 ? 127 : 255;
  if (!bound_byte(&y, match_value(m, "low"), most - 255, &low)) return NULL;
  if (!bound_byte(&y, match_value(m, "high"), most, &high)) return NULL;
  Value *bytes = quantise(m, match_value(m, "x"));
  if (low > most - 255)
    bytes = BUILD(&m->builder, "Max", bytes, build_like(&m->builder, bytes, low));
  if (high < most) bytes = BUILD(&m->builder, "Min", bytes, build_like(&m->builder, bytes, high));
  return bytes;
}

/* ---- movement ----------------------------------------------------------------------------------
 */

/* A copy of the node that reads `x` instead of input 0. */
static Node *moved(Match *m, const Node *move, Value *x) {
  Value **inputs = ARENA_ARRAY(pass_scratch(m->run), move->n_in, Value *);
  for (uint32_t i = 0; i < move->n_in; i++) inputs[i] = i == 0 ? x : node_in(move, i);
  Node *node = build_node(&m->builder, "", move->op->name, inputs, move->n_formal, 1);
  copy_attrs(node, move);
  return node;
}

/* Input 0 dequantised behind the root, which has one output. */
static Value *dequantise_behind(Match *m, Node *node, const Quantised *x, int axis) {
  Value *inputs[3] = {build_done(&m->builder, node), x->scale, x->zero};
  Node *dequantise = build_node(&m->builder, "", "DequantizeLinear", inputs, x->zero ? 3 : 2, 1);
  if (axis >= 0) node_set_int(dequantise, "axis", axis);
  return build_done(&m->builder, dequantise);
}

static bool has_one_output(const Node *node) {
  for (uint32_t i = 1; i < node->n_out; i++) {
    if (node_out(node, i) != NULL) return false;
  }
  return true;
}

static Value *sink_through_move(Match *m) {
  Quantised x;
  if (!quantised_of(m, "x", -1, &x) || !has_one_output(m->root)) return NULL;
  return dequantise_behind(m, moved(m, m->root, x.data), &x, -1);
}

/* The axis of the scales moves along. */
static Value *sink_through_transpose(Match *m) {
  Quantised x;
  int64_t perm[MAX_RANK];
  int axis = -1;
  if (!quantised_by(match_node(m, "dequantised x"), &x)) return NULL;
  transpose_perm(m->root, perm);
  for (int i = 0; x.axis >= 0 && i < x.data->type.rank; i++) {
    if (perm[i] == x.axis) axis = i;
  }
  return dequantise_behind(m, moved(m, m->root, x.data), &x, axis);
}

/* Padding is 0, whose byte is the zero point. */
static Value *sink_through_pad(Match *m) {
  Quantised x;
  double value = 0;
  const Value *given = node_in(m->root, 2);
  if (!quantised_of(m, "x", -1, &x)) return NULL;
  if (given != NULL && (!value_splat(given, &value) || value != 0)) return NULL;
  if (strcmp(op_param_s(m->root, "mode"), "constant") != 0) {
    return dequantise_behind(m, moved(m, m->root, x.data), &x, -1);
  }
  Value *zero = quantised_zero(&m->builder, &x);
  Value *inputs[4] = {x.data, node_in(m->root, 1), zero, node_in(m->root, 3)};
  Node *node = build_node(&m->builder, "", "Pad", inputs, inputs[3] == NULL ? 3 : 4, 1);
  copy_attrs(node, m->root);
  return dequantise_behind(m, node, &x, -1);
}

/* Only the nearest mode picks elements. */
static Value *sink_through_resize(Match *m) {
  const char *mode = op_param_s(m->root, "mode");
  const char *transform = op_param_s(m->root, "coordinate_transformation_mode");
  if (strcmp(mode, "nearest") != 0 || strcmp(transform, "tf_crop_and_resize") == 0) return NULL;
  return sink_through_move(m);
}

/* The root quantises what a node moves that nobody else reads. */
static Value *raise_over_move(Match *m) {
  Quantised y;
  const Node *move = match_node(m, "move");
  if (!quantised_root(m, &y) || !has_one_output(move)) return NULL;
  return build_done(&m->builder, moved(m, move, quantise(m, node_in(move, 0))));
}

static Value *cancel(Match *m) {
  Quantised x, y;
  if (!quantised_of(m, "x", -1, &x) || !quantised_root(m, &y)) return NULL;
  return same_scale(&x, &y) ? x.data : NULL;
}

/* ---- forms of ONNX Runtime ---------------------------------------------------------------------
 */

/* From before ONNX had all types. */
static Value *rename_domain(Match *m) {
  const Node *root = m->root;
  DType dtype = (node_in(root, 2) != NULL ? node_in(root, 2) : root->out[0])->type.dtype;
  if (dtype != ONNXC_RT_I8 && dtype != ONNXC_RT_U8 && dtype != ONNXC_RT_I32) return NULL;
  Value *inputs[3] = {node_in(root, 0), node_in(root, 1), node_in(root, 2)};
  if (inputs[1]->type.dtype != ONNXC_RT_F32) return NULL;
  Node *node = build_node(&m->builder, "", root->op->name, inputs, inputs[2] == NULL ? 2 : 3, 1);
  copy_attrs(node, root);
  return build_done(&m->builder, node);
}

#define MOVES                                                                                      \
  "Reshape|Flatten|Squeeze|Unsqueeze|Slice|Gather|GatherElements|GatherND|Expand|Tile|"            \
  "DepthToSpace|SpaceToDepth|MaxPool|ReduceMax|ReduceMin|Identity"
#define MOVES_OF_ALL                                                                               \
  "Reshape|Flatten|Squeeze|Unsqueeze|Transpose|DepthToSpace|SpaceToDepth|MaxPool|Identity"

static const Rule rules[] = {
    RULE("domain",
         (&(const Pattern){.kind = PATTERN_OP,
                           .op = "QuantizeLinear|DequantizeLinear",
                           .domain = "com.microsoft",
                           .children = {ANY("x"), ANY("scale"), OPT("zero")}}),
         rename_domain),
    RULE("cancel", QUANTISED(DEQUANTISED("x")), cancel),
    RULE("relu", QUANTISED(P("Relu", ANY("x"))), bound_relu),
    RULE("clip", QUANTISED(P("Clip", ANY("x"), OPT("low"), OPT("high"))), bound_clip),
    RULE("sink", P(MOVES, DEQUANTISED("x")), sink_through_move),
    RULE("sink", P("Transpose", DEQUANTISED("x")), sink_through_transpose),
    RULE("sink", P("Pad", DEQUANTISED("x")), sink_through_pad),
    RULE("sink", P("Resize", DEQUANTISED("x")), sink_through_resize),
    RULE("raise", QUANTISED(PB(MOVES_OF_ALL, "move", ANY("x"))), raise_over_move),
    RULE("conv", QUANTISED(PB("Conv", "product", DEQUANTISED("x"), DEQUANTISED("w"))), fuse_conv),
    RULE("matmul", QUANTISED(PB("MatMul", "product", DEQUANTISED("x"), DEQUANTISED("w"))),
         fuse_matmul),
    RULE("gemm", QUANTISED(PB("Gemm", "product", DEQUANTISED("x"), DEQUANTISED("w"))), fuse_gemm),
    RULE("binary", QUANTISED(PB("Add|Mul", "op", DEQUANTISED("a"), DEQUANTISED("b"))), fuse_binary),
    RULE("pool", QUANTISED(PB("AveragePool|GlobalAveragePool", "op", DEQUANTISED("x"))), fuse_pool),
    RULE("concat", QUANTISED(PB("Concat", "op", ANY("x"))), fuse_concat),
};

const PassDef pass_fuse_qdq = {
    .name = "fuse-qdq",
    .what = "Operators between dequantised and quantised tensors become integer ones",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .rounds = true,
};
