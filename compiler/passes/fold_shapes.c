/* fold-shapes: a small integer tensor computed from sizes (Shape, Gather, Concat, ...) whose
 * contents are expressions over the sizes of the inputs -> onnxc.Dims with those expressions.
 *
 * Right because contents are proven by inference. Only expressions over symbols that are known when
 * the generated function is entered are taken: others would have to wait for what computes them.
 * Of a chain only its end is replaced, where contents turn into something else.
 *
 * Reshape to sizes of which all but one are constant -> the same with a constant shape, where -1
 * stands for that one. */
#include "passes/facts.h"
#include "passes/pass.h"

#include <string.h>

/* ---- values ------------------------------------------------------------------------------------
 */

/* Somebody needs the numbers themselves: the contents are not handed on. */
static bool is_end(const Value *value) {
  if (value_is_output(value)) return true;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    const Value *result = node_out(use->user, 0);
    if (result == NULL || !value_contents_known(result)) return true;
  }
  return false;
}

static bool has_known_contents(const KnownSizes *known, const Value *value, int64_t *dims) {
  if (value->contents == NULL || !type_static(&value->type, dims)) return false;
  int64_t count = 1;
  for (int i = 0; i < value->type.rank; i++) count *= dims[i];
  if (count != value->n_contents) return false;
  for (uint32_t i = 0; i < value->n_contents; i++) {
    if (!size_known(known, value->contents[i])) return false;
  }
  return true;
}

static bool replace_output(PassRun *run, const KnownSizes *known, Node *node, uint32_t i) {
  const Value *value = node_out(node, i);
  int64_t dims[MAX_RANK];
  if (value == NULL || !has_known_contents(known, value, dims) || !is_end(value)) return false;
  if (!pass_hit(run, "contents")) return false;
  Builder builder = builder_at(node);
  build_replace_output(&builder, node, i,
                       build_contents(&builder, value->type.dtype, value->contents,
                                      value->n_contents, value->type.rank, dims));
  return true;
}

static Value *fix_shape(Match *m) {
  if (match_value(m, "shape")->constant != NULL) return NULL;
  Value *shape = build_shape(&m->builder, &m->root->out[0]->type);
  return shape == NULL ? NULL : BUILD(&m->builder, "Reshape", match_value(m, "x"), shape);
}

static const Rule rules[] = {
    RULE("reshape", P("Reshape", ANY("x"), ANY("shape")), fix_shape),
};

static bool run_fold_shapes(PassRun *run, Graph *graph) {
  const KnownSizes known = known_sizes(pass_scratch(run), graph);
  for (Node *node = graph->first, *next; node != NULL; node = next) {
    next = node->next;
    if (strcmp(node->op->domain, "onnxc") == 0) continue;
    bool replaced = false;
    for (uint32_t i = 0; i < node->n_out; i++) replaced |= replace_output(run, &known, node, i);
    if (replaced) pass_prune(run, node);
  }
  return true;
}

const PassDef pass_fold_shapes = {
    .name = "fold-shapes",
    .what = "Replaces arithmetic on sizes by the sizes",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .changes = (const char *const[]){"contents", NULL},
    .run = run_fold_shapes,
};
