/* Norms that ONNX Runtime's optimizer joins with what is in front of them or behind. */
#include "ops/check.h"
#include "ops/compose.h"

#include <string.h>

/* ---- EmbedLayerNormalization -------------------------------------------------------------------
 */

enum { IDS, SEGMENT_IDS, WORDS, POSITIONS, SEGMENTS, GAMMA, BETA, MASK, POSITION_IDS };

static bool check_embeddings(const Node *node) {
  const Type *ids = input_type(node, IDS);
  const Dim *width = input_type(node, WORDS)->dims[1];
  for (uint32_t i = POSITIONS; i <= BETA; i++) {
    const Type *type = input_type(node, i);
    if (type != NULL && !check_size(node, i, type->rank - 1, width, "the width of the words")) {
      return false;
    }
  }
  if ((node_in(node, SEGMENT_IDS) == NULL) != (node_in(node, SEGMENTS) == NULL)) {
    return node_error(node, DIAG_INVALID,
                      "segment_ids and segment_embedding must be given together");
  }
  const Type *places = input_type(node, POSITION_IDS);
  if (places != NULL && !check_size(node, POSITION_IDS, 1, ids->dims[1], "the length")) {
    return false;
  }
  return check_broadcasts_to(node, POSITION_IDS, 2, ids->dims) &&
         (node_in(node, SEGMENT_IDS) == NULL ||
          check_sizes(node, SEGMENT_IDS, 2, ids->dims, "input_ids")) &&
         (node_in(node, MASK) == NULL || check_sizes(node, MASK, 2, ids->dims, "input_ids"));
}

static bool infer_embed(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_INDEX, 0, "input_ids", 2, 2),
      INPUT_OPTIONAL_OF(DTS_INDEX, 1, "segment_ids", 2, 2),
      INPUT_OF(DTS_FLOAT, 0, "word_embedding", 2, 2),
      INPUT_OF(DTS_FLOAT, 3, "position_embedding", 2, 2),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 3, "segment_embedding", 2, 2),
      INPUT_OF(DTS_FLOAT, 3, "gamma", 1, 1),
      INPUT_OF(DTS_FLOAT, 3, "beta", 1, 1),
      INPUT_OPTIONAL_OF(DTS_INDEX, 1, "mask", 2, 2),
      INPUT_OPTIONAL_OF(DTS_INDEX, 1, "position_ids", 2, 2),
  };
  if (!CHECK_INPUTS(node, rules) || !check_embeddings(node)) return false;
  const Type *ids = input_type(node, IDS), *words = input_type(node, WORDS);
  const Dim *dims[3] = {ids->dims[0], ids->dims[1], words->dims[1]};
  infer_output(node, 0, words->dtype, 3, dims);
  infer_output(node, 1, ids->dtype, 1, dims);
  infer_output(node, 2, words->dtype, 3, dims);
  return true;
}

/* Rows of the table by id; without ids the first ones. */
static Value *positions(Builder *b, const Node *node) {
  Value *table = node_in(node, POSITIONS), *ids = node_in(node, POSITION_IDS);
  if (ids != NULL) return BUILD(b, "Gather", table, ids);
  const Dim *length = input_type(node, IDS)->dims[1];
  return BUILD(b, "Slice", table, build_ints(b, &(int64_t){0}, 1), build_dims(b, &length, 1),
               build_ints(b, &(int64_t){0}, 1));
}

/* How many ones each sample has in the mask; 0 without a mask. */
static Value *mask_index(Builder *b, const Node *node) {
  Value *mask = node_in(node, MASK), *ids = node_in(node, IDS);
  if (mask == NULL) {
    return BUILD(b, "Expand", build_like(b, ids, 0), build_dims(b, ids->type.dims, 1));
  }
  Value *ones = compose_cast(b, BUILD(b, "Equal", mask, build_like(b, mask, 1)), mask->type.dtype);
  Value *sum = compose_reduce(b, "ReduceSum", ones, &(int64_t){1}, 1);
  return compose_reshape(b, sum, ids->type.dims, 1);
}

static bool decompose_embed(Builder *b, Node *node) {
  Value *sum = BUILD(b, "Gather", node_in(node, WORDS), node_in(node, IDS));
  sum = BUILD(b, "Add", sum, positions(b, node));
  if (node_in(node, SEGMENTS) != NULL) {
    Value *segments = BUILD(b, "Gather", node_in(node, SEGMENTS), node_in(node, SEGMENT_IDS));
    sum = BUILD(b, "Add", sum, segments);
  }
  Value *inputs[3] = {sum, node_in(node, GAMMA), node_in(node, BETA)};
  Node *norm = build_node(b, "", "LayerNormalization", inputs, 3, 1);
  node_set_float(norm, "epsilon", op_param_f(node, "epsilon"));
  compose_give(b, node, 0, build_done(b, norm));
  if (node_out(node, 1) != NULL) build_replace_output(b, node, 1, mask_index(b, node));
  compose_give(b, node, 2, sum);
  return true;
}

const OpDef op_microsoft_EmbedLayerNormalization = {
    .name = "EmbedLayerNormalization",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_FLOAT("epsilon", 1e-12F),
            PARAM_INT("mask_index_type", 0),
            {0},
        },
    .infer = infer_embed,
    .decompose = decompose_embed,
};

/* ---- GroupNorm, SkipGroupNorm ------------------------------------------------------------------
 */

enum { X, SCALE, SHIFT, SKIP, BIAS };

static int channel_axis(const Node *node) {
  return op_param_i(node, "channels_last") != 0 ? 3 : 1;
}

/* [N, C] or all axes, with sizes of 1 where it broadcasts. */
static bool check_skip(const Node *node) {
  const Type *skip = input_type(node, SKIP), *x = input_type(node, X);
  if (skip == NULL) return true;
  if (skip->rank == 4) return check_broadcasts_to(node, SKIP, 4, x->dims);
  const Dim *dims[2] = {x->dims[0], x->dims[channel_axis(node)]};
  return check_sizes(node, SKIP, 2, dims, "[batch, channels]");
}

static bool check_groups(const Node *node, const Dim *channels) {
  int64_t count, groups = op_param_i(node, "groups");
  if (!check_int(node, "groups", 1, INT32_MAX)) return false;
  if (!dim_is_const(channels, &count)) {
    return node_error(node, DIAG_UNSUPPORTED, "the number of channels must be constant");
  }
  if (count % groups == 0) return true;
  return node_error(node, DIAG_INVALID, "groups of %lld does not divide the %lld channels",
                    (long long)groups, (long long)count);
}

static bool infer_group_norm(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "X", 4, 4),
      INPUT_OF(DTS_FLOAT, 0, "gamma", 1, 1),
      INPUT_OF(DTS_FLOAT, 2, "beta", 1, 1),
      INPUT_OF(DTS_FLOAT, 1, "skip", 2, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "bias", 1, 1),
  };
  bool skips = strcmp(node->op->name, "SkipGroupNorm") == 0;
  if (!check_inputs(node, rules, skips ? 5 : 3)) return false;
  const Type *x = input_type(node, X);
  const Dim *channels = x->dims[channel_axis(node)];
  static const uint32_t vectors[] = {SCALE, SHIFT, BIAS};
  for (int i = 0; i < 3; i++) {
    if (node_in(node, vectors[i]) == NULL) continue;
    if (!check_size(node, vectors[i], 0, channels, "the number of channels")) return false;
  }
  if (!check_groups(node, channels) || !check_skip(node)) return false;
  if (!check_int(node, "activation", 0, 1) || !check_int(node, "channels_last", 0, 1)) return false;
  infer_output_type(node, 0, x);
  if (skips) infer_output_type(node, 1, x);
  return true;
}

/* Input `i`, [C] or [N, C], with axes of 1 for the others. */
static Value *channels_of(Builder *b, const Node *node, uint32_t i) {
  Value *x = node_in(node, i);
  const Dim *one = dim_const(infer_dims(node), 1), *dims[4] = {one, one, one, one};
  if (x->type.rank == 4) return x;
  if (x->type.rank == 2) dims[0] = x->type.dims[0];
  dims[channel_axis(node)] = x->type.dims[x->type.rank - 1];
  return compose_reshape(b, x, dims, 4);
}

/* The norm itself, of channels first, in the type of gamma. */
static Value *group_norm(Builder *b, const Node *node, Value *x) {
  Value *inputs[3] = {compose_cast(b, x, input_type(node, SCALE)->dtype), node_in(node, SCALE),
                      node_in(node, SHIFT)};
  Node *norm = build_node(b, "", "GroupNormalization", inputs, 3, 1);
  node_set_float(norm, "epsilon", op_param_f(node, "epsilon"));
  node_set_int(norm, "num_groups", op_param_i(node, "groups"));
  Value *y = build_done(b, norm);
  if (op_param_i(node, "activation") != 0) y = BUILD(b, "Mul", y, BUILD(b, "Sigmoid", y));
  return compose_cast(b, y, x->type.dtype);
}

static bool decompose_group_norm(Builder *b, Node *node) {
  bool last = op_param_i(node, "channels_last") != 0;
  Value *sum = node_in(node, X);
  for (uint32_t i = SKIP; i <= BIAS; i++) {
    if (node_in(node, i) != NULL) sum = BUILD(b, "Add", sum, channels_of(b, node, i));
  }
  Value *x = last ? compose_transpose(b, sum, (const int64_t[]){0, 3, 1, 2}) : sum;
  Value *y = group_norm(b, node, x);
  compose_give(b, node, 0, last ? compose_transpose(b, y, (const int64_t[]){0, 2, 3, 1}) : y);
  compose_give(b, node, 1, sum);
  return true;
}

#define GROUP_NORM(name_)                                                                          \
  const OpDef op_microsoft_##name_ = {                                                             \
      .name = #name_,                                                                              \
      .domain = "com.microsoft",                                                                   \
      .params =                                                                                    \
          (const OpParam[]){                                                                       \
              PARAM_REQUIRED("activation", ATTR_INT),                                              \
              PARAM_INT("channels_last", 1),                                                       \
              PARAM_FLOAT("epsilon", 1e-5F),                                                       \
              PARAM_REQUIRED("groups", ATTR_INT),                                                  \
              {0},                                                                                 \
          },                                                                                       \
      .infer = infer_group_norm,                                                                   \
      .decompose = decompose_group_norm,                                                           \
  }

GROUP_NORM(GroupNorm);
GROUP_NORM(SkipGroupNorm);
