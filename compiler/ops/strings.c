/* Operators on strings alone. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/elementwise.h"

/* ---- StringConcat ------------------------------------------------------------------------------
 */

static bool always(const Node *node) {
  (void)node;
  return true;
}

const OpDef op_StringConcat = {
    .name = "StringConcat",
    .domain = "",
    .infer = infer_elementwise,
    OP_KERNEL(onnxc_rt_ref_string_concat),
    .makes_text = always,
};
