#include "passes/facts.h"
#include "passes/pass.h"

#include <math.h>
#include <string.h>

/* What is left to prove: the value is computed as the pattern says, then all of `next`. The
 * recursion of solve over this list is what makes every choice (operand order, alternative,
 * optional part) be taken back when a later goal fails. */
typedef struct Goal {
  const Pattern *pattern;
  Value *value;
  const struct Goal *next;
} Goal;

static bool solve(Match *m, const Goal *goal);

/* ---- single goals -----------------------------------------------------------------------------
 */

static bool bind(Match *m, const char *name, Value *value) {
  if (name == NULL) return true;
  for (uint32_t i = 0; i < m->n_bound; i++) {
    if (strcmp(m->names[i], name) == 0) return m->values[i] == value;
  }
  if (m->n_bound == MATCH_MAX) return false;
  m->names[m->n_bound] = name;
  m->values[m->n_bound++] = value;
  return true;
}

/* `name` is one of the alternatives of `A|B|C`. */
static bool named(const char *alternatives, const char *name) {
  size_t length = strlen(name);
  for (const char *at = alternatives; at != NULL; at = strchr(at, '|')) {
    at += *at == '|';
    if (strncmp(at, name, length) == 0 && (at[length] == '\0' || at[length] == '|')) return true;
  }
  return false;
}

static bool is_op(const Pattern *pattern, const OpDef *op) {
  return named(pattern->op, op->name) &&
         strcmp(op->domain, pattern->domain == NULL ? "" : pattern->domain) == 0;
}

bool match_add(Match *m, Node *node, bool single_use) {
  for (uint32_t i = 0; i < m->n_nodes; i++) {
    if (m->nodes[i] == node) return true;
  }
  if (m->n_nodes == MATCH_MAX) return false;
  m->nodes[m->n_nodes] = node;
  m->single[m->n_nodes++] = single_use;
  return true;
}

enum { MAX_CHILDREN = sizeof((Pattern *)0)->children / sizeof(Pattern *) };

/* The operands as goals, the first two exchanged when `swapped`. */
static bool solve_operands(Match *m, const Goal *goal, const Node *node, bool swapped) {
  Goal goals[MAX_CHILDREN];
  const Goal *next = goal->next;
  for (uint32_t i = MAX_CHILDREN; i-- > 0;) {
    const Pattern *child = goal->pattern->children[i];
    if (child == NULL) continue;
    goals[i] = (Goal){child, node_in(node, swapped && i < 2 ? 1 - i : i), next};
    next = &goals[i];
  }
  return solve(m, next);
}

static bool solve_node(Match *m, const Goal *goal) {
  const Value *value = goal->value;
  Node *node = value == NULL || value->output_index != 0 ? NULL : value->producer;
  if (node == NULL || !is_op(goal->pattern, node->op)) return false;
  if (!bind(m, goal->pattern->bind, goal->value)) return false;
  if (!match_add(m, node, goal->pattern->single_use)) return false;
  if (solve_operands(m, goal, node, false)) return true;
  return node->op->flags & OP_COMMUTATIVE && solve_operands(m, goal, node, true);
}

static bool solve_op(Match *m, const Goal *goal) {
  uint32_t n_bound = m->n_bound, n_nodes = m->n_nodes;
  if (solve_node(m, goal)) return true;
  m->n_bound = n_bound;
  m->n_nodes = n_nodes;
  if (!goal->pattern->optional) return false;
  return solve(m, &(Goal){goal->pattern->children[0], goal->value, goal->next});
}

static bool solve_or(Match *m, const Goal *goal) {
  if (!bind(m, goal->pattern->bind, goal->value)) return false;
  for (uint32_t i = 0; i < MAX_CHILDREN && goal->pattern->children[i] != NULL; i++) {
    if (solve(m, &(Goal){goal->pattern->children[i], goal->value, goal->next})) return true;
  }
  return false;
}

static bool solve_any(Match *m, const Goal *goal) {
  if (goal->value == NULL && !goal->pattern->optional) return false;
  return bind(m, goal->pattern->bind, goal->value) && solve(m, goal->next);
}

static bool solve_const(Match *m, const Goal *goal) {
  if (goal->value == NULL || goal->value->constant == NULL) return false;
  return solve_any(m, goal);
}

static bool solve_scalar(Match *m, const Goal *goal) {
  double value;
  if (goal->value == NULL || !value_splat(goal->value, &value)) return false;
  return splat_near(goal->value, value, goal->pattern->scalar) && solve_any(m, goal);
}

/* ---- the match --------------------------------------------------------------------------------
 */

static bool is_matched(const Match *m, const Node *node) {
  for (uint32_t i = 0; i < m->n_nodes; i++) {
    if (m->nodes[i] == node) return true;
  }
  return false;
}

bool match_closed(const Match *m) {
  for (uint32_t i = 0; i < m->n_nodes; i++) {
    if (!m->single[i] || m->nodes[i] == m->root) continue;
    const Value *value = m->nodes[i]->out[0];
    if (value_is_output(value)) return false;
    for (const Use *use = value->uses; use != NULL; use = use->next) {
      m->root->graph->ctx->work++;
      if (!is_matched(m, use->user)) return false;
    }
  }
  return true;
}

static bool solve(Match *m, const Goal *goal) {
  static bool (*const solvers[])(Match *, const Goal *) = {
      [PATTERN_OP] = solve_op,       [PATTERN_OR] = solve_or,         [PATTERN_ANY] = solve_any,
      [PATTERN_CONST] = solve_const, [PATTERN_SCALAR] = solve_scalar,
  };
  if (goal == NULL) return match_closed(m);
  uint32_t n_bound = m->n_bound, n_nodes = m->n_nodes;
  if (solvers[goal->pattern->kind](m, goal)) return true;
  m->n_bound = n_bound;
  m->n_nodes = n_nodes;
  return false;
}

bool pattern_match(const Pattern *pattern, Node *root, Match *m) {
  m->root = root;
  m->builder = builder_at(root);
  m->n_bound = m->n_nodes = 0;
  return node_out(root, 0) != NULL && solve(m, &(Goal){pattern, root->out[0], NULL});
}

bool pattern_roots(const Pattern *pattern, const OpDef *op) {
  if (pattern->kind == PATTERN_OP) return is_op(pattern, op);
  for (uint32_t i = 0; i < MAX_CHILDREN && pattern->children[i] != NULL; i++) {
    if (pattern_roots(pattern->children[i], op)) return true;
  }
  return false;
}

/* ---- what was bound ----------------------------------------------------------------------------
 */

Value *match_value(const Match *m, const char *name) {
  for (uint32_t i = 0; i < m->n_bound; i++) {
    if (strcmp(m->names[i], name) == 0) return m->values[i];
  }
  return NULL;
}

Node *match_node(const Match *m, const char *name) {
  const Value *value = match_value(m, name);
  return value == NULL ? NULL : value->producer;
}

bool match_scalar(const Match *m, const char *name, double *value) {
  const Value *bound = match_value(m, name);
  return bound != NULL && value_splat(bound, value);
}
