/* Sequences and optionals. Where all is known while compiling they dissolve: whoever takes a tensor
 * out of a sequence is rewritten to take it from where it was put in. What is left becomes tensors
 * in the pass flatten-sequences. */
#include "ops/sequence.h"

#include "ops/compose.h"

#include <stdlib.h>
#include <string.h>

/* ---- what a sequence is made of ----------------------------------------------------------------
 */

/* One tensor of a sequence: a value, or a part of it along `axis`. */
typedef struct Part {
  Value *value;
  int axis;                /* -1: all of it */
  const Dim *start, *size; /* of the part; NULL: not known */
  bool squeezed;           /* the axis, of size 1, is dropped */
} Part;

typedef struct Parts {
  Arena *arena;
  Vec(Part) list;
} Parts;

enum { MAX_PARTS = 4096 };

/* Whether something is known while compiling; WRONG: it can never be, which was reported. */
typedef enum Known { UNKNOWN, KNOWN, WRONG } Known;

static bool unsupported(const Node *node, const char *what) {
  return node_error(node, DIAG_UNSUPPORTED, "%s", what);
}

/* The parts add up to the axis that is cut. */
static bool check_given(const Node *node, const Cuts *cuts) {
  int64_t whole, part, sum = 0;
  bool all = dim_is_const(cuts->x->type.dims[cuts->axis], &whole);
  for (uint32_t i = 0; cuts->given != NULL && i < cuts->n_given; i++) {
    if (!dim_is_const(cuts->given[i], &part)) return true;
    if (part < 0) return node_error(node, DIAG_INVALID, "split has a negative size");
    if (__builtin_add_overflow(sum, part, &sum)) sum = INT64_MAX;
  }
  if (!all || cuts->given == NULL || sum == whole) return true;
  return node_error(node, DIAG_INVALID, "the sizes in split add up to %lld, not to %lld",
                    (long long)sum, (long long)whole);
}

/* Sizes that come with the inputs are left to the kernel, which checks them. */
static const Dim *const *settled_sizes(const Node *node, uint32_t *n) {
  const Dim *const *sizes = infer_contents(node, 1, n);
  for (uint32_t i = 0; sizes != NULL && i < *n; i++) {
    if (sizes[i]->value) return NULL;
  }
  return sizes;
}

bool sequence_cuts(const Node *node, Cuts *cuts) {
  const Type *x = infer_tensor(node, 0);
  DimTable *t = infer_dims(node);
  *cuts = (Cuts){.x = node_in(node, 0), .chunk = 1};
  if (x == NULL || !infer_axis(node, op_param_i(node, "axis"), x->rank, &cuts->axis)) return false;
  cuts->squeezed = node_in(node, 1) == NULL && op_param_i(node, "keepdims") == 0;
  cuts->parts = x->dims[cuts->axis];
  if (node_in(node, 1) == NULL) return true;
  const Type *split = infer_tensor(node, 1);
  if (split == NULL) return false;
  cuts->chunk = 0;
  cuts->given = settled_sizes(node, &cuts->n_given);
  if (split->rank == 1) {
    cuts->parts = split->dims[0];
    return check_given(node, cuts);
  }
  if (split->rank != 0) return node_error(node, DIAG_INVALID, "split must be a scalar or vector");
  const Dim *chunk = cuts->given == NULL ? NULL : cuts->given[0];
  cuts->given = NULL;
  cuts->parts = NULL;
  if (chunk == NULL || !dim_is_const(chunk, &cuts->chunk)) {
    cuts->chunk = 0;
    return true;
  }
  if (cuts->chunk < 1) return node_error(node, DIAG_INVALID, "split must be positive");
  cuts->parts = dim_ceildiv(t, x->dims[cuts->axis], dim_const(t, cuts->chunk));
  return true;
}

static Known cut_parts(const Node *node, Parts *parts) {
  DimTable *t = infer_dims(node);
  Cuts cuts;
  int64_t whole = 0, n;
  if (!sequence_cuts(node, &cuts)) return WRONG;
  const Dim *size = cuts.x->type.dims[cuts.axis], *start = dim_const(t, 0);
  if (cuts.parts == NULL || !dim_is_const(cuts.parts, &n) || n > MAX_PARTS) return UNKNOWN;
  if (cuts.chunk != 0 && !dim_is_const(size, &whole)) return UNKNOWN;
  for (int64_t i = 0; i < n; i++) {
    int64_t left = whole - i * cuts.chunk;
    const Dim *part = dim_const(t, left < cuts.chunk ? left : cuts.chunk);
    if (cuts.chunk == 0) part = cuts.given == NULL ? NULL : cuts.given[i];
    vec_push(parts->arena, &parts->list, (Part){cuts.x, cuts.axis, start, part, cuts.squeezed});
    start = part == NULL ? NULL : dim_add(t, start, part);
  }
  return KNOWN;
}

/* A position in a sequence of `n`, if it is constant; absent: `otherwise`. */
static Known position_of(const Node *node, uint32_t i, size_t n, size_t room, size_t otherwise,
                         size_t *position) {
  int64_t given, size = (int64_t)n;
  uint32_t count;
  *position = otherwise;
  if (node_in(node, i) == NULL) return KNOWN;
  if (!infer_constant_ints(node, i, &given, 1, &count) || count != 1) return UNKNOWN;
  if (given < -size || given >= (int64_t)room) {
    node_error(node, DIAG_INVALID, "position %lld is outside the sequence of %zu", (long long)given,
               n);
    return WRONG;
  }
  *position = (size_t)(given < 0 ? given + size : given);
  return KNOWN;
}

static Known erase_part(const Node *node, Parts *parts) {
  size_t n = parts->list.len, at;
  if (n == 0) {
    node_error(node, DIAG_INVALID, "the sequence is empty");
    return WRONG;
  }
  Known known = position_of(node, 1, n, n, n - 1, &at);
  if (known != KNOWN) return known;
  memmove(parts->list.data + at, parts->list.data + at + 1, (n - at - 1) * sizeof(Part));
  parts->list.len--;
  return KNOWN;
}

static Known insert_part(const Node *node, Parts *parts) {
  size_t n = parts->list.len, at;
  Known known = position_of(node, 2, n, n + 1, n, &at);
  if (known != KNOWN) return known;
  vec_push(parts->arena, &parts->list, (Part){.value = node_in(node, 1), .axis = -1});
  memmove(parts->list.data + at + 1, parts->list.data + at, (n - at) * sizeof(Part));
  parts->list.data[at] = (Part){.value = node_in(node, 1), .axis = -1};
  return KNOWN;
}

/* Every node changes the parts of the sequence in its input 0 by one step. */
static Known apply_step(const Node *node, Parts *parts) {
  if (node_is(node, op_SequenceErase)) return erase_part(node, parts);
  if (node_is(node, op_SequenceInsert)) return insert_part(node, parts);
  if (node_is(node, op_SplitToSequence)) return cut_parts(node, parts);
  for (uint32_t i = 0; node_is(node, op_SequenceConstruct) && i < node->n_formal; i++) {
    vec_push(parts->arena, &parts->list, (Part){.value = node_in(node, i), .axis = -1});
  }
  return KNOWN;
}

/* Nodes that go on with the sequence in their input 0, and those that make one. */
static bool continues(const Node *node) {
  return strcmp(node->op->name, "Identity") == 0 || node_is(node, op_SequenceInsert) ||
         node_is(node, op_SequenceErase);
}

static bool begins(const Node *node) {
  return node_is(node, op_SequenceConstruct) || node_is(node, op_SequenceEmpty) ||
         node_is(node, op_SplitToSequence);
}

/* The parts of the sequence `value`, which `node` reads. */
static Known find_parts(const Node *node, const Value *value, Parts *parts) {
  Vec(const Node *) steps = {0};
  *parts = (Parts){.arena = node->graph->ctx->arena};
  const Node *step = value->producer;
  for (; step != NULL && continues(step); step = step->in[0].value->producer) {
    vec_push(parts->arena, &steps, step);
  }
  if (step == NULL || !begins(step)) return UNKNOWN;
  vec_push(parts->arena, &steps, step);
  for (size_t i = steps.len; i-- > 0;) {
    Known known = apply_step(steps.data[i], parts);
    if (known != KNOWN) return known;
    if (parts->list.len > MAX_PARTS) return UNKNOWN;
  }
  return KNOWN;
}

static bool part_known(const Part *part) {
  return part->axis < 0 || part->size != NULL;
}

static Type part_type(Context *ctx, const Part *part) {
  const Type *x = &part->value->type;
  const Dim *dims[MAX_RANK];
  int rank = 0;
  if (part->axis < 0) return *x;
  for (int i = 0; i < x->rank; i++) {
    if (i == part->axis && part->squeezed) continue;
    dims[rank++] = i == part->axis ? part->size : x->dims[i];
  }
  return type_tensor(ctx, x->dtype, rank, dims);
}

/* ---- types -------------------------------------------------------------------------------------
 */

static void output_bag(Node *node, uint32_t i, const Bag *bag) {
  Type type = bag_type(node->graph->ctx, bag, TYPE_SEQUENCE);
  infer_output_type(node, i, &type);
}

static bool sequence_empty_infer(Node *node) {
  const Attr *dtype = node_attr(node, "dtype");
  Bag bag = bag_empty(node->graph->ctx, dtype == NULL ? ONNXC_RT_F32 : (DType)dtype->i);
  output_bag(node, 0, &bag);
  return true;
}

/* A tensor joins the bag, which grows by one. */
static void put_in(Context *ctx, Bag *bag, const Type *tensor) {
  Bag one = bag_of_tensor(ctx, tensor);
  bag_join(ctx, bag, &one);
  bag->items.capacity = dim_add_i(ctx->dims, bag->items.capacity, 1);
  if (bag->items.length != NULL) bag->items.length = dim_add_i(ctx->dims, bag->items.length, 1);
}

static bool sequence_construct_infer(Node *node) {
  const Type *first = infer_tensor(node, 0);
  if (first == NULL) return false;
  Bag bag = bag_empty(node->graph->ctx, first->dtype);
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Type *x = infer_tensor(node, i);
    if (x == NULL) return false;
    put_in(node->graph->ctx, &bag, x);
  }
  output_bag(node, 0, &bag);
  return true;
}

/* The sequence of tensors in input `i`. False: reported. */
static bool sequence_input(const Node *node, uint32_t i, Bag *bag) {
  const Value *value = node_in(node, i);
  if (value == NULL || value->type.kind != TYPE_SEQUENCE) {
    return node_error(node, DIAG_INVALID, "input %u must be a sequence", i);
  }
  if (!type_is_bag(&value->type)) return unsupported(node, "sequences hold tensors only");
  *bag = bag_of(node->graph->ctx, &value->type);
  return true;
}

static bool sequence_insert_infer(Node *node) {
  Bag bag;
  const Type *x = infer_tensor(node, 1);
  if (!sequence_input(node, 0, &bag) || x == NULL) return false;
  if (x->dtype != bag.dtype) {
    return node_error(node, DIAG_INVALID, "the tensor is %s, but the sequence holds %s",
                      dtype_info(x->dtype)->name, dtype_info(bag.dtype)->name);
  }
  put_in(node->graph->ctx, &bag, x);
  output_bag(node, 0, &bag);
  return true;
}

static bool sequence_erase_infer(Node *node) {
  DimTable *t = infer_dims(node);
  Bag bag;
  if (!sequence_input(node, 0, &bag)) return false;
  if (dim_is(bag.items.capacity, 0)) return node_error(node, DIAG_INVALID, "the sequence is empty");
  bag.items.capacity = dim_max(t, dim_add_i(t, bag.items.capacity, -1), dim_const(t, 0));
  if (bag.items.length != NULL) bag.items.length = bag.items.capacity;
  output_bag(node, 0, &bag);
  return true;
}

/* The size of the parts along the axis that is cut, or its bound. */
static const Dim *part_bound(DimTable *t, const Cuts *cuts, bool *ragged) {
  const Dim *whole = cuts->x->type.dims[cuts->axis], *most;
  if (cuts->chunk != 0) {
    const Dim *chunk = dim_const(t, cuts->chunk);
    *ragged = !dim_is(dim_mod(t, whole, chunk), 0);
    return *ragged ? dim_min(t, whole, chunk) : chunk;
  }
  *ragged = cuts->given == NULL;
  if (*ragged || cuts->n_given == 0) return whole;
  most = cuts->given[0];
  for (uint32_t i = 1; i < cuts->n_given; i++) {
    *ragged = *ragged || cuts->given[i] != most;
    most = dim_max(t, most, cuts->given[i]);
  }
  return most;
}

static bool split_to_sequence_infer(Node *node) {
  Context *ctx = node->graph->ctx;
  Cuts cuts;
  if (!sequence_cuts(node, &cuts)) return false;
  bool ragged;
  const Type *x = &cuts.x->type;
  const Dim *size = part_bound(ctx->dims, &cuts, &ragged);
  Part part = {cuts.x, cuts.axis, NULL, size, cuts.squeezed};
  Type type = part_type(ctx, &part);
  Bag bag = bag_of_tensor(ctx, &type);
  if (ragged) bag.items.ragged = UINT32_C(1) << cuts.axis;
  bag.items.length = cuts.parts;
  bag.items.capacity = cuts.parts == NULL ? x->dims[cuts.axis] : cuts.parts;
  output_bag(node, 0, &bag);
  return true;
}

/* ---- taking apart ------------------------------------------------------------------------------
 */

/* The part as a value of its own. */
static Value *take(Builder *b, const Part *part) {
  DimTable *t = b->graph->ctx->dims;
  if (part->axis < 0) return part->value;
  const Dim *end = dim_add(t, part->start, part->size);
  Value *axis = build_ints(b, &(int64_t){part->axis}, 1);
  Value *slice =
      BUILD(b, "Slice", part->value, build_dims(b, &part->start, 1), build_dims(b, &end, 1), axis);
  return part->squeezed ? BUILD(b, "Squeeze", slice, axis) : slice;
}

/* A sequence of slices of 1 that a size says the number of: any position will do. */
static bool evenly_cut(const Node *node, Cuts *cuts) {
  const Node *producer = node_in(node, 0)->producer;
  if (!node_is(producer, op_SplitToSequence)) return false;
  return sequence_cuts(producer, cuts) && cuts->chunk == 1;
}

/* The part that SequenceAt takes. */
static Known find_part(const Node *node, Part *part) {
  Parts parts;
  size_t at;
  Known known = find_parts(node, node_in(node, 0), &parts);
  if (known != KNOWN) return known;
  size_t n = parts.list.len;
  known = position_of(node, 1, n, n, 0, &at);
  if (known != KNOWN) return known;
  *part = parts.list.data[at];
  return part_known(part) ? KNOWN : UNKNOWN;
}

/* The rank of the tensors in the bag, `extra` less than that of a value declared so. */
bool bag_rank(const Node *node, const Bag *bag, const Type *declared, int extra, int *rank) {
  *rank = bag->rank;
  if (bag->rank < 0) {
    return unsupported(node, "the rank of the elements is not known; declare their shape, or add "
                             "--dim NAME_rank=R where NAME is an input");
  }
  if (!bag->items.mixed) return true;
  bool known = declared != NULL && declared->kind == TYPE_TENSOR && declared->rank >= extra;
  if (!known) {
    return unsupported(node, "the sequence holds tensors of different ranks; declare the shape of "
                             "the output");
  }
  *rank = declared->rank - extra;
  return *rank <= bag->rank || node_error(node, DIAG_INVALID, "no element has %d axes", *rank);
}

bool sequence_element(const Node *node, const Bag *bag, int *rank) {
  const Value *out = node_out(node, 0);
  return bag_rank(node, bag, out == NULL ? NULL : out->declared, 0, rank);
}

/* One tensor of the bag as the node's output. */
static bool output_element(Node *node, const Bag *bag) {
  const Dim *dims[MAX_RANK];
  int rank;
  if (!sequence_element(node, bag, &rank)) return false;
  for (int i = 0; i < rank; i++) {
    dims[i] = bag_exact(bag, i) ? bag->dims[i] : infer_fresh(node, 0, i, bag->dims[i]);
  }
  infer_output(node, 0, bag->dtype, rank, dims);
  return true;
}

static bool sequence_at_infer(Node *node) {
  Bag bag;
  Part part;
  Cuts cuts;
  if (!sequence_input(node, 0, &bag)) return false;
  Known known = evenly_cut(node, &cuts) ? UNKNOWN : find_part(node, &part);
  if (known == WRONG) return false;
  if (known == UNKNOWN) return output_element(node, &bag);
  Type type = part_type(node->graph->ctx, &part);
  infer_output_type(node, 0, &type);
  return true;
}

static bool sequence_at_decompose(Builder *b, Node *node) {
  Part part;
  Cuts cuts;
  if (evenly_cut(node, &cuts)) {
    const Dim *shape = dim_const(b->graph->ctx->dims, 1);
    Value *index = BUILD(b, "Reshape", node_in(node, 1), build_dims(b, &shape, !cuts.squeezed));
    Node *gather = build_node(b, "", "Gather", (Value *[]){cuts.x, index}, 2, 1);
    node_set_int(gather, "axis", cuts.axis);
    build_replace(b, node, build_done(b, gather));
    return true;
  }
  if (find_part(node, &part) != KNOWN) return false;
  build_replace(b, node, take(b, &part));
  return true;
}

static bool sequence_length_infer(Node *node) {
  Bag bag;
  if (!sequence_input(node, 0, &bag)) return false;
  infer_output(node, 0, ONNXC_RT_I64, 0, NULL);
  if (bag.items.length != NULL) infer_set_contents(node, 0, &bag.items.length, 1);
  return true;
}

static bool sequence_length_decompose(Builder *b, Node *node) {
  Bag bag;
  if (!sequence_input(node, 0, &bag) || bag.items.length == NULL) return false;
  build_replace(b, node, compose_size(b, bag.items.length));
  return true;
}

/* ---- ConcatFromSequence ------------------------------------------------------------------------
 */

/* Undoes an even cut: the slices come to lie along `axis`, in the order they had. */
static bool rejoins(const Node *node, const Cuts *cuts, int *axis) {
  bool stacks = op_param_i(node, "new_axis") != 0;
  if (stacks != cuts->squeezed) return false;
  return infer_axis(node, op_param_i(node, "axis"), cuts->x->type.rank, axis) &&
         (stacks || *axis == cuts->axis);
}

/* perm that brings axis `from` to `to`. */
static void move_axis(int rank, int from, int to, int64_t *perm) {
  int next = 0;
  for (int i = 0; i < rank; i++) {
    if (i == to) {
      perm[i] = from;
      continue;
    }
    next += next == from;
    perm[i] = next++;
  }
}

static bool joined_axis(const Node *node, int rank, int *axis) {
  if (rank > MAX_RANK) return node_error(node, DIAG_LIMIT, "ranks end at %d", MAX_RANK);
  return infer_axis(node, op_param_i(node, "axis"), rank, axis);
}

static bool concat_parts(Node *node, const Parts *parts) {
  Context *ctx = node->graph->ctx;
  bool stacks = op_param_i(node, "new_axis") != 0;
  const Dim *dims[MAX_RANK], *length = dim_const(ctx->dims, 0);
  int axis;
  if (parts->list.len == 0) return node_error(node, DIAG_INVALID, "the sequence is empty");
  const Type first = part_type(ctx, &parts->list.data[0]);
  int rank = first.rank + stacks;
  if (!joined_axis(node, rank, &axis)) return false;
  VEC_EACH(Part, part, &parts->list) {
    const Type type = part_type(ctx, part);
    if (type.rank != first.rank) return node_error(node, DIAG_INVALID, "ranks differ");
    for (int i = 0, k = 0; i < rank; i++) {
      if (i == axis && stacks) continue;
      dims[i] = i == axis
                    ? type.dims[k]
                    : infer_equal(node, "sizes of the other axes", first.dims[k], type.dims[k]);
      if (dims[i] == NULL) return false;
      k++;
    }
    length = dim_add(ctx->dims, length, stacks ? dim_const(ctx->dims, 1) : dims[axis]);
  }
  dims[axis] = length;
  infer_output(node, 0, first.dtype, rank, dims);
  return true;
}

bool sequence_joined(const Node *node, const Bag *bag, int *rank, int *axis) {
  bool stacks = op_param_i(node, "new_axis") != 0;
  const Value *out = node_out(node, 0);
  if (!bag_rank(node, bag, out == NULL ? NULL : out->declared, stacks, rank)) return false;
  *rank += stacks;
  return joined_axis(node, *rank, axis);
}

/* The size of the result along the axis on which all lie. */
static const Dim *joined_size(Node *node, const Bag *bag, int axis, bool stacks) {
  DimTable *t = infer_dims(node);
  const Dim *each = stacks ? dim_const(t, 1) : bag->dims[axis];
  bool exact = (stacks || bag_exact(bag, axis)) && bag->items.length != NULL;
  if (exact) return dim_mul(t, each, bag->items.length);
  return infer_fresh(node, 0, axis, dim_mul(t, each, bag->items.capacity));
}

static bool concat_bag(Node *node, const Bag *bag) {
  bool stacks = op_param_i(node, "new_axis") != 0;
  const Dim *dims[MAX_RANK];
  int rank, axis;
  if (!sequence_joined(node, bag, &rank, &axis)) return false;
  for (int i = 0, k = 0; i < rank; i++) {
    if (i == axis) {
      dims[i] = joined_size(node, bag, axis, stacks);
      k += !stacks;
      continue;
    }
    dims[i] = bag_exact(bag, k) ? bag->dims[k] : infer_fresh(node, 0, i, bag->dims[k]);
    k++;
  }
  infer_output(node, 0, bag->dtype, rank, dims);
  return true;
}

/* All parts of the sequence in input 0, if they and their sizes are known. */
static Known find_all(const Node *node, Parts *parts) {
  Known known = find_parts(node, node_in(node, 0), parts);
  VEC_EACH(Part, part, &parts->list) {
    if (known == KNOWN && !part_known(part)) known = UNKNOWN;
  }
  return known;
}

static bool concat_from_sequence_infer(Node *node) {
  Bag bag;
  Parts parts;
  Cuts cuts;
  int axis;
  if (!sequence_input(node, 0, &bag)) return false;
  if (evenly_cut(node, &cuts) && rejoins(node, &cuts, &axis)) {
    const Type *x = &cuts.x->type;
    int64_t perm[MAX_RANK];
    const Dim *dims[MAX_RANK];
    move_axis(x->rank, cuts.axis, axis, perm);
    for (int i = 0; i < x->rank; i++) dims[i] = x->dims[perm[i]];
    infer_output(node, 0, x->dtype, x->rank, dims);
    return true;
  }
  Known known = find_all(node, &parts);
  if (known == WRONG) return false;
  return known == KNOWN ? concat_parts(node, &parts) : concat_bag(node, &bag);
}

static Value *concat(Builder *b, const Node *node, const Parts *parts) {
  bool stacks = op_param_i(node, "new_axis") != 0;
  int64_t axis = op_param_i(node, "axis");
  uint32_t n = (uint32_t)parts->list.len;
  Value **inputs = ARENA_ARRAY(b->graph->ctx->arena, n, Value *);
  for (uint32_t i = 0; i < n; i++) {
    inputs[i] = take(b, &parts->list.data[i]);
    if (stacks) inputs[i] = BUILD(b, "Unsqueeze", inputs[i], build_ints(b, &axis, 1));
  }
  Node *joined = build_node(b, "", "Concat", inputs, n, 1);
  node_set_int(joined, "axis", axis);
  return build_done(b, joined);
}

static bool concat_from_sequence_decompose(Builder *b, Node *node) {
  Parts parts;
  Cuts cuts;
  int axis;
  if (evenly_cut(node, &cuts) && rejoins(node, &cuts, &axis)) {
    int64_t perm[MAX_RANK];
    move_axis(cuts.x->type.rank, cuts.axis, axis, perm);
    Node *transpose = build_node(b, "", "Transpose", &cuts.x, 1, 1);
    node_set_ints(transpose, "perm", perm, (size_t)cuts.x->type.rank);
    build_replace(b, node, build_done(b, transpose));
    return true;
  }
  if (find_all(node, &parts) != KNOWN) return false;
  build_replace(b, node, concat(b, node, &parts));
  return true;
}

/* ---- optionals ---------------------------------------------------------------------------------
 */

/* The sizes in `f32[2, 3]`, where all of them are numbers. */
static void read_sizes(Context *ctx, const char *text, Bag *bag) {
  int rank = 0;
  text += strcspn(text, "[");
  while (rank < MAX_RANK && (*text == '[' || *text == ',')) {
    char *end;
    int64_t size = strtoll(text + 1, &end, 10);
    if (end == text + 1 || size < 0) return;
    bag->dims[rank++] = dim_const(ctx->dims, size);
    text = end;
  }
  if (*text != ']') return;
  bag->rank = rank;
  bag->items.slot = dim_product(ctx->dims, bag->dims, rank);
}

/* `type` is the text of a type: the kind and element type of what is not there. */
static bool absent_type(const Node *node, Type *type) {
  Context *ctx = node->graph->ctx;
  const char *text = op_param_s(node, "type");
  if (text == NULL) return node_error(node, DIAG_INVALID, "an optional of nothing needs a type");
  bool sequence = strncmp(text, "seq(", 4) == 0;
  if (sequence) text += 4;
  const char *name = arena_printf(ctx->arena, "%.*s", (int)strcspn(text, "["), text);
  DType dtype = dtype_by_name(name);
  if (dtype == DTYPE_NONE) return unsupported(node, "optionals hold tensors or sequences of them");
  Bag bag = bag_empty(ctx, dtype);
  if (!sequence) read_sizes(ctx, text, &bag);
  *type = bag_type(ctx, &bag, sequence ? TYPE_SEQUENCE : TYPE_OPTIONAL);
  return true;
}

static bool optional_infer(Node *node) {
  Context *ctx = node->graph->ctx;
  const Value *x = node_in(node, 0);
  Type type;
  if (x == NULL) {
    if (!absent_type(node, &type)) return false;
  } else if (x->type.kind == TYPE_TENSOR) {
    if (infer_tensor(node, 0) == NULL) return false;
    Bag bag = bag_of_tensor(ctx, &x->type);
    type = bag_type(ctx, &bag, TYPE_OPTIONAL);
  } else {
    type = x->type;
  }
  if (type.kind != TYPE_OPTIONAL) {
    if (!type_is_bag(&type))
      return unsupported(node, "optionals hold tensors or sequences of them");
    const Type *element = arena_copy(ctx->arena, &type, sizeof type);
    type = (Type){.kind = TYPE_OPTIONAL, .element = element};
  } else if (x != NULL && x->type.kind == TYPE_OPTIONAL) {
    return unsupported(node, "optionals hold tensors or sequences of them");
  }
  infer_output_type(node, 0, &type);
  return true;
}

static bool is_optional(const Value *value) {
  return value != NULL && value->type.kind == TYPE_OPTIONAL;
}

/* The Optional that made the input; NULL: it is something else. */
static const Node *maker(const Node *node) {
  const Value *x = node_in(node, 0);
  return is_optional(x) && node_is(x->producer, op_Optional) ? x->producer : NULL;
}

/* The value in an optional, or a value that is no optional; NULL where that is not known. */
static Value *optional_value(const Node *node) {
  const Node *made_by = maker(node);
  if (made_by != NULL) return node_in(made_by, 0);
  return is_optional(node_in(node, 0)) ? NULL : node_in(node, 0);
}

static bool optional_get_element_infer(Node *node) {
  const Value *known = optional_value(node), *x = node_in(node, 0);
  if (maker(node) != NULL && known == NULL) {
    return node_error(node, DIAG_INVALID, "the optional is always empty");
  }
  if (known == NULL && type_is_bag(&x->type)) {
    Bag bag = bag_of(node->graph->ctx, &x->type);
    return output_element(node, &bag);
  }
  if (known != NULL) {
    infer_output_type(node, 0, &known->type);
    return true;
  }
  Bag bag = bag_of(node->graph->ctx, x->type.element);
  bag.items.length = NULL; /* whoever asks for it learns whether there is a sequence */
  output_bag(node, 0, &bag);
  return true;
}

static bool optional_get_element_decompose(Builder *b, Node *node) {
  Value *known = optional_value(node);
  if (known == NULL) return false;
  build_replace(b, node, BUILD(b, "Identity", known));
  return true;
}

/* Whether there is an element: 0 or 1, a size that says so, or NULL. */
static const Dim *presence(const Node *node) {
  const Value *x = node_in(node, 0);
  bool made = maker(node) != NULL;
  if (!is_optional(x)) return dim_const(infer_dims(node), x != NULL);
  if (made) return dim_const(infer_dims(node), optional_value(node) != NULL);
  return type_is_bag(&x->type) && x->type.items != NULL ? x->type.items->length : NULL;
}

static bool optional_has_element_infer(Node *node) {
  const Dim *truth = presence(node);
  infer_output(node, 0, ONNXC_RT_BOOL, 0, NULL);
  if (truth != NULL) infer_set_contents(node, 0, &truth, 1);
  return true;
}

static bool optional_has_element_decompose(Builder *b, Node *node) {
  const Dim *truth = presence(node);
  if (truth == NULL) return false;
  build_replace(b, node, build_contents(b, ONNXC_RT_BOOL, &truth, 1, 0, NULL));
  return true;
}

/* ---- bounds ------------------------------------------------------------------------------------
 */

/* What a captured value is outside. */
static const Value *captured(const Value *value) {
  const Node *holder = value->graph->holder;
  VEC_EACH(const Capture, capture, &value->graph->captures) {
    if (capture->inner == value) return holder->in[capture->input].value;
  }
  return NULL;
}

static const Dim *most_of(const Value *value, int depth);

/* The most that an output of the node can be, from its inputs. */
static const Dim *most_from(const Node *node, int depth) {
  static const char *const same[] = {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze"};
  const char *op = node->op->name;
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    if (strcmp(op, same[i]) == 0) return most_of(node_in(node, 0), depth);
  }
  if (strcmp(op, "SequenceLength") == 0 && node_in(node, 0)->type.items != NULL) {
    return node_in(node, 0)->type.items->capacity;
  }
  const Dim *least = NULL;
  for (uint32_t i = 0; strcmp(op, "Min") == 0 && i < node->n_formal; i++) {
    const Dim *most = most_of(node_in(node, i), depth);
    if (most != NULL && (least == NULL || most->hi < least->hi)) least = most;
  }
  return least;
}

/* Chains longer than `depth` are not followed. */
static const Dim *most_of(const Value *value, int depth) {
  if (value == NULL || depth == 0) return NULL;
  const Tensor *constant = value->constant;
  if (value->contents != NULL && value->n_contents == 1) {
    const Dim *number = value->contents[0];
    if (!number->opaque) return number;
    if (number->hi != INT64_MAX) return dim_const(value->graph->ctx->dims, number->hi);
  }
  if (constant != NULL && constant->count == 1) {
    return dim_const(value->graph->ctx->dims, tensor_i64(constant, 0));
  }
  if (value->producer != NULL) return most_from(value->producer, depth - 1);
  return most_of(captured(value), depth - 1);
}

const Dim *sequence_most(const Node *node, uint32_t i) {
  enum { DEPTH = 16 };
  const Dim *most = most_of(node_in(node, i), DEPTH);
  bool open = most == NULL || dim_is(most, INT64_MAX);
  return open || (most->value && most->hi == INT64_MAX) ? NULL : most;
}

/* ---- operators ---------------------------------------------------------------------------------
 */

#define SEQUENCE_OP(Name, infer_, ...)                                                             \
  const OpDef op_##Name = {                                                                        \
      .name = #Name, .domain = "", .flags = OP_COMPOSITE, .infer = infer_, __VA_ARGS__}

SEQUENCE_OP(Optional, optional_infer,
            .params = (const OpParam[]){PARAM_OPTIONAL("type", ATTR_STRING), {0}});
SEQUENCE_OP(SequenceConstruct, sequence_construct_infer, .params = NULL);
SEQUENCE_OP(SequenceEmpty, sequence_empty_infer,
            .params = (const OpParam[]){PARAM_OPTIONAL("dtype", ATTR_INT), {0}});
SEQUENCE_OP(SequenceErase, sequence_erase_infer, .params = NULL);
SEQUENCE_OP(SequenceInsert, sequence_insert_infer, .params = NULL);
SEQUENCE_OP(SplitToSequence, split_to_sequence_infer,
            .params = (const OpParam[]){PARAM_INT("axis", 0), PARAM_INT("keepdims", 1), {0}});
SEQUENCE_OP(ConcatFromSequence, concat_from_sequence_infer,
            .decompose = concat_from_sequence_decompose,
            .params = (const OpParam[]){
                PARAM_REQUIRED("axis", ATTR_INT), PARAM_INT("new_axis", 0), {0}});
SEQUENCE_OP(OptionalGetElement, optional_get_element_infer,
            .decompose = optional_get_element_decompose);
SEQUENCE_OP(OptionalHasElement, optional_has_element_infer,
            .decompose = optional_has_element_decompose);
SEQUENCE_OP(SequenceAt, sequence_at_infer, .decompose = sequence_at_decompose);
SEQUENCE_OP(SequenceLength, sequence_length_infer, .decompose = sequence_length_decompose);
