/* fold-constants: a node on constants -> the constants it computes; a value whose contents are all
 * known -> a constant; a constant that a subgraph captures -> a constant of the subgraph.
 *
 * Right because the reference kernel, which the generated code would call, computes them now. What
 * uses a new constant is inferred again, since sizes may have become known. An error of a kernel
 * is the model's: it would happen on every run. (Not inside subgraphs, which may never run.)
 *
 * Folding may enlarge a model only so far: by GROWTH_OF_NODE at one node, GROWTH in one graph. */
#include "ir/interpret.h"
#include "onnxc.h"
#include "passes/pass.h"

#include <string.h>

static const size_t GROWTH_OF_NODE = (size_t)1 << 20, GROWTH = (size_t)64 << 20;

typedef struct Folding {
  PassRun *run;
  Context *ctx;
  Map stale; /* nodes with an input that became sharper */
  size_t growth;
} Folding;

/* ---- what became known -------------------------------------------------------------------------
 */

static void mark_users(Folding *f, const Value *value) {
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    map_set(&f->stale, map_key(use->user), use->user);
  }
}

static bool same_contents(const Value *value, const Dim *const *contents, uint32_t n) {
  if (value->contents == NULL || contents == NULL) return value->contents == contents;
  return value->n_contents == n && memcmp(value->contents, contents, n * sizeof *contents) == 0;
}

/* Infers a node with sharper inputs; its users follow when its outputs became sharper too. */
static bool refresh(Folding *f, Node *node) {
  if (map_get(&f->stale, map_key(node)) == NULL) return true;
  Value *before = arena_array(pass_scratch(f->run), node->n_out, sizeof *before);
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL) before[i] = *node->out[i];
  }
  if (!infer_node(node)) return false;
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *value = node->out[i];
    if (value == NULL) continue;
    bool same = type_equal(&value->type, &before[i].type) &&
                same_contents(value, before[i].contents, before[i].n_contents);
    if (!same) mark_users(f, value);
  }
  return true;
}

static void replace_by_constant(Folding *f, Node *node, uint32_t i, const Tensor *tensor) {
  Value *value = graph_add_constant(node->graph, node->out[i]->name, tensor);
  Builder builder = builder_at(node);
  mark_users(f, node->out[i]);
  build_replace_output(&builder, node, i, value);
}

/* ---- known contents ----------------------------------------------------------------------------
 */

static const Tensor *tensor_of_contents(Context *ctx, const Value *value) {
  int64_t dims[MAX_RANK];
  bool whole = !dtype_is_float(value->type.dtype); /* 0 of floats has a sign that contents lack */
  if (!whole || value->contents == NULL || !type_static(&value->type, dims)) return NULL;
  for (uint32_t i = 0; i < value->n_contents; i++) {
    if (!dim_is_const(value->contents[i], NULL)) return NULL;
  }
  Tensor *tensor = tensor_new(ctx, value->type.dtype, value->type.rank, dims);
  if (tensor == NULL || tensor->count != value->n_contents) return NULL;
  for (uint32_t i = 0; i < value->n_contents; i++) {
    tensor_set_i64(tensor, i, value->contents[i]->lo);
  }
  return tensor;
}

static void fold_contents(Folding *f, Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *value = node->out[i];
    if (value == NULL || value->uses == NULL) continue;
    const Tensor *tensor = tensor_of_contents(f->ctx, value);
    if (tensor != NULL && pass_hit(f->run, "contents")) replace_by_constant(f, node, i, tensor);
  }
  pass_prune(f->run, node);
}

/* ---- evaluation --------------------------------------------------------------------------------
 */

/* Inputs and symbolic attributes. */
static bool all_constant(const Node *node) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind == ATTR_DIMS) return false; /* its contents are known if they can be */
  }
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (node->in[i].value != NULL && node->in[i].value->constant == NULL) return false;
  }
  return true;
}

static bool is_read(const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *value = node->out[i];
    if (value != NULL && (value->uses != NULL || value_is_output(value))) return true;
  }
  return false;
}

/* With --strict-fp, only what no machine rounds differently: moves, and single operations. */
static bool folds_exactly(const Node *node) {
  static const char *const exact[] = {
      "Abs",      "Add",     "Cast", "Concat",    "Div",       "Expand",  "Flatten", "Gather",
      "Identity", "Mul",     "Neg",  "Pad",       "Relu",      "Reshape", "Slice",   "Split",
      "Sqrt",     "Squeeze", "Sub",  "Transpose", "Unsqueeze", "Where"};
  const Value *out = node_out(node, 0);
  if (out == NULL || out->type.kind != TYPE_TENSOR || !dtype_is_float(out->type.dtype)) return true;
  for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
    if (strcmp(node->op->name, exact[i]) == 0) return true;
  }
  return false;
}

static bool can_fold(const Node *node) {
  bool computable = node->op->eval != NULL && !(node->op->flags & OP_NONDETERMINISTIC);
  bool exact = !node->graph->ctx->options->strict_fp || folds_exactly(node);
  return computable && exact && node->n_in == node->n_formal && all_constant(node) && is_read(node);
}

/* Bytes of the numbers that the node makes; SIZE_MAX when that is not known. */
static size_t made_bytes(const Node *node) {
  size_t all = 0;
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] == NULL) continue;
    const Type *type = &node->out[i]->type;
    int64_t count;
    size_t bytes;
    if (type->kind != TYPE_TENSOR || type->dtype == ONNXC_RT_STRING) return SIZE_MAX;
    if (!dim_is_const(type_count(node->graph->ctx, type), &count)) return SIZE_MAX;
    if (!dtype_bytes(type->dtype, (size_t)count, &bytes)) return SIZE_MAX;
    if (__builtin_add_overflow(all, bytes, &all)) return SIZE_MAX;
  }
  return all;
}

/* Whether several nodes are all that reads the value, and what they make takes no more than it:
 * parts of a weight, perhaps, that are put together in another order. */
static bool is_parted(const Value *value) {
  size_t parts = 0;
  if (value_is_output(value)) return false;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    if (!can_fold(use->user)) return false;
    if (__builtin_add_overflow(parts, made_bytes(use->user), &parts)) return false;
  }
  return parts <= tensor_weight(value->constant);
}

/* Bytes of the inputs that are no longer needed when the node is gone; of one that is parted, those
 * of the node's part. */
static size_t freed_bytes(const Node *node) {
  size_t bytes = 0;
  bool shares = false;
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *value = node->in[i].value;
    if (value == NULL) continue;
    if (value_single_use(value)) {
      bytes += tensor_weight(value->constant);
    } else {
      shares = shares || is_parted(value);
    }
  }
  return bytes + (shares ? made_bytes(node) : 0);
}

static bool report_error(const Node *node, int error) {
  static const char *const meanings[] = {
      [ONNXC_RT_ERROR_INDEX] = "an index is outside its dimension",
      [ONNXC_RT_ERROR_SHAPE] = "the constant sizes contradict one another",
      [ONNXC_RT_ERROR_VALUE] = "a constant input is outside the operator's domain"};
  bool known = error > 0 && (size_t)error < sizeof meanings / sizeof *meanings;
  const char *meaning = known ? meanings[error] : NULL;
  return node_error(node, DIAG_INVALID, "%s", meaning == NULL ? "cannot be computed" : meaning);
}

static void replace_outputs(Folding *f, Node *node, const Tensor *const *outputs, size_t allowed) {
  size_t bytes = 0, freed = freed_bytes(node);
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL && outputs[i] == NULL) return;
    size_t weight = node->out[i] == NULL ? 0 : tensor_weight(outputs[i]);
    if (weight > allowed - bytes) return;
    bytes += weight;
  }
  if (!pass_hit(f->run, "node")) return;
  f->growth += bytes > freed ? bytes - freed : 0;
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL) replace_by_constant(f, node, i, outputs[i]);
  }
  pass_prune(f->run, node);
}

static bool fold_node(Folding *f, Node *node) {
  size_t left = GROWTH - f->growth;
  size_t allowed = freed_bytes(node) + (left < GROWTH_OF_NODE ? left : GROWTH_OF_NODE);
  Arena *scratch = pass_scratch(f->run);
  const Tensor **inputs = ARENA_ARRAY(scratch, node->n_in, const Tensor *);
  const Tensor **outputs = ARENA_ARRAY(scratch, node->n_out, const Tensor *);
  for (uint32_t i = 0; i < node->n_in; i++) {
    inputs[i] = node->in[i].value == NULL ? NULL : node->in[i].value->constant;
  }
  int error = 0;
  if (interpret_node(node, inputs, outputs, f->ctx->arena, allowed, &error)) {
    replace_outputs(f, node, outputs, allowed);
  } else if (error != 0 && node->graph->holder == NULL) {
    return report_error(node, error);
  }
  return true;
}

/* ---- subgraphs ---------------------------------------------------------------------------------
 */

static void fold_captures(Folding *f, const Node *node, Graph *graph) {
  VEC_EACH(Capture, capture, &graph->captures) {
    const Value *outer = node->in[capture->input].value;
    bool read = capture->inner->uses != NULL || value_is_output(capture->inner);
    if (outer->constant == NULL || !read || !pass_hit(f->run, "capture")) continue;
    graph_replace(capture->inner, graph_add_constant(graph, outer->name, outer->constant));
  }
}

static bool visit(Folding *f, Node *node) {
  if (!refresh(f, node)) return false;
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind == ATTR_GRAPH) fold_captures(f, node, node->attrs[i].graph);
  }
  fold_contents(f, node);
  return !can_fold(node) || !pass_may(f->run) || fold_node(f, node);
}

static bool run_fold_constants(PassRun *run, Graph *graph) {
  Folding f = {.run = run, .ctx = graph->ctx, .stale = map_on(pass_scratch(run))};
  bool done = true;
  for (Node *node = graph->first, *next; node != NULL; node = next) {
    next = node->next;
    if (!visit(&f, node)) done = false;
  }
  return done;
}

const PassDef pass_fold_constants = {
    .name = "fold-constants",
    .what = "Computes at compile time what depends on constants only",
    .changes = (const char *const[]){"contents", "node", "capture", NULL},
    .run = run_fold_constants,
};
