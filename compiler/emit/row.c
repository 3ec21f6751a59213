/* Row programs as C loops.
 *
 * Each outer index gets the pointers to its row; each pass over the row becomes a loop that
 * computes what it needs, reduces and stores; row-level values stand between the loops. A value
 * used once in a pass is written where it is used, others are named t0, t1, ... after their
 * instruction. */
#include "emit/emitter.h"
#include "onnxc.h"

#include <inttypes.h>
#include <string.h>

/* LANES is a number of partial results that every target's vectors divide. */
enum { LONG_ROW = 32, LANES = 32, MAX_INLINE = 160 };

/* C forms by instruction and class of the operands. */
static const char *const forms[ROW_OP_COUNT][3] = {
#define RI(name, arity, cost, f32_c, f64_c, int_c) [ROW_##name] = {f32_c, f64_c, int_c},
    ROW_INSTRUCTIONS(RI)
#undef RI
};

typedef struct RowEmitter {
  Emitter *e;
  const RowProgram *p;
  const char **texts;      /* by instruction: its expression while it is in scope */
  RowNeed *needs;          /* of the current pass */
  uint32_t *uses;          /* of each instruction in the current pass */
  const char *const *rows; /* by operand: the pointer to its row */
  const char *inner[2 * MAX_RANK];
  bool epilogue;
  bool lanes; /* reductions of the current pass are arrays of LANES partial results */
} RowEmitter;

static const char *c_type(DType dtype) {
  return dtype_info(dtype)->c_type;
}

static const RowInst *inst_at(const RowEmitter *r, RowRef ref) {
  return &r->p->insts.data[ref];
}

/* ---- expressions ---- */

static const char *number_text(RowEmitter *r, const RowInst *inst) {
  Arena *a = r->e->arena;
  if (inst->dtype == ONNXC_RT_F32) return text_f32(a, (float)inst->number);
  if (inst->dtype == ONNXC_RT_F64) return text_f64(a, inst->number);
  bool is_unsigned = dtype_info(inst->dtype)->cls != DTYPE_CLASS_INT;
  bool wide = dtype_info(inst->dtype)->bits == 64;
  if (is_unsigned) {
    return arena_printf(a, wide ? "UINT64_C(%" PRIu64 ")" : "%" PRIu64 "U",
                        (uint64_t)inst->integer);
  }
  if (inst->integer == INT64_MIN) return "INT64_MIN";
  if (wide) return arena_printf(a, "INT64_C(%" PRId64 ")", inst->integer);
  return arena_printf(a, inst->integer < 0 ? "(%" PRId64 ")" : "%" PRId64, inst->integer);
}

/* The place of an operand's element in its row; NULL: the first. */
static const char *place_in_row(RowEmitter *r, uint32_t index) {
  const Operand *operand = &r->p->operands.data[index];
  return emit_index(r->e, r->inner, operand->strides + r->p->n_outer, r->p->n_inner);
}

static const char *element_text(RowEmitter *r, uint32_t index, const char *at) {
  Arena *a = r->e->arena;
  const char *element =
      arena_printf(a, "%s[%s]", r->rows[index], at == NULL ? "0" : emit_bare(r->e, at));
  switch (r->p->operands.data[index].dtype) {
  case ONNXC_RT_F16: return arena_printf(a, "onnxc_rt_f32_from_f16(%s)", element);
  case ONNXC_RT_BF16: return arena_printf(a, "onnxc_rt_f32_from_bf16(%s)", element);
  default: return element;
  }
}

static const char *load_text(RowEmitter *r, uint32_t index) {
  if (index == ROW_ACCUMULATORS) return "accumulators[j]";
  return element_text(r, index, place_in_row(r, index));
}

static const char *gather_text(RowEmitter *r, const RowInst *inst) {
  const char *index[] = {r->texts[inst->a[0]]}, *at = place_in_row(r, inst->operand);
  const char *from = emit_index(r->e, index, &inst->dim, 1);
  if (from == NULL) return element_text(r, inst->operand, at);
  if (at != NULL) from = arena_printf(r->e->arena, "%s + %s", from, at);
  return element_text(r, inst->operand, from);
}

static const char *position_text(RowEmitter *r, uint32_t index) {
  const char *at = place_in_row(r, index);
  if (at == NULL) return arena_printf(r->e->arena, "(int64_t)%s", r->rows[index]);
  return arena_printf(r->e->arena, "(int64_t)(%s + %s)", r->rows[index], at);
}

/* ONNX's Cast between the types that rows compute with. */
static const char *convert_text(RowEmitter *r, const char *from, DType from_type, DType to_type) {
  Arena *a = r->e->arena;
  bool to_integer = dtype_is_integer(to_type);
  if (to_type == ONNXC_RT_BOOL) return arena_printf(a, "(uint8_t)(%s != 0)", from);
  if (dtype_is_float(from_type) && to_integer) {
    return arena_printf(a, "onnxc_rt_%s_from_%s(%s)", dtype_info(to_type)->name,
                        dtype_info(from_type)->name, from);
  }
  return arena_printf(a, "(%s)%s", c_type(to_type), from);
}

/* `form` with its placeholders filled in. */
static const char *fill(RowEmitter *r, const char *form, const RowInst *inst) {
  Out *w = out_memory(r->e->arena);
  DType class_type = inst_at(r, inst->op == ROW_SELECT ? inst->a[1] : inst->a[0])->dtype;
  for (const char *at = form; *at != '\0'; at++) {
    if (*at != '$') {
      out_bytes(w, at, 1);
      continue;
    }
    switch (*++at) {
    case 't': out(w, "%s", c_type(inst->dtype)); break;
    case 'n': out(w, "%s", dtype_info(class_type)->name); break;
    default: out(w, "%s", r->texts[inst->a[*at - 'a']]); break;
    }
  }
  return out_text(w, NULL);
}

static const char *form_of(RowEmitter *r, const RowInst *inst) {
  DType dtype = inst_at(r, inst->op == ROW_SELECT ? inst->a[1] : inst->a[0])->dtype;
  int column = dtype == ONNXC_RT_F32 ? 0 : dtype == ONNXC_RT_F64 ? 1 : 2;
  if (forms[inst->op][column] == NULL) {
    escape_raise(arena_escape(r->e->ctx->arena), 70, "a row instruction has no form for its type");
  }
  return forms[inst->op][column];
}

static const char *expression(RowEmitter *r, const RowInst *inst) {
  Arena *a = r->e->arena;
  switch (inst->op) {
  case ROW_LOAD: return load_text(r, inst->operand);
  case ROW_GATHER: return gather_text(r, inst);
  case ROW_POSITION: return position_text(r, inst->operand);
  case ROW_INDEX:
    return arena_printf(a, "onnxc_rt_index(%s, %s)", r->texts[inst->a[0]],
                        emit_bare(r->e, emit_dim(r->e, inst->dim)));
  case ROW_CONST: return number_text(r, inst);
  case ROW_DIM: return arena_printf(a, "(int64_t)%s", emit_dim(r->e, inst->dim));
  case ROW_CONVERT:
    return convert_text(r, r->texts[inst->a[0]], inst_at(r, inst->a[0])->dtype, inst->dtype);
  default: return fill(r, form_of(r, inst), inst);
  }
}

/* An operand position takes any expression; what is not a name or a call is put in parentheses. */
static const char *enclose(RowEmitter *r, const char *text) {
  int depth = 0;
  for (const char *at = text; *at != '\0'; at++) {
    if (*at == '(' || *at == '[') depth++;
    if (*at == ')' || *at == ']') depth--;
    if (depth == 0 &&
        (*at == ' ' || *at == '-' || (*at == ')' && text[0] == '(' && at[1] != '\0'))) {
      return arena_printf(r->e->arena, "(%s)", text);
    }
  }
  return text;
}

/* The least or greatest number of an integer type: compilers warn when others are compared with it
 * as a literal. */
static bool is_extreme(const RowInst *inst) {
  const DTypeInfo *info = dtype_info(inst->dtype);
  bool is_signed = info->cls == DTYPE_CLASS_INT;
  if (!is_signed && info->cls != DTYPE_CLASS_UINT) return false;
  uint64_t most = UINT64_MAX >> (64 - info->bits + is_signed), number = (uint64_t)inst->integer;
  return number == most || number == (is_signed ? ~most : 0);
}

/* Gives the instruction a text: in place when it is used once, else a named constant. */
static void bind(RowEmitter *r, RowRef ref, bool named) {
  const RowInst *inst = inst_at(r, ref);
  const char *text = expression(r, inst);
  if (inst->op == ROW_CONST && !is_extreme(inst)) {
    r->texts[ref] = *text == '-' ? arena_printf(r->e->arena, "(%s)", text) : text;
    return;
  }
  bool checked = inst->op == ROW_INDEX;
  if (!named && !checked && strlen(text) < MAX_INLINE) {
    r->texts[ref] = enclose(r, text);
    return;
  }
  out(r->e->out, "const %s t%u = %s;\n", c_type(inst->dtype), ref, text);
  if (checked) out(r->e->out, "if (t%u < 0) return ONNXC_RT_ERROR_INDEX;\n", ref);
  r->texts[ref] = arena_printf(r->e->arena, "t%u", ref);
}

static void close_loops(RowEmitter *r, int n) {
  for (int i = 0; i < n; i++) {
    out_indent(r->e->out, -1);
    out(r->e->out, "}\n");
  }
}

/* ---- stores ---- */

static const char *stored_form(RowEmitter *r, DType stored, const char *text) {
  switch (stored) {
  case ONNXC_RT_F16: return arena_printf(r->e->arena, "onnxc_rt_f16_from_f32(%s)", text);
  case ONNXC_RT_BF16: return arena_printf(r->e->arena, "onnxc_rt_bf16_from_f32(%s)", text);
  default: return text;
  }
}

static void emit_store(RowEmitter *r, const RowStore *store) {
  const Operand *operand = &r->p->operands.data[store->operand];
  const char *at = emit_index(r->e, r->inner, operand->strides + r->p->n_outer, r->p->n_inner);
  out(r->e->out, "%s[%s] = %s;\n", r->rows[store->operand], at == NULL ? "0" : emit_bare(r->e, at),
      stored_form(r, operand->dtype, emit_bare(r->e, r->texts[store->value])));
}

static void emit_stores(RowEmitter *r, uint32_t phase, bool element) {
  VEC_EACH(RowStore, store, &r->p->stores) {
    if (store->phase == phase && inst_at(r, store->value)->element == element) emit_store(r, store);
  }
}

/* Whether a store of a row-level value still walks along the row: a broadcast result. */
static bool store_moves(const RowProgram *p, const RowStore *store) {
  const Operand *operand = &p->operands.data[store->operand];
  for (int i = 0; i < p->n_inner; i++) {
    if (!dim_is(operand->strides[p->n_outer + i], 0)) return true;
  }
  return false;
}

/* ---- reductions ---- */

static bool long_row(const RowProgram *p) {
  int64_t count = 1;
  for (int i = 0; i < p->n_inner; i++) {
    int64_t hi = p->extents[p->n_outer + i]->hi;
    if (__builtin_mul_overflow(count, hi, &count) || count > LONG_ROW) return true;
  }
  return false;
}

/* Long sums of f32 are accumulated in double, so that their error does not grow with the row. */
static DType accumulator_type(const RowEmitter *r, const RowInst *inst) {
  bool wide = inst->op == ROW_SUM && inst->dtype == ONNXC_RT_F32 && long_row(r->p);
  return wide ? ONNXC_RT_F64 : inst->dtype;
}

static const char *least(DType dtype) {
  static const char *const names[] = {"INT8_MIN", "INT16_MIN", "INT32_MIN", "INT64_MIN"};
  const DTypeInfo *info = dtype_info(dtype);
  if (dtype == ONNXC_RT_F64) return "(double)-ONNXC_RT_INFINITY";
  if (info->cls == DTYPE_CLASS_FLOAT) return "-ONNXC_RT_INFINITY";
  if (info->cls != DTYPE_CLASS_INT) return "0";
  return names[info->bits == 8 ? 0 : info->bits == 16 ? 1 : info->bits == 32 ? 2 : 3];
}

static const char *greatest(DType dtype) {
  static const char *const names[2][4] = {{"INT8_MAX", "INT16_MAX", "INT32_MAX", "INT64_MAX"},
                                          {"UINT8_MAX", "UINT16_MAX", "UINT32_MAX", "UINT64_MAX"}};
  const DTypeInfo *info = dtype_info(dtype);
  if (dtype == ONNXC_RT_F64) return "(double)ONNXC_RT_INFINITY";
  if (info->cls == DTYPE_CLASS_FLOAT) return "ONNXC_RT_INFINITY";
  if (info->cls == DTYPE_CLASS_BOOL) return "1";
  return names[info->cls == DTYPE_CLASS_UINT][info->bits == 8    ? 0
                                              : info->bits == 16 ? 1
                                              : info->bits == 32 ? 2
                                                                 : 3];
}

static const char *neutral(const RowInst *inst) {
  switch (inst->op) {
  case ROW_SUM: return "0";
  case ROW_PROD: return "1";
  case ROW_MAXIMUM: return least(inst->dtype);
  default: return greatest(inst->dtype);
  }
}

static bool reduces_in(const RowInst *inst, uint32_t phase) {
  return row_is_reduction(inst->op) && inst->phase == phase;
}

/* A reduction of floats in the order of the row is a chain that compilers keep; partial results,
 * each of every LANES-th element, are independent of one another, and so become vectors. */
static bool uses_lanes(const RowEmitter *r, uint32_t phase) {
  const RowProgram *p = r->p;
  if (r->epilogue || p->n_inner == 0 || r->e->ctx->options->strict_fp) return false;
  if (p->extents[p->n_outer + p->n_inner - 1]->hi < LANES) return false;
  for (RowRef i = 0; i < p->insts.len; i++) {
    if (reduces_in(inst_at(r, i), phase) && dtype_is_float(inst_at(r, i)->dtype)) return true;
  }
  return false;
}

static const char *partial_text(RowEmitter *r, RowRef ref, const char *lane) {
  return arena_printf(r->e->arena, r->lanes ? "sum%u[%s]" : "sum%u", ref, lane);
}

static void declare_accumulators(RowEmitter *r, uint32_t phase) {
  Out *w = r->e->out;
  for (RowRef i = 0; i < r->p->insts.len; i++) {
    const RowInst *inst = inst_at(r, i);
    if (!reduces_in(inst, phase)) continue;
    const char *type = c_type(accumulator_type(r, inst));
    if (r->lanes) {
      out(w, "%s sum%u[%d];\n", type, i, LANES);
      out(w, "for (ptrdiff_t lane = 0; lane < %d; lane++) sum%u[lane] = %s;\n", LANES, i,
          neutral(inst));
    } else {
      out(w, "%s sum%u = %s;\n", type, i, neutral(inst));
    }
  }
}

/* Writes that `value` joins `sum`, of the same type. */
static void combine(RowEmitter *r, RowRef ref, const char *sum, const char *value) {
  static const RowOp ops[] = {
      [ROW_SUM] = ROW_ADD, [ROW_PROD] = ROW_MUL, [ROW_MAXIMUM] = ROW_MAX, [ROW_MINIMUM] = ROW_MIN};
  const RowInst *inst = inst_at(r, ref);
  const char *element = r->texts[inst->a[0]];
  RowInst both = {.op = ops[inst->op], .dtype = inst->dtype, .a = {ref, inst->a[0], 0}};
  r->texts[ref] = sum;
  r->texts[inst->a[0]] = value;
  out(r->e->out, "%s = %s;\n", sum, fill(r, form_of(r, &both), &both));
  r->texts[inst->a[0]] = element;
}

static void accumulate(RowEmitter *r, uint32_t phase) {
  for (RowRef i = 0; i < r->p->insts.len; i++) {
    const RowInst *inst = inst_at(r, i);
    if (!reduces_in(inst, phase)) continue;
    const char *value = r->texts[inst->a[0]], *sum = partial_text(r, i, "lane");
    if (accumulator_type(r, inst) != inst->dtype) {
      out(r->e->out, "%s += (double)%s;\n", sum, value);
    } else {
      combine(r, i, sum, value);
    }
  }
}

/* The partial results come together by halves. */
static void join_lanes(RowEmitter *r, uint32_t phase) {
  Out *w = r->e->out;
  out(w, "for (ptrdiff_t half = %d; half > 0; half /= 2) {\n", LANES / 2);
  out_indent(w, 1);
  out(w, "for (ptrdiff_t lane = 0; lane < half; lane++) {\n");
  out_indent(w, 1);
  for (RowRef i = 0; i < r->p->insts.len; i++) {
    const RowInst *inst = inst_at(r, i);
    if (!reduces_in(inst, phase)) continue;
    const char *sum = partial_text(r, i, "lane"), *other = partial_text(r, i, "lane + half");
    if (accumulator_type(r, inst) != inst->dtype) {
      out(w, "%s += %s;\n", sum, other);
    } else {
      combine(r, i, sum, other);
    }
  }
  close_loops(r, 2);
}

static void finish_accumulators(RowEmitter *r, uint32_t phase) {
  if (r->lanes) join_lanes(r, phase);
  for (RowRef i = 0; i < r->p->insts.len; i++) {
    const RowInst *inst = inst_at(r, i);
    if (!reduces_in(inst, phase)) continue;
    const char *sum = partial_text(r, i, "0");
    bool narrow = accumulator_type(r, inst) != inst->dtype;
    r->texts[i] = narrow ? arena_printf(r->e->arena, "(float)%s", sum) : sum;
  }
}

/* ---- one row ---- */

/* How often a form may mention its operands. */
static uint32_t mentions(RowOp op) {
  return op == ROW_MIN || op == ROW_MAX || op == ROW_ISNAN ? 2 : 1;
}

static bool keeps_in(const RowInst *inst, uint32_t phase) {
  return inst->kept && inst->phase == phase;
}

/* Everything a pass does to memory or accumulators. */
static uint32_t count_effects(const RowEmitter *r, uint32_t phase) {
  uint32_t effects = 0;
  VEC_EACH(RowInst, inst, &r->p->insts) {
    effects += reduces_in(inst, phase);
    effects += keeps_in(inst, phase) && inst->kept_operand == ROW_NONE;
  }
  VEC_EACH(RowStore, store, &r->p->stores) effects += store->phase == phase;
  return effects;
}

/* How often each instruction's text appears in the pass. A stored value counts twice where a pass
 * has more than one effect, so that all values are computed before the first store. */
static void count_uses(RowEmitter *r, uint32_t phase) {
  const RowProgram *p = r->p;
  uint32_t weight = count_effects(r, phase) > 1 ? 2 : 1;
  memset(r->uses, 0, p->insts.len * sizeof *r->uses);
  for (RowRef i = 0; i < p->insts.len; i++) {
    const RowInst *inst = inst_at(r, i);
    if (keeps_in(inst, phase)) r->uses[i] += 2;
    if (!reduces_in(inst, phase) && r->needs[i] != ROW_COMPUTED) continue;
    for (int k = 0; k < row_arity(inst->op); k++) r->uses[inst->a[k]] += mentions(inst->op);
  }
  VEC_EACH(RowStore, store, &p->stores) {
    if (store->phase == phase) r->uses[store->value] += weight;
  }
}

static const char *slot_text(RowEmitter *r, const RowInst *inst) {
  Emitter *e = r->e;
  const RowProgram *p = r->p;
  const Dim *strides[2 * MAX_RANK], *stride = dim_const(e->ctx->dims, 1);
  for (int i = p->n_inner - 1; i >= 0; i--) {
    strides[i] = stride;
    stride = dim_mul(e->ctx->dims, stride, p->extents[p->n_outer + i]);
  }
  const char *at = emit_index(e, r->inner, strides, p->n_inner);
  const Dim *start = dim_mul_i(e->ctx->dims, stride, inst->kept_slot);
  const char *from = dim_is(start, 0) ? "" : arena_printf(e->arena, "%s + ", emit_dim(e, start));
  if (at != NULL && *from == '\0') at = emit_bare(e, at);
  return arena_printf(e->arena, "row[%s%s]", from, at == NULL ? "0" : at);
}

static const char *read_back(RowEmitter *r, const RowInst *inst) {
  return inst->kept_operand == ROW_NONE ? slot_text(r, inst) : load_text(r, inst->kept_operand);
}

static void emit_elements(RowEmitter *r, uint32_t phase) {
  for (RowRef i = 0; i < r->p->insts.len; i++) {
    const RowInst *inst = inst_at(r, i);
    if (!inst->element || r->needs[i] == ROW_UNUSED || row_is_reduction(inst->op)) continue;
    if (r->needs[i] == ROW_READ_BACK) {
      r->texts[i] = read_back(r, inst);
      continue;
    }
    bind(r, i, r->uses[i] > 1);
    if (inst->kept && inst->phase == phase && inst->kept_operand == ROW_NONE) {
      out(r->e->out, "%s = %s;\n", slot_text(r, inst), r->texts[i]);
    }
  }
}

static bool pass_has_loop(const RowEmitter *r, uint32_t phase) {
  for (RowRef i = 0; i < r->p->insts.len; i++) {
    if (reduces_in(inst_at(r, i), phase)) return true;
    if (r->needs[i] != ROW_UNUSED) return true;
  }
  VEC_EACH(RowStore, store, &r->p->stores) {
    if (store->phase == phase && store_moves(r->p, store)) return true;
  }
  return false;
}

/* Loops over the first `n` inner axes. */
static void open_loops(RowEmitter *r, int n) {
  Emitter *e = r->e;
  for (int i = 0; i < n; i++) {
    out(e->out, "for (ptrdiff_t %s = 0; %s < %s; %s++) {\n", r->inner[i], r->inner[i],
        emit_bare(e, emit_dim(e, r->p->extents[r->p->n_outer + i])), r->inner[i]);
    out_indent(e->out, 1);
  }
}

static void open_inner_loops(RowEmitter *r) {
  Emitter *e = r->e;
  if (r->epilogue) {
    if (r->p->n_inner == 0) {
      out(e->out, "{\n");
      out_indent(e->out, 1);
      out(e->out, "const ptrdiff_t j = 0;\n");
      return;
    }
    out(e->out, "for (ptrdiff_t j = 0; j < count; j++) {\n");
    out_indent(e->out, 1);
    const Dim *below = dim_const(e->ctx->dims, 1);
    for (int i = r->p->n_inner - 1; r->p->n_inner > 1 && i >= 0; i--) {
      const char *part = dim_is(below, 1)
                             ? "(column + j)"
                             : arena_printf(e->arena, "(column + j) / %s", emit_dim(e, below));
      const char *extent = emit_dim(e, r->p->extents[r->p->n_outer + i]);
      out(e->out, i == 0 ? "const ptrdiff_t j%d = %s;\n" : "const ptrdiff_t j%d = %s %% %s;\n", i,
          part, extent);
      below = dim_mul(e->ctx->dims, below, r->p->extents[r->p->n_outer + i]);
    }
    return;
  }
  open_loops(r, r->p->n_inner);
}

/* Row-level values that can be computed before this pass. */
static void emit_row_level(RowEmitter *r, uint32_t phase, const uint32_t *all_uses) {
  for (RowRef i = 0; i < r->p->insts.len; i++) {
    const RowInst *inst = inst_at(r, i);
    if (inst->element || row_is_reduction(inst->op) || inst->phase != phase || all_uses[i] == 0)
      continue;
    bind(r, i, true);
  }
}

/* Uses by anything in the program: dead instructions are not written. */
static uint32_t *count_all_uses(RowEmitter *r) {
  uint32_t *uses = ARENA_ARRAY(r->e->arena, r->p->insts.len, uint32_t);
  VEC_EACH(RowStore, store, &r->p->stores) uses[store->value]++;
  for (RowRef i = (RowRef)r->p->insts.len; i-- > 0;) {
    const RowInst *inst = inst_at(r, i);
    if (uses[i] == 0 && !row_is_reduction(inst->op)) continue;
    for (int k = 0; k < row_arity(inst->op); k++) uses[inst->a[k]]++;
  }
  return uses;
}

static void emit_row_stores(RowEmitter *r, uint32_t phase) {
  VEC_EACH(RowStore, store, &r->p->stores) {
    bool row_level = !inst_at(r, store->value)->element;
    if (store->phase == phase && row_level && !store_moves(r->p, store)) emit_store(r, store);
  }
}

static void emit_moving_stores(RowEmitter *r, uint32_t phase) {
  VEC_EACH(RowStore, store, &r->p->stores) {
    bool row_level = !inst_at(r, store->value)->element;
    if (store->phase == phase && row_level && store_moves(r->p, store)) emit_store(r, store);
  }
}

static void emit_body(RowEmitter *r, uint32_t phase) {
  emit_elements(r, phase);
  accumulate(r, phase);
  emit_stores(r, phase, true);
  emit_moving_stores(r, phase);
}

/* The innermost axis in blocks of LANES elements, and what is left of it. */
static void emit_lanes(RowEmitter *r, uint32_t phase) {
  Emitter *e = r->e;
  int last = r->p->n_inner - 1;
  const char *j = r->inner[last];
  const Dim *size = r->p->extents[r->p->n_outer + last];
  const Dim *lanes = dim_const(e->ctx->dims, LANES);
  const Dim *rest = dim_mod(e->ctx->dims, size, lanes);
  const char *whole = emit_bare(e, emit_dim(e, dim_sub(e->ctx->dims, size, rest)));
  open_loops(r, last);
  out(e->out, "for (ptrdiff_t %s = 0; %s < %s; %s += %d) {\n", j, j, whole, j, LANES);
  out_indent(e->out, 1);
  out(e->out, "for (ptrdiff_t lane = 0; lane < %d; lane++) {\n", LANES);
  out_indent(e->out, 1);
  r->inner[last] = arena_printf(e->arena, "(%s + lane)", j);
  emit_body(r, phase);
  r->inner[last] = j;
  close_loops(r, 2);
  if (!dim_is(rest, 0)) {
    out(e->out, "for (ptrdiff_t %s = %s, lane = 0; %s < %s; %s++, lane++) {\n", j, whole, j,
        emit_bare(e, emit_dim(e, size)), j);
    out_indent(e->out, 1);
    emit_body(r, phase);
    close_loops(r, 1);
  }
  close_loops(r, last);
}

static void emit_pass(RowEmitter *r, uint32_t phase, const uint32_t *all_uses) {
  row_needs(r->p, phase, r->needs);
  for (RowRef i = 0; i < r->p->insts.len; i++) {
    if (!inst_at(r, i)->element) r->needs[i] = ROW_UNUSED;
  }
  emit_row_level(r, phase, all_uses);
  emit_row_stores(r, phase);
  if (!pass_has_loop(r, phase)) return;
  count_uses(r, phase);
  r->lanes = uses_lanes(r, phase);
  declare_accumulators(r, phase);
  if (r->lanes) {
    emit_lanes(r, phase);
  } else {
    open_inner_loops(r);
    emit_body(r, phase);
    close_loops(r, r->epilogue ? 1 : r->p->n_inner);
  }
  finish_accumulators(r, phase);
}

/* ---- the program ---- */

static bool operand_written(const RowProgram *p, uint32_t index) {
  VEC_EACH(RowStore, store, &p->stores) {
    if (store->operand == index) return true;
  }
  return false;
}

static void declare_bases(RowEmitter *r, const char **bases) {
  Emitter *e = r->e;
  for (uint32_t i = 0; i < r->p->operands.len; i++) {
    const Operand *operand = &r->p->operands.data[i];
    bool written = operand_written(r->p, i);
    if (operand->buffer == NULL) {
      const Dim *start = operand->offset;
      bases[i] = start == NULL ? "0" : emit_dim(e, start);
      continue;
    }
    bases[i] = arena_printf(e->arena, "%s%u", written ? "y" : "x", i);
    out(e->out, "%sconst %s = %s;\n", emit_pointer_type(e, operand->dtype, written), bases[i],
        emit_pointer(e, operand, written));
  }
}

/* Pointers to the operands at the current outer index. */
static const char *const *declare_rows(RowEmitter *r, const char *const *bases,
                                       const char *const *outer) {
  Emitter *e = r->e;
  const char **rows = ARENA_ARRAY(e->arena, r->p->operands.len + 1, const char *);
  for (uint32_t i = 0; i < r->p->operands.len; i++) {
    const Operand *operand = &r->p->operands.data[i];
    const char *at = emit_index(e, outer, operand->strides, r->p->n_outer);
    rows[i] = bases[i];
    if (at == NULL) continue;
    if (operand->buffer == NULL) {
      rows[i] = arena_printf(e->arena, "x%u_row", i);
      out(e->out, "const ptrdiff_t %s = %s + %s;\n", rows[i], bases[i], at);
      continue;
    }
    rows[i] = arena_printf(e->arena, "%s_row", bases[i]);
    out(e->out, "%sconst %s = %s + %s;\n",
        emit_pointer_type(e, operand->dtype, operand_written(r->p, i)), rows[i], bases[i], at);
  }
  return rows;
}

static RowEmitter row_emitter(Emitter *e, const RowProgram *p, bool epilogue) {
  size_t n = p->insts.len + 1;
  RowEmitter r = {.e = e, .p = p, .epilogue = epilogue};
  r.texts = ARENA_ARRAY(e->arena, n, const char *);
  r.needs = ARENA_ARRAY(e->arena, n, RowNeed);
  r.uses = ARENA_ARRAY(e->arena, n, uint32_t);
  for (int i = 0; i < p->n_inner; i++) {
    bool linear = epilogue && p->n_inner == 1;
    r.inner[i] = linear ? "j" : arena_printf(e->arena, "j%d", i);
  }
  return r;
}

static void emit_passes(RowEmitter *r) {
  const uint32_t *all_uses = count_all_uses(r);
  for (uint32_t phase = 0; phase < r->p->n_phases; phase++) emit_pass(r, phase, all_uses);
}

static void declare_row_buffer(RowEmitter *r) {
  if (r->p->row_buffer == NULL) return;
  Operand row = {.buffer = r->p->row_buffer, .dtype = ONNXC_RT_F32};
  out(r->e->out, "float *const row = %s;\n", emit_pointer(r->e, &row, true));
}

void emit_row_step(Emitter *e, const Step *step) {
  const RowProgram *p = &step->row;
  RowEmitter r = row_emitter(e, p, false);
  const char **bases = ARENA_ARRAY(e->arena, p->operands.len + 1, const char *);
  const char *outer[2 * MAX_RANK];
  declare_bases(&r, bases);
  declare_row_buffer(&r);
  for (int i = 0; i < p->n_outer; i++) {
    outer[i] = arena_printf(e->arena, "i%d", i);
    out(e->out, "for (ptrdiff_t %s = 0; %s < %s; %s++) {\n", outer[i], outer[i],
        emit_bare(e, emit_dim(e, p->extents[i])), outer[i]);
    out_indent(e->out, 1);
  }
  r.rows = declare_rows(&r, bases, outer);
  emit_passes(&r);
  close_loops(&r, p->n_outer);
}

/* The outer index of an epilogue comes as one number. */
static void split_row(RowEmitter *r, const char **outer) {
  Emitter *e = r->e;
  const Dim *below = dim_const(e->ctx->dims, 1);
  out(e->out, "(void)row_index;\n");
  for (int i = r->p->n_outer - 1; i >= 0; i--) {
    outer[i] = r->p->n_outer == 1 ? "row_index" : arena_printf(e->arena, "i%d", i);
    if (r->p->n_outer == 1) break;
    const char *part = dim_is(below, 1)
                           ? "row_index"
                           : arena_printf(e->arena, "row_index / %s", emit_dim(e, below));
    if (i == 0)
      out(e->out, "const ptrdiff_t %s = %s;\n", outer[i], part);
    else
      out(e->out, "const ptrdiff_t %s = %s %% %s;\n", outer[i], part,
          emit_dim(e, r->p->extents[i]));
    below = dim_mul(e->ctx->dims, below, r->p->extents[i]);
  }
}

static const char *accumulators_type(const RowProgram *p) {
  VEC_EACH(const RowInst, inst, &p->insts) {
    if (inst->op == ROW_LOAD && inst->operand == ROW_ACCUMULATORS) return c_type(inst->dtype);
  }
  return c_type(ONNXC_RT_F32); /* which nothing reads */
}

void emit_epilogue(Emitter *e, const Step *step) {
  const RowProgram *p = step->kernel.epilogue;
  RowEmitter r = row_emitter(e, p, true);
  const char **bases = ARENA_ARRAY(e->arena, p->operands.len + 1, const char *);
  const char *outer[2 * MAX_RANK] = {0};
  const char *name = arena_printf(e->arena, "static void step_%u_epilogue(", step->id);
  out(e->out, "%sconst void *context, %s *accumulators,\n", name, accumulators_type(p));
  out(e->out, "%*sptrdiff_t row_index, ptrdiff_t column, ptrdiff_t count) {\n", (int)strlen(name),
      "");
  out_indent(e->out, 1);
  out(e->out, "const struct %s_frame *const f = context;\n", e->interface->name);
  declare_bases(&r, bases);
  split_row(&r, outer);
  if (p->n_inner == 0) out(e->out, "(void)count;\n");
  if (p->n_inner == 1) { /* rows start at the column */
    const char *from[2 * MAX_RANK];
    memcpy(from, outer, sizeof from);
    from[p->n_outer] = "column";
    RowProgram shifted = *p;
    shifted.n_outer++;
    r.p = &shifted;
    r.rows = declare_rows(&r, bases, from);
    r.p = p;
  } else {
    if (p->n_inner == 0) out(e->out, "(void)column;\n");
    r.rows = declare_rows(&r, bases, outer);
  }
  emit_passes(&r);
  out_indent(e->out, -1);
  out(e->out, "}\n\n");
}
