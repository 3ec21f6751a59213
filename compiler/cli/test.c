/* `onnxc test`: compiles, builds, runs and compares every model that comes with test data. */
#include "cli/compare.h"
#include "cli/data.h"
#include "cli/process.h"
#include "cli/program.h"
#include "import/import.h"
#include "ops/op.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct TestOptions {
  BuildOptions build;
  double rtol, atol;
  size_t jobs, timeout;
  bool allow_unsupported, verbose;
} TestOptions;

static const TestOptions defaults = {
    .build.model = MODEL_DEFAULTS, .rtol = 1e-3, .atol = 1e-7, .jobs = 1, .timeout = 300};

#define MEMBER(name_) .offset = offsetof(TestOptions, name_)

static const CliOption options_table[] = {
    {.name = "rtol",
     .kind = CLI_REAL,
     MEMBER(rtol),
     .value = "R",
     .help = "relative tolerance (default: 1e-3)"},
    {.name = "atol",
     .kind = CLI_REAL,
     MEMBER(atol),
     .value = "A",
     .help = "absolute tolerance (default: 1e-7)"},
    {.name = "jobs",
     .letter = 'j',
     .kind = CLI_SIZE,
     MEMBER(jobs),
     .value = "N",
     .help = "cases at once (default: 1)"},
    {.name = "timeout",
     .kind = CLI_SIZE,
     MEMBER(timeout),
     .value = "SECONDS",
     .help = "for each case; 0: no limit (default: 300)"},
    {.name = "allow-unsupported",
     .kind = CLI_FLAG,
     MEMBER(allow_unsupported),
     .help = "skip models with unsupported operators instead of\nfailing"},
    {.name = "verbose",
     .letter = 'v',
     .kind = CLI_FLAG,
     MEMBER(verbose),
     .help = "show all diagnostics of a case that fails"},
    {.kind = CLI_END}};

/* ---- cases -------------------------------------------------------------------------------------
 */

typedef struct Case {
  const char *name, *folder;
  const TestOptions *options;
} Case;

typedef Vec(Case) CaseList;

static bool is_folder(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a folder, sorted. False with errno. */
static bool list_folder(Arena *arena, const char *path, CliList *names) {
  DIR *folder = opendir(path);
  if (folder == NULL) return false;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (entry->d_name[0] != '.') vec_push(arena, names, arena_printf(arena, "%s", entry->d_name));
  }
  closedir(folder);
  if (names->len != 0) qsort(names->data, names->len, sizeof *names->data, by_name);
  return true;
}

static bool is_data_set(const char *name) {
  return strncmp(name, "test_data_set_", 14) == 0;
}

static bool is_case(const CliList *names) {
  bool model = false, data = false;
  VEC_EACH(const char *, name, names) {
    model = model || strcmp(*name, "model.onnx") == 0;
    data = data || is_data_set(*name);
  }
  return model && data;
}

/* `name` is what stands for `folder` in the report; empty for a folder that the user named. */
static bool find_cases(Cli *cli, const TestOptions *o, const char *folder, const char *name,
                       CaseList *cases) {
  CliList names = {0};
  if (!list_folder(cli->arena, folder, &names)) {
    cli_error(cli, DIAG_IO, "cannot read folder '%s': %s", folder, strerror(errno));
    return false;
  }
  if (is_case(&names)) {
    Case found = {*name == '\0' ? folder : name, folder, o};
    vec_push(cli->arena, cases, found);
    return true;
  }
  VEC_EACH(const char *, child, &names) {
    const char *path = files_join(cli->arena, folder, *child);
    if (!is_folder(path)) continue;
    if (!find_cases(cli, o, path, files_join(cli->arena, name, *child), cases)) return false;
  }
  return true;
}

/* ---- data --------------------------------------------------------------------------------------
 */

typedef Vec(Datum) Data;

typedef struct DataSet {
  const char *name;
  Data inputs, outputs;
} DataSet;

/* The type that the model declares for its input or output `i`. */
static Type declared_type(const Graph *graph, bool input, size_t i) {
  Type type = {.kind = TYPE_TENSOR};
  if (input) return i < graph->inputs.len ? graph->inputs.data[i]->type : type;
  const Value *value = i < graph->outputs.len ? graph->outputs.data[i] : NULL;
  return value == NULL || value->declared == NULL ? type : *value->declared;
}

/* FOLDER/input_0.pb (or output_0.pb) and on. NULL; else what is wrong. */
static const char *read_files(Compilation *c, const char *folder, bool input, Data *data) {
  for (;;) {
    const char *prefix = input ? "input" : "output";
    const char *path = arena_printf(c->arena, "%s/%s_%zu.pb", folder, prefix, data->len);
    if (access(path, F_OK) != 0) return NULL;
    Datum datum;
    const Type type = declared_type(c->graph, input, data->len);
    if (!import_data_file(&c->ctx, path, &type, &datum)) {
      return arena_printf(c->arena, "%s: no data of type %s", path, type_text(c->arena, &type));
    }
    vec_push(c->arena, data, datum);
  }
}

typedef Vec(DataSet) DataList;

static const char *read_data(Compilation *c, const char *folder, DataList *data) {
  CliList names = {0};
  if (!list_folder(c->arena, folder, &names)) return strerror(errno);
  VEC_EACH(const char *, name, &names) {
    if (!is_data_set(*name)) continue;
    DataSet set = {.name = *name};
    const char *path = files_join(c->arena, folder, *name);
    const char *wrong = read_files(c, path, true, &set.inputs);
    if (wrong == NULL) wrong = read_files(c, path, false, &set.outputs);
    if (wrong != NULL) return wrong;
    vec_push(c->arena, data, set);
  }
  return NULL;
}

/* The inputs of all sets. */
static const Datum *const *input_sets(Arena *arena, const DataList *data) {
  const Datum **sets = ARENA_ARRAY(arena, data->len, const Datum *);
  for (size_t i = 0; i < data->len; i++) sets[i] = data->data[i].inputs.data;
  return sets;
}

/* Adds to the options the sizes that the data sets have. */
static const char *sizes_of_data(Compilation *c, const DataList *data, onnxc_options *options) {
  const Datum *const *sets = input_sets(c->arena, data);
  for (size_t i = 0; i < data->len; i++) {
    if (data->data[i].inputs.len == c->graph->inputs.len) continue;
    return arena_printf(c->arena, "the model has %zu inputs, %s has %zu", c->graph->inputs.len,
                        data->data[i].name, data->data[i].inputs.len);
  }
  DimList dims = {0};
  for (size_t i = 0; i < options->n_dims; i++) vec_push(c->arena, &dims, options->dims[i]);
  const char *wrong = sizes_from_data(c->graph, sets, data->len, &dims);
  options->dims = dims.data;
  options->n_dims = dims.len;
  return wrong;
}

/* ---- one case, in a process of its own ---------------------------------------------------------
 */

enum { CASE_PASSED = 0, CASE_FAILED = 1, CASE_SKIPPED = 2 };

typedef struct Trial {
  Cli *cli;
  const Case *test;
  const char *folder; /* for what is built */
  onnxc_options options;
  DataList data;
  const bool *random; /* outputs that are: their elements are not compared, as ONNX has it */
  bool makes_sequences;
  const char *wrong;
  bool compared_types; /* only types and shapes, of some output */
  int exit_code;       /* of the compilation that failed; 0: something else did */
} Trial;

static const char *compare_set(Compilation *c, Trial *t, const DataSet *set, const Datum *actual) {
  Tolerance tolerance = {t->test->options->rtol, t->test->options->atol, false};
  size_t n = data_outputs(c->graph);
  if (set->outputs.len > n) {
    return arena_printf(c->arena, "the model has %zu outputs, %s has %zu", n, set->name,
                        set->outputs.len);
  }
  for (size_t i = 0; i < set->outputs.len; i++) {
    tolerance.types_only = t->random[i];
    t->compared_types = t->compared_types || t->random[i];
    const char *wrong = compare_data(c->arena, &actual[i], &set->outputs.data[i], tolerance);
    if (wrong == NULL) continue;
    return arena_printf(c->arena, "%s, output '%s': %s", set->name,
                        text_escape(c->arena, data_output_name(c->graph, i)), wrong);
  }
  return NULL;
}

static const char *run_set(Compilation *c, const Program *program, const DataSet *set,
                           Datum *actual) {
  Runs runs = {.runs = 1};
  const Tensor **inputs = ARENA_ARRAY(c->arena, c->graph->inputs.len, const Tensor *);
  const Tensor **outputs = ARENA_ARRAY(c->arena, c->graph->outputs.len, const Tensor *);
  const char *wrong = data_pack(c->graph, set->inputs.data, inputs);
  if (wrong == NULL) wrong = program_run(program, inputs, outputs, &runs);
  if (wrong == NULL) wrong = data_unpack(c->graph, outputs, actual);
  return wrong == NULL ? NULL : arena_printf(c->arena, "%s: %s", set->name, wrong);
}

static const char *run_sets(Compilation *c, Trial *t, const Program *program) {
  VEC_EACH(DataSet, set, &t->data) {
    Datum *actual = ARENA_ARRAY(c->arena, data_outputs(c->graph), Datum);
    const char *wrong = run_set(c, program, set, actual);
    if (wrong == NULL) wrong = compare_set(c, t, set, actual);
    if (wrong != NULL) return wrong;
  }
  return NULL;
}

static const char *compile_error(Trial *t, const Compilation *c) {
  const char *line;
  for (size_t i = 0; t->test->options->verbose && (line = onnxc_diagnostic(c, i)) != NULL; i++) {
    cli_diagnostic(t->cli, line);
  }
  t->exit_code = onnxc_exit_code(c);
  line = onnxc_diagnostic(c, 0);
  return arena_printf(t->cli->arena, "%s", line == NULL ? "cannot be compiled" : line);
}

static bool build_and_run(Compilation *c, void *argument) {
  Trial *t = argument;
  Program program;
  bool *random = ARENA_ARRAY(c->arena, data_outputs(c->graph), bool);
  data_random_outputs(c->graph, random);
  t->random = random;
  t->wrong = program_build(t->cli, &t->test->options->build, "-O1", c, t->folder, &program);
  if (t->wrong == NULL) t->wrong = run_sets(c, t, &program);
  return true;
}

static bool makes_sequences(const Graph *graph) {
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    if (strstr(node->op->name, "Sequence") != NULL) return true;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH && makes_sequences(node->attrs[i].graph)) return true;
    }
  }
  return false;
}

/* Adds to the options of the trial, in memory of the command. */
static bool note_capacities(Compilation *c, void *argument) {
  Trial *t = argument;
  Arena *arena = t->cli->arena;
  DimList found = {0}, dims = {0};
  VEC_EACH(DataSet, set, &t->data) capacities_from_data(c->graph, set->inputs.data, &found);
  for (size_t i = 0; i < t->options.n_dims; i++) vec_push(arena, &dims, t->options.dims[i]);
  VEC_EACH(onnxc_dim, dim, &found) {
    onnxc_dim bound = {arena_printf(arena, "%s", dim->name), 0, dim->hi};
    vec_push(arena, &dims, bound);
  }
  t->options.dims = dims.data;
  t->options.n_dims = dims.len;
  return true;
}

/* How much loops put into sequences when they run on the data: found by inference, for which the
 * inputs are constants. */
static void find_capacities(Trial *t, const char *model) {
  Compilation *c = compilation_new(model, &t->options);
  if (c == NULL) return;
  if (compilation_run(c, "import")) compilation_guard(c, note_capacities, t);
  onnxc_free(c);
}

/* Compiles again, now that the sizes are known. */
static void try_sized(Trial *t, const char *model) {
  Arena *arena = t->cli->arena;
  if (t->makes_sequences) find_capacities(t, model);
  Compilation *c =
      compile_sized(model, arena, &t->options, input_sets(arena, &t->data), t->data.len);
  if (c == NULL) {
    t->wrong = "out of memory";
    return;
  }
  bool ok = compilation_guard(c, build_and_run, t);
  t->wrong = ok ? t->wrong == NULL ? NULL : arena_printf(t->cli->arena, "%s", t->wrong)
                : compile_error(t, c);
  onnxc_free(c);
}

/* When data cannot be used, that the model is not supported may be the better reason. */
static void blame_model(Trial *t, const char *model) {
  Compilation *c = compilation_new(model, &t->options);
  if (c == NULL) return;
  compilation_run(c, NULL);
  if (onnxc_exit_code(c) == DIAG_UNSUPPORTED) t->wrong = compile_error(t, c);
  onnxc_free(c);
}

static bool learn_data(Compilation *c, void *argument) {
  Trial *t = argument;
  t->wrong = read_data(c, t->test->folder, &t->data);
  if (t->wrong == NULL) t->wrong = sizes_of_data(c, &t->data, &t->options);
  t->makes_sequences = makes_sequences(c->graph);
  return true;
}

static int verdict(Trial *t) {
  Cli *cli = t->cli;
  const char *name = text_escape(cli->arena, t->test->name);
  if (t->wrong == NULL) {
    const char *how = t->compared_types ? " (random: shape and type only)" : "";
    fprintf(cli->out, "PASS %s%s\n", name, how);
    return CASE_PASSED;
  }
  bool skip = t->exit_code == DIAG_UNSUPPORTED && t->test->options->allow_unsupported;
  fprintf(cli->out, "%s %s: %s\n", skip ? "SKIP" : "FAIL", name, t->wrong);
  return skip ? CASE_SKIPPED : CASE_FAILED;
}

static int run_case(Cli *cli, const void *argument, const char *folder) {
  Trial trial = {.cli = cli, .test = argument, .folder = folder};
  if (!model_options(cli, &trial.test->options->build.model, &trial.options)) return DIAG_USAGE;
  const char *model = files_join(cli->arena, trial.test->folder, "model.onnx");
  Compilation *c = compilation_new(model, &trial.options);
  if (c == NULL) return cli_error(cli, DIAG_LIMIT, "out of memory");
  bool ok = compilation_run(c, "import") && compilation_guard(c, learn_data, &trial);
  if (!ok) trial.wrong = compile_error(&trial, c);
  if (trial.wrong == NULL)
    try_sized(&trial, model);
  else if (ok)
    blame_model(&trial, model);
  int code = verdict(&trial);
  onnxc_free(c);
  return code;
}

/* ---- all cases ---------------------------------------------------------------------------------
 */

typedef struct Tally {
  const CaseList *cases;
  size_t passed, failed, skipped;
} Tally;

static void count_case(Cli *cli, void *context, size_t i, const Finished *result) {
  Tally *tally = context;
  const char *name = text_escape(cli->arena, tally->cases->data[i].name);
  size_t *const counts[] = {&tally->passed, &tally->failed, &tally->skipped};
  fputs(result->output, cli->out);
  bool ended = result->timed_out || result->signal != 0 || result->exit_code > CASE_SKIPPED;
  if (result->timed_out) {
    fprintf(cli->out, "FAIL %s: no result in time\n", name);
  } else if (result->signal != 0) {
    fprintf(cli->out, "FAIL %s: the compiler was ended by signal %d\n", name, result->signal);
  } else if (ended) {
    fprintf(cli->out, "FAIL %s: the compiler ended with code %d\n", name, result->exit_code);
  }
  ++*counts[ended ? CASE_FAILED : result->exit_code];
  fflush(cli->out);
}

static int run_all(Cli *cli, const TestOptions *o, const CaseList *cases) {
  Job *jobs = ARENA_ARRAY(cli->arena, cases->len, Job);
  for (size_t i = 0; i < cases->len; i++) jobs[i] = (Job){run_case, &cases->data[i]};
  Tally tally = {.cases = cases};
  Supervision how = {.parallel = o->jobs == 0 ? 1 : o->jobs,
                     .seconds = o->timeout,
                     .capture = true,
                     .keep = o->build.keep,
                     .finished = count_case,
                     .context = &tally};
  if (!supervise(cli, jobs, cases->len, &how)) return DIAG_IO;
  fprintf(cli->out, "%zu passed, %zu failed, %zu skipped\n", tally.passed, tally.failed,
          tally.skipped);
  return tally.failed != 0;
}

static int run(Cli *cli, const void *given) {
  const TestOptions *o = given;
  onnxc_options options;
  if (!model_options(cli, &o->build.model, &options)) return DIAG_USAGE;
  CaseList cases = {0};
  VEC_EACH(const char *, folder, &cli->operands) {
    if (!find_cases(cli, o, *folder, "", &cases)) return DIAG_IO;
  }
  if (cases.len == 0) {
    return cli_error(cli, DIAG_INVALID, "no folder with model.onnx and test_data_set_* there");
  }
  return run_all(cli, o, &cases);
}

const Command command_test = {
    .name = "test",
    .operands = "DIR...",
    .summary = "Compile, build and run models on their test data",
    .about = "Every folder with model.onnx and test_data_set_* in or below DIR is a case. Symbolic "
             "sizes\n"
             "come from the data: one size is pinned, several are bounds.",
    .examples = "onnxc test models/mnist\nonnxc test models --jobs 4 --rtol 1e-4\n"
                "onnxc test node --allow-unsupported --cflags '-O0 -fsanitize=address'",
    .groups = {options_table, cli_build_options, cli_model_options},
    .least = 1,
    .most = CLI_ANY,
    .size = sizeof(TestOptions),
    .defaults = &defaults,
    .run = run};
