/* Random numbers. They are the same in every run, but nobody may count on that: such nodes are
 * neither folded nor merged. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"

/* The attribute dtype; where it is left out, that of input 0. */
static DType output_dtype(const Node *node) {
  const Attr *dtype = node_attr(node, "dtype");
  if (dtype != NULL) return (DType)dtype->i;
  return node_in(node, 0) != NULL ? node_in(node, 0)->type.dtype : ONNXC_RT_F32;
}

static bool like_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
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
  infer_output(node, 0, output_dtype(node), (int)shape->count, dims);
  return true;
}

#define RANDOM(Name, infer_, kernel_, ...)                                                         \
  const OpDef op_##Name = {                                                                        \
      .name = #Name,                                                                               \
      .domain = "",                                                                                \
      .flags = OP_NONDETERMINISTIC,                                                                \
      .params = (const OpParam[]){PARAM_OPTIONAL("seed", ATTR_FLOAT),                              \
                                  __VA_ARGS__,                                                     \
                                  PARAM_OPTIONAL("dtype", ATTR_INT),                               \
                                  {0}},                                                            \
      .infer = infer_,                                                                             \
      OP_KERNEL(kernel_),                                                                          \
  }

RANDOM(RandomNormal, shape_infer, onnxc_rt_ref_random_normal, PARAM_FLOAT("scale", 1),
       PARAM_FLOAT("mean", 0), PARAM_REQUIRED("shape", ATTR_INTS));
RANDOM(RandomNormalLike, like_infer, onnxc_rt_ref_random_normal, PARAM_FLOAT("scale", 1),
       PARAM_FLOAT("mean", 0));
RANDOM(RandomUniform, shape_infer, onnxc_rt_ref_random_uniform, PARAM_FLOAT("high", 1),
       PARAM_FLOAT("low", 0), PARAM_REQUIRED("shape", ATTR_INTS));
RANDOM(RandomUniformLike, like_infer, onnxc_rt_ref_random_uniform, PARAM_FLOAT("high", 1),
       PARAM_FLOAT("low", 0));

const OpDef op_Bernoulli = {
    .name = "Bernoulli",
    .domain = "",
    .flags = OP_NONDETERMINISTIC,
    .params = (const OpParam[]){PARAM_OPTIONAL("seed", ATTR_FLOAT),
                                PARAM_OPTIONAL("dtype", ATTR_INT),
                                {0}},
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
  infer_output(node, 0, (DType)op_param_i(node, "dtype"), 2, dims);
  return true;
}

const OpDef op_Multinomial = {
    .name = "Multinomial",
    .domain = "",
    .flags = OP_NONDETERMINISTIC,
    .params = (const OpParam[]){PARAM_OPTIONAL("seed", ATTR_FLOAT),
                                PARAM_INT("sample_size", 1),
                                PARAM_INT("dtype", ONNXC_RT_I32),
                                {0}},
    .infer = multinomial_infer,
    OP_KERNEL(onnxc_rt_ref_multinomial),
};
