/* Elementwise functions of two or more inputs. */
#include "onnxc_rt_reference.h"
#include "ops/builder.h"
#include "ops/elementwise.h"
#include "ops/real.h"

#include <string.h>

/* ---- arithmetic on sizes -----------------------------------------------------------------------
 */

typedef const Dim *Arithmetic(DimTable *t, const Dim *a, const Dim *b);

static bool is_real(const Node *node) {
  return dtype_is_float(node_in(node, 0)->type.dtype);
}

static const Dim *calculate(const Node *node, const Dim *const *args, Arithmetic *whole,
                            Arithmetic *real) {
  return (is_real(node) ? real : whole)(infer_dims(node), args[0], args[1]);
}

static const Dim *add_element(const Node *node, const Dim *const *args) {
  return calculate(node, args, dim_add, real_add);
}

static const Dim *sub_element(const Node *node, const Dim *const *args) {
  return calculate(node, args, dim_sub, real_sub);
}

static const Dim *mul_element(const Node *node, const Dim *const *args) {
  return calculate(node, args, dim_mul, real_mul);
}

/* Truncating, which is rounding down where nothing is negative. A size that may be 0 divides its
 * multiples too: of a division by 0 ONNX says nothing. */
static const Dim *div_element(const Node *node, const Dim *const *args) {
  DimTable *t = infer_dims(node);
  int64_t a, b;
  if (is_real(node)) return real_div(t, args[0], args[1]);
  if (dim_is_const(args[0], &a) && dim_is_const(args[1], &b) && b != 0 && b != -1) {
    return dim_const(t, a / b);
  }
  const Dim *exact = args[1]->lo == 0 ? dim_divide_exactly(t, args[0], args[1]) : NULL;
  if (exact != NULL) return exact;
  bool natural = args[0]->lo >= 0 && args[1]->lo > 0;
  return natural ? dim_floordiv(t, args[0], args[1]) : NULL;
}

static const Dim *mod_element(const Node *node, const Dim *const *args) {
  DimTable *t = infer_dims(node);
  bool natural = args[1]->lo > 0 && (args[0]->lo >= 0 || op_param_i(node, "fmod") == 0);
  if (!natural || is_real(node)) return NULL;
  if (!args[0]->opaque && !args[1]->opaque) return dim_mod(t, args[0], args[1]);
  return dim_unknown(t, 0, args[1]->hi == INT64_MAX ? INT64_MAX : args[1]->hi - 1);
}

static const Dim *min_element(const Node *node, const Dim *const *args) {
  const Dim *least = args[0];
  for (uint32_t i = 1; i < node->n_formal; i++) least = dim_min(infer_dims(node), least, args[i]);
  return least;
}

static const Dim *max_element(const Node *node, const Dim *const *args) {
  const Dim *most = args[0];
  for (uint32_t i = 1; i < node->n_formal; i++) most = dim_max(infer_dims(node), most, args[i]);
  return most;
}

/* ---- comparisons of sizes ----------------------------------------------------------------------
 * What is neither provably so nor provably not so is not known. */

/* Bounds of a float say nothing about NaN. */
static bool comparable(const Node *node, const Dim *const *args) {
  return !is_real(node) || (!args[0]->opaque && !args[1]->opaque);
}

static const Dim *decide(const Node *node, bool is_so, bool is_not_so) {
  return is_so || is_not_so ? dim_const(infer_dims(node), is_so) : NULL;
}

static const Dim *less_dims(const Node *node, const Dim *a, const Dim *b) {
  DimTable *t = infer_dims(node);
  return decide(node, dim_le(t, dim_add_i(t, a, 1), b), dim_le(t, b, a));
}

static const Dim *equal_element(const Node *node, const Dim *const *args) {
  if (!comparable(node, args)) return NULL;
  return decide(node, args[0] == args[1], dim_never_equal(infer_dims(node), args[0], args[1]));
}

static const Dim *less_element(const Node *node, const Dim *const *args) {
  return comparable(node, args) ? less_dims(node, args[0], args[1]) : NULL;
}

static const Dim *greater_element(const Node *node, const Dim *const *args) {
  return comparable(node, args) ? less_dims(node, args[1], args[0]) : NULL;
}

static const Dim *opposite(const Node *node, const Dim *truth) {
  return truth == NULL ? NULL : dim_const(infer_dims(node), dim_is(truth, 0));
}

static const Dim *less_or_equal_element(const Node *node, const Dim *const *args) {
  return comparable(node, args) ? opposite(node, less_dims(node, args[1], args[0])) : NULL;
}

static const Dim *greater_or_equal_element(const Node *node, const Dim *const *args) {
  return comparable(node, args) ? opposite(node, less_dims(node, args[0], args[1])) : NULL;
}

static const Dim *and_element(const Node *node, const Dim *const *args) {
  return decide(node, dim_is(args[0], 1) && dim_is(args[1], 1),
                dim_is(args[0], 0) || dim_is(args[1], 0));
}

static const Dim *or_element(const Node *node, const Dim *const *args) {
  return decide(node, dim_is(args[0], 1) || dim_is(args[1], 1),
                dim_is(args[0], 0) && dim_is(args[1], 0));
}

static const Dim *xor_element(const Node *node, const Dim *const *args) {
  bool known = dim_is_const(args[0], NULL) && dim_is_const(args[1], NULL);
  return known ? dim_const(infer_dims(node), args[0] != args[1]) : NULL;
}

/* ---- one instruction ---------------------------------------------------------------------------
 */

#define BINARY(Name, infer_, element, kernel, instruction, ...)                                    \
  static bool infer_##Name(Node *node) {                                                           \
    if (!infer_(node)) return false;                                                               \
    infer_map_contents(node, element);                                                             \
    return true;                                                                                   \
  }                                                                                                \
  static bool emit_##Name(RowBuilder *b, const Node *node) {                                       \
    return emit_binary(b, node, instruction);                                                      \
  }                                                                                                \
  ROW_OP(Name, infer_##Name, kernel, emit_##Name, __VA_ARGS__)

BINARY(Add, infer_elementwise, add_element, onnxc_rt_ref_add, ROW_ADD, .flags = OP_COMMUTATIVE);
BINARY(And, infer_comparison, and_element, onnxc_rt_ref_and, ROW_BITAND, .flags = OP_COMMUTATIVE);
BINARY(Equal, infer_comparison, equal_element, onnxc_rt_ref_equal, ROW_EQ, .flags = OP_COMMUTATIVE);
BINARY(Less, infer_comparison, less_element, onnxc_rt_ref_less, ROW_LT, .flags = 0);
BINARY(LessOrEqual, infer_comparison, less_or_equal_element, onnxc_rt_ref_less_or_equal, ROW_LE,
       .flags = 0);
BINARY(Mul, infer_elementwise, mul_element, onnxc_rt_ref_mul, ROW_MUL, .flags = OP_COMMUTATIVE);
BINARY(Or, infer_comparison, or_element, onnxc_rt_ref_or, ROW_BITOR, .flags = OP_COMMUTATIVE);
BINARY(Sub, infer_elementwise, sub_element, onnxc_rt_ref_sub, ROW_SUB, .flags = 0);
BINARY(Xor, infer_comparison, xor_element, onnxc_rt_ref_xor, ROW_BITXOR, .flags = OP_COMMUTATIVE);

#define BITWISE(Name, kernel, instruction)                                                         \
  static bool emit_##Name(RowBuilder *b, const Node *node) {                                       \
    return emit_binary(b, node, instruction);                                                      \
  }                                                                                                \
  ROW_OP(Name, infer_elementwise, kernel, emit_##Name, .flags = OP_COMMUTATIVE)

BITWISE(BitwiseAnd, onnxc_rt_ref_bitwise_and, ROW_BITAND);
BITWISE(BitwiseOr, onnxc_rt_ref_bitwise_or, ROW_BITOR);
BITWISE(BitwiseXor, onnxc_rt_ref_bitwise_xor, ROW_BITXOR);

/* ---- the same with the operands exchanged ------------------------------------------------------
 */

#define EXCHANGED(Name, element, kernel, instruction)                                              \
  static bool infer_##Name(Node *node) {                                                           \
    if (!infer_comparison(node)) return false;                                                     \
    infer_map_contents(node, element);                                                             \
    return true;                                                                                   \
  }                                                                                                \
  static bool emit_##Name(RowBuilder *b, const Node *node) {                                       \
    RowRef x = row_input(b, node, 0), y = row_input(b, node, 1);                                   \
    row_output(b, node, 0, row_op2(b, instruction, y, x));                                         \
    return true;                                                                                   \
  }                                                                                                \
  ROW_OP(Name, infer_##Name, kernel, emit_##Name)

EXCHANGED(Greater, greater_element, onnxc_rt_ref_greater, ROW_LT);
EXCHANGED(GreaterOrEqual, greater_or_equal_element, onnxc_rt_ref_greater_or_equal, ROW_LE);

/* ---- Div, Mod ----------------------------------------------------------------------------------
 */

static int64_t least_of(DType dtype) {
  return dtype_info(dtype)->cls == DTYPE_CLASS_INT ? INT64_MIN >> (64 - dtype_info(dtype)->bits)
                                                   : 0;
}

/* Constant divisors of integers are not 0; nor is the least number divided by -1, whose quotient
 * the type does not hold. */
static bool check_divisor(const Node *node) {
  const Value *a = node_in(node, 0), *b = node_in(node, 1);
  if (a == NULL || b == NULL || b->constant == NULL) return true;
  if (!dtype_is_integer(b->type.dtype)) return true;
  bool alone = a->constant != NULL && b->constant->count == 1;
  for (size_t i = 0; i < b->constant->count; i++) {
    int64_t divisor = tensor_i64(b->constant, i);
    if (divisor == 0) return node_error(node, DIAG_INVALID, "the divisor is 0");
    if (divisor != -1 || !alone) continue;
    for (size_t k = 0; k < a->constant->count; k++) {
      if (tensor_i64(a->constant, k) != least_of(a->type.dtype)) continue;
      return node_error(node, DIAG_INVALID, "the quotient leaves the range of its type");
    }
  }
  return true;
}

static bool div_infer(Node *node) {
  if (!infer_elementwise(node) || !check_divisor(node)) return false;
  infer_map_contents(node, div_element);
  return true;
}

static bool div_emit(RowBuilder *b, const Node *node) {
  return emit_binary(b, node, ROW_DIV);
}

ROW_OP(Div, div_infer, onnxc_rt_ref_div, div_emit);

static bool mod_infer(Node *node) {
  if (!infer_elementwise(node) || !check_divisor(node)) return false;
  infer_map_contents(node, mod_element);
  return true;
}

static bool mod_emit(RowBuilder *b, const Node *node) {
  return emit_binary(b, node, op_param_i(node, "fmod") != 0 ? ROW_FMOD : ROW_MOD);
}

ROW_OP(Mod, mod_infer, onnxc_rt_ref_mod, mod_emit,
       .params = (const OpParam[]){PARAM_INT("fmod", 0), {0}});

/* ---- Pow ---------------------------------------------------------------------------------------
 */

/* The exponent where it is one constant number. */
static bool constant_exponent(const Node *node, double *exponent) {
  const Tensor *constant = node_in(node, 1)->constant;
  if (constant == NULL || constant->count != 1) return false;
  *exponent = tensor_f64(constant, 0);
  return true;
}

static bool pow_emit(RowBuilder *b, const Node *node) {
  double exponent;
  if (!dtype_is_float(node_in(node, 0)->type.dtype)) return false;
  RowRef x = row_input(b, node, 0), y;
  bool known = constant_exponent(node, &exponent);
  if (known && exponent == 2) {
    y = row_op2(b, ROW_MUL, x, x);
  } else if (known && exponent == 3) {
    y = row_op2(b, ROW_MUL, row_op2(b, ROW_MUL, x, x), x);
  } else {
    y = row_op2(b, ROW_POW, x, row_convert(b, row_dtype(b, x), row_input(b, node, 1)));
  }
  row_output(b, node, 0, y);
  return true;
}

ROW_OP(Pow, infer_elementwise, onnxc_rt_ref_pow, pow_emit);

/* ---- BitShift ----------------------------------------------------------------------------------
 */

static bool bit_shift_infer(Node *node) {
  const char *direction = op_param_s(node, "direction");
  bool known =
      direction != NULL && (strcmp(direction, "LEFT") == 0 || strcmp(direction, "RIGHT") == 0);
  if (!known) return node_error(node, DIAG_INVALID, "direction must be LEFT or RIGHT");
  return infer_elementwise(node);
}

static bool bit_shift_emit(RowBuilder *b, const Node *node) {
  bool left = strcmp(op_param_s(node, "direction"), "LEFT") == 0;
  return emit_binary(b, node, left ? ROW_SHL : ROW_SHR);
}

ROW_OP(BitShift, bit_shift_infer, onnxc_rt_ref_bit_shift, bit_shift_emit,
       .params = (const OpParam[]){PARAM_REQUIRED("direction", ATTR_STRING), {0}});

/* ---- PRelu, Clip, Where ------------------------------------------------------------------------
 */

/* The slope is broadcast to the input, not the other way round. */
static bool prelu_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *slope = infer_tensor(node, 1);
  const Dim *dims[MAX_RANK];
  int rank;
  if (x == NULL || slope == NULL) return false;
  if (!infer_broadcast(node, (const Type *const[]){x, slope}, 2, &rank, dims)) return false;
  if (rank != x->rank) return node_error(node, DIAG_INVALID, "slope has more axes than the input");
  for (int i = 0; i < rank; i++) {
    if (infer_equal(node, "the sizes of the input and the result", x->dims[i], dims[i]) == NULL) {
      return false;
    }
  }
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  return true;
}

static bool prelu_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0), y = x;
  bool may_be_negative = dtype_info(node_in(node, 0)->type.dtype)->cls != DTYPE_CLASS_UINT;
  if (may_be_negative) {
    RowRef low = row_op2(b, ROW_MUL, row_input(b, node, 1), x);
    y = row_op3(b, ROW_SELECT, row_with(b, ROW_LT, x, 0), low, x);
  }
  row_output(b, node, 0, y);
  return true;
}

ROW_OP(PRelu, prelu_infer, onnxc_rt_ref_prelu, prelu_emit);

static const Dim *clip_element(const Node *node, const Dim *const *args) {
  DimTable *t = infer_dims(node);
  const Dim *x = args[0];
  if (node_in(node, 1) != NULL) x = dim_max(t, x, args[1]);
  return node_in(node, 2) != NULL ? dim_min(t, x, args[2]) : x;
}

static bool clip_infer(Node *node) {
  for (uint32_t i = 1; i <= 2; i++) {
    if (node_in(node, i) == NULL) continue;
    const Type *bound = infer_tensor(node, i);
    if (bound == NULL) return false;
    if (bound->rank > 1) return node_error(node, DIAG_INVALID, "input %u must be a scalar", i);
  }
  if (!infer_like_first(node)) return false;
  infer_map_contents(node, clip_element);
  return true;
}

static bool clip_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  RowRef low = row_input(b, node, 1), high = row_input(b, node, 2);
  if (low != ROW_NONE) x = row_op3(b, ROW_SELECT, row_op2(b, ROW_LT, x, low), low, x);
  if (high != ROW_NONE) x = row_op3(b, ROW_SELECT, row_op2(b, ROW_LT, high, x), high, x);
  row_output(b, node, 0, x);
  return true;
}

ROW_OP(Clip, clip_infer, onnxc_rt_ref_clip, clip_emit);

static const Dim *where_element(const Node *node, const Dim *const *args) {
  if (args[1] == args[2] || dim_is(args[0], 1)) return args[1];
  if (dim_is(args[0], 0)) return args[2];
  int64_t lo = args[1]->lo < args[2]->lo ? args[1]->lo : args[2]->lo;
  int64_t hi = args[1]->hi > args[2]->hi ? args[1]->hi : args[2]->hi;
  return dim_unknown(infer_dims(node), lo, hi);
}

static bool where_infer(Node *node) {
  const Type *types[3];
  const Dim *dims[MAX_RANK];
  int rank;
  for (uint32_t i = 0; i < 3; i++) {
    types[i] = infer_tensor(node, i);
    if (types[i] == NULL) return false;
  }
  if (!infer_broadcast(node, types, 3, &rank, dims)) return false;
  infer_output(node, 0, types[1]->dtype, rank, dims);
  infer_map_contents(node, where_element);
  return true;
}

static bool where_emit(RowBuilder *b, const Node *node) {
  RowRef condition = row_input(b, node, 0);
  RowRef x = row_input(b, node, 1), y = row_input(b, node, 2);
  row_output(b, node, 0, row_op3(b, ROW_SELECT, condition, x, y));
  return true;
}

ROW_OP(Where, where_infer, onnxc_rt_ref_where, where_emit);

/* ---- SwiGLU ------------------------------------------------------------------------------------
 */

static bool swiglu_infer(Node *node) {
  const Type *a = infer_tensor(node, 0), *b = infer_tensor(node, 1);
  if (a == NULL || b == NULL) return false;
  if (a->rank != b->rank) return node_error(node, DIAG_INVALID, "the inputs' ranks differ");
  for (int i = 0; i < a->rank; i++) {
    if (infer_equal(node, "sizes of the inputs", a->dims[i], b->dims[i]) == NULL) return false;
  }
  infer_output(node, 0, a->dtype, a->rank, a->dims);
  return true;
}

/* -> Mul(Swish(a), b) */
static bool swiglu_decompose(Builder *b, Node *node) {
  Node *swish = build_node(b, "", "Swish", (Value *[]){node_in(node, 0)}, 1, 1);
  node_set_float(swish, "alpha", op_param_f(node, "alpha"));
  build_replace(b, node, BUILD(b, "Mul", build_done(b, swish), node_in(node, 1)));
  return true;
}

const OpDef op_SwiGLU = {
    .name = "SwiGLU",
    .domain = "",
    .params = (const OpParam[]){PARAM_FLOAT("alpha", 1), {0}},
    .infer = swiglu_infer,
    .decompose = swiglu_decompose,
};

/* ---- any number of inputs ----------------------------------------------------------------------
 */

static RowRef fold(RowBuilder *b, const Node *node, RowOp op) {
  RowRef value = row_input(b, node, 0);
  for (uint32_t i = 1; i < node->n_formal; i++) {
    value = row_op2(b, op, value, row_input(b, node, i));
  }
  return value;
}

#define VARIADIC(Name, infer_, kernel, instruction)                                                \
  static bool emit_##Name(RowBuilder *b, const Node *node) {                                       \
    row_output(b, node, 0, fold(b, node, instruction));                                            \
    return true;                                                                                   \
  }                                                                                                \
  ROW_OP(Name, infer_, kernel, emit_##Name, .flags = OP_COMMUTATIVE)

static bool max_infer(Node *node) {
  if (!infer_elementwise(node)) return false;
  infer_map_contents(node, max_element);
  return true;
}

static bool min_infer(Node *node) {
  if (!infer_elementwise(node)) return false;
  infer_map_contents(node, min_element);
  return true;
}

VARIADIC(Max, max_infer, onnxc_rt_ref_max, ROW_MAX);
VARIADIC(Min, min_infer, onnxc_rt_ref_min, ROW_MIN);
VARIADIC(Sum, infer_elementwise, onnxc_rt_ref_sum, ROW_ADD);

static bool mean_emit(RowBuilder *b, const Node *node) {
  row_output(b, node, 0, row_with(b, ROW_DIV, fold(b, node, ROW_ADD), (double)node->n_formal));
  return true;
}

ROW_OP(Mean, infer_elementwise, onnxc_rt_ref_mean, mean_emit, .flags = OP_COMMUTATIVE);
