/* Building row programs: the instructions that operators emit, and the loads and stores that tie
 * them to memory. */
#include "lower/group.h"

#include <string.h>

static const struct {
  int arity, cost;
} info[ROW_OP_COUNT] = {
    [ROW_CONVERT] = {1, 1}, [ROW_SUM] = {1, 1},    [ROW_PROD] = {1, 1},  [ROW_MAXIMUM] = {1, 1},
    [ROW_MINIMUM] = {1, 1}, [ROW_GATHER] = {1, 4}, [ROW_INDEX] = {1, 2},
#define RI(name, arity, cost, f32_c, f64_c, int_c) [ROW_##name] = {arity, cost},
    ROW_INSTRUCTIONS(RI)
#undef RI
};

int row_arity(RowOp op) {
  return info[op].arity;
}

bool row_is_reduction(RowOp op) {
  return op >= ROW_SUM && op <= ROW_MINIMUM;
}

bool row_reads(const RowInst *inst) {
  return inst->op == ROW_GATHER || (inst->op == ROW_LOAD && inst->operand != ROW_ACCUMULATORS);
}

bool row_computes(DType dtype) {
  const DTypeInfo *d = dtype_info(dtype);
  switch (d->cls) {
  case DTYPE_CLASS_FLOAT: return d->bits >= 16;
  case DTYPE_CLASS_INT:
  case DTYPE_CLASS_UINT: return d->bits >= 8;
  case DTYPE_CLASS_BOOL: return true;
  default: return false;
  }
}

static DType compute_type(DType dtype) {
  return dtype == ONNXC_RT_F16 || dtype == ONNXC_RT_BF16 ? ONNXC_RT_F32 : dtype;
}

/* ---- instructions -----------------------------------------------------------------------------
 */

static bool same_inst(const RowInst *a, const RowInst *b) {
  return a->op == b->op && a->dtype == b->dtype && memcmp(a->a, b->a, sizeof a->a) == 0 &&
         memcmp(&a->number, &b->number, sizeof a->number) == 0 && a->integer == b->integer &&
         a->dim == b->dim && a->operand == b->operand;
}

/* Equal instructions are one. */
static RowRef add(RowBuilder *b, RowInst inst) {
  for (uint32_t i = 0; i < b->program->insts.len; i++) {
    if (same_inst(&b->program->insts.data[i], &inst)) return i;
  }
  vec_push(b->arena, &b->program->insts, inst);
  return (RowRef)b->program->insts.len - 1;
}

static RowInst inst_of(RowOp op, DType dtype) {
  return (RowInst){
      .op = op, .dtype = dtype, .a = {ROW_NONE, ROW_NONE, ROW_NONE}, .kept_operand = ROW_NONE};
}

DType row_dtype(const RowBuilder *b, RowRef ref) {
  return b->program->insts.data[ref].dtype;
}

static DType result_type(const RowBuilder *b, RowOp op, RowRef a, RowRef x) {
  switch (op) {
  case ROW_ISNAN:
  case ROW_ISINF:
  case ROW_EQ:
  case ROW_LT:
  case ROW_LE: return ONNXC_RT_BOOL;
  case ROW_QUANTIZE_I8: return ONNXC_RT_I8;
  case ROW_QUANTIZE_U8: return ONNXC_RT_U8;
  case ROW_SELECT: return row_dtype(b, x);
  default: return row_dtype(b, a);
  }
}

RowRef row_op3(RowBuilder *b, RowOp op, RowRef a, RowRef x, RowRef y) {
  RowInst inst = inst_of(op, result_type(b, op, a, x));
  inst.a[0] = a;
  inst.a[1] = x;
  inst.a[2] = y;
  return add(b, inst);
}

RowRef row_op2(RowBuilder *b, RowOp op, RowRef a, RowRef x) {
  return row_op3(b, op, a, x, ROW_NONE);
}

RowRef row_op1(RowBuilder *b, RowOp op, RowRef a) {
  return row_op3(b, op, a, ROW_NONE, ROW_NONE);
}

RowRef row_number(RowBuilder *b, DType dtype, double value) {
  if (!dtype_is_float(dtype)) return row_integer(b, dtype, (int64_t)value);
  RowInst inst = inst_of(ROW_CONST, dtype);
  inst.number = dtype == ONNXC_RT_F32 ? (double)(float)value : value;
  return add(b, inst);
}

RowRef row_integer(RowBuilder *b, DType dtype, int64_t value) {
  if (dtype_is_float(dtype)) return row_number(b, dtype, (double)value);
  RowInst inst = inst_of(ROW_CONST, dtype);
  inst.integer = value;
  return add(b, inst);
}

RowRef row_convert(RowBuilder *b, DType dtype, RowRef a) {
  if (row_dtype(b, a) == dtype) return a;
  RowInst inst = inst_of(ROW_CONVERT, dtype);
  inst.a[0] = a;
  return add(b, inst);
}

RowRef row_reduce(RowBuilder *b, RowOp op, RowRef a) {
  return row_op1(b, op, a);
}

RowRef row_size(RowBuilder *b, const Dim *dim) {
  int64_t value;
  if (dim_is_const(dim, &value)) return row_integer(b, ONNXC_RT_I64, value);
  RowInst inst = inst_of(ROW_DIM, ONNXC_RT_I64);
  inst.dim = dim;
  return add(b, inst);
}

RowRef row_count(RowBuilder *b, DType dtype) {
  const Dim *count = dim_const(b->ctx->dims, 1);
  for (int i = 0; b->group != NULL && i < b->group->rank; i++) {
    if (b->group->inner[i]) count = dim_mul(b->ctx->dims, count, b->group->shape[i]);
  }
  int64_t value;
  if (dim_is_const(count, &value)) return row_number(b, dtype, (double)value);
  return row_convert(b, dtype, row_size(b, count));
}

RowRef row_mean(RowBuilder *b, RowRef a) {
  DType dtype = row_dtype(b, a), wide = dtype == ONNXC_RT_F32 ? ONNXC_RT_F64 : dtype;
  RowRef sum = row_reduce(b, ROW_SUM, row_convert(b, wide, a));
  return row_convert(b, dtype, row_op2(b, ROW_DIV, sum, row_count(b, wide)));
}

/* ---- loads and stores ---- */

static uint32_t add_operand(RowBuilder *b, Operand operand) {
  vec_push(b->arena, &b->program->operands, operand);
  return (uint32_t)b->program->operands.len - 1;
}

/* The operand with one stride for each part of an axis. */
static Operand over_parts(DimTable *t, const Split *split, const Operand *operand) {
  Operand spread = *operand;
  spread.rank = split->rank;
  for (int k = 0; k < operand->rank; k++) {
    const Dim *stride = operand->strides[k];
    for (int i = split->first[k + 1] - 1; i >= split->first[k]; i--) {
      spread.strides[i] = stride;
      stride = dim_mul(t, stride, split->dims[i]);
    }
  }
  return spread;
}

/* The operand with one stride for each axis of the space; `axes[k]` is the place of its axis k
 * among the last `rank` of them. A size of 1 does not move. */
static Operand over_space(const RowBuilder *b, const Operand *operand, int rank, const int *axes) {
  Operand spread = *operand;
  int added = b->group->rank - rank;
  spread.rank = b->group->rank;
  for (int i = 0; i < spread.rank; i++) spread.strides[i] = dim_const(b->ctx->dims, 0);
  for (int k = 0; k < operand->rank; k++) {
    if (!dim_is(operand->dims[k], 1)) spread.strides[added + axes[k]] = operand->strides[k];
  }
  const Split *split = b->group->split;
  return split == NULL ? spread : over_parts(b->ctx->dims, split, &spread);
}

static bool same_operand(const Operand *a, const Operand *b) {
  return a->buffer == b->buffer && a->offset == b->offset && a->dtype == b->dtype &&
         a->rank == b->rank &&
         (a->rank == 0 ||
          memcmp(a->strides, b->strides, (size_t)a->rank * sizeof *a->strides) == 0);
}

/* Equal operands are one. */
static uint32_t find_operand(RowBuilder *b, Operand operand) {
  for (uint32_t i = 0; i < b->program->operands.len; i++) {
    if (same_operand(&b->program->operands.data[i], &operand)) return i;
  }
  return add_operand(b, operand);
}

static RowRef load(RowBuilder *b, Operand operand) {
  RowInst inst = inst_of(ROW_LOAD, compute_type(operand.dtype));
  inst.operand = find_operand(b, operand);
  return add(b, inst);
}

static RowRef known_ref(const RowBuilder *b, const Value *value) {
  uintptr_t stored = (uintptr_t)map_get(&b->refs, map_key(value));
  return stored == 0 ? ROW_NONE : (RowRef)(stored - 1);
}

static void set_ref(RowBuilder *b, const Value *value, RowRef ref) {
  map_set(&b->refs, map_key(value), (void *)((uintptr_t)ref + 1));
}

static RowRef scalar_constant(RowBuilder *b, const Tensor *tensor) {
  DType dtype = compute_type(tensor->dtype);
  if (dtype_is_float(dtype)) return row_number(b, dtype, tensor_f64(tensor, 0));
  return row_integer(b, dtype, tensor_i64(tensor, 0));
}

RowRef row_input_at(RowBuilder *b, const Node *node, uint32_t i, const int *axes) {
  Value *value = node_in(node, i);
  if (value == NULL) return ROW_NONE;
  RowRef ref = known_ref(b, value);
  if (ref != ROW_NONE) return ref;
  if (value->constant != NULL && value->constant->count == 1) {
    return scalar_constant(b, value->constant);
  }
  if (b->l == NULL) { /* probing: only the type matters */
    RowInst inst = inst_of(ROW_LOAD, compute_type(value->type.dtype));
    inst.operand = i;
    return add(b, inst);
  }
  Operand operand = lower_operand(b->l, value);
  return load(b, over_space(b, &operand, node_space(node)->rank, axes));
}

RowRef row_input(RowBuilder *b, const Node *node, uint32_t i) {
  int axes[MAX_RANK] = {0};
  const Value *value = node_in(node, i);
  int shift = value == NULL ? 0 : node_space(node)->rank - value->type.rank;
  for (int k = 0; k < MAX_RANK; k++) axes[k] = k + shift;
  return row_input_at(b, node, i, axes);
}

RowRef row_gather(RowBuilder *b, const Node *node, uint32_t i, int axis, const int *axes,
                  RowRef index) {
  Value *value = node_in(node, i);
  RowInst inst = inst_of(ROW_GATHER, compute_type(value->type.dtype));
  inst.a[0] = index;
  if (b->l == NULL) return add(b, inst);
  Operand operand = lower_operand(b->l, value);
  inst.dim = operand.strides[axis];
  operand.dims[axis] = dim_const(b->ctx->dims, 1);
  inst.operand = find_operand(b, over_space(b, &operand, node_space(node)->rank, axes));
  return add(b, inst);
}

RowRef row_gather_all(RowBuilder *b, const Node *node, uint32_t i, const RowRef *indices) {
  Value *value = node_in(node, i);
  RowInst inst = inst_of(ROW_GATHER, compute_type(value->type.dtype));
  if (b->l == NULL) return add(b, inst);
  Operand operand = lower_operand(b->l, value);
  int axes[MAX_RANK];
  RowRef sum = ROW_NONE;
  for (int k = 0; k < operand.rank; k++) {
    axes[k] = k;
    if (indices[k] == ROW_NONE) continue;
    operand.dims[k] = dim_const(b->ctx->dims, 1);
    RowRef distance = row_op2(b, ROW_MUL, indices[k], row_size(b, operand.strides[k]));
    sum = sum == ROW_NONE ? distance : row_op2(b, ROW_ADD, sum, distance);
  }
  inst.a[0] = sum == ROW_NONE ? row_integer(b, ONNXC_RT_I64, 0) : sum;
  inst.dim = dim_const(b->ctx->dims, 1);
  inst.operand = find_operand(b, over_space(b, &operand, node_space(node)->rank, axes));
  return add(b, inst);
}

RowRef row_index(RowBuilder *b, RowRef index, const Dim *size) {
  RowInst inst = inst_of(ROW_INDEX, ONNXC_RT_I64);
  inst.a[0] = row_convert(b, ONNXC_RT_I64, index);
  inst.dim = size;
  return add(b, inst);
}

RowRef row_position(RowBuilder *b, const Node *node, int axis, const Dim *start, const Dim *step) {
  RowInst inst = inst_of(ROW_POSITION, ONNXC_RT_I64);
  if (b->l == NULL) return add(b, inst);
  Operand operand = {.dtype = ONNXC_RT_I64, .rank = 1, .offset = start};
  operand.dims[0] = node_out(node, 0)->type.dims[axis];
  operand.strides[0] = step;
  inst.operand = find_operand(b, over_space(b, &operand, node_space(node)->rank, &axis));
  return add(b, inst);
}

void row_output(RowBuilder *b, const Node *node, uint32_t i, RowRef value) {
  const Value *out = node_out(node, i);
  if (out == NULL) return;
  set_ref(b, out, row_convert(b, compute_type(out->type.dtype), value));
}

void row_accumulators(RowBuilder *b, const Value *value) {
  RowInst inst = inst_of(ROW_LOAD, value->type.dtype);
  inst.operand = ROW_ACCUMULATORS;
  set_ref(b, value, add(b, inst));
}

/* ---- building ----------------------------------------------------------------------------------
 */

RowBuilder row_builder(Lowering *l, Group *group, RowProgram *program) {
  return (RowBuilder){.l = l,
                      .arena = l->ctx->arena,
                      .ctx = l->ctx,
                      .group = group,
                      .program = program,
                      .refs = map_on(l->scratch)};
}

/* The node's instructions without memory. */
static bool probe(Lowering *l, const Node *node, RowProgram *program) {
  RowBuilder b = {
      .arena = l->scratch, .ctx = l->ctx, .program = program, .refs = map_on(l->scratch)};
  return node->op->row->emit(&b, node);
}

int row_cost(Lowering *l, const Node *node) {
  RowProgram program = {0};
  int cost = 0;
  if (!probe(l, node, &program)) return INT32_MAX;
  VEC_EACH(RowInst, inst, &program.insts) cost += info[inst->op].cost;
  return cost;
}

bool row_accepts(Lowering *l, const Node *node) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *in = node_in(node, i);
    if (in != NULL && (in->type.kind != TYPE_TENSOR || !row_computes(in->type.dtype))) return false;
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *out = node_out(node, i);
    if (out != NULL && !row_computes(out->type.dtype)) return false;
  }
  return probe(l, node, &(RowProgram){0});
}

static bool in_group(const RowBuilder *b, const Node *node) {
  return b->l->groups[node->id] == b->group && node != b->group->root;
}

/* Whether somebody outside of the group reads the value. */
static bool escapes(const RowBuilder *b, const Value *value) {
  if (value_is_output(value)) return true;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    bool live = b->l->groups[use->user->id] != NULL;
    if (live && !in_group(b, use->user) && b->l->needed[value->id]) return true;
  }
  return false;
}

static void store_output(RowBuilder *b, Value *value) {
  RowRef ref = known_ref(b, value);
  Operand place = lower_output(b->l, value);
  int axes[MAX_RANK];
  for (int k = 0; k < value->type.rank; k++) axes[k] = k;
  bool in_parts = place.rank > value->type.rank; /* those of the space */
  if (!in_parts) place = over_space(b, &place, value->type.rank, axes);
  uint32_t operand = add_operand(b, place);
  vec_push(b->arena, &b->program->stores, (RowStore){.value = ref, .operand = operand});
}

static void store_outputs(RowBuilder *b, const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    Value *out = node_out(node, i);
    if (out != NULL && escapes(b, out)) store_output(b, out);
  }
}

static void record_accesses(RowBuilder *b, Step *step) {
  const RowProgram *p = b->program;
  VEC_EACH(RowInst, inst, &p->insts) {
    if (row_reads(inst)) step_reads(step, b->ctx, p->operands.data[inst->operand].buffer);
  }
  VEC_EACH(RowStore, store, &p->stores) {
    step_writes(step, b->ctx, p->operands.data[store->operand].buffer);
  }
}

void row_build(RowBuilder *b, Step *step) {
  VEC_EACH(Node *, node, &b->group->rows) {
    if (!(*node)->op->row->emit(b, *node)) {
      escape_raise(arena_escape(b->ctx->arena), 70, "a row operator declined after accepting");
    }
  }
  if (b->group->root != NULL) store_outputs(b, b->group->root);
  VEC_EACH(Node *, node, &b->group->rows) store_outputs(b, *node);
  row_finish(b->program, b->ctx, b->group);
  record_accesses(b, step);
  if (b->program->n_slots != 0) {
    const RowProgram *p = b->program;
    const Dim *row = dim_product(b->ctx->dims, p->extents + p->n_outer, p->n_inner);
    b->program->row_buffer =
        lower_scratch(b->l, dim_mul_i(b->ctx->dims, row, 4 * (int64_t)p->n_slots));
    step_writes(step, b->ctx, b->program->row_buffer);
  }
  row_in_place(b->program, b->ctx, step);
}

/* ---- finishing: axes ----------------------------------------------------------------------------
 */

/* Axis `from` of the space becomes axis `to` in the extents and in every operand. */
typedef struct Axis {
  const Dim *extent;
  int from;
  bool inner;
} Axis;

static void take_axes(RowProgram *p, const Axis *axes, int n) {
  for (int i = 0; i < n; i++) p->extents[i] = axes[i].extent;
  VEC_EACH(Operand, operand, &p->operands) {
    const Dim *strides[2 * MAX_RANK];
    memcpy(strides, operand->strides, sizeof strides);
    for (int i = 0; i < n; i++) operand->strides[i] = strides[axes[i].from];
    operand->rank = n;
  }
}

/* Axes i and i+1 are one when every operand crosses from one to the other without a jump. */
static bool mergeable(const RowProgram *p, DimTable *t, int i) {
  VEC_EACH(Operand, operand, &p->operands) {
    if (operand->strides[i] != dim_mul(t, operand->strides[i + 1], p->extents[i + 1])) return false;
  }
  return true;
}

static void merge_axes(RowProgram *p, DimTable *t, int *n, int i) {
  p->extents[i] = dim_mul(t, p->extents[i], p->extents[i + 1]);
  (*n)--;
  for (int k = i + 1; k < *n; k++) p->extents[k] = p->extents[k + 1];
  VEC_EACH(Operand, operand, &p->operands) {
    for (int k = i; k < *n; k++) operand->strides[k] = operand->strides[k + 1];
    operand->rank = *n;
  }
}

/* Outer axes first, sizes of 1 dropped, neighbours merged. Without a row the last axis is it. */
static void arrange_axes(RowProgram *p, Context *ctx, const Group *group) {
  Axis axes[MAX_RANK];
  int n = 0, n_outer = 0;
  for (int inner = 0; inner < 2; inner++) {
    for (int i = 0; i < group->rank; i++) {
      if (group->inner[i] != (inner == 1) || dim_is(group->shape[i], 1)) continue;
      axes[n++] = (Axis){group->shape[i], i, inner == 1};
    }
    if (inner == 0) n_outer = n;
  }
  take_axes(p, axes, n);
  for (int i = n - 2; i >= 0; i--) {
    if (i + 1 == n_outer && group->has_axes) continue;
    if (!mergeable(p, ctx->dims, i)) continue;
    merge_axes(p, ctx->dims, &n, i);
    if (i + 1 < n_outer) n_outer--;
  }
  if (!group->has_axes) n_outer = n == 0 ? 0 : n - 1;
  p->n_outer = n_outer;
  p->n_inner = n - n_outer;
}

/* ---- finishing: levels and phases ---- */

static bool moves_along_row(const RowProgram *p, const Operand *operand) {
  for (int i = p->n_outer; i < p->n_outer + p->n_inner; i++) {
    if (!dim_is(operand->strides[i], 0)) return true;
  }
  return false;
}

static void set_level(RowProgram *p, RowInst *inst) {
  inst->element = false;
  inst->phase = 0;
  if (inst->op == ROW_LOAD || inst->op == ROW_GATHER || inst->op == ROW_POSITION) {
    inst->element =
        inst->operand == ROW_ACCUMULATORS || moves_along_row(p, &p->operands.data[inst->operand]);
  }
  for (int i = 0; i < info[inst->op].arity; i++) {
    const RowInst *arg = &p->insts.data[inst->a[i]];
    if (arg->element && !row_is_reduction(inst->op)) inst->element = true;
    uint32_t phase = arg->phase + (row_is_reduction(arg->op) ? 1 : 0);
    if (phase > inst->phase) inst->phase = phase;
  }
}

static const RowStore *dense_store_of(const RowProgram *p, RowRef ref) {
  VEC_EACH(RowStore, store, &p->stores) {
    const Operand *to = &p->operands.data[store->operand];
    if (store->value == ref && to->dtype == p->insts.data[ref].dtype && moves_along_row(p, to)) {
      return store;
    }
  }
  return NULL;
}

/* What computing the element again would cost, its operands included. */
static int total_cost(const RowProgram *p, RowRef ref) {
  const RowInst *inst = &p->insts.data[ref];
  int cost = inst->op == ROW_LOAD ? 1 : info[inst->op].cost;
  for (int i = 0; i < info[inst->op].arity && cost < 1000; i++) {
    const RowInst *arg = &p->insts.data[inst->a[i]];
    if (arg->element && !arg->kept && inst->element) cost += total_cost(p, inst->a[i]);
  }
  return cost;
}

static bool needed_later(const RowProgram *p, RowRef ref) {
  const RowInst *inst = &p->insts.data[ref];
  for (uint32_t i = ref + 1; i < p->insts.len; i++) {
    const RowInst *user = &p->insts.data[i];
    for (int k = 0; k < info[user->op].arity; k++) {
      if (user->a[k] == ref && user->phase > inst->phase) return true;
    }
  }
  return false;
}

enum { KEEP_COST = 12 };

/* A value that is stored anyway is read back by later phases, which also frees its operands to be
 * overwritten; a costly one goes to the row buffer. */
static void decide_kept(RowProgram *p, RowRef ref) {
  RowInst *inst = &p->insts.data[ref];
  if (!inst->element || inst->op == ROW_LOAD || !needed_later(p, ref)) return;
  const RowStore *store = dense_store_of(p, ref);
  if (store != NULL) {
    inst->kept = true;
    inst->kept_operand = store->operand;
  } else if (inst->dtype == ONNXC_RT_F32 && total_cost(p, ref) >= KEEP_COST) {
    inst->kept = true;
    inst->kept_slot = p->n_slots++;
  }
}

/* The group with its axes in parts. */
static Group in_parts(const Group *group) {
  const Split *split = group->split;
  Group parts = *group;
  parts.rank = split->rank;
  for (int k = 0; k < group->rank; k++) {
    for (int i = split->first[k]; i < split->first[k + 1]; i++) {
      parts.shape[i] = split->dims[i];
      parts.inner[i] = group->inner[k];
    }
  }
  return parts;
}

void row_finish(RowProgram *p, Context *ctx, const Group *group) {
  Group parts = group->split == NULL ? *group : in_parts(group);
  arrange_axes(p, ctx, &parts);
  for (uint32_t i = 0; i < p->insts.len; i++) set_level(p, &p->insts.data[i]);
  for (uint32_t i = 0; i < p->insts.len; i++) decide_kept(p, i);
  p->n_phases = 1;
  VEC_EACH(RowInst, inst, &p->insts) {
    if (inst->phase + 1 > p->n_phases) p->n_phases = inst->phase + 1;
  }
  VEC_EACH(RowStore, store, &p->stores) {
    const RowInst *value = &p->insts.data[store->value];
    store->phase = value->phase + (row_is_reduction(value->op) ? 1 : 0);
    if (store->phase + 1 > p->n_phases) p->n_phases = store->phase + 1;
  }
}

/* ---- sharing memory ---- */

/* What a pass produces: its reductions, its stores, and what it keeps for later passes. */
static bool is_root(const RowProgram *p, RowRef ref, uint32_t phase) {
  const RowInst *inst = &p->insts.data[ref];
  if (inst->phase == phase && (row_is_reduction(inst->op) || inst->kept)) return true;
  VEC_EACH(RowStore, store, &p->stores) {
    if (store->value == ref && store->phase == phase && inst->element) return true;
  }
  return false;
}

void row_needs(const RowProgram *p, uint32_t phase, RowNeed *needs) {
  for (uint32_t i = 0; i < p->insts.len; i++) {
    needs[i] = is_root(p, i, phase) ? ROW_COMPUTED : ROW_UNUSED;
  }
  for (uint32_t i = (uint32_t)p->insts.len; i-- > 0;) {
    const RowInst *inst = &p->insts.data[i];
    if (needs[i] == ROW_UNUSED) continue;
    if (inst->kept && inst->phase < phase) {
      needs[i] = ROW_READ_BACK;
      continue;
    }
    for (int k = 0; k < info[inst->op].arity; k++) {
      if (p->insts.data[inst->a[k]].element) needs[inst->a[k]] = ROW_COMPUTED;
    }
  }
}

/* One more than the latest pass that loads each operand; 0: it is not loaded. What is gathered may
 * be needed by any later row. */
static void find_last_loads(const RowProgram *p, Arena *arena, uint32_t *last) {
  RowNeed *needs = ARENA_ARRAY(arena, p->insts.len, RowNeed);
  for (uint32_t phase = 0; phase < p->n_phases; phase++) {
    row_needs(p, phase, needs);
    for (uint32_t i = 0; i < p->insts.len; i++) {
      const RowInst *inst = &p->insts.data[i];
      if (!row_reads(inst)) continue;
      uint32_t *at = &last[inst->operand];
      if (inst->op == ROW_GATHER) {
        *at = UINT32_MAX;
      } else if (needs[i] == ROW_COMPUTED && *at != UINT32_MAX) {
        *at = phase + 1;
      }
    }
  }
}

static bool same_walk(const RowProgram *p, const Operand *a, const Operand *b) {
  int n = p->n_outer + p->n_inner;
  bool same_size = dtype_info(a->dtype)->bits == dtype_info(b->dtype)->bits;
  return same_size && a->offset == NULL && b->offset == NULL &&
         (n == 0 || memcmp(a->strides, b->strides, (size_t)n * sizeof *a->strides) == 0);
}

static bool read_once(const Step *step, const RowProgram *p, const Buffer *buffer) {
  int n = 0;
  VEC_EACH(Operand, operand, &p->operands) n += operand->buffer == buffer;
  if (step->kind != STEP_ROW && step->kind != STEP_COPY) {
    VEC_EACH(Field, field, &step->kernel.fields) {
      n += field->kind == FIELD_OPERAND && field->operand.buffer == buffer;
    }
  }
  return n == 1;
}

/* A store may overwrite what was loaded from the same place, once no later pass loads it again. */
static bool may_share(const RowProgram *p, const Step *step, const Operand *from, uint32_t last,
                      const RowStore *store) {
  const Operand *to = &p->operands.data[store->operand];
  bool finished = last != 0 && last <= store->phase + 1;
  if (!finished) return false;
  bool planned = from->buffer->place == BUFFER_ARENA && to->buffer->place == BUFFER_ARENA;
  return planned && from->buffer != to->buffer && same_walk(p, from, to) &&
         read_once(step, p, from->buffer);
}

void row_in_place(const RowProgram *p, Context *ctx, Step *step) {
  uint32_t *last = ARENA_ARRAY(ctx->arena, p->operands.len + 1, uint32_t);
  find_last_loads(p, ctx->arena, last);
  VEC_EACH(RowStore, store, &p->stores) {
    for (uint32_t i = 0; i < p->operands.len; i++) {
      const Operand *from = &p->operands.data[i];
      if (!may_share(p, step, from, last[i], store)) continue;
      Buffer *to = p->operands.data[store->operand].buffer;
      vec_push(ctx->arena, &step->in_place, (InPlace){.out = to, .in = from->buffer});
    }
  }
}

/* Complex elements as pairs of their components: an innermost axis of two. */
static void split_pairs(DimTable *t, Operand *operand, int rank) {
  for (int i = 0; i < rank; i++) operand->strides[i] = dim_mul_i(t, operand->strides[i], 2);
  operand->strides[rank] = dim_const(t, 1);
  if (operand->offset != NULL) operand->offset = dim_mul_i(t, operand->offset, 2);
  operand->dtype = dtype_component(operand->dtype);
}

void row_copy(RowProgram *p, Context *ctx, int rank, const Dim *const *dims, Operand from,
              Operand to) {
  Group group = {.rank = rank};
  for (int i = 0; i < rank; i++) group.shape[i] = dims[i]; /* a scalar's may be NULL */
  if (dtype_component(from.dtype) != from.dtype) {
    split_pairs(ctx->dims, &from, rank);
    split_pairs(ctx->dims, &to, rank);
    group.shape[group.rank++] = dim_const(ctx->dims, 2);
  }
  from.rank = to.rank = group.rank;
  vec_push(ctx->arena, &p->operands, from);
  vec_push(ctx->arena, &p->operands, to);
  vec_push(ctx->arena, &p->insts, inst_of(ROW_LOAD, compute_type(from.dtype)));
  vec_push(ctx->arena, &p->stores, (RowStore){.value = 0, .operand = 1});
  row_finish(p, ctx, &group);
}
