#include "ir/sample.h"

#include "ir/interpret.h"

#include <math.h>
#include <string.h>

/* ---- drawing -----------------------------------------------------------------------------------
 */

static int64_t clamp(int64_t value, int64_t lo, int64_t hi) {
  return value < lo ? lo : value > hi ? hi : value;
}

/* Uniform in [0, 1), from a seeded sequence. */
static double draw(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(*state >> 33) / (double)(UINT64_C(1) << 31);
}

static int64_t draw_below(uint64_t *state, int64_t limit) {
  return (int64_t)(draw(state) * (double)limit);
}

static void draw_symbols(Sample *s, const DimTable *dims, const SampleForm *form, uint64_t *seed) {
  for (uint32_t i = 0; i < s->n_symbols; i++) {
    const Dim *symbol = dims_symbol(dims, i);
    s->symbols[i] = clamp(form->size + draw_below(seed, form->spread), symbol->lo, symbol->hi);
  }
}

/* Floats in [-2, 2); bools and strings 0 or 1. */
static void draw_element(Tensor *tensor, size_t i, int64_t integers, uint64_t *seed) {
  static const onnxc_rt_string strings[] = {{"0", 1}, {"1", 1}};
  switch (dtype_info(tensor->dtype)->cls) {
  case DTYPE_CLASS_FLOAT: tensor_set_f64(tensor, i, 4 * draw(seed) - 2); break;
  case DTYPE_CLASS_STRING:
    ((onnxc_rt_string *)(uintptr_t)tensor->data)[i] = strings[draw_below(seed, 2)];
    break;
  case DTYPE_CLASS_BOOL: tensor_set_i64(tensor, i, draw_below(seed, 2)); break;
  default: tensor_set_i64(tensor, i, draw_below(seed, integers));
  }
}

static Tensor *draw_tensor(const Sample *s, Context *ctx, const Type *type, int64_t integers,
                           uint64_t *seed) {
  int64_t dims[MAX_RANK];
  if (type->kind != TYPE_TENSOR || dtype_info(type->dtype)->cls == DTYPE_CLASS_COMPLEX) return NULL;
  for (int i = 0; i < type->rank; i++) {
    if (!dim_eval(type->dims[i], s->symbols, &dims[i])) return NULL;
  }
  Tensor *tensor = tensor_new(ctx, type->dtype, type->rank, dims);
  for (size_t i = 0; tensor != NULL && i < tensor->count; i++) {
    draw_element(tensor, i, integers, seed);
  }
  return tensor;
}

/* Numbers that sizes are computed from, where the user bounds them. */
static void confine(Tensor *tensor, const Value *input) {
  for (uint32_t i = 0; i < input->n_contents && i < tensor->count; i++) {
    int64_t number = clamp(tensor_i64(tensor, i), input->contents[i]->lo, input->contents[i]->hi);
    tensor_set_i64(tensor, i, number);
  }
}

static bool draw_inputs(Sample *s, const Graph *graph, const SampleForm *form, Arena *arena) {
  uint64_t seed = form->seed;
  Context on_arena = *graph->ctx;
  on_arena.arena = arena;
  draw_symbols(s, graph->ctx->dims, form, &seed);
  for (size_t i = 0; i < graph->inputs.len; i++) {
    const Value *input = graph->inputs.data[i];
    Tensor *tensor = draw_tensor(s, &on_arena, &input->type, form->integers, &seed);
    if (tensor == NULL) return false;
    confine(tensor, input);
    s->inputs[i] = tensor;
  }
  return true;
}

/* ---- what rounding explains --------------------------------------------------------------------
 */

/* RUNS with every result moved by a few units in the last place show how much that matters. FACTOR
 * covers what they happen not to show, and that other sums in another order round differently. */
enum { RUNS = 8, FACTOR = 4, UNITS = 16 };

/* The distance of two values that one value may have; infinite when one of them is no number. */
static double distance(double a, double b) {
  if (a == b || (isnan(a) && isnan(b))) return 0;
  return isfinite(a) && isfinite(b) ? fabs(a - b) : HUGE_VAL;
}

static bool same_sizes(const Tensor *a, const Tensor *b) {
  return a->dtype == b->dtype && a->rank == b->rank &&
         (a->rank == 0 || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0);
}

static bool has_numbers(const Tensor *tensor) {
  DTypeClass cls = dtype_info(tensor->dtype)->cls;
  return cls != DTYPE_CLASS_STRING && cls != DTYPE_CLASS_COMPLEX;
}

/* allowed[i] grows to how far element i has moved; everything may move when sizes do. */
static void widen(double *allowed, const Tensor *tensor, const Tensor *moved) {
  bool same = moved != NULL && same_sizes(tensor, moved);
  for (size_t i = 0; i < tensor->count; i++) {
    double d = same ? distance(tensor_f64(tensor, i), tensor_f64(moved, i)) : HUGE_VAL;
    if (d > allowed[i]) allowed[i] = d;
  }
}

static double largest(const Tensor *tensor) {
  double result = 0;
  for (size_t i = 0; i < tensor->count; i++) {
    double size = fabs(tensor_f64(tensor, i));
    if (isfinite(size) && size > result) result = size;
  }
  return result;
}

static double mean_square(const double *numbers, size_t n) {
  double sum = 0;
  size_t finite = 0;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(numbers[i])) continue;
    sum += numbers[i] * numbers[i];
    finite++;
  }
  return finite == 0 ? 0 : sqrt(sum / (double)finite);
}

/* An element that happened to move little is allowed what its neighbours are, about. An integer
 * that moved depends on rounding, so it may be anything; others are exact. */
static void finish(double *allowed, const Tensor *tensor) {
  bool real = dtype_is_float(tensor->dtype);
  double least = real ? UNITS * dtype_epsilon(tensor->dtype) * largest(tensor) : 0;
  double usual = real ? mean_square(allowed, tensor->count) : 0;
  for (size_t i = 0; i < tensor->count; i++) {
    if (real)
      allowed[i] = FACTOR * fmax(allowed[i], usual) + least;
    else if (allowed[i] != 0)
      allowed[i] = HUGE_VAL;
  }
}

static void find_allowed(Sample *s, const Graph *graph, Arena *arena) {
  size_t n = graph->outputs.len;
  const Tensor **moved = ARENA_ARRAY(arena, n, const Tensor *);
  s->allowed = ARENA_ARRAY(arena, n, double *);
  for (size_t i = 0; i < n; i++) {
    bool numbers = s->outputs[i] != NULL && has_numbers(s->outputs[i]);
    if (numbers) s->allowed[i] = ARENA_ARRAY(arena, s->outputs[i]->count, double);
  }
  for (uint64_t run = 1; run <= RUNS; run++) {
    Arena *scratch = arena_scratch(arena);
    const Node *failed;
    bool done = interpret_rounded(graph, s->symbols, s->inputs, moved, scratch, &failed, run);
    for (size_t i = 0; done && i < n; i++) {
      if (s->allowed[i] != NULL) widen(s->allowed[i], s->outputs[i], moved[i]);
    }
    arena_drop(scratch);
  }
  for (size_t i = 0; i < n; i++) {
    if (s->allowed[i] != NULL) finish(s->allowed[i], s->outputs[i]);
  }
}

/* ---- what leaves the range ---------------------------------------------------------------------
 */

static void unbound(Sample *s, double *allowed, const Tensor *tensor, const Tensor *moved) {
  bool same = moved != NULL && same_sizes(tensor, moved);
  for (size_t i = 0; i < tensor->count; i++) {
    if (same && distance(tensor_f64(tensor, i), tensor_f64(moved, i)) == 0) continue;
    allowed[i] = HUGE_VAL;
    s->unbounded++;
  }
}

static void find_unbounded(Sample *s, const Graph *graph, Arena *arena) {
  Arena *scratch = arena_scratch(arena);
  const Tensor **moved = ARENA_ARRAY(scratch, graph->outputs.len, const Tensor *);
  const Node *failed;
  bool done = interpret_saturated(graph, s->symbols, s->inputs, moved, scratch, &failed);
  for (size_t i = 0; done && i < graph->outputs.len; i++) {
    if (s->allowed[i] != NULL) unbound(s, s->allowed[i], s->outputs[i], moved[i]);
  }
  arena_drop(scratch);
}

/* ---- a sample ----------------------------------------------------------------------------------
 */

Sample *sample_take(const Graph *graph, const SampleForm *form, Arena *arena, const Node **failed) {
  Sample *s = ARENA_NEW(arena, Sample);
  *failed = NULL;
  s->n_symbols = dims_symbols(graph->ctx->dims);
  s->symbols = ARENA_ARRAY(arena, s->n_symbols, int64_t);
  s->inputs = ARENA_ARRAY(arena, graph->inputs.len, const Tensor *);
  s->outputs = ARENA_ARRAY(arena, graph->outputs.len, const Tensor *);
  if (!draw_inputs(s, graph, form, arena)) return NULL;
  if (!interpret_graph(graph, s->symbols, s->inputs, s->outputs, arena, failed)) return NULL;
  find_allowed(s, graph, arena);
  find_unbounded(s, graph, arena);
  return s;
}

bool sample_run(const Sample *s, const Graph *graph, const Tensor **outputs, Arena *arena,
                const Node **failed) {
  /* Symbols made since the sample was taken depend on data; the interpreter finds their values. */
  int64_t *symbols = ARENA_ARRAY(arena, dims_symbols(graph->ctx->dims), int64_t);
  if (s->n_symbols != 0) memcpy(symbols, s->symbols, s->n_symbols * sizeof *symbols);
  return interpret_graph(graph, symbols, s->inputs, outputs, arena, failed);
}

const char *sample_difference(const Sample *s, size_t i, const Tensor *actual, Arena *arena) {
  const Tensor *expected = s->outputs[i];
  if (expected == NULL || actual == NULL) return NULL;
  const double *allowed = s->allowed[i];
  bool exact = allowed == NULL;
  if (!same_sizes(expected, actual)) return "its type";
  if (exact) return tensor_equal(expected, actual) ? NULL : "its elements";
  for (size_t k = 0; k < expected->count; k++) {
    double a = tensor_f64(expected, k), b = tensor_f64(actual, k);
    if (distance(a, b) <= allowed[k]) continue;
    return arena_printf(arena, "element %zu was %.9g and is %.9g, where rounding explains %.3g", k,
                        a, b, allowed[k]);
  }
  return NULL;
}
