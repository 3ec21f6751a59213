/* ONNX's own cases without generated code: each graph survives being printed and parsed, and the
 * interpreter gets the expected results from it, as imported and as the passes leave it.
 *
 *     interpret CASES LIST    folders with model.onnx and test_data_set_0 in CASES, as
 *                             LIST names them
 *
 * The last line is `N passed, N failed, N skipped`; skipped is what import does not support. */
#include "ir/interpret.h"
#include "cli/compare.h"
#include "cli/data.h"
#include "import/import.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "onnxc.h"
#include "passes/pass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ENDS = 256, HALF_BITS = 16 };

typedef enum Outcome { PASSED, FAILED, SKIPPED, OUTCOMES } Outcome;

/* One case with a context of its own. */
typedef struct Case {
  Escape escape;
  Context ctx;
  onnxc_options options;
  const char *folder;
  Datum data[MAX_ENDS];                               /* the model's inputs */
  Type expected[MAX_ENDS];                            /* the model's outputs */
  const Tensor *inputs[MAX_ENDS], *outputs[MAX_ENDS]; /* of the graph */
  int64_t *symbols;
} Case;

static Context new_context(Arena *arena, const char *file, const onnxc_options *options) {
  return (Context){.arena = arena,
                   .diag = diag_new(arena, file),
                   .strings = strings_new(arena),
                   .dims = dims_new(arena),
                   .options = options};
}

/* ---- what may be skipped -----------------------------------------------------------------------
 */

static bool can_be_interpreted(const Graph *graph) {
  enum { MOST = MAX_ENDS / 4 }; /* tensors that stand for one value that is none */
  bool can = graph->inputs.len <= MOST && graph->outputs.len <= MOST;
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      const Attr *attr = &node->attrs[i];
      can = can && (attr->kind != ATTR_GRAPH || can_be_interpreted(attr->graph));
    }
  }
  return can;
}

/* ---- data --------------------------------------------------------------------------------------
 */

/* False when there is no such file, or none of that type. */
static bool read_data(Case *c, const char *kind, size_t i, const Type *type, Datum *datum) {
  const char *path = arena_printf(c->ctx.arena, "%s/test_data_set_0/%s_%zu.pb", c->folder, kind, i);
  return access(path, R_OK) == 0 && import_data_file(&c->ctx, path, type, datum);
}

static bool all_tensors(const Graph *graph) {
  bool all = true;
  VEC_EACH(Value *, input, &graph->inputs) all = all && (*input)->type.kind == TYPE_TENSOR;
  return all;
}

static Graph *import_again(Case *c) {
  c->ctx = new_context(c->ctx.arena, c->folder, &c->options);
  return import_model(&c->ctx, arena_printf(c->ctx.arena, "%s/model.onnx", c->folder));
}

/* Data of an imported graph. Sizes of tensors stay symbolic, those of sequences come from the data.
 */
static const char *read_case(Case *c, const Graph *graph) {
  for (size_t i = 0; i < graph->inputs.len; i++) {
    if (!read_data(c, "input", i, &graph->inputs.data[i]->type, &c->data[i])) {
      return "an input has no data";
    }
  }
  for (size_t i = 0; i < graph->outputs.len; i++) {
    const Type *declared = graph->outputs.data[i]->declared;
    c->expected[i] = declared == NULL ? (Type){.kind = TYPE_TENSOR} : *declared;
  }
  DimList dims = {0};
  const Datum *sets[] = {c->data};
  const char *fault = all_tensors(graph) ? NULL : sizes_from_data(graph, sets, 1, &dims);
  c->options.dims = dims.data;
  c->options.n_dims = dims.len;
  Graph *sized = fault == NULL ? import_again(c) : NULL;
  if (sized != NULL) capacities_from_data(sized, c->data, &dims);
  c->options.dims = dims.data;
  c->options.n_dims = dims.len;
  return fault;
}

/* Sizes may be computed from integers of inputs: they are those of the data. */
static void know_numbers(const Case *c, Graph *graph) {
  for (size_t i = 0; i < graph->inputs.len; i++) {
    Value *input = graph->inputs.data[i];
    const Tensor *tensor = input->type.kind == TYPE_TENSOR ? c->data[i].tensor : NULL;
    if (tensor == NULL || tensor->count > MAX_RANK) continue;
    input->contents = graph_contents(graph->ctx, tensor);
    if (input->contents != NULL) input->n_contents = (uint32_t)tensor->count;
  }
}

/* The tensors of the graph; the sizes that they have are those of the symbols. */
static const char *set_inputs(Case *c, const Graph *graph) {
  const char *fault = data_pack(graph, c->data, c->inputs);
  c->symbols = ARENA_ARRAY(c->ctx.arena, dims_symbols(c->ctx.dims), int64_t);
  for (size_t i = 0; i < graph->inputs.len && fault == NULL; i++) {
    const Type *type = &graph->inputs.data[i]->type;
    const Tensor *tensor = c->inputs[i];
    if (tensor == NULL || tensor->rank != type->rank) return "an input has no data of its rank";
    for (int k = 0; k < type->rank; k++) {
      const DimAtom *symbol = dim_as_symbol(type->dims[k]);
      if (symbol != NULL) c->symbols[symbol->symbol] = tensor->dims[k];
    }
  }
  return fault;
}

/* ---- what is checked: each returns NULL or what is wrong ----------------------------------------
 */

static const char *print(const Graph *graph) {
  Out *w = out_memory(graph->ctx->arena);
  graph_print(w, graph);
  return out_text(w, NULL);
}

static const char *check_text(Case *c, const Graph *graph) {
  const char *text = print(graph);
  Context fresh = new_context(c->ctx.arena, c->folder, &c->options);
  const Graph *back = graph_parse(&fresh, text, "text");
  if (back == NULL) return diag_text(fresh.diag, 0);
  const char *fault = graph_verify(back);
  if (fault != NULL) return fault;
  return strcmp(print(back), text) == 0 ? NULL : "the text changes when it is parsed and printed";
}

/* ONNX's tolerance; types of 16 bits and fewer may differ in their last bit. */
static Tolerance tolerance_of(const Datum *datum) {
  while (datum->n != 0) datum = &datum->parts[0];
  const Tensor *tensor = datum->tensor;
  bool coarse = tensor != NULL && dtype_is_float(tensor->dtype) &&
                dtype_info(tensor->dtype)->bits <= HALF_BITS;
  return (Tolerance){.relative = coarse ? 1e-2 : 1e-3, .absolute = 1e-7};
}

static const char *check_results(Case *c, const Graph *graph) {
  const Node *failed;
  bool *random = ARENA_ARRAY(c->ctx.arena, data_outputs(graph), bool);
  data_random_outputs(graph, random);
  if (!interpret_graph(graph, c->symbols, c->inputs, c->outputs, c->ctx.arena, &failed)) {
    return arena_printf(c->ctx.arena, "%s cannot be interpreted", failed->op->name);
  }
  Datum *actual = ARENA_ARRAY(c->ctx.arena, data_outputs(graph), Datum);
  const char *fault = data_unpack(graph, c->outputs, actual);
  for (size_t i = 0; i < data_outputs(graph) && fault == NULL; i++) {
    Datum expected;
    if (!read_data(c, "output", i, &c->expected[i], &expected)) return "an output has no data";
    Tolerance tolerance = tolerance_of(&expected);
    tolerance.types_only = random[i];
    fault = compare_data(c->ctx.arena, &actual[i], &expected, tolerance);
  }
  return fault;
}

/* The graph with only what must be rewritten (level 0), or optimised. */
static const char *check_level(Case *c, int level) {
  PassReport report = {0};
  c->options.level = 1 + level;
  Graph *graph = import_again(c);
  know_numbers(c, graph);
  if (!infer_graph(graph) || !import_check_types(graph) || !passes_run(graph, &report)) {
    return diag_text(c->ctx.diag, 0);
  }
  const char *fault = check_text(c, graph);
  if (fault == NULL) fault = set_inputs(c, graph);
  return fault == NULL ? check_results(c, graph) : fault;
}

/* ---- cases -------------------------------------------------------------------------------------
 */

static Outcome report(const Case *c, const char *fault) {
  if (fault == NULL) return PASSED;
  printf("%s: %s\n", c->folder, fault);
  return FAILED;
}

static bool is_supported(Case *c, const char **fault) {
  const char *path = arena_printf(c->ctx.arena, "%s/model.onnx", c->folder);
  Graph *graph = import_model(&c->ctx, path);
  if (graph == NULL || !can_be_interpreted(graph)) return false;
  *fault = read_case(c, graph);
  graph = *fault == NULL ? import_again(c) : NULL;
  if (graph != NULL) know_numbers(c, graph);
  return *fault != NULL || (graph != NULL && infer_graph(graph));
}

static Outcome run_case(Case *c) {
  c->ctx.arena = arena_new(&c->escape);
  if (c->ctx.arena == NULL || setjmp(c->escape.target) != 0) return report(c, c->escape.reason);
  c->ctx = new_context(c->ctx.arena, c->folder, &c->options);
  const char *fault = NULL;
  if (!is_supported(c, &fault)) {
    bool foreign = diag_errors(c->ctx.diag) == 0 || diag_exit_code(c->ctx.diag) == DIAG_UNSUPPORTED;
    return foreign ? SKIPPED : report(c, diag_text(c->ctx.diag, 0));
  }
  if (fault == NULL) fault = check_level(c, 0);
  return report(c, fault == NULL ? check_level(c, 2) : fault);
}

static Outcome run_folder(const char *root, const char *name) {
  char folder[4096];
  snprintf(folder, sizeof folder, "%s/%s", root, name);
  Case c = {.folder = folder};
  Outcome outcome = run_case(&c);
  arena_drop(c.ctx.arena);
  return outcome;
}

int main(int argc, char **argv) {
  char line[512];
  unsigned counts[OUTCOMES] = {0};
  FILE *list = argc == 3 ? fopen(argv[2], "r") : NULL;
  if (list == NULL) return 64;
  while (fgets(line, sizeof line, list) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    counts[run_folder(argv[1], line)]++;
  }
  fclose(list);
  printf("%u passed, %u failed, %u skipped\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
  return counts[FAILED] != 0 || counts[PASSED] == 0;
}
