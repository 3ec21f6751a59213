/* cancel-movement: move'(f(move(a), move(b), ...)) -> f(a, b, ...) where move' undoes move and f is
 * any tree of elementwise operators. Moves are transposes, through which operators go that name
 * their axes (Concat, Pad, reductions, ...); views (Reshape and its like); and views that merge
 * leading axes into one, through which products with a constant matrix go.
 *
 * Right because elementwise operators do not care where an element is, a product with a matrix
 * only about the last axis, and an axis has a name wherever it is. Done only when every operand of
 * the tree is such a move or a constant and nothing but the tree and further such moves reads it,
 * so that movement vanishes altogether and nothing is computed twice. */
#include "ops/compose.h"
#include "passes/facts.h"
#include "passes/pass.h"
#include "passes/permute.h"

#include <string.h>

enum { MAX_TREE = 48, MAX_SWEEPS = 8 };

typedef enum MoveKind { MOVE_TRANSPOSE, MOVE_VIEW, MOVE_LEADING } MoveKind;

static const char *const rule_names[] = {"transposes", "views", "leading-axes", NULL};

/* An attempt to undo the movement of one node. */
typedef struct Move {
  MoveKind kind;
  Node *root;
  int64_t perm[MAX_RANK]; /* of the root, for transposes */
  uint32_t n_nodes;
  Node *nodes[MAX_TREE]; /* the tree, operands behind what reads them */
  bool moves;            /* it has an operand that moves */
  Map copies;            /* value -> what stands for it without movement */
} Move;

/* ---- movement ---------------------------------------------------------------------------------
 */

static bool is_view(const Node *node) {
  return node_named(node, VIEW_NAMES);
}

static bool undoes(const Move *m, const Node *transpose) {
  int64_t perm[MAX_RANK];
  transpose_perm(transpose, perm);
  if (transpose->out[0]->type.rank != m->root->out[0]->type.rank) return false;
  for (int i = 0; i < transpose->out[0]->type.rank; i++) {
    if (perm[m->perm[i]] != i) return false;
  }
  return true;
}

/* The last axis stays, and the others are those of the root's output. */
static bool merges_leading(const Move *m, const Type *from, const Type *to) {
  const Type *out = &m->root->out[0]->type;
  if (to->rank != 2 || out->rank < 2 || from->rank != out->rank) return false;
  size_t leading = (size_t)out->rank - 1;
  return memcmp(from->dims, out->dims, leading * sizeof *from->dims) == 0 &&
         from->dims[leading] == to->dims[1];
}

/* What the root's movement gives back of `value`; NULL when that is not a move it undoes. */
static Value *source_of(const Move *m, const Value *value) {
  const Node *node = value->producer;
  if (node == NULL ||
      (m->kind == MOVE_TRANSPOSE ? !node_named(node, "Transpose") : !is_view(node))) {
    return NULL;
  }
  Value *from = node->in[0].value;
  switch (m->kind) {
  case MOVE_TRANSPOSE: return undoes(m, node) ? from : NULL;
  case MOVE_VIEW: return same_dims(&from->type, &m->root->out[0]->type) ? from : NULL;
  default: return merges_leading(m, &from->type, &value->type) ? from : NULL;
  }
}

/* ---- the tree ---------------------------------------------------------------------------------
 */

static bool is_product(const Node *node) {
  if (!node_named(node, "MatMul") || node->in[1].value->constant == NULL) return false;
  return node->in[0].value->type.rank == 2 && node->in[1].value->type.rank == 2;
}

static bool in_tree(const Move *m, const Node *node) {
  for (uint32_t i = 0; i < m->n_nodes; i++) {
    if (m->nodes[i] == node) return true;
  }
  return false;
}

/* A constant that fits the tree with and without the movement. */
static bool constant_fits(const Move *m, const Value *value) {
  const Type *type = &value->type;
  if (value->constant->count == 1 && type->rank <= m->root->out[0]->type.rank) return true;
  return m->kind == MOVE_TRANSPOSE ? type->rank <= m->root->out[0]->type.rank
                                   : m->kind == MOVE_LEADING && type->rank <= 1;
}

/* Inputs of a node of the tree that move with it. */
static uint32_t n_moving(const Move *m, const Node *node) {
  uint32_t n;
  if (m->kind == MOVE_LEADING && is_product(node)) return 1;
  return m->kind == MOVE_TRANSPOSE && permutes(node, &n) ? n : node->n_in;
}

static bool add_node(Move *m, Node *node) {
  uint32_t n;
  bool takes = is_elementwise(node) || (m->kind == MOVE_LEADING && is_product(node)) ||
               (m->kind == MOVE_TRANSPOSE && permutes(node, &n));
  if (!takes || node->n_out != 1 || m->n_nodes == MAX_TREE) return false;
  if (!in_tree(m, node)) m->nodes[m->n_nodes++] = node;
  return true;
}

/* The operand moves, or is a constant that fits, or belongs to the tree. */
static bool take_operand(Move *m, const Node *node, uint32_t i) {
  const Value *value = node->in[i].value;
  if (value == NULL || i >= n_moving(m, node)) return true;
  if (value->constant != NULL) return constant_fits(m, value);
  if (source_of(m, value) != NULL) return m->moves = true;
  return value->producer != NULL && value->output_index == 0 && add_node(m, value->producer);
}

/* The tree with all its operands, from the root down. */
static bool collect(Move *m) {
  Node *top = m->root->in[0].value->producer;
  if (top == NULL || m->root->in[0].value->output_index != 0 || !add_node(m, top)) return false;
  for (uint32_t n = 0; n < m->n_nodes; n++) {
    m->root->graph->ctx->work++;
    for (uint32_t i = 0; i < m->nodes[n]->n_in; i++) {
      if (!take_operand(m, m->nodes[n], i)) return false;
    }
  }
  return m->moves;
}

/* Moves that read the tree besides the root, and will vanish in their turn. */
static bool moves_alike(const Move *m, const Node *node) {
  int64_t perm[MAX_RANK];
  if (m->kind != MOVE_TRANSPOSE) {
    return is_view(node) && same_dims(&node->out[0]->type, &m->root->out[0]->type);
  }
  if (!node_named(node, "Transpose")) return false;
  transpose_perm(node, perm);
  return memcmp(perm, m->perm, (size_t)node->out[0]->type.rank * sizeof *perm) == 0;
}

static bool is_closed(const Move *m) {
  for (uint32_t n = 0; n < m->n_nodes; n++) {
    const Value *value = m->nodes[n]->out[0];
    if (value_is_output(value)) return false;
    for (const Use *use = value->uses; use != NULL; use = use->next) {
      m->root->graph->ctx->work++;
      if (!in_tree(m, use->user) && !moves_alike(m, use->user)) return false;
    }
  }
  return true;
}

/* ---- rewriting --------------------------------------------------------------------------------
 */

/* A constant with axes of size 1 in front, so that its rank is `rank`. */
static Value *of_rank(Builder *b, Value *value, int rank) {
  DimTable *t = value->graph->ctx->dims;
  const Dim *dims[MAX_RANK];
  int added = rank - value->type.rank;
  for (int i = 0; i < rank; i++)
    dims[i] = i < added ? dim_const(t, 1) : value->type.dims[i - added];
  return compose_reshape(b, value, dims, rank);
}

static Value *unmoved_constant(const Move *m, Builder *b, Value *value, bool elementwise) {
  if (m->kind != MOVE_TRANSPOSE) return value;
  if (value->constant->count == 1 && elementwise) return value;
  value = of_rank(b, value, m->root->out[0]->type.rank);
  Node *node = build_node(b, "", "Transpose", &value, 1, 1);
  node_set_ints(node, "perm", m->perm, (size_t)value->type.rank);
  return build_done(b, node);
}

static Value *copy_of(Move *m, const Node *node);

static Value *unmoved(Move *m, Builder *b, const Node *node, uint32_t i) {
  Value *value = node->in[i].value;
  if (value == NULL || i >= n_moving(m, node)) return value;
  if (value->constant != NULL) return unmoved_constant(m, b, value, is_elementwise(node));
  Value *source = source_of(m, value);
  return source != NULL ? source : copy_of(m, value->producer);
}

static Value *rebuild(const Move *m, Builder *b, const Node *node, Value **inputs) {
  if (!is_elementwise(node) && m->kind == MOVE_TRANSPOSE) {
    return build_permuted(b, node, inputs, m->perm);
  }
  Node *copy = build_node(b, "", node->op->name, inputs, node->n_in, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(copy, node->attrs[i]);
  return build_done(b, copy);
}

/* The result of the node without the movement; recursion is no deeper than the tree is large. */
static Value *copy_of(Move *m, const Node *node) {
  Value *known = map_get(&m->copies, map_key(node));
  if (known != NULL) return known;
  Builder b = {.graph = node->graph, .before = m->root, .origin = node};
  Value **inputs = ARENA_ARRAY(m->copies.arena, node->n_in, Value *);
  for (uint32_t i = 0; i < node->n_in; i++) inputs[i] = unmoved(m, &b, node, i);
  Value *result = rebuild(m, &b, node, inputs);
  map_set(&m->copies, map_key(node), result);
  return result;
}

static bool try_move(PassRun *run, MoveKind kind, Node *root) {
  Move m = {.kind = kind, .root = root, .copies = map_on(pass_scratch(run))};
  const Type *in = &root->in[0].value->type;
  if (kind == MOVE_TRANSPOSE) transpose_perm(root, m.perm);
  if (kind == MOVE_LEADING && !merges_leading(&m, &root->out[0]->type, in)) return false;
  if (!collect(&m) || !is_closed(&m) || !pass_hit(run, rule_names[kind])) return false;
  Builder builder = builder_at(root);
  build_replace(&builder, root, copy_of(&m, root->in[0].value->producer));
  pass_prune(run, root);
  return true;
}

static bool sweep(PassRun *run, Graph *graph) {
  bool changed = false;
  for (Node *node = graph->first, *next; node != NULL; node = next) {
    next = node->next;
    if (node_named(node, "Transpose")) {
      changed |= try_move(run, MOVE_TRANSPOSE, node);
    } else if (is_view(node)) {
      changed |= try_move(run, MOVE_VIEW, node) || try_move(run, MOVE_LEADING, node);
    }
  }
  return changed;
}

/* A tree that vanished may have been what kept another one from it. */
static bool run_cancel_movement(PassRun *run, Graph *graph) {
  for (int i = 0; i < MAX_SWEEPS && sweep(run, graph); i++) continue;
  return true;
}

const PassDef pass_cancel_movement = {
    .name = "cancel-movement",
    .what = "Transposes and views around elementwise operators and products that cancel",
    .changes = rule_names,
    .run = run_cancel_movement,
};
