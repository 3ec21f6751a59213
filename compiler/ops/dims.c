/* The compiler's own operator for sizes as data: what fold-shapes puts in the place of shape
 * arithmetic. */
#include "onnxc_rt_reference.h"
#include "ops/op.h"

/* onnxc.Dims() -> the expressions `dims`, of integer or bool type `dtype` and shape `shape`. */
static const OpParam dims_params[] = {
    PARAM_REQUIRED("dims", ATTR_DIMS),
    PARAM_INT("dtype", ONNXC_RT_I64),
    PARAM_REQUIRED("shape", ATTR_INTS),
    {0},
};

static bool dims_infer(Node *node) {
  const Attr *dims = op_param_list(node, "dims"), *shape = op_param_list(node, "shape");
  const Dim *sizes[MAX_RANK];
  size_t count = 1;
  for (size_t i = 0; i < shape->count && i < MAX_RANK; i++) {
    sizes[i] = dim_const(infer_dims(node), shape->ints[i]);
    count *= (size_t)shape->ints[i];
  }
  if (shape->count > MAX_RANK || count != dims->count) {
    return node_error(node, DIAG_INVALID, "'shape' does not have as many elements as 'dims'");
  }
  infer_output(node, 0, (DType)op_param_i(node, "dtype"), (int)shape->count, sizes);
  infer_set_contents(node, 0, dims->dims, (uint32_t)dims->count);
  return true;
}

static const char *dims_label(Arena *arena, const Node *node) {
  const Attr *dims = op_param_list(node, "dims");
  const char *text = "";
  for (size_t i = 0; i < dims->count; i++) {
    text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : ", ", dim_text(arena, dims->dims[i]));
  }
  return text;
}

const OpDef op_onnxc_Dims = {
    .name = "Dims",
    .domain = "onnxc",
    .params = dims_params,
    .infer = dims_infer,
    OP_KERNEL(onnxc_rt_ref_dims),
    .label = dims_label,
};
