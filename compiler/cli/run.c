/* `onnxc run`: compiles, builds and runs a model on given inputs. */
#include "cli/compare.h"
#include "cli/data.h"
#include "cli/feed.h"
#include "cli/npy.h"
#include "cli/process.h"
#include "inspect/inspect.h"
#include "ir/interpret.h"
#include "lower/state.h"

#include <inttypes.h>
#include <stddef.h>

typedef struct RunOptions {
  BuildOptions build;
  CliList inputs;
  const char *output;
  int format; /* 1 + one of FORMAT_* */
  bool interpret;
} RunOptions;

enum { FORMAT_NPY, FORMAT_PB };
static const char *const formats[] = {"npy", "pb", NULL};

static const RunOptions defaults = {.build.model = MODEL_DEFAULTS};

static const CliOption options_table[] = {
    {.name = "input",
     .kind = CLI_LIST,
     .offset = offsetof(RunOptions, inputs),
     .value = "NAME=FILE",
     .help = "data for an input, .npy or .pb; once for each input"},
    {.name = "output-dir",
     .letter = 'o',
     .kind = CLI_TEXT,
     .offset = offsetof(RunOptions, output),
     .value = "DIR",
     .help = "write each output there as a file\n(default: print it in brief)"},
    {.name = "output-format",
     .kind = CLI_CHOICE,
     .offset = offsetof(RunOptions, format),
     .value = "FORMAT",
     .choices = formats,
     .help = "npy, or pb, which has every type (default: npy)"},
    {.name = "interpret",
     .kind = CLI_FLAG,
     .offset = offsetof(RunOptions, interpret),
     .help = "interpret the graph with the reference kernels,\nwithout a C compiler"},
    {.kind = CLI_END}};

typedef struct Trial {
  Cli *cli;
  const RunOptions *given;
  onnxc_options options;
  const char *folder; /* for what is built */
  Datum *inputs;
  bool complete; /* no input is missing */
  const char *wrong;
} Trial;

/* ---- outputs -----------------------------------------------------------------------------------
 */

enum { SHOWN = 8 };

static void print_element(Cli *cli, const Tensor *tensor, size_t i) {
  if (tensor->dtype == ONNXC_RT_STRING) {
    const onnxc_rt_string *string = (const onnxc_rt_string *)tensor->data + i;
    fprintf(cli->out, "'%s'", text_escape_bytes(cli->arena, string->bytes, (size_t)string->size));
  } else if (dtype_is_float(tensor->dtype)) {
    fprintf(cli->out, "%.6g", tensor_f64(tensor, i));
  } else {
    fprintf(cli->out, "%" PRId64, tensor_i64(tensor, i));
  }
}

static void print_tensor(Cli *cli, const char *name, const Tensor *tensor) {
  fprintf(cli->out, "%s: %s = {", text_escape(cli->arena, name),
          tensor_type_text(cli->arena, tensor));
  bool real = dtype_info(tensor->dtype)->cls != DTYPE_CLASS_COMPLEX;
  for (size_t i = 0; real && i < tensor->count && i < SHOWN; i++) {
    fputs(i == 0 ? "" : ", ", cli->out);
    print_element(cli, tensor, i);
  }
  fputs(real && tensor->count <= SHOWN ? "}\n" : ", ...}\n", cli->out);
}

static bool write_output(Compilation *c, Out *w, int format, size_t i, const Tensor *tensor) {
  if (format == 1 + FORMAT_PB) {
    inspect_write_tensor(w, c->arena, tensor);
    return true;
  }
  return npy_write(w, c->arena, tensor) ||
         diag_error(
             c->ctx.diag, DIAG_UNSUPPORTED, (DiagSite){0},
             "output '%s' holds strings that a .npy file cannot: no UTF-8, or a NUL at the end; "
             "add --output-format pb",
             c->graph->outputs.data[i]->name);
}

/* Files are named after the members of the generated struct: unique, and safe as names. */
static bool write_outputs(Compilation *c, const RunOptions *o, const Tensor *const *outputs) {
  const char *ending = formats[o->format == 0 ? FORMAT_NPY : o->format - 1];
  size_t i = 0;
  compilation_open_files(c);
  VEC_EACH(EmitMember, member, &c->interface->outputs) {
    if (member->value == NULL) continue;
    const char *file = arena_printf(c->arena, "%s.%s", member->name, ending);
    Out *w = files_open(c->files, files_join(c->arena, o->output, file));
    if (w == NULL || !write_output(c, w, o->format, i, outputs[i])) return false;
    i++;
  }
  return files_commit(c->files);
}

/* ---- the job -----------------------------------------------------------------------------------
 */

static const char *run_program(const Trial *t, Compilation *c, const Tensor *const *inputs,
                               const Tensor **outputs) {
  Program program;
  Runs runs = {.runs = 1};
  const char *wrong = program_build(t->cli, &t->given->build, "-O1", c, t->folder, &program);
  return wrong != NULL ? wrong : program_run(&program, inputs, outputs, &runs);
}

static const char *run_graph(const Trial *t, Compilation *c, const Tensor *const *inputs,
                             const Tensor **outputs) {
  (void)t;
  const Node *failed;
  const int64_t *sizes = sizes_of_inputs(c->graph, inputs);
  if (interpret_graph(c->graph, sizes, inputs, outputs, c->arena, &failed)) return NULL;
  return arena_printf(c->arena, "node '%s' (%s) cannot be interpreted",
                      text_escape(c->arena, failed->name), failed->op->name);
}

static bool build_and_run(Compilation *c, void *argument) {
  Trial *t = argument;
  const Tensor **inputs = ARENA_ARRAY(c->arena, c->graph->inputs.len, const Tensor *);
  const Tensor **outputs = ARENA_ARRAY(c->arena, c->graph->outputs.len, const Tensor *);
  t->wrong = data_pack(c->graph, t->inputs, inputs);
  if (t->wrong == NULL) {
    t->wrong = (t->given->interpret ? run_graph : run_program)(t, c, inputs, outputs);
  }
  if (t->wrong != NULL) return true;
  if (t->given->output != NULL) return write_outputs(c, t->given, outputs);
  for (size_t i = 0; i < c->graph->outputs.len; i++) {
    print_tensor(t->cli, c->graph->outputs.data[i]->name, outputs[i]);
  }
  return true;
}

/* A state without history need not be given to the program. */
static bool begins_empty(const Trial *t, const Compilation *c, size_t i) {
  const char *name = c->graph->inputs.data[i]->name;
  return !t->given->interpret && state_output(c->arena, &t->options, name) != NULL;
}

/* Every input of the model is given. False: reported. */
static bool check_given(Trial *t, const Compilation *c) {
  bool all = true;
  for (size_t i = 0; i < c->graph->inputs.len; i++) {
    if (t->inputs[i].kind != TYPE_UNKNOWN || begins_empty(t, c, i)) continue;
    const char *name = text_escape(c->arena, c->graph->inputs.data[i]->name);
    cli_error(t->cli, DIAG_USAGE, "input '%s' is missing; add --input %s=FILE", name, name);
    all = false;
  }
  return all;
}

static bool read_inputs(Compilation *c, void *argument) {
  Trial *t = argument;
  DimList dims = {0};
  t->inputs = ARENA_ARRAY(c->arena, c->graph->inputs.len, Datum);
  t->wrong = feed_inputs(c, &t->given->inputs, t->inputs);
  if (t->wrong != NULL) return true;
  t->complete = check_given(t, c);
  if (!t->complete) return true;
  for (size_t i = 0; i < t->options.n_dims; i++) vec_push(c->arena, &dims, t->options.dims[i]);
  const Datum *sets[] = {t->inputs};
  t->wrong = sizes_from_data(c->graph, sets, 1, &dims);
  t->options.dims = dims.data;
  t->options.n_dims = dims.len;
  return true;
}

/* The exit code of what has been done so far. */
static int report(const Trial *t, Compilation *c) {
  if (t->wrong != NULL) return cli_error(t->cli, DIAG_INVALID, "%s", t->wrong);
  return model_report(t->cli, c);
}

static int run_sized(Trial *t, const char *model) {
  const Datum *const sets[] = {t->inputs};
  Compilation *c = compile_sized(model, t->cli->arena, &t->options, sets, 1);
  if (c == NULL) return cli_error(t->cli, DIAG_LIMIT, "out of memory");
  compilation_guard(c, build_and_run, t);
  int code = report(t, c);
  onnxc_free(c);
  return code;
}

static int job(Cli *cli, const void *argument, const char *folder) {
  Trial trial = {.cli = cli, .given = argument, .folder = folder};
  if (!model_options(cli, &trial.given->build.model, &trial.options)) return DIAG_USAGE;
  const char *model = cli->operands.data[0];
  Compilation *c = compilation_new(model, &trial.options);
  if (c == NULL) return cli_error(cli, DIAG_LIMIT, "out of memory");
  if (compilation_run(c, "import")) compilation_guard(c, read_inputs, &trial);
  int code = report(&trial, c);
  if (code == 0 && !trial.complete) code = DIAG_USAGE;
  if (code == 0) code = run_sized(&trial, model);
  onnxc_free(c);
  return code;
}

static int run(Cli *cli, const void *given) {
  const RunOptions *o = given;
  return run_alone(cli, &(Job){job, o}, o->build.keep);
}

const Command command_run = {
    .name = "run",
    .operands = "MODEL",
    .summary = "Compile, build and run a model on inputs from files",
    .about = "Sizes are taken from the inputs.",
    .examples = "onnxc run model.onnx --input x=x.npy\n"
                "onnxc run model.onnx --input a=a.npy --input b=b.pb --output-dir results",
    .groups = {options_table, cli_build_options, cli_model_options},
    .least = 1,
    .most = 1,
    .size = sizeof(RunOptions),
    .defaults = &defaults,
    .run = run};
