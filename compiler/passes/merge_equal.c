/* merge-equal: y = op(x), z = op(x) -> y = op(x) for both (common subexpressions); constants with
 * equal elements -> one constant.
 *
 * Right because operators are functions of inputs and attributes; those that are not, and those
 * with subgraphs, are left out. The node that comes first stays, so order is kept. */
#include "passes/pass.h"
#include "reference/text.h"

#include <string.h>

/* Of a large constant only this much at either end is hashed, and so many of its strings; equality
 * looks at all of it. */
enum { HASHED_BYTES = 4096, HASHED_STRINGS = 64 };

/* Things of one hash form a chain; maps hold its head. */
typedef struct Entry {
  struct Entry *next;
  Node *node;
  Value *constant;
} Entry;

static void add_entry(PassRun *run, Map *map, uint64_t hash, Entry entry) {
  entry.next = map_get(map, hash);
  map_set(map, hash, arena_copy(pass_scratch(run), &entry, sizeof entry));
}

/* ---- constants ---------------------------------------------------------------------------------
 */

static uint64_t hash_strings(uint64_t hash, const Tensor *tensor) {
  const onnxc_rt_string *strings = tensor->data;
  for (size_t i = 0; i < tensor->count && i < HASHED_STRINGS; i++) {
    size_t size = (size_t)strings[i].size;
    hash = hash_bytes(hash, &size, sizeof size);
    if (size != 0)
      hash = hash_bytes(hash, strings[i].bytes, size < HASHED_BYTES ? size : HASHED_BYTES);
  }
  return hash;
}

static uint64_t hash_tensor(const Tensor *tensor) {
  uint64_t hash = hash_bytes(HASH_SEED, &tensor->dtype, sizeof tensor->dtype);
  hash = hash_bytes(hash, &tensor->rank, sizeof tensor->rank);
  if (tensor->rank != 0) {
    hash = hash_bytes(hash, tensor->dims, (size_t)tensor->rank * sizeof *tensor->dims);
  }
  if (tensor->bytes == 0) return hash;
  if (tensor->dtype == ONNXC_RT_STRING) return hash_strings(hash, tensor);
  size_t part = tensor->bytes < HASHED_BYTES ? tensor->bytes : HASHED_BYTES;
  hash = hash_bytes(hash, tensor->data, part);
  return hash_bytes(hash, (const char *)tensor->data + tensor->bytes - part, part);
}

static Value *known_constant(PassRun *run, Map *map, Value *value) {
  uint64_t hash = hash_tensor(value->constant);
  for (Entry *e = map_get(map, hash); e != NULL; e = e->next) {
    value->graph->ctx->work++;
    if (tensor_equal(e->constant->constant, value->constant)) return e->constant;
  }
  add_entry(run, map, hash, (Entry){.constant = value});
  return value;
}

/* `seen` remembers, for each constant value, the one that stands for it; those that a subgraph
 * captures stand for themselves. */
static void merge_constants(PassRun *run, Map *map, Map *seen, Node *node) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    Value *value = node->in[i].value;
    if (value == NULL || value->constant == NULL || value->producer != NULL) continue;
    Value *first = map_get(seen, map_key(value));
    if (first == NULL) map_set(seen, map_key(value), first = known_constant(run, map, value));
    if (first != value && pass_hit(run, "constant")) node_set_input(node, i, first);
  }
}

/* ---- nodes ------------------------------------------------------------------------------------
 */

static bool is_function(const Node *node) {
  if (node->op->flags & OP_NONDETERMINISTIC) return false;
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind == ATTR_GRAPH) return false;
  }
  return true;
}

static Value *operand(const Node *node, uint32_t i, bool sorted) {
  Value *a = node_in(node, 0), *b = node_in(node, 1);
  bool swap = sorted && i < 2 && a != NULL && b != NULL && a->id > b->id;
  return node_in(node, swap ? 1 - i : i);
}

/* Operands in an order of their own where the operator does not care. */
static bool sorts_operands(const Node *node) {
  return (node->op->flags & OP_COMMUTATIVE) != 0 && node->n_in == 2;
}

static uint64_t hash_node(const Node *node) {
  uint64_t hash = hash_bytes(HASH_SEED, node->op->name, strlen(node->op->name));
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *value = operand(node, i, sorts_operands(node));
    uint32_t id = value == NULL ? UINT32_MAX : value->id;
    hash = hash_bytes(hash, &id, sizeof id);
  }
  return hash;
}

static bool lists_equal(const Attr *a, const Attr *b, const void *x, const void *y, size_t size) {
  return a->count == b->count && (a->count == 0 || memcmp(x, y, a->count * size) == 0);
}

static bool strings_equal(const Attr *a, const Attr *b) {
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++) {
    if (!onnxc_rt_string_equal(&a->strings[i], &b->strings[i])) return false;
  }
  return true;
}

static bool attr_equal(const Attr *a, const Attr *b) {
  if (b == NULL || a->kind != b->kind) return false;
  switch (a->kind) {
  case ATTR_INT: return a->i == b->i;
  case ATTR_FLOAT: return memcmp(&a->f, &b->f, sizeof a->f) == 0;
  case ATTR_STRING: return a->s_size == b->s_size && memcmp(a->s, b->s, a->s_size) == 0;
  case ATTR_INTS: return lists_equal(a, b, a->ints, b->ints, sizeof *a->ints);
  case ATTR_FLOATS: return lists_equal(a, b, a->floats, b->floats, sizeof *a->floats);
  case ATTR_DIMS: return lists_equal(a, b, a->dims, b->dims, sizeof(Dim *));
  case ATTR_STRINGS: return strings_equal(a, b);
  case ATTR_TENSOR: return tensor_equal(a->tensor, b->tensor);
  default: return false;
  }
}

static bool attrs_equal(const Node *a, const Node *b) {
  if (a->n_attrs != b->n_attrs) return false;
  for (uint32_t i = 0; i < a->n_attrs; i++) {
    if (!attr_equal(&a->attrs[i], node_attr(b, a->attrs[i].name))) return false;
  }
  return true;
}

static bool inputs_equal(const Node *a, const Node *b) {
  if (a->n_in != b->n_in) return false;
  for (uint32_t i = 0; i < a->n_in; i++) {
    if (operand(a, i, sorts_operands(a)) != operand(b, i, sorts_operands(b))) return false;
  }
  return true;
}

/* The first node has every output that the second has. */
static bool covers_outputs(const Node *a, const Node *b) {
  for (uint32_t i = 0; i < b->n_out; i++) {
    if (b->out[i] != NULL && node_out(a, i) == NULL) return false;
  }
  return a->n_out == b->n_out;
}

static Node *find_equal(const Map *map, uint64_t hash, const Node *node) {
  for (Entry *e = map_get(map, hash); e != NULL; e = e->next) {
    node->graph->ctx->work++;
    const Node *other = e->node;
    if (other->op == node->op && inputs_equal(other, node) && attrs_equal(other, node) &&
        covers_outputs(other, node)) {
      return e->node;
    }
  }
  return NULL;
}

static void replace_node(Node *node, Node *by) {
  Builder builder = builder_at(node);
  node_add_origins(by, node);
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL) build_replace_output(&builder, node, i, by->out[i]);
  }
  graph_remove(node);
}

static bool run_merge_equal(PassRun *run, Graph *graph) {
  Map nodes = map_on(pass_scratch(run)), constants = nodes, seen = nodes;
  VEC_EACH(Capture, capture, &graph->captures) {
    map_set(&seen, map_key(capture->inner), capture->inner);
  }
  for (Node *node = graph->first, *next; node != NULL; node = next) {
    next = node->next;
    merge_constants(run, &constants, &seen, node);
    if (!is_function(node)) continue;
    uint64_t hash = hash_node(node);
    Node *equal = find_equal(&nodes, hash, node);
    if (equal == NULL) {
      add_entry(run, &nodes, hash, (Entry){.node = node});
    } else if (pass_hit(run, "node")) {
      replace_node(node, equal);
    }
  }
  return true;
}

const PassDef pass_merge_equal = {
    .name = "merge-equal",
    .what = "Computes and stores equal things once",
    .changes = (const char *const[]){"constant", "node", NULL},
    .run = run_merge_equal,
};
