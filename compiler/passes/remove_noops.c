/* remove-noops: an operator that gives back its input -> the input; two that undo or repeat one
 * another -> one or none.
 *
 * Right bit for bit: x + 0 loses the sign of -0, so only x - 0, x + -0 and integers are taken.
 * Where a size decides, the sizes before and after must be the same expression. */
#include "passes/facts.h"
#include "passes/pass.h"

#include <math.h>
#include <string.h>

static Value *x_of(const Match *m) {
  return match_value(m, "x");
}

/* The input, when it is all that the root gives. */
static Value *input_if(const Match *m, bool same) {
  return same && same_type(x_of(m), m->root->out[0]) ? x_of(m) : NULL;
}

static Value *keep_input(Match *m) {
  return input_if(m, true);
}

static bool is_zero(const Value *value) {
  double number;
  return value == NULL || (value_splat(value, &number) && number == 0);
}

/* ---- copies ------------------------------------------------------------------------------------
 */

/* An Identity stays where the caller's names need it: an input that is also an output. */
static Value *drop_identity(Match *m) {
  return build_may_rename(m->root->out[0], x_of(m)) ? x_of(m) : NULL;
}

/* Without bounds Clip does nothing. */
static Value *drop_clip(Match *m) {
  return input_if(m, node_in(m->root, 1) == NULL && node_in(m->root, 2) == NULL);
}

/* Concat, Sum, Max, Min or Mean of one. */
static Value *drop_single(Match *m) {
  return input_if(m, m->root->n_in == 1 && m->root->n_out == 1);
}

/* ---- types ------------------------------------------------------------------------------------
 */

typedef struct Range {
  int sign, magnitude, exponent; /* bits */
} Range;

/* What a type can hold without rounding. */
static bool range_of(DType dtype, Range *range) {
  const DTypeInfo *info = dtype_info(dtype);
  switch (info->cls) {
  case DTYPE_CLASS_BOOL: *range = (Range){0, 1, 0}; return true;
  case DTYPE_CLASS_UINT: *range = (Range){0, info->bits, 0}; return true;
  case DTYPE_CLASS_INT: *range = (Range){1, info->bits - 1, 0}; return true;
  default: break;
  }
  switch (dtype) {
  case ONNXC_RT_F16: *range = (Range){1, 11, 5}; return true;
  case ONNXC_RT_BF16: *range = (Range){1, 8, 8}; return true;
  case ONNXC_RT_F32: *range = (Range){1, 24, 8}; return true;
  case ONNXC_RT_F64: *range = (Range){1, 53, 11}; return true;
  default: return false;
  }
}

static bool holds_all(DType wide, DType narrow) {
  Range a, b;
  if (!range_of(wide, &a) || !range_of(narrow, &b)) return false;
  if (wide == ONNXC_RT_BOOL) return narrow == ONNXC_RT_BOOL;
  if (a.exponent == 0 && b.exponent != 0) return false;
  bool reaches = a.exponent == 0 || b.exponent != 0 || b.magnitude <= a.magnitude;
  return a.sign >= b.sign && a.magnitude >= b.magnitude && a.exponent >= b.exponent && reaches;
}

/* Cast(Cast(x)) where the type between holds every x. */
static Value *merge_casts(Match *m) {
  Value *x = x_of(m);
  const Value *middle = match_value(m, "middle"), *out = m->root->out[0];
  DType dtype = out->type.dtype;
  Range range;
  /* integers wrap where floats saturate */
  bool alike = is_float(x) == is_float(middle) || x->type.dtype == ONNXC_RT_BOOL;
  if (!alike || !holds_all(middle->type.dtype, x->type.dtype) || !range_of(dtype, &range)) {
    return NULL;
  }
  if (dtype == x->type.dtype) return x;
  Node *cast = build_node(&m->builder, "", "Cast", &x, 1, 1);
  node_set_int(cast, "to", dtype);
  return build_done(&m->builder, cast);
}

/* ---- layout ------------------------------------------------------------------------------------
 */

/* Axes whose size is 1 may stand anywhere: only the order of the others moves elements. */
static bool moves_nothing(const Type *type, const int64_t *perm) {
  int64_t last = -1;
  for (int i = 0; i < type->rank; i++) {
    if (dim_is(type->dims[perm[i]], 1)) continue;
    if (perm[i] < last) return false;
    last = perm[i];
  }
  return true;
}

static Value *drop_transpose(Match *m) {
  int64_t perm[MAX_RANK];
  transpose_perm(m->root, perm);
  return input_if(m, moves_nothing(&x_of(m)->type, perm));
}

static Value *merge_transposes(Match *m) {
  Value *x = x_of(m);
  int64_t first[MAX_RANK], second[MAX_RANK], both[MAX_RANK];
  int rank = x->type.rank;
  transpose_perm(match_node(m, "middle"), first);
  transpose_perm(m->root, second);
  for (int i = 0; i < rank; i++) both[i] = first[second[i]];
  Node *node = build_node(&m->builder, "", "Transpose", &x, 1, 1);
  node_set_ints(node, "perm", both, (size_t)rank);
  return build_done(&m->builder, node);
}

/* Reshape(Reshape(x)), and the same with Squeeze, Unsqueeze and Flatten. */
static Value *merge_reshapes(Match *m) {
  Value *x = x_of(m);
  const Value *out = m->root->out[0];
  if (same_type(x, out)) return x;
  Value *shape = build_shape(&m->builder, &out->type);
  if (shape == NULL) return NULL;
  return BUILD(&m->builder, "Reshape", x, shape);
}

/* Slices forward, so the same sizes mean the same elements. */
static Value *drop_slice(Match *m) {
  double step = 1;
  const Value *steps = node_in(m->root, 4);
  return input_if(m, steps == NULL || (value_splat(steps, &step) && step == 1));
}

static Value *drop_pad(Match *m) {
  return input_if(m, is_zero(node_in(m->root, 1)));
}

static Value *drop_tile(Match *m) {
  double repeats;
  return input_if(m, value_splat(m->root->in[1].value, &repeats) && repeats == 1);
}

/* A reduction over axes of size 1 that stay, of operators that give back a single element. */
static Value *drop_reduction(Match *m) {
  bool flags[MAX_RANK], keepdims;
  const Value *x = x_of(m);
  if (!reduce_axes(m->root, flags, &keepdims) || !keepdims) return NULL;
  for (int i = 0; i < x->type.rank; i++) {
    if (flags[i] && !dim_is(x->type.dims[i], 1)) return NULL;
  }
  return input_if(m, true);
}

/* ---- arithmetic --------------------------------------------------------------------------------
 */

/* The other operand is all `number`; for floats of that sign too. */
static Value *drop_operand(Match *m, double number) {
  double value;
  bool same = match_scalar(m, "k", &value) && value == number;
  if (same && is_float(x_of(m))) same = signbit(value) == signbit(number);
  return input_if(m, same);
}

static Value *drop_add(Match *m) {
  return drop_operand(m, is_float(x_of(m)) ? -0.0 : 0.0);
}

static Value *drop_sub(Match *m) {
  return drop_operand(m, 0.0);
}

static Value *drop_factor(Match *m) {
  return drop_operand(m, 1.0);
}

/* Nothing is less than -infinity, nor more than infinity. */
static Value *drop_bound(Match *m) {
  double bound = strcmp(m->root->op->name, "Max") == 0 ? -(double)INFINITY : (double)INFINITY, k;
  return input_if(m, m->root->n_in == 2 && match_scalar(m, "k", &k) && k == bound);
}

/* Where(constant, a, b) -> the side it always takes. */
static Value *take_side(Match *m) {
  double condition;
  if (!match_scalar(m, "k", &condition)) return NULL;
  Value *side = match_value(m, condition != 0 ? "a" : "b");
  return same_type(side, m->root->out[0]) ? side : NULL;
}

static bool covers(const Type *out, const Type *a, const Type *b) {
  for (int i = 1; i <= out->rank; i++) {
    const Dim *size = out->dims[out->rank - i];
    bool in_a = i <= a->rank && a->dims[a->rank - i] == size;
    bool in_b = i <= b->rank && b->dims[b->rank - i] == size;
    if (!in_a && !in_b) return false;
  }
  return true;
}

/* op(a, Expand(b)) -> op(a, b), which broadcasts by itself to the same sizes. */
static Value *drop_expand(Match *m) {
  Node *root = m->root;
  uint32_t i = node_in(root, 0) == match_value(m, "expanded") ? 0 : 1;
  Value *inputs[2] = {root->in[0].value, root->in[1].value};
  if (inputs[0] == inputs[1]) return NULL;
  inputs[i] = x_of(m);
  if (!covers(&root->out[0]->type, &inputs[0]->type, &inputs[1]->type)) return NULL;
  Node *node = build_node(&m->builder, "", root->op->name, inputs, 2, 1);
  for (uint32_t k = 0; k < root->n_attrs; k++) node_set_attr(node, root->attrs[k]);
  return build_done(&m->builder, node);
}

#define VIEWS "Reshape|Squeeze|Unsqueeze|Flatten"
#define ARITHMETIC "Add|Sub|Mul|Div|Pow|Equal|Greater|Less|GreaterOrEqual|LessOrEqual|And|Or|Xor"

static const Rule rules[] = {
    RULE("identity", P("Identity", ANY("x")), drop_identity),
    RULE("cast", P("Cast", ANY("x")), keep_input),
    RULE("cast-cast", P("Cast", PM("Cast", "middle", ANY("x"))), merge_casts),
    RULE("view", P(VIEWS "|Expand", ANY("x")), keep_input),
    RULE("view-view", P(VIEWS, P(VIEWS, ANY("x"))), merge_reshapes),
    RULE("expand-broadcast", P(ARITHMETIC, ANY("other"), PM("Expand", "expanded", ANY("x"))),
         drop_expand),
    RULE("expand-broadcast", P(ARITHMETIC, PM("Expand", "expanded", ANY("x")), ANY("other")),
         drop_expand),
    RULE("transpose", P("Transpose", ANY("x")), drop_transpose),
    RULE("transpose-transpose", P("Transpose", PM("Transpose", "middle", ANY("x"))),
         merge_transposes),
    RULE("slice", P("Slice", ANY("x")), drop_slice),
    RULE("pad", P("Pad", ANY("x")), drop_pad),
    RULE("tile", P("Tile", ANY("x")), drop_tile),
    RULE("clip", P("Clip", ANY("x")), drop_clip),
    RULE("single", P("Concat|Split|Sum|Max|Min|Mean", ANY("x")), drop_single),
    RULE("reduction", P("ReduceMean|ReduceSum|ReduceMax|ReduceMin|ReduceProd", ANY("x")),
         drop_reduction),
    RULE("add-0", P("Add", ANY("x"), CONST("k")), drop_add),
    RULE("sub-0", P("Sub", ANY("x"), CONST("k")), drop_sub),
    RULE("mul-1", P("Mul", ANY("x"), CONST("k")), drop_factor),
    RULE("div-1", P("Div|Pow", ANY("x"), CONST("k")), drop_factor),
    RULE("bound", P("Max|Min", ANY("x"), CONST("k")), drop_bound),
    RULE("where", P("Where", CONST("k"), ANY("a"), ANY("b")), take_side),
    RULE("neg-neg", P("Neg", P("Neg", ANY("x"))), keep_input),
    RULE("not-not", P("Not", P("Not", ANY("x"))), keep_input),
    RULE("twice", P("Relu", PM("Relu", "x", ANY("y"))), keep_input),
};

const PassDef pass_remove_noops = {
    .name = "remove-noops",
    .what = "Operators that change nothing, or undo or repeat one another",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
};
