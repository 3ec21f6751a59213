/* Steps that call a kernel of the runtime through its parameter structure. */
#include "lower/group.h"

#include <string.h>

Step *lower_kernel(Lowering *l, StepKind kind, const char *function, const char *params) {
  Step *step = lower_step(l, kind);
  step->kernel.function = function;
  step->kernel.params = params;
  step->kernel.rows = dim_const(l->ctx->dims, 0);
  return step;
}

static void add_field(Lowering *l, Step *step, Field field) {
  vec_push(l->ctx->arena, &step->kernel.fields, field);
}

void kernel_dims(Lowering *l, Step *step, const char *member, const Dim *const *values, int n) {
  Field field = {.name = member, .kind = FIELD_DIMS, .n = n};
  memcpy(field.dims, values, (size_t)n * sizeof *values);
  add_field(l, step, field);
}

void kernel_dim(Lowering *l, Step *step, const char *member, const Dim *value) {
  add_field(l, step, (Field){.name = member, .kind = FIELD_DIM, .n = 1, .dims = {value}});
}

void kernel_int(Lowering *l, Step *step, const char *member, int64_t value) {
  kernel_dim(l, step, member, dim_const(l->ctx->dims, value));
}

void kernel_float(Lowering *l, Step *step, const char *member, float value) {
  add_field(l, step, (Field){.name = member, .kind = FIELD_FLOAT, .number = value});
}

void kernel_input(Lowering *l, Step *step, const char *member, Operand operand) {
  add_field(l, step, (Field){.name = member, .kind = FIELD_OPERAND, .operand = operand});
  step_reads(step, l->ctx, operand.buffer);
}

void kernel_shared(Lowering *l, Step *step, const char *member, Operand operand) {
  for (int i = 0; i < step->kernel.n_loops; i++) operand.strides[i] = dim_const(l->ctx->dims, 0);
  kernel_input(l, step, member, operand);
}

bool kernel_batches(Lowering *l, Step *step, const Operand *x, const Dim *rows) {
  if (operand_dense(l->ctx->dims, x)) return false;
  step->kernel.n_loops = 1;
  step->kernel.loops[0] = x->dims[0];
  step->kernel.rows = rows;
  return true;
}

void kernel_output(Lowering *l, Step *step, const char *member, Operand operand) {
  Field field = {.name = member, .kind = FIELD_OPERAND, .operand = operand, .written = true};
  add_field(l, step, field);
  step_writes(step, l->ctx, operand.buffer);
}

void kernel_scratch(Lowering *l, Step *step, const char *member, const Dim *bytes) {
  if (dim_is(bytes, 0)) return;
  Operand operand = {.buffer = lower_scratch(l, bytes), .dtype = ONNXC_RT_F32};
  Field field = {.name = member, .kind = FIELD_SCRATCH, .operand = operand, .written = true};
  add_field(l, step, field);
  step_writes(step, l->ctx, operand.buffer);
}

void kernel_room(Lowering *l, Step *step, const char *roomy, int64_t value, size_t bytes) {
  step->kernel.roomy = roomy;
  vec_push(l->ctx->arena, &step->kernel.rooms, (Room){value, bytes});
}

/* The epilogue's space is the contraction's result: its first axes count rows, the others columns.
 */
static RowProgram *build_epilogue(Lowering *l, Step *step, Value *value, int row_axes) {
  Group *g = l->current;
  for (int i = 0; i < g->rank; i++) g->inner[i] = i >= row_axes;
  g->has_axes = true;
  RowProgram *program = ARENA_NEW(l->ctx->arena, RowProgram);
  RowBuilder b = row_builder(l, g, program);
  row_accumulators(&b, value);
  row_build(&b, step);
  return program;
}

bool kernel_epilogue(Lowering *l, Step *step, Value *value, int row_axes) {
  const Operand *target = &l->targets[value->id];
  bool strided = target->buffer != NULL && !operand_dense(l->ctx->dims, target);
  if (l->current->rows.len == 0 && !strided) return false;
  step->kernel.epilogue = build_epilogue(l, step, value, row_axes);
  return true;
}
