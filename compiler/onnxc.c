#include "onnxc.h"

#include "base/suggest.h"
#include "emit/single.h"
#include "import/import.h"
#include "inspect/inspect.h"
#include "ir/text.h"
#include "lower/lower.h"
#include "lower/state.h"
#include "stages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

const char *onnxc_version(void) {
  return ONNXC_VERSION;
}

/* ---- costs -------------------------------------------------------------------------------------
 */

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t peak_bytes(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}

static StageCost cost_begin(const Compilation *c, const char *name) {
  return (StageCost){.stage = name,
                     .rewrites = c->passes.rewrites,
                     .work = c->ctx.work,
                     .seconds = seconds_now(),
                     .arena_bytes = arena_bytes(c->arena)};
}

static void cost_end(Compilation *c, StageCost cost) {
  cost.seconds = seconds_now() - cost.seconds;
  cost.arena_bytes = arena_bytes(c->arena) - cost.arena_bytes;
  cost.rewrites = c->passes.rewrites - cost.rewrites;
  cost.work = c->ctx.work - cost.work;
  cost.peak_bytes = peak_bytes();
  vec_push(c->arena, &c->costs, cost);
}

/* ---- dumps -------------------------------------------------------------------------------------
 */

/* Prints when the user asked for this moment, `before:` or `after:` a stage or pass. */
static void dump(Compilation *c, const char *when, const char *name,
                 void (*print)(Compilation *c, Out *w)) {
  const char *wanted = c->options.dump;
  size_t length = strlen(when);
  if (wanted == NULL || strncmp(wanted, when, length) != 0) return;
  if (strcmp(wanted + length, name) == 0) print(c, out_file(c->arena, stdout));
}

static void print_graph(Compilation *c, Out *w) {
  graph_print(w, c->graph);
}

static void print_steps(Compilation *c, Out *w) {
  inspect_steps(c->steps, c->arena, w);
}

static void print_code(Compilation *c, Out *w) {
  EmitFiles files = {.header = w, .source = w};
  emit_files(c->steps, c->plan, c->interface, &files);
}

/* ---- stages ------------------------------------------------------------------------------------
 */

static uint32_t count_nodes(const Graph *graph) {
  uint32_t n = graph->n_nodes;
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH) n += count_nodes(node->attrs[i].graph);
    }
  }
  return n;
}

static bool run_import(Compilation *c) {
  c->graph = import_model(&c->ctx, c->model);
  if (c->graph != NULL) c->imported_nodes = count_nodes(c->graph);
  return c->graph != NULL;
}

static bool run_infer(Compilation *c) {
  infer_input_numbers(c->graph);
  return infer_graph(c->graph) && import_check_types(c->graph);
}

static void observe_pass(void *observer, const PassDef *pass, bool after) {
  Compilation *c = observer;
  if (after) cost_end(c, c->pass);
  dump(c, after ? "after:" : "before:", pass->name, print_graph);
  if (after) return;
  c->pass = cost_begin(c, pass->name);
  c->pass.part = true;
}

static bool run_passes(Compilation *c) {
  c->passes.observe = observe_pass;
  c->passes.observer = c;
  return passes_run(c->graph, &c->passes);
}

static bool takes_size(const Graph *graph, const DimAtom *symbol) {
  VEC_EACH(Value *, input, &graph->inputs) {
    for (int axis = 0; axis < (*input)->type.rank; axis++) {
      if (dim_mentions((*input)->type.dims[axis], symbol)) return true;
    }
  }
  return false;
}

/* Every name that --dim takes. */
static void offer_names(Compilation *c, Suggestion *s) {
  for (uint32_t i = 0; i < dims_symbols(c->ctx.dims); i++) {
    suggest_offer(s, dim_as_symbol(dims_symbol(c->ctx.dims, i))->name);
  }
  VEC_EACH(Value *, input, &c->graph->inputs) {
    for (int axis = 0; axis < (*input)->type.rank; axis++) {
      suggest_offer(s, arena_printf(c->arena, "%s.%d", (*input)->name, axis));
    }
  }
}

/* A bound of what loops put into sequences, which others of its kind may make needless. */
static bool is_capacity(const char *name) {
  static const char suffix[] = "_capacity";
  size_t length = strlen(name), n = sizeof suffix - 1;
  return length > n && strcmp(name + length - n, suffix) == 0;
}

static bool check_names(Compilation *c) {
  bool ok = true;
  for (size_t i = 0; i < c->options.n_dims; i++) {
    const char *name = c->options.dims[i].name;
    Suggestion s = {.word = name};
    if (is_capacity(name) || (c->ctx.dims_used != NULL && c->ctx.dims_used[i])) continue;
    offer_names(c, &s);
    ok = diag_error(c->ctx.diag, DIAG_USAGE, (DiagSite){0},
                    "--dim %.200s names no size, axis of an input or number of one%s", name,
                    s.best == NULL ? "" : arena_printf(c->arena, "; did you mean '%s'?", s.best));
  }
  return ok;
}

/* Memory is planned for the largest sizes, so every size of an input has a bound by now. */
static bool check_bounds(Compilation *c) {
  bool ok = true;
  for (uint32_t i = 0; i < dims_symbols(c->ctx.dims); i++) {
    const DimAtom *symbol = dim_as_symbol(dims_symbol(c->ctx.dims, i));
    if (symbol->hi != INT64_MAX || !takes_size(c->graph, symbol)) continue;
    if (state_owns_size(c->graph, symbol)) {
      ok = diag_error(c->ctx.diag, DIAG_INVALID, (DiagSite){0},
                      "size '%s' of the state has no upper bound; add --dim %s=0..N", symbol->name,
                      symbol->name);
      continue;
    }
    ok = diag_error(c->ctx.diag, DIAG_INVALID, (DiagSite){0},
                    "size '%s' has no upper bound; add --dim %s=N or --dim %s=1..N", symbol->name,
                    symbol->name, symbol->name);
  }
  return ok;
}

static bool run_lower(Compilation *c) {
  bool bounded = check_bounds(c);
  if (bounded) c->steps = lower_graph(c->graph, c->options.level != 1);
  /* Lowering asks for the bounds of states; names are not checked before. */
  bool named = (!bounded && c->options.n_states != 0) || check_names(c);
  return named && c->steps != NULL;
}

static bool run_plan(Compilation *c) {
  Plan *plan = ARENA_NEW(c->arena, Plan);
  size_t budget = c->options.plan_budget == 0 ? PLAN_BUDGET : c->options.plan_budget - 1;
  if (!plan_in_best_order(c->steps, c->options.level == 1 ? 0 : budget, plan)) return false;
  plan_rooms(c->steps, plan->arena_bytes);
  const char *fault = plan_check(c->steps, plan->arena_bytes);
  if (fault != NULL)
    return diag_error(c->ctx.diag, DIAG_INTERNAL, (DiagSite){0}, "plan: %s", fault);
  c->plan = plan;
  return true;
}

static bool run_emit(Compilation *c) {
  c->interface = emit_interface(c->steps, c->name);
  return true;
}

const Stage stages[] = {
    {"import", run_import, print_graph}, {"infer", run_infer, print_graph},
    {"passes", run_passes, print_graph}, {"lower", run_lower, print_steps},
    {"plan", run_plan, print_steps},     {"emit", run_emit, print_code},
};
const size_t n_stages = sizeof stages / sizeof *stages;

static const Stage *find_stage(const char *name) {
  for (size_t i = 0; i < n_stages; i++) {
    if (strcmp(stages[i].name, name) == 0) return &stages[i];
  }
  return NULL;
}

/* ---- a compilation -----------------------------------------------------------------------------
 */

/* `folder/my-model.onnx` gives `my-model`; the emitter makes an identifier of it. */
static const char *name_of(Arena *arena, const char *model) {
  const char *slash = strrchr(model, '/'), *base = slash == NULL ? model : slash + 1;
  const char *dot = strrchr(base, '.');
  size_t length = dot == NULL || dot == base ? strlen(base) : (size_t)(dot - base);
  return arena_printf(arena, "%.*s", (int)length, base);
}

static bool known_place(const char *name) {
  if (find_stage(name) != NULL) return true;
  for (size_t i = 0; i < pass_count(); i++) {
    if (strcmp(pass_at(i)->name, name) == 0) return true;
  }
  return false;
}

/* The places that --dump and --stop-after name. */
static bool check_options(Compilation *c) {
  const char *dump = c->options.dump, *stop = c->options.stop_after;
  const char *colon = dump == NULL ? NULL : strchr(dump, ':');
  bool ok = true;
  if (dump != NULL && ((strncmp(dump, "before:", 7) != 0 && strncmp(dump, "after:", 6) != 0) ||
                       !known_place(colon + 1))) {
    ok = diag_error(c->ctx.diag, DIAG_USAGE, (DiagSite){0},
                    "--dump '%s' is not before: or after: a stage or pass", dump);
  }
  if (stop != NULL && find_stage(stop) == NULL) {
    ok = diag_error(c->ctx.diag, DIAG_USAGE, (DiagSite){0}, "--stop-after '%s' names no stage",
                    stop);
  }
  return ok;
}

static bool begin(Compilation *c, void *argument) {
  (void)argument;
  Arena *a = c->arena;
  c->ctx = (Context){.arena = a,
                     .diag = diag_new(a, c->model),
                     .strings = strings_new(a),
                     .dims = dims_new(a),
                     .options = &c->options};
  c->name = c->options.name != NULL ? c->options.name : name_of(a, c->model);
  return check_options(c);
}

Compilation *compilation_new(const char *model, const onnxc_options *options) {
  Compilation *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  c->model = model;
  if (options != NULL) c->options = *options;
  c->arena = arena_new(&c->escape);
  if (c->arena == NULL) {
    free(c);
    return NULL;
  }
  compilation_guard(c, begin, NULL);
  return c;
}

/* The reason as a line like that of any diagnostic; no memory is taken for it. */
static void keep_reason(Compilation *c, int code) {
  const char *stage = c->next < n_stages ? stages[c->next].name : "output";
  c->escaped = code;
  snprintf(c->reason, sizeof c->reason, "%s: error: %s%s (%s)", c->model,
           code == DIAG_INTERNAL ? "internal error: " : "", c->escape.reason, stage);
  for (char *at = c->reason; *at != '\0'; at++) {
    if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e) *at = '?';
  }
}

bool compilation_examine(Compilation *c, bool (*body)(Compilation *c, void *argument),
                         void *argument) {
  jmp_buf outer;
  memcpy(&outer, &c->escape.target, sizeof outer);
  int code = setjmp(c->escape.target);
  if (code != 0) keep_reason(c, code);
  bool done = code == 0 && body(c, argument);
  memcpy(&c->escape.target, &outer, sizeof outer);
  return done;
}

bool compilation_guard(Compilation *c, bool (*body)(Compilation *c, void *argument),
                       void *argument) {
  if (c->failed) return false;
  c->failed = !compilation_examine(c, body, argument);
  if (c->failed && c->files != NULL) files_abandon(c->files);
  return !c->failed;
}

/* The state before a stage is the one after its predecessor. */
static bool run_stage(Compilation *c, const Stage *stage) {
  if (stage > stages) dump(c, "before:", stage->name, stage[-1].print);
  StageCost cost = cost_begin(c, stage->name);
  bool ok = stage->run(c);
  cost_end(c, cost);
  if (ok) dump(c, "after:", stage->name, stage->print);
  return ok;
}

static bool run_stages(Compilation *c, void *until) {
  const Stage *last = until == NULL ? &stages[n_stages - 1] : find_stage(until);
  for (; c->next < n_stages && &stages[c->next] <= last; c->next++) {
    if (!run_stage(c, &stages[c->next])) return false;
  }
  return true;
}

bool compilation_run(Compilation *c, const char *until) {
  return compilation_guard(c, run_stages, (void *)(uintptr_t)until);
}

static void print_rules(const Compilation *c, FILE *file) {
  fprintf(file, "\n%-24s %-24s %10s\n", "pass", "rule", "rewrites");
  VEC_EACH(const PassCount, count, &c->passes.counts) {
    if (count->rule == NULL || count->hits == 0) continue;
    fprintf(file, "%-24s %-24s %10zu\n", count->pass, count->rule, count->hits);
  }
}

void compilation_print_costs(const Compilation *c, FILE *file) {
  fprintf(file, "%-24s %10s %12s %12s %12s %10s\n", "stage", "ms", "arena KB", "peak KB", "work",
          "rewrites");
  double seconds = 0;
  VEC_EACH(StageCost, cost, &c->costs) {
    fprintf(file, "%s%-*s %10.2f %12zu %12zu %12" PRIu64, cost->part ? "  " : "",
            cost->part ? 22 : 24, cost->stage, cost->seconds * 1e3, cost->arena_bytes / 1024,
            cost->peak_bytes / 1024, cost->work);
    fprintf(file, cost->part ? " %10zu\n" : "\n", cost->rewrites);
    if (!cost->part) seconds += cost->seconds;
  }
  fprintf(file, "%-24s %10.2f\n", "total", seconds * 1e3);
  print_rules(c, file);
}

/* ---- writing -----------------------------------------------------------------------------------
 */

enum { INLINE_WEIGHTS = 16 << 20 };

bool compilation_weights_apart(const Compilation *c) {
  if (c->options.single_file) return false;
  size_t total = 0;
  VEC_EACH(Weight, weight, &c->steps->weights) {
    if (weight->dtype != ONNXC_RT_STRING) total += weight->bytes; /* strings are always inline */
  }
  if (c->options.weights == ONNXC_WEIGHTS_AUTO) return total > INLINE_WEIGHTS;
  return c->options.weights != ONNXC_WEIGHTS_INLINE;
}

void compilation_open_files(Compilation *c) {
  c->files = files_new(c->arena, c->ctx.diag);
  files_protect(c->files, c->model);
  VEC_EACH(const char *, source, &c->ctx.sources) files_protect(c->files, *source);
}

static Out *open_output(Compilation *c, const char *directory, const char *suffix) {
  const char *file = arena_printf(c->arena, "%s.%s", c->interface->name, suffix);
  return files_open(c->files, files_join(c->arena, directory, file));
}

/* Emitted as usual into memory, then written with the runtime folded in. */
static void emit_single(Compilation *c, const EmitFiles *to) {
  EmitFiles parts = {
      .header = out_memory(c->arena), .source = out_memory(c->arena), .profile = to->profile};
  emit_files(c->steps, c->plan, c->interface, &parts);
  single_header(to->header, out_text(parts.header, NULL));
  single_source(c->arena, to->source, out_text(parts.source, NULL), c->interface->name);
}

static bool write_all(Compilation *c, void *directory) {
  bool single = c->options.single_file, separate = compilation_weights_apart(c);
  compilation_open_files(c);
  EmitFiles out = {.header = open_output(c, directory, "h"),
                   .source = open_output(c, directory, "c"),
                   .weights = separate ? open_output(c, directory, "weights.bin") : NULL,
                   .incbin = c->options.weights == ONNXC_WEIGHTS_INCBIN,
                   .profile = c->options.profile != 0};
  if (out.header == NULL || out.source == NULL || (separate && out.weights == NULL)) return false;
  if (single)
    emit_single(c, &out);
  else
    emit_files(c->steps, c->plan, c->interface, &out);
  return files_commit(c->files);
}

/* ---- the public interface ----------------------------------------------------------------------
 */

onnxc_result *onnxc_compile(const char *model, const onnxc_options *options) {
  Compilation *c = compilation_new(model, options);
  if (c == NULL) return NULL;
  bool done = compilation_run(c, c->options.stop_after);
  bool ends = !done || c->options.stop_after != NULL;
  if (ends && c->options.time_report) compilation_print_costs(c, stderr);
  return c;
}

int onnxc_exit_code(const onnxc_result *result) {
  return result->escaped != 0 ? result->escaped : diag_exit_code(result->ctx.diag);
}

/* An escape comes last. */
const char *onnxc_diagnostic(const onnxc_result *result, size_t i) {
  const Diag *diag = result->ctx.diag;
  const char *text = diag == NULL ? NULL : diag_text(diag, i);
  if (text != NULL || result->escaped == 0) return text;
  return i == 0 || (diag != NULL && diag_text(diag, i - 1) != NULL) ? result->reason : NULL;
}

int onnxc_write(onnxc_result *result, const char *directory) {
  if (result->interface == NULL) compilation_run(result, NULL);
  StageCost cost = cost_begin(result, "write");
  if (compilation_guard(result, write_all, (void *)(uintptr_t)directory)) cost_end(result, cost);
  if (result->options.time_report) compilation_print_costs(result, stderr);
  return onnxc_exit_code(result);
}

void onnxc_free(onnxc_result *result) {
  if (result == NULL) return;
  arena_drop(result->arena);
  free(result);
}
