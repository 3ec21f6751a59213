/* Sequences and optionals. They exist while compiling only: whoever takes a tensor out of a
 * sequence is rewritten to take it from where it was put in. */
#include "ops/builder.h"
#include "ops/check.h"

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

static bool unsupported(const Node *node, const char *what) {
  return node_error(node, DIAG_UNSUPPORTED, "%s", what);
}

#define UNKNOWN_SPLIT "split must be known at compile time"

/* How SplitToSequence cuts: into parts of `chunk`, or of the sizes in `given`. */
typedef struct Cuts {
  Value *x;
  int axis;
  int64_t chunk;           /* 0: as given */
  const Dim *const *given; /* NULL: only their number is known */
  uint32_t n_given;
  bool squeezed;
} Cuts;

static bool read_cuts(const Node *node, Cuts *cuts) {
  const Type *x = infer_tensor(node, 0);
  *cuts = (Cuts){.x = node_in(node, 0), .chunk = 1};
  if (x == NULL || !infer_axis(node, op_param_i(node, "axis"), x->rank, &cuts->axis)) return false;
  cuts->squeezed = node_in(node, 1) == NULL && op_param_i(node, "keepdims") == 0;
  if (node_in(node, 1) == NULL) return true;
  const Type *split = infer_tensor(node, 1);
  if (split == NULL) return false;
  cuts->chunk = 0;
  cuts->given = infer_contents(node, 1, &cuts->n_given);
  if (split->rank != 0 && cuts->given == NULL) {
    int n;
    if (!infer_length(node, 1, &n)) return false;
    cuts->n_given = (uint32_t)n;
  }
  if (split->rank != 0) return true;
  if (cuts->given == NULL) return unsupported(node, UNKNOWN_SPLIT);
  if (!dim_is_const(cuts->given[0], &cuts->chunk) || cuts->chunk < 1) {
    return node_error(node, DIAG_INVALID, "split must be a positive constant");
  }
  return true;
}

static bool cut_parts(const Node *node, Parts *parts) {
  DimTable *t = infer_dims(node);
  Cuts cuts;
  int64_t whole = 0;
  if (!read_cuts(node, &cuts)) return false;
  const Dim *size = cuts.x->type.dims[cuts.axis], *start = dim_const(t, 0);
  if (cuts.chunk != 0) {
    if (!dim_is_const(size, &whole) || whole / cuts.chunk > MAX_PARTS) {
      return unsupported(node, "the number of parts must be known at compile time");
    }
    cuts.n_given = (uint32_t)((whole + cuts.chunk - 1) / cuts.chunk);
  }
  for (uint32_t i = 0; i < cuts.n_given; i++) {
    int64_t left = whole - (int64_t)i * cuts.chunk;
    const Dim *part = dim_const(t, left < cuts.chunk ? left : cuts.chunk);
    if (cuts.chunk == 0) part = cuts.given == NULL ? NULL : cuts.given[i];
    vec_push(parts->arena, &parts->list, (Part){cuts.x, cuts.axis, start, part, cuts.squeezed});
    start = part == NULL ? NULL : dim_add(t, start, part);
  }
  return true;
}

/* A position in a sequence of `n`, which must be constant; absent: `otherwise`. */
static bool position_of(const Node *node, uint32_t i, size_t n, size_t room, size_t otherwise,
                        size_t *position) {
  int64_t given, size = (int64_t)n;
  uint32_t count;
  *position = otherwise;
  if (node_in(node, i) == NULL) return true;
  if (!infer_constant_ints(node, i, &given, 1, &count) || count != 1) {
    return unsupported(node, "positions in sequences must be known at compile time");
  }
  if (given < -size || given >= (int64_t)room) {
    return node_error(node, DIAG_INVALID, "position %lld is outside the sequence of %zu",
                      (long long)given, n);
  }
  *position = (size_t)(given < 0 ? given + size : given);
  return true;
}

/* Every node changes the parts of the sequence in its input 0 by one step. */
static bool apply_step(const Node *node, Parts *parts) {
  const char *op = node->op->name;
  size_t n = parts->list.len, at;
  if (strcmp(op, "SequenceEmpty") == 0 || strcmp(op, "Identity") == 0) return true;
  if (strcmp(op, "SplitToSequence") == 0) return cut_parts(node, parts);
  if (strcmp(op, "SequenceConstruct") == 0) {
    for (uint32_t i = 0; i < node->n_formal; i++) {
      vec_push(parts->arena, &parts->list, (Part){.value = node_in(node, i), .axis = -1});
    }
    return true;
  }
  if (strcmp(op, "SequenceErase") == 0) {
    if (n == 0) return node_error(node, DIAG_INVALID, "the sequence is empty");
    if (!position_of(node, 1, n, n, n - 1, &at)) return false;
    memmove(parts->list.data + at, parts->list.data + at + 1, (n - at - 1) * sizeof(Part));
    parts->list.len--;
    return true;
  }
  if (!position_of(node, 2, n, n + 1, n, &at)) return false; /* SequenceInsert */
  vec_push(parts->arena, &parts->list, (Part){.value = node_in(node, 1), .axis = -1});
  memmove(parts->list.data + at + 1, parts->list.data + at, (n - at) * sizeof(Part));
  parts->list.data[at] = (Part){.value = node_in(node, 1), .axis = -1};
  return true;
}

static bool continues(const Node *node) {
  static const char *const ops[] = {"Identity", "SequenceInsert", "SequenceErase"};
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    if (strcmp(node->op->name, ops[i]) == 0) return true;
  }
  return false;
}

static bool begins(const Node *node) {
  static const char *const ops[] = {"SequenceConstruct", "SequenceEmpty", "SplitToSequence"};
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    if (strcmp(node->op->name, ops[i]) == 0) return true;
  }
  return false;
}

/* The parts of the sequence `value`, which `node` reads. */
static bool find_parts(const Node *node, const Value *value, Parts *parts) {
  Vec(const Node *) steps = {0};
  *parts = (Parts){.arena = node->graph->ctx->arena};
  const Node *step = value->producer;
  for (; step != NULL && continues(step); step = step->in[0].value->producer) {
    vec_push(parts->arena, &steps, step);
  }
  if (step == NULL || !begins(step)) {
    return unsupported(node, "sequences must be taken apart where they are put together");
  }
  vec_push(parts->arena, &steps, step);
  for (size_t i = steps.len; i-- > 0;) {
    if (!apply_step(steps.data[i], parts)) return false;
    if (parts->list.len > MAX_PARTS) {
      return node_error(node, DIAG_LIMIT, "sequences end at %d tensors", MAX_PARTS);
    }
  }
  return true;
}

static bool part_known(const Node *node, const Part *part) {
  return part->axis < 0 || part->size != NULL || unsupported(node, UNKNOWN_SPLIT);
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

static void output_sequence(Node *node, const Type *element) {
  Type *copy = ARENA_NEW(node->graph->ctx->arena, Type);
  *copy = *element;
  Type type = {.kind = TYPE_SEQUENCE, .element = copy};
  infer_output_type(node, 0, &type);
}

/* What tensors of both types have in common. */
static Type common_type(Context *ctx, const Type *a, const Type *b) {
  Type any = {.kind = TYPE_TENSOR, .dtype = a->dtype, .rank = -1};
  if (type_equal(a, b)) return *a;
  if (a->rank != b->rank || a->rank < 0) return any;
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < a->rank; i++) {
    if (a->dims[i] != b->dims[i]) return any;
    dims[i] = a->dims[i];
  }
  return type_tensor(ctx, a->dtype, a->rank, dims);
}

static bool sequence_empty_infer(Node *node) {
  const Attr *dtype = node_attr(node, "dtype");
  Type element = {.kind = TYPE_TENSOR, .rank = -1};
  element.dtype = dtype == NULL ? ONNXC_RT_F32 : (DType)dtype->i;
  output_sequence(node, &element);
  return true;
}

static bool sequence_construct_infer(Node *node) {
  const Type *first = infer_tensor(node, 0);
  if (first == NULL) return false;
  Type element = *first;
  for (uint32_t i = 1; i < node->n_formal; i++) {
    const Type *x = infer_tensor(node, i);
    if (x == NULL) return false;
    element = common_type(node->graph->ctx, &element, x);
  }
  output_sequence(node, &element);
  return true;
}

/* The sequence in input 0; NULL: reported. */
static const Type *sequence_input(const Node *node) {
  const Value *value = node_in(node, 0);
  if (value != NULL && value->type.kind == TYPE_SEQUENCE) return value->type.element;
  node_error(node, DIAG_INVALID, "input 0 must be a sequence");
  return NULL;
}

static bool sequence_insert_infer(Node *node) {
  const Type *element = sequence_input(node), *x = infer_tensor(node, 1);
  if (element == NULL || x == NULL) return false;
  Type common = common_type(node->graph->ctx, element, x);
  output_sequence(node, &common);
  return true;
}

static bool sequence_erase_infer(Node *node) {
  const Type *element = sequence_input(node);
  if (element == NULL) return false;
  output_sequence(node, element);
  return true;
}

static bool split_to_sequence_infer(Node *node) {
  Cuts cuts;
  Context *ctx = node->graph->ctx;
  if (!read_cuts(node, &cuts)) return false;
  const Type *x = &cuts.x->type;
  Part part = {cuts.x, cuts.axis, NULL, dim_const(ctx->dims, cuts.chunk), cuts.squeezed};
  bool equal = cuts.chunk == 1;
  Type element = {.kind = TYPE_TENSOR, .dtype = x->dtype, .rank = -1};
  if (equal) element = part_type(ctx, &part);
  output_sequence(node, &element);
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
  if (producer == NULL || strcmp(producer->op->name, "SplitToSequence") != 0) return false;
  return read_cuts(producer, cuts) && cuts->chunk == 1;
}

static bool sequence_at_infer(Node *node) {
  Parts parts;
  Cuts cuts;
  size_t at;
  if (sequence_input(node) == NULL) return false;
  if (evenly_cut(node, &cuts)) {
    Part part = {cuts.x, cuts.axis, NULL, dim_const(infer_dims(node), 1), cuts.squeezed};
    Type type = part_type(node->graph->ctx, &part);
    infer_output_type(node, 0, &type);
    return true;
  }
  if (!find_parts(node, node_in(node, 0), &parts)) return false;
  size_t n = parts.list.len;
  if (!position_of(node, 1, n, n, 0, &at)) return false;
  if (!part_known(node, &parts.list.data[at])) return false;
  Type type = part_type(node->graph->ctx, &parts.list.data[at]);
  infer_output_type(node, 0, &type);
  return true;
}

static bool sequence_at_decompose(Builder *b, Node *node) {
  Parts parts;
  Cuts cuts;
  size_t at;
  if (evenly_cut(node, &cuts)) {
    const Dim *shape = dim_const(b->graph->ctx->dims, 1);
    Value *index = BUILD(b, "Reshape", node_in(node, 1), build_dims(b, &shape, !cuts.squeezed));
    Node *gather = build_node(b, "", "Gather", (Value *[]){cuts.x, index}, 2, 1);
    node_set_int(gather, "axis", cuts.axis);
    build_replace(b, node, build_done(b, gather));
    return true;
  }
  if (!find_parts(node, node_in(node, 0), &parts)) return false;
  if (!position_of(node, 1, parts.list.len, parts.list.len, 0, &at)) return false;
  build_replace(b, node, take(b, &parts.list.data[at]));
  return true;
}

static bool sequence_length(const Node *node, const Dim **length) {
  Parts parts;
  Cuts cuts;
  if (sequence_input(node) == NULL) return false;
  if (evenly_cut(node, &cuts)) {
    *length = cuts.x->type.dims[cuts.axis];
    return true;
  }
  if (!find_parts(node, node_in(node, 0), &parts)) return false;
  *length = dim_const(infer_dims(node), (int64_t)parts.list.len);
  return true;
}

static bool sequence_length_infer(Node *node) {
  const Dim *length;
  if (!sequence_length(node, &length)) return false;
  infer_output(node, 0, ONNXC_RT_I64, 0, NULL);
  infer_set_contents(node, 0, &length, 1);
  return true;
}

static bool sequence_length_decompose(Builder *b, Node *node) {
  const Dim *length;
  if (!sequence_length(node, &length)) return false;
  build_replace(b, node, build_contents(b, ONNXC_RT_I64, &length, 1, 0, NULL));
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

static bool concat_parts(Node *node, const Parts *parts) {
  Context *ctx = node->graph->ctx;
  bool stacks = op_param_i(node, "new_axis") != 0;
  const Dim *dims[MAX_RANK], *length = dim_const(ctx->dims, 0);
  int axis;
  if (parts->list.len == 0) return node_error(node, DIAG_INVALID, "the sequence is empty");
  VEC_EACH(Part, part, &parts->list) {
    if (!part_known(node, part)) return false;
  }
  const Type first = part_type(ctx, &parts->list.data[0]);
  int rank = first.rank + stacks;
  if (rank > MAX_RANK || !infer_axis(node, op_param_i(node, "axis"), rank, &axis)) {
    return rank > MAX_RANK ? node_error(node, DIAG_LIMIT, "ranks end at %d", MAX_RANK) : false;
  }
  VEC_EACH(Part, part, &parts->list) {
    const Type type = part_type(ctx, part);
    if (type.rank != first.rank) return node_error(node, DIAG_INVALID, "ranks differ");
    for (int i = 0, k = 0; i < rank; i++) {
      if (i == axis && stacks) continue;
      dims[i] = infer_equal(node, "sizes of the other axes", first.dims[k], type.dims[k]);
      if (i == axis) dims[i] = type.dims[k];
      if (dims[i] == NULL) return false;
      k++;
    }
    length = dim_add(ctx->dims, length, stacks ? dim_const(ctx->dims, 1) : dims[axis]);
  }
  dims[axis] = length;
  infer_output(node, 0, first.dtype, rank, dims);
  return true;
}

static bool concat_from_sequence_infer(Node *node) {
  Parts parts;
  Cuts cuts;
  int axis;
  if (sequence_input(node) == NULL) return false;
  if (evenly_cut(node, &cuts) && rejoins(node, &cuts, &axis)) {
    const Type *x = &cuts.x->type;
    int64_t perm[MAX_RANK];
    const Dim *dims[MAX_RANK];
    move_axis(x->rank, cuts.axis, axis, perm);
    for (int i = 0; i < x->rank; i++) dims[i] = x->dims[perm[i]];
    infer_output(node, 0, x->dtype, x->rank, dims);
    return true;
  }
  return find_parts(node, node_in(node, 0), &parts) && concat_parts(node, &parts);
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
  if (!find_parts(node, node_in(node, 0), &parts)) return false;
  build_replace(b, node, concat(b, node, &parts));
  return true;
}

/* ---- optionals ---------------------------------------------------------------------------------
 */

static bool optional_infer(Node *node) {
  const Value *x = node_in(node, 0);
  if (x == NULL) return unsupported(node, "an optional of nothing");
  Type *element = ARENA_NEW(node->graph->ctx->arena, Type);
  *element = x->type;
  Type type = {.kind = TYPE_OPTIONAL, .element = element};
  infer_output_type(node, 0, &type);
  return true;
}

/* The value in an optional, or a value that is no optional; NULL where that is not known. */
static Value *optional_value(const Node *node) {
  Value *x = node_in(node, 0);
  if (x == NULL || x->type.kind != TYPE_OPTIONAL) return x;
  const Node *producer = x->producer;
  bool made = producer != NULL && strcmp(producer->op->name, "Optional") == 0;
  return made ? node_in(producer, 0) : NULL;
}

static bool optional_get_element_infer(Node *node) {
  const Value *x = optional_value(node);
  if (x == NULL) return unsupported(node, "optionals must be made where they are used");
  infer_output_type(node, 0, &x->type);
  return true;
}

static bool optional_get_element_decompose(Builder *b, Node *node) {
  build_replace(b, node, BUILD(b, "Identity", optional_value(node)));
  return true;
}

static bool optional_has_element_infer(Node *node) {
  bool known = node_in(node, 0) == NULL || optional_value(node) != NULL;
  if (!known) return unsupported(node, "optionals must be made where they are used");
  const Dim *truth = dim_const(infer_dims(node), node_in(node, 0) != NULL);
  infer_output(node, 0, ONNXC_RT_BOOL, 0, NULL);
  infer_set_contents(node, 0, &truth, 1);
  return true;
}

static bool optional_has_element_decompose(Builder *b, Node *node) {
  const Dim *truth = dim_const(infer_dims(node), node_in(node, 0) != NULL);
  build_replace(b, node, build_contents(b, ONNXC_RT_BOOL, &truth, 1, 0, NULL));
  return true;
}

/* ---- operators ---------------------------------------------------------------------------------
 */

/* What makes a sequence vanishes with those who take it apart. */
static bool refuse_lower(Lowering *lowering, Node *node) {
  (void)lowering;
  return unsupported(node, "sequences and optionals exist only while compiling");
}

#define MAKES(Name, infer_, ...)                                                                   \
  const OpDef op_##Name = {                                                                        \
      .name = #Name, .domain = "", .infer = infer_, .lower = refuse_lower, __VA_ARGS__}

#define TAKES(Name, infer_, decompose_, ...)                                                       \
  const OpDef op_##Name = {                                                                        \
      .name = #Name, .domain = "", .infer = infer_, .decompose = decompose_, __VA_ARGS__}

MAKES(Optional, optional_infer, .params = NULL);
MAKES(SequenceConstruct, sequence_construct_infer, .params = NULL);
MAKES(SequenceEmpty, sequence_empty_infer,
      .params = (const OpParam[]){PARAM_OPTIONAL("dtype", ATTR_INT), {0}});
MAKES(SequenceErase, sequence_erase_infer, .params = NULL);
MAKES(SequenceInsert, sequence_insert_infer, .params = NULL);
MAKES(SplitToSequence, split_to_sequence_infer,
      .params = (const OpParam[]){PARAM_INT("axis", 0), PARAM_INT("keepdims", 1), {0}});

TAKES(ConcatFromSequence, concat_from_sequence_infer, concat_from_sequence_decompose,
      .params = (const OpParam[]){PARAM_REQUIRED("axis", ATTR_INT), PARAM_INT("new_axis", 0), {0}});
TAKES(OptionalGetElement, optional_get_element_infer, optional_get_element_decompose,
      .params = NULL);
TAKES(OptionalHasElement, optional_has_element_infer, optional_has_element_decompose,
      .params = NULL);
TAKES(SequenceAt, sequence_at_infer, sequence_at_decompose, .params = NULL);
TAKES(SequenceLength, sequence_length_infer, sequence_length_decompose, .params = NULL);
