/* Every graph survives being printed and parsed. */
#include "support.h"

#include "ir/text.h"
#include "ops/op.h"

#include <math.h>
#include <string.h>

static const char *print(const Graph *graph) {
  Out *w = out_memory(graph->ctx->arena);
  graph_print(w, graph);
  return out_text(w, NULL);
}

/* A context of its own for each parse, so that nothing is known from before. */
static Context *fresh(Context *ctx) {
  Context *other = ARENA_NEW(ctx->arena, Context);
  *other = (Context){.arena = ctx->arena, .diag = ctx->diag};
  other->strings = strings_new(ctx->arena);
  other->dims = dims_new(ctx->arena);
  return other;
}

static Graph *survives(Context *ctx, const Graph *graph) {
  const char *text = print(graph);
  Graph *back = graph_parse(fresh(ctx), text, "text");
  if (back == NULL) fail_msg("%s\n%s", diag_text(ctx->diag, 0), text);
  assert_string_equal(print(back), text);
  return back;
}

/* What is printed for `text`, which must already be in the printed form. */
static Graph *is_stable(Context *ctx, const char *text) {
  Graph *graph = graph_parse(fresh(ctx), text, "text");
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, 0));
  assert_string_equal(print(graph), text);
  return graph;
}

static void is_refused(Context *ctx, const char *text, const char *expected) {
  size_t before = diag_errors(ctx->diag);
  assert_null(graph_parse(fresh(ctx), text, "t"));
  assert_int_equal(diag_errors(ctx->diag), before + 1);
  const char *message = diag_text(ctx->diag, before);
  if (strstr(message, expected) == NULL) fail_msg("'%s' lacks '%s'", message, expected);
}

static void the_printed_form_is_stable(void **state) {
  TEST_BEGIN(state);
  is_stable(ctx,
            "dim batch = 1..8\n"
            "dim \"a b\" = 0..\n"
            "graph \"main\" {\n"
            "  input %x: f32[batch, \"a b\", 768]\n"
            "  input %s: i64[2] <batch, 2*batch>\n"
            "  input %q: seq(optional(i64[]))\n"
            "  output %h: f32[batch, \"a b\", 768]\n"
            "  output %x: f32[batch, \"a b\", 768]\n"
            "  const %w = f32[3] {0x1.8p+0, -0x0p+0, #7fc00001}\n"
            "  const %i = i8[2, 2] {-128, 127, 0, 1}\n"
            "  const %big = u64[] {18446744073709551615}\n"
            "  const %half = f16[3] bits {\n"
            "    3c00 0001 ffff\n"
            "  }\n"
            "  const %nibbles = i4[3] bits {\n"
            "    21 03\n"
            "  }\n"
            "  const %words = string[2] {\"a\\042b\\000c\", \"\"}\n"
            "  const %none = f32[0, 4] {}\n"
            "  %a: ?, _, %b: f32[?] = Identity(%x, _, %w) {axis = -1, epsilon = 0x1p-17}\n"
            "  %h: f32[batch, \"a b\", 768] = Identity(%i, %big, %half, %nibbles, %words, %none) "
            "\"encoder/add\"\n"
            "  _ = Identity() \"n\"\n"
            "}\n");
}

static void attributes_keep_their_kind(void **state) {
  TEST_BEGIN(state);
  Graph *graph = is_stable(
      ctx,
      "dim n = 1..4\n"
      "graph \"\" {\n"
      "  %a: f32[] = Identity() {i = -9223372036854775808, f = 0x1p+0, g = #ff800001, h = inf, "
      "s = \"\\000\", l = [1, -2], e = ints[], fs = [-inf, 0x1.4p+3], fe = floats[], ss = "
      "[\"a\", \"\"], se = strings[], d = dims[2*n + 1, 3], de = dims[], t = f64[] {0x1.8p-1022}}\n"
      "}\n");
  const Node *node = graph->first;
  assert_int_equal(node_attr(node, "i")->i, INT64_MIN);
  assert_int_equal(node_attr(node, "f")->kind, ATTR_FLOAT);
  assert_true(isnan(node_attr(node, "g")->f));
  assert_int_equal(node_attr(node, "s")->s_size, 1);
  assert_int_equal(node_attr(node, "fe")->kind, ATTR_FLOATS);
  assert_int_equal(node_attr(node, "d")->dims[0]->hi, 9);
  assert_true(tensor_f64(node_attr(node, "t")->tensor, 0) == 0x1.8p-1022);
}

static void subgraphs_nest(void **state) {
  TEST_BEGIN(state);
  Graph *graph = is_stable(ctx, "graph \"main\" {\n"
                                "  input %c: bool[]\n"
                                "  input %x: f32[2]\n"
                                "  output %y: f32[2]\n"
                                "  %y: f32[2] = Identity(%c; %x) {then_branch = graph \"then\" {\n"
                                "    capture %x: f32[2] = 1\n"
                                "    output %r: f32[2]\n"
                                "    %r: f32[2] = Identity(; %x) {g = graph \"inner\" {\n"
                                "      capture %x: f32[2] = 0\n"
                                "      output %x: f32[2]\n"
                                "    }}\n"
                                "  }, else_branch = graph \"else\" {\n"
                                "    output %k: f32[2]\n"
                                "    const %k = f32[2] {0x0p+0, 0x1p+0}\n"
                                "  }} \"if\"\n"
                                "}\n");
  const Graph *then_graph = node_attr(graph->first, "then_branch")->graph;
  assert_ptr_equal(then_graph->holder, graph->first);
  assert_int_equal(then_graph->captures.data[0].input, 1);
}

static void origins_are_kept(void **state) {
  TEST_BEGIN(state);
  Graph *graph = is_stable(ctx, "graph \"g\" {\n"
                                "  %a: f32[] = Identity() \"a\"\n"
                                "  %b: f32[] = Identity() \"b\" from \"x\" \"y\"\n"
                                "  %c: f32[] = Identity() \"c\" from\n"
                                "  %d: f32[] = Identity() from \"d\"\n"
                                "  %e: f32[] = Identity()\n"
                                "}\n");
  assert_int_equal(graph->first->n_origins, 1);
  assert_int_equal(graph->first->next->n_origins, 2);
  assert_int_equal(graph->first->next->next->n_origins, 0);
}

static void any_name_survives(void **state) {
  TEST_BEGIN(state);
  static const char *const names[] = {"x",
                                      "x",
                                      "a b",
                                      "x#2",
                                      "\"",
                                      "%d\\n",
                                      "_",
                                      "0",
                                      "-1",
                                      "\303\251\001",
                                      "\303\251*/\n",
                                      "inputs",
                                      "x",
                                      "input",
                                      "a:b",
                                      "//c",
                                      "{",
                                      "onnx::Add_1",
                                      "dim",
                                      "/m/c.1",
                                      "from",
                                      "?\?/",
                                      "\342\200\256"};
  Graph *graph = graph_new(ctx, "any \"name\"\n");
  Value *last = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    Value *x = graph_add_input(graph, names[i], type_tensor(ctx, ONNXC_RT_F32, 0, NULL));
    Node *node =
        node_new(graph, op_find("", "Identity"), names[i], (Value *[]){last, x}, 2, &names[i], 1);
    node->out[0]->type = x->type;
    graph_append(graph, node);
    last = node->out[0];
  }
  graph_add_output(graph, last);
  const Graph *back = survives(ctx, graph);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_string_equal(back->inputs.data[i]->name, names[i]);
  }
}

static void every_type_of_constant_survives(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_new(ctx, "constants");
  for (int dtype = 1; dtype_info(dtype)->bits != 0; dtype++) {
    for (int64_t count = 0; count < 50; count += 7) {
      if (dtype == ONNXC_RT_STRING) continue;
      Tensor *tensor = tensor_new(ctx, (DType)dtype, 1, &count);
      unsigned char *data = arena_alloc(ctx->arena, tensor->bytes);
      for (size_t i = 0; i < tensor->bytes; i++) data[i] = (unsigned char)(i * 37 + 11);
      if (dtype == ONNXC_RT_BOOL) memset(data, 1, tensor->bytes);
      tensor->data = data;
      graph_add_output(graph, graph_add_constant(graph, "c", tensor));
    }
  }
  const Graph *back = survives(ctx, graph);
  for (size_t i = 0; i < graph->outputs.len; i++) {
    assert_true(tensor_equal(graph->outputs.data[i]->constant, back->outputs.data[i]->constant));
  }
}

static void types_left_out_are_inferred(void **state) {
  TEST_BEGIN(state);
  const Graph *graph = graph_parse(fresh(ctx),
                                   "// a comment\n"
                                   "graph g { input %x: f32[n, 2] // here too\n"
                                   "  %y = Identity(%x)  output %y: f32[n, 2] }",
                                   "t");
  assert_non_null(graph);
  assert_true(type_equal(&graph->outputs.data[0]->type, &graph->inputs.data[0]->type));
}

static void errors_name_the_line(void **state) {
  TEST_BEGIN(state);
  is_refused(ctx, "", "t:1: expected 'graph'");
  is_refused(ctx, "graph g {\n\n  %y = Identity(%x)\n}", "t:3: no value 'x' is defined");
  is_refused(ctx, "graph g {\n  %y = NoSuch()\n}", "t:2: unknown operator 'NoSuch'");
  is_refused(ctx, "graph g {\n output %y\n", "t:3: expected");
  is_refused(ctx, "graph g {\n output %y\n}", "t:2: no value 'y'");
  is_refused(ctx, "graph g { input %x: f33[] }", "unknown type 'f33'");
  is_refused(ctx, "graph g { input %x: f32[1+] }", "malformed size");
  is_refused(ctx, "graph g { input %x: f32[] input %x: f32[] }", "'x' is defined twice");
  is_refused(ctx, "graph g { const %x = i8[] {128} }", "does not fit");
  is_refused(ctx, "graph g { const %x = i8[2] {1} }", "expected ','");
  is_refused(ctx, "graph g { const %x = i8[-1] {1} }", "negative or overflows");
  is_refused(ctx, "graph g { const %x = f16[] {1} }", "#bits");
  is_refused(ctx, "graph g { const %x = string[] {\"a\n\"} }", "does not end");
  is_refused(ctx, "graph g { %x: f32[] = Identity() {a = [1, \"b\"]} }", "mixes kinds");
  is_refused(ctx, "graph g { %x: f32[] = Identity() {a = []} }", "ints[]");
  is_refused(ctx, "graph g { capture %x = 0 }", "no captured input");
  is_refused(ctx, "dim n = 3..2 graph g {}", "bounds");
  is_refused(ctx, "dim n = 1..2 dim n = 1..3 graph g {}", "bounds");
  is_refused(ctx, "graph g {} graph h {}", "text behind the graph");
  is_refused(ctx, "graph g { input %x: f32[] output %x: i8[] }", "output 'x' is f32[], not i8[]");
}

static void deep_nesting_is_refused(void **state) {
  TEST_BEGIN(state);
  Out *types = out_memory(ctx->arena), *graphs = out_memory(ctx->arena);
  out(types, "graph g { input %%x: ");
  for (int i = 0; i < 100000; i++) {
    out(types, "seq(");
    out(graphs, "graph g { %%x: ? = Identity() { g = ");
  }
  is_refused(ctx, out_text(types, NULL), "types nest too deep");
  is_refused(ctx, out_text(graphs, NULL), "graphs nest too deep");
}

/* Truncated or damaged text is refused or read, and never a crash. */
static void damaged_text_is_harmless(void **state) {
  TEST_BEGIN(state);
  const char *text = "dim n = 1..8\ngraph \"g\" {\n input %x: f32[n, 2*n] <3>\n output %y\n"
                     " const %w = f32[2] {0x1p+0, #7fc00000}\n const %h = f16[2] bits {0001 0002}\n"
                     " %y: seq(i64[]) = Identity(%x, _; %w) {a = [1, 2], s = \"\\001\", g = graph "
                     "h { capture %q = 2 }} \"n\" from \"o\"\n}\n";
  size_t length = strlen(text);
  for (size_t i = 0; i < length; i++) {
    graph_parse(fresh(ctx), arena_printf(ctx->arena, "%.*s", (int)i, text), "t");
    for (const char *c = "\"%({}<#-9 \\"; *c != '\0'; c++) {
      char *damaged = arena_copy(ctx->arena, text, length + 1);
      damaged[i] = *c;
      graph_parse(fresh(ctx), damaged, "t");
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_printed_form_is_stable),
      TEST(attributes_keep_their_kind),
      TEST(subgraphs_nest),
      TEST(origins_are_kept),
      TEST(any_name_survives),
      TEST(every_type_of_constant_survives),
      TEST(types_left_out_are_inferred),
      TEST(errors_name_the_line),
      TEST(deep_nesting_is_refused),
      TEST(damaged_text_is_harmless),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
