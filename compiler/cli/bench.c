/* `onnxc bench`: latency and sizes of the compiled model. */
#include "cli/feed.h"
#include "cli/process.h"
#include "cli/profile.h"
#include "inspect/inspect.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct BenchOptions {
  BuildOptions build;
  CliList inputs;
  size_t threads, runs, warm_up, history;
  bool json, steps;
} BenchOptions;

static const BenchOptions defaults = {
    .build.model = MODEL_DEFAULTS, .threads = 1, .runs = 30, .warm_up = 3, .history = SIZE_MAX};

#define MEMBER(name_) .offset = offsetof(BenchOptions, name_)

static const CliOption options_table[] = {
    {.name = "input",
     .kind = CLI_LIST,
     MEMBER(inputs),
     .value = "NAME=FILE",
     .help = "tensor for an input, .npy or .pb\n(default: small random numbers)"},
    {.name = "threads",
     .kind = CLI_SIZE,
     MEMBER(threads),
     .value = "N",
     .help = "threads to run on (default: 1)"},
    {.name = "runs",
     .kind = CLI_SIZE,
     MEMBER(runs),
     .value = "N",
     .help = "timed runs (default: 30)"},
    {.name = "warm-up",
     .kind = CLI_SIZE,
     MEMBER(warm_up),
     .value = "N",
     .help = "runs before those (default: 3)"},
    {.name = "history",
     .kind = CLI_SIZE,
     MEMBER(history),
     .value = "N",
     .help = "what has been appended to the --state\n(default: as much as there can be)"},
    {.name = "steps",
     .kind = CLI_FLAG,
     MEMBER(steps),
     .help = "also measure each step, whose clock\nadds to the time of the whole"},
    {.name = "json", .kind = CLI_FLAG, MEMBER(json), .help = "print a JSON object"},
    {.kind = CLI_END}};

typedef struct Trial {
  Cli *cli;
  const BenchOptions *given;
  const char *folder, *wrong;
} Trial;

typedef struct Figures {
  double median, least, most; /* seconds */
  int64_t macs;
  size_t arena_bytes, weight_bytes, text_bytes;
} Figures;

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static Figures figures_of(const Program *program, const Runs *runs) {
  const Compilation *c = program->compilation;
  size_t n = runs->runs;
  qsort(runs->seconds, n, sizeof *runs->seconds, by_size);
  Figures f = {.median = (runs->seconds[(n - 1) / 2] + runs->seconds[n / 2]) / 2,
               .least = runs->seconds[0],
               .most = runs->seconds[n - 1],
               .macs = inspect_totals(c->steps).macs,
               .arena_bytes = c->plan->arena_bytes,
               .text_bytes = program_text_bytes(program)};
  VEC_EACH(Weight, weight, &c->steps->weights) f.weight_bytes += weight->bytes;
  return f;
}

static void print_json(const Trial *t, const Figures *f, const Program *program, const Runs *runs) {
  Out *w = out_file(t->cli->arena, t->cli->out);
  out(w,
      "{\"schema\": 1, \"median_us\": %.3f, \"min_us\": %.3f, \"max_us\": %.3f, "
      "\"threads\": %zu, \"runs\": %zu, \"macs\": %lld, \"gflops\": %.3f, "
      "\"arena_bytes\": %zu, \"weight_bytes\": %zu, \"text_bytes\": %zu",
      f->median * 1e6, f->least * 1e6, f->most * 1e6, t->given->threads, t->given->runs,
      (long long)f->macs, 2e-9 * (double)f->macs / f->median, f->arena_bytes, f->weight_bytes,
      f->text_bytes);
  if (t->given->steps) {
    out(w, ", \"steps\": ");
    profile_json(program, runs, w);
  }
  out(w, "}\n");
}

static void print_text(const Trial *t, const Figures *f, const Program *program, const Runs *runs) {
  Arena *a = t->cli->arena;
  Out *w = out_file(a, t->cli->out);
  out(w, "latency  %12.1f us median of %zu runs on %zu thread%s (%.1f to %.1f)\n", f->median * 1e6,
      t->given->runs, t->given->threads, t->given->threads == 1 ? "" : "s", f->least * 1e6,
      f->most * 1e6);
  out(w, "speed    %12.2f GFLOP/s for %s multiply-accumulates\n",
      2e-9 * (double)f->macs / f->median, inspect_number(a, (uint64_t)f->macs));
  out(w, "arena    %12s bytes\n", inspect_number(a, f->arena_bytes));
  out(w, "weights  %12s bytes\n", inspect_number(a, f->weight_bytes));
  out(w, "code     %12s bytes, with what it links\n", inspect_number(a, f->text_bytes));
  if (t->given->steps) profile_text(program, runs, w);
}

static const char *measure(Compilation *c, Trial *t) {
  Program program;
  Runs runs = {.runs = t->given->runs, .warm_up = t->given->warm_up, .threads = t->given->threads};
  const Tensor **inputs = ARENA_ARRAY(c->arena, c->graph->inputs.len, const Tensor *),
               **outputs = ARENA_ARRAY(c->arena, c->graph->outputs.len, const Tensor *);
  Datum *given = ARENA_ARRAY(c->arena, c->graph->inputs.len, Datum);
  const int64_t *sizes = feed_sizes(c, t->given->history);
  const char *wrong = feed_inputs(c, &t->given->inputs, given);
  for (size_t i = 0; wrong == NULL && i < c->graph->inputs.len; i++) {
    inputs[i] = given[i].tensor;
    if (inputs[i] == NULL) inputs[i] = feed_sample(c, c->graph->inputs.data[i], sizes);
    if (inputs[i] == NULL) wrong = "an input cannot be made up; give it with --input";
  }
  c->options.profile = t->given->steps;
  if (wrong == NULL) {
    wrong = program_build(t->cli, &t->given->build, "-O3 -march=native", c, t->folder, &program);
  }
  if (wrong == NULL) wrong = program_run(&program, inputs, outputs, &runs);
  if (wrong != NULL) return wrong;
  Figures figures = figures_of(&program, &runs);
  (t->given->json ? print_json : print_text)(t, &figures, &program, &runs);
  return NULL;
}

static bool bench(Compilation *c, void *argument) {
  Trial *t = argument;
  t->wrong = measure(c, t);
  return true;
}

static int job(Cli *cli, const void *argument, const char *folder) {
  Trial trial = {.cli = cli, .given = argument, .folder = folder};
  onnxc_options options;
  if (!model_options(cli, &trial.given->build.model, &options)) return DIAG_USAGE;
  Compilation *c = compilation_new(cli->operands.data[0], &options);
  if (c == NULL) return cli_error(cli, DIAG_LIMIT, "out of memory");
  if (compilation_run(c, NULL)) compilation_guard(c, bench, &trial);
  int code = model_report(cli, c);
  if (code == 0 && trial.wrong != NULL) code = cli_error(cli, DIAG_INVALID, "%s", trial.wrong);
  onnxc_free(c);
  return code;
}

static int run(Cli *cli, const void *given) {
  const BenchOptions *o = given;
  if (o->runs == 0 || o->threads == 0) {
    return cli_error(cli, DIAG_USAGE, "--runs and --threads are at least 1");
  }
  return run_alone(cli, &(Job){job, o}, o->build.keep);
}

const Command command_bench = {
    .name = "bench",
    .operands = "MODEL",
    .summary = "Measure latency and sizes of the compiled model",
    .about =
        "Sizes that are bounded but not pinned are measured at their upper bounds. The C compiler\n"
        "gets -O3 -march=native unless --cflags says otherwise.",
    .examples = "onnxc bench model.onnx\nonnxc bench bert.onnx --dim batch=1 --dim seq=128 --json",
    .groups = {options_table, cli_build_options, cli_model_options},
    .least = 1,
    .most = 1,
    .size = sizeof(BenchOptions),
    .defaults = &defaults,
    .run = run};
