/* Which nodes become one step.
 *
 * Nodes are visited in order; a row node joins the group of one of its producers when the group
 * walks over the same space and nothing outside of it lies on a path between them. So chains of
 * elementwise operators, reductions and norms grow into one row program, and what follows a
 * contraction grows into its epilogue. One exception: an Add of two computed values that feeds a
 * norm stays out of the contraction, so that it and the norm are one step.
 *
 * Then nodes at the end of a group that only make a value wider go to the group that reads it, so
 * that the narrow one is what lies in memory; so do single sums and products of few numbers. */
#include "lower/group.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_MEMBERS = 48, SEARCH_LIMIT = 128 };

/* ---- what is needed at run time -----------------------------------------------------------------
 */

bool needed_at_run_time(const Node *node, uint32_t i) {
  const Value *value = node_in(node, i);
  if (i >= 32 || (node->op->shape_inputs >> i & 1) == 0) return true;
  return value != NULL && (!value_contents_known(value) || node_sizes_from_data(node));
}

static void need(Lowering *l, Value *value) {
  if (value != NULL) l->needed[value->id] = true;
}

void find_needed(Lowering *l) {
  VEC_EACH(Value *, output, &l->graph->outputs) need(l, *output);
  uint32_t position = l->graph->n_nodes;
  l->stretches = ARENA_ARRAY(l->scratch, position, uint32_t);
  for (Node *node = l->graph->last; node != NULL; node = node->prev) {
    l->positions[node->id] = --position;
    l->stretches[position] = position;
    bool live = false;
    for (uint32_t i = 0; i < node->n_out; i++) {
      live = live || (node->out[i] != NULL && l->needed[node->out[i]->id]);
    }
    if (!live) continue;
    l->groups[node->id] = ARENA_NEW(l->scratch, Group);
    for (uint32_t i = 0; i < node->n_in; i++) {
      if (needed_at_run_time(node, i)) need(l, node_in(node, i));
    }
  }
}

static Group *producer_group(const Lowering *l, const Value *value) {
  if (value == NULL || value->producer == NULL || value->constant != NULL) return NULL;
  return l->groups[value->producer->id];
}

/* ---- paths ---- */

static uint32_t n_members(const Group *g) {
  return (uint32_t)g->rows.len + (g->root != NULL);
}

static Node *member(const Group *g, uint32_t i) {
  if (g->root == NULL) return g->rows.data[i];
  return i == 0 ? g->root : g->rows.data[i - 1];
}

/* An operand of an epilogue may lie before the contraction. */
static uint32_t first_position(const Lowering *l, const Group *g) {
  uint32_t first = l->positions[member(g, 0)->id];
  uint32_t row = g->rows.len != 0 ? l->positions[g->rows.data[0]->id] : first;
  return row < first ? row : first;
}

static uint32_t last_position(const Lowering *l, const Group *g) {
  return l->positions[member(g, n_members(g) - 1)->id];
}

/* The graph's order is cut into stretches, each group in one of them: whoever gives a group members
 * has to call join_stretches while paths are still searched. Values go from earlier nodes to later
 * ones, so with each group in one stretch a path between groups never goes back to an earlier
 * stretch. This is the last position of the one around `at`. */
static uint32_t stretch(Lowering *l, uint32_t at) {
  uint32_t *next = l->stretches;
  while (next[at] != at) at = next[at] = next[next[at]];
  return at;
}

static void join_stretches(Lowering *l, const Group *g) {
  uint32_t at = stretch(l, first_position(l, g)), last = last_position(l, g);
  for (; at < last; at = stretch(l, at)) l->stretches[at] = at + 1;
}

static uint32_t stretch_of(Lowering *l, const Group *g) {
  return stretch(l, first_position(l, g));
}

/* A search for a path from a target to what some nodes read, from both ends at once: it ends as
 * soon as one of them has seen all that there is, so a short way on either side makes it short. */
typedef struct Search {
  Lowering *l;
  Group *target;
  const Group *from;     /* whose inputs are searched; NULL: a node's that has no group yet */
  uint32_t first, last;  /* the stretches in which a path can be */
  Groups up;             /* what these read is to be looked at, */
  Vec(const Use *) down; /* and what reads here and in the rest of each list */
  bool met;
} Search;

static void push_up(Search *s, Group *g) {
  if (g == NULL || g->above == s->l->stamp || stretch_of(s->l, g) < s->first) return;
  g->above = s->l->stamp;
  s->met = s->met || g->below == s->l->stamp;
  vec_push(s->l->scratch, &s->up, g);
}

static void push_down(Search *s, Group *g) {
  if (g == NULL || g == s->from || g->below == s->l->stamp || n_members(g) == 0) return;
  if (stretch_of(s->l, g) > s->last) return;
  g->below = s->l->stamp;
  s->met = s->met || g->above == s->l->stamp;
  for (uint32_t m = 0; m < n_members(g); m++) {
    const Node *node = member(g, m);
    for (uint32_t i = 0; i < node->n_out; i++) {
      const Value *out = node->out[i];
      if (out == NULL || out->constant != NULL || out->uses == NULL) continue;
      vec_push(s->l->scratch, &s->down, out->uses);
    }
  }
}

static void step_up(Search *s) {
  const Group *g = s->up.data[--s->up.len];
  s->l->ctx->work += n_members(g);
  for (uint32_t m = 0; m < n_members(g); m++) {
    const Node *node = member(g, m);
    for (uint32_t i = 0; i < node->n_in; i++) {
      if (needed_at_run_time(node, i)) push_up(s, producer_group(s->l, node_in(node, i)));
    }
  }
}

static void step_down(Search *s) {
  const Use *use = s->down.data[--s->down.len];
  s->l->ctx->work++;
  if (use->next != NULL) vec_push(s->l->scratch, &s->down, use->next);
  uint32_t i = (uint32_t)(use - use->user->in);
  if (needed_at_run_time(use->user, i)) push_down(s, s->l->groups[use->user->id]);
}

static Search search_new(Lowering *l, Group *target, const Group *from) {
  l->stamp++;
  uint32_t last = from == NULL ? UINT32_MAX : stretch_of(l, from);
  return (Search){
      .l = l, .target = target, .from = from, .first = stretch_of(l, target), .last = last};
}

/* Whether there is a path; a search that grows too long says yes. */
static bool search_run(Search *s) {
  if (s->up.len != 0) push_down(s, s->target);
  for (uint32_t n = 0; !s->met && s->up.len != 0 && s->down.len != 0; n++) {
    if (n == SEARCH_LIMIT) return true;
    step_up(s);
    step_down(s);
  }
  return s->met;
}

/* Whether the node may need any element of an input, so that another step has to compute it. */
static bool reads_whole(const Node *node, uint32_t i) {
  return i < 32 && node->op->whole_inputs >> i & 1;
}

/* Whether an input of `node` depends on `g` and cannot come from the step that `g` is. */
static bool node_reaches(Lowering *l, const Node *node, Group *g) {
  Search s = search_new(l, g, NULL);
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (!needed_at_run_time(node, i)) continue;
    Group *producer = producer_group(l, node_in(node, i));
    if (producer != g || reads_whole(node, i)) push_up(&s, producer);
  }
  return search_run(&s);
}

/* Whether `from` depends on `g` in a way that keeps them from being one step: through a third
 * group, its contraction, or a node that may need any element. */
static bool group_reaches(Lowering *l, const Group *from, Group *g) {
  Search s = search_new(l, g, from);
  for (uint32_t m = 0; m < n_members(from); m++) {
    const Node *node = member(from, m);
    for (uint32_t i = 0; i < node->n_in; i++) {
      if (!needed_at_run_time(node, i)) continue;
      Group *producer = producer_group(l, node_in(node, i));
      bool local = node != from->root && !reads_whole(node, i);
      if (producer == from || (producer == g && local)) continue;
      push_up(&s, producer);
    }
  }
  return search_run(&s);
}

/* ---- fitting ------------------------------------------------------------------------------------
 */

/* How the node sees the space: as its own shape, or with the row collapsed to one element. */
static bool shape_is(const Group *g, const Type *type, bool collapsed) {
  if (type->rank != g->rank) return false;
  for (int i = 0; i < g->rank; i++) {
    if (collapsed && g->inner[i]) {
      if (!dim_is(type->dims[i], 1)) return false;
    } else if (type->dims[i] != g->shape[i]) {
      return false;
    }
  }
  return true;
}

const Type *node_space(const Node *node) {
  return node->op->row->axes != NULL ? &node_in(node, 0)->type : &node_out(node, 0)->type;
}

static bool same_axes(const Group *g, const bool *inner) {
  return memcmp(g->inner, inner, sizeof g->inner) == 0;
}

/* The row axes of a node; false when it has none of its own. */
static bool row_axes(const Node *node, bool *inner) {
  memset(inner, 0, GROUP_AXES * sizeof *inner);
  return node->op->row->axes != NULL && node->op->row->axes(node, inner);
}

static bool fits(const Group *g, const Node *node) {
  bool inner[GROUP_AXES];
  if (row_axes(node, inner)) {
    return g->root == NULL && shape_is(g, node_space(node), false) &&
           (!g->has_axes || same_axes(g, inner));
  }
  return shape_is(g, node_space(node), false) ||
         (g->has_axes && shape_is(g, node_space(node), true));
}

/* ---- policy ---- */

static bool is_norm(const Node *node) {
  return node->op->row != NULL && node->op->row->axes != NULL && node->n_in > 1;
}

static bool feeds_norm(const Lowering *l, const Node *node) {
  for (const Use *use = node->out[0]->uses; use != NULL; use = use->next) {
    l->ctx->work++;
    if (l->groups[use->user->id] != NULL && is_norm(use->user)) return true;
  }
  return false;
}

static bool has_computed_operands(const Node *node) {
  uint32_t computed = 0;
  for (uint32_t i = 0; i < node->n_in; i++) {
    computed += node_in(node, i) != NULL && node_in(node, i)->constant == NULL;
  }
  return computed > 1;
}

/* A contraction takes a node that is the only reader of its result. Its epilogue cannot report
 * that an index is wrong. */
static bool contraction_takes(const Lowering *l, const Group *g, const Node *node) {
  if (node->op->whole_inputs != 0) return false;
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *in = node_in(node, i);
    if (producer_group(l, in) == g && !value_single_use(in)) return false;
  }
  return !(has_computed_operands(node) && feeds_norm(l, node));
}

static bool may_join(Lowering *l, Group *g, const Node *node) {
  if (n_members(g) >= MAX_MEMBERS || !fits(g, node)) return false;
  if (g->root != NULL && !contraction_takes(l, g, node)) return false;
  return !node_reaches(l, node, g);
}

/* ---- forming groups ---- */

static void set_space(Group *g, const Type *type) {
  g->rank = type->rank;
  if (type->rank != 0) memcpy(g->shape, type->dims, (size_t)type->rank * sizeof *type->dims);
}

static void join(Lowering *l, Group *g, Node *node) {
  bool inner[GROUP_AXES];
  if (row_axes(node, inner)) {
    memcpy(g->inner, inner, sizeof inner);
    g->has_axes = true;
  }
  vec_push(l->scratch, &g->rows, node);
  l->groups[node->id] = g;
  join_stretches(l, g);
}

/* The axis of `from` that axis `i` of the larger space is; NULL: it lacks it, or has a size of 1.
 */
static const Dim *size_at(const Group *into, const Group *from, int i) {
  int k = i - (into->rank - from->rank);
  return k < 0 || dim_is(from->shape[k], 1) ? NULL : from->shape[k];
}

/* Whether `from` broadcasts to the space of `into`. */
static bool spans(const Group *into, const Group *from) {
  if (from->rank > into->rank) return false;
  for (int i = 0; i < into->rank; i++) {
    const Dim *size = size_at(into, from, i);
    if (size != NULL && size != into->shape[i]) return false;
  }
  return true;
}

/* Whether elements of `from` would be computed more than once: those that are the same for a whole
 * row are not. */
static bool repeats(const Group *into, const Group *from) {
  for (int i = 0; i < into->rank; i++) {
    bool row = into->has_axes ? into->inner[i] : i == into->rank - 1;
    bool same = size_at(into, from, i) == into->shape[i] || dim_is(into->shape[i], 1);
    if (!same && (!row || into->root != NULL)) return true;
  }
  return false;
}

/* Whether only `into` reads what `from` computes. */
static bool is_private(const Lowering *l, const Group *into, const Group *from) {
  VEC_EACH(Node *const, node, &from->rows) {
    for (uint32_t i = 0; i < (*node)->n_out; i++) {
      const Value *out = node_out(*node, i);
      if (out == NULL || !l->needed[out->id]) continue;
      if (value_is_output(out)) return false;
      for (const Use *use = out->uses; use != NULL; use = use->next) {
        const Group *user = l->groups[use->user->id];
        if (user != NULL && user != into && user != from) return false;
      }
    }
  }
  return true;
}

enum { SMALL_COST = 16, SMALL_SPACE = 256 };

/* Whether computing `from` for each element of `into` adds little: because there is little of one
 * of them, or because it is the same along trailing axes that are long enough. */
static bool is_cheap(Lowering *l, const Group *into, const Group *from) {
  int64_t cost = 0, elements = 1, run = 1;
  VEC_EACH(Node *const, node, &from->rows) cost += row_cost(l, *node);
  for (int i = 0; i < into->rank; i++) {
    if (__builtin_mul_overflow(elements, into->shape[i]->hi, &elements)) elements = INT64_MAX;
  }
  for (int i = into->rank - 1; i >= 0 && size_at(into, from, i) == NULL; i--) {
    if (__builtin_mul_overflow(run, into->shape[i]->lo, &run)) run = INT64_MAX;
  }
  return cost <= SMALL_COST || elements <= SMALL_SPACE || cost <= run;
}

/* Whether the contraction takes all of the group into its epilogue. */
static bool takes_all(const Lowering *l, const Group *contraction, const Group *from) {
  VEC_EACH(Node *const, node, &from->rows) {
    if (!contraction_takes(l, contraction, *node)) return false;
  }
  return !from->has_axes;
}

static bool same_space(const Group *a, const Group *b) {
  return a->rank == b->rank &&
         (a->rank == 0 || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0);
}

static bool may_merge(Lowering *l, Group *into, Group *from) {
  if (from->root != NULL || from->rows.len == 0 || !spans(into, from)) return false;
  if (n_members(into) + n_members(from) > MAX_MEMBERS) return false;
  if (into->root != NULL && !takes_all(l, into, from)) return false;
  if (from->has_axes && !same_space(into, from)) return false;
  if (into->has_axes && from->has_axes && !same_axes(into, from->inner)) return false;
  if (repeats(into, from) && !(is_private(l, into, from) && is_cheap(l, into, from))) return false;
  return !group_reaches(l, into, from) && !group_reaches(l, from, into);
}

static void merge(Lowering *l, Group *into, Group *from) {
  Group merged = *into;
  memset(&merged.rows, 0, sizeof merged.rows);
  if (from->has_axes) {
    merged.has_axes = true;
    memcpy(merged.inner, from->inner, sizeof merged.inner);
  }
  size_t i = 0, j = 0;
  while (i < into->rows.len || j < from->rows.len) {
    bool first = j == from->rows.len ||
                 (i < into->rows.len &&
                  l->positions[into->rows.data[i]->id] < l->positions[from->rows.data[j]->id]);
    Node *node = first ? into->rows.data[i++] : from->rows.data[j++];
    vec_push(l->scratch, &merged.rows, node);
    l->groups[node->id] = into;
  }
  *into = merged;
  join_stretches(l, into);
}

/* Distinct groups of the node's producers that take part in fusion, the latest first. */
static uint32_t candidates(const Lowering *l, const Node *node, Group **found, uint32_t max) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < node->n_in && n < max; i++) {
    Group *g = needed_at_run_time(node, i) ? producer_group(l, node_in(node, i)) : NULL;
    if (g == NULL || g->rank < 0) continue;
    uint32_t at = 0;
    while (at < n && found[at] != g) at++;
    if (at == n) found[n++] = g;
  }
  for (uint32_t i = 1; i < n; i++) {
    for (uint32_t j = i; j > 0; j--) {
      if (last_position(l, found[j - 1]) >= last_position(l, found[j])) break;
      Group *swap = found[j];
      found[j] = found[j - 1];
      found[j - 1] = swap;
    }
  }
  return n;
}

static void place_row_node(Lowering *l, Node *node) {
  enum { MAX_CANDIDATES = 16 };
  Group *found[MAX_CANDIDATES], *home = NULL;
  uint32_t n = l->fuse ? candidates(l, node, found, MAX_CANDIDATES) : 0;
  for (uint32_t i = 0; i < n && home == NULL; i++) { /* row programs can join it, but not it them */
    if (found[i]->root != NULL && may_join(l, found[i], node)) home = found[i];
  }
  for (uint32_t i = 0; i < n && home == NULL; i++) {
    if (may_join(l, found[i], node)) home = found[i];
  }
  if (home == NULL) {
    home = l->groups[node->id];
    set_space(home, node_space(node));
  }
  join(l, home, node);
  for (uint32_t i = 0; i < n; i++) {
    if (found[i] == home) continue;
    if (may_merge(l, home, found[i])) {
      merge(l, home, found[i]);
    } else if (home->root == NULL && may_merge(l, found[i], home)) {
      merge(l, found[i], home);
      home = found[i];
    }
  }
}

/* Row programs over one space that read the same value read it once, together. */
static void merge_readers(Lowering *l, const Node *node) {
  enum { MAX_READERS = 8 };
  Group *g = l->groups[node->id];
  if (g == NULL || g->root != NULL) return;
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *value = node_in(node, i);
    if (value == NULL || value->constant != NULL) continue;
    const Use *use = node->in[i].next; /* those that came before it, the latest first */
    for (int k = 0; k < MAX_READERS && use != NULL; k++, use = use->next) {
      Group *other = l->groups[use->user->id];
      if (other == NULL || other == g || !same_space(g, other)) continue;
      if (may_merge(l, g, other)) merge(l, g, other);
    }
  }
}

/* ---- parts of one result ---- */

/* The row program that makes a value, perhaps behind views; NULL: none does. */
static Group *row_group(const Lowering *l, Value *value) {
  Group *g = producer_group(l, shown_value(value));
  return g != NULL && g->root == NULL && g->rows.len != 0 ? g : NULL;
}

static bool reads_memory(const Group *g, const Value *memory) {
  VEC_EACH(Node *const, row, &g->rows) {
    for (uint32_t i = 0; i < (*row)->n_in; i++) {
      Value *in = node_in(*row, i);
      if (in != NULL && shown_value(in) == memory) return true;
    }
  }
  return false;
}

/* Whether both read one tensor; of `parts`, one that is computed, of which `a` reads a part. */
static bool share_memory(const Group *a, const Group *b, bool parts) {
  VEC_EACH(Node *const, row, &a->rows) {
    for (uint32_t i = 0; i < (*row)->n_in; i++) {
      Value *in = node_in(*row, i);
      const Value *memory = in == NULL ? NULL : shown_value(in);
      if (memory == NULL || (memory->constant != NULL && memory->constant->count == 1)) continue;
      if (parts && (memory == in || memory->constant != NULL)) continue;
      if (reads_memory(b, memory)) return true;
    }
  }
  return false;
}

/* Parts of one result that are computed from the same tensors are computed together: the halves of
 * a rotary embedding are one walk over both. */
static void merge_parts(Lowering *l, const Node *concat) {
  for (uint32_t i = 1; i < concat->n_formal; i++) {
    Group *from = row_group(l, node_in(concat, i));
    for (uint32_t k = 0; k < i && from != NULL; k++) {
      Group *into = row_group(l, node_in(concat, k));
      if (into == NULL || into == from || !share_memory(into, from, false)) continue;
      if (!may_merge(l, into, from)) continue;
      merge(l, into, from);
      break;
    }
  }
}

/* Results of which parts are computed alike from parts of one tensor, as queries and keys are
 * turned that one product has made, are computed together. */
static void merge_siblings(Lowering *l, Node *concat) {
  enum { MAX_BACK = 8 };
  Group *into = row_group(l, node_in(concat, 0));
  size_t n = l->joins.len;
  for (size_t i = n; into != NULL && i-- > 0 && i + MAX_BACK >= n;) {
    Group *from = row_group(l, node_in(l->joins.data[i], 0));
    if (from == NULL || from == into || !share_memory(into, from, true)) continue;
    if (may_merge(l, into, from)) merge(l, into, from);
  }
  vec_push(l->scratch, &l->joins, concat);
}

static void place_node(Lowering *l, Node *node) {
  Group *own = l->groups[node->id];
  if (node->op->row != NULL && row_accepts(l, node)) {
    place_row_node(l, node);
    return;
  }
  if (l->fuse && node->op->lower == lower_concat) {
    merge_parts(l, node);
    merge_siblings(l, node);
  }
  own->root = node;
  own->rank = -1;
  if (node->op->takes_epilogue != NULL && node->op->takes_epilogue(node)) {
    set_space(own, &node->out[0]->type);
  }
}

/* ---- handing over ------------------------------------------------------------------------------
 * No paths are searched from here on: what is moved goes to the only group that reads it. */

/* The only input of an elementwise node that is no constant, of the output's sizes. */
static Value *only_operand(const Node *node) {
  Value *operand = NULL;
  if (node->op->row == NULL || node->op->row->axes != NULL || node->n_out != 1) return NULL;
  if (node->op->whole_inputs != 0) return NULL;
  for (uint32_t i = 0; i < node->n_in; i++) {
    Value *in = node_in(node, i);
    if (in == NULL || in->constant != NULL || in == operand) continue;
    if (operand != NULL) return NULL;
    operand = in;
  }
  const Type *out = &node->out[0]->type;
  bool same = operand != NULL && operand->type.rank == out->rank;
  for (int i = 0; same && i < out->rank; i++) same = operand->type.dims[i] == out->dims[i];
  return same ? operand : NULL;
}

/* The only group that reads the value, other than `g`, all in row programs and element by element;
 * NULL if there is none. */
static Group *only_reader(const Lowering *l, const Value *value, const Group *g) {
  Group *reader = NULL;
  if (value_is_output(value)) return NULL;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    Group *user = l->groups[use->user->id];
    if (user == NULL) continue;
    if (user == g || user->root == use->user || (reader != NULL && user != reader)) return NULL;
    if (reads_whole(use->user, (uint32_t)(use - use->user->in))) return NULL;
    reader = user;
  }
  return reader;
}

static bool is_row_member(const Lowering *l, const Node *node, const Group *g) {
  return node != NULL && l->groups[node->id] == g && g->root != node;
}

static int bits_of(const Value *value) {
  return dtype_info(value->type.dtype)->bits;
}

enum { MAX_CHAIN = 8 };

/* Nodes from `last` upwards behind the narrowest value on the way; none when that is the last. */
static uint32_t find_widening(const Lowering *l, Node *last, const Group *g, Node **chain) {
  uint32_t n = 0, widening = 0;
  int least = bits_of(last->out[0]);
  for (Node *node = last; n < MAX_CHAIN && is_row_member(l, node, g);) {
    Value *operand = only_operand(node);
    if (operand == NULL) break;
    chain[n++] = node;
    if (bits_of(operand) < least) {
      least = bits_of(operand);
      widening = n;
    }
    if (operand->producer == NULL || !value_single_use(operand)) break;
    node = operand->producer;
  }
  return widening;
}

static void move_node(Lowering *l, Node *node, Group *from, Group *to) {
  size_t at = 0, kept = 0;
  for (size_t i = 0; i < from->rows.len; i++) {
    if (from->rows.data[i] != node) from->rows.data[kept++] = from->rows.data[i];
  }
  from->rows.len = kept;
  vec_push(l->scratch, &to->rows, node);
  while (l->positions[to->rows.data[at]->id] < l->positions[node->id]) at++;
  for (size_t i = to->rows.len - 1; i > at; i--) to->rows.data[i] = to->rows.data[i - 1];
  to->rows.data[at] = node;
  l->groups[node->id] = to;
}

/* Whether the value broadcasts to the space, and those of the group that read it let it. */
static bool broadcasts_to(const Lowering *l, const Value *value, const Group *g) {
  const Type *type = &value->type;
  for (int i = 1; i <= type->rank; i++) {
    const Dim *size = type->dims[type->rank - i];
    if (i > g->rank || (size != g->shape[g->rank - i] && !dim_is(size, 1))) return false;
  }
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    bool live = l->groups[use->user->id] != NULL;
    if (live && (use->user->op->flags & OP_COMMUTATIVE) == 0) return false;
  }
  return true;
}

/* A sum or product of few numbers that is a step of its own is none where many are computed. */
static bool is_small(const Lowering *l, const Node *node, const Group *g, const Group *to) {
  bool alone = g->root == NULL && g->rows.len == 1;
  return alone && (node->op->flags & OP_COMMUTATIVE) != 0 && node->op->row->axes == NULL &&
         g->rank < to->rank && broadcasts_to(l, node->out[0], to);
}

static void hand_over(Lowering *l, Node *node) {
  Node *chain[MAX_CHAIN];
  Group *g = l->groups[node->id];
  if (!is_row_member(l, node, g) || node->n_out != 1 || node->out[0] == NULL) return;
  Group *to = only_reader(l, node->out[0], g);
  if (to == NULL || to->rank < 0 || n_members(to) == MAX_MEMBERS) return;
  if (is_small(l, node, g, to)) {
    move_node(l, node, g, to);
    return;
  }
  uint32_t n = find_widening(l, node, g, chain);
  if (n == 0 || n_members(to) + n > MAX_MEMBERS || !fits(to, node)) return;
  for (uint32_t i = 0; i < n; i++) move_node(l, chain[i], g, to);
}

/* ---- order ---- */

/* Depth first over dependencies, without recursion: a group goes to the order once all groups that
 * it reads from are there. */
static void order_group(Lowering *l, Group *first, Groups *order) {
  Vec(Group *) stack = {0};
  vec_push(l->scratch, &stack, first);
  while (stack.len != 0) {
    Group *g = stack.data[stack.len - 1];
    size_t before = stack.len;
    l->ctx->work += n_members(g);
    for (uint32_t m = 0; m < n_members(g) && !g->placed; m++) {
      const Node *node = member(g, m);
      for (uint32_t i = 0; i < node->n_in; i++) {
        if (!needed_at_run_time(node, i)) continue;
        Group *producer = producer_group(l, node_in(node, i));
        if (producer == NULL || producer == g || producer->placed) continue;
        vec_push(l->scratch, &stack, producer);
      }
    }
    if (stack.len != before) continue;
    stack.len--;
    if (g->placed) continue;
    g->placed = true;
    vec_push(l->ctx->arena, order, g);
  }
}

void fuse_nodes(Lowering *l, Groups *order) {
  for (Node *node = l->graph->first; node != NULL; node = node->next) {
    l->ctx->work++;
    if (l->groups[node->id] != NULL) place_node(l, node);
  }
  for (Node *node = l->graph->first; node != NULL && l->fuse; node = node->next) {
    merge_readers(l, node);
  }
  for (Node *node = l->graph->last; l->fuse && node != NULL; node = node->prev) {
    if (l->groups[node->id] != NULL) hand_over(l, node);
  }
  for (Node *node = l->graph->first; node != NULL; node = node->next) {
    Group *g = l->groups[node->id];
    if (g != NULL && !g->placed) order_group(l, g, order);
  }
}
