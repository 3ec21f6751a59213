/* `onnxc ops` and `onnxc passes`: what is supported, from the tables themselves. */
#include "base/text.h"
#include "cli/cli.h"
#include "passes/pass.h"

#include <stddef.h>

typedef struct TableOptions {
  int format;
} TableOptions;

enum { FORMAT_JSON = 2 };

static const char *const formats[] = {"text", "json", NULL};

static const CliOption options_table[] = {{.name = "format",
                                           .kind = CLI_CHOICE,
                                           .offset = offsetof(TableOptions, format),
                                           .value = "FORMAT",
                                           .choices = formats,
                                           .help = "text (default) or json"},
                                          {.kind = CLI_END}};

/* How an operator runs, for the reader of the list. */
static const char *lowering_of(const OpDef *op) {
  if (op->decompose != NULL) return "decomposed";
  if (op->lower != NULL) return "lowered";
  if (op->row != NULL) return "row";
  return op->flags & OP_VIEW ? "view" : "kernel";
}

static void ops_text(Out *w) {
  for (size_t i = 0; i < op_count(); i++) {
    const OpDef *op = op_at(i);
    out(w, "%-12s %-32s %s\n", *op->domain == '\0' ? "ai.onnx" : op->domain, op->name,
        lowering_of(op));
  }
}

static void ops_json(Out *w) {
  out(w, "{\"schema\": 1, \"ops\": [");
  for (size_t i = 0; i < op_count(); i++) {
    const OpDef *op = op_at(i);
    out(w, "%s\n  {\"domain\": \"%s\", \"name\": \"%s\", \"lowering\": \"%s\"}", i == 0 ? "" : ",",
        op->domain, op->name, lowering_of(op));
  }
  out(w, "\n]}\n");
}

static void passes_text(Out *w) {
  for (size_t i = 0; i < pass_count(); i++) {
    out(w, "%-24s %s\n", pass_at(i)->name, pass_at(i)->what);
  }
}

static void passes_json(Out *w, Arena *arena) {
  out(w, "{\"schema\": 1, \"passes\": [");
  for (size_t i = 0; i < pass_count(); i++) {
    const PassDef *pass = pass_at(i);
    out(w, "%s\n  {\"name\": \"%s\", \"what\": \"%s\", \"rules\": [", i == 0 ? "" : ",", pass->name,
        text_json(arena, pass->what));
    for (size_t r = 0; r < pass->n_rules; r++) {
      out(w, "%s\"%s\"", r == 0 ? "" : ", ", text_json(arena, pass->rules[r].name));
    }
    out(w, "]}");
  }
  out(w, "\n]}\n");
}

static int run_ops(Cli *cli, const void *options) {
  Out *w = out_file(cli->arena, cli->out);
  if (((const TableOptions *)options)->format == FORMAT_JSON) {
    ops_json(w);
  } else {
    ops_text(w);
  }
  return 0;
}

static int run_passes(Cli *cli, const void *options) {
  Out *w = out_file(cli->arena, cli->out);
  if (((const TableOptions *)options)->format == FORMAT_JSON) {
    passes_json(w, cli->arena);
  } else {
    passes_text(w);
  }
  return 0;
}

const Command command_ops = {
    .name = "ops",
    .operands = "",
    .summary = "List the supported operators",
    .about = "Operators are listed in their newest version; older ones are upgraded on import.",
    .examples = "onnxc ops\nonnxc ops --format json",
    .groups = {options_table},
    .size = sizeof(TableOptions),
    .run = run_ops};

const Command command_passes = {.name = "passes",
                                .operands = "",
                                .summary = "List the optimisation passes in their order",
                                .about = "Each can be switched with -fPASS and -fno-PASS.",
                                .examples =
                                    "onnxc passes\nonnxc compile model.onnx -fno-fold-constants",
                                .groups = {options_table},
                                .size = sizeof(TableOptions),
                                .run = run_passes};
