/* Operators that take strings or make them; those with regular expressions are in patterns.c. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/elementwise.h"
#include "reference/pieces.h"

#include <string.h>

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

/* ---- StringSplit -------------------------------------------------------------------------------
 */

/* The most pieces of one string, where the strings are known. */
static int64_t count_pieces(const Tensor *strings, onnxc_rt_string delimiter, int64_t splits) {
  const onnxc_rt_string *string = strings->data;
  int64_t most = 0;
  for (size_t i = 0; i < strings->count; i++) {
    int64_t n = onnxc_rt_split_count(onnxc_rt_split_begin(string[i], delimiter, splits));
    if (n > most) most = n;
  }
  return most;
}

static const Dim *pieces_size(Node *node, int axis) {
  DimTable *t = infer_dims(node);
  const Attr *delimiter = node_attr(node, "delimiter"), *maxsplit = node_attr(node, "maxsplit");
  int64_t splits = maxsplit == NULL || maxsplit->i < 0 ? -1 : maxsplit->i;
  onnxc_rt_string at = {NULL, 0};
  if (delimiter != NULL) at = (onnxc_rt_string){delimiter->s, (ptrdiff_t)delimiter->s_size};
  const Tensor *strings = node_in(node, 0)->constant;
  if (strings != NULL) return dim_const(t, count_pieces(strings, at, splits));
  bool bounded = splits >= 0 && splits < INT32_MAX;
  return infer_fresh(node, 0, axis, bounded ? dim_const(t, splits + 1) : NULL);
}

static bool string_split_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  if (x == NULL) return false;
  if (x->rank == MAX_RANK) return node_error(node, DIAG_LIMIT, "the output has too many axes");
  for (int i = 0; i < x->rank; i++) dims[i] = x->dims[i];
  dims[x->rank] = pieces_size(node, x->rank);
  infer_output(node, 0, ONNXC_RT_STRING, x->rank + 1, dims);
  infer_output(node, 1, ONNXC_RT_I64, x->rank, dims);
  return true;
}

const OpDef op_StringSplit = {
    .name = "StringSplit",
    .domain = "",
    .flags = OP_DATA_DEPENDENT,
    .params = (const OpParam[]){PARAM_OPTIONAL("delimiter", ATTR_STRING),
                                PARAM_OPTIONAL("maxsplit", ATTR_INT),
                                {0}},
    .infer = string_split_infer,
    OP_KERNEL(onnxc_rt_ref_string_split),
};

/* ---- StringNormalizer --------------------------------------------------------------------------
 */

static bool changes_case(const Node *node) {
  return strcmp(op_param_s(node, "case_change_action"), "NONE") != 0;
}

static bool string_normalizer_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  DimTable *t = infer_dims(node);
  const Dim *one = dim_const(t, 1), *dims[2];
  if (x == NULL || !check_choice(node, "case_change_action", "NONE LOWER UPPER")) return false;
  bool vector = x->rank == 1, row = x->rank == 2;
  if (!vector && !row) return node_error(node, DIAG_INVALID, "the input must be [C] or [1, C]");
  if (row && !check_size(node, 0, 0, one, "the first of [1, C]")) return false;
  const Attr *stopwords = op_param_list(node, "stopwords");
  const Dim *most = dim_max(t, x->dims[x->rank - 1], one);
  bool drops = stopwords != NULL && stopwords->count != 0;
  dims[0] = one;
  dims[x->rank - 1] = drops ? infer_fresh(node, 0, x->rank - 1, most) : most;
  infer_output(node, 0, ONNXC_RT_STRING, x->rank, dims);
  return true;
}

/* The locale matters only where it is Turkish or Azerbaijani. */
const OpDef op_StringNormalizer = {
    .name = "StringNormalizer",
    .domain = "",
    .flags = OP_DATA_DEPENDENT,
    .params = (const OpParam[]){PARAM_STRING("case_change_action", "NONE"),
                                PARAM_INT("is_case_sensitive", 0),
                                PARAM_OPTIONAL("stopwords", ATTR_STRINGS),
                                PARAM_OPTIONAL("locale", ATTR_STRING),
                                {0}},
    .infer = string_normalizer_infer,
    OP_KERNEL(onnxc_rt_ref_string_normalizer),
    .makes_text = changes_case,
};

/* ---- numbers as text: what Cast becomes --------------------------------------------------------
 */

static bool read_numbers_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  infer_output(node, 0, (DType)op_param_i(node, "to"), x->rank, x->dims);
  return true;
}

/* To f64, i64 or u64. */
const OpDef op_onnxc_ReadNumbers = {
    .name = "ReadNumbers",
    .domain = "onnxc",
    .params = (const OpParam[]){PARAM_REQUIRED("to", ATTR_INT), {0}},
    .infer = read_numbers_infer,
    OP_KERNEL(onnxc_rt_ref_read_numbers),
};

/* `to` is always string. */
static bool write_numbers_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  infer_output(node, 0, ONNXC_RT_STRING, x->rank, x->dims);
  return true;
}

const OpDef op_onnxc_WriteNumbers = {
    .name = "WriteNumbers",
    .domain = "onnxc",
    .params = (const OpParam[]){PARAM_REQUIRED("to", ATTR_INT), {0}},
    .infer = write_numbers_infer,
    OP_KERNEL(onnxc_rt_ref_write_numbers),
    .makes_text = always,
};
