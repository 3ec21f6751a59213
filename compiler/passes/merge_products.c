/* merge-products: x A + a, x B + b, x C + c, with constant matrices -> the parts of x [A B C] +
 * [a b c], by a Split along the last axis; biases may be missing.
 *
 * Right because each column of a product depends on its own column of the matrix only. Worth it
 * where it makes fewer steps: queries, keys and values are one product then, and attention reads
 * its parts where they are. What would be an epilogue of a product alone is a step of its own
 * behind parts, one for all that it connects, and what needs its operands without gaps takes a copy
 * of a part; both are counted. So the two products of a gated layer stay apart, each with its share
 * of the gate as epilogue, and four gates of a recurrent cell do not. */
#include "passes/facts.h"
#include "passes/pass.h"

#include <string.h>

enum { MAX_PRODUCTS = 64, MAX_NODES = 32, MAX_DEPTH = 16 };

typedef struct NodeSet {
  uint32_t n;
  const Node *nodes[MAX_NODES];
} NodeSet;

typedef struct Product {
  Node *matmul, *add; /* add NULL: no bias */
  Value *result;
  int64_t columns;
  NodeSet epilogue; /* elementwise nodes that it could have as its epilogue */
  NodeSet readers;  /* nodes that compute more than row by row with it */
  uint32_t leader;  /* one of those that it belongs together with, the same for all of them */
} Product;

typedef struct Products {
  uint32_t n;
  Product *list[MAX_PRODUCTS];
} Products;

typedef Vec(Node *) Nodes;

/* ---- readers -----------------------------------------------------------------------------------
 */

/* Whether a view of a part can be told by strides: its last axis is kept or split. */
static bool keeps_rows(const Value *part, const Value *view) {
  int64_t columns = static_dim(part, part->type.rank - 1), product = 1;
  for (int i = view->type.rank - 1; i >= 0 && product < columns; i--) {
    int64_t size = static_dim(view, i);
    if (size < 1 || __builtin_mul_overflow(product, size, &product)) return false;
  }
  return product == columns;
}

/* What is read: the part itself, a view of all of it, or a slice of it. */
typedef enum Seen { SEEN_PART, SEEN_VIEW, SEEN_SLICE } Seen;

/* What repeats elements is copied by whoever cannot read strides, like a slice. */
static bool is_slice(const Node *node) {
  if (!node_named(node, "Gather")) return node_named(node, "Slice Split Expand");
  const Tensor *index = node->in[1].value->constant;
  return index != NULL && index->count == 1;
}

static bool takes_strides(const Value *value, Seen seen, int depth);

static bool reader_takes_strides(const Use *use, Seen seen, int depth) {
  const Node *user = use->user;
  uint32_t input = (uint32_t)(use - user->in);
  if (input >= user->n_formal) return false;
  if (user->op->row != NULL || (user->op->flags & OP_STRIDED) != 0) return true;
  /* into which a product would be stored, but not a slice of it */
  if (node_named(user, "Concat")) return seen == SEEN_SLICE;
  bool view = node_named(user, VIEW_NAMES), slice = is_slice(user);
  if (input != 0 || !(view || slice || node_named(user, "Transpose"))) return false;
  if (view && seen == SEEN_PART && !keeps_rows(use->value, user->out[0])) return false;
  Seen next = slice || seen == SEEN_SLICE ? SEEN_SLICE : SEEN_VIEW;
  for (uint32_t i = 0; i < user->n_out; i++) {
    const Value *out = node_out(user, i);
    if (out != NULL && !takes_strides(out, next, depth + 1)) return false;
  }
  return true;
}

/* Whether everything that reads the value takes operands with gaps. */
static bool takes_strides(const Value *value, Seen seen, int depth) {
  if (value_is_output(value) || depth > MAX_DEPTH) return false;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    if (!reader_takes_strides(use, seen, depth)) return false;
  }
  return true;
}

static bool holds(const NodeSet *set, const Node *node) {
  for (uint32_t i = 0; i < set->n; i++) {
    if (set->nodes[i] == node) return true;
  }
  return false;
}

/* False: there is no room. */
static bool add(NodeSet *set, const Node *node) {
  if (holds(set, node)) return true;
  if (set->n == MAX_NODES) return false;
  set->nodes[set->n++] = node;
  return true;
}

static bool meet(const NodeSet *a, const NodeSet *b) {
  for (uint32_t i = 0; i < b->n; i++) {
    if (holds(a, b->nodes[i])) return true;
  }
  return false;
}

/* The elementwise operators right behind a product, which could be its epilogue. */
static void find_epilogue(Product *p) {
  const Value *value = p->result;
  bool room = true;
  for (uint32_t i = 0; room; value = p->epilogue.nodes[i++]->out[0]) {
    for (const Use *use = value->uses; use != NULL && room; use = use->next) {
      bool joins =
          is_elementwise(use->user) && same_dims(&use->user->out[0]->type, &p->result->type);
      if (joins) room = add(&p->epilogue, use->user);
    }
    if (i == p->epilogue.n) return;
  }
}

/* Adds the nodes that compute more than row by row with what is made of the node's outputs. */
static void find_readers(const Node *node, NodeSet *readers) {
  NodeSet path = {.n = 1, .nodes = {node}};
  for (uint32_t i = 0; i < path.n; i++) {
    for (uint32_t k = 0; k < path.nodes[i]->n_out; k++) {
      const Value *value = node_out(path.nodes[i], k);
      for (const Use *use = value == NULL ? NULL : value->uses; use != NULL; use = use->next) {
        bool passes = use->user->op->row != NULL || is_slice(use->user) ||
                      node_named(use->user, VIEW_NAMES " Transpose Concat");
        if (!add(passes ? &path : readers, use->user)) return;
      }
    }
  }
}

/* Whether two products are needed at the same time, so that neither keeps the other's memory for
 * longer: one step follows both, or reads both. */
static bool belong_together(const Product *a, const Product *b) {
  if (a->epilogue.n != 0 || b->epilogue.n != 0) return meet(&a->epilogue, &b->epilogue);
  return meet(&a->readers, &b->readers);
}

/* ---- products ----------------------------------------------------------------------------------
 */

static bool is_product(const Node *node) {
  if (!node_named(node, "MatMul") || node->in[0].value->type.rank < 2) return false;
  const Value *w = node->in[1].value;
  if (w->constant == NULL || w->type.rank != 2 || w->constant->count == 0) return false;
  if (w->type.dtype != ONNXC_RT_F32) return false; /* others have no kernel that writes strides */
  for (const Use *use = w->uses; use != NULL; use = use->next) { /* or it would be stored twice */
    if (!node_named(use->user, "MatMul") || use != &use->user->in[1]) return false;
  }
  return true;
}

/* One number for each column. */
static bool read_bias(const Product *p, double *numbers) {
  const Node *add = p->add;
  const Value *bias = add->in[add->in[0].value == p->matmul->out[0] ? 1 : 0].value;
  int rank = p->matmul->out[0]->type.rank;
  return constant_over(bias, rank, rank - 1, rank, &p->columns, numbers);
}

static void find_bias(PassRun *run, Product *p) {
  const Value *product = p->matmul->out[0];
  p->result = p->matmul->out[0];
  if (!value_single_use(product) || product->uses == NULL) return;
  p->add = product->uses->user;
  double *numbers = ARENA_ARRAY(pass_scratch(run), (size_t)p->columns, double);
  bool adds = node_named(p->add, "Add") && same_type(p->add->out[0], product);
  if (adds && read_bias(p, numbers))
    p->result = p->add->out[0];
  else
    p->add = NULL;
}

/* Those of the nodes whose results may be parts of a larger one. */
static void find_products(PassRun *run, const Nodes *nodes, Products *products) {
  *products = (Products){0};
  for (size_t i = 0; i < nodes->len && products->n < MAX_PRODUCTS; i++) {
    Node *node = nodes->data[i];
    Product *p = ARENA_NEW(pass_scratch(run), Product);
    *p = (Product){.matmul = node, .columns = static_dim(node->in[1].value, 1)};
    find_bias(run, p);
    if (!takes_strides(p->result, SEEN_PART, 0)) continue;
    find_epilogue(p);
    find_readers(p->result->producer, &p->readers);
    products->list[products->n++] = p;
  }
}

/* ---- what is worth merging ---------------------------------------------------------------------
 */

/* Products that belong together, also through others, have one leader. */
static void find_leaders(Products *products) {
  for (uint32_t i = 0; i < products->n; i++) {
    products->list[i]->leader = i;
    for (uint32_t k = 0; k < i; k++) {
      uint32_t old = products->list[k]->leader;
      if (old == i || !belong_together(products->list[k], products->list[i])) continue;
      for (uint32_t j = 0; j <= k; j++) {
        if (products->list[j]->leader == old) products->list[j]->leader = i;
      }
    }
  }
}

/* Those of one leader. False: together they make no fewer steps. */
static bool choose(const Products *all, uint32_t leader, Products *chosen) {
  *chosen = (Products){0};
  for (uint32_t i = 0; i < all->n; i++) {
    if (all->list[i]->leader == leader) chosen->list[chosen->n++] = all->list[i];
  }
  if (chosen->n < 2) return false;
  bool followed = chosen->list[0]->epilogue.n != 0; /* by a step of their own, once merged */
  return chosen->n - 1 > (uint32_t)followed;
}

/* ---- merging -----------------------------------------------------------------------------------
 */

static bool count_columns(const Products *products, int64_t *columns) {
  *columns = 0;
  for (uint32_t i = 0; i < products->n; i++) {
    if (__builtin_add_overflow(*columns, products->list[i]->columns, columns)) return false;
  }
  return true;
}

static Tensor *join_matrices(Context *ctx, const Products *products, int64_t columns) {
  int64_t rows = static_dim(products->list[0]->matmul->in[1].value, 0), at = 0;
  Tensor *joined = tensor_new(ctx, ONNXC_RT_F32, 2, (int64_t[]){rows, columns});
  for (uint32_t i = 0; joined != NULL && i < products->n; i++) {
    const Product *p = products->list[i];
    const float *from = p->matmul->in[1].value->constant->data;
    float *to = (float *)(uintptr_t)joined->data + at;
    for (int64_t row = 0; row < rows; row++) {
      memcpy(to + row * columns, from + row * p->columns, (size_t)p->columns * sizeof *to);
    }
    at += p->columns;
  }
  return joined;
}

/* The biases side by side, -0 where there is none, which changes nothing; NULL: none has one. */
static Value *join_biases(PassRun *run, Builder *b, const Products *products, int64_t columns) {
  double *numbers = ARENA_ARRAY(pass_scratch(run), (size_t)columns, double), *at = numbers;
  bool any = false;
  for (uint32_t i = 0; i < products->n; i++) {
    const Product *p = products->list[i];
    for (int64_t k = 0; k < p->columns; k++) at[k] = -0.0;
    if (p->add != NULL) any = read_bias(p, at);
    at += p->columns;
  }
  return any ? build_numbers(b, products->list[0]->result, numbers, 1, &columns) : NULL;
}

/* The products' results become parts of `joined`. */
static void split(PassRun *run, Builder *b, Value *joined, const Products *products) {
  int64_t sizes[MAX_PRODUCTS];
  for (uint32_t i = 0; i < products->n; i++) sizes[i] = products->list[i]->columns;
  Value *inputs[] = {joined, build_ints(b, sizes, products->n)};
  Node *node = build_node(b, "", "Split", inputs, 2, products->n);
  node_set_int(node, "axis", joined->type.rank - 1);
  build_done(b, node);
  for (uint32_t i = 0; i < products->n; i++) {
    Node *maker = products->list[i]->result->producer;
    build_replace(b, maker, node->out[i]);
    pass_prune(run, maker);
  }
}

static void merge(PassRun *run, const Products *products) {
  Node *first = products->list[0]->matmul;
  int64_t columns;
  if (!count_columns(products, &columns)) return;
  Tensor *matrix = join_matrices(first->graph->ctx, products, columns);
  if (matrix == NULL || !pass_hit(run, "products")) return;
  Builder b = builder_at(first);
  Value *joined = BUILD(&b, "MatMul", first->in[0].value, build_constant(&b, matrix));
  Node *product = joined->producer;
  Value *bias = join_biases(run, &b, products, columns);
  if (bias != NULL) joined = BUILD(&b, "Add", joined, bias);
  for (uint32_t i = 0; i < products->n; i++) {
    const Product *p = products->list[i];
    node_add_origins(product, p->matmul);
    if (p->add != NULL) node_add_origins(joined->producer, p->add);
  }
  split(run, &b, joined, products);
}

/* ---- the pass ----------------------------------------------------------------------------------
 */

/* Products by left operand, both in the order of the graph. */
typedef Vec(Nodes *) NodeLists;

static void collect(PassRun *run, const Graph *graph, NodeLists *lists) {
  Map known = map_on(pass_scratch(run));
  for (Node *node = graph->first; node != NULL; node = node->next) {
    if (!is_product(node)) continue;
    Nodes *list = map_get(&known, map_key(node->in[0].value));
    if (list == NULL) {
      list = ARENA_NEW(pass_scratch(run), Nodes);
      map_set(&known, map_key(node->in[0].value), list);
      vec_push(pass_scratch(run), lists, list);
    }
    vec_push(pass_scratch(run), list, node);
  }
}

static void merge_list(PassRun *run, const Nodes *nodes) {
  Products all, chosen;
  find_products(run, nodes, &all);
  find_leaders(&all);
  for (uint32_t i = 0; i < all.n; i++) {
    if (all.list[i]->leader == i && choose(&all, i, &chosen)) merge(run, &chosen);
  }
}

static bool run_merge_products(PassRun *run, Graph *graph) {
  NodeLists lists = {0};
  collect(run, graph, &lists);
  VEC_EACH(Nodes *const, list, &lists) merge_list(run, *list);
  return true;
}

const PassDef pass_merge_products = {
    .name = "merge-products",
    .what = "Products of one matrix with several constant ones become one product",
    .changes = (const char *const[]){"products", NULL},
    .run = run_merge_products,
};
