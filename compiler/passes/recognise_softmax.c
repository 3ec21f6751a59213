/* recognise-softmax: exp(x - max(x)) / sum(exp(x - max(x))) -> Softmax, and
 * x - max(x) - log(sum(exp(x - max(x)))) -> LogSoftmax.
 *
 * Right by definition, for one axis that all reductions share and keep. Without the subtraction of
 * the maximum exp overflows where Softmax does not, so that is left alone. */
#include "passes/facts.h"
#include "passes/pass.h"

/* The only axis of the reduction, which it keeps; -1 when it is not so. */
static int only_axis(const Node *reduce) {
  bool flags[MAX_RANK], keepdims;
  int rank = reduce->in[0].value->type.rank, axis = -1;
  if (!reduce_axes(reduce, flags, &keepdims) || !keepdims) return -1;
  for (int i = 0; i < rank; i++) {
    if (flags[i] && axis >= 0) return -1;
    if (flags[i]) axis = i;
  }
  return axis;
}

static Value *build_over_axis(Match *m, const char *op) {
  Value *x = match_value(m, "x");
  int axis = only_axis(match_node(m, "max"));
  if (axis < 0 || only_axis(match_node(m, "sum")) != axis) return NULL;
  if (!is_float(x) || !same_type(x, m->root->out[0])) return NULL;
  Node *node = build_node(&m->builder, "", op, &x, 1, 1);
  node_set_int(node, "axis", axis);
  return build_done(&m->builder, node);
}

static Value *build_softmax(Match *m) {
  return build_over_axis(m, "Softmax");
}

static Value *build_log_softmax(Match *m) {
  return build_over_axis(m, "LogSoftmax");
}

#define SHIFTED(bind_) PB("Sub", bind_, ANY("x"), PB("ReduceMax", "max", ANY("x")))
#define POWERS PB("Exp", "powers", SHIFTED("shifted"))
#define SUM PB("ReduceSum", "sum", ANY("powers"))

static const Rule rules[] = {
    RULE("softmax", OR(P("Div", POWERS, SUM), P("Mul", POWERS, P("Reciprocal", SUM))),
         build_softmax),
    RULE("log-softmax",
         P("Sub", SHIFTED("shifted"), P("Log", PB("ReduceSum", "sum", P("Exp", ANY("shifted"))))),
         build_log_softmax),
};

const PassDef pass_recognise_softmax = {
    .name = "recognise-softmax",
    .what = "Softmax and LogSoftmax spelled out become the operator",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .rounds = true,
};
