/* What the model would need with smaller bounds: it is compiled again, up to the plan, with all
 * bounded sizes at a half, a quarter, ... of their range. */
#include "inspect/inspect.h"

#include <string.h>

enum { MAX_ROWS = 8, MAX_SECONDS = 2 };

bool inspect_is_bounded(const Compilation *c, size_t i) {
  const onnxc_dim *dim = &c->options.dims[i];
  for (size_t j = i + 1; j < c->options.n_dims; j++) {
    if (strcmp(c->options.dims[j].name, dim->name) == 0) return false;
  }
  return dim->lo < dim->hi;
}

/* Divides the ranges by a power of 2; false: nothing is left of any. */
static bool shrink(onnxc_dim *dims, size_t n, int halvings) {
  uint64_t left = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t range = ((uint64_t)dims[i].hi - (uint64_t)dims[i].lo) >> halvings;
    dims[i].hi = (int64_t)((uint64_t)dims[i].lo + range);
    left |= range;
  }
  return left != 0;
}

static bool plan_smaller(const Compilation *c, Smaller *row) {
  onnxc_options options = c->options;
  options.dims = row->dims;
  options.dump = NULL;
  Compilation *again = compilation_new(c->model, &options);
  if (again == NULL) return false;
  bool planned = compilation_run(again, "plan");
  if (planned) {
    row->arena_bytes = again->plan->arena_bytes;
    row->state_bytes = again->steps->state.bytes;
  }
  onnxc_free(again);
  return planned;
}

static double seconds_of(const Compilation *c) {
  double seconds = 0;
  VEC_EACH(const StageCost, cost, &c->costs) {
    if (!cost->part) seconds += cost->seconds;
  }
  return seconds;
}

SmallerTable inspect_smaller(Compilation *c) {
  SmallerTable table = {0};
  size_t n = c->options.n_dims, bounded = 0;
  for (size_t i = 0; i < n; i++) bounded += inspect_is_bounded(c, i);
  table.left_out = bounded != 0 && seconds_of(c) > MAX_SECONDS;
  if (bounded == 0 || table.left_out) return table;
  bool more = true;
  for (int k = 1; k <= MAX_ROWS && more; k++) {
    Smaller row = {.dims = arena_copy(c->arena, c->options.dims, n * sizeof *row.dims)};
    row.part = (int64_t)1 << k;
    more = shrink(row.dims, n, k);
    row.planned = plan_smaller(c, &row);
    vec_push(c->arena, &table.rows, row);
  }
  return table;
}
