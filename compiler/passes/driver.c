#include "ir/verify.h"
#include "onnxc.h"
#include "passes/run.h"

#include <string.h>

#define PASS(symbol, level) extern const PassDef pass_##symbol;
#include "passes/passes.def"
#undef PASS

/* A pass and its place; the same pass may have several. */
typedef struct Row {
  const PassDef *pass;
  int level;
} Row;

#define PASS(symbol, level) {&pass_##symbol, level},
static const Row rows[] = {
#include "passes/passes.def"
};
#undef PASS

enum { N_ROWS = sizeof rows / sizeof *rows, DEFAULT_LEVEL = 2 };

/* The level of passes that -Os alone runs. */
enum { SMALL = ONNXC_LEVEL_SMALL - 1 };

/* ---- the table ---------------------------------------------------------------------------------
 */

static bool first_row_of(size_t row) {
  for (size_t i = 0; i < row; i++) {
    if (rows[i].pass == rows[row].pass) return false;
  }
  return true;
}

/* The row of the `i`th pass in order of first appearance; NULL past the last. */
static const Row *row_at(size_t i) {
  for (size_t row = 0; row < N_ROWS; row++) {
    if (first_row_of(row) && i-- == 0) return &rows[row];
  }
  return NULL;
}

size_t pass_count(void) {
  size_t n = 0;
  while (row_at(n) != NULL) n++;
  return n;
}

const PassDef *pass_at(size_t i) {
  const Row *row = row_at(i);
  return row == NULL ? NULL : row->pass;
}

int pass_level(size_t i) {
  return row_at(i)->level;
}

static bool is_listed(const PassDef *pass, size_t n_rules, const char *name) {
  for (size_t i = 0; i < n_rules; i++) {
    if (strcmp(pass->rules[i].name, name) == 0) return true;
  }
  return false;
}

const char *pass_rule(const PassDef *pass, size_t i) {
  for (size_t k = 0; k < pass->n_rules; k++) {
    const char *name = pass->rules[k].name;
    if (!is_listed(pass, k, name) && i-- == 0) return name;
  }
  for (const char *const *change = pass->changes; change != NULL && *change != NULL; change++) {
    if (!is_listed(pass, pass->n_rules, *change) && i-- == 0) return *change;
  }
  return NULL;
}

/* ---- options -----------------------------------------------------------------------------------
 */

/* The last -f flag that names the pass or rule decides; else `enabled` stands. */
static bool is_switched(const Options *options, const char *name, bool enabled) {
  for (size_t i = 0; i < options->n_pass_flags; i++) {
    const char *flag = options->pass_flags[i];
    bool negated = strncmp(flag, "no-", 3) == 0;
    if (strcmp(flag + (negated ? 3 : 0), name) == 0) enabled = !negated;
  }
  return enabled;
}

static bool is_enabled(const Options *options, const Row *row) {
  int given = options->level == 0 ? DEFAULT_LEVEL : options->level - 1;
  int level = given == SMALL && row->level != SMALL ? DEFAULT_LEVEL : given;
  bool enabled = level >= row->level && !(row->pass->rounds && options->strict_fp);
  return is_switched(options, row->pass->name, enabled) || row->pass->required;
}

bool rule_enabled(const PassRun *run, const char *rule) {
  return run->pass->required || is_switched(run->ctx->options, rule, true);
}

/* ---- one run -----------------------------------------------------------------------------------
 */

Arena *pass_scratch(const PassRun *run) {
  return run->scratch;
}

static PassCount *find_count(PassRun *run, const char *rule) {
  PassReport *report = run->report;
  VEC_EACH(PassCount, count, &report->counts) {
    bool same_rule =
        rule == NULL ? count->rule == NULL : count->rule != NULL && strcmp(count->rule, rule) == 0;
    if (same_rule && strcmp(count->pass, run->pass->name) == 0) return count;
  }
  PassCount count = {.pass = run->pass->name, .rule = rule};
  vec_push(run->ctx->arena, &report->counts, count);
  return &report->counts.data[report->counts.len - 1];
}

static void count_hits(PassRun *run, const char *rule, size_t hits) {
  find_count(run, rule)->hits += hits;
}

void pass_adds(PassRun *run, int64_t macs, int64_t operations) {
  PassCount *count = find_count(run, NULL);
  count->macs += macs;
  count->operations += operations;
}

bool pass_may(const PassRun *run) {
  return run->report->rewrites < run->limit;
}

bool pass_hit(PassRun *run, const char *rule) {
  if (!pass_may(run) || !rule_enabled(run, rule)) return false;
  run->report->rewrites++;
  count_hits(run, rule, 1);
  count_hits(run, NULL, 1);
  return true;
}

/* The graph, then the subgraphs that are left in it. */
static bool run_on(PassRun *run, Graph *graph) {
  run->ctx->work += graph->n_nodes;
  bool done = run->pass->n_rules == 0 || rules_apply(run, graph);
  if (done && run->pass->run != NULL) done = run->pass->run(run, graph);
  if (run->ctx->n_graphs <= 1) return done;
  for (Node *node = graph->first; done && node != NULL; node = node->next) {
    for (uint32_t i = 0; done && i < node->n_attrs; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH) done = run_on(run, node->attrs[i].graph);
    }
  }
  return done;
}

static bool check_after(PassRun *run, const Graph *graph, const Samples *samples) {
  const char *fault = graph_verify(graph);
  if (fault != NULL) {
    return diag_error(run->ctx->diag, DIAG_INTERNAL, (DiagSite){.graph = graph->name},
                      "pass '%s' broke the graph: %s", run->pass->name, fault);
  }
  return samples == NULL || samples_agree(samples, graph, run->pass);
}

static void observe(const PassRun *run, bool after) {
  const PassReport *report = run->report;
  if (report->observe != NULL) report->observe(report->observer, run->pass, after);
}

static bool run_pass(PassRun *run, Graph *graph, const PassDef *pass, const Samples *samples) {
  run->pass = pass;
  run->scratch = arena_scratch(run->ctx->arena);
  size_t before = run->report->rewrites;
  count_hits(run, NULL, 0);
  observe(run, false);
  bool done = run_on(run, graph);
  if (done && run->report->rewrites != before) done = check_after(run, graph, samples);
  arena_drop(run->scratch);
  observe(run, true);
  return done;
}

/* The count of rewrites after the last run of the pass; SIZE_MAX: none yet. Where it is the count
 * still, nothing is left for the pass to do. */
static size_t last_run(const size_t *rewrites, size_t row) {
  for (size_t i = row; i-- > 0;) {
    if (rows[i].pass == rows[row].pass) return rewrites[i];
  }
  return SIZE_MAX;
}

bool passes_run(Graph *graph, PassReport *report) {
  Context *ctx = graph->ctx;
  const Options *options = ctx->options;
  PassRun run = {.ctx = ctx, .report = report};
  run.limit = options->max_rewrites == 0 ? SIZE_MAX : options->max_rewrites - 1;
  const Samples *samples = NULL;
  size_t rewrites[N_ROWS]; /* so far, after each row */
  for (size_t i = 0; i < N_ROWS; i++) {
    rewrites[i] = last_run(rewrites, i);
    if (!is_enabled(options, &rows[i]) || rewrites[i] == report->rewrites) continue;
    if (!run_pass(&run, graph, rows[i].pass, samples)) return false;
    rewrites[i] = report->rewrites;
    /* before that, operators may be there that have no kernel, and values that are no tensors */
    bool runs = options->verify_passes && rows[i].pass == &pass_flatten_sequences;
    if (runs) samples = samples_take(graph, ctx->arena);
  }
  return true;
}
