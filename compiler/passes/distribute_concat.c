/* distribute-concat: f(Concat(a, b), y) -> Concat(f(a, y1), f(b, y2)), where f is elementwise and
 * y1 and y2 are the parts of y that meet a and b; also where the parts alternate, because a Reshape
 * joins the axis along which they are put together to the one before it.
 *
 * Right because an elementwise operator does not care where an element is. Worth it because what
 * makes a part then makes f of it, too, and stores that in its place. This is what turns every
 * spelling of a rotary embedding, x cos + rotate(x) sin, into the two sums of products that it is:
 * rotate(x) is a Concat, and where the tables of cosines and sines are, their parts are found. Done
 * only where sizes are constant and each part is a view, a constant or used nowhere else, and no
 * norm reads f. */
#include "lower/row.h"
#include "ops/compose.h"
#include "passes/facts.h"
#include "passes/parts.h"
#include "passes/pass.h"

#include <string.h>

enum { MAX_PARTS = 8, MAX_SWEEPS = 8 };

/* ---- joined values -----------------------------------------------------------------------------
 */

/* A value that a Concat makes: parts that follow one another, or that alternate. */
typedef struct Join {
  Node *concat;
  bool alternate;
  uint32_t n;
  Part parts[MAX_PARTS];
} Join;

/* Whether computing with the input itself, in place of the joined value, takes no step of its own.
 */
static bool is_loose(const Value *value) {
  return value->constant != NULL || value_single_use(value) ||
         node_named(value->producer, VIEW_NAMES " Slice Split Gather Transpose Expand");
}

static bool list_parts(const Value *value, int axis, Join *join) {
  const Node *concat = join->concat;
  int64_t start = 0;
  join->n = concat->n_formal;
  if (join->n < 2 || join->n > MAX_PARTS) return false;
  for (uint32_t i = 0; i < join->n; i++) {
    const Value *in = concat->in[i].value;
    int64_t size = static_dim(in, param_axis(concat, concat->out[0]->type.rank));
    if (size < 1 || !is_loose(in)) return false;
    join->parts[i] = (Part){axis, start, 1, size};
    if (join->alternate) {
      if (size != 1) return false;
      join->parts[i] = (Part){axis, i, join->n, static_dim(value, axis) / join->n};
    }
    start += size;
  }
  return true;
}

/* The last axis of the Concat, with one element of each part, is joined to the one before. */
static bool joins_columns(const Node *view) {
  const Type *in = &view->in[0].value->type, *out = &view->out[0]->type;
  const Node *concat = view->in[0].value->producer;
  return in->rank == out->rank + 1 && in->rank >= 2 &&
         param_axis(concat, in->rank) == in->rank - 1 &&
         (out->rank == 1 ||
          memcmp(in->dims, out->dims, (size_t)(out->rank - 1) * sizeof *in->dims) == 0);
}

static bool find_join(const Value *value, Join *join) {
  Node *node = value->producer;
  *join = (Join){.concat = node};
  if (node == NULL || value->constant != NULL || !value_single_use(value)) return false;
  if (node_named(node, "Concat")) {
    return list_parts(value, param_axis(node, value->type.rank), join);
  }
  if (!node_named(node, VIEW_NAMES) || !value_single_use(node->in[0].value)) return false;
  *join = (Join){.concat = node->in[0].value->producer, .alternate = true};
  if (!node_named(join->concat, "Concat") || !joins_columns(node)) return false;
  return list_parts(value, value->type.rank - 1, join);
}

/* ---- rewriting --------------------------------------------------------------------------------
 */

/* The values, as parts of one like `whole`. */
static Value *join_values(Builder *b, const Join *join, Value **values, const Type *whole) {
  int axis = join->parts[0].axis;
  if (!join->alternate) return compose_concat(b, values, join->n, axis);
  for (uint32_t i = 0; i < join->n; i++) {
    const Dim *dims[MAX_RANK];
    memcpy(dims, values[i]->type.dims, (size_t)whole->rank * sizeof *dims);
    dims[whole->rank] = dim_const(b->graph->ctx->dims, 1);
    values[i] = compose_reshape(b, values[i], dims, whole->rank + 1);
  }
  Value *joined = compose_concat(b, values, join->n, whole->rank);
  return compose_reshape(b, joined, whole->dims, whole->rank);
}

/* The parts of the root's output; false: some operand has none that fit. */
static bool move_parts(const Node *root, uint32_t operand, Join *join, Route *routes) {
  const Value *in = root->in[operand].value, *out = root->out[0];
  for (uint32_t i = 0; i < join->n; i++) {
    join->parts[i].axis += out->type.rank - in->type.rank;
    if (!part_operands(root, &join->parts[i], &routes[i])) return false;
  }
  return static_dim(out, join->parts[0].axis) ==
         static_dim(in, join->parts[0].axis - (out->type.rank - in->type.rank));
}

static bool computes_rows(const Node *node) {
  bool computes = row_computes(node->out[0]->type.dtype);
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *in = node_in(node, i);
    computes = computes && (in == NULL || row_computes(in->type.dtype));
  }
  return computes && node->out[0]->type.rank < MAX_RANK;
}

static bool try_operand(PassRun *run, Node *root, uint32_t operand) {
  Join join;
  Route routes[MAX_PARTS];
  const Value *in = node_in(root, operand);
  if (in == NULL || !find_join(in, &join) || !move_parts(root, operand, &join, routes))
    return false;
  if (!pass_hit(run, join.alternate ? "alternating" : "adjoining")) return false;
  Builder builder = builder_at(root);
  Value *values[MAX_PARTS];
  for (uint32_t i = 0; i < join.n; i++) {
    Taker taker = part_taker(&builder, true);
    values[i] = part_build(&taker, root, &routes[i]);
  }
  Value *joined = join_values(&builder, &join, values, &root->out[0]->type);
  node_add_origins(joined->producer, join.concat);
  build_replace(&builder, root, joined);
  pass_prune(run, root);
  return true;
}

static bool try_root(PassRun *run, Node *root) {
  if (!part_computes(root) || !computes_rows(root) || feeds_norm(root)) return false;
  if (value_contents_known(root->out[0])) return false; /* sizes, which nobody computes */
  for (uint32_t i = 0; i < root->n_in; i++) {
    if (try_operand(run, root, i)) return true;
  }
  return false;
}

/* What has been joined anew may be an operand of what comes behind it, and parts of it may be
 * joined themselves. */
static bool run_distribute_concat(PassRun *run, Graph *graph) {
  bool changed = true;
  for (int i = 0; i < MAX_SWEEPS && changed; i++) {
    changed = false;
    for (Node *node = graph->first, *next; node != NULL; node = next) {
      next = node->next;
      changed |= try_root(run, node);
    }
  }
  return true;
}

const PassDef pass_distribute_concat = {
    .name = "distribute-concat",
    .what = "Elementwise operators of joined values, as rotary embeddings are, go to the parts",
    .changes = (const char *const[]){"adjoining", "alternating", NULL},
    .run = run_distribute_concat,
};
