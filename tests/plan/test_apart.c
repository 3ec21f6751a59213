/* What two steps write to one buffer, beside the elements one by one. */
#include "make_steps.h"

#include "plan/tasks.h"

#include <string.h>

/* A step that stores to elements of the buffer: offset + i * strides[0] + j * strides[1], i and j
 * below the extents. */
static Step *store(Steps *steps, Buffer *to, int64_t offset, const int64_t *strides,
                   const int64_t *extents) {
  DimTable *t = steps->ctx->dims;
  Step *step = compute(steps, to, NULL, NULL);
  Operand operand = {.buffer = to, .dtype = ONNXC_RT_F32, .offset = dim_const(t, offset)};
  for (int i = 0; i < 2; i++) {
    operand.strides[i] = dim_const(t, strides[i]);
    step->row.extents[i] = dim_const(t, extents[i]);
  }
  step->row.n_outer = step->row.n_inner = 1;
  vec_push(steps->ctx->arena, &step->row.operands, operand);
  vec_push(steps->ctx->arena, &step->row.stores, (RowStore){.operand = 0});
  return step;
}

/* Rows of `width` elements, of which columns [first, first + columns) are written. */
static Step *columns(Steps *steps, Buffer *to, int64_t width, int64_t first, int64_t n) {
  return store(steps, to, first, (int64_t[]){width, 1}, (int64_t[]){4, n});
}

static void columns_are_apart(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL);
  Buffer *buffer = new_buffer(steps, BUFFER_ARENA, 4000);
  Step *left = columns(steps, buffer, 10, 0, 4), *right = columns(steps, buffer, 10, 4, 6);
  assert_true(writes_apart(ctx->arena, left, right, buffer));
  assert_true(writes_apart(ctx->arena, right, left, buffer));
  assert_false(writes_apart(ctx->arena, left, columns(steps, buffer, 10, 3, 7), buffer));
  assert_false(writes_apart(ctx->arena, left, columns(steps, buffer, 10, 0, 10), buffer));
  assert_false(writes_apart(ctx->arena, left, columns(steps, buffer, 10, 8, 4), buffer));
  assert_false(writes_apart(ctx->arena, left, left, buffer));
}

static void rows_are_apart(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL);
  Buffer *buffer = new_buffer(steps, BUFFER_ARENA, 4000);
  Step *above = columns(steps, buffer, 10, 0, 10), *below = columns(steps, buffer, 10, 40, 10);
  assert_true(writes_apart(ctx->arena, above, below, buffer));
  assert_false(writes_apart(ctx->arena, above, columns(steps, buffer, 10, 39, 10), buffer));
}

static void what_is_not_known_is_not_apart(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL);
  Buffer *buffer = new_buffer(steps, BUFFER_ARENA, 4000), *other = new_buffer(steps, 0, 4000);
  Step *left = columns(steps, buffer, 10, 0, 4), *right = columns(steps, buffer, 10, 4, 6);
  assert_false(writes_apart(ctx->arena, left, right, other)); /* which nobody writes to */
  const Dim *size = dim_symbol(ctx->dims, "n", 1, 4);
  left->row.extents[0] = size; /* at most as many */
  assert_true(writes_apart(ctx->arena, left, right, buffer));
  right->row.operands.data[0].offset = size;
  assert_false(writes_apart(ctx->arena, left, right, buffer));
  right = columns(steps, buffer, 10, 4, 6);
  right->row.row_buffer = buffer;
  assert_false(writes_apart(ctx->arena, left, right, buffer));
  right = columns(steps, buffer, 10, 4, 6);
  right->row.operands.data[0].dtype = ONNXC_RT_I8; /* counted in other units */
  assert_false(writes_apart(ctx->arena, left, right, buffer));
  right = columns(steps, buffer, 10, 4, 6);
  right->kind = STEP_IF;
  assert_false(writes_apart(ctx->arena, left, right, buffer));
}

static void epilogues_are_looked_at(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL);
  Buffer *buffer = new_buffer(steps, BUFFER_ARENA, 4000);
  Step *left = columns(steps, buffer, 10, 0, 4), *right = columns(steps, buffer, 10, 4, 6);
  RowProgram epilogue = left->row;
  left->kind = STEP_CONTRACTION;
  left->kernel = (Kernel){.epilogue = &epilogue};
  assert_true(writes_apart(ctx->arena, left, right, buffer));
  Field field = {.kind = FIELD_OPERAND, .operand.buffer = buffer, .written = true};
  vec_push(ctx->arena, &left->kernel.fields, field); /* the kernel stores, too */
  assert_false(writes_apart(ctx->arena, left, right, buffer));
  left->kernel = (Kernel){0};
  assert_false(writes_apart(ctx->arena, left, right, buffer));
}

enum { ELEMENTS = 1000 };

static Step *random_store(Steps *steps, Buffer *to, uint64_t *seed, bool *written) {
  int64_t strides[2], extents[2], offset = pick(seed, 40);
  memset(written, 0, ELEMENTS * sizeof *written);
  for (int i = 0; i < 2; i++) strides[i] = pick(seed, 4) == 0 ? pick(seed, 3) : pick(seed, 20);
  for (int i = 0; i < 2; i++) extents[i] = 1 + pick(seed, 8);
  for (int64_t i = 0; i < extents[0]; i++) {
    for (int64_t j = 0; j < extents[1]; j++) {
      written[offset + i * strides[0] + j * strides[1]] = true;
    }
  }
  return store(steps, to, offset, strides, extents);
}

static void random_regions_are_apart(void **state) {
  TEST_BEGIN(state);
  uint32_t apart = 0, found = 0;
  uint64_t seed = 1;
  Steps *steps = new_steps(ctx, NULL);
  Buffer *buffer = new_buffer(steps, BUFFER_ARENA, 4 * ELEMENTS);
  for (int i = 0; i < 20000; i++) {
    bool of_a[ELEMENTS], of_b[ELEMENTS], meet = false;
    Step *a = random_store(steps, buffer, &seed, of_a),
         *b = random_store(steps, buffer, &seed, of_b);
    for (int k = 0; k < ELEMENTS; k++) meet = meet || (of_a[k] && of_b[k]);
    bool says = writes_apart(ctx->arena, a, b, buffer);
    assert_false(says && meet);
    apart += !meet;
    found += says;
  }
  assert_true(found > apart / 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(columns_are_apart),        TEST(rows_are_apart),
      TEST(epilogues_are_looked_at),  TEST(what_is_not_known_is_not_apart),
      TEST(random_regions_are_apart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
