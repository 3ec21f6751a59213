/* The compiler's own operators on sequences that have become tensors
 * (runtime/reference/sequence.h): what the pass flatten-sequences builds. It knows the sizes, from
 * the types of the sequences, and passes them as attributes. */
#include "onnxc_rt_reference.h"
#include "ops/op.h"

#include <string.h>

/* shape: capacity and slot; rank: of the tensor with the most axes. */
#define SHAPE_PARAMS PARAM_REQUIRED("shape", ATTR_DIMS), PARAM_REQUIRED("rank", ATTR_INT)

/* data, dims and [length] of elements of that type. */
static bool output_sequence(Node *node, DType dtype) {
  const Attr *shape = op_param_list(node, "shape");
  const Dim *rank = dim_const(infer_dims(node), op_param_i(node, "rank"));
  infer_output(node, 0, dtype, 2, shape->dims);
  infer_output(node, 1, ONNXC_RT_I64, 2, (const Dim *[]){shape->dims[0], rank});
  if (node_out(node, 2) != NULL) infer_output(node, 2, ONNXC_RT_I64, 0, NULL);
  return true;
}

/* The elements are of the type of input 0, be that a tensor or the data of a sequence. */
static bool sequence_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  return x != NULL && output_sequence(node, x->dtype);
}

/* Inputs 1 and on may depend on data that only a run has; an interpreter that knows them sizes the
 * result by them, whatever bound there is. */
static bool fit_infer(Node *node) {
  DimTable *t = infer_dims(node);
  const Type *x = infer_tensor(node, 0);
  const char *to = op_param_s(node, "to");
  int64_t value;
  uint32_t n;
  bool turns = strcmp(to, "turns") == 0 && node_in(node, 3) != NULL;
  uint32_t from = turns ? 3 : 2;
  if (x == NULL || !output_sequence(node, x->dtype)) return false;
  bool found = turns || strcmp(to, "length") == 0;
  if (!found || !infer_constant_ints(node, from, &value, 1, &n) || value < 0) return true;
  const Dim *capacity = dim_const(t, value);
  if (turns) {
    capacity = dim_add(t, x->dims[0], dim_mul_i(t, capacity, op_param_i(node, "growth")));
  }
  const Type *data = &node->out[0]->type, *dims = &node->out[1]->type;
  infer_output(node, 0, x->dtype, 2, (const Dim *[]){capacity, data->dims[1]});
  infer_output(node, 1, ONNXC_RT_I64, 2, (const Dim *[]){capacity, dims->dims[1]});
  return true;
}

static bool require_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL || infer_tensor(node, 1) == NULL) return false;
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  return true;
}

/* A tensor of `sizes`, those of axes in `ragged` being bounds. */
static bool element_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Attr *sizes = op_param_list(node, "sizes");
  int64_t ragged = op_param_i(node, "ragged");
  const Dim *dims[MAX_RANK];
  if (x == NULL) return false;
  for (int i = 0; i < (int)sizes->count; i++) {
    bool varies = (ragged >> i & 1) != 0;
    dims[i] = varies ? infer_fresh(node, 0, i, sizes->dims[i]) : sizes->dims[i];
  }
  infer_output(node, 0, x->dtype, (int)sizes->count, dims);
  return true;
}

#define BUNDLE_OP(Name, infer_, kernel_, ...)                                                      \
  const OpDef op_onnxc_##Name = {.name = #Name,                                                    \
                                 .domain = "onnxc",                                                \
                                 .infer = infer_,                                                  \
                                 OP_KERNEL(onnxc_rt_ref_##kernel_),                                \
                                 .params = (const OpParam[]){__VA_ARGS__, {0}}}

#define SIZE_PARAMS PARAM_REQUIRED("sizes", ATTR_DIMS), PARAM_INT("ragged", 0)

BUNDLE_OP(SequencePack, sequence_infer, sequence_pack, SHAPE_PARAMS);
BUNDLE_OP(SequenceInsert, sequence_infer, sequence_insert, SHAPE_PARAMS);
BUNDLE_OP(SequenceErase, sequence_infer, sequence_erase, SHAPE_PARAMS);
BUNDLE_OP(SequenceSplit, sequence_infer, sequence_split, SHAPE_PARAMS, PARAM_INT("axis", 0),
          PARAM_INT("keepdims", 1));
BUNDLE_OP(SequenceFit, fit_infer, sequence_fit, SHAPE_PARAMS, PARAM_STRING("to", "shape"),
          PARAM_INT("growth", 0));
BUNDLE_OP(SequenceAt, element_infer, sequence_at, SIZE_PARAMS, PARAM_INT("optional", 0));
BUNDLE_OP(SequenceJoin, element_infer, sequence_join, SIZE_PARAMS, PARAM_REQUIRED("axis", ATTR_INT),
          PARAM_INT("new_axis", 0));

const OpDef op_onnxc_SequenceRequire = {.name = "SequenceRequire",
                                        .domain = "onnxc",
                                        .infer = require_infer,
                                        OP_KERNEL(onnxc_rt_ref_sequence_require)};
