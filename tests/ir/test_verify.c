/* Sound graphs pass, and every kind of damage is named. */
#include "support.h"

#include "ir/text.h"
#include "ir/verify.h"
#include "ops/op.h"

#include <string.h>

static const char sound_text[] = "dim n = 1..8\n"
                                 "graph \"g\" {\n"
                                 "  input %x: f32[n]\n"
                                 "  output %b: f32[n]\n"
                                 "  output %k: i64[2]\n"
                                 "  const %k = i64[2] {1, 2}\n"
                                 "  %a: f32[n] = Identity(%x) \"first\"\n"
                                 "  %b: f32[n] = Identity(%a) \"second\"\n"
                                 "}\n";

static Graph *sound_graph(Context *ctx) {
  Graph *graph = graph_parse(ctx, sound_text, "sound");
  assert_non_null(graph);
  assert_null(graph_verify(graph));
  return graph;
}

static void finds(const Graph *graph, const char *expected) {
  const char *fault = graph_verify(graph);
  if (fault == NULL || strstr(fault, expected) == NULL) {
    fail_msg("'%s' expected, got '%s'", expected, fault == NULL ? "nothing" : fault);
  }
}

static void order_is_checked(void **state) {
  TEST_BEGIN(state);
  Graph *graph = sound_graph(ctx);
  Node *first = graph->first;
  node_set_input(first, 0, graph->last->out[0]);
  finds(graph, "g/node 'first' (Identity): value 'b' is used before it is defined");
}

static void outputs_must_be_defined(void **state) {
  TEST_BEGIN(state);
  Graph *graph = sound_graph(ctx);
  graph_remove(graph->last);
  finds(graph, "g: value 'b' is used before it is defined");
}

static void the_list_of_nodes_is_checked(void **state) {
  TEST_BEGIN(state);
  Graph *graph = sound_graph(ctx);
  graph->n_nodes++;
  finds(graph, "does not end where");
  graph = sound_graph(ctx);
  graph->last->prev = NULL;
  finds(graph, "list of nodes is broken");
  graph = sound_graph(ctx);
  graph->last->next = graph->first;
  finds(graph, "list of nodes is broken");
}

static void uses_are_checked(void **state) {
  TEST_BEGIN(state);
  Graph *graph = sound_graph(ctx);
  graph->inputs.data[0]->uses = NULL;
  finds(graph, "input 0 is not among the uses of 'x'");
  graph = sound_graph(ctx);
  node_new(graph, op_find("", "Identity"), "loose", graph->inputs.data, 1, NULL, 1);
  finds(graph, "the uses of value 'x' are wrong");
  graph = sound_graph(ctx);
  Use *use = graph->first->in;
  use->next = use;
  finds(graph, "the uses of value 'x' are wrong");
}

static void owners_are_checked(void **state) {
  TEST_BEGIN(state);
  Graph *graph = sound_graph(ctx), *other = sound_graph(ctx);
  node_set_input(graph->last, 0, other->first->out[0]);
  finds(graph, "value 'a' is used before it is defined");
  graph = sound_graph(ctx);
  graph->first->out[0]->producer = graph->last;
  finds(graph, "value 'a' names another producer");
  graph = sound_graph(ctx);
  graph->first->out[0]->output_index = 1;
  finds(graph, "value 'a' names another output");
  graph = sound_graph(ctx);
  graph->first->out[0]->graph = other;
  finds(graph, "belongs to another graph");
}

static void types_are_checked(void **state) {
  TEST_BEGIN(state);
  Graph *graph = sound_graph(ctx);
  graph->first->out[0]->type = (Type){0};
  finds(graph, "the type of value 'a' is not known");
  graph = sound_graph(ctx);
  graph->outputs.data[1]->type = graph->first->out[0]->type;
  finds(graph, "the type of value 'k' is not that of its constant");
}

static void attributes_are_checked(void **state) {
  TEST_BEGIN(state);
  Graph *graph = sound_graph(ctx);
  node_set_int(graph->first, "axis", 1);
  finds(graph, "the operator has no attribute 'axis'");

  static const OpParam params[] = {
      PARAM_REQUIRED("must", ATTR_INT), PARAM_OPTIONAL("may", ATTR_INTS), {0}};
  static const OpDef op = {.name = "Picky", .domain = "", .params = params};
  graph = sound_graph(ctx);
  graph->first->op = &op;
  finds(graph, "g/node 'first' (Picky): attribute 'must' is missing");
  node_set_int(graph->first, "must", 1);
  assert_null(graph_verify(graph));
  node_set_int(graph->first, "may", 1);
  finds(graph, "attribute 'may' is of the wrong kind");
}

static const OpParam body_params[] = {PARAM_REQUIRED("body", ATTR_GRAPH), {0}};
static const OpDef body_op = {.name = "Body", .domain = "", .params = body_params};

/* x is captured by the subgraph of a node. */
static Graph *graph_with_body(Context *ctx, Graph **body) {
  Graph *graph = sound_graph(ctx);
  Value *x = graph->inputs.data[0];
  Node *node = node_new(graph, &body_op, "holder", NULL, 0, NULL, 1);
  *body = graph_new(ctx, "body");
  node_set_attr(node, (Attr){.name = "body", .kind = ATTR_GRAPH, .graph = *body});
  graph_add_output(*body, graph_capture(*body, x));
  node->out[0]->type = x->type;
  graph_append(graph, node);
  assert_null(graph_verify(graph));
  return graph;
}

static void captures_are_checked(void **state) {
  TEST_BEGIN(state);
  Graph *body, *graph = graph_with_body(ctx, &body);
  body->captures.data[0].input = 1;
  finds(graph, "input 1 is no captured value");
  graph = graph_with_body(ctx, &body);
  body->captures.data[0].inner->type.dtype = ONNXC_RT_I64;
  finds(graph, "captured value 'x' has another type inside");
  graph = graph_with_body(ctx, &body);
  body->holder = graph->first;
  finds(graph, "the subgraph names another holder");
  graph = graph_with_body(ctx, &body);
  graph_add_output(body, graph->inputs.data[0]);
  finds(graph, "body: value 'x' is used before it is defined");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(order_is_checked),
      TEST(outputs_must_be_defined),
      TEST(the_list_of_nodes_is_checked),
      TEST(uses_are_checked),
      TEST(owners_are_checked),
      TEST(types_are_checked),
      TEST(attributes_are_checked),
      TEST(captures_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
