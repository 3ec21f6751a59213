/* Losses, as far as an inference program may ask for them. */
#include "onnxc_rt_reference.h"
#include "ops/builder.h"
#include "ops/check.h"

#include <string.h>

/* ---- NegativeLogLikelihoodLoss -----------------------------------------------------------------
 */

/* Scores [n, classes, ...], target [n, ...], weight [classes]; output 0 is the loss. */
static bool loss_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *target = infer_tensor(node, 1);
  if (x == NULL || target == NULL || !check_choice(node, "reduction", "none sum mean"))
    return false;
  if (x->rank < 2 || target->rank != x->rank - 1) {
    return node_error(node, DIAG_INVALID, "scores have rank %d, the target %d", x->rank,
                      target->rank);
  }
  for (int i = 0; i < target->rank; i++) {
    const Dim *size = x->dims[i == 0 ? 0 : i + 1];
    if (infer_equal(node, "sizes of scores and target", size, target->dims[i]) == NULL) {
      return false;
    }
  }
  if (node_in(node, 2) != NULL) {
    const Type *weight = infer_tensor(node, 2);
    if (weight == NULL) return false;
    if (weight->rank != 1) return node_error(node, DIAG_INVALID, "weight must be a vector");
    if (infer_equal(node, "classes and weights", x->dims[1], weight->dims[0]) == NULL) return false;
  }
  bool none = strcmp(op_param_s(node, "reduction"), "none") == 0;
  infer_output(node, 0, x->dtype, none ? target->rank : 0, target->dims);
  return true;
}

static const OpParam loss_params[] = {
    PARAM_STRING("reduction", "mean"), PARAM_OPTIONAL("ignore_index", ATTR_INT), {0}};

const OpDef op_NegativeLogLikelihoodLoss = {
    .name = "NegativeLogLikelihoodLoss",
    .domain = "",
    .params = loss_params,
    .infer = loss_infer,
    OP_KERNEL(onnxc_rt_ref_nll_loss),
};

/* ---- SoftmaxCrossEntropyLoss -------------------------------------------------------------------
 */

static bool cross_entropy_infer(Node *node) {
  if (!loss_infer(node)) return false;
  const Type *x = &node_in(node, 0)->type;
  infer_output(node, 1, x->dtype, x->rank, x->dims);
  return true;
}

/* -> NegativeLogLikelihoodLoss(LogSoftmax(scores)); output 1 is what LogSoftmax gives. */
static bool cross_entropy_decompose(Builder *b, Node *node) {
  Node *softmax = build_node(b, "", "LogSoftmax", (Value *[]){node_in(node, 0)}, 1, 1);
  node_set_int(softmax, "axis", 1);
  Value *inputs[3] = {build_done(b, softmax), node_in(node, 1), node_in(node, 2)};
  uint32_t n = inputs[2] == NULL ? 2 : 3;
  Node *loss = build_node(b, "", "NegativeLogLikelihoodLoss", inputs, n, 1);
  node_set_string(loss, "reduction", op_param_s(node, "reduction"));
  const Attr *ignored = node_attr(node, "ignore_index");
  if (ignored != NULL) node_set_int(loss, "ignore_index", ignored->i);
  Value *result = build_done(b, loss);
  if (node_out(node, 1) != NULL) build_replace_output(b, node, 1, inputs[0]);
  build_replace(b, node, result);
  return true;
}

const OpDef op_SoftmaxCrossEntropyLoss = {
    .name = "SoftmaxCrossEntropyLoss",
    .domain = "",
    .params = loss_params,
    .infer = cross_entropy_infer,
    .decompose = cross_entropy_decompose,
};
