/* Sequences come from the caller of a model as they may: what does not fit is refused, and nothing
 * outside the tensors is touched. */
#include "support.h"

#include "onnxc_rt_reference.h"

enum { CAPACITY = 3, SLOT = 4, RANK = 2, GUARD = 77 };

/* A sequence of `length` tensors with these sizes, and room for one tensor with a guard behind it.
 */
typedef struct Taking {
  float data[CAPACITY * SLOT], taken[SLOT + 1];
  int64_t dims[CAPACITY * RANK], length, position;
} Taking;

static Taking taking(int64_t length, int64_t rows, int64_t columns) {
  Taking t = {.length = length};
  for (int i = 0; i < CAPACITY * SLOT; i++) t.data[i] = (float)i;
  for (int i = 0; i < CAPACITY; i++) {
    t.dims[i * RANK] = rows;
    t.dims[i * RANK + 1] = columns;
  }
  t.taken[SLOT] = GUARD;
  return t;
}

/* The code of SequenceAt with both axes found at run time, bounded by SLOT and 1. */
static int take(Taking *t, int64_t *sizes) {
  int64_t data_dims[] = {CAPACITY, SLOT}, dims_dims[] = {CAPACITY, RANK};
  const onnxc_rt_tensor in[] = {
      {t->data, data_dims, 2, ONNXC_RT_F32},
      {t->dims, dims_dims, 2, ONNXC_RT_I64},
      {&t->length, NULL, 0, ONNXC_RT_I64},
      {&t->position, NULL, 0, ONNXC_RT_I64},
  };
  onnxc_rt_tensor out[] = {{t->taken, sizes, 2, ONNXC_RT_F32}};
  const onnxc_rt_attr attributes[] = {{.present = 1}, {.present = 1, .i = 3}, {.present = 1}};
  sizes[0] = SLOT;
  sizes[1] = 1;
  const onnxc_rt_call call = {.in = in, .out = out, .attr = attributes, .n_in = 4, .n_out = 1};
  int code = onnxc_rt_ref_sequence_at(&call);
  assert_true(t->taken[SLOT] == (float)GUARD);
  return code;
}

static int code_of(Taking t, int64_t position) {
  int64_t sizes[RANK];
  t.position = position;
  return take(&t, sizes);
}

static void a_tensor_is_taken(void **state) {
  (void)state;
  int64_t sizes[RANK];
  Taking t = taking(2, 3, 1);
  t.position = -1;
  assert_int_equal(take(&t, sizes), ONNXC_RT_OK);
  assert_int_equal(sizes[0], 3);
  assert_int_equal(sizes[1], 1);
  assert_true(t.taken[0] == (float)SLOT && t.taken[2] == (float)(SLOT + 2));
}

static void positions_are_checked(void **state) {
  (void)state;
  assert_int_equal(code_of(taking(2, 1, 1), 1), ONNXC_RT_OK);
  assert_int_equal(code_of(taking(2, 1, 1), 2), ONNXC_RT_ERROR_INDEX);
  assert_int_equal(code_of(taking(2, 1, 1), -3), ONNXC_RT_ERROR_INDEX);
  assert_int_equal(code_of(taking(0, 1, 1), 0), ONNXC_RT_ERROR_INDEX);
  assert_int_equal(code_of(taking(2, 1, 1), INT64_MIN), ONNXC_RT_ERROR_INDEX);
  assert_int_equal(code_of(taking(2, 1, 1), INT64_MAX), ONNXC_RT_ERROR_INDEX);
}

static void malformed_sequences_are_refused(void **state) {
  (void)state;
  assert_int_equal(code_of(taking(-1, 1, 1), 0), ONNXC_RT_ERROR_SHAPE);
  assert_int_equal(code_of(taking(CAPACITY + 1, 1, 1), 0), ONNXC_RT_ERROR_SHAPE);
  assert_int_equal(code_of(taking(2, SLOT + 1, 1), 0), ONNXC_RT_ERROR_SHAPE);
  assert_int_equal(code_of(taking(2, 2, 2), 0), ONNXC_RT_ERROR_SHAPE);
  assert_int_equal(code_of(taking(2, -2, 1), 0), ONNXC_RT_ERROR_SHAPE);
  assert_int_equal(code_of(taking(2, 1, -1), 0), ONNXC_RT_ERROR_SHAPE);
  assert_int_equal(code_of(taking(2, INT64_MAX, 3), 0), ONNXC_RT_ERROR_SHAPE);
  assert_int_equal(code_of(taking(2, 0, INT64_MAX), 0), ONNXC_RT_ERROR_SHAPE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tensor_is_taken),
      cmocka_unit_test(positions_are_checked),
      cmocka_unit_test(malformed_sequences_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
