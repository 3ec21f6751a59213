/* What the operators of ai.onnx.ml share: rows of features, labels, and what happens to scores. */
#ifndef ONNXC_OPS_ML_H
#define ONNXC_OPS_ML_H

#include "ops/check.h"
#include "ops/compose.h"

#define ML_DOMAIN "ai.onnx.ml"

/* Input 0 as rows of features: [rows, features], or [features] for one row. False: reported. */
bool ml_rows(const Node *node, const Dim **rows, const Dim **features);
/* That matrix, in an element type. */
Value *ml_matrix(Builder *b, const Node *node, DType dtype);

/* The first of these attributes that is there with elements, NULL when none is. Two of them are an
 * error, reported, with `*good` false. */
const Attr *ml_either(const Node *node, const char *name, const char *other, bool *good);
/* Attribute `name` has `n` elements or, where `optional`, none. False: reported. */
bool ml_check_count(const Node *node, const char *name, int64_t n, bool optional);
/* An attribute's value as a constant. */
Value *ml_constant(Builder *b, const Attr *attr);
/* Attribute `name` as a constant, NULL when it is not there or empty. */
Value *ml_list(Builder *b, const Node *node, const char *name);

/* x * coefficients^T + bias, the coefficients [outputs, features of x] in the order of the
 * attribute, the bias [outputs] or absent. */
Value *ml_linear(Builder *b, Value *x, const Attr *coefficients, int64_t outputs, Value *bias);
/* Attribute `name` has `outputs` numbers for each feature. */
bool ml_check_linear(const Node *node, const char *name, int64_t outputs, const Dim *features);

/* ---- post_transform ---- the numbers are those of TreeEnsemble */

typedef enum MlTransform {
  ML_NONE,
  ML_SOFTMAX,
  ML_LOGISTIC,
  ML_SOFTMAX_ZERO,
  ML_PROBIT,
  N_ML_TRANSFORMS
} MlTransform;

/* Attribute post_transform, a text. */
bool ml_check_transform(const Node *node);
MlTransform ml_transform_of(const Node *node);
/* Scores [rows, n] of type f32, transformed. */
Value *ml_transform(Builder *b, MlTransform transform, Value *scores);
/* The same as ONNX Runtime has it for a single score a row, which is left alone but by PROBIT. */
Value *ml_transform_single(Builder *b, MlTransform transform, Value *score);
/* [rows, 2] of two columns. */
Value *ml_pair(Builder *b, Value *first, Value *second);
/* Two scores from a single one of type f32, transformed: (1 - score, score), or (-score, score)
 * where weights are `mixed`, some of them negative. Only LOGISTIC and PROBIT transform. */
Value *ml_two_scores(Builder *b, MlTransform transform, bool mixed, Value *score);

/* ---- labels ---- */

/* The labels of a classifier: `ints` names the attribute of those that are integers. NULL:
 * reported. */
const Attr *ml_labels(const Node *node, const char *ints);
/* Outputs are a label and `scores` scores for each row. */
void ml_infer_classes(Node *node, const Dim *rows, const Attr *labels, const Dim *scores);
/* labels[indexes] for indexes [rows] of type i64. */
Value *ml_label(Builder *b, const Attr *labels, Value *indexes);
/* The second label where `condition` [rows, 1] holds, else the first. Where there are not two
 * labels or they are not to be `used`, these are the numbers 1 and 0. */
Value *ml_binary_label(Builder *b, const Attr *labels, bool used, Value *condition);
/* The first of the largest scores [rows, n] in each row, [rows]. */
Value *ml_largest(Builder *b, Value *scores);

#endif
