/* Which steps graphs become, on graphs in text form. */
#include "support.h"

#include "ir/text.h"
#include "lower/lower.h"
#include "ops/op.h"
#include "plan/plan.h"

#include <string.h>

/* Lowered, planned and checked. */
static Steps *lower(Context *ctx, const char *text) {
  Graph *graph = graph_parse(ctx, text, "test");
  if (graph == NULL || !infer_graph(graph)) fail_msg("%s", diag_text(ctx->diag, 0));
  Steps *steps = lower_graph(graph, true);
  if (steps == NULL) fail_msg("%s", diag_text(ctx->diag, 0));
  Plan plan;
  assert_true(plan_steps(steps, 1 << 16, &plan));
  const char *fault = plan_check(steps, plan.arena_bytes);
  if (fault != NULL) fail_msg("%s", fault);
  return steps;
}

/* `row(Add LayerNormalization) call(NonZero)` */
static const char *summary(const Steps *steps) {
  static const char *const kinds[] = {"row",  "contraction", "attention", "copy",
                                      "call", "if",          "loop"};
  Arena *arena = steps->ctx->arena;
  const char *text = "";
  VEC_EACH(Step *, step, &steps->steps) {
    text = arena_printf(arena, "%s%s%s(", text, *text == '\0' ? "" : " ", kinds[(*step)->kind]);
    for (uint32_t i = 0; i < (*step)->n_ops; i++) {
      text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : " ", (*step)->ops[i]);
    }
    text = arena_printf(arena, "%s)", text);
  }
  return text;
}

static void views_move_nothing(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, "dim batch = 1..8\n"
                            "graph \"main\" {\n"
                            "  input %x: f32[batch, 6, 4]\n"
                            "  output %y\n"
                            "  const %starts = i64[1] {1}\n"
                            "  const %ends = i64[1] {5}\n"
                            "  const %axes = i64[1] {1}\n"
                            "  const %shape = i64[3] {0, 2, 8}\n"
                            "  %s = Slice(%x, %starts, %ends, %axes)\n"
                            "  %t = Transpose(%s) {perm = [0, 2, 1]}\n"
                            "  %y = Reshape(%t, %shape)\n"
                            "}\n");
  /* All three are one copy, right to the output. */
  assert_string_equal(summary(steps), "copy(Transpose)");
}

#define HEAD                                                                                       \
  "dim batch = 1..4\n"                                                                             \
  "graph \"main\" {\n"                                                                             \
  "  input %x: f32[batch, 6, 16]\n"

static void post_norm_is_one_step(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %f: f32[batch, 6, 16]\n"
                                 "  input %g: f32[16]\n"
                                 "  output %y\n"
                                 "  %s = Add(%x, %f)\n"
                                 "  %y = LayerNormalization(%s, %g) {axis = -1}\n"
                                 "}\n");
  assert_string_equal(summary(steps), "row(Add LayerNormalization)");
  assert_int_equal(steps->steps.data[0]->row.n_outer, 1);
  assert_int_equal(steps->steps.data[0]->row.n_inner, 1);
}

/* The sum goes on as the next residual, so the step stores it and its norm. */
static void pre_norm_keeps_the_sum(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %w: f32[16, 16]\n"
                                 "  input %g: f32[16]\n"
                                 "  output %y\n"
                                 "  %m = MatMul(%x, %w)\n"
                                 "  %s = Add(%x, %m)\n"
                                 "  %n = LayerNormalization(%s, %g) {axis = -1}\n"
                                 "  %k = MatMul(%n, %w)\n"
                                 "  %r = Relu(%k)\n"
                                 "  %y = Add(%r, %s)\n"
                                 "}\n");
  assert_string_equal(summary(steps), "contraction(MatMul) row(Add LayerNormalization) "
                                      "contraction(MatMul Relu Add)");
  assert_int_equal(steps->steps.data[1]->row.stores.len, 2);
}

/* A path that leaves the group and comes back forbids the fusion. */
static void no_step_waits_for_itself(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %w: f32[16, 16]\n"
                                 "  output %y\n"
                                 "  %a = Relu(%x)\n"
                                 "  %m = MatMul(%a, %w)\n"
                                 "  %n = Softmax(%m) {axis = -1}\n"
                                 "  %y = Add(%a, %n)\n"
                                 "}\n");
  assert_string_equal(summary(steps), "row(Relu) contraction(MatMul) row(Softmax Add)");
}

/* Tables are read where indices say, within the step that needs their rows; what is the same for
 * the whole batch is looked up again rather than stored. */
static void embeddings_are_one_step(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, "dim batch = 1..4\n"
                            "graph \"main\" {\n"
                            "  input %ids: i64[batch, 6]\n"
                            "  input %at: i64[1, 6]\n"
                            "  input %words: f32[9, 16]\n"
                            "  input %places: f32[6, 16]\n"
                            "  input %g: f32[16]\n"
                            "  output %y\n"
                            "  %w = Gather(%words, %ids)\n"
                            "  %p = Gather(%places, %at)\n"
                            "  %s = Add(%w, %p)\n"
                            "  %y = LayerNormalization(%s, %g) {axis = -1}\n"
                            "}\n");
  assert_string_equal(summary(steps), "row(Gather Gather Add LayerNormalization)");
}

/* A table that the step computes itself is not complete when its rows are needed. */
static void tables_are_computed_before(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %i: i64[6]\n"
                                 "  output %y\n"
                                 "  %a = Relu(%x)\n"
                                 "  %p = Gather(%a, %i) {axis = 1}\n"
                                 "  %y = Add(%p, %a)\n"
                                 "}\n");
  assert_string_equal(summary(steps), "row(Relu) row(Gather Add)");
}

/* The number that the step hands to its kernel. */
static int64_t member(const Step *step, const char *name) {
  VEC_EACH(Field, field, &step->kernel.fields) {
    int64_t value;
    if (strcmp(field->name, name) == 0 && dim_is_const(field->dims[0], &value)) return value;
  }
  fail_msg("no number %s", name);
  return 0;
}

#define PRODUCTS                                                                                   \
  "graph \"main\" {\n"                                                                             \
  "  input %x: f32[2, 8, 24]\n"                                                                    \
  "  input %w: f32[24, 512]\n"                                                                     \
  "  input %v: f32[512, 16]\n"                                                                     \
  "  output %y\n"

/* Rows at a distance that would put them into the same sets of a cache. */
static void rows_of_a_left_input_are_moved_apart(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, PRODUCTS "  %a = MatMul(%x, %w)\n"
                                     "  %b = Relu(%a)\n"
                                     "  %y = MatMul(%b, %v)\n"
                                     "}\n");
  assert_string_equal(summary(steps), "contraction(MatMul Relu) contraction(MatMul)");
  const Step *second = steps->steps.data[1];
  assert_int_equal(member(second, "m"), 16);
  assert_int_equal(member(second, "a_row"), 512 + 16);
  assert_int_equal(second->reads.data[0]->bytes, 16 * (512 + 16) * sizeof(float));
}

/* Where somebody needs them dense they stay. */
static void rows_that_are_an_output_stay(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, PRODUCTS "  output %b\n"
                                     "  %a = MatMul(%x, %w)\n"
                                     "  %b = Relu(%a)\n"
                                     "  %y = MatMul(%b, %v)\n"
                                     "}\n");
  assert_int_equal(member(steps->steps.data[1], "a_row"), 512);
}

/* An epilogue has no way to say that an index is wrong. */
static void epilogues_look_nothing_up(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, "graph \"main\" {\n"
                            "  input %i: i64[6]\n"
                            "  input %x: f32[6, 16]\n"
                            "  input %w: f32[16, 16]\n"
                            "  output %y\n"
                            "  %m = MatMul(%x, %w)\n"
                            "  %r = Gather(%w, %i)\n"
                            "  %y = Mul(%m, %r)\n"
                            "}\n");
  assert_string_equal(summary(steps), "row(Gather) contraction(MatMul Mul)");
}

/* Costly values are not computed once for each element that they broadcast to, cheap ones are;
 * neither is when somebody else reads it too. */
static void only_cheap_values_are_repeated(void **state) {
  TEST_BEGIN(state);
#define BROADCAST(op, outputs)                                                                     \
  HEAD "  input %c: f32[6, 16]\n"                                                                  \
       "  output %y\n" outputs "  %k = " op "(%c)\n"                                               \
       "  %y = Add(%x, %k)\n"                                                                      \
       "}\n"
  assert_string_equal(summary(lower(ctx, BROADCAST("Neg", ""))), "row(Neg Add)");
  assert_string_equal(summary(lower(ctx, BROADCAST("Exp", ""))), "row(Exp) row(Add)");
  assert_string_equal(summary(lower(ctx, BROADCAST("Neg", "  output %k\n"))), "row(Neg) row(Add)");
}

static void readers_of_one_value_share_a_step(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %g: f32[16]\n"
                                 "  input %w: f32[16, 16]\n"
                                 "  output %y\n"
                                 "  output %z\n"
                                 "  %a = LayerNormalization(%x, %g) {axis = -1}\n"
                                 "  %b = RMSNormalization(%x, %g) {axis = -1}\n"
                                 "  %y = MatMul(%a, %w)\n"
                                 "  %z = MatMul(%b, %w)\n"
                                 "}\n");
  assert_string_equal(summary(steps), "row(LayerNormalization RMSNormalization) "
                                      "contraction(MatMul) contraction(MatMul)");
}

/* t h + (1 - t) x: all of it is the epilogue of the later product. */
static void gates_are_an_epilogue(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %w: f32[16, 16]\n"
                                 "  output %y\n"
                                 "  const %one = f32[] {1}\n"
                                 "  %m = MatMul(%x, %w)\n"
                                 "  %t = Sigmoid(%m)\n"
                                 "  %h = MatMul(%x, %w)\n"
                                 "  %k = Sub(%one, %t)\n"
                                 "  %a = Mul(%t, %h)\n"
                                 "  %b = Mul(%k, %x)\n"
                                 "  %y = Add(%a, %b)\n"
                                 "}\n");
  assert_string_equal(summary(steps),
                      "contraction(MatMul Sigmoid) contraction(MatMul Sub Mul Mul Add)");
}

static void parts_of_a_concat_are_computed_in_place(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  output %y\n"
                                 "  %a = Relu(%x)\n"
                                 "  %b = Tanh(%x)\n"
                                 "  %i = Concat(%a, %b) {axis = 1}\n"
                                 "  %c = Neg(%x)\n"
                                 "  %o = Concat(%i, %c) {axis = 1}\n"
                                 "  %y = Exp(%o)\n"
                                 "}\n");
  VEC_EACH(Step *, step, &steps->steps) assert_int_equal((*step)->kind, STEP_ROW);
}

/* Halves turned by an angle, and pairs: each is one step, which stores both parts in their places,
 * through the views that join them. */
#define TURNED(start_, end_, step_)                                                                \
  "dim batch = 1..4\n"                                                                             \
  "graph \"main\" {\n"                                                                             \
  "  input %x: f32[batch, 3, 8]\n"                                                                 \
  "  input %c: f32[3, 4]\n"                                                                        \
  "  input %s: f32[3, 4]\n"                                                                        \
  "  output %y\n"                                                                                  \
  "  const %last = i64[1] {2}\n"                                                                   \
  "  const %a0 = i64[1] {0}\n"                                                                     \
  "  const %a1 = i64[1] {" end_ "}\n"                                                              \
  "  const %b0 = i64[1] {" start_ "}\n"                                                            \
  "  const %b1 = i64[1] {8}\n"                                                                     \
  "  const %step = i64[1] {" step_ "}\n"                                                           \
  "  %a = Slice(%x, %a0, %a1, %last, %step)\n"                                                     \
  "  %b = Slice(%x, %b0, %b1, %last, %step)\n"                                                     \
  "  %ac = Mul(%a, %c)\n"                                                                          \
  "  %bs = Mul(%b, %s)\n"                                                                          \
  "  %u = Sub(%ac, %bs)\n"                                                                         \
  "  %as = Mul(%a, %s)\n"                                                                          \
  "  %bc = Mul(%b, %c)\n"                                                                          \
  "  %v = Add(%as, %bc)\n"

static void turned_halves_are_one_step(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, TURNED("4", "4", "1") "  %y = Concat(%u, %v) {axis = -1}\n}\n");
  assert_string_equal(summary(steps), "row(Mul Mul Sub Mul Mul Add)");
}

static void turned_pairs_are_one_step(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, TURNED("1", "8", "2") "  const %apart = i64[4] {0, 0, 0, 1}\n"
                                                  "  const %joined = i64[3] {0, 0, 8}\n"
                                                  "  %u1 = Reshape(%u, %apart)\n"
                                                  "  %v1 = Reshape(%v, %apart)\n"
                                                  "  %p = Concat(%u1, %v1) {axis = -1}\n"
                                                  "  %y = Reshape(%p, %joined)\n}\n");
  assert_string_equal(summary(steps), "row(Mul Mul Sub Mul Mul Add)");
}

/* What is joined behind a transposition is computed in its place, too. */
static void transposed_parts_are_computed_in_place(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %w: f32[16, 16]\n"
                                 "  output %y\n"
                                 "  %a = MatMul(%x, %w)\n"
                                 "  %b = Transpose(%a) {perm = [0, 2, 1]}\n"
                                 "  %c = Transpose(%x) {perm = [0, 2, 1]}\n"
                                 "  %d = Exp(%c)\n"
                                 "  %y = Concat(%b, %d) {axis = 2}\n"
                                 "}\n");
  assert_string_equal(summary(steps), "contraction(MatMul) row(Exp)");
}

/* Parts that have nothing in common stay apart: so each may be computed when it suits memory. */
static void parts_of_different_origin_are_two_steps(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %z: f32[batch, 8, 16]\n"
                                 "  output %y\n"
                                 "  %a = Relu(%x)\n"
                                 "  %b = Tanh(%z)\n"
                                 "  %y = Concat(%a, %b) {axis = 1}\n"
                                 "}\n");
  assert_string_equal(summary(steps), "row(Relu) row(Tanh)");
}

/* One element for each row is computed with the row. */
static void what_a_row_has_once_is_computed_with_it(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %p: i64[batch, 6, 1]\n"
                                 "  output %y\n"
                                 "  %f = Cast(%p) {to = 1}\n"
                                 "  %m = Mul(%f, %x)\n"
                                 "  %y = Cos(%m)\n"
                                 "}\n");
  assert_string_equal(summary(steps), "row(Cast Mul Cos)");
}

/* The first half of each row of a product is turned, the rest stays: in the product's memory,
 * unless somebody reads that too. */
#define HALF_TURNED(reader_)                                                                       \
  HEAD "  input %c: f32[6, 4]\n"                                                                   \
       "  output %y\n"                                                                             \
       "  output %z\n"                                                                             \
       "  input %w: f32[16, 16]\n"                                                                 \
       "  const %sizes = i64[3] {4, 4, 8}\n"                                                       \
       "  %p = MatMul(%x, %w)\n"                                                                   \
       "  %a, %b, %r = Split(%p, %sizes) {axis = 2}\n"                                             \
       "  %ac = Mul(%a, %c)\n"                                                                     \
       "  %bc = Mul(%b, %c)\n"                                                                     \
       "  %u = Sub(%ac, %b)\n"                                                                     \
       "  %v = Add(%bc, %a)\n"                                                                     \
       "  %j = Concat(%u, %v, %r) {axis = 2}\n"                                                    \
       "  %y = MatMul(%j, %w)\n"                                                                   \
       "  %z = Exp(" reader_ ")\n"                                                                 \
       "}\n"

static void turned_parts_change_in_place(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HALF_TURNED("%x"));
  assert_string_equal(summary(steps),
                      "contraction(MatMul) row(Mul Mul Sub Add) contraction(MatMul) row(Exp)");
}

static void what_others_read_does_not_change_in_place(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HALF_TURNED("%p"));
  VEC_EACH(Step *, step, &steps->steps) {
    for (size_t i = 0; i < (*step)->writes.len && (*step)->kind == STEP_ROW; i++) {
      for (size_t k = 0; k < (*step)->reads.len; k++) {
        assert_ptr_not_equal((*step)->writes.data[i], (*step)->reads.data[k]);
      }
    }
  }
}

/* A part that only a norm reads is normalised where it is; a whole tensor is left to the plan. */
static void parts_are_normalised_in_place(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  input %w: f32[16, 16]\n"
                                 "  input %v: f32[4, 4]\n"
                                 "  input %g: f32[4]\n"
                                 "  output %y\n"
                                 "  const %sizes = i64[3] {4, 4, 8}\n"
                                 "  %p = MatMul(%x, %w)\n"
                                 "  %a, %b, %r = Split(%p, %sizes) {axis = 2}\n"
                                 "  %n = RMSNormalization(%a, %g) {axis = -1}\n"
                                 "  %m = MatMul(%n, %v)\n"
                                 "  %s = Add(%m, %b)\n"
                                 "  %y = MatMul(%s, %v)\n"
                                 "}\n");
  const Step *norm = steps->steps.data[1];
  assert_int_equal(norm->kind, STEP_ROW);
  assert_ptr_equal(norm->writes.data[0], norm->reads.data[0]);
}

/* What a loop finds must last until its end, although each turn reads it early. */
static void loops_keep_what_they_read(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  output %y\n"
                                 "  const %n = i64[] {3}\n"
                                 "  %a = Relu(%x)\n"
                                 "  %b = Neg(%x)\n"
                                 "  %y = Loop(%n, _, %b; %a) {body = graph \"body\" {\n"
                                 "    input %t: i64[]\n"
                                 "    input %go: bool[]\n"
                                 "    input %v: f32[batch, 6, 16]\n"
                                 "    capture %k = 3\n"
                                 "    output %go\n"
                                 "    output %w\n"
                                 "    %s = Add(%v, %k)\n"
                                 "    %e = Exp(%s)\n"
                                 "    %w = Softmax(%e) {axis = 1}\n"
                                 "  }}\n"
                                 "}\n");
  const Step *loop = steps->steps.data[steps->steps.len - 1];
  assert_int_equal(loop->kind, STEP_LOOP);
  assert_true(loop->turns.body->steps.len != 0);
}

/* Member `name` of the kernel of a step as "1x2x3". */
static const char *sizes_of(const Steps *steps, const Step *step, const char *name) {
  const char *text = "";
  VEC_EACH(const Field, field, &step->kernel.fields) {
    if (strcmp(field->name, name) != 0) continue;
    for (int i = 0; i < field->n; i++) {
      text = arena_printf(steps->ctx->arena, "%s%s%s", text, i == 0 ? "" : "x",
                          dim_text(steps->ctx->arena, field->dims[i]));
    }
  }
  return text;
}

/* Kernels go along the last axis, so that is one with something on it. */
static void axes_of_one_element_are_outer(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, "graph \"main\" {\n"
                            "  input %x: f32[1, 4, 64, 1]\n"
                            "  input %w: f32[8, 4, 5, 1]\n"
                            "  output %y\n"
                            "  %c = Conv(%x, %w) {strides = [2, 3], pads = [1, 0, 2, 0]}\n"
                            "  %y = MaxPool(%c) {kernel_shape = [2, 1]}\n"
                            "}\n");
  assert_string_equal(summary(steps), "contraction(Conv) call(MaxPool)");
  const Step *conv = steps->steps.data[0];
  assert_string_equal(sizes_of(steps, conv, "in"), "1x1x64");
  assert_string_equal(sizes_of(steps, conv, "kernel"), "1x1x5");
  assert_string_equal(sizes_of(steps, conv, "stride"), "1x3x2");
  assert_string_equal(sizes_of(steps, conv, "pad"), "0x0x1");
  assert_string_equal(sizes_of(steps, conv, "out"), "1x1x32");
  assert_string_equal(sizes_of(steps, steps->steps.data[1], "kernel"), "1x1x2");
}

/* Zeros above, beneath, in front and behind, and the input; mirrored, one copy for each side. */
static void pads_are_copies(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, HEAD "  const %p = i64[6] {0, 1, 2, 0, 1, 0}\n"
                                 "  const %q = i64[6] {0, 2, 1, 0, 2, 0}\n"
                                 "  output %y\n"
                                 "  output %z\n"
                                 "  %y = Pad(%x, %p)\n"
                                 "  %z = Pad(%x, %q) {mode = \"reflect\"}\n"
                                 "}\n");
  assert_string_equal(summary(steps),
                      "copy(Pad) copy(Pad) copy(Pad) copy(Pad) "
                      "copy(Pad) copy(Pad) copy(Pad) copy(Pad) copy(Pad) copy(Pad)");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(views_move_nothing),
      TEST(post_norm_is_one_step),
      TEST(pre_norm_keeps_the_sum),
      TEST(no_step_waits_for_itself),
      TEST(embeddings_are_one_step),
      TEST(tables_are_computed_before),
      TEST(epilogues_look_nothing_up),
      TEST(only_cheap_values_are_repeated),
      TEST(readers_of_one_value_share_a_step),
      TEST(gates_are_an_epilogue),
      TEST(parts_of_a_concat_are_computed_in_place),
      TEST(turned_halves_are_one_step),
      TEST(turned_pairs_are_one_step),
      TEST(rows_of_a_left_input_are_moved_apart),
      TEST(rows_that_are_an_output_stay),
      TEST(transposed_parts_are_computed_in_place),
      TEST(parts_of_different_origin_are_two_steps),
      TEST(what_a_row_has_once_is_computed_with_it),
      TEST(turned_parts_change_in_place),
      TEST(what_others_read_does_not_change_in_place),
      TEST(parts_are_normalised_in_place),
      TEST(loops_keep_what_they_read),
      TEST(axes_of_one_element_are_outer),
      TEST(pads_are_copies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
