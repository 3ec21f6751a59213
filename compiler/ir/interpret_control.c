#include "ir/interpreter.h"
#include "ops/op.h"

#include <string.h>

typedef Vec(const Tensor *) Tensors;

/* ---- tensors along an axis ---------------------------------------------------------------------
 */

/* A new tensor of these sizes; NULL when it exceeds the budget. */
static Tensor *new_tensor(Run *run, DType dtype, int rank, const int64_t *dims) {
  size_t count = 1, bytes;
  for (int i = 0; i < rank; i++) {
    if (dims[i] < 0 || __builtin_mul_overflow(count, (size_t)dims[i], &count)) return NULL;
  }
  if (!dtype_bytes(dtype, count, &bytes) || dtype_info(dtype)->bits < 8) return NULL;
  if (!run_spend(run, bytes)) return NULL;
  Tensor *tensor = ARENA_NEW(run->arena, Tensor);
  *tensor = (Tensor){.dtype = dtype, .rank = rank, .count = count, .bytes = bytes};
  tensor->dims = arena_copy(run->arena, dims, (size_t)rank * sizeof *dims);
  tensor->data = arena_alloc(run->arena, bytes);
  return tensor;
}

static size_t outer_count(const Tensor *tensor, int axis) {
  size_t count = 1;
  for (int i = 0; i < axis; i++) count *= (size_t)tensor->dims[i];
  return count;
}

/* Copies element `index` of the axis of `whole` from or to `part`, which lacks that axis. */
static void copy_slice(const Tensor *whole, const Tensor *part, int axis, size_t index,
                       bool to_whole) {
  size_t outer = outer_count(whole, axis), length = (size_t)whole->dims[axis];
  if (part->bytes == 0) return;
  size_t inner = part->bytes / outer;
  char *all = (char *)(uintptr_t)whole->data, *one = (char *)(uintptr_t)part->data;
  for (size_t i = 0; i < outer; i++) {
    char *in_whole = all + (i * length + index) * inner, *in_part = one + i * inner;
    memcpy(to_whole ? in_whole : in_part, to_whole ? in_part : in_whole, inner);
  }
}

static const Tensor *slice(Run *run, const Tensor *whole, int axis, size_t index) {
  int64_t dims[MAX_RANK];
  for (int i = 0, k = 0; i < whole->rank; i++) {
    if (i != axis) dims[k++] = whole->dims[i];
  }
  const Tensor *part = new_tensor(run, whole->dtype, whole->rank - 1, dims);
  if (part != NULL) copy_slice(whole, part, axis, index, false);
  return part;
}

/* All parts side by side along a new axis. Without parts the type gives the other sizes. */
static const Tensor *stack(Run *run, const Type *type, const Tensors *parts, int axis,
                           bool reversed) {
  int64_t dims[MAX_RANK];
  for (int i = 0, k = 0; i < type->rank; i++) {
    if (i == axis) {
      dims[i] = (int64_t)parts->len;
    } else {
      dims[i] = parts->len != 0 ? parts->data[0]->dims[k] : run_known_size(run, type->dims[i])->lo;
      k++;
    }
  }
  const Tensor *whole = new_tensor(run, type->dtype, type->rank, dims);
  for (size_t i = 0; whole != NULL && i < parts->len; i++) {
    const Tensor *first = parts->data[0], *part = parts->data[i];
    size_t dims_bytes = (size_t)first->rank * sizeof *first->dims;
    if (part->rank != first->rank || memcmp(part->dims, first->dims, dims_bytes) != 0) return NULL;
    copy_slice(whole, part, axis, reversed ? parts->len - 1 - i : i, true);
  }
  return whole;
}

static const Tensor *scalar(Run *run, DType dtype, int64_t value) {
  Tensor *tensor = new_tensor(run, dtype, 0, NULL);
  if (tensor == NULL) return NULL;
  int64_t wide = value;
  uint8_t narrow = (uint8_t)value;
  const void *bits = tensor->bytes == 1 ? (const void *)&narrow : (const void *)&wide;
  tensor->data = arena_copy(run->arena, bits, tensor->bytes);
  return tensor;
}

/* ---- subgraphs ---------------------------------------------------------------------------------
 */

static bool run_subgraph(Run *run, const Graph *graph, const Tensor *const *inputs,
                         const Tensor **outputs) {
  VEC_EACH(const Capture, capture, &graph->captures) {
    run_set_value(run, capture->inner, inputs[capture->input]);
  }
  return run_graph(run, graph, outputs);
}

static bool truth(const Tensor *tensor) {
  return tensor == NULL || (tensor->count != 0 && tensor_i64(tensor, 0) != 0);
}

static bool run_if(Run *run, const Node *node, const Tensor *const *inputs,
                   const Tensor **outputs) {
  const char *branch = truth(inputs[0]) ? "then_branch" : "else_branch";
  return run_subgraph(run, node_attr(node, branch)->graph, inputs, outputs);
}

/* ---- Loop and Scan: a body that runs again and again --------------------------------------------
 */

/* Inputs and outputs of the body begin with some of the operator's own, then come the states. */
typedef struct Turns {
  Run *run;
  const Node *node;
  const Graph *body;
  const Tensor *const *inputs; /* of the node */
  uint32_t in_lead, out_lead, n_states, n_scans;
  const Tensor **states;
  Tensors *scans;         /* what each turn has put out, for each scan output */
  const Tensor **results; /* of one turn: all outputs of the body */
  const Dim **sizes;      /* those known before the first turn */
  uint64_t outer;         /* the turn of the loops around */
  ptrdiff_t made;         /* turns */
} Turns;

static bool turns_begin(Turns *t, const Tensor *const *states) {
  Run *run = t->run;
  size_t fixed = (size_t)t->out_lead + t->n_states;
  t->outer = run->turn;
  if (t->body->inputs.len < (size_t)t->in_lead + t->n_states) return false;
  if (t->body->outputs.len < fixed) return false;
  t->n_scans = (uint32_t)(t->body->outputs.len - fixed);
  if (t->node->n_out != t->n_states + t->n_scans) return false;
  t->states = arena_copy(run->arena, states, t->n_states * sizeof *states);
  t->scans = ARENA_ARRAY(run->arena, t->n_scans, Tensors);
  t->results = ARENA_ARRAY(run->arena, t->body->outputs.len, const Tensor *);
  t->sizes = ARENA_ARRAY(run->arena, run->n_sizes, const Dim *);
  if (run->n_sizes != 0) memcpy(t->sizes, run->sizes, run->n_sizes * sizeof *t->sizes);
  return true;
}

/* Sizes that depend on data may differ from turn to turn. */
static void forget_sizes(const Turns *t) {
  Run *run = t->run;
  if (run->n_sizes != 0) memcpy(run->sizes, t->sizes, run->n_sizes * sizeof *t->sizes);
}

/* One turn, with the body inputs other than states already set. */
static bool turn(Turns *t) {
  Run *run = t->run;
  run->turn = onnxc_rt_turn(t->outer, t->made++);
  for (uint32_t i = 0; i < t->n_states; i++) {
    run_set_value(run, t->body->inputs.data[t->in_lead + i], t->states[i]);
  }
  if (!run_subgraph(run, t->body, t->inputs, t->results)) return false;
  for (uint32_t i = 0; i < t->n_states; i++) t->states[i] = t->results[t->out_lead + i];
  for (uint32_t i = 0; i < t->n_scans; i++) {
    vec_push(run->arena, &t->scans[i], t->results[t->out_lead + t->n_states + i]);
  }
  return true;
}

/* Axis `i` of a list attribute, brought to [0, rank); 0 without the attribute, -1 when outside. */
static int axis_of(const Attr *axes, uint32_t i, int rank) {
  int64_t axis = axes == NULL || i >= axes->count ? 0 : axes->ints[i];
  if (axis < 0) axis += rank;
  return axis >= 0 && axis < rank ? (int)axis : -1;
}

static bool reversed(const Attr *directions, uint32_t i) {
  return directions != NULL && i < directions->count && directions->ints[i] == 1;
}

static bool turns_end(Turns *t, const Tensor **outputs) {
  const Attr *axes = node_attr(t->node, "scan_output_axes");
  const Attr *directions = node_attr(t->node, "scan_output_directions");
  forget_sizes(t);
  t->run->turn = t->outer;
  for (uint32_t i = 0; i < t->n_states; i++) outputs[i] = t->states[i];
  for (uint32_t i = 0; i < t->n_scans; i++) {
    const Value *value = t->node->out[t->n_states + i];
    if (value == NULL) continue;
    int axis = axis_of(axes, i, value->type.rank);
    if (value->type.kind != TYPE_TENSOR || axis < 0) return false;
    const Tensor *all = stack(t->run, &value->type, &t->scans[i], axis, reversed(directions, i));
    if (all == NULL) return false;
    outputs[t->n_states + i] = all;
  }
  return true;
}

/* Loop(trips, condition, states...): body(turn, condition, states...) -> condition, states...,
 * scans... */
static bool run_loop(Run *run, const Node *node, const Tensor *const *inputs,
                     const Tensor **outputs) {
  Turns t = {.run = run, .node = node, .inputs = inputs, .in_lead = 2, .out_lead = 1};
  if (inputs[0] != NULL && inputs[0]->count == 0) return false;
  int64_t trips = inputs[0] == NULL ? INT64_MAX : tensor_i64(inputs[0], 0);
  bool goes_on = truth(inputs[1]);
  t.body = node_attr(node, "body")->graph;
  t.n_states = node->n_formal - 2;
  if (!turns_begin(&t, inputs + 2)) return false;
  for (int64_t i = 0; i < trips && goes_on; i++) {
    forget_sizes(&t);
    const Tensor *index = scalar(run, ONNXC_RT_I64, i), *flag = scalar(run, ONNXC_RT_BOOL, 1);
    if (index == NULL || flag == NULL) return false;
    run_set_value(run, t.body->inputs.data[0], index);
    run_set_value(run, t.body->inputs.data[1], flag);
    if (!turn(&t)) return false;
    goes_on = truth(t.results[0]);
  }
  return turns_end(&t, outputs);
}

/* Element `index` of scan input `i`, in the direction in which it is read. */
static const Tensor *scan_element(const Turns *t, uint32_t i, size_t index) {
  const Tensor *whole = t->inputs[t->n_states + i];
  int axis = axis_of(node_attr(t->node, "scan_input_axes"), i, whole->rank);
  if (axis < 0 || index >= (size_t)whole->dims[axis]) return NULL;
  bool backward = reversed(node_attr(t->node, "scan_input_directions"), i);
  return slice(t->run, whole, axis, backward ? (size_t)whole->dims[axis] - 1 - index : index);
}

/* Scan(states..., sequences...): body(states..., elements...) -> states..., scans... */
static bool run_scan(Run *run, const Node *node, const Tensor *const *inputs,
                     const Tensor **outputs) {
  Turns t = {.run = run, .node = node, .inputs = inputs, .body = node_attr(node, "body")->graph};
  uint32_t n_sequences = (uint32_t)op_param_i(node, "num_scan_inputs");
  if (n_sequences == 0 || n_sequences > node->n_formal) return false;
  t.n_states = node->n_formal - n_sequences;
  if (!turns_begin(&t, inputs)) return false;
  if (t.body->inputs.len != node->n_formal) return false;
  const Tensor *first = inputs[t.n_states];
  int axis = axis_of(node_attr(node, "scan_input_axes"), 0, first->rank);
  if (axis < 0) return false;
  for (size_t i = 0; i < (size_t)first->dims[axis]; i++) {
    forget_sizes(&t);
    for (uint32_t k = 0; k < n_sequences; k++) {
      const Tensor *element = scan_element(&t, k, i);
      if (element == NULL) return false;
      run_set_value(run, t.body->inputs.data[t.n_states + k], element);
    }
    if (!turn(&t)) return false;
  }
  return turns_end(&t, outputs);
}

static const struct {
  const char *name;
  RunControl *run;
} controls[] = {{"If", run_if}, {"Loop", run_loop}, {"Scan", run_scan}};

enum { CONTROLS = sizeof controls / sizeof *controls };

RunControl *run_control(const OpDef *op) {
  for (size_t i = 0; i < CONTROLS && *op->domain == '\0'; i++) {
    if (strcmp(op->name, controls[i].name) == 0) return controls[i].run;
  }
  return NULL;
}
