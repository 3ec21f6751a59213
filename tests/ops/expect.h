/* What tests of operators share: a graph as text whose operands are constants, inferred, decomposed
 * and interpreted, against expected figures. */
#ifndef ONNXC_TESTS_OPS_EXPECT_H
#define ONNXC_TESTS_OPS_EXPECT_H

#include "support.h"

#include "ir/interpret.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "ops/builder.h"

#include <math.h>
#include <string.h>

/* A graph of these statements; NULL with a message otherwise. */
static inline Graph *expect_parse(Context *ctx, const char *body) {
  const char *text = arena_printf(ctx->arena, "graph \"test\" {\n%s\n}\n", body);
  Graph *graph = graph_parse(ctx, text, "test");
  return graph != NULL && infer_graph(graph) ? graph : NULL;
}

static inline void expect_decompose(Graph *graph) {
  for (Node *node = graph->first; node != NULL;) {
    Node *before = node->prev;
    Builder builder = builder_at(node);
    if (node->op->decompose == NULL || !node->op->decompose(&builder, node)) {
      node = node->next;
      continue;
    }
    graph_remove(node);
    node = before == NULL ? graph->first : before->next;
  }
}

static inline void expect_tensor(const Tensor *actual, const double *expected, double tolerance,
                                 const char *body) {
  for (size_t i = 0; i < actual->count; i++) {
    double got = tensor_f64(actual, i), want = expected[i];
    if (got == want || (isnan(got) && isnan(want))) continue;
    if (fabs(got - want) <= tolerance * (1 + fabs(want))) continue;
    fail_msg("element %zu is %.9g, not %.9g, in\n%s", i, got, want, body);
  }
}

static inline void expect_type(const Value *value, const char *type, const char *body) {
  const char *actual = type_text(value->graph->ctx->arena, &value->type);
  if (strcmp(actual, type) != 0)
    fail_msg("'%s' is %s, not %s, in\n%s", value->name, actual, type, body);
}

/* The first output of the graph has this type and these elements. */
static inline void expect_within(Context *ctx, const char *body, const char *type,
                                 const double *elements, double tolerance) {
  Graph *graph = expect_parse(ctx, body);
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, diag_errors(ctx->diag) - 1));
  expect_type(graph->outputs.data[0], type, body);
  expect_decompose(graph);
  const char *fault = graph_verify(graph);
  if (fault != NULL) fail_msg("%s in\n%s", fault, body);
  const Tensor *outputs[16] = {NULL};
  const Node *failed = NULL;
  if (!interpret_graph(graph, NULL, NULL, outputs, ctx->arena, &failed)) {
    fail_msg("%s cannot run in\n%s", failed->op->name, body);
  }
  expect_type(graph->outputs.data[0], type, body);
  expect_tensor(outputs[0], elements, tolerance, body);
}

#define EXPECT(body, type, ...)                                                                    \
  expect_within(ctx, (body), (type), (const double[]){__VA_ARGS__}, 2e-6)
#define EXPECT_WITHIN(tolerance, body, type, ...)                                                  \
  expect_within(ctx, (body), (type), (const double[]){__VA_ARGS__}, (tolerance))

/* The type that inference gives the first output of a graph with symbolic inputs. */
static inline void expect_inferred(Context *ctx, const char *body, const char *type) {
  Graph *graph = expect_parse(ctx, body);
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, diag_errors(ctx->diag) - 1));
  expect_type(graph->outputs.data[0], type, body);
}

/* Inference refuses the graph with a message that contains `part`. */
static inline void expect_refused(Context *ctx, const char *body, const char *part) {
  size_t before = diag_errors(ctx->diag);
  if (expect_parse(ctx, body) != NULL) fail_msg("accepted:\n%s", body);
  const char *message = diag_text(ctx->diag, before);
  if (message == NULL || strstr(message, part) == NULL) fail_msg("'%s' lacks '%s'", message, part);
}

#endif
