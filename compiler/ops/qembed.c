/* QEmbedLayerNormalization of ONNX Runtime: rows of quantised tables, summed and normalised. Rows
 * are dequantised once they are taken, so that tables stay small. */
#include "ops/check.h"
#include "ops/compose.h"

enum { IDS, SEGMENT_IDS, WORDS, PLACES, SEGMENTS, GAMMA, BETA, MASK, SCALES };
/* Scales, then zero points, are those of the tables and of gamma and beta, in that order. */
enum { N_QUANTIZED = 5, ZEROS = SCALES + N_QUANTIZED };

/* ---- checks ------------------------------------------------------------------------------------
 */

static bool check_parameters(const Node *node) {
  bool segments = node_in(node, SEGMENTS) != NULL;
  for (uint32_t k = 0; k < N_QUANTIZED; k++) {
    if (!check_number(node, SCALES + k) || !check_scale(node, SCALES + k)) return false;
    if (!check_number(node, ZEROS + k)) return false;
  }
  if (segments == (node_in(node, SEGMENT_IDS) != NULL) &&
      segments == (node_in(node, SCALES + SEGMENTS - WORDS) != NULL) &&
      segments == (node_in(node, ZEROS + SEGMENTS - WORDS) != NULL)) {
    return true;
  }
  return node_error(node, DIAG_INVALID,
                    "segments need ids, embedding, scale and zero point; some are missing");
}

static bool check_tables(const Node *node, const Dim *hidden) {
  static const char meaning[] = "the hidden size";
  const Type *ids = input_type(node, IDS), *table = input_type(node, PLACES);
  if (table->dims[0]->hi < ids->dims[1]->hi) {
    return node_error(node, DIAG_INVALID,
                      "input position_embedding_quant has rows for %lld places, but there may be "
                      "%lld",
                      (long long)table->dims[0]->hi, (long long)ids->dims[1]->hi);
  }
  return check_size(node, PLACES, 1, hidden, meaning) &&
         (node_in(node, SEGMENTS) == NULL || check_size(node, SEGMENTS, 1, hidden, meaning)) &&
         check_size(node, GAMMA, 0, hidden, meaning) &&
         check_size(node, BETA, 0, hidden, meaning) &&
         (node_in(node, SEGMENT_IDS) == NULL ||
          check_sizes(node, SEGMENT_IDS, 2, ids->dims, "that of input_ids")) &&
         (node_in(node, MASK) == NULL ||
          check_sizes(node, MASK, 2, ids->dims, "that of input_ids"));
}

#define TABLE(name, rank) INPUT_OF(DTS_BYTE, 0, name, rank, rank)
#define SCALE(name) INPUT_OF(DT(F32), 0, name, 0, 1)
#define ZERO(name, of) INPUT_OF(DTS_BYTE, 1 + (of), name, 0, 1)

static bool infer_qembed(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(I32), 0, "input_ids", 2, 2),
      INPUT_OPTIONAL_OF(DT(I32), 0, "segment_ids", 2, 2),
      TABLE("word_embedding_quant", 2),
      TABLE("position_embedding_quant", 2),
      INPUT_OPTIONAL_OF(DTS_BYTE, 0, "segment_embedding", 2, 2),
      TABLE("gamma_quant", 1),
      TABLE("beta_quant", 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "mask", 2, 2),
      SCALE("word_embedding_scale"),
      SCALE("position_embedding_scale"),
      INPUT_OPTIONAL_OF(DT(F32), 0, "segment_embedding_scale", 0, 1),
      SCALE("gamma_scale"),
      SCALE("beta_scale"),
      ZERO("word_embedding_zero_point", WORDS),
      ZERO("position_embedding_zero_point", PLACES),
      INPUT_OPTIONAL_OF(DTS_BYTE, 1 + SEGMENTS, "segment_embedding_zero_point", 0, 1),
      ZERO("gamma_zero_point", GAMMA),
      ZERO("beta_zero_point", BETA),
  };
  if (!CHECK_INPUTS(node, rules) || !check_parameters(node)) return false;
  const Dim *hidden = input_type(node, WORDS)->dims[1];
  if (!check_tables(node, hidden)) return false;
  const Type *ids = input_type(node, IDS);
  const Dim *dims[3] = {ids->dims[0], ids->dims[1], hidden};
  infer_output(node, 0, ONNXC_RT_F32, 3, dims);
  infer_output(node, 1, ONNXC_RT_I32, 1, dims);
  return true;
}

/* ---- decomposition -----------------------------------------------------------------------------
 */

/* `x`, taken from quantised input `i`, in f32. */
static Value *dequantized(Builder *b, const Node *node, uint32_t i, Value *x) {
  uint32_t k = i - WORDS;
  return BUILD(b, "DequantizeLinear", x, compose_scalar(b, node_in(node, SCALES + k)),
               compose_scalar(b, node_in(node, ZEROS + k)));
}

/* The rows of table `i` that the ids name. */
static Value *rows(Builder *b, const Node *node, uint32_t i, uint32_t ids) {
  Value *taken = BUILD(b, "Gather", node_in(node, i), node_in(node, ids));
  return dequantized(b, node, i, taken);
}

/* The first rows of the table of places, one for each place. */
static Value *places(Builder *b, const Node *node) {
  const Dim *length = input_type(node, IDS)->dims[1];
  Value *first = BUILD(b, "Slice", node_in(node, PLACES), build_ints(b, &(int64_t){0}, 1),
                       build_dims(b, &length, 1), build_ints(b, &(int64_t){0}, 1));
  return dequantized(b, node, PLACES, first);
}

/* For each sample the number of ones in its mask; 0 without one. */
static Value *mask_lengths(Builder *b, const Node *node) {
  Value *mask = node_in(node, MASK);
  if (mask == NULL) {
    const Dim *batch = input_type(node, IDS)->dims[0];
    return compose_cast(b, BUILD(b, "Expand", build_i64(b, 0), build_dims(b, &batch, 1)),
                        ONNXC_RT_I32);
  }
  Value *ones = BUILD(b, "Equal", mask, build_like(b, mask, 1));
  Node *sum = build_node(
      b, "", "ReduceSum",
      (Value *[]){compose_cast(b, ones, ONNXC_RT_I32), build_ints(b, &(int64_t){1}, 1)}, 2, 1);
  node_set_int(sum, "keepdims", 0);
  return build_done(b, sum);
}

static bool decompose_qembed(Builder *b, Node *node) {
  Value *sum = BUILD(b, "Add", rows(b, node, WORDS, IDS), places(b, node));
  if (node_in(node, SEGMENTS) != NULL) {
    sum = BUILD(b, "Add", sum, rows(b, node, SEGMENTS, SEGMENT_IDS));
  }
  Value *inputs[3] = {sum, dequantized(b, node, GAMMA, node_in(node, GAMMA)),
                      dequantized(b, node, BETA, node_in(node, BETA))};
  Node *norm = build_node(b, "", "LayerNormalization", inputs, 3, 1);
  node_set_float(norm, "epsilon", op_param_f(node, "epsilon"));
  compose_give(b, node, 0, build_done(b, norm));
  compose_give(b, node, 1, mask_lengths(b, node));
  return true;
}

const OpDef op_microsoft_QEmbedLayerNormalization = {
    .name = "QEmbedLayerNormalization",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_FLOAT("epsilon", 1e-12F), {0}},
    .infer = infer_qembed,
    .decompose = decompose_qembed,
};
