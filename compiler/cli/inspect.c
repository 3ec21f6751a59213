/* `onnxc inspect`: shows what the compiler made of a model. */
#include "inspect/inspect.h"
#include "cli/model.h"

#include <stddef.h>

typedef struct InspectOptions {
  ModelOptions model;
  int format;
  const char *output;
  bool before;
} InspectOptions;

static const InspectOptions defaults = {.model = MODEL_DEFAULTS, .format = 1};

static const char *const formats[] = {"text", "json", "dot", "html", "onnx", NULL};

static const CliOption options_table[] = {{.name = "format",
                                           .kind = CLI_CHOICE,
                                           .offset = offsetof(InspectOptions, format),
                                           .value = "FORMAT",
                                           .choices = formats,
                                           .help = "text (default), json, dot, html or onnx"},
                                          {.name = "output",
                                           .letter = 'o',
                                           .unrecorded = true,
                                           .kind = CLI_TEXT,
                                           .offset = offsetof(InspectOptions, output),
                                           .value = "FILE",
                                           .help = "write there (default: standard output)"},
                                          {.name = "before",
                                           .kind = CLI_FLAG,
                                           .offset = offsetof(InspectOptions, before),
                                           .help = "show the graph as imported, before any pass"},
                                          {.kind = CLI_END}};

typedef struct Request {
  Cli *cli;
  const InspectOptions *options;
  const View *view;
} Request;

static bool write_view(Compilation *c, void *argument) {
  const Request *r = argument;
  if (r->options->output == NULL) return r->view->write(c, out_file(c->arena, r->cli->out));
  compilation_open_files(c);
  Out *w = files_open(c->files, r->options->output);
  return w != NULL && r->view->write(c, w) && files_commit(c->files);
}

static int run(Cli *cli, const void *given) {
  const InspectOptions *o = given;
  onnxc_options options;
  if (!model_options(cli, &o->model, &options)) return DIAG_USAGE;
  Compilation *c = compilation_new(cli->operands.data[0], &options);
  if (c == NULL) return cli_error(cli, DIAG_LIMIT, "out of memory");
  Request request = {cli, o, &views[o->format - 1]};
  compilation_run(c, o->before ? "infer" : request.view->stage);
  if (options.time_report) compilation_print_costs(c, cli->err);
  compilation_guard(c, write_view, &request);
  int code = model_report(cli, c);
  onnxc_free(c);
  return code;
}

const Command command_inspect = {
    .name = "inspect",
    .operands = "MODEL",
    .summary = "Show the optimised graph, passes, steps and memory",
    .about = "Sizes that depend on symbols are shown at their upper bounds.",
    .examples = "onnxc inspect model.onnx --dim batch=1\n"
                "onnxc inspect model.onnx --format html -o model.html\n"
                "onnxc inspect model.onnx --format dot --before | dot -Tsvg > model.svg",
    .groups = {options_table, cli_model_options},
    .least = 1,
    .most = 1,
    .size = sizeof(InspectOptions),
    .defaults = &defaults,
    .run = run};
