/* Matrix products. */
#include "ops/matmul.h"
#include "lower/lower.h"
#include "onnxc_rt_reference.h"
#include "ops/builder.h"
#include "ops/check.h"

#include <string.h>

/* ---- the shape of a product, shared with the quantised forms ----------------------------------
 */

static bool check_depth(const Node *node, const Type *a, const Type *b) {
  if (a->rank == 0 || b->rank == 0) {
    return node_error(node, DIAG_INVALID, "a matrix product takes no scalar; reshape it");
  }
  const Dim *columns = a->dims[a->rank - 1], *rows = b->dims[b->rank < 2 ? 0 : b->rank - 2];
  Context *ctx = node->graph->ctx;
  if (columns == rows) return true;
  if (!dim_never_equal(ctx->dims, columns, rows)) {
    context_assume_equal(ctx, columns, rows);
    return true;
  }
  return node_error(node, DIAG_INVALID,
                    "%s columns of the first matrix do not meet %s rows of the "
                    "second",
                    dim_text(ctx->arena, columns), dim_text(ctx->arena, rows));
}

/* The axes in front of the matrix as a type of their own. */
static Type batch_of(const Type *type) {
  Type batch = *type;
  batch.rank = type->rank > 2 ? type->rank - 2 : 0;
  return batch;
}

bool matmul_dims(Node *node, const Type *a, const Type *b, int *rank, const Dim **dims) {
  if (!check_depth(node, a, b)) return false;
  Type batches[2] = {batch_of(a), batch_of(b)};
  if (!infer_broadcast(node, (const Type *[]){&batches[0], &batches[1]}, 2, rank, dims)) {
    return false;
  }
  if (a->rank > 1) dims[(*rank)++] = a->dims[a->rank - 2];
  if (b->rank > 1) dims[(*rank)++] = b->dims[b->rank - 1];
  return true;
}

bool matmul_infer(Node *node, uint32_t ia, uint32_t ib, DType dtype) {
  const Dim *dims[MAX_RANK];
  int rank;
  if (!matmul_dims(node, input_type(node, ia), input_type(node, ib), &rank, dims)) return false;
  infer_output(node, 0, dtype, rank, dims);
  return true;
}

const Dim *matmul_macs(const Node *node, uint32_t ia) {
  const Type *a = input_type(node, ia);
  Context *ctx = node->graph->ctx;
  return dim_mul(ctx->dims, type_count(ctx, &node_out(node, 0)->type), a->dims[a->rank - 1]);
}

static const Dim *first_macs(const Node *node) {
  return matmul_macs(node, 0);
}

/* ---- MatMul ------------------------------------------------------------------------------------
 */

static bool infer_matmul(Node *node) {
  static const InputRule rules[] = {
      INPUT("A", 1, MAX_RANK),
      INPUT("B", 1, MAX_RANK),
  };
  return CHECK_INPUTS(node, rules) && matmul_infer(node, 0, 1, input_type(node, 0)->dtype);
}

static bool is_f32(const Node *node) {
  return node_out(node, 0)->type.dtype == ONNXC_RT_F32;
}

static bool lower_matmul(Lowering *l, Node *node) {
  if (!is_f32(node)) return false;
  ProductViews v = lower_product_views(l, node, 0, 1);
  lower_product(l, v.a, v.b, node_in(node, 1), &v.batch, node_out(node, 0), v.row_axes);
  return true;
}

const OpDef op_MatMul = {
    .name = "MatMul",
    .domain = "",
    .flags = OP_STRIDED,
    .infer = infer_matmul,
    OP_KERNEL(onnxc_rt_ref_matmul),
    .lower = lower_matmul,
    .takes_epilogue = is_f32,
    .macs = first_macs,
};

/* ---- Gemm --------------------------------------------------------------------------------------
 */

static bool infer_gemm(Node *node) {
  static const InputRule rules[] = {
      INPUT("A", 2, 2),
      INPUT("B", 2, 2),
      INPUT_OPTIONAL("C", 0, 2),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *a = input_type(node, 0), *b = input_type(node, 1);
  int ta = op_param_i(node, "transA") != 0, tb = op_param_i(node, "transB") != 0;
  const Dim *dims[2] = {a->dims[ta], b->dims[!tb]};
  if (!check_size(node, 1, tb, a->dims[!ta], "the inner size of A")) return false;
  if (!check_broadcasts_to(node, 2, 2, dims)) return false;
  infer_output(node, 0, a->dtype, 2, dims);
  return true;
}

static const Dim *gemm_macs(const Node *node) {
  const Type *a = input_type(node, 0);
  Context *ctx = node->graph->ctx;
  const Dim *depth = a->dims[op_param_i(node, "transA") == 0];
  return dim_mul(ctx->dims, type_count(ctx, &node_out(node, 0)->type), depth);
}

static Value *scaled(Builder *b, Value *value, float factor) {
  return factor == 1.0f ? value : BUILD(b, "Mul", value, build_like(b, value, (double)factor));
}

/* Gemm is a product of matrices, each transposed or not, with what elementwise operators do. */
static bool decompose_gemm(Builder *b, Node *node) {
  Value *x = node_in(node, 0), *y = node_in(node, 1), *bias = node_in(node, 2);
  if (op_param_i(node, "transA") != 0) x = BUILD(b, "Transpose", x);
  if (op_param_i(node, "transB") != 0) y = BUILD(b, "Transpose", y);
  Value *product = scaled(b, BUILD(b, "MatMul", x, y), op_param_f(node, "alpha"));
  if (bias != NULL) product = BUILD(b, "Add", product, scaled(b, bias, op_param_f(node, "beta")));
  build_replace(b, node, product);
  return true;
}

const OpDef op_Gemm = {
    .name = "Gemm",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_FLOAT("alpha", 1),
            PARAM_FLOAT("beta", 1),
            PARAM_INT("transA", 0),
            PARAM_INT("transB", 0),
            {0},
        },
    .infer = infer_gemm,
    OP_KERNEL(onnxc_rt_ref_gemm),
    .decompose = decompose_gemm,
    .macs = gemm_macs,
};
