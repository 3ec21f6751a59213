#include "lower/state.h"

#include "base/map.h"
#include "base/suggest.h"
#include "base/text.h"
#include "lower/group.h"
#include "onnxc.h"
#include "ops/op.h"

#include <string.h>

/* ---- pairs of names ----------------------------------------------------------------------------
 */

/* What the star of `pattern` stands for in `name`; NULL where that does not match. A pattern
 * without one matches itself, with nothing for the star. */
static const char *match_star(Arena *arena, const char *pattern, const char *name) {
  const char *star = strchr(pattern, '*');
  size_t n = strlen(name), begin = star == NULL ? n : (size_t)(star - pattern);
  size_t end = star == NULL ? 0 : strlen(star + 1);
  if (star == NULL) return strcmp(pattern, name) == 0 ? "" : NULL;
  if (n < begin + end || strncmp(pattern, name, begin) != 0) return NULL;
  if (strcmp(star + 1, name + n - end) != 0) return NULL;
  return arena_printf(arena, "%.*s", (int)(n - begin - end), name + begin);
}

static const char *fill_star(Arena *arena, const char *pattern, const char *text) {
  const char *star = strchr(pattern, '*');
  if (star == NULL) return pattern;
  return arena_printf(arena, "%.*s%s%s", (int)(star - pattern), pattern, text, star + 1);
}

static const onnxc_state *find_option(Arena *arena, const Options *options, const char *input,
                                      const char **output) {
  for (size_t i = 0; options != NULL && i < options->n_states; i++) {
    const onnxc_state *option = &options->states[i];
    const char *star = match_star(arena, option->past, input);
    if (star == NULL) continue;
    *output = fill_star(arena, option->present, star);
    return option;
  }
  return NULL;
}

const char *state_output(Arena *arena, const Options *options, const char *input) {
  const char *output = NULL;
  find_option(arena, options, input, &output);
  return output;
}

static bool type_mentions(const Type *type, const DimAtom *symbol) {
  for (int axis = 0; axis < type->rank; axis++) {
    if (dim_mentions(type->dims[axis], symbol)) return true;
  }
  return false;
}

bool state_owns_size(const Graph *graph, const DimAtom *symbol) {
  bool owned = false;
  VEC_EACH(Value *const, input, &graph->inputs) {
    if (!type_mentions(&(*input)->type, symbol)) continue;
    if (state_output(graph->ctx->arena, graph->ctx->options, (*input)->name) == NULL) return false;
    owned = true;
  }
  return owned;
}

/* ---- which values ------------------------------------------------------------------------------
 */

#define REFUSE(l, kind, ...)                                                                       \
  diag_error((l)->ctx->diag, (kind), (DiagSite){.graph = (l)->graph->name}, __VA_ARGS__)

/* An error that names both. */
static bool refuse(Lowering *l, const State *s, DiagKind kind, const char *what) {
  return REFUSE(l, kind, "'%s' %s and its next value '%s' %s cannot be a state: %s", s->past->name,
                type_text(l->scratch, &s->past->type), s->present->name,
                type_text(l->scratch, &s->present->type), what);
}

static const char *suggestion_text(Lowering *l, const Suggestion *s) {
  return s->best == NULL ? "" : arena_printf(l->scratch, "; did you mean '%s'?", s->best);
}

/* NULL: reported. */
static Value *find_output(Lowering *l, const char *input, const char *name, uint32_t *position) {
  Suggestion suggestion = {.word = name};
  for (uint32_t i = 0; i < l->graph->outputs.len; i++) {
    Value *output = l->graph->outputs.data[i];
    suggest_offer(&suggestion, output->name);
    if (strcmp(output->name, name) != 0) continue;
    *position = i;
    return output;
  }
  REFUSE(l, DIAG_USAGE, "--state: the model has no output '%s' for input '%s'%s", name, input,
         suggestion_text(l, &suggestion));
  return NULL;
}

static bool is_taken(Lowering *l, const State *s) {
  VEC_EACH(const State, other, &l->steps->state.states) {
    if (other->output == s->output) {
      REFUSE(l, DIAG_USAGE, "--state: output '%s' is the next value of both '%s' and '%s'",
             s->present->name, other->past->name, s->past->name);
      return true;
    }
  }
  return false;
}

/* An option that names no input. */
static bool check_options(Lowering *l, const bool *used) {
  const Options *options = l->ctx->options;
  bool ok = true;
  for (size_t i = 0; options != NULL && i < options->n_states; i++) {
    Suggestion suggestion = {.word = options->states[i].past};
    if (used[i]) continue;
    VEC_EACH(Value *, input, &l->graph->inputs) suggest_offer(&suggestion, (*input)->name);
    ok = REFUSE(l, DIAG_USAGE, "--state: the model has no input '%s'%s", options->states[i].past,
                suggestion_text(l, &suggestion));
  }
  return ok;
}

/* ---- how it goes on ----------------------------------------------------------------------------
 */

static bool same_type(const Type *a, const Type *b) {
  return a->kind == b->kind && a->dtype == b->dtype && type_equal(a, b);
}

/* The value that this one is, under another name. */
static const Value *original(const Value *value) {
  while (value->producer != NULL && (value->producer->op->flags & OP_VIEW) != 0 &&
         same_type(&value->type, &value->producer->in[0].value->type)) {
    value = value->producer->in[0].value;
  }
  return value;
}

/* The one axis along which the sizes differ; -1: there is none, or there are several. */
static int growing_axis(const Type *past, const Type *present) {
  int found = -1;
  for (int axis = 0; axis < past->rank; axis++) {
    if (past->dims[axis] == present->dims[axis]) continue;
    if (found >= 0) return -1;
    found = axis;
  }
  return found;
}

/* The most that `size` can be, as far as what it was taken to equal says it, too. */
static int64_t most_of(const Context *ctx, const Dim *size) {
  int64_t most = size->hi;
  VEC_EACH(const SizeCheck, check, &ctx->checks) {
    if (check->graph != NULL && check->graph->holder != NULL) continue;
    if (check->a == size && check->b->hi < most) most = check->b->hi;
    if (check->b == size && check->a->hi < most) most = check->a->hi;
  }
  return most;
}

static bool input_mentions(const Graph *graph, const DimAtom *symbol) {
  VEC_EACH(Value *const, input, &graph->inputs) {
    if (type_mentions(&(*input)->type, symbol)) return true;
  }
  return false;
}

/* Whether the size is known before the first step. */
static bool known_at_entry(const Lowering *l, const Dim *size) {
  for (uint32_t i = 0; i < dims_symbols(l->ctx->dims); i++) {
    const DimAtom *symbol = dim_as_symbol(dims_symbol(l->ctx->dims, i));
    if (!dim_mentions(size, symbol) || symbol->value) continue;
    if (!input_mentions(l->graph, symbol)) return false;
  }
  return true;
}

/* --dim PRESENT.AXIS bounds how long it gets. Without a bound tighter than that of its terms there
 * is nothing to check; with one, that is done before anything is written. */
static int64_t capacity_of(Lowering *l, const State *s) {
  const char *name = arena_printf(l->scratch, "%s.%d", s->present->name, s->axis);
  const onnxc_dim *given = context_bounds(l->ctx, name);
  int64_t most = s->grown->hi;
  if (known_at_entry(l, s->grown)) {
    most = most_of(l->ctx, s->grown);
    if (given != NULL && given->hi < most) most = given->hi;
  } else if (given != NULL && given->hi < most) {
    REFUSE(l, DIAG_UNSUPPORTED, "--dim %s: how much is appended depends on data; bound that", name);
  }
  return most;
}

static bool check_length(Lowering *l, const State *s) {
  const DimAtom *symbol = dim_as_symbol(s->length);
  if (symbol == NULL || symbol->value) {
    return refuse(l, s, DIAG_INVALID,
                  "the size that grows must be open: a symbol that --dim bounds by 0..N");
  }
  if (s->length->lo > 0) {
    return REFUSE(l, DIAG_INVALID,
                  "'%s' begins without anything in it, so its length '%s' can be 0; add --dim "
                  "%s=0..N",
                  s->past->name, symbol->name, symbol->name);
  }
  for (int axis = 0; axis < s->past->type.rank; axis++) {
    if (axis == s->axis || !dim_mentions(s->past->type.dims[axis], symbol)) continue;
    return refuse(l, s, DIAG_UNSUPPORTED, "it grows along two axes");
  }
  return true;
}

static bool find_append(Lowering *l, State *s) {
  const Type *past = &s->past->type, *present = &s->present->type;
  s->axis = growing_axis(past, present);
  if (s->axis < 0) return refuse(l, s, DIAG_INVALID, "more than one size differs");
  const Node *concat = original(s->present)->producer;
  bool joins = concat != NULL && concat->op->lower == lower_concat;
  int64_t axis = joins ? op_param_i(concat, "axis") : 0;
  joins = joins && (axis < 0 ? axis + past->rank : axis) == s->axis;
  if (!joins || original(node_in(concat, 0)) != s->past) {
    return refuse(
        l, s, DIAG_UNSUPPORTED,
        arena_printf(l->scratch, "that is no Concat of '%s' and what follows it", s->past->name));
  }
  s->kind = STATE_APPENDED;
  s->length = past->dims[s->axis];
  s->grown = present->dims[s->axis];
  s->capacity = capacity_of(l, s);
  return check_length(l, s);
}

/* ---- updates ----------------------------------------------------------------------------------
 */

/* Whether nothing else needs the contents of what `reader` reads. */
static bool reads_alone(const Use *reader) {
  if (value_is_output(reader->value)) return false;
  for (const Use *use = reader->value->uses; use != NULL; use = use->next) {
    if (use != reader && needed_at_run_time(use->user, (uint32_t)(use - use->user->in))) {
      return false;
    }
  }
  return true;
}

/* The same of all the views that it reads `first` through. */
static bool reads_alone_from(const Value *first, const Use *reader) {
  while (reader->value != first) {
    if (!reads_alone(reader)) return false;
    reader = &reader->value->producer->in[0];
  }
  return reads_alone(reader);
}

/* Whether sizes are computed from what is in the input. */
static bool has_numbers(const Context *ctx, const Value *input) {
  VEC_EACH(const InputNumber, entry, &ctx->numbers) {
    if (entry->input == input) return true;
  }
  return false;
}

/* From where a view is to where what it shows of `whole` is. */
static bool view_to_whole(DimTable *t, Value *view, const Value *whole, Operand *place) {
  for (; view != whole; view = node_in(view->producer, 0)) {
    if (!place_input(t, view->producer, place)) return false;
  }
  return true;
}

static bool whole_to_view(DimTable *t, Value *view, const Value *whole, Operand *place) {
  if (view == whole) return true;
  if (!whole_to_view(t, node_in(view->producer, 0), whole, place)) return false;
  const Operand from = *place;
  return show_all(t, view->producer, &from, place);
}

/* The step finds the elements row-major and leaves them so. The views around it say where the input
 * and the output are then, which has to be the same place. */
static bool views_meet(Lowering *l, State *s) {
  DimTable *t = l->ctx->dims;
  Value *read = node_in(s->updated->producer, 0);
  const Operand dense = dense_operand(l, NULL, &read->type);
  Operand past = dense, again, present = dense;
  if (!view_to_whole(t, read, s->past, &past)) return false;
  again = s->from = s->to = past;
  return whole_to_view(t, read, s->past, &again) && operand_same(&again, &dense) &&
         whole_to_view(t, s->present, s->updated, &present) && operand_same(&present, &past);
}

/* Whether the next value is this one with some elements changed, and nothing else reads this one.
 */
static bool find_update(Lowering *l, State *s) {
  s->updated = whole_value(s->present);
  const Node *node = s->updated->producer;
  if (node == NULL || s->updated->constant != NULL) return false;
  if ((node->op->flags & OP_UPDATE) == 0 || whole_value(node_in(node, 0)) != s->past) return false;
  return reads_alone_from(s->past, &node->in[0]) && !has_numbers(l->ctx, s->past) &&
         views_meet(l, s);
}

static bool find_kind(Lowering *l, State *s) {
  const Type *past = &s->past->type, *present = &s->present->type;
  bool tensors = past->kind == TYPE_TENSOR && present->kind == TYPE_TENSOR;
  if (!tensors || past->dtype != present->dtype || past->rank != present->rank) {
    return refuse(l, s, DIAG_INVALID, "the types differ");
  }
  if (past->dtype == ONNXC_RT_STRING || dtype_is_packed(past->dtype)) {
    return refuse(l, s, DIAG_UNSUPPORTED, "elements of this type");
  }
  if (!type_equal(past, present)) return find_append(l, s);
  if (find_update(l, s)) s->kind = STATE_UPDATED;
  return true;
}

static bool find_states(Lowering *l) {
  const Options *options = l->ctx->options;
  bool *used = ARENA_ARRAY(l->scratch, options == NULL ? 0 : options->n_states, bool), ok = true;
  for (uint32_t i = 0; i < l->graph->inputs.len; i++) {
    State s = {.input = i, .past = l->graph->inputs.data[i]};
    const char *output;
    const onnxc_state *option = find_option(l->scratch, options, s.past->name, &output);
    if (option == NULL) continue;
    used[option - options->states] = true;
    s.present = find_output(l, s.past->name, output, &s.output);
    if (s.present == NULL || is_taken(l, &s) || !find_kind(l, &s)) {
      ok = false;
      continue;
    }
    vec_push(l->ctx->arena, &l->steps->state.states, s);
  }
  return check_options(l, used) && ok;
}

/* ---- sizes -------------------------------------------------------------------------------------
 */

static StateSize *find_size(StateBlock *block, const Dim *size) {
  VEC_EACH(StateSize, entry, &block->sizes) {
    if (entry->size == size) return entry;
  }
  return NULL;
}

/* States of one length grow together, to what the one with the least room has. */
static bool add_length(Lowering *l, const State *s) {
  StateBlock *block = &l->steps->state;
  StateSize *known = find_size(block, s->length);
  if (known == NULL) {
    StateSize fresh = {.size = s->length, .next = s->grown, .most = s->capacity};
    vec_push(l->ctx->arena, &block->sizes, fresh);
    return true;
  }
  if (known->next != s->grown) {
    return refuse(l, s, DIAG_INVALID,
                  arena_printf(l->scratch, "another one of length '%s' becomes %s long",
                               dim_as_symbol(s->length)->name, dim_text(l->scratch, known->next)));
  }
  if (s->capacity < known->most) known->most = s->capacity;
  return true;
}

static bool is_length(const StateBlock *block, const DimAtom *symbol) {
  VEC_EACH(const StateSize, entry, &block->sizes) {
    if (entry->next != NULL && dim_as_symbol(entry->size) == symbol) return true;
  }
  return false;
}

/* Every other size of a state stays as it is in the first run. */
static bool add_constant_sizes(Lowering *l) {
  StateBlock *block = &l->steps->state;
  bool ok = true;
  for (uint32_t i = 0; i < dims_symbols(l->ctx->dims); i++) {
    const Dim *size = dims_symbol(l->ctx->dims, i);
    const DimAtom *symbol = dim_as_symbol(size);
    bool mentioned = false, length = is_length(block, symbol);
    VEC_EACH(const State, s, &block->states) {
      if (!type_mentions(&s->past->type, symbol)) continue;
      mentioned = true;
      if (length && s->kind != STATE_APPENDED) {
        ok = refuse(
            l, s, DIAG_UNSUPPORTED,
            arena_printf(l->scratch, "its length '%s' grows, and this does not", symbol->name));
      }
    }
    StateSize entry = {.size = size, .most = size->hi};
    if (mentioned && !length) vec_push(l->ctx->arena, &block->sizes, entry);
  }
  return ok;
}

static bool find_sizes(Lowering *l) {
  StateBlock *block = &l->steps->state;
  bool ok = true;
  VEC_EACH(const State, s, &block->states) {
    ok = (s->kind != STATE_APPENDED || add_length(l, s)) && ok;
  }
  VEC_EACH(State, s, &block->states) {
    if (ok && s->kind == STATE_APPENDED) s->capacity = find_size(block, s->length)->most;
  }
  return ok && add_constant_sizes(l);
}

/* ---- places ------------------------------------------------------------------------------------
 */

static size_t round_up(size_t bytes) {
  return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

/* Elements of the largest value that there is room for. */
static const Dim *room_of(Lowering *l, const State *s) {
  DimTable *t = l->ctx->dims;
  const Dim *room = dim_const(t, 1);
  for (int axis = 0; axis < s->past->type.rank; axis++) {
    bool grows = s->kind == STATE_APPENDED && axis == s->axis;
    room = dim_mul_i(t, room, grows ? s->capacity : s->past->type.dims[axis]->hi);
  }
  return room;
}

/* Row-major in the sizes that it has with the capacity as length. */
static Operand view_of(Lowering *l, const State *s, const Type *type) {
  DimTable *t = l->ctx->dims;
  Operand view = {.buffer = s->from.buffer, .dtype = type->dtype, .rank = type->rank};
  const Dim *stride = dim_const(t, 1);
  for (int axis = type->rank - 1; axis >= 0; axis--) {
    bool grows = s->kind == STATE_APPENDED && axis == s->axis;
    view.dims[axis] = type->dims[axis];
    view.strides[axis] = stride;
    stride = dim_mul(t, stride, grows ? dim_const(t, s->capacity) : type->dims[axis]);
  }
  return view;
}

/* The next part of the block; false when it does not fit. */
static bool place_state(Lowering *l, State *s) {
  StateBlock *block = &l->steps->state;
  Buffer *buffer = lower_buffer(l, BUFFER_STATE, s->past->type.dtype, room_of(l, s), s->past->name);
  size_t half = round_up(buffer->bytes);
  if (buffer->bytes > PTRDIFF_MAX / 4) return false;
  buffer->offset = block->bytes;
  buffer->index = (uint32_t)(s - block->states.data);
  if (s->kind == STATE_REPLACED) buffer->bytes += half;
  s->from.buffer = s->to.buffer = buffer;
  if (s->kind != STATE_UPDATED) {
    s->from = view_of(l, s, &s->past->type);
    s->to = view_of(l, s, &s->present->type);
  }
  if (s->kind == STATE_REPLACED) {
    size_t bytes = (size_t)dtype_info(buffer->dtype)->bits / 8;
    s->from.offset = dim_mul_i(l->ctx->dims, block->turn, (int64_t)(half / bytes));
    s->to.offset =
        dim_sub(l->ctx->dims, dim_const(l->ctx->dims, (int64_t)(half / bytes)), s->from.offset);
  }
  return !__builtin_add_overflow(block->bytes, round_up(buffer->bytes), &block->bytes) &&
         block->bytes <= PTRDIFF_MAX;
}

/* Those that do not grow come first: without history they are zeros. */
static bool place_states(Lowering *l) {
  StateBlock *block = &l->steps->state;
  bool ok = true;
  block->turn = dim_fresh(l->ctx->dims, "state_turn", 0, 1);
  block->bytes = round_up((2 + block->sizes.len) * sizeof(int64_t));
  VEC_EACH(State, s, &block->states) {
    ok = ok && (s->kind == STATE_APPENDED || place_state(l, s));
  }
  block->clear_bytes = block->bytes;
  VEC_EACH(State, s, &block->states) {
    ok = ok && (s->kind != STATE_APPENDED || place_state(l, s));
  }
  if (ok) return true;
  return REFUSE(l, DIAG_LIMIT,
                "the state takes more memory than can be addressed; lower the "
                "bounds of the sizes with --dim");
}

/* A hash of all that a state's block depends on. */
static uint64_t hash_layout(Lowering *l) {
  uint64_t hash = HASH_SEED;
  VEC_EACH(const State, s, &l->steps->state.states) {
    const char *text =
        arena_printf(l->scratch, "%s %s %s %d %lld;", s->past->name, s->present->name,
                     type_text(l->scratch, &s->past->type), s->kind, (long long)s->capacity);
    hash = hash_bytes(hash, text, strlen(text));
    for (int i = 0; i < s->from.rank; i++) {
      text = dim_text(l->scratch, s->from.strides[i]);
      hash = hash_bytes(hash, text, strlen(text));
    }
  }
  return hash;
}

/* The value that is computed in the place of the output: the one that it is a view of. */
static Value *computed(Value *value) {
  while (value->producer != NULL && (value->producer->op->flags & OP_VIEW) != 0 &&
         !node_sizes_from_data(value->producer)) {
    value = value->producer->in[0].value;
  }
  return value->producer != NULL && value->constant == NULL ? value : NULL;
}

/* Where a value of this type has the elements of a dense operand. */
static Operand seen_as(Lowering *l, const Operand *dense, const Type *type) {
  Operand operand = *dense;
  const Dim *stride = dim_const(l->ctx->dims, 1);
  take_shape(&operand, type);
  for (int axis = type->rank - 1; axis >= 0; axis--) {
    operand.strides[axis] = stride;
    stride = dim_mul(l->ctx->dims, stride, type->dims[axis]);
  }
  return operand;
}

/* What is updated, and the views of it up to the output: a copy of one does not take its place. */
static void assign_updated(Lowering *l, const State *s) {
  Value *view = s->present;
  const Operand dense = dense_operand(l, s->to.buffer, &s->updated->type);
  while (view != s->updated) {
    Operand *place = &l->targets[view->id];
    *place = dense;
    whole_to_view(l->ctx->dims, view, s->updated, place);
    view = node_in(view->producer, 0);
  }
  l->targets[view->id] = dense;
}

/* Inputs are in the block; outputs are computed there. What is appended to is a Concat, whose first
 * part is there already. */
static void assign_state(Lowering *l, const State *s) {
  Value *past = s->past, *made = computed(s->present);
  l->places[past->id] = l->targets[past->id] = s->from;
  if (s->kind == STATE_UPDATED) {
    assign_updated(l, s);
    return;
  }
  if (s->kind == STATE_APPENDED) made = (Value *)(uintptr_t)original(s->present);
  if (made == NULL || l->targets[made->id].buffer != NULL) return;
  l->targets[made->id] = s->kind == STATE_APPENDED ? s->to : seen_as(l, &s->to, &made->type);
}

bool lower_states(Lowering *l) {
  StateBlock *block = &l->steps->state;
  if (!find_states(l)) return false;
  if (block->states.len == 0) return true;
  if (!find_sizes(l) || !place_states(l)) return false;
  block->layout = hash_layout(l);
  VEC_EACH(const State, s, &block->states) assign_state(l, s);
  return true;
}

const State *state_of_input(const Steps *steps, size_t i) {
  VEC_EACH(const State, s, &steps->state.states) {
    if (s->input == i) return s;
  }
  return NULL;
}

const State *state_of_output(const Steps *steps, size_t i) {
  VEC_EACH(const State, s, &steps->state.states) {
    if (s->output == i) return s;
  }
  return NULL;
}
