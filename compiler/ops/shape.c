/* Sizes as data, and operators that only change the shape. */
#include "onnxc_rt_reference.h"
#include "ops/op.h"

/* The contents of input `i` are those of output 0. */
static void pass_contents(Node *node, uint32_t i) {
  uint32_t n;
  const Dim *const *contents = infer_contents(node, i, &n);
  if (contents != NULL) infer_set_contents(node, 0, contents, n);
}

/* ---- Identity ---------------------------------------------------------------------------- */

static bool identity_infer(Node *node) {
  const Value *x = node_in(node, 0);
  if (x == NULL) return infer_tensor(node, 0) != NULL;
  infer_output_type(node, 0, &x->type);
  pass_contents(node, 0);
  return true;
}

const OpDef op_Identity = {
    .name = "Identity",
    .domain = "",
    .flags = OP_VIEW,
    .infer = identity_infer,
    OP_KERNEL(onnxc_rt_ref_copy),
};
