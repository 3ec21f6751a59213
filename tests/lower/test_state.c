/* What --state makes of inputs and outputs: where they live, what is moved, and what is refused. */
#include "support.h"

#include "ir/text.h"
#include "lower/lower.h"
#include "lower/state.h"
#include "plan/plan.h"

#include <string.h>

/* Lowered with these states, `PAST=PRESENT` of at most two; NULL: refused. */
static Steps *lower_with(void **state, const onnxc_state *states, size_t n, bool fuse,
                         const char *text) {
  TestContext *t = *state;
  t->options.states = states;
  t->options.n_states = n;
  Graph *graph = graph_parse(&t->ctx, text, "test");
  if (graph == NULL) fail_msg("%s", diag_text(t->ctx.diag, 0));
  return lower_graph(graph, fuse);
}

static const char *fault_of(Steps *steps) {
  Plan plan;
  assert_true(plan_steps(steps, 1 << 16, &plan));
  return plan_check(steps, plan.arena_bytes);
}

static Steps *lower(void **state, const onnxc_state *states, size_t n, bool fuse,
                    const char *text) {
  Steps *steps = lower_with(state, states, n, fuse, text);
  if (steps == NULL) fail_msg("%s", diag_text(test_context(state)->diag, 0));
  const char *fault = fault_of(steps);
  if (fault != NULL) fail_msg("%s", fault);
  return steps;
}

#define HEAD                                                                                       \
  "dim batch = 1..2\n"                                                                             \
  "dim past = 0..7\n"                                                                              \
  "dim seq = 1..4\n"                                                                               \
  "graph \"main\" {\n"                                                                             \
  "  input %x: f32[batch, 3, seq, 8]\n"                                                            \
  "  input %k: f32[batch, 3, past, 8]\n"

static const onnxc_state cache[] = {{"k", "k_next"}};

#define APPENDED                                                                                   \
  HEAD "  output %y\n"                                                                             \
       "  output %k_next\n"                                                                        \
       "  %new = Tanh(%x)\n"                                                                       \
       "  %k_next = Concat(%k, %new) {axis = -2}\n"                                                \
       "  %y = Softmax(%k_next) {axis = -1}\n"                                                     \
       "}\n"

/* What is new is computed in its place, and all is read from there. */
static void nothing_is_copied(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(state, cache, 1, true, APPENDED);
  const State *k = &steps->state.states.data[0];
  assert_int_equal(steps->steps.len, 2);
  VEC_EACH(Step *, step, &steps->steps) assert_int_equal((*step)->kind, STEP_ROW);
  assert_ptr_equal(steps->steps.data[0]->writes.data[0], k->from.buffer);
  assert_ptr_equal(steps->steps.data[1]->reads.data[0], k->from.buffer);
  assert_int_equal(k->kind, STATE_APPENDED);
  assert_int_equal(k->axis, 2);
  assert_int_equal(k->capacity, 7 + 4);
  assert_int_equal(k->from.buffer->bytes, 2 * 3 * 11 * 8 * sizeof(float));
  assert_true(dim_is(k->from.strides[1], 11 * 8));
}

/* Without optimisation what is new is moved, and the past still is not. */
static void only_what_is_new_is_moved(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(state, cache, 1, false,
                       HEAD "  output %y\n"
                            "  output %k_next\n"
                            "  %same = Identity(%k)\n"
                            "  %new = Tanh(%x)\n"
                            "  %all = Concat(%same, %new) {axis = 2}\n"
                            "  %k_next = Identity(%all)\n"
                            "  %y = Exp(%k_next)\n"
                            "}\n");
  size_t copies = 0;
  VEC_EACH(Step *, step, &steps->steps) {
    if ((*step)->kind != STEP_COPY) continue;
    copies++;
    assert_int_equal((*step)->reads.data[0]->place, BUFFER_ARENA);
  }
  assert_int_equal(copies, 1);
}

static void what_is_replaced_has_two_halves(void **state) {
  TEST_BEGIN(state);
  static const onnxc_state hidden[] = {{"h", "h_next"}};
  Steps *steps = lower(state, hidden, 1, true,
                       "dim batch = 1..2\n"
                       "graph \"main\" {\n"
                       "  input %x: f32[batch, 5]\n"
                       "  input %h: f32[batch, 5]\n"
                       "  output %h_next\n"
                       "  %sum = Add(%x, %h)\n"
                       "  %h_next = Tanh(%sum)\n"
                       "}\n");
  const State *h = &steps->state.states.data[0];
  const DimAtom *turn = dim_as_symbol(steps->state.turn);
  assert_int_equal(steps->steps.len, 1);
  assert_int_equal(h->kind, STATE_REPLACED);
  assert_true(dim_mentions(h->from.offset, turn) && dim_mentions(h->to.offset, turn));
  assert_true(dim_is(dim_add(ctx->dims, h->from.offset, h->to.offset), 16)); /* of 64 bytes */
  assert_int_equal(steps->state.sizes.len, 1);
  assert_null(steps->state.sizes.data[0].next);
}

/* The last of what there was and of what is new: in front of a convolution of a stream. */
static void windows_are_replaced(void **state) {
  TEST_BEGIN(state);
  static const onnxc_state window[] = {{"w", "w_next"}};
  Steps *steps = lower(state, window, 1, true,
                       "dim seq = 1..4\n"
                       "graph \"main\" {\n"
                       "  input %x: f32[1, 2, seq]\n"
                       "  input %w: f32[1, 2, 3]\n"
                       "  output %y\n"
                       "  output %w_next\n"
                       "  const %begin = i64[1] {-3}\n"
                       "  const %end = i64[1] {9223372036854775807}\n"
                       "  const %axis = i64[1] {2}\n"
                       "  %all = Concat(%w, %x) {axis = 2}\n"
                       "  %y = Exp(%all)\n"
                       "  %w_next = Slice(%all, %begin, %end, %axis)\n"
                       "}\n");
  assert_int_equal(steps->state.states.data[0].kind, STATE_REPLACED);
}

#define CACHE                                                                                      \
  "graph \"main\" {\n"                                                                             \
  "  input %x: f32[3, 2, 4]\n"                                                                     \
  "  input %at: i64[2, 1]\n"                                                                       \
  "  input %k: f32[3, 8, 4]\n"                                                                     \
  "  output %k_next\n"                                                                             \
  "  output %y\n"

#define UPDATED                                                                                    \
  CACHE "  const %axis = i64[] {1}\n"                                                              \
        "  %rows = Transpose(%x) {perm = [1, 0, 2]}\n"                                             \
        "  %old = Transpose(%k) {perm = [1, 0, 2]}\n"                                              \
        "  %put = ScatterND(%old, %at, %rows)\n"                                                   \
        "  %k_next = Transpose(%put) {perm = [1, 0, 2]}\n"                                         \
        "  %y = CumSum(%k_next, %axis)\n"                                                          \
        "}\n"

static bool writes_to(const Step *step, BufferPlace place) {
  VEC_EACH(Buffer *const, buffer, &step->writes) {
    if ((*buffer)->place == place) return true;
  }
  return false;
}

/* The state lies as the step wants it, whatever views are around that. */
static void rows_are_updated_in_place(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(state, cache, 1, true, UPDATED);
  const State *k = &steps->state.states.data[0];
  size_t writers = 0;
  assert_int_equal(k->kind, STATE_UPDATED);
  assert_int_equal(k->from.buffer->bytes, 3 * 8 * 4 * sizeof(float));
  assert_true(dim_is(k->from.strides[0], 4) && dim_is(k->from.strides[1], 3 * 4));
  VEC_EACH(Step *, step, &steps->steps) {
    if (!writes_to(*step, BUFFER_STATE)) continue;
    writers++;
    assert_int_equal((*step)->kind, STEP_CALL);
    assert_ptr_equal((*step)->call.in[0].buffer, k->from.buffer);
    assert_ptr_equal((*step)->call.out[0].buffer, k->from.buffer);
  }
  assert_int_equal(writers, 1);
  lower(state, cache, 1, false, UPDATED);
}

/* What is read besides, or would come to lie in another order, is replaced. */
static void others_are_no_updates(void **state) {
  TEST_BEGIN(state);
  static const char *const rows[] = {
      "  %k_next = ScatterElements(%k, %i, %x) {axis = 1}\n  %y = Exp(%k)\n",
      "  %k_next = ScatterElements(%k, %i, %x) {axis = 1}\n  %y = Identity(%k)\n",
      "  %v = Identity(%k)\n  %k_next = ScatterElements(%v, %i, %x) {axis = 1}\n"
      "  %y = Exp(%v)\n",
      "  %e = Exp(%k)\n  %k_next = ScatterElements(%e, %i, %x) {axis = 1}\n  %y = Exp(%x)\n",
      "  %kept = GatherElements(%k, %i) {axis = 1}\n  %y = Exp(%x)\n"
      "  %k_next = ScatterElements(%k, %i, %kept) {axis = 1}\n"};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const char *text =
        arena_printf(ctx->arena, "%s  %%i = Cast(%%x) {to = 7}\n%s}\n", CACHE, rows[i]);
    Steps *steps = lower(state, cache, 1, true, text);
    if (steps->state.states.data[0].kind != STATE_REPLACED) fail_msg("updated: %s", text);
  }
  Steps *steps = lower(state, cache, 1, true,
                       "graph \"main\" {\n"
                       "  input %k: f32[4, 4]\n"
                       "  input %i: i64[1, 4]\n"
                       "  input %x: f32[1, 4]\n"
                       "  output %k_next\n"
                       "  %put = ScatterElements(%k, %i, %x)\n"
                       "  %k_next = Transpose(%put)\n"
                       "}\n");
  assert_int_equal(steps->state.states.data[0].kind, STATE_REPLACED);
}

/* Nobody may read what was there before, but for the step that changes it. */
static void the_checker_guards_updates(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(state, cache, 1, true, UPDATED);
  Step *update = NULL;
  VEC_EACH(Step *, step, &steps->steps) {
    if (writes_to(*step, BUFFER_STATE)) update = *step;
  }
  assert_non_null(update);
  Operand whole = update->call.in[0];
  update->call.in[0].offset = dim_const(ctx->dims, 4);
  assert_non_null(strstr(fault_of(steps), "writes over what is there of the state"));
  update->call.in[0] = whole;
  assert_null(fault_of(steps));
  update->call.in[2] = whole;
  assert_non_null(strstr(fault_of(steps), "writes over what is there of the state"));
  vec_push(ctx->arena, &steps->steps.data[0]->reads, whole.buffer);
  assert_non_null(fault_of(steps));
}

#define TWO                                                                                        \
  HEAD "  input %v: f32[batch, 3, past, 8]\n"                                                      \
       "  output %k_next\n"                                                                        \
       "  output %v_next\n"                                                                        \
       "  %k_next = Concat(%k, %x) {axis = 2}\n"

static void one_pattern_finds_all(void **state) {
  TEST_BEGIN(state);
  static const onnxc_state pattern[] = {{"*", "*_next"}};
  static const onnxc_state some[] = {{"x", "none"}};
  assert_string_equal(
      state_output(ctx->arena, &(onnxc_options){.states = pattern, .n_states = 1}, "past.1.key"),
      "past.1.key_next");
  assert_null(state_output(ctx->arena, &(onnxc_options){.states = some, .n_states = 1}, "y"));
  static const onnxc_state pairs[] = {{"k", "k_next"}, {"v*", "v*_next"}};
  Steps *steps = lower(state, pairs, 2, true, TWO "  %v_next = Concat(%v, %x) {axis = 2}\n}\n");
  assert_int_equal(steps->state.states.len, 2);
  assert_int_equal(steps->state.sizes.len, 2); /* one length, and the batch */
}

/* A bound of the output's axis is one of all that has the same length. */
static void room_can_be_bounded(void **state) {
  TEST_BEGIN(state);
  TestContext *t = *state;
  static const onnxc_dim dims[] = {{"k_next.2", 1, 9}};
  t->options.dims = dims;
  t->options.n_dims = 1;
  static const onnxc_state pairs[] = {{"v", "v_next"}, {"k", "k_next"}};
  Steps *steps = lower(state, pairs, 2, true, TWO "  %v_next = Concat(%v, %x) {axis = 2}\n}\n");
  VEC_EACH(const State, s, &steps->state.states) assert_int_equal(s->capacity, 9);
  assert_true(ctx->dims_used[0]);
}

/* A store in front of what is new would change the past. */
static void the_checker_guards_the_past(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(state, cache, 1, true, APPENDED);
  RowProgram *row = &steps->steps.data[0]->row;
  row->operands.data[row->stores.data[0].operand].offset = NULL;
  const char *fault = fault_of(steps);
  assert_non_null(fault);
  assert_non_null(strstr(fault, "writes over what is there of the state"));
  steps->state.states.data[0].from.buffer->offset = 0;
  assert_non_null(fault_of(steps));
}

static void others_are_refused(void **state) {
  TEST_BEGIN(state);
  static const struct {
    onnxc_state pair;
    const char *nodes, *message;
  } rows[] = {
      {{"q", "y"}, "  %y = Exp(%k)\n", "no input 'q'"},
      {{"k", "z"}, "  %y = Exp(%k)\n", "no output 'z' for input 'k'"},
      {{"k", "y"}, "  %y = Shape(%k)\n", "'k' f32[batch, 3, past, 8]"},
      {{"k", "y"}, "  %y = Shape(%k)\n", "'y' i64[4]"},
      {{"k", "y"}, "  %y = Concat(%x, %k) {axis = 2}\n", "no Concat of 'k'"},
      {{"k", "y"}, "  %e = Exp(%k)\n  %y = Concat(%e, %x) {axis = 2}\n", "no Concat of 'k'"},
      {{"k", "y"},
       "  %a = Concat(%k, %x) {axis = 2}\n  %y = Concat(%a, %a) {axis = 1}\n",
       "more than one size differs"},
      {{"x", "y"}, "  %y = Concat(%x, %k) {axis = 2}\n", "add --dim seq=0..N"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t before = diag_errors(ctx->diag);
    const char *text = arena_printf(ctx->arena, "%s  output %%y\n%s}\n", HEAD, rows[i].nodes);
    if (lower_with(state, &rows[i].pair, 1, true, text) != NULL) fail_msg("taken: %s", text);
    const char *message = diag_text(ctx->diag, before);
    if (message == NULL || strstr(message, rows[i].message) == NULL) {
      fail_msg("'%s' lacks '%s'", message, rows[i].message);
    }
  }
}

static void one_length_grows_in_one_way(void **state) {
  TEST_BEGIN(state);
  static const onnxc_state pairs[] = {{"k", "k_next"}, {"v", "v_next"}};
  const char *text = TWO "  %two = Concat(%x, %x) {axis = 2}\n"
                         "  %v_next = Concat(%v, %two) {axis = 2}\n}\n";
  assert_null(lower_with(state, pairs, 2, true, text));
  assert_non_null(strstr(diag_text(ctx->diag, 0), "'v' f32[batch, 3, past, 8]"));
  assert_null(lower_with(state, pairs, 2, true, TWO "  %v_next = Exp(%v)\n}\n"));
  assert_non_null(strstr(diag_text(ctx->diag, 1), "its length 'past' grows, and this does not"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(nothing_is_copied),           TEST(only_what_is_new_is_moved),
      TEST(one_pattern_finds_all),       TEST(what_is_replaced_has_two_halves),
      TEST(windows_are_replaced),        TEST(room_can_be_bounded),
      TEST(others_are_refused),          TEST(one_length_grows_in_one_way),
      TEST(the_checker_guards_the_past), TEST(rows_are_updated_in_place),
      TEST(others_are_no_updates),       TEST(the_checker_guards_updates)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
