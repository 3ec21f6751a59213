/* Products that ONNX Runtime's optimizer joins with what is in front of them or behind. */
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/conv.h"
#include "ops/matmul.h"

#include <string.h>

#define DTS_MATRIX (DTS_FLOAT | DT(I32) | DT(I64) | DT(U32) | DT(U64))

/* ---- activations -------------------------------------------------------------------------------
 * An operator by name, with its parameters as attributes of its own, or in a list. */

#define ACTIVATION_PARAMS                                                                          \
  PARAM_OPTIONAL("activation", ATTR_STRING), PARAM_OPTIONAL("activation_alpha", ATTR_FLOAT),       \
      PARAM_OPTIONAL("activation_axis", ATTR_INT), PARAM_OPTIONAL("activation_beta", ATTR_FLOAT),  \
      PARAM_OPTIONAL("activation_gamma", ATTR_FLOAT)

typedef struct Activation {
  const char *name;
  const char *params[2]; /* attributes of the operator, the first and second in a list */
} Activation;

static const Activation activations[] = {
    {"Celu", {"alpha"}},
    {"Clip", {"min", "max"}},
    {"Elu", {"alpha"}},
    {"Gelu", {0}},
    {"HardSigmoid", {"alpha", "beta"}},
    {"HardSwish", {0}},
    {"Identity", {0}},
    {"LeakyRelu", {"alpha"}},
    {"Relu", {0}},
    {"Selu", {"alpha", "gamma"}},
    {"Sigmoid", {0}},
    {"Softplus", {0}},
    {"Softsign", {0}},
    {"Tanh", {0}},
    {"ThresholdedRelu", {"alpha"}},
};

/* The activation of the node; NULL: none, or none that is known. */
static const Activation *activation_of(const Node *node) {
  const Attr *name = node_attr(node, "activation");
  for (size_t i = 0; name != NULL && i < sizeof activations / sizeof *activations; i++) {
    if (strcmp(activations[i].name, name->s) == 0) return &activations[i];
  }
  return NULL;
}

/* Parameter `i`; false where the operator's own default counts. */
static bool activation_param(const Node *node, const Activation *a, int i, float *value) {
  const Attr *list = node_attr(node, "activation_params");
  if (a->params[i] == NULL) return false;
  if (list != NULL && (size_t)i < list->count) {
    *value = list->floats[i];
    return true;
  }
  const Attr *own =
      node_attr(node, arena_printf(node->graph->ctx->arena, "activation_%s", a->params[i]));
  if (own != NULL) *value = own->f;
  return own != NULL;
}

static bool check_activation(const Node *node) {
  const Attr *name = node_attr(node, "activation");
  const Activation *a = activation_of(node);
  float value;
  if (name == NULL || *name->s == '\0') return true;
  if (a == NULL) {
    return node_error(node, DIAG_UNSUPPORTED, "activation '%s' is not supported", name->s);
  }
  bool clip = strcmp(a->name, "Clip") == 0;
  if (!clip || (activation_param(node, a, 0, &value) && activation_param(node, a, 1, &value))) {
    return true;
  }
  return node_error(node, DIAG_INVALID, "activation Clip needs two activation_params");
}

static Value *clipped(Builder *b, const Node *node, const Activation *a, Value *x) {
  float limits[2] = {0, 0};
  for (int i = 0; i < 2; i++) (void)activation_param(node, a, i, &limits[i]);
  return BUILD(b, "Clip", x, build_like(b, x, (double)limits[0]),
               build_like(b, x, (double)limits[1]));
}

static Value *activated(Builder *b, const Node *node, Value *x) {
  const Activation *a = activation_of(node);
  if (a == NULL) return x;
  if (strcmp(a->name, "Clip") == 0) return clipped(b, node, a, x);
  Node *y = build_node(b, "", a->name, &x, 1, 1);
  for (int i = 0; i < 2; i++) {
    float value;
    if (activation_param(node, a, i, &value)) node_set_float(y, a->params[i], value);
  }
  return build_done(b, y);
}

/* ---- FusedMatMul, TransposeMatMul, FusedMatMulActivation ---------------------------------------
 */

/* An attribute that not all of these operators have. */
static bool flag(const Node *node, const char *name) {
  const Attr *attr = node_attr(node, name);
  return attr != NULL && attr->i != 0;
}

/* How operand `i` is transposed: its first axis behind the batch, then its last two swapped. */
static bool operand_order(const Node *node, uint32_t i, int64_t *perm) {
  int rank = input_type(node, i)->rank;
  bool batch = rank > 2 && flag(node, i == 0 ? "transBatchA" : "transBatchB");
  bool swap = flag(node, i == 0 ? "transA" : "transB") && rank > 1;
  for (int k = 0; k < rank; k++) perm[k] = k;
  for (int k = 0; batch && k < rank - 1; k++) perm[k] = k == rank - 2 ? 0 : k + 1;
  if (swap) {
    int64_t last = perm[rank - 1];
    perm[rank - 1] = perm[rank - 2];
    perm[rank - 2] = last;
  }
  return batch || swap;
}

static Type operand_type(const Node *node, uint32_t i) {
  const Type *type = input_type(node, i);
  const Dim *dims[MAX_RANK];
  int64_t perm[MAX_RANK];
  operand_order(node, i, perm);
  for (int k = 0; k < type->rank; k++) dims[k] = type->dims[perm[k]];
  return type_tensor(node->graph->ctx, type->dtype, type->rank, dims);
}

static bool infer_fused_matmul(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "A", 1, MAX_RANK),
      INPUT_OF(DTS_FLOAT, 1, "B", 1, MAX_RANK),
  };
  if (!CHECK_INPUTS(node, rules) || !check_activation(node)) return false;
  Type a = operand_type(node, 0), b = operand_type(node, 1);
  const Dim *dims[MAX_RANK];
  int rank;
  if (!matmul_dims(node, &a, &b, &rank, dims)) return false;
  infer_output(node, 0, a.dtype, rank, dims);
  return true;
}

static Value *operand(Builder *b, const Node *node, uint32_t i) {
  int64_t perm[MAX_RANK];
  Value *x = node_in(node, i);
  return operand_order(node, i, perm) ? compose_transpose(b, x, perm) : x;
}

static bool decompose_fused_matmul(Builder *b, Node *node) {
  Value *y = BUILD(b, "MatMul", operand(b, node, 0), operand(b, node, 1));
  float alpha = op_param_f(node, "alpha");
  if (alpha != 1) y = BUILD(b, "Mul", y, build_like(b, y, (double)alpha));
  build_replace(b, node, activated(b, node, y));
  return true;
}

#define MATMUL_PARAMS PARAM_FLOAT("alpha", 1), PARAM_INT("transA", 0), PARAM_INT("transB", 0)
#define BATCH_PARAMS PARAM_INT("transBatchA", 0), PARAM_INT("transBatchB", 0)

const OpDef op_microsoft_FusedMatMul = {
    .name = "FusedMatMul",
    .domain = "com.microsoft",
    .params = (const OpParam[]){MATMUL_PARAMS, BATCH_PARAMS, {0}},
    .infer = infer_fused_matmul,
    .decompose = decompose_fused_matmul,
};

const OpDef op_microsoft_TransposeMatMul = {
    .name = "TransposeMatMul",
    .domain = "com.microsoft",
    .params = (const OpParam[]){MATMUL_PARAMS, {0}},
    .infer = infer_fused_matmul,
    .decompose = decompose_fused_matmul,
};

const OpDef op_microsoft_FusedMatMulActivation = {
    .name = "FusedMatMulActivation",
    .domain = "com.microsoft",
    .params = (const OpParam[]){MATMUL_PARAMS, BATCH_PARAMS, ACTIVATION_PARAMS, {0}},
    .infer = infer_fused_matmul,
    .decompose = decompose_fused_matmul,
};

/* ---- SparseToDenseMatMul -----------------------------------------------------------------------
 * A sparse weight is a dense one by the time it is here. */

static bool infer_sparse_matmul(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_MATRIX, 0, "A", 2, 2),
      INPUT_OF(DTS_MATRIX, 1, "B", 2, 2),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  Type a = operand_type(node, 0), b = operand_type(node, 1);
  const Dim *dims[MAX_RANK];
  int rank;
  if (!matmul_dims(node, &a, &b, &rank, dims)) return false;
  infer_output(node, 0, a.dtype, rank, dims);
  return true;
}

const OpDef op_microsoft_SparseToDenseMatMul = {
    .name = "SparseToDenseMatMul",
    .domain = "com.microsoft",
    .params = (const OpParam[]){MATMUL_PARAMS, {0}},
    .infer = infer_sparse_matmul,
    .decompose = decompose_fused_matmul,
};

/* ---- GemmFastGelu ------------------------------------------------------------------------------
 */

static bool infer_gemm_gelu(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "X", 1, MAX_RANK),
      INPUT_OF(DTS_FLOAT, 1, "W", 2, 2),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "bias", 1, 1),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  if (node_in(node, 2) != NULL &&
      !check_size(node, 2, 0, input_type(node, 1)->dims[1], "the number of columns of W")) {
    return false;
  }
  return matmul_infer(node, 0, 1, input_type(node, 0)->dtype);
}

static bool decompose_gemm_gelu(Builder *b, Node *node) {
  Value *y = BUILD(b, "MatMul", node_in(node, 0), node_in(node, 1));
  if (node_in(node, 2) != NULL) y = BUILD(b, "Add", y, node_in(node, 2));
  Node *gelu = build_node(b, "", "Gelu", &y, 1, 1);
  node_set_string(gelu, "approximate", "tanh");
  build_replace(b, node, build_done(b, gelu));
  return true;
}

const OpDef op_microsoft_GemmFastGelu = {
    .name = "GemmFastGelu",
    .domain = "com.microsoft",
    .infer = infer_gemm_gelu,
    .decompose = decompose_gemm_gelu,
};

/* ---- FusedGemm ---------------------------------------------------------------------------------
 */

static bool infer_fused_gemm(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_MATRIX, 0, "A", 2, 2),
      INPUT_OF(DTS_MATRIX, 1, "B", 2, 2),
      INPUT_OPTIONAL_OF(DTS_MATRIX, 1, "C", 0, 2),
  };
  return CHECK_INPUTS(node, rules) && check_activation(node) && op_find("", "Gemm")->infer(node);
}

static bool decompose_fused_gemm(Builder *b, Node *node) {
  Value *inputs[3] = {node_in(node, 0), node_in(node, 1), node_in(node, 2)};
  Node *gemm = build_node(b, "", "Gemm", inputs, inputs[2] == NULL ? 2 : 3, 1);
  node_set_float(gemm, "alpha", op_param_f(node, "alpha"));
  node_set_float(gemm, "beta", op_param_f(node, "beta"));
  node_set_int(gemm, "transA", op_param_i(node, "transA"));
  node_set_int(gemm, "transB", op_param_i(node, "transB"));
  build_replace(b, node, activated(b, node, build_done(b, gemm)));
  return true;
}

const OpDef op_microsoft_FusedGemm = {
    .name = "FusedGemm",
    .domain = "com.microsoft",
    .params = (const OpParam[]){MATMUL_PARAMS, PARAM_FLOAT("beta", 1), ACTIVATION_PARAMS, {0}},
    .infer = infer_fused_gemm,
    .decompose = decompose_fused_gemm,
};

/* ---- FusedConv ---------------------------------------------------------------------------------
 */

static const char *const conv_attrs[] = {"auto_pad",     "dilations", "group",
                                         "kernel_shape", "pads",      "strides"};

static bool infer_fused_conv(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "X", 3, MAX_RANK),
      INPUT_OF(DTS_FLOAT, 1, "W", 3, MAX_RANK),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "B", 1, 1),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "Z", 3, MAX_RANK),
  };
  if (!CHECK_INPUTS(node, rules) || !check_activation(node)) return false;
  if (!conv_infer(node, 0, 1, input_type(node, 0)->dtype)) return false;
  if (node_in(node, 2) != NULL &&
      !check_size(node, 2, 0, input_type(node, 1)->dims[0], "axis 0 of W")) {
    return false;
  }
  const Type *y = &node_out(node, 0)->type;
  return node_in(node, 3) == NULL || check_sizes(node, 3, y->rank, y->dims, "the convolution");
}

static bool decompose_fused_conv(Builder *b, Node *node) {
  Value *inputs[3] = {node_in(node, 0), node_in(node, 1), node_in(node, 2)};
  Node *conv = build_node(b, "", "Conv", inputs, inputs[2] == NULL ? 2 : 3, 1);
  for (size_t i = 0; i < sizeof conv_attrs / sizeof *conv_attrs; i++) {
    const Attr *attr = node_attr(node, conv_attrs[i]);
    if (attr != NULL) node_set_attr(conv, *attr);
  }
  Value *y = build_done(b, conv);
  if (node_in(node, 3) != NULL) y = BUILD(b, "Add", y, node_in(node, 3));
  build_replace(b, node, activated(b, node, y));
  return true;
}

const OpDef op_microsoft_FusedConv = {
    .name = "FusedConv",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_STRING("auto_pad", "NOTSET"),
            PARAM_OPTIONAL("dilations", ATTR_INTS),
            PARAM_INT("group", 1),
            PARAM_OPTIONAL("kernel_shape", ATTR_INTS),
            PARAM_OPTIONAL("pads", ATTR_INTS),
            PARAM_OPTIONAL("strides", ATTR_INTS),
            PARAM_OPTIONAL("activation", ATTR_STRING),
            PARAM_OPTIONAL("activation_params", ATTR_FLOATS),
            {0},
        },
    .infer = infer_fused_conv,
    .decompose = decompose_fused_conv,
};
