#include "ir/interpret.h"
#include "ops/op.h"
#include "passes/run.h"

#include <math.h>
#include <string.h>

struct Sample {
  Arena *arena;
  int64_t *symbols; /* values of the first n_symbols symbols */
  uint32_t n_symbols;
  const Tensor **inputs, **outputs; /* of the graph */
};

/* ---- drawing -----------------------------------------------------------------------------------
 */

/* Sizes are drawn from here on upwards, within their bounds: the first that the model can run
 * with is taken. */
static const int64_t bases[] = {2, 16, 64, 256};
enum { SPREAD = 4 };

static int64_t clamp(int64_t value, int64_t lo, int64_t hi) {
  return value < lo ? lo : value > hi ? hi : value;
}

static void draw_symbols(Sample *s, const DimTable *dims, int64_t base) {
  for (uint32_t i = 0; i < s->n_symbols; i++) {
    const Dim *symbol = dims_symbol(dims, i);
    s->symbols[i] = clamp(base + i % SPREAD, symbol->lo, symbol->hi);
  }
}

/* Uniform in [0, 1), from a seeded sequence. */
static double draw(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(*state >> 33) / (double)(UINT64_C(1) << 31);
}

/* Floats in [-2, 2); integers, bools and strings 0 or 1, which are indexes into almost anything. */
static const Tensor *draw_tensor(const Sample *s, Context *ctx, const Type *type, uint64_t *seed) {
  int64_t dims[MAX_RANK];
  DTypeClass cls = dtype_info(type->dtype)->cls;
  if (type->kind != TYPE_TENSOR || cls == DTYPE_CLASS_COMPLEX) return NULL;
  for (int i = 0; i < type->rank; i++) {
    if (!dim_eval(type->dims[i], s->symbols, &dims[i])) return NULL;
  }
  Tensor *tensor = tensor_new(ctx, type->dtype, type->rank, dims);
  for (size_t i = 0; tensor != NULL && i < tensor->count; i++) {
    double u = draw(seed);
    if (cls == DTYPE_CLASS_STRING) {
      ((onnxc_rt_string *)(uintptr_t)tensor->data)[i] = (onnxc_rt_string){u < 0.5 ? "1" : "0", 1};
      continue;
    }
    tensor_set_f64(tensor, i, cls == DTYPE_CLASS_FLOAT ? 4 * u - 2 : u < 0.5);
  }
  return tensor;
}

/* Numbers that sizes are computed from, where the user bounds them. */
static void confine(const Tensor *tensor, const Value *input) {
  for (uint32_t i = 0; i < input->n_contents && i < tensor->count; i++) {
    int64_t number = clamp(tensor_i64(tensor, i), input->contents[i]->lo, input->contents[i]->hi);
    tensor_set_i64((Tensor *)(uintptr_t)tensor, i, number);
  }
}

static bool draw_inputs(Sample *s, const Graph *graph) {
  uint64_t seed = 1;
  Context on_sample = *graph->ctx;
  on_sample.arena = s->arena;
  for (size_t i = 0; i < graph->inputs.len; i++) {
    s->inputs[i] = draw_tensor(s, &on_sample, &graph->inputs.data[i]->type, &seed);
    if (s->inputs[i] == NULL) return false;
    confine(s->inputs[i], graph->inputs.data[i]);
  }
  return true;
}

Sample *sample_take(const Graph *graph, Arena *arena) {
  Sample *s = ARENA_NEW(arena, Sample);
  s->arena = arena;
  s->n_symbols = dims_symbols(graph->ctx->dims);
  s->symbols = ARENA_ARRAY(arena, s->n_symbols, int64_t);
  s->inputs = ARENA_ARRAY(arena, graph->inputs.len, const Tensor *);
  s->outputs = ARENA_ARRAY(arena, graph->outputs.len, const Tensor *);
  const Node *failed = NULL;
  for (size_t i = 0; i < sizeof bases / sizeof *bases && !graph_draws(graph); i++) {
    draw_symbols(s, graph->ctx->dims, bases[i]);
    if (!draw_inputs(s, graph)) break;
    if (interpret_graph(graph, s->symbols, s->inputs, s->outputs, arena, &failed)) return s;
  }
  DiagSite site = {graph->name, failed == NULL ? NULL : failed->name,
                   failed == NULL ? NULL : failed->op->name};
  diag_warning(graph->ctx->diag, site,
               "passes cannot be verified: the interpreter cannot run this");
  return NULL;
}

/* ---- comparing ---------------------------------------------------------------------------------
 */

/* What reordered sums may differ by, relative to the largest element. */
static double tolerance(DType dtype) {
  return !dtype_is_float(dtype) ? 0 : dtype_info(dtype)->bits >= 32 ? 2e-4 : 2e-2;
}

static double largest(const Tensor *tensor) {
  double result = 0;
  for (size_t i = 0; i < tensor->count; i++) {
    double size = fabs(tensor_f64(tensor, i));
    if (isfinite(size) && size > result) result = size;
  }
  return result;
}

static bool element_agrees(double a, double b, double allowed) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  return a == b || fabs(a - b) <= allowed;
}

/* Index of the first element that differs; `count` when none does. */
static size_t first_difference(const Tensor *before, const Tensor *after) {
  double allowed = tolerance(before->dtype) * largest(before);
  size_t i = 0;
  while (i < before->count &&
         element_agrees(tensor_f64(before, i), tensor_f64(after, i), allowed)) {
    i++;
  }
  return i;
}

static bool same_sizes(const Tensor *a, const Tensor *b) {
  return a->dtype == b->dtype && a->rank == b->rank &&
         (a->rank == 0 || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0);
}

static bool compare(const Graph *graph, const PassDef *pass, const char *output,
                    const Tensor *before, const Tensor *after) {
  DTypeClass cls = dtype_info(before->dtype)->cls;
  bool numbers = cls != DTYPE_CLASS_STRING && cls != DTYPE_CLASS_COMPLEX;
  DiagSite site = {.graph = graph->name};
  if (!same_sizes(before, after) || (!numbers && !tensor_equal(before, after))) {
    return diag_error(graph->ctx->diag, DIAG_INTERNAL, site, "pass '%s' changed output '%s'",
                      pass->name, output);
  }
  size_t i = numbers ? first_difference(before, after) : before->count;
  if (i == before->count) return true;
  return diag_error(graph->ctx->diag, DIAG_INTERNAL, site,
                    "pass '%s' changed output '%s': element %zu was %g and is %g", pass->name,
                    output, i, tensor_f64(before, i), tensor_f64(after, i));
}

/* Symbols made since the sample was taken depend on data; the interpreter finds their values. */
static int64_t *extend_symbols(const Sample *s, const DimTable *dims, Arena *arena) {
  int64_t *symbols = ARENA_ARRAY(arena, dims_symbols(dims), int64_t);
  if (s->n_symbols != 0) memcpy(symbols, s->symbols, s->n_symbols * sizeof *symbols);
  return symbols;
}

bool sample_agrees(const Sample *s, const Graph *graph, const PassDef *pass) {
  Arena *scratch = arena_scratch(s->arena);
  const Tensor **outputs = ARENA_ARRAY(scratch, graph->outputs.len, const Tensor *);
  const int64_t *symbols = extend_symbols(s, graph->ctx->dims, scratch);
  const Node *failed = NULL;
  bool same = interpret_graph(graph, symbols, s->inputs, outputs, scratch, &failed);
  if (!same) {
    node_error(failed, DIAG_INTERNAL, "cannot be interpreted any more after pass '%s'", pass->name);
  }
  for (size_t i = 0; same && i < graph->outputs.len; i++) {
    if (s->outputs[i] == NULL || outputs[i] == NULL) continue; /* sequences are not compared */
    same = compare(graph, pass, graph->outputs.data[i]->name, s->outputs[i], outputs[i]);
  }
  arena_drop(scratch);
  return same;
}
