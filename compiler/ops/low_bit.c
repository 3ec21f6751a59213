/* Operators of ONNX Runtime whose weights stay packed, in as few as 2 bits: a kernel unpacks them
 * while it works. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"

/* ---- what the products share -------------------------------------------------------------------
 * Y = A @ W', W of N rows of K weights. */

#define PRODUCT_PARAMS PARAM_REQUIRED("K", ATTR_INT), PARAM_REQUIRED("N", ATTR_INT)

/* Blocks are powers of two, 16 at least. */
static bool check_block_size(const Node *node) {
  int64_t size = op_param_i(node, "block_size");
  if (size >= 16 && size <= INT32_MAX && (size & (size - 1)) == 0) return true;
  return node_error(node, DIAG_INVALID,
                    "attribute block_size is %lld, but must be a power of two, 16 at least",
                    (long long)size);
}

static int64_t ceil_div(int64_t a, int64_t b) {
  return a / b + (a % b != 0);
}

static bool check_product(const Node *node) {
  return check_int(node, "K", 1, INT32_MAX) && check_int(node, "N", 1, INT32_MAX) &&
         check_block_size(node);
}

static bool infer_product(Node *node) {
  const Type *a = input_type(node, 0);
  DimTable *t = infer_dims(node);
  const Dim *dims[MAX_RANK];
  int last = a->rank - 1;
  if (!check_size(node, 0, last, dim_const(t, op_param_i(node, "K")), "K")) return false;
  for (int i = 0; i < last; i++) dims[i] = a->dims[i];
  dims[last] = dim_const(t, op_param_i(node, "N"));
  infer_output(node, 0, a->dtype, a->rank, dims);
  return true;
}

static const Dim *product_scratch(const Node *node) {
  return dim_const(infer_dims(node), 4 * (op_param_i(node, "K") + 3));
}

static const Dim *product_macs(const Node *node) {
  Context *ctx = node->graph->ctx;
  return dim_mul_i(ctx->dims, type_count(ctx, &node_out(node, 0)->type), op_param_i(node, "K"));
}

/* Input `i`, when it is there, has `n` elements in rows of `row`, or flat. */
static bool check_rows(const Node *node, uint32_t i, int64_t n, int64_t row, const char *meaning) {
  const Type *type = input_type(node, i);
  DimTable *t = infer_dims(node);
  if (type == NULL) return true;
  const Dim *flat[1] = {dim_const(t, n * row)}, *matrix[2] = {dim_const(t, n), dim_const(t, row)};
  return type->rank == 1 ? check_sizes(node, i, 1, flat, meaning)
                         : check_sizes(node, i, 2, matrix, meaning);
}

/* ---- MatMulNBits -------------------------------------------------------------------------------
 */

enum { NBITS_A, NBITS_B, NBITS_SCALES, NBITS_ZEROS, NBITS_GROUPS, NBITS_BIAS };

static bool check_bits(const Node *node) {
  int64_t bits = op_param_i(node, "bits");
  if (bits == 2 || bits == 4 || bits == 8) return true;
  return node_error(node, DIAG_UNSUPPORTED, "attribute bits is %lld, but must be 2, 4 or 8",
                    (long long)bits);
}

static bool check_nbits_params(const Node *node) {
  if (!check_product(node) || !check_bits(node)) return false;
  if (op_param_i(node, "weight_prepacked") == 0) return true;
  return node_error(node, DIAG_UNSUPPORTED,
                    "weights in the layout of a device (attribute weight_prepacked) are not "
                    "supported");
}

/* B is [N, blocks, bytes of a block]; an order of groups goes with whole blocks or not. */
static bool check_nbits_sizes(const Node *node) {
  int64_t k = op_param_i(node, "K"), n = op_param_i(node, "N"), bits = op_param_i(node, "bits");
  int64_t size = op_param_i(node, "block_size"), blocks = ceil_div(k, size);
  DimTable *t = infer_dims(node);
  const Dim *weights[3] = {dim_const(t, n), dim_const(t, blocks), dim_const(t, size / 8 * bits)};
  const Type *zeros = input_type(node, NBITS_ZEROS), *groups = input_type(node, NBITS_GROUPS);
  bool packed = zeros != NULL && zeros->dtype == ONNXC_RT_U8;
  bool padded = groups != NULL && groups->dims[0] == dim_const(t, blocks * size);
  return check_sizes(node, NBITS_B, 3, weights, "that of the packed weights") &&
         check_rows(node, NBITS_SCALES, n, blocks, "one for each block") &&
         check_rows(node, NBITS_ZEROS, n, packed ? ceil_div(blocks * bits, 8) : blocks,
                    "one for each block") &&
         (groups == NULL || padded ||
          check_size(node, NBITS_GROUPS, 0, dim_const(t, k), "one for each of the K inputs")) &&
         (node_in(node, NBITS_BIAS) == NULL ||
          check_size(node, NBITS_BIAS, 0, dim_const(t, n), "one for each of the N outputs"));
}

static bool infer_nbits(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F32) | DT(F16) | DT(BF16), 0, "A", 1, MAX_RANK),
      INPUT_OF(DT(U8), 0, "B", 3, 3),
      INPUT_OF(DT(F32) | DT(F16) | DT(BF16), 1, "scales", 1, 2),
      INPUT_OPTIONAL_OF(DT(U8) | DT(F32) | DT(F16) | DT(BF16), 0, "zero_points", 1, 2),
      INPUT_OPTIONAL_OF(DT(I32), 0, "g_idx", 1, 1),
      INPUT_OPTIONAL_OF(DT(F32) | DT(F16) | DT(BF16), 1, "bias", 1, 1),
  };
  return CHECK_INPUTS(node, rules) && check_nbits_params(node) && check_nbits_sizes(node) &&
         infer_product(node);
}

/* accuracy_level allows for less than what this computes. */
const OpDef op_microsoft_MatMulNBits = {
    .name = "MatMulNBits",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PRODUCT_PARAMS,
            PARAM_INT("bits", 4),
            PARAM_REQUIRED("block_size", ATTR_INT),
            PARAM_INT("accuracy_level", 0),
            PARAM_INT("weight_prepacked", 0),
            {0},
        },
    .infer = infer_nbits,
    OP_KERNEL(onnxc_rt_ref_matmul_nbits),
    .scratch = product_scratch,
    .macs = product_macs,
};

/* ---- MatMulBnb4 --------------------------------------------------------------------------------
 */

static bool infer_bnb4(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F32) | DT(F16) | DT(BF16), 0, "A", 1, MAX_RANK),
      INPUT_OF(DT(U8), 0, "B", 1, 1),
      INPUT_OF(DT(F32) | DT(F16) | DT(BF16), 1, "absmax", 1, 1),
  };
  if (!CHECK_INPUTS(node, rules) || !check_product(node)) return false;
  if (!check_int(node, "quant_type", 0, 1)) return false;
  if (op_param_i(node, "transB") != 1) {
    return node_error(node, DIAG_UNSUPPORTED,
                      "weights that are not [N, K] (attribute transB of 0)"
                      " are not supported");
  }
  DimTable *t = infer_dims(node);
  int64_t weights = op_param_i(node, "K") * op_param_i(node, "N");
  const Dim *blocks = dim_const(t, ceil_div(weights, op_param_i(node, "block_size")));
  return check_size(node, 1, 0, dim_const(t, ceil_div(weights, 2)), "the packed weights") &&
         check_size(node, 2, 0, blocks, "one for each block") && infer_product(node);
}

const OpDef op_microsoft_MatMulBnb4 = {
    .name = "MatMulBnb4",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PRODUCT_PARAMS,
            PARAM_REQUIRED("block_size", ATTR_INT),
            PARAM_REQUIRED("quant_type", ATTR_INT),
            PARAM_INT("transB", 1),
            PARAM_INT("training_mode", 0),
            {0},
        },
    .infer = infer_bnb4,
    OP_KERNEL(onnxc_rt_ref_matmul_bnb4),
    .scratch = product_scratch,
    .macs = product_macs,
};

/* ---- GatherBlockQuantized ----------------------------------------------------------------------
 */

enum { BLOCK_DATA, BLOCK_INDICES, BLOCK_SCALES, BLOCK_ZEROS };

/* Numbers in one element of the data. */
static int64_t gather_packing(const Node *node) {
  bool bytes = input_type(node, BLOCK_DATA)->dtype == ONNXC_RT_U8;
  return bytes ? 8 / op_param_i(node, "bits") : 1;
}

static bool is_float_data(const Node *node) {
  return dtype_is_float(input_type(node, BLOCK_DATA)->dtype);
}

/* Bytes are packed along the axis that has the blocks, which is the last; rows are taken. */
static bool check_gather_axes(const Node *node, int *gather, int *axis) {
  const Type *data = input_type(node, BLOCK_DATA);
  if (!infer_axis(node, op_param_i(node, "gather_axis"), data->rank, gather)) return false;
  if (!infer_axis(node, op_param_i(node, "quantize_axis"), data->rank, axis)) return false;
  if (data->dtype != ONNXC_RT_U8) return true;
  if (!check_bits(node)) return false;
  if (*gather == 0 && *axis == data->rank - 1 && data->rank > 1) return true;
  return node_error(node, DIAG_INVALID,
                    "data of type u8 must be gathered along axis 0 and quantised along its last");
}

static bool check_gather_block_size(const Node *node) {
  bool whole = is_float_data(node) && op_param_i(node, "block_size") == 0;
  return whole || check_block_size(node);
}

/* A scale for each block; those of floating-point data may be shared along other axes. */
static bool check_gather_scales(const Node *node, const Dim *const *sizes, int axis) {
  const Type *scales = input_type(node, BLOCK_SCALES), *data = input_type(node, BLOCK_DATA);
  const Dim *wanted[MAX_RANK], *one = dim_const(infer_dims(node), 1);
  for (int i = 0; i < data->rank; i++) {
    bool shared = is_float_data(node) && i != axis && i < scales->rank && scales->dims[i] == one;
    wanted[i] = shared ? one : sizes[i];
  }
  return check_sizes(node, BLOCK_SCALES, data->rank, wanted, "one for each block");
}

static bool check_gather_zeros(const Node *node, const Dim *const *sizes, int axis) {
  const Type *data = input_type(node, BLOCK_DATA);
  const Dim *wanted[MAX_RANK], *packing = dim_const(infer_dims(node), gather_packing(node));
  if (node_in(node, BLOCK_ZEROS) == NULL) return true;
  if (is_float_data(node)) {
    return node_error(node, DIAG_INVALID, "floating-point data takes no zero points");
  }
  for (int i = 0; i < data->rank; i++) wanted[i] = sizes[i];
  wanted[axis] = dim_ceildiv(infer_dims(node), sizes[axis], packing);
  return check_sizes(node, BLOCK_ZEROS, data->rank, wanted, "one for each block");
}

/* Sizes of the data as numbers: `sizes`; of its blocks: `blocks`. */
static void gather_sizes(const Node *node, int axis, const Dim **sizes, const Dim **blocks) {
  const Type *data = input_type(node, BLOCK_DATA);
  DimTable *t = infer_dims(node);
  int64_t block = op_param_i(node, "block_size");
  for (int i = 0; i < data->rank; i++) blocks[i] = sizes[i] = data->dims[i];
  sizes[data->rank - 1] = dim_mul_i(t, sizes[data->rank - 1], gather_packing(node));
  blocks[axis] = block == 0 ? dim_const(t, 1) : dim_ceildiv(t, sizes[axis], dim_const(t, block));
}

static bool infer_gather_block(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(U8) | DT(U4) | DT(I4) | DTS_FLOAT8 | DT(F4E2M1), 0, "data", 1, MAX_RANK),
      INPUT_OF(DTS_INDEX, 0, "indices", 0, MAX_RANK),
      INPUT_OF(DT(F32) | DT(F16) | DT(BF16), 0, "scales", 1, MAX_RANK),
      INPUT_OPTIONAL_OF(DT(U8) | DT(U4) | DT(I4), 1, "zero_points", 1, MAX_RANK),
  };
  const Dim *sizes[MAX_RANK], *blocks[MAX_RANK], *dims[2 * MAX_RANK];
  int gather, axis, rank = 0;
  if (!CHECK_INPUTS(node, rules) || !check_gather_axes(node, &gather, &axis)) return false;
  if (!check_gather_block_size(node)) return false;
  gather_sizes(node, axis, sizes, blocks);
  if (!check_gather_scales(node, blocks, axis)) return false;
  if (!check_gather_zeros(node, blocks, axis)) return false;
  const Type *data = input_type(node, BLOCK_DATA), *indices = input_type(node, BLOCK_INDICES);
  for (int i = 0; i < gather; i++) dims[rank++] = sizes[i];
  for (int i = 0; i < indices->rank; i++) dims[rank++] = indices->dims[i];
  for (int i = gather + 1; i < data->rank; i++) dims[rank++] = sizes[i];
  if (rank > MAX_RANK) {
    return node_error(node, DIAG_LIMIT, "ranks end at %d", MAX_RANK);
  }
  infer_output(node, 0, input_type(node, BLOCK_SCALES)->dtype, rank, dims);
  return true;
}

const OpDef op_microsoft_GatherBlockQuantized = {
    .name = "GatherBlockQuantized",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_INT("bits", 4),
            PARAM_INT("block_size", 128),
            PARAM_INT("gather_axis", 0),
            PARAM_INT("quantize_axis", 1),
            {0},
        },
    .infer = infer_gather_block,
    OP_KERNEL(onnxc_rt_ref_gather_block_quantized),
};
