/* `onnxc ops` and `onnxc passes`: what is supported, from the tables themselves. */
#include "base/text.h"
#include "cli/cli.h"
#include "import/import.h"
#include "import/schema.h"
#include "passes/pass.h"

#include <stddef.h>
#include <string.h>

typedef struct TableOptions {
  int format;
} TableOptions;

enum { FORMAT_JSON = 2, FORMAT_MARKDOWN = 3 };

static const char *const ops_formats[] = {"text", "json", "markdown", NULL};
static const char *const passes_formats[] = {"text", "json", NULL};

#define FORMAT_OPTION(choices_, help_)                                                             \
  {                                                                                                \
    {.name = "format",                                                                             \
     .kind = CLI_CHOICE,                                                                           \
     .offset = offsetof(TableOptions, format),                                                     \
     .value = "FORMAT",                                                                            \
     .choices = choices_,                                                                          \
     .help = help_},                                                                               \
    {                                                                                              \
      .kind = CLI_END                                                                              \
    }                                                                                              \
  }

static const CliOption ops_options[] =
    FORMAT_OPTION(ops_formats, "text (default), json or markdown");
static const CliOption passes_options[] = FORMAT_OPTION(passes_formats, "text (default) or json");

/* ---- operators ---------------------------------------------------------------------------------
 */

/* A supported operator. Contributed domains have no schemas: version 1, types unknown. */
typedef struct OpRowText {
  const char *domain, *name, *lowering;
  int first, last;              /* versions of the domain */
  const OperatorSchema *schema; /* the newest; NULL: none */
} OpRowText;

typedef Vec(OpRowText) OpRows;

/* How an operator runs, for the reader of the list. */
static const char *lowering_of(const OpDef *op) {
  if (op == NULL) return "replaced";
  if (op->decompose != NULL) return "decomposed";
  if ((op->flags & OP_COMPOSITE) != 0) return "flattened";
  if (op->lower != NULL) return "lowered";
  if (op->row != NULL) return "row";
  return op->flags & OP_VIEW ? "view" : "kernel";
}

static bool same_operator(const OperatorSchema *a, const OperatorSchema *b) {
  return strcmp(a->domain, b->domain) == 0 && strcmp(a->name, b->name) == 0;
}

/* Operators that have schemas, which stand together in order of version. */
static void add_standard(Arena *arena, OpRows *rows) {
  const OperatorSchema *first = schema_at(0);
  for (size_t i = 0; i < schema_count(); i++) {
    const OperatorSchema *schema = schema_at(i);
    if (!same_operator(first, schema)) first = schema;
    bool newest = i + 1 == schema_count() || !same_operator(schema, schema_at(i + 1));
    const OpDef *op = op_find(schema->domain, schema->name);
    bool replaced = *schema->domain == '\0' && import_replaces(schema->name);
    if (!newest || (op == NULL && !replaced)) continue;
    bool deprecated = (schema->flags & SCHEMA_DEPRECATED) != 0;
    int last = deprecated ? schema->since - 1 : (int)schema_newest(schema->domain);
    vec_push(arena, rows,
             (OpRowText){schema->domain, schema->name, lowering_of(op), first->since, last,
                         deprecated ? schema_at(i - 1) : schema});
  }
}

/* Operators that ONNX does not define; the compiler's own are nobody else's affair. */
static void add_contributed(Arena *arena, OpRows *rows) {
  for (size_t i = 0; i < op_count(); i++) {
    const OpDef *op = op_at(i);
    bool own = strcmp(op->domain, "onnxc") == 0;
    if (own || schema_find(op->domain, op->name, INT64_MAX) != NULL) continue;
    vec_push(arena, rows, (OpRowText){op->domain, op->name, lowering_of(op), 1, 1, NULL});
  }
}

static OpRows op_rows(Arena *arena) {
  OpRows rows = {0};
  add_standard(arena, &rows);
  add_contributed(arena, &rows);
  return rows;
}

/* Element types that the first input, or an operator without inputs its output, may have. */
static uint32_t types_of(const OperatorSchema *schema) {
  const SchemaFormal *formal = schema_input(schema, 0);
  if (formal == NULL) formal = schema_output(schema, 0);
  for (size_t i = 0; formal != NULL && i < schema->n_types; i++) {
    const SchemaType *type = &schema->types[i];
    if (strcmp(type->name, formal->type) != 0) continue;
    return type->tensors | type->sequences | type->optionals | type->optional_sequences;
  }
  return 0;
}

static const char *types_text(Arena *arena, const OpRowText *row, const char *quote,
                              const char *separator) {
  uint32_t types = row->schema == NULL ? 0 : types_of(row->schema);
  const char *text = "";
  for (int i = 1; i < 32; i++) {
    if ((types >> i & 1) == 0) continue;
    text = arena_printf(arena, "%s%s%s%s%s", text, *text == '\0' ? "" : separator, quote,
                        dtype_info(i)->name, quote);
  }
  return text;
}

static const char *domain_text(const char *domain) {
  return *domain == '\0' ? "ai.onnx" : domain;
}

static void ops_text(Out *w, Arena *arena, const OpRows *rows) {
  VEC_EACH(OpRowText, row, rows) {
    const char *versions = arena_printf(arena, "%d-%d", row->first, row->last);
    out(w, "%-24s %-34s %-6s %-10s %s\n", domain_text(row->domain), row->name, versions,
        row->lowering, types_text(arena, row, "", " "));
  }
}

static void ops_json(Out *w, Arena *arena, const OpRows *rows) {
  out(w, "{\"schema\": 1, \"ops\": [");
  VEC_EACH(OpRowText, row, rows) {
    out(w,
        "%s\n  {\"domain\": \"%s\", \"name\": \"%s\", \"lowering\": \"%s\", "
        "\"first\": %d, \"last\": %d, \"types\": [%s]}",
        row == rows->data ? "" : ",", row->domain, row->name, row->lowering, row->first, row->last,
        types_text(arena, row, "\"", ", "));
  }
  out(w, "\n]}\n");
}

static void ops_markdown(Out *w, Arena *arena, const OpRows *rows) {
  out(w, "| domain | operator | versions | element types |\n| --- | --- | --- | --- |\n");
  VEC_EACH(OpRowText, row, rows) {
    out(w, "| %s | %s | %d-%d | %s |\n", domain_text(row->domain), row->name, row->first, row->last,
        types_text(arena, row, "", " "));
  }
}

static int run_ops(Cli *cli, const void *options) {
  Out *w = out_file(cli->arena, cli->out);
  OpRows rows = op_rows(cli->arena);
  switch (((const TableOptions *)options)->format) {
  case FORMAT_JSON: ops_json(w, cli->arena, &rows); break;
  case FORMAT_MARKDOWN: ops_markdown(w, cli->arena, &rows); break;
  default: ops_text(w, cli->arena, &rows);
  }
  return 0;
}

/* ---- passes ------------------------------------------------------------------------------------
 */

static void passes_text(Out *w) {
  for (size_t i = 0; i < pass_count(); i++) {
    const PassDef *pass = pass_at(i);
    out(w, "%-24s %s\n", pass->name, pass->what);
    for (size_t k = 0; pass_rule(pass, k) != NULL; k++) out(w, "    %s\n", pass_rule(pass, k));
  }
}

static void passes_json(Out *w, Arena *arena) {
  out(w, "{\"schema\": 1, \"passes\": [");
  for (size_t i = 0; i < pass_count(); i++) {
    const PassDef *pass = pass_at(i);
    out(w, "%s\n  {\"name\": \"%s\", \"what\": \"%s\", \"rules\": [", i == 0 ? "" : ",", pass->name,
        text_json(arena, pass->what));
    for (size_t k = 0; pass_rule(pass, k) != NULL; k++) {
      out(w, "%s\"%s\"", k == 0 ? "" : ", ", text_json(arena, pass_rule(pass, k)));
    }
    out(w, "]}");
  }
  out(w, "\n]}\n");
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
    .about = "For each: the versions of its domain, how it runs, and the element types that its\n"
             "first input may have. Older versions are upgraded on import; operators that are\n"
             "replaced become others there.",
    .examples = "onnxc ops\nonnxc ops --format json",
    .groups = {ops_options},
    .size = sizeof(TableOptions),
    .run = run_ops};

const Command command_passes = {
    .name = "passes",
    .operands = "",
    .summary = "List the optimisation passes in their order",
    .about = "Below each stand its rules. -fno-NAME switches a pass off, or the rules of\n"
             "that name; -fNAME switches it on again.",
    .examples = "onnxc passes\nonnxc compile model.onnx -fno-fold-constants",
    .groups = {passes_options},
    .size = sizeof(TableOptions),
    .run = run_passes};
