/* rematerialise: y = f(x), g(y), ... h(y) -> y = f(x), g(y), ... h(f(x)).
 *
 * Right because f computes the same again from the same values: operators that draw numbers are
 * left out, and those whose sizes depend on data.
 *
 * Worth it where y lies in memory over the time that needs the most of it and costs little: an
 * operation or a copy for each element, from values that are there anyway or are smaller. That is
 * work for memory, so it is for -Os. The graph is lowered and planned as it is, the changes that
 * what is live speaks for are tried, and the best of them stays, as long as the arena shrinks. */
#include "passes/facts.h"
#include "passes/measure.h"
#include "passes/run.h"

#include <stdlib.h>
#include <string.h>

enum {
  MAX_NODES = 16,  /* in one copy */
  MAX_TRIALS = 16, /* of plans for the sake of one change */
  MAX_CHANGES = 16
};

/* ---- the graph as steps see it -----------------------------------------------------------------
 */

typedef struct Study {
  Measure m;
  uint32_t *steps;     /* by node id: the first that computes or reads it; UINT32_MAX: none */
  uint32_t *positions; /* by node id: in the order of the graph */
  const Buffer *
      *bases;  /* by value id: where its elements are, also in other order; NULL: nowhere */
  double work; /* of all steps: multiply-accumulates, and elements read and written */
} Study;

static bool is_movement(const Node *node) {
  return (node->op->flags & OP_VIEW) != 0 || node_named(node, "Transpose Slice Split Expand");
}

/* A value that has no buffer of its own is part of another or is computed where it is read. */
static void find_bases(Study *s, const Graph *graph) {
  uint32_t n = 0;
  VEC_EACH(Buffer *const, buffer, &s->m.steps->buffers) {
    if ((*buffer)->place == BUFFER_INPUT)
      s->bases[graph->inputs.data[(*buffer)->index]->id] = *buffer;
  }
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    s->positions[node->id] = n++;
    for (uint32_t i = 0; i < node->n_out; i++) {
      const Value *out = node->out[i], *in = node_in(node, 0);
      if (out == NULL) continue;
      bool shares = s->m.homes[out->id] == NULL && is_movement(node) && in != NULL;
      s->bases[out->id] = shares ? s->bases[in->id] : s->m.homes[out->id];
    }
  }
}

static uint32_t first_reader(const Study *s, const Value *value) {
  uint32_t first = UINT32_MAX;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    uint32_t step = s->steps[use->user->id];
    first = step < first ? step : first;
  }
  return first;
}

static void find_steps(Study *s, const Graph *graph) {
  for (const Node *node = graph->last; node != NULL; node = node->prev) {
    uint32_t first = UINT32_MAX;
    for (uint32_t i = 0; i < node->n_out; i++) {
      if (node->out[i] == NULL) continue;
      const Buffer *home = s->m.homes[node->out[i]->id];
      uint32_t step = home != NULL ? s->m.lives[home->id].step : first_reader(s, node->out[i]);
      first = step < first ? step : first;
    }
    s->steps[node->id] = first;
  }
}

static bool study_graph(Graph *graph, Arena *arena, Study *s) {
  if (!measure_graph(graph, arena, &s->m)) return false;
  s->steps = ARENA_ARRAY(arena, graph->ctx->n_nodes, uint32_t);
  s->positions = ARENA_ARRAY(arena, graph->ctx->n_nodes, uint32_t);
  s->bases = ARENA_ARRAY(arena, graph->ctx->n_values, const Buffer *);
  find_bases(s, graph);
  find_steps(s, graph);
  s->work = (double)s->m.macs + s->m.traffic / sizeof(float);
  return true;
}

/* ---- changes -----------------------------------------------------------------------------------
 */

/* An input of a node that reads what lies in the buffer. */
typedef struct Reader {
  Value *value;
  Node *node;
  uint32_t input, step;
} Reader;

/* Readers that get one copy, in the order of their steps. */
typedef struct Copy {
  const Reader *readers;
  size_t n;
  Vec(Node *) nodes;          /* to be computed again, in topological order, */
  Vec(const Buffer *) longer; /* and what has to be there longer for them */
  bool fused;                 /* it is never in memory */
} Copy;

typedef struct Change {
  const Study *s;
  const Life *life; /* of the buffer */
  Vec(Reader) readers;
  Vec(Copy) copies;
  size_t need;
  double operations; /* more than before */
} Change;

typedef Vec(Change) Changes;

static bool is_plain(const Node *node) {
  if ((node->op->flags & OP_NONDETERMINISTIC) != 0 || node_sizes_from_data(node)) return false;
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind == ATTR_GRAPH) return false;
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *out = node->out[i];
    if (out == NULL || out->type.kind != TYPE_TENSOR || out->type.dtype == ONNXC_RT_STRING)
      return false;
  }
  return true;
}

/* Whether the input is needed when the program runs, and not only its sizes. */
static bool is_read(const Node *node, uint32_t i) {
  if (i >= 32 || (node->op->shape_inputs >> i & 1) == 0) return true;
  return node_in(node, i) != NULL && !value_contents_known(node_in(node, i));
}

/* A few operations for each element at most. */
static bool is_cheap(const Node *node) {
  bool cheap = is_movement(node) || is_elementwise(node) ||
               node_named(node, "Concat Pad Tile Gather ConstantOfShape Range");
  return cheap && is_plain(node);
}

static bool holds_node(const Copy *copy, const Node *node) {
  VEC_EACH(Node *const, at, &copy->nodes) {
    if (*at == node) return true;
  }
  return false;
}

/* Whether what lies there can be read at a step, and whether it could be if it were kept. A state
 * changes in place where nobody reads it later. */
static bool is_there(const Change *c, const Buffer *base, uint32_t step) {
  if (base == NULL || base == c->life->buffer || base->place == BUFFER_STATE) return false;
  return base->place != BUFFER_ARENA || c->s->m.lives[base->id].last >= 2 * step;
}

static bool may_last(const Change *c, const Buffer *base) {
  return base != NULL && base->place == BUFFER_ARENA && base->bytes < c->life->buffer->bytes;
}

/* Adds what computes the value again in front of the first reader's step. False: too much does. */
static bool reach(Arena *arena, const Change *c, Copy *copy, const Value *value) {
  if (value == NULL || value->constant != NULL) return true;
  const Buffer *base = c->s->bases[value->id];
  if (is_there(c, base, copy->readers->step)) return true;
  Node *node = value->producer;
  if (node == NULL) return false;
  if (holds_node(copy, node)) return true;
  size_t n_nodes = copy->nodes.len, n_longer = copy->longer.len;
  bool reached = is_cheap(node);
  for (uint32_t i = 0; reached && i < node->n_in; i++) {
    reached = !is_read(node, i) || reach(arena, c, copy, node_in(node, i));
  }
  if (reached && copy->nodes.len < MAX_NODES) {
    vec_push(arena, &copy->nodes, node);
    return true;
  }
  copy->nodes.len = n_nodes;
  copy->longer.len = n_longer;
  if (base == c->life->buffer || !may_last(c, base)) return false;
  vec_push(arena, &copy->longer, base);
  return true;
}

static double operations_of(const Copy *copy) {
  double sum = 0;
  VEC_EACH(Node *const, node, &copy->nodes) {
    if (((*node)->op->flags & OP_VIEW) != 0) continue;
    for (uint32_t i = 0; i < (*node)->n_out; i++) {
      const Value *out = (*node)->out[i];
      sum += (double)type_count(out->graph->ctx, &out->type)->hi;
    }
  }
  return sum;
}

/* Whether a single step reads it and computes it in passing. */
static bool is_fused(const Copy *copy) {
  for (size_t i = 0; i < copy->n; i++) {
    const Reader *reader = &copy->readers[i];
    if (reader->step != copy->readers[0].step || !is_elementwise(reader->node)) return false;
  }
  VEC_EACH(Node *const, node, &copy->nodes) {
    if (!is_elementwise(*node)) return false;
  }
  return true;
}

/* A copy for the readers from `first` up to `end`; false: it takes too much. */
static bool add_copy(Arena *arena, Change *c, size_t first, size_t end) {
  Copy copy = {.readers = &c->readers.data[first], .n = end - first};
  for (size_t i = 0; i < copy.n; i++) {
    if (!reach(arena, c, &copy, copy.readers[i].value)) return false;
  }
  copy.fused = is_fused(&copy);
  c->operations += operations_of(&copy);
  vec_push(arena, &c->copies, copy);
  return true;
}

/* ---- which changes lower what is live ----------------------------------------------------------
 */

static int compare_readers(const void *a, const void *b) {
  const Reader *x = a, *y = b;
  return x->step < y->step ? -1 : x->step > y->step;
}

static void find_readers(Arena *arena, const Graph *graph, Change *c) {
  for (Node *node = graph->first; node != NULL; node = node->next) {
    const Value *out = node_out(node, 0);
    if (c->s->steps[node->id] == UINT32_MAX) continue;
    if (out != NULL && c->s->bases[out->id] == c->life->buffer) continue; /* lies there, too */
    for (uint32_t i = 0; i < node->n_in; i++) {
      Value *in = node_in(node, i);
      if (in == NULL || in->constant != NULL || c->s->bases[in->id] != c->life->buffer) continue;
      if (!is_read(node, i)) continue;
      Reader reader = {in, node, i, c->s->steps[node->id]};
      vec_push(arena, &c->readers, reader);
    }
  }
  if (c->readers.len > 1)
    qsort(c->readers.data, c->readers.len, sizeof *c->readers.data, compare_readers);
}

static void add_live(size_t *live, const Buffer *buffer, uint32_t first, uint32_t last) {
  for (uint32_t t = first; t <= last; t++) live[t] += measure_bytes(buffer);
}

/* What would be live at most when a copy is there from its first reader to its last, and the
 * buffer itself up to the last of the `kept` readers. */
static size_t weigh(const Change *c, size_t kept) {
  const Measure *m = &c->s->m;
  const Life *life = c->life;
  Arena *scratch = arena_scratch(m->arena);
  size_t *live = ARENA_ARRAY(scratch, 2 * (size_t)m->n, size_t), most = 0;
  memcpy(live, m->live, 2 * (size_t)m->n * sizeof *live);
  uint32_t end = 2 * c->readers.data[kept - 1].step + 1;
  for (uint32_t t = end + 1; t <= life->last; t++) live[t] -= measure_bytes(life->buffer);
  VEC_EACH(const Copy, copy, &c->copies) {
    uint32_t first = 2 * copy->readers[0].step, last = 2 * copy->readers[copy->n - 1].step + 1;
    if (!copy->fused) add_live(live, life->buffer, first, last < life->last ? last : life->last);
    VEC_EACH(const Buffer *const, longer, &copy->longer) {
      add_live(live, *longer, m->lives[(*longer)->id].last + 1, first);
    }
  }
  for (uint32_t t = 0; t < 2 * m->n; t++) most = live[t] > most ? live[t] : most;
  arena_drop(scratch);
  return most;
}

static double score_of(const Change *c) {
  return measure_score(c->need, c->s->work + c->operations);
}

/* Which readers get copies: */
typedef enum Split {
  SPLIT_APART,  /* those behind the first step that reads, one for each step */
  SPLIT_AT,     /* those at the peak and behind it, one for all */
  SPLIT_BEHIND, /* those behind it, where others are at the peak */
  N_SPLITS
} Split;

static bool is_kept(const Change *c, Split split, const Reader *reader) {
  uint32_t peak = c->s->m.peak;
  if (split == SPLIT_APART) return reader->step == c->readers.data[0].step;
  return split == SPLIT_AT ? reader->step < peak : reader->step <= peak;
}

/* False: there is none to be kept, or none that is not, or a copy takes too much. */
static bool add_copies(Arena *arena, Change *c, Split split, size_t *kept) {
  const Reader *readers = c->readers.data;
  size_t n = c->readers.len;
  while (*kept < n && is_kept(c, split, &readers[*kept])) ++*kept;
  if (*kept == 0 || *kept == n) return false;
  if (split == SPLIT_BEHIND && readers[*kept - 1].step < c->s->m.peak) return false; /* as AT */
  for (size_t first = *kept, end; first < n; first = end) {
    end = first + 1;
    while (end < n && (split != SPLIT_APART || readers[end].step == readers[first].step)) end++;
    if (!add_copy(arena, c, first, end)) return false;
  }
  return true;
}

static void add_change(const Study *s, const Life *life, Split split, const Graph *graph,
                       Changes *list) {
  const Measure *m = &s->m;
  Change c = {.s = s, .life = life};
  size_t kept = 0;
  find_readers(m->arena, graph, &c);
  if (!add_copies(m->arena, &c, split, &kept)) return;
  c.need = weigh(&c, kept);
  if (c.need < m->most && score_of(&c) < measure_score(m->most, s->work))
    vec_push(m->arena, list, c);
}

static int compare_changes(const void *a, const void *b) {
  const Change *x = a, *y = b;
  double x_score = score_of(x), y_score = score_of(y);
  if (x_score < y_score || y_score < x_score) return x_score < y_score ? -1 : 1;
  return x->need < y->need ? -1 : x->need > y->need;
}

/* Of what lies there at the peak and was there before. */
static void find_changes(const Study *s, const Graph *graph, Changes *list) {
  for (uint32_t i = 0; i < s->m.n_buffers; i++) {
    const Life *life = &s->m.lives[i];
    if (life->buffer == NULL || life->buffer->place != BUFFER_ARENA) continue;
    if (life->first / 2 >= s->m.peak || life->last / 2 < s->m.peak) continue;
    if (life->buffer->value == NULL) continue;
    for (Split split = 0; split < N_SPLITS; split++) add_change(s, life, split, graph, list);
  }
  if (list->len > 1) qsort(list->data, list->len, sizeof *list->data, compare_changes);
}

/* ---- trial -------------------------------------------------------------------------------------
 */

static Node *compute_again(Arena *scratch, Node *node, Node *before, Value **again) {
  Value **inputs = ARENA_ARRAY(scratch, node->n_in, Value *);
  for (uint32_t i = 0; i < node->n_in; i++) {
    Value *in = node_in(node, i);
    inputs[i] = in != NULL && again[in->id] != NULL ? again[in->id] : in;
  }
  Builder b = builder_at(before);
  b.origin = node;
  Node *made = build_node(&b, node->op->domain, node->op->name, inputs, node->n_in, node->n_out);
  node_copy_attrs(made, node);
  build_done(&b, made);
  for (uint32_t i = 0; i < node->n_out; i++) again[node->out[i]->id] = made->out[i];
  return made;
}

typedef Vec(Node *) Nodes;

/* Readers of copies read those; `made` gets the nodes that compute them. */
static void apply(Arena *scratch, const Change *c, Nodes *made) {
  VEC_EACH(const Copy, copy, &c->copies) {
    Node *before = copy->readers[0].node;
    Value **again = ARENA_ARRAY(scratch, before->graph->ctx->n_values, Value *);
    for (size_t i = 1; i < copy->n; i++) {
      Node *node = copy->readers[i].node;
      if (c->s->positions[node->id] < c->s->positions[before->id]) before = node;
    }
    VEC_EACH(Node *const, node, &copy->nodes) {
      vec_push(scratch, made, compute_again(scratch, *node, before, again));
    }
    for (size_t i = 0; i < copy->n; i++) {
      const Reader *reader = &copy->readers[i];
      node_set_input(reader->node, reader->input, again[reader->value->id]);
    }
  }
}

static void take_back(const Change *c, const Nodes *made) {
  VEC_EACH(const Copy, copy, &c->copies) {
    for (size_t i = 0; i < copy->n; i++) {
      const Reader *reader = &copy->readers[i];
      node_set_input(reader->node, reader->input, reader->value);
    }
  }
  for (size_t i = made->len; i-- > 0;) graph_remove(made->data[i]);
}

/* Plans the graph with the change, and leaves it as it was. */
static void try_change(PassRun *run, Graph *graph, Change *c) {
  Arena *scratch = arena_scratch(run->scratch);
  Nodes made = {0};
  apply(scratch, c, &made);
  c->need = measure_arena(graph, scratch);
  take_back(c, &made);
  arena_drop(scratch);
}

/* The change among the first that has the best plan; NULL: all are worse than none. */
static const Change *find_best(PassRun *run, Graph *graph, const Study *s, Changes *list) {
  size_t arena_bytes = s->m.plan.arena_bytes;
  double least = measure_score(arena_bytes, s->work);
  const Change *best = NULL;
  for (size_t i = 0; i < list->len && i < MAX_TRIALS; i++) {
    Change *c = &list->data[i];
    try_change(run, graph, c);
    if (c->need >= arena_bytes || score_of(c) >= least) continue;
    least = score_of(c);
    best = c;
  }
  return best;
}

/* Makes the best change there is; false: there is none. */
static bool improve(PassRun *run, Graph *graph) {
  Arena *scratch = arena_scratch(run->scratch);
  Changes list = {0};
  const Change *best = NULL;
  Study s;
  if (study_graph(graph, scratch, &s)) {
    find_changes(&s, graph, &list);
    best = find_best(run, graph, &s, &list);
  }
  bool done = best != NULL && pass_hit(run, "compute-again");
  if (done) {
    Nodes made = {0};
    pass_adds(run, 0, (int64_t)best->operations);
    apply(scratch, best, &made);
  }
  arena_drop(scratch);
  return done;
}

static bool run_rematerialise(PassRun *run, Graph *graph) {
  bool more = graph->holder == NULL; /* the plan is that of the whole */
  for (int i = 0; more && i < MAX_CHANGES && pass_may(run); i++) more = improve(run, graph);
  return true;
}

const PassDef pass_rematerialise = {
    .name = "rematerialise",
    .what = "What costs little is computed again where keeping it takes memory",
    .changes = (const char *const[]){"compute-again", NULL},
    .run = run_rematerialise,
};
