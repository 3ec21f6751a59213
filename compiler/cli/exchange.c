/* Running a built program: the request and response files of onnxc_harness.h. */
#include "cli/process.h"
#include "cli/program.h"
#include "onnxc_harness.h"
#include "reference/element.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct Exchange {
  const Program *program;
  Context *ctx;
  const Graph *graph;
  const EmitInterface *face;
  const Steps *steps;
  int64_t *values;   /* by symbol: sizes of the inputs, then those that the run has found too */
  const Dim **known; /* by symbol: the same as expressions; NULL: not known before the run */
  uint32_t n_known;
} Exchange;

static Exchange exchange_begin(const Program *program) {
  Compilation *c = program->compilation;
  Exchange x = {program, &c->ctx, c->graph, c->interface, c->steps, NULL, NULL, 0};
  uint32_t n = dims_symbols(c->ctx.dims);
  x.values = ARENA_ARRAY(c->arena, n, int64_t);
  x.known = ARENA_ARRAY(c->arena, n, const Dim *);
  x.n_known = n;
  return x;
}

static const char *tensor_name(const Exchange *x, const Value *value) {
  return text_escape(x->ctx->arena, value->name);
}

/* ---- request -----------------------------------------------------------------------------------
 */

static void learn_sizes(Exchange *x, const Tensor *const *inputs) {
  for (size_t i = 0; i < x->graph->inputs.len; i++) {
    const Type *type = &x->graph->inputs.data[i]->type;
    for (int axis = 0; inputs[i] != NULL && axis < type->rank && axis < inputs[i]->rank; axis++) {
      const DimAtom *symbol = dim_as_symbol(type->dims[axis]);
      if (symbol == NULL) continue;
      x->values[symbol->symbol] = inputs[i]->dims[axis];
      x->known[symbol->symbol] = dim_const(x->ctx->dims, inputs[i]->dims[axis]);
    }
  }
}

/* Every input has the shape that the sizes say. */
static const char *check_inputs(const Exchange *x, const Tensor *const *inputs) {
  Arena *arena = x->ctx->arena;
  for (size_t i = 0; i < x->graph->inputs.len; i++) {
    const Value *input = x->graph->inputs.data[i];
    const Tensor *t = inputs[i];
    if (t == NULL) continue; /* a state without history */
    bool fits = input->type.kind == TYPE_TENSOR && input->type.rank == t->rank &&
                input->type.dtype == t->dtype;
    for (int axis = 0; fits && axis < t->rank; axis++) {
      int64_t size;
      fits = dim_eval(input->type.dims[axis], x->values, &size) && size == t->dims[axis];
    }
    if (fits) continue;
    return arena_printf(arena, "the data of input '%s' does not fit %s", tensor_name(x, input),
                        type_text(arena, &input->type));
  }
  return NULL;
}

static void put_numbers(FILE *file, const int64_t *numbers, size_t n) {
  fwrite(numbers, sizeof *numbers, n, file); /* failures show in ferror at the end */
}

static void put_strings(FILE *file, const Tensor *tensor) {
  const onnxc_rt_string *strings = tensor->data;
  int64_t head[2] = {0, (int64_t)tensor->count};
  for (size_t i = 0; i < tensor->count; i++) {
    head[0] += (int64_t)sizeof(int64_t) + (int64_t)strings[i].size;
  }
  put_numbers(file, head, 2);
  for (size_t i = 0; i < tensor->count; i++) {
    put_numbers(file, &(int64_t){strings[i].size}, 1);
    if (strings[i].size != 0) fwrite(strings[i].bytes, 1, (size_t)strings[i].size, file);
  }
}

static void put_input(FILE *file, const Tensor *tensor) {
  if (tensor->dtype == ONNXC_RT_STRING) {
    put_strings(file, tensor);
    return;
  }
  put_numbers(file, (int64_t[]){(int64_t)tensor->bytes, 0}, 2);
  fwrite(tensor->data, 1, tensor->bytes, file);
}

/* The sizes of an output for the present values of the symbols. */
static bool output_dims(const Exchange *x, const Value *output, int64_t *dims, size_t *count) {
  int64_t total = 1;
  for (int axis = 0; axis < output->type.rank; axis++) {
    if (!dim_eval(output->type.dims[axis], x->values, &dims[axis])) return false;
    if (dims[axis] < 0 || __builtin_mul_overflow(total, dims[axis], &total)) return false;
  }
  *count = (size_t)total;
  return true;
}

/* The most elements that an output has, for the sizes that are known. */
static bool output_room(const Exchange *x, const Value *output, size_t *count) {
  DimTable *t = x->ctx->dims;
  const Dim *most = type_count(x->ctx, &output->type);
  if (most->lo != most->hi) most = dim_substitute(t, most, x->known, x->n_known);
  *count = most->hi < 0 ? 0 : (size_t)most->hi;
  return most->hi != INT64_MAX;
}

static bool put_output(const Exchange *x, FILE *file, const Value *output) {
  size_t count, bytes;
  if (!output_room(x, output, &count)) return false;
  if (!dtype_bytes(output->type.dtype, count, &bytes)) return false;
  bool strings = output->type.dtype == ONNXC_RT_STRING;
  put_numbers(file, (int64_t[]){(int64_t)bytes, strings ? (int64_t)count : 0}, 2);
  return true;
}

/* Copies between a dense tensor and where the block has it, in this direction or the other. */
static bool move_state(const Exchange *x, const Operand *place, const Type *type, char *block,
                       char *dense, bool to_block) {
  int64_t sizes[MAX_RANK] = {0}, strides[MAX_RANK] = {0}, at = 0;
  size_t width = (size_t)dtype_info(type->dtype)->bits / 8;
  onnxc_rt_walk walk;
  if (place->offset != NULL && !dim_eval(place->offset, x->values, &at)) return false;
  for (int i = 0; i < type->rank; i++) {
    if (!dim_eval(type->dims[i], x->values, &sizes[i])) return false;
    if (!dim_eval(place->strides[i], x->values, &strides[i])) return false;
  }
  onnxc_rt_walk_init(&walk, sizes, type->rank);
  onnxc_rt_walk_steps(&walk, at, strides);
  for (int64_t i = 0; i < walk.count; i++, dense += width, onnxc_rt_walk_next(&walk)) {
    char *inside = block + place->buffer->offset + (size_t)walk.at[0] * width;
    memcpy(to_block ? inside : dense, to_block ? dense : inside, width);
  }
  return true;
}

/* The block as it is in front of a run that has these inputs. One without history is left to the
 * model's own N_reset. */
static bool put_state(const Exchange *x, FILE *file, const Tensor *const *inputs) {
  const StateBlock *state = &x->steps->state;
  bool fresh = true;
  VEC_EACH(const State, s, &state->states) fresh = fresh && inputs[s->input] == NULL;
  put_numbers(file, &(int64_t){fresh ? 0 : (int64_t)state->bytes}, 1);
  if (fresh) return true;
  char *block = ARENA_ARRAY(x->ctx->arena, state->bytes, char);
  int64_t *numbers = (int64_t *)(void *)block;
  numbers[0] = (int64_t)state->layout;
  for (size_t i = 0; i < state->sizes.len; i++) {
    if (!dim_eval(state->sizes.data[i].size, x->values, &numbers[2 + i])) return false;
  }
  VEC_EACH(const State, s, &state->states) {
    const Tensor *tensor = inputs[s->input];
    if (tensor == NULL) continue;
    char *data = (char *)(uintptr_t)tensor->data;
    if (!move_state(x, &s->from, &s->past->type, block, data, true)) return false;
  }
  fwrite(block, 1, state->bytes, file);
  return true;
}

static bool put_request(const Exchange *x, FILE *file, const Tensor *const *inputs) {
  VEC_EACH(EmitMember, member, &x->face->inputs) {
    int64_t size;
    if (member->value != NULL) continue;
    if (!dim_eval(member->size, x->values, &size)) return false;
    put_numbers(file, &size, 1);
  }
  for (size_t i = 0; i < x->graph->inputs.len; i++) {
    if (state_of_input(x->steps, i) == NULL) put_input(file, inputs[i]);
  }
  for (size_t i = 0; i < x->graph->outputs.len; i++) {
    if (state_of_output(x->steps, i) != NULL) continue;
    if (!put_output(x, file, x->graph->outputs.data[i])) return false;
  }
  return put_state(x, file, inputs);
}

static const char *write_request(const Exchange *x, const char *path, const Tensor *const *inputs) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) return arena_printf(x->ctx->arena, "cannot write '%s'", path);
  bool sized = put_request(x, file, inputs);
  bool written = !ferror(file);
  if (fclose(file) != 0 || !written) return arena_printf(x->ctx->arena, "cannot write '%s'", path);
  return sized ? NULL : "the size of an output overflows";
}

/* ---- response ----------------------------------------------------------------------------------
 */

static const char malformed[] = "the program's response is incomplete";

static const char *code_text(Arena *arena, int64_t code) {
  static const char *const texts[] = {
      [ONNXC_RT_ERROR_NULL] = "a required pointer is null",
      [ONNXC_RT_ERROR_DIM] = "a size is outside its bounds",
      [ONNXC_RT_ERROR_ALIGN] = "the arena is misaligned",
      [ONNXC_RT_ERROR_INDEX] = "an index is outside its dimension",
      [ONNXC_RT_ERROR_SHAPE] = "sizes contradict one another",
      [ONNXC_RT_ERROR_VALUE] = "a value is outside the operator's domain",
      [ONNXC_RT_ERROR_TEXT] = "the memory for new strings is too small",
      [ONNXC_RT_ERROR_STATE] = "the state was not made for this model, or with other sizes",
      [ONNXC_RT_ERROR_FULL] = "the state is full"};
  bool known = code > 0 && code < (int64_t)(sizeof texts / sizeof *texts);
  return arena_printf(arena, "the model returned error %lld%s%s", (long long)code,
                      known ? ": " : "", known ? texts[code] : "");
}

static bool get(FILE *file, void *to, size_t size) {
  return fread(to, 1, size, file) == size;
}

static bool get_strings(const Exchange *x, const char *text, size_t bytes, Tensor *tensor) {
  onnxc_rt_string *strings = ARENA_ARRAY(x->ctx->arena, tensor->count, onnxc_rt_string);
  const char *end = text + bytes;
  for (size_t i = 0; i < tensor->count; i++) {
    int64_t size;
    if (end - text < (ptrdiff_t)sizeof size) return false;
    memcpy(&size, text, sizeof size);
    text += sizeof size;
    if (size < 0 || size > end - text) return false;
    strings[i] = (onnxc_rt_string){text, (ptrdiff_t)size};
    text += size;
  }
  tensor->data = strings;
  return true;
}

/* The room for an output may be larger than what the model made of it. */
static bool get_output(const Exchange *x, FILE *file, const Value *output, const Tensor **result) {
  int64_t bytes, dims[MAX_RANK];
  size_t count, needed;
  if (!get(file, &bytes, sizeof bytes) || !output_dims(x, output, dims, &count)) return false;
  if (!dtype_bytes(output->type.dtype, count, &needed)) return false;
  char *data = arena_alloc(x->ctx->arena, (size_t)bytes + 1);
  if (!get(file, data, (size_t)bytes)) return false;
  Tensor *tensor = tensor_new(x->ctx, output->type.dtype, output->type.rank, dims);
  *result = tensor;
  if (tensor == NULL) return false;
  if (output->type.dtype == ONNXC_RT_STRING) return get_strings(x, data, (size_t)bytes, tensor);
  if (needed > (size_t)bytes) return false;
  tensor->data = data;
  return true;
}

/* Outputs that the run has put into the block. */
static bool get_state(const Exchange *x, FILE *file, const Tensor **outputs) {
  const StateBlock *state = &x->steps->state;
  char *block = ARENA_ARRAY(x->ctx->arena, state->bytes, char);
  if (!get(file, block, state->bytes)) return false;
  VEC_EACH(const State, s, &state->states) {
    const Type *type = &s->present->type;
    int64_t dims[MAX_RANK];
    size_t count;
    if (!output_dims(x, s->present, dims, &count)) return false;
    Tensor *tensor = tensor_new(x->ctx, type->dtype, type->rank, dims);
    outputs[s->output] = tensor;
    if (tensor == NULL) return false;
    char *data = (char *)(uintptr_t)tensor->data;
    if (!move_state(x, &s->to, type, block, data, false)) return false;
  }
  return true;
}

static bool get_found(Exchange *x, FILE *file) {
  VEC_EACH(EmitMember, member, &x->face->outputs) {
    int64_t size;
    if (member->value != NULL) continue;
    if (!get(file, &size, sizeof size)) return false;
    x->values[dim_as_symbol(member->size)->symbol] = size;
  }
  return true;
}

static const char *get_response(Exchange *x, FILE *file, const Tensor **outputs, Runs *runs) {
  int64_t head[2];
  if (!get(file, head, sizeof head)) return malformed;
  if (head[0] != 0) return code_text(x->ctx->arena, head[0]);
  if (head[1] != (int64_t)runs->runs) return malformed;
  runs->seconds = ARENA_ARRAY(x->ctx->arena, runs->runs, double);
  if (!get(file, runs->seconds, runs->runs * sizeof *runs->seconds)) return malformed;
  const size_t profiled = runs->runs * program_profiled(x->program->compilation);
  runs->profile = ARENA_ARRAY(x->ctx->arena, profiled, double);
  if (!get(file, runs->profile, profiled * sizeof *runs->profile)) return malformed;
  if (!get_found(x, file)) return malformed;
  for (size_t i = 0; i < x->graph->outputs.len; i++) {
    if (state_of_output(x->steps, i) != NULL) continue;
    if (!get_output(x, file, x->graph->outputs.data[i], &outputs[i])) return malformed;
  }
  return get_state(x, file, outputs) ? NULL : malformed;
}

static const char *read_response(Exchange *x, const char *path, const Tensor **outputs,
                                 Runs *runs) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return malformed;
  const char *wrong = get_response(x, file, outputs, runs);
  fclose(file);
  return wrong;
}

/* ---- the program -------------------------------------------------------------------------------
 */

static const char *exit_text(Arena *arena, const Finished *result) {
  if (result->signal != 0) {
    return arena_printf(arena, "the program was ended by signal %d", result->signal);
  }
  switch (result->exit_code) {
  case ONNXC_HARNESS_OK: return NULL;
  case ONNXC_HARNESS_IO: return "the program could not read or write its files";
  case ONNXC_HARNESS_OVERRUN: return "the model wrote past an output or the arena";
  case ONNXC_HARNESS_MEMORY: return "the program ran out of memory";
  case ONNXC_HARNESS_THREADS: return "the program could not start its threads";
  default:
    return arena_printf(arena, "the program ended with code %d: %.*s", result->exit_code,
                        (int)strcspn(result->output, "\n"), result->output);
  }
}

const char *program_run(const Program *program, const Tensor *const *inputs, const Tensor **outputs,
                        Runs *runs) {
  Exchange x = exchange_begin(program);
  Arena *a = x.ctx->arena;
  const char *request = files_join(a, program->folder, "request"),
             *response = files_join(a, program->folder, "response");
  learn_sizes(&x, inputs);
  const char *wrong = check_inputs(&x, inputs);
  if (wrong == NULL) wrong = write_request(&x, request, inputs);
  if (wrong != NULL) return wrong;
  const char *const argv[] = {program->path,
                              request,
                              response,
                              arena_printf(a, "%zu", runs->runs),
                              arena_printf(a, "%zu", runs->warm_up),
                              arena_printf(a, "%zu", runs->threads),
                              NULL};
  Finished result;
  if (!process_run(a, argv, &result)) {
    return arena_printf(a, "cannot run the program: %s", strerror(errno));
  }
  wrong = exit_text(a, &result);
  return wrong != NULL ? wrong : read_response(&x, response, outputs, runs);
}
