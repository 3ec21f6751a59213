/* Random numbers. onnxc_rt.h says what they depend on; such nodes are neither folded nor merged. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"

/* The number of the node's stream: given once, it stays whatever becomes of the node. */
#define STREAM "onnxc_stream"

static void give_stream(Node *node) {
  if (node_attr(node, STREAM) == NULL) node_set_int(node, STREAM, node->id);
}

/* The attributes of all these operators begin with what makes their stream. */
#define STREAM_PARAMS(kind_) PARAM_OPTIONAL("seed", kind_), PARAM_OPTIONAL(STREAM, ATTR_INT)

/* The attribute dtype; where it is left out, that of input 0. */
static DType output_dtype(const Node *node) {
  const Attr *dtype = node_attr(node, "dtype");
  if (dtype != NULL) return (DType)dtype->i;
  return node_in(node, 0) != NULL ? node_in(node, 0)->type.dtype : ONNXC_RT_F32;
}

static bool like_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  give_stream(node);
  infer_output(node, 0, output_dtype(node), x->rank, x->dims);
  return true;
}

static bool shape_infer(Node *node) {
  const Attr *shape = op_param_list(node, "shape");
  const Dim *dims[MAX_RANK];
  if (shape == NULL || shape->count > MAX_RANK) {
    return node_error(node, DIAG_INVALID, "attribute shape must have at most %d sizes", MAX_RANK);
  }
  for (size_t i = 0; i < shape->count; i++) {
    if (shape->ints[i] < 0) return node_error(node, DIAG_INVALID, "shape[%zu] is negative", i);
    dims[i] = dim_const(infer_dims(node), shape->ints[i]);
  }
  give_stream(node);
  infer_output(node, 0, output_dtype(node), (int)shape->count, dims);
  return true;
}

#define RANDOM(Name, shape_inputs_, infer_, kernel_, ...)                                          \
  const OpDef op_##Name = {                                                                        \
      .name = #Name,                                                                               \
      .domain = "",                                                                                \
      .flags = OP_NONDETERMINISTIC,                                                                \
      .shape_inputs = shape_inputs_,                                                               \
      .params =                                                                                    \
          (const OpParam[]){                                                                       \
              STREAM_PARAMS(ATTR_FLOAT), __VA_ARGS__, PARAM_OPTIONAL("dtype", ATTR_INT), {0}},     \
      .infer = infer_,                                                                             \
      OP_KERNEL(kernel_),                                                                          \
  }

RANDOM(RandomNormal, 0, shape_infer, onnxc_rt_ref_random_normal, PARAM_FLOAT("scale", 1),
       PARAM_FLOAT("mean", 0), PARAM_REQUIRED("shape", ATTR_INTS));
RANDOM(RandomNormalLike, 1, like_infer, onnxc_rt_ref_random_normal, PARAM_FLOAT("scale", 1),
       PARAM_FLOAT("mean", 0));
RANDOM(RandomUniform, 0, shape_infer, onnxc_rt_ref_random_uniform, PARAM_FLOAT("high", 1),
       PARAM_FLOAT("low", 0), PARAM_REQUIRED("shape", ATTR_INTS));
RANDOM(RandomUniformLike, 1, like_infer, onnxc_rt_ref_random_uniform, PARAM_FLOAT("high", 1),
       PARAM_FLOAT("low", 0));

const OpDef op_Bernoulli = {
    .name = "Bernoulli",
    .domain = "",
    .flags = OP_NONDETERMINISTIC,
    .params = (const OpParam[]){STREAM_PARAMS(ATTR_FLOAT), PARAM_OPTIONAL("dtype", ATTR_INT), {0}},
    .infer = like_infer,
    OP_KERNEL(onnxc_rt_ref_bernoulli),
};

/* Scores [n, classes] -> [n, sample_size] classes. */
static bool multinomial_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL || !check_int(node, "sample_size", 1, INT32_MAX)) return false;
  if (x->rank != 2) return node_error(node, DIAG_INVALID, "the input must have rank 2");
  const Dim *samples = dim_const(infer_dims(node), op_param_i(node, "sample_size"));
  const Dim *dims[2] = {x->dims[0], samples};
  give_stream(node);
  infer_output(node, 0, (DType)op_param_i(node, "dtype"), 2, dims);
  return true;
}

const OpDef op_Multinomial = {
    .name = "Multinomial",
    .domain = "",
    .flags = OP_NONDETERMINISTIC,
    .params = (const OpParam[]){STREAM_PARAMS(ATTR_FLOAT),
                                PARAM_INT("sample_size", 1),
                                PARAM_INT("dtype", ONNXC_RT_I32),
                                {0}},
    .infer = multinomial_infer,
    OP_KERNEL(onnxc_rt_ref_multinomial),
};

/* ---- Dropout -----------------------------------------------------------------------------------
 */

static bool dropout_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL || !check_number(node, 1) || !check_number(node, 2)) return false;
  const Value *ratio = node_in(node, 1);
  if (ratio != NULL && ratio->constant != NULL) {
    double value = tensor_f64(ratio->constant, 0);
    bool fine = value >= 0 && value < 1;
    if (!fine) return node_error(node, DIAG_INVALID, "ratio is %g, but must be in [0, 1)", value);
  }
  give_stream(node);
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  infer_output(node, 1, ONNXC_RT_BOOL, x->rank, x->dims);
  return true;
}

static Value *ones(Builder *b, const Type *like) {
  Tensor *yes = tensor_new(b->graph->ctx, ONNXC_RT_BOOL, 0, NULL);
  tensor_set_i64(yes, 0, 1);
  Value *shape = build_dims(b, like->dims, (uint32_t)like->rank);
  return BUILD(b, "Expand", build_constant(b, yes), shape);
}

/* Whether `value`, NULL where it is absent, is known to be 0. */
static bool is_zero(const Value *value) {
  return value != NULL && value->constant != NULL && tensor_f64(value->constant, 0) == 0;
}

/* Without training, or where nothing is dropped, it is the identity, and the mask is all true. */
static bool dropout_decompose(Builder *b, Node *node) {
  const Value *mode = node_in(node, 2);
  if (mode != NULL && !is_zero(mode) && !is_zero(node_in(node, 1))) return false;
  compose_give(b, node, 0, BUILD(b, "Identity", node_in(node, 0)));
  if (node_out(node, 1) != NULL) compose_give(b, node, 1, ones(b, &node_in(node, 0)->type));
  return true;
}

const OpDef op_Dropout = {
    .name = "Dropout",
    .domain = "",
    .flags = OP_NONDETERMINISTIC,
    .params = (const OpParam[]){STREAM_PARAMS(ATTR_INT), {0}},
    .infer = dropout_infer,
    OP_KERNEL(onnxc_rt_ref_dropout),
    .decompose = dropout_decompose,
};
