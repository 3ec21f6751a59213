/* Symbolic sizes from the shapes of data. */
#include "cli/compare.h"
#include "cli/data.h"
#include "ir/interpret.h"
#include "lower/state.h"
#include "ops/op.h"

#include <string.h>

static onnxc_dim *find_dim(DimList *dims, const char *name) {
  VEC_EACH(onnxc_dim, dim, dims) {
    if (strcmp(dim->name, name) == 0) return dim;
  }
  return NULL;
}

/* One more size of a symbol that was seen: its range widens. */
static void note_size(Arena *arena, DimList *found, const char *name, int64_t size) {
  onnxc_dim *dim = find_dim(found, name);
  if (dim == NULL) {
    onnxc_dim fresh = {name, size, size};
    vec_push(arena, found, fresh);
    return;
  }
  if (size < dim->lo) dim->lo = size;
  if (size > dim->hi) dim->hi = size;
}

static const char *mismatch(const Value *input, const Tensor *data) {
  Arena *arena = input->graph->ctx->arena;
  return arena_printf(arena, "input '%s' is %s, but the data is %s",
                      text_escape(arena, input->name), type_text(arena, &input->type),
                      tensor_type_text(arena, data));
}

static const char *note_tensor(const Value *input, const Type *type, const Tensor *data,
                               DimList *found) {
  if (data == NULL) return NULL;
  if (type->dtype != data->dtype) return mismatch(input, data);
  if (type->rank >= 0 && type->rank != data->rank) return mismatch(input, data);
  for (int axis = 0; axis < type->rank; axis++) {
    int64_t size = data->dims[axis], fixed;
    const DimAtom *symbol = dim_as_symbol(type->dims[axis]);
    if (symbol != NULL) note_size(input->graph->ctx->arena, found, symbol->name, size);
    if (dim_is_const(type->dims[axis], &fixed) && fixed != size) return mismatch(input, data);
  }
  return NULL;
}

/* ---- sequences and optionals ---- */

/* The parts of a name that --dim takes. */
static void note_part(const Value *input, const char *format, int number, int64_t size,
                      DimList *found) {
  Arena *arena = input->graph->ctx->arena;
  const char *part = arena_printf(arena, format, number);
  note_size(arena, found, arena_printf(arena, "%s%s", input->name, part), size);
}

/* One tensor, whose sizes need not be those that the model declares. */
static void note_element(const Value *input, const Tensor *data, DimList *found) {
  note_part(input, "_rank", 0, data->rank, found);
  for (int axis = 0; axis < data->rank; axis++) {
    note_part(input, ".%d", axis, data->dims[axis], found);
  }
}

static void note_sequence(const Value *input, const Datum *sequence, DimList *found) {
  note_part(input, "_length", 0, (int64_t)sequence->n, found);
  for (size_t i = 0; i < sequence->n; i++) {
    if (sequence->parts[i].kind == TYPE_TENSOR) {
      note_element(input, sequence->parts[i].tensor, found);
    } else {
      note_part(input, "_keys", 0, (int64_t)sequence->parts[i].keys->count, found);
    }
  }
}

/* Where nothing is there sizes that the model leaves open may be any. */
static const char *note_absent(const Value *input, const Type *type, DimList *found) {
  if (type->kind == TYPE_SEQUENCE) return note_part(input, "_length", 0, 0, found), NULL;
  const Type *element = type->element;
  if (element->rank < 0) note_part(input, "_rank", 0, 0, found);
  for (int axis = 0; axis < element->rank; axis++) {
    const DimAtom *symbol = dim_as_symbol(element->dims[axis]);
    if (symbol != NULL && find_dim(found, symbol->name) == NULL) {
      note_size(input->graph->ctx->arena, found, symbol->name, 0);
    }
  }
  return NULL;
}

static const char *note_input(const Value *input, const Datum *data, DimList *found) {
  const Type *type = &input->type;
  if (type->kind == TYPE_TENSOR) return note_tensor(input, type, data->tensor, found);
  if (type->kind == TYPE_OPTIONAL) {
    bool nested = type->element->kind == TYPE_SEQUENCE;
    if (data->n == 0) return note_absent(input, nested ? type->element : type, found);
    data = &data->parts[0];
    if (!nested && type->element->rank < 0) note_element(input, data->tensor, found);
    if (!nested) return note_tensor(input, type->element, data->tensor, found);
  }
  if (data->kind == TYPE_MAP)
    note_part(input, "_length", 0, (int64_t)data->keys->count, found);
  else
    note_sequence(input, data, found);
  return NULL;
}

/* Whether it may be how much has been appended to a state, which is nothing at first. */
static bool owned_by_state(const Graph *graph, const char *name) {
  const DimTable *dims = graph->ctx->dims;
  for (uint32_t i = 0; i < dims_symbols(dims); i++) {
    const DimAtom *symbol = dim_as_symbol(dims_symbol(dims, i));
    if (strcmp(symbol->name, name) == 0) return state_owns_size(graph, symbol);
  }
  return false;
}

const char *sizes_from_data(const Graph *graph, const Datum *const *sets, size_t n_sets,
                            DimList *dims) {
  DimList found = {0};
  for (size_t set = 0; set < n_sets; set++) {
    for (size_t i = 0; i < graph->inputs.len; i++) {
      const char *wrong = note_input(graph->inputs.data[i], &sets[set][i], &found);
      if (wrong != NULL) return wrong;
    }
  }
  VEC_EACH(onnxc_dim, dim, &found) {
    if (find_dim(dims, dim->name) != NULL) continue;
    if (owned_by_state(graph, dim->name)) {
      dim->lo = 0;
      if (dim->hi == 0) dim->hi = 1; /* it stays open */
    }
    vec_push(graph->ctx->arena, dims, *dim);
  }
  return NULL;
}

int64_t *sizes_of_inputs(const Graph *graph, const Tensor *const *inputs) {
  const DimTable *dims = graph->ctx->dims;
  int64_t *sizes = ARENA_ARRAY(graph->ctx->arena, dims_symbols(dims), int64_t);
  for (uint32_t i = 0; i < dims_symbols(dims); i++) sizes[i] = dims_symbol(dims, i)->hi;
  for (size_t i = 0; i < graph->inputs.len; i++) {
    const Type *type = &graph->inputs.data[i]->type;
    for (int axis = 0; axis < type->rank && axis < inputs[i]->rank; axis++) {
      const DimAtom *symbol = dim_as_symbol(type->dims[axis]);
      if (symbol != NULL) sizes[symbol->symbol] = inputs[i]->dims[axis];
    }
  }
  return sizes;
}

/* ---- capacities --------------------------------------------------------------------------------
 */

static void note_capacity(const Value *value, DimList *dims) {
  const Type *type = &value->type;
  if (type->kind == TYPE_OPTIONAL) type = type->element;
  if (type->kind != TYPE_SEQUENCE || type->items == NULL) return;
  int64_t capacity = type->items->capacity->hi;
  if (capacity == INT64_MAX) return;
  Arena *arena = value->graph->ctx->arena;
  note_size(arena, dims, arena_printf(arena, "%s_capacity", value->name), capacity);
}

static void note_capacities(const Graph *graph, DimList *dims) {
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind != ATTR_GRAPH) continue;
      note_capacities(node->attrs[i].graph, dims);
      for (uint32_t k = 0; k < node->n_out; k++) {
        if (node->out[k] != NULL) note_capacity(node->out[k], dims);
      }
    }
  }
}

void capacities_from_data(Graph *graph, const Datum *inputs, DimList *dims) {
  for (size_t i = 0; i < graph->inputs.len; i++) {
    Value *input = graph->inputs.data[i];
    if (input->type.kind == TYPE_TENSOR) input->constant = inputs[i].tensor;
  }
  infer_graph(graph);
  note_capacities(graph, dims);
}

/* ---- sizes that depend on data -----------------------------------------------------------------
 */

/* What a compilation that ended for want of bounds, and sets of inputs, say about them. */
typedef struct Want {
  const Datum *const *sets;
  size_t n_sets;
  Arena *arena; /* of what is found */
  DimList found;
} Want;

static bool is_wanted(const Context *ctx, const DimAtom *symbol) {
  if (symbol->hi != INT64_MAX && symbol->lo != INT64_MIN) return false;
  VEC_EACH(const Dim *const, unbounded, &ctx->unbounded) {
    if (dim_as_symbol(*unbounded) == symbol) return true;
  }
  return ctx->unbounded.len == 0; /* it did not come as far as to say which */
}

static size_t input_index(const Graph *graph, const Value *input) {
  size_t i = 0;
  while (graph->inputs.data[i] != input) i++;
  return i;
}

/* The set as inputs of the graph; NULL: it does not fit, or leaves a state to the model. */
static const Tensor *const *graph_inputs(Compilation *c, const Datum *set) {
  const Tensor **inputs = ARENA_ARRAY(c->arena, c->graph->inputs.len, const Tensor *);
  bool fits = data_pack(c->graph, set, inputs) == NULL;
  for (size_t i = 0; i < c->graph->inputs.len; i++) fits = fits && inputs[i] != NULL;
  return fits ? inputs : NULL;
}

/* Numbers of inputs are read off the data. */
static void find_numbers(Compilation *c, Want *want) {
  VEC_EACH(const InputNumber, entry, &c->ctx.numbers) {
    const DimAtom *symbol = dim_as_symbol(entry->number);
    if (symbol == NULL || !is_wanted(&c->ctx, symbol)) continue;
    size_t i = input_index(c->graph, entry->input);
    const char *name = arena_printf(want->arena, "%s", symbol->name);
    for (size_t set = 0; set < want->n_sets; set++) {
      const Tensor *const *inputs = graph_inputs(c, want->sets[set]);
      if (inputs == NULL) continue;
      note_size(want->arena, &want->found, name, tensor_i64(inputs[i], entry->index));
    }
  }
}

/* Sizes are found by running the graph, as far as the interpreter can. */
static void run_for_sizes(Compilation *c, Want *want) {
  if (c->ctx.unbounded.len == 0) return;
  DimTable *dims = c->ctx.dims;
  uint32_t n = dims_symbols(dims);
  int64_t *largest = ARENA_ARRAY(c->arena, n, int64_t);
  for (uint32_t i = 0; i < n; i++) largest[i] = -1;
  for (size_t set = 0; set < want->n_sets; set++) {
    Arena *scratch = arena_scratch(c->arena);
    const Node *failed;
    const Tensor *const *inputs = graph_inputs(c, want->sets[set]);
    if (inputs != NULL) interpret_sizes(c->graph, inputs, largest, scratch, &failed);
    arena_drop(scratch);
  }
  for (uint32_t i = 0; i < n; i++) {
    const DimAtom *symbol = dim_as_symbol(dims_symbol(dims, i));
    if (largest[i] < 0 || symbol->value || !is_wanted(&c->ctx, symbol)) continue;
    const char *name = arena_printf(want->arena, "%s", symbol->name);
    note_size(want->arena, &want->found, name, 0);
    note_size(want->arena, &want->found, name, largest[i]);
  }
}

/* Numbers come first: with them known, fewer sizes may be left. */
static bool find_bounds(Compilation *c, void *argument) {
  Want *want = argument;
  find_numbers(c, want);
  if (want->found.len == 0) run_for_sizes(c, want);
  return true;
}

static bool sizes_from_run(Compilation *c, Arena *arena, const Datum *const *sets, size_t n_sets,
                           DimList *dims) {
  Want want = {.sets = sets, .n_sets = n_sets, .arena = arena};
  size_t known = dims->len;
  if (onnxc_exit_code(c) != DIAG_UNSUPPORTED || c->graph == NULL) return false;
  compilation_examine(c, find_bounds, &want);
  VEC_EACH(onnxc_dim, dim, &want.found) {
    if (find_dim(dims, dim->name) == NULL) vec_push(arena, dims, *dim);
  }
  return dims->len != known;
}

/* Bounds of one size may be all that another one, behind it, waits for. */
enum { ROUNDS = 8 };

Compilation *compile_sized(const char *model, Arena *arena, onnxc_options *options,
                           const Datum *const *sets, size_t n_sets) {
  DimList dims = {0};
  for (size_t i = 0; i < options->n_dims; i++) vec_push(arena, &dims, options->dims[i]);
  for (int round = 0;; round++) {
    options->dims = dims.data;
    options->n_dims = dims.len;
    Compilation *c = compilation_new(model, options);
    if (c == NULL || compilation_run(c, NULL) || round == ROUNDS) return c;
    if (!sizes_from_run(c, arena, sets, n_sets, &dims)) return c;
    onnxc_free(c);
  }
}
