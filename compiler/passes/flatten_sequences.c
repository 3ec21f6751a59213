/* flatten-sequences: values that are sequences, optionals or maps -> bundles of tensors.
 *
 *   seq(tensor)            data [capacity, slot], dims [capacity, rank], length
 *   optional(tensor)       the same, of capacity 1
 *   optional(seq(tensor))  the same and present, a bool
 *   map, seq(map)          data: the values, dims: the keys
 *
 * (see reference/sequence.h for the layout.) What computes such a value becomes an operator of the
 * compiler on those tensors, Identity and subgraphs pass them on, and so do the inputs and outputs
 * of the model. Right because each type bounds what its values hold (Items), every place where two
 * types meet has a value brought to the wider one, and kernels check what only a run can know. It
 * runs behind decompose, which has dissolved what is known while compiling; from here on there are
 * tensors only. */
#include "ops/compose.h"
#include "ops/maps.h"
#include "ops/sequence.h"
#include "passes/pass.h"

#include <string.h>

typedef struct Bundle {
  Value *data, *dims, *length;
  Value *present; /* of an optional sequence */
} Bundle;

enum { BUNDLE_VALUES = 4 };

typedef struct Flattening {
  PassRun *run;
  Arena *arena; /* of the compilation */
  Map bundles;  /* value -> Bundle */
} Flattening;

static bool is_composite(const Value *value) {
  return value != NULL && value->type.kind != TYPE_TENSOR;
}

static Bundle *bundle_of(const Flattening *f, const Value *value) {
  Bundle *bundle = map_get(&f->bundles, map_key(value));
  if (bundle == NULL) escape_raise(arena_escape(f->arena), 70, "a sequence was not flattened");
  return bundle;
}

static void set_bundle(Flattening *f, const Value *value, Bundle bundle) {
  map_set(&f->bundles, map_key(value), arena_copy(f->arena, &bundle, sizeof bundle));
}

/* The sequence or optional tensor that a type is about. */
static const Type *inner(const Type *type) {
  bool nested = type->kind == TYPE_OPTIONAL && type->element->kind == TYPE_SEQUENCE;
  return nested ? type->element : type;
}

static Bag bag_in(const Value *value) {
  return bag_of(value->graph->ctx, inner(&value->type));
}

static bool has_present(const Type *type) {
  return inner(type) != type;
}

/* ---- building ----------------------------------------------------------------------------------
 */

static Value *build_truth(Builder *b, bool truth) {
  const Dim *dim = dim_const(b->graph->ctx->dims, truth);
  return build_contents(b, ONNXC_RT_BOOL, &dim, 1, 0, NULL);
}

static void set_shape(Builder *b, Node *node, const Bag *bag) {
  const Dim *shape[] = {bag->items.capacity, bag->items.slot};
  const Dim *const *dims = arena_copy(b->graph->ctx->arena, shape, sizeof shape);
  node_set_attr(node, (Attr){.name = "shape", .kind = ATTR_DIMS, .dims = dims, .count = 2});
  node_set_int(node, "rank", bag->rank < 0 ? 0 : bag->rank);
}

/* A node whose result has room for what is in the bag. */
static Node *build_sequence(Builder *b, const char *op, Value *const *inputs, uint32_t n,
                            const Bag *bag) {
  Node *node = build_node(b, "onnxc", op, inputs, n, bag->items.length == NULL ? 3 : 2);
  set_shape(b, node, bag);
  return node;
}

static Bundle done(Builder *b, Node *node, const Bag *bag) {
  build_done(b, node);
  const Dim *length = bag->items.length;
  return (Bundle){.data = node->out[0],
                  .dims = node->out[1],
                  .length = length == NULL ? node->out[2] : compose_size(b, length)};
}

static Bundle empty_bundle(Builder *b, DType dtype) {
  const int64_t none[] = {0, 0};
  Context *ctx = b->graph->ctx;
  return (Bundle){.data = build_constant(b, tensor_new(ctx, dtype, 2, none)),
                  .dims = build_constant(b, tensor_new(ctx, ONNXC_RT_I64, 2, none)),
                  .length = build_i64(b, 0)};
}

static Bundle pack(Builder *b, Value *const *tensors, uint32_t n, const Bag *bag) {
  return done(b, build_sequence(b, "SequencePack", tensors, n, bag), bag);
}

/* [count, sizes of one tensor...] */
static Type uniform_type(Context *ctx, const Bag *bag, const Dim *count) {
  const Dim *dims[MAX_RANK];
  dims[0] = count;
  for (int i = 0; i < bag->rank; i++) dims[1 + i] = bag->dims[i];
  return type_tensor(ctx, bag->dtype, bag->rank + 1, dims);
}

/* The same sizes for all. */
static Value *equal_dims(Builder *b, const Bag *bag, const Dim *count) {
  const Dim *rank = dim_const(b->graph->ctx->dims, bag->rank);
  Value *row = build_dims(b, bag->dims, (uint32_t)bag->rank);
  return BUILD(b, "Expand", row, build_dims(b, (const Dim *[]){count, rank}, 2));
}

/* A tensor as an optional. */
static Bundle pack_one(Builder *b, Value *tensor) {
  const Bag bag = bag_of_tensor(b->graph->ctx, &tensor->type);
  return pack(b, &tensor, 1, &bag);
}

/* The size of a tensor's axis that only the node can find. */
static void set_sizes(Node *node, const Node *from) {
  const Type *type = &from->out[0]->type;
  int64_t ragged = 0;
  for (int i = 0; i < type->rank; i++) {
    if (node_size_from_data(from, 0, i)) ragged |= INT64_C(1) << i;
  }
  Attr sizes = {
      .name = "sizes", .kind = ATTR_DIMS, .dims = type->dims, .count = (size_t)type->rank};
  node_set_attr(node, sizes);
  node_set_int(node, "ragged", ragged);
}

/* The bundle as a value of type `type` has it: with that capacity and slot, and as an optional. */
static void fit(Builder *b, Bundle *bundle, const Type *type) {
  const Bag bag = bag_of(b->graph->ctx, inner(type));
  const Type *data = &bundle->data->type, *dims = &bundle->dims->type;
  if (has_present(type) && bundle->present == NULL) bundle->present = build_truth(b, true);
  bool fits = data->dims[0] == bag.items.capacity && data->dims[1] == bag.items.slot &&
              dim_is(dims->dims[1], bag.rank < 0 ? 0 : bag.rank);
  if (fits) return;
  Node *node = bundle->data->producer;
  bool ours = node != NULL && node->graph == b->graph && bundle->data->uses == NULL &&
              bundle->dims->uses == NULL && !value_is_output(bundle->data) &&
              node_attr(node, "shape") != NULL && node_attr(node, "rank") != NULL &&
              strcmp(node->op->domain, "onnxc") == 0;
  if (ours) { /* its maker makes it so */
    set_shape(b, node, &bag);
    bundle->data->type = bundle->dims->type = (Type){0};
    infer_node(node);
    return;
  }
  Value *inputs[] = {bundle->data, bundle->dims, bundle->length};
  Node *copy = build_node(b, "onnxc", "SequenceFit", inputs, 3, 2);
  set_shape(b, copy, &bag);
  build_done(b, copy);
  bundle->data = copy->out[0];
  bundle->dims = copy->out[1];
}

/* ---- operators ---------------------------------------------------------------------------------
 */

typedef bool Flatten(Flattening *f, Builder *b, Node *node);

static bool flatten_construct(Flattening *f, Builder *b, Node *node) {
  Value **tensors = ARENA_ARRAY(f->arena, node->n_formal, Value *);
  for (uint32_t i = 0; i < node->n_formal; i++) tensors[i] = node_in(node, i);
  const Bag bag = bag_in(node->out[0]);
  set_bundle(f, node->out[0], pack(b, tensors, node->n_formal, &bag));
  return true;
}

static bool flatten_empty(Flattening *f, Builder *b, Node *node) {
  set_bundle(f, node->out[0], empty_bundle(b, node->out[0]->type.element->dtype));
  return true;
}

/* A new sequence from that in input 0 and the other inputs. */
static bool flatten_edit(Flattening *f, Builder *b, Node *node) {
  const Bundle *from = bundle_of(f, node_in(node, 0));
  Value *inputs[] = {from->data, from->dims, from->length, node_in(node, 1), node_in(node, 2)};
  const Bag bag = bag_in(node->out[0]);
  Node *edit = build_sequence(b, node->op->name, inputs, 2 + node->n_formal, &bag);
  set_bundle(f, node->out[0], done(b, edit, &bag));
  return true;
}

static bool flatten_split(Flattening *f, Builder *b, Node *node) {
  Value *inputs[] = {node_in(node, 0), node_in(node, 1)};
  const Bag bag = bag_in(node->out[0]);
  Node *split = build_sequence(b, "SequenceSplit", inputs, node->n_formal, &bag);
  node_set_int(split, "axis", op_param_i(node, "axis"));
  node_set_int(split, "keepdims", op_param_i(node, "keepdims"));
  set_bundle(f, node->out[0], done(b, split, &bag));
  return true;
}

/* A tensor from the sequence in input 0, in the place of output 0. */
static Node *take_tensor(Flattening *f, Builder *b, Node *node, const char *op) {
  const Bundle *from = bundle_of(f, node_in(node, 0));
  Value *inputs[] = {from->data, from->dims, from->length, node_in(node, 1)};
  Node *take = build_node(b, "onnxc", op, inputs, 2 + node->n_formal, 1);
  set_sizes(take, node);
  node_take_output(take, 0, node->out[0]);
  return take;
}

static bool flatten_at(Flattening *f, Builder *b, Node *node) {
  build_done(b, take_tensor(f, b, node, "SequenceAt"));
  return true;
}

static bool flatten_join(Flattening *f, Builder *b, Node *node) {
  Node *join = take_tensor(f, b, node, "SequenceJoin");
  node_set_int(join, "axis", op_param_i(node, "axis"));
  node_set_int(join, "new_axis", op_param_i(node, "new_axis"));
  build_done(b, join);
  return true;
}

static bool flatten_length(Flattening *f, Builder *b, Node *node) {
  build_replace(b, node, bundle_of(f, node_in(node, 0))->length);
  return true;
}

static bool flatten_optional(Flattening *f, Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  const Type *type = &node->out[0]->type;
  const Bag bag = bag_in(node->out[0]);
  Bundle bundle = x == NULL          ? empty_bundle(b, bag.dtype)
                  : !is_composite(x) ? pack_one(b, x)
                                     : *bundle_of(f, x);
  if (has_present(type)) bundle.present = build_truth(b, x != NULL);
  set_bundle(f, node->out[0], bundle);
  return true;
}

static bool flatten_get(Flattening *f, Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  Bundle bundle = *bundle_of(f, x);
  if (!is_composite(node->out[0])) return flatten_at(f, b, node);
  if (bundle.present != NULL) {
    Value *inputs[] = {bundle.length, bundle.present};
    bundle.length = build_done(b, build_node(b, "onnxc", "SequenceRequire", inputs, 2, 1));
    bundle.present = NULL;
  }
  set_bundle(f, node->out[0], bundle);
  return true;
}

/* Whether an optional has an element, as a bool. */
static Value *presence(Builder *b, const Bundle *bundle) {
  if (bundle->present != NULL) return bundle->present;
  return compose_cast(b, bundle->length, ONNXC_RT_BOOL);
}

static bool flatten_has(Flattening *f, Builder *b, Node *node) {
  build_replace(b, node, presence(b, bundle_of(f, node_in(node, 0))));
  return true;
}

/* ---- maps ---- */

static bool flatten_zip(Flattening *f, Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  const Items *maps = node->out[0]->type.items;
  const Dim *shape[] = {maps->capacity, maps->slot};
  set_bundle(f, node->out[0],
             (Bundle){.data = compose_reshape(b, x, shape, 2),
                      .dims = build_constant(b, zip_map_keys(node)),
                      .length = compose_size(b, maps->length)});
  return true;
}

/* The values of the wanted keys, or all; in the place of output 0. */
static bool give_values(Flattening *f, Builder *b, Node *node, Value *wanted, DType dtype) {
  const Bundle *map = bundle_of(f, node_in(node, 0));
  Value *inputs[] = {map->data, map->dims, wanted};
  Value *values = build_done(b, build_node(b, "onnxc", "MapValues", inputs, 3, 1));
  build_replace(b, node, compose_cast(b, values, dtype));
  return true;
}

static bool flatten_cast_map(Flattening *f, Builder *b, Node *node) {
  DType dtype;
  Value *wanted = NULL;
  if (!cast_map_target(node, &dtype)) return false;
  if (strcmp(op_param_s(node, "map_form"), "SPARSE") == 0) {
    size_t n = (size_t)op_param_i(node, "max_map");
    int64_t *numbers = ARENA_ARRAY(f->arena, n, int64_t);
    for (size_t i = 0; i < n; i++) numbers[i] = (int64_t)i;
    wanted = build_ints(b, numbers, n);
  }
  return give_values(f, b, node, wanted, dtype);
}

static bool flatten_vectorizer(Flattening *f, Builder *b, Node *node) {
  const Tensor *keys = map_keys(node, "int64_vocabulary", "string_vocabulary");
  return give_values(f, b, node, build_constant(b, keys), node->out[0]->type.dtype);
}

static bool flatten_identity(Flattening *f, Builder *b, Node *node) {
  (void)b;
  set_bundle(f, node->out[0], *bundle_of(f, node_in(node, 0)));
  return true;
}

/* ---- subgraphs ---------------------------------------------------------------------------------
 */

static bool flatten_graph(Flattening *f, Graph *graph);

typedef Vec(Value *) Values;

static void add_bundle(Flattening *f, Values *values, const Bundle *bundle) {
  Value *parts[BUNDLE_VALUES] = {bundle->data, bundle->dims, bundle->length, bundle->present};
  for (int i = 0; i < BUNDLE_VALUES; i++) {
    if (parts[i] != NULL) vec_push(f->arena, values, parts[i]);
  }
}

/* Values of a graph that are the parts of one of type `type`. */
static Bundle new_bundle(Flattening *f, Graph *graph, const char *name, const Type *type) {
  Context *ctx = graph->ctx;
  const Bag bag = bag_of(ctx, inner(type));
  const Dim *rank = dim_const(ctx->dims, bag.rank < 0 ? 0 : bag.rank);
  Bundle bundle = {.data = graph_new_value(graph, name),
                   .dims = graph_new_value(graph, arena_printf(f->arena, "%s_dims", name)),
                   .length = graph_new_value(graph, arena_printf(f->arena, "%s_length", name))};
  const Dim *capacity = bag.items.capacity;
  bundle.data->type = type_tensor(ctx, bag.dtype, 2, (const Dim *[]){capacity, bag.items.slot});
  bundle.dims->type = type_tensor(ctx, ONNXC_RT_I64, 2, (const Dim *[]){capacity, rank});
  bundle.length->type = type_tensor(ctx, ONNXC_RT_I64, 0, NULL);
  if (!has_present(type)) return bundle;
  bundle.present = graph_new_value(graph, arena_printf(f->arena, "%s_present", name));
  bundle.present->type = type_tensor(ctx, ONNXC_RT_BOOL, 0, NULL);
  return bundle;
}

static Value *capture_part(Graph *graph, Value *outer) {
  return outer == NULL ? NULL : graph_capture(graph, outer);
}

/* A captured sequence is captured part by part. */
static void flatten_captures(Flattening *f, const Node *node, Graph *body) {
  size_t n = body->captures.len;
  for (size_t i = 0; i < n; i++) {
    const Capture capture = body->captures.data[i];
    if (!is_composite(capture.inner)) continue;
    const Bundle *outer = bundle_of(f, node_in(node, capture.input));
    set_bundle(f, capture.inner,
               (Bundle){.data = capture_part(body, outer->data),
                        .dims = capture_part(body, outer->dims),
                        .length = capture_part(body, outer->length),
                        .present = capture_part(body, outer->present)});
  }
}

static void drop_captures(Node *node) {
  for (uint32_t i = node->n_in; i-- > node->n_formal;) {
    if (is_composite(node_in(node, i))) node_remove_capture(node, i);
  }
}

/* The outputs of a body; one whose type in types[i] is no tensor is brought to that. NULL: it is
 * left out if it is none, else it stays. */
static void flatten_outputs(Flattening *f, const Node *node, Graph *body,
                            const Type *const *types) {
  Builder back = {.graph = body, .origin = node};
  Values outputs = {0};
  for (size_t i = 0; i < body->outputs.len; i++) {
    Value *value = body->outputs.data[i];
    bool composite = is_composite(value), wanted = types[i] != NULL;
    if (!composite && (!wanted || types[i]->kind == TYPE_TENSOR)) {
      vec_push(f->arena, &outputs, value);
    } else if (wanted) {
      Bundle bundle = composite ? *bundle_of(f, value) : pack_one(&back, value);
      fit(&back, &bundle, types[i]);
      add_bundle(f, &outputs, &bundle);
    }
  }
  graph_set_outputs(body, outputs.data, outputs.len);
}

/* Output `i` of the node as values of their own. */
static void add_output(Flattening *f, Node *node, Value *out, const Type *type, Values *outputs) {
  Bundle bundle = new_bundle(f, node->graph, out->name, type);
  set_bundle(f, out, bundle);
  add_bundle(f, outputs, &bundle);
}

static bool has_composite(Value *const *values, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (is_composite(values[i])) return true;
  }
  return false;
}

/* Drops element `at` of a list. */
static void drop(Values *values, size_t at) {
  memmove(values->data + at, values->data + at + 1, (values->len - at - 1) * sizeof(Value *));
  values->len--;
}

/* Outputs that nobody wants go first, with those of the branches. */
static void drop_absent(Flattening *f, Node *node, Graph *const *branches) {
  for (uint32_t i = node->n_out; i-- > 0;) {
    Values outer = {0};
    if (node->out[i] != NULL) continue;
    for (uint32_t k = 0; k < node->n_out; k++) {
      if (k != i) vec_push(f->arena, &outer, node->out[k]);
    }
    node_set_outputs(node, outer.data, (uint32_t)outer.len);
    for (size_t k = 0; k < 2; k++) {
      Values kept = {0};
      VEC_EACH(Value *, output, &branches[k]->outputs) vec_push(f->arena, &kept, *output);
      drop(&kept, i);
      graph_set_outputs(branches[k], kept.data, kept.len);
    }
  }
}

static bool flatten_if(Flattening *f, Node *node) {
  Graph *const branches[] = {node_attr(node, "then_branch")->graph,
                             node_attr(node, "else_branch")->graph};
  drop_absent(f, node, branches);
  const Type **types = ARENA_ARRAY(f->arena, node->n_out, const Type *);
  Values outputs = {0};
  for (uint32_t i = 0; i < node->n_out; i++) types[i] = &node->out[i]->type;
  for (size_t k = 0; k < 2; k++) {
    flatten_outputs(f, node, branches[k], types);
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    Value *out = node->out[i];
    if (is_composite(out))
      add_output(f, node, out, &out->type, &outputs);
    else
      vec_push(f->arena, &outputs, out);
  }
  node_set_outputs(node, outputs.data, (uint32_t)outputs.len);
  return infer_node(node);
}

/* ---- Loop ---- */

/* Whether the number of tensors is a symbol that nothing but the user bounds. */
static bool is_open(const Dim *capacity) {
  const DimAtom *symbol = dim_as_symbol(capacity);
  return symbol != NULL && strstr(symbol->name, "_capacity") != NULL;
}

/* Before the turns: room for what they will add, where only the number of turns says how much. */
static bool reserve(Builder *b, const Node *node, uint32_t i, Bundle *bundle, const Type *type) {
  const Graph *body = node_attr(node, "body")->graph;
  const Bag bag = bag_of(b->graph->ctx, inner(type)), last = bag_in(body->outputs.data[1 + i]);
  const DimAtom *symbol = dim_as_symbol(bag.items.capacity);
  int64_t growth;
  if (!is_open(bag.items.capacity)) return true;
  if (dim_mentions(bundle->data->type.dims[0], symbol)) return true;
  if (symbol->hi == INT64_MAX) {
    return node_error(node, DIAG_UNSUPPORTED,
                      "the turns put into a sequence what nothing bounds the number of; add --dim "
                      "%s=0..N",
                      symbol->name);
  }
  bool counted =
      dim_is_const(dim_sub(b->graph->ctx->dims, last.items.capacity, bag.items.capacity), &growth);
  Value *inputs[] = {bundle->data, bundle->dims, bundle->length, node_in(node, 0)};
  Node *copy = build_node(b, "onnxc", "SequenceFit", inputs, counted ? 4 : 3, 2);
  set_shape(b, copy, &bag);
  node_set_string(copy, "to", "turns");
  node_set_int(copy, "growth", counted ? growth : 0);
  build_done(b, copy);
  bundle->data = copy->out[0];
  bundle->dims = copy->out[1];
  return true;
}

/* Inputs of the node, and of its body; the body's have the types that hold in every turn. */
static bool enter_loop(Flattening *f, Builder *b, Node *node, Graph *body) {
  Values outer = {0}, inputs = {0};
  for (uint32_t i = 0; i < node->n_formal; i++) {
    Value *value = node_in(node, i), *input = body->inputs.data[i];
    if (!is_composite(value)) {
      vec_push(f->arena, &outer, value);
      vec_push(f->arena, &inputs, input);
      continue;
    }
    Bundle first = *bundle_of(f, value);
    if (!reserve(b, node, i - 2, &first, &input->type)) return false;
    fit(b, &first, &input->type);
    add_bundle(f, &outer, &first);
    Bundle state = new_bundle(f, body, input->name, &input->type);
    set_bundle(f, input, state);
    add_bundle(f, &inputs, &state);
  }
  node_set_formal(node, outer.data, (uint32_t)outer.len);
  body->inputs.len = 0;
  for (size_t i = 0; i < inputs.len; i++) vec_push(f->arena, &body->inputs, inputs.data[i]);
  return true;
}

/* A sequence that is optional only as the loop begins is there when it ends. */
static bool leave_loop(Flattening *f, Node *node, const Type *const *types) {
  Values outputs = {0};
  Builder behind = {.graph = node->graph, .before = node->next, .origin = node};
  Value *const *old = node->out;
  uint32_t n = node->n_out;
  for (uint32_t i = 0; i < n; i++) {
    if (types[i] == NULL) {
      vec_push(f->arena, &outputs, old[i]);
    } else {
      Value *out = old[i] != NULL ? old[i] : graph_new_value(node->graph, NULL);
      add_output(f, node, out, types[i], &outputs);
    }
  }
  node_set_outputs(node, outputs.data, (uint32_t)outputs.len);
  if (!infer_node(node)) return false;
  for (uint32_t i = 0; i < n; i++) {
    if (types[i] == NULL || old[i] == NULL) continue;
    Bundle *bundle = bundle_of(f, old[i]);
    if (bundle->present == NULL || has_present(&old[i]->type)) continue;
    Value *inputs[] = {bundle->length, bundle->present};
    bundle->length =
        build_done(&behind, build_node(&behind, "onnxc", "SequenceRequire", inputs, 2, 1));
    bundle->present = NULL;
  }
  return true;
}

/* ---- Loops that collect ----
 *
 * A sequence that begins empty and that every turn puts one tensor of one size behind, and does
 * nothing else with, is what a scan output of the loop stacks. */

/* The node that collects state `i`; NULL: it is used in other ways. */
static Node *collector(const Node *node, uint32_t i) {
  const Graph *body = node_attr(node, "body")->graph;
  const Value *first = node_in(node, 2 + i), *state = body->inputs.data[2 + i];
  const Value *next = body->outputs.data[1 + i];
  Node *insert = next->producer;
  if (first->type.kind != TYPE_SEQUENCE || !type_is_bag(&state->type)) return NULL;
  const Bag bag = bag_in(state), begin = bag_in(first);
  if (!node_is(insert, op_SequenceInsert) || node_in(insert, 2) != NULL) return NULL;
  if (!dim_is(begin.items.capacity, 0) || is_open(bag.items.capacity)) return NULL;
  bool only = node_in(insert, 0) == state && value_single_use(state) && value_single_use(next);
  return only && bag_uniform(&bag) && bag.rank < MAX_RANK ? insert : NULL;
}

/* State `i` and what collects it go; what was put in becomes the last output. */
static Value *scan_instead(Flattening *f, Node *node, uint32_t i, Node *insert) {
  Graph *body = node_attr(node, "body")->graph;
  Values formal = {0}, outer = {0}, inputs = {0}, outputs = {0};
  for (uint32_t k = 0; k < node->n_formal; k++) vec_push(f->arena, &formal, node_in(node, k));
  for (uint32_t k = 0; k < node->n_out; k++) vec_push(f->arena, &outer, node->out[k]);
  VEC_EACH(Value *, input, &body->inputs) vec_push(f->arena, &inputs, *input);
  VEC_EACH(Value *, output, &body->outputs) vec_push(f->arena, &outputs, *output);
  Value *stacked = graph_new_value(node->graph, node->out[i] == NULL ? NULL : node->out[i]->name);
  const Bag bag = bag_in(inputs.data[2 + i]);
  stacked->type = uniform_type(body->ctx, &bag, bag.items.capacity); /* which bounds the turns */
  vec_push(f->arena, &outer, stacked);
  vec_push(f->arena, &outputs, node_in(insert, 1));
  drop(&formal, 2 + i);
  drop(&inputs, 2 + i);
  drop(&outer, i);
  drop(&outputs, 1 + i);
  node_set_formal(node, formal.data, (uint32_t)formal.len);
  node_set_outputs(node, outer.data, (uint32_t)outer.len);
  graph_set_outputs(body, outputs.data, outputs.len);
  graph_remove(insert);
  body->inputs.len = 0;
  VEC_EACH(Value *, input, &inputs) vec_push(f->arena, &body->inputs, *input);
  return stacked;
}

/* [turns, sizes of one tensor...] as a sequence. */
static Bundle unstack(Builder *b, Value *stacked) {
  Context *ctx = b->graph->ctx;
  const Type *type = &stacked->type;
  const Type one = type_tensor(ctx, type->dtype, type->rank - 1, type->dims + 1);
  const Bag bag = bag_of_tensor(ctx, &one);
  const Dim *shape[] = {type->dims[0], bag.items.slot};
  return (Bundle){.data = compose_reshape(b, stacked, shape, 2),
                  .dims = equal_dims(b, &bag, type->dims[0]),
                  .length = compose_size(b, type->dims[0])};
}

static bool collect_turns(Flattening *f, Node *node) {
  Builder behind = {.graph = node->graph, .before = node->next, .origin = node};
  for (uint32_t i = 0; i + 2 < node->n_formal;) {
    Value *out = node_out(node, i);
    Node *insert = collector(node, i);
    if (insert == NULL) {
      i++;
      continue;
    }
    Value *stacked = scan_instead(f, node, i, insert);
    pass_hit(f->run, "collect");
    if (!infer_node(node)) return false;
    if (out != NULL) set_bundle(f, out, unstack(&behind, stacked));
  }
  return true;
}

static bool flatten_loop(Flattening *f, Builder *b, Node *node) {
  Graph *body = node_attr(node, "body")->graph;
  uint32_t carried = node->n_formal - 2;
  const Type **types = ARENA_ARRAY(f->arena, node->n_out + 1, const Type *);
  for (uint32_t i = 0; i < carried; i++) {
    if (is_composite(node_in(node, 2 + i))) types[1 + i] = &body->inputs.data[2 + i]->type;
  }
  if (!enter_loop(f, b, node, body) || !flatten_graph(f, body)) return false;
  flatten_outputs(f, node, body, types);
  return leave_loop(f, node, types + 1);
}

/* ---- graphs ------------------------------------------------------------------------------------
 */

static const struct {
  const char *op;
  Flatten *flatten;
} rows[] = {
    {"CastMap", flatten_cast_map},
    {"ConcatFromSequence", flatten_join},
    {"DictVectorizer", flatten_vectorizer},
    {"Identity", flatten_identity},
    {"Optional", flatten_optional},
    {"OptionalGetElement", flatten_get},
    {"OptionalHasElement", flatten_has},
    {"SequenceAt", flatten_at},
    {"SequenceConstruct", flatten_construct},
    {"SequenceEmpty", flatten_empty},
    {"SequenceErase", flatten_edit},
    {"SequenceInsert", flatten_edit},
    {"SequenceLength", flatten_length},
    {"SplitToSequence", flatten_split},
    {"ZipMap", flatten_zip},
};

static bool touches(const Node *node) {
  bool in = false;
  for (uint32_t i = 0; i < node->n_formal; i++) in = in || is_composite(node_in(node, i));
  return in || has_composite(node->out, node->n_out);
}

static bool flatten_operator(Flattening *f, Node *node) {
  Builder b = builder_at(node);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (strcmp(node->op->name, rows[i].op) != 0) continue;
    pass_hit(f->run, node->op->name);
    if (!rows[i].flatten(f, &b, node)) return false;
    graph_remove(node);
    return true;
  }
  return node_error(node, DIAG_UNSUPPORTED, "sequences and optionals are not supported here");
}

static bool flatten_holder(Flattening *f, Node *node) {
  bool is_loop = strcmp(node->op->name, "Loop") == 0, good = true;
  Builder b = builder_at(node);
  if (is_loop && touches(node) && !collect_turns(f, node)) return false;
  bool composite = touches(node);
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind == ATTR_GRAPH) flatten_captures(f, node, node->attrs[i].graph);
  }
  for (uint32_t i = 0; i < node->n_attrs && !(is_loop && composite); i++) {
    if (node->attrs[i].kind == ATTR_GRAPH) good = good && flatten_graph(f, node->attrs[i].graph);
  }
  if (composite) {
    pass_hit(f->run, node->op->name);
    good = good && (is_loop ? flatten_loop(f, &b, node) : flatten_if(f, node));
  }
  if (good) drop_captures(node);
  return good;
}

static bool holds_graphs(const Node *node) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind == ATTR_GRAPH) return true;
  }
  return false;
}

static bool flatten_graph(Flattening *f, Graph *graph) {
  bool good = true;
  for (Node *node = graph->first, *next; good && node != NULL; node = next) {
    next = node->next;
    if (holds_graphs(node))
      good = flatten_holder(f, node);
    else if (touches(node))
      good = flatten_operator(f, node);
  }
  return good;
}

/* ---- inputs and outputs of the model -----------------------------------------------------------
 */

static Value *add_input(Graph *graph, Values *inputs, const char *name, const char *about,
                        Type type) {
  Value *value = graph_new_value(graph, name);
  value->type = type;
  value->about = about;
  vec_push(graph->ctx->arena, inputs, value);
  return value;
}

/* A sequence of tensors of one size is one tensor with an axis more. */
static Bundle uniform_input(Builder *b, Values *inputs, const Value *input, const Bag *bag) {
  Context *ctx = b->graph->ctx;
  const Dim *count = bag->items.capacity, *shape[] = {count, bag->items.slot};
  const char *about =
      arena_printf(ctx->arena, "a sequence of %s tensors", dim_text(ctx->arena, count));
  Value *data = add_input(b->graph, inputs, input->name, about, uniform_type(ctx, bag, count));
  return (Bundle){.data = compose_reshape(b, data, shape, 2),
                  .dims = equal_dims(b, bag, count),
                  .length = compose_size(b, count)};
}

static Bundle ragged_input(Builder *b, Values *inputs, const Value *input, const Bag *bag) {
  Context *ctx = b->graph->ctx;
  const Dim *count = bag->items.capacity, *rank = dim_const(ctx->dims, bag->rank);
  const char *name = arena_printf(ctx->arena, "%s_dims", input->name);
  Type data = type_tensor(ctx, bag->dtype, 2, (const Dim *[]){count, bag->items.slot});
  Type dims = type_tensor(ctx, ONNXC_RT_I64, 2, (const Dim *[]){count, rank});
  return (Bundle){
      .data = add_input(b->graph, inputs, input->name, "a sequence, each tensor in a row", data),
      .dims = add_input(b->graph, inputs, name, "its sizes, filled up with -1", dims),
      .length = compose_size(b, count)};
}

static Value *present_input(Builder *b, Values *inputs, const Value *input) {
  Context *ctx = b->graph->ctx;
  const char *name = arena_printf(ctx->arena, "%s_present", input->name);
  return add_input(b->graph, inputs, name, "whether there is one",
                   type_tensor(ctx, ONNXC_RT_BOOL, 0, NULL));
}

static Bundle optional_input(Builder *b, Values *inputs, const Value *input, const Bag *bag) {
  Context *ctx = b->graph->ctx;
  const Dim *one = dim_const(ctx->dims, 1), *shape[] = {one, bag->items.slot};
  Value *data = add_input(b->graph, inputs, input->name, "an optional",
                          type_tensor(ctx, bag->dtype, bag->rank, bag->dims));
  return (Bundle){.data = compose_reshape(b, data, shape, 2),
                  .dims = equal_dims(b, bag, one),
                  .length = compose_cast(b, present_input(b, inputs, input), ONNXC_RT_I64)};
}

static Bundle map_input(Builder *b, Values *inputs, const Value *input) {
  Context *ctx = b->graph->ctx;
  const Type *type = &input->type;
  const Dim *count = type->items->capacity;
  const char *name = arena_printf(ctx->arena, "%s_keys", input->name);
  return (Bundle){.data = add_input(b->graph, inputs, input->name, "the values of a map",
                                    type_tensor(ctx, type->element->dtype, 1, &count)),
                  .dims = add_input(b->graph, inputs, name, "its keys",
                                    type_tensor(ctx, type->dtype, 1, &count)),
                  .length = compose_size(b, count)};
}

static bool flatten_input(Flattening *f, Builder *b, Values *inputs, const Value *input) {
  const Type *type = inner(&input->type);
  if (type->kind == TYPE_MAP && type->items != NULL) {
    set_bundle(f, input, map_input(b, inputs, input));
    return true;
  }
  if (!type_is_bag(type)) {
    DiagSite site = {.graph = b->graph->name};
    return diag_error(b->graph->ctx->diag, DIAG_UNSUPPORTED, site,
                      "input '%.200s' of type %s is not supported", input->name,
                      type_text(f->arena, &input->type));
  }
  const Bag bag = bag_in(input);
  bool none = dim_is(bag.items.capacity, 0);
  if (bag.rank < 0 && !none) {
    DiagSite site = {.graph = b->graph->name};
    return diag_error(b->graph->ctx->diag, DIAG_UNSUPPORTED, site,
                      "the tensors of input '%.200s' have no known rank; add --dim %.200s_rank=R",
                      input->name, input->name);
  }
  Bundle bundle = type->kind == TYPE_OPTIONAL ? optional_input(b, inputs, input, &bag)
                  : none                      ? empty_bundle(b, bag.dtype)
                  : bag_uniform(&bag)         ? uniform_input(b, inputs, input, &bag)
                                              : ragged_input(b, inputs, input, &bag);
  if (has_present(&input->type)) bundle.present = present_input(b, inputs, input);
  set_bundle(f, input, bundle);
  return true;
}

static void note_composite(Graph *graph, bool is_input, size_t index, const Value *value,
                           size_t first, size_t last) {
  Composite composite = {.name = value->name,
                         .type = value->type,
                         .index = (uint32_t)index,
                         .first = (uint32_t)first,
                         .n = (uint32_t)(last - first)};
  if (is_input)
    vec_push(graph->ctx->arena, &graph->composite_inputs, composite);
  else
    vec_push(graph->ctx->arena, &graph->composite_outputs, composite);
}

static bool flatten_inputs(Flattening *f, Graph *graph, const Node *origin) {
  Builder front = {.graph = graph, .before = graph->first, .origin = origin};
  Values inputs = {0};
  bool good = true;
  for (size_t i = 0; i < graph->inputs.len; i++) {
    Value *input = graph->inputs.data[i];
    size_t first = inputs.len;
    if (!is_composite(input)) {
      vec_push(f->arena, &inputs, input);
      continue;
    }
    good = flatten_input(f, &front, &inputs, input) && good;
    note_composite(graph, true, i, input, first, inputs.len);
  }
  graph->inputs.len = 0;
  VEC_EACH(Value *, input, &inputs) vec_push(f->arena, &graph->inputs, *input);
  return good;
}

static void give_output(Builder *b, Values *outputs, Value *value, const char *name,
                        const char *about) {
  bool free_name = value->producer != NULL && !value_is_output(value);
  VEC_EACH(Value *, other, outputs) free_name = free_name && *other != value;
  if (!free_name) value = BUILD(b, "Identity", value);
  value->name = intern(b->graph->ctx->strings, name);
  value->about = about;
  vec_push(b->graph->ctx->arena, outputs, value);
}

/* The tensors that there are, and no more. */
static const Dim *trim(Builder *b, Bundle *bundle, const char *name, Bag *bag) {
  Context *ctx = b->graph->ctx;
  if (bag->items.length != NULL) {
    bag->items.capacity = bag->items.length;
    Type type = bag_type(ctx, bag, TYPE_SEQUENCE);
    fit(b, bundle, &type);
    return bag->items.length;
  }
  const char *symbol = arena_printf(ctx->arena, "%s_length", name);
  bag->items.capacity = dim_fresh(ctx->dims, symbol, 0, bag->items.capacity->hi);
  Value *inputs[] = {bundle->data, bundle->dims, bundle->length};
  Node *copy = build_node(b, "onnxc", "SequenceFit", inputs, 3, 2);
  set_shape(b, copy, bag);
  node_set_string(copy, "to", "length");
  build_done(b, copy);
  bundle->data = copy->out[0];
  bundle->dims = copy->out[1];
  return bag->items.capacity;
}

static void sequence_output(Builder *b, Values *outputs, const char *name, Bundle bundle, Bag bag) {
  Context *ctx = b->graph->ctx;
  const Dim *count = trim(b, &bundle, name, &bag);
  if (bag_uniform(&bag)) {
    const Type type = uniform_type(ctx, &bag, count);
    const char *about =
        arena_printf(ctx->arena, "a sequence of %s tensors", dim_text(ctx->arena, count));
    give_output(b, outputs, compose_reshape(b, bundle.data, type.dims, type.rank), name, about);
    return;
  }
  give_output(b, outputs, bundle.data, name, "a sequence, each tensor in a row");
  give_output(b, outputs, bundle.dims, arena_printf(ctx->arena, "%s_dims", name),
              "its sizes, filled up with -1");
}

static bool optional_output(Builder *b, Values *outputs, const Value *value, const Bundle *bundle,
                            const Bag *bag) {
  Context *ctx = b->graph->ctx;
  if (bag->items.mixed) {
    return diag_error(ctx->diag, DIAG_UNSUPPORTED, (DiagSite){.graph = b->graph->name},
                      "output '%.200s' may be of different ranks", value->name);
  }
  Value *inputs[] = {bundle->data, bundle->dims, bundle->length};
  Node *take = build_node(b, "onnxc", "SequenceAt", inputs, 3, 1);
  const Dim *const *dims = arena_copy(ctx->arena, bag->dims, sizeof bag->dims);
  node_set_attr(take, (Attr){.name = "sizes",
                             .kind = ATTR_DIMS,
                             .dims = dims,
                             .count = bag->rank < 0 ? 0 : (size_t)bag->rank});
  node_set_int(take, "ragged", bag->items.ragged);
  node_set_int(take, "optional", 1);
  take->out[0]->name = value->name;
  give_output(b, outputs, build_done(b, take), value->name, "an optional");
  return true;
}

static bool holds_maps(const Type *type) {
  return type->kind == TYPE_MAP || (type->kind == TYPE_SEQUENCE && type->element->kind == TYPE_MAP);
}

static void map_output(Builder *b, Values *outputs, const Value *value, const Bundle *bundle) {
  bool one = value->type.kind == TYPE_MAP;
  give_output(b, outputs, bundle->data, value->name,
              one ? "the values of a map" : "the values of maps, a row for each");
  give_output(b, outputs, bundle->dims, arena_printf(b->graph->ctx->arena, "%s_keys", value->name),
              one ? "its keys" : "their keys");
}

static bool flatten_output(Flattening *f, Builder *b, Values *outputs, Value *value) {
  const Bundle *bundle = bundle_of(f, value);
  if (holds_maps(&value->type)) {
    map_output(b, outputs, value, bundle);
    return true;
  }
  const Bag bag = bag_in(value);
  bool optional = value->type.kind == TYPE_OPTIONAL;
  if (optional && !has_present(&value->type)) {
    if (!optional_output(b, outputs, value, bundle, &bag)) return false;
  } else {
    sequence_output(b, outputs, value->name, *bundle, bag);
  }
  const char *present = arena_printf(f->arena, "%s_present", value->name);
  if (optional) give_output(b, outputs, presence(b, bundle), present, "whether there is one");
  return true;
}

static bool flatten_results(Flattening *f, Graph *graph, const Node *origin) {
  Builder back = {.graph = graph, .origin = origin};
  Values outputs = {0};
  bool good = true;
  for (size_t i = 0; good && i < graph->outputs.len; i++) {
    Value *value = graph->outputs.data[i];
    size_t first = outputs.len;
    if (!is_composite(value)) {
      vec_push(f->arena, &outputs, value);
      continue;
    }
    good = flatten_output(f, &back, &outputs, value);
    note_composite(graph, false, i, value, first, outputs.len);
  }
  if (good) graph_set_outputs(graph, outputs.data, outputs.len);
  return good;
}

static bool any_composite(const Graph *graph) {
  if (has_composite(graph->inputs.data, graph->inputs.len)) return true;
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    if (has_composite(node->out, node->n_out)) return true;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH && any_composite(node->attrs[i].graph)) return true;
    }
  }
  return false;
}

/* All of the main graph at once, subgraphs with what holds them. */
static bool run_flatten(PassRun *run, Graph *graph) {
  if (graph->holder != NULL || !any_composite(graph)) return true;
  Context *ctx = graph->ctx;
  Flattening f = {.run = run, .arena = ctx->arena, .bundles = map_on(pass_scratch(run))};
  const Node *origin = node_new(graph, op_find("", "Identity"), "", NULL, 0, NULL, 0);
  pass_hit(run, "interface");
  return flatten_inputs(&f, graph, origin) && flatten_graph(&f, graph) &&
         flatten_results(&f, graph, origin);
}

const PassDef pass_flatten_sequences = {
    .name = "flatten-sequences",
    .what = "Sequences, optionals and maps become bundles of tensors",
    .run = run_flatten,
    .required = true,
};
