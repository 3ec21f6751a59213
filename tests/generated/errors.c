/* Calls a generated function with everything that it must refuse. The model gathers rows of a table
 * by index [batch], batch from 1 to 4, and multiplies them: see check_errors.py. Built with the
 * sanitizers, so touching memory outside is an error too. */
#include "rows.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX = 4, ROWS = 5, COLUMNS = 3 };
/* A whole number of alignments, as aligned_alloc wants, and never 0. */
#define ARENA_SIZE (ROWS_ARENA_ALIGN * (ROWS_ARENA_BYTES / ROWS_ARENA_ALIGN + 1))

static int faults;

static void expect(const char *what, int actual, int expected) {
  if (actual == expected) return;
  printf("%s: returned %d, expected %d\n", what, actual, expected);
  faults++;
}

/* Runs on exactly `batch` indices, all of them 0 but the last, in memory of exactly that size. */
static int run(int64_t batch, int64_t last) {
  size_t count = batch > 0 ? (size_t)batch : 1;
  int64_t *index = calloc(count, sizeof *index);
  float *y = calloc(count * COLUMNS, sizeof *y);
  void *arena = aligned_alloc(ROWS_ARENA_ALIGN, ARENA_SIZE);
  index[count - 1] = last;
  const rows_inputs in = {.batch = batch, .index = index};
  rows_outputs out = {.y = y};
  int error = rows_run(&in, &out, arena, NULL);
  free(index);
  free(y);
  free(arena);
  return error;
}

static void check_arguments(void) {
  static _Alignas(ROWS_ARENA_ALIGN) unsigned char arena[ARENA_SIZE];
  int64_t index[MAX] = {0};
  float y[MAX * COLUMNS];
  const rows_inputs in = {.batch = MAX, .index = index}, no_index = {.batch = MAX};
  const rows_inputs huge = {.batch = INT64_MAX / 2, .index = index};
  rows_outputs out = {.y = y}, no_y = {.y = NULL};
  expect("all is well", rows_run(&in, &out, arena, NULL), ONNXC_RT_OK);
  expect("no inputs", rows_run(NULL, &out, arena, NULL), ONNXC_RT_ERROR_NULL);
  expect("no outputs", rows_run(&in, NULL, arena, NULL), ONNXC_RT_ERROR_NULL);
  expect("no arena", rows_run(&in, &out, NULL, NULL), ONNXC_RT_ERROR_NULL);
  expect("input null", rows_run(&no_index, &out, arena, NULL), ONNXC_RT_ERROR_NULL);
  expect("output null", rows_run(&in, &no_y, arena, NULL), ONNXC_RT_ERROR_NULL);
  expect("batch 2^62", rows_run(&huge, &out, arena, NULL), ONNXC_RT_ERROR_DIM);
  expect("arena misaligned", rows_run(&in, &out, arena + 1, NULL), ONNXC_RT_ERROR_ALIGN);
}

static void *run_often(void *result) {
  for (int i = 0; i < 1000; i++) *(int *)result |= run(MAX, i % ROWS);
  return NULL;
}

static void check_threads(void) {
  pthread_t threads[2];
  int results[2] = {0};
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, run_often, &results[i]);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  expect("two threads", results[0] | results[1], ONNXC_RT_OK);
}

int main(void) {
  check_arguments();
  expect("batch 1", run(1, 0), ONNXC_RT_OK);
  expect("batch 4", run(MAX, ROWS - 1), ONNXC_RT_OK);
  expect("index from the end", run(MAX, -ROWS), ONNXC_RT_OK);
  expect("batch 0", run(0, 0), ONNXC_RT_ERROR_DIM);
  expect("batch 5", run(MAX + 1, 0), ONNXC_RT_ERROR_DIM);
  expect("batch -1", run(-1, 0), ONNXC_RT_ERROR_DIM);
  expect("index 5", run(MAX, ROWS), ONNXC_RT_ERROR_INDEX);
  expect("index -6", run(MAX, -ROWS - 1), ONNXC_RT_ERROR_INDEX);
  expect("index 2^63 - 1", run(MAX, INT64_MAX), ONNXC_RT_ERROR_INDEX);
  check_threads();
  return faults != 0;
}
