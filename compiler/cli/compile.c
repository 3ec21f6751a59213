/* `onnxc compile`: writes C for a model. */
#include "cli/model.h"
#include "stages.h"

#include <stddef.h>

typedef struct CompileOptions {
  ModelOptions model;
  const char *output;
} CompileOptions;

static const CompileOptions defaults = {.model = MODEL_DEFAULTS, .output = "."};

static const CliOption options_table[] = {
    {.name = "output",
     .letter = 'o',
     .unrecorded = true,
     .kind = CLI_TEXT,
     .offset = offsetof(CompileOptions, output),
     .value = "DIR",
     .help = "folder to write to, made if needed (default: .)"},
    {.kind = CLI_END}};

static int compile(Cli *cli, const CompileOptions *given, const onnxc_options *options) {
  onnxc_result *result = onnxc_compile(cli->operands.data[0], options);
  if (result == NULL) return cli_error(cli, DIAG_LIMIT, "out of memory");
  if (onnxc_exit_code(result) == 0 && options->stop_after == NULL)
    onnxc_write(result, given->output);
  int code = model_report(cli, result);
  onnxc_free(result);
  return code;
}

extern const Command command_compile;

static int run(Cli *cli, const void *given) {
  const CompileOptions *o = given;
  onnxc_options options;
  if (!model_options(cli, &o->model, &options)) return DIAG_USAGE;
  options.command = cli_command_line(cli, &command_compile, o);
  return compile(cli, o, &options);
}

const Command command_compile = {
    .name = "compile",
    .operands = "MODEL",
    .summary = "Write C for a model",
    .about = "Writes N.h and N.c, and N.weights.bin when weights are not inline; all of them or,\n"
             "after an error, none.",
    .examples = "onnxc compile model.onnx -o out\n"
                "onnxc compile bert.onnx --dim batch=1 --dim seq=1..128 -O3\n"
                "onnxc compile model.onnx --stop-after passes --dump after:passes",
    .groups = {options_table, cli_model_options},
    .least = 1,
    .most = 1,
    .size = sizeof(CompileOptions),
    .defaults = &defaults,
    .run = run};
