#include "passes/run.h"

/* A pass that creates work for itself over and over ends after this many sweeps; what is left of
 * it is only a chance missed. */
enum { MAX_SWEEPS = 32 };

/* Rules by the operator of their root, found once for each operator of the graph. */
typedef struct RuleList {
  size_t n;
  const Rule *rules[];
} RuleList;

static const RuleList *find_rules(PassRun *run, Map *index, const OpDef *op) {
  RuleList *list = map_get(index, map_key(op));
  if (list != NULL) return list;
  const PassDef *pass = run->pass;
  list = arena_alloc(run->scratch, sizeof *list + pass->n_rules * sizeof *list->rules);
  for (size_t i = 0; i < pass->n_rules; i++) {
    const Rule *rule = &pass->rules[i];
    bool tried = pattern_roots(rule->pattern, op) && rule_enabled(run, rule->name);
    if (tried) list->rules[list->n++] = rule;
  }
  map_set(index, map_key(op), list);
  return list;
}

/* ---- dead nodes --------------------------------------------------------------------------------
 */

static bool is_dead(const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *value = node->out[i];
    if (value != NULL && (value->uses != NULL || value_is_output(value))) return false;
  }
  return true;
}

/* Producers of the inputs, each once. */
static uint32_t list_producers(const Node *node, Node **producers) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < node->n_in; i++) {
    Node *producer = node->in[i].value == NULL ? NULL : node->in[i].value->producer;
    bool listed = producer == NULL;
    for (uint32_t k = 0; k < n && !listed; k++) listed = producers[k] == producer;
    if (!listed) producers[n++] = producer;
  }
  return n;
}

void pass_prune(PassRun *run, Node *node) {
  Vec(Node *) dead = {0};
  if (is_dead(node)) vec_push(run->scratch, &dead, node);
  while (dead.len != 0) {
    node = dead.data[--dead.len];
    Node **producers = ARENA_ARRAY(run->scratch, node->n_in, Node *);
    uint32_t n = list_producers(node, producers);
    graph_remove(node);
    for (uint32_t i = 0; i < n; i++) {
      if (is_dead(producers[i])) vec_push(run->scratch, &dead, producers[i]);
    }
  }
}

/* ---- applying rules ----------------------------------------------------------------------------
 */

/* A rewrite may sharpen sizes but not contradict them, and never changes type or rank. */
static bool check_types(const Match *m, const Rule *rule, const Value *from, const Value *to) {
  const Type *a = &from->type, *b = &to->type;
  DimTable *dims = m->run->ctx->dims;
  bool same = a->kind == b->kind && a->dtype == b->dtype && a->rank == b->rank;
  for (int i = 0; same && a->kind == TYPE_TENSOR && i < a->rank; i++) {
    same = !dim_never_equal(dims, a->dims[i], b->dims[i]);
  }
  if (same) return true;
  Arena *arena = m->run->scratch;
  return node_error(m->root, DIAG_INTERNAL, "rule '%s' of pass '%s' turns %s into %s", rule->name,
                    m->run->pass->name, type_text(arena, a), type_text(arena, b));
}

/* The nodes between `before` and the root are new. */
static void add_origins(const Match *m, const Node *before) {
  Node *node = before == NULL ? m->root->graph->first : before->next;
  for (; node != m->root; node = node->next) {
    for (uint32_t i = 0; i < m->n_nodes; i++) node_add_origins(node, m->nodes[i]);
  }
}

/* One rule at one node: `*done` when it rewrote. False: reported. */
static bool try_rule(PassRun *run, const Rule *rule, Node *root, bool *done) {
  Match m = {.run = run};
  run->ctx->work++;
  if (!pattern_match(rule->pattern, root, &m)) return true;
  const Node *before = root->prev;
  Value *value = rule->rewrite(&m);
  if (value == NULL) return true;
  if (!check_types(&m, rule, root->out[0], value)) return false;
  add_origins(&m, before);
  build_replace(&m.builder, root, value);
  pass_hit(run, rule->name);
  pass_prune(run, root);
  *done = true;
  return true;
}

static bool sweep(PassRun *run, Map *index, Graph *graph) {
  for (Node *node = graph->first, *next; node != NULL; node = next) {
    next = node->next;
    run->ctx->work++;
    const RuleList *list = find_rules(run, index, node->op);
    bool done = false;
    for (size_t i = 0; i < list->n && !done; i++) {
      if (!pass_may(run)) return true;
      if (!try_rule(run, list->rules[i], node, &done)) return false;
    }
  }
  return true;
}

bool rules_apply(PassRun *run, Graph *graph) {
  Map index = map_on(run->scratch);
  size_t before = run->report->rewrites - 1;
  for (int i = 0; i < MAX_SWEEPS && run->report->rewrites != before; i++) {
    before = run->report->rewrites;
    if (!sweep(run, &index, graph)) return false;
  }
  return true;
}
