/* TfIdfVectorizer: how often known runs of items occur. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"

static const OpParam tfidf_params[] = {
    PARAM_REQUIRED("max_gram_length", ATTR_INT), PARAM_REQUIRED("max_skip_count", ATTR_INT),
    PARAM_REQUIRED("min_gram_length", ATTR_INT), PARAM_REQUIRED("mode", ATTR_STRING),
    PARAM_REQUIRED("ngram_counts", ATTR_INTS),   PARAM_REQUIRED("ngram_indexes", ATTR_INTS),
    PARAM_OPTIONAL("pool_int64s", ATTR_INTS),    PARAM_OPTIONAL("pool_strings", ATTR_STRINGS),
    PARAM_OPTIONAL("weights", ATTR_FLOATS),      {0}};

/* The pool is cut where ngram_counts says; each run has an index, which has a weight. */
static bool check_pool(const Node *node, size_t n_pool, int64_t *columns) {
  const Attr *counts = op_param_list(node, "ngram_counts");
  const Attr *indexes = op_param_list(node, "ngram_indexes");
  const Attr *weights = op_param_list(node, "weights");
  size_t runs = 0;
  *columns = 0;
  for (size_t k = 0; k < counts->count; k++) {
    int64_t begin = counts->ints[k];
    int64_t end = k + 1 < counts->count ? counts->ints[k + 1] : (int64_t)n_pool;
    if (begin < 0 || end < begin || end > (int64_t)n_pool) {
      return node_error(node, DIAG_INVALID, "ngram_counts[%zu] is outside the pool", k);
    }
    runs += (size_t)(end - begin) / (k + 1);
  }
  if (runs != indexes->count) {
    return node_error(node, DIAG_INVALID, "ngram_indexes has %zu elements for %zu n-grams",
                      indexes->count, runs);
  }
  for (size_t i = 0; i < indexes->count; i++) {
    if (indexes->ints[i] < 0 || indexes->ints[i] > INT32_MAX) {
      return node_error(node, DIAG_INVALID, "ngram_indexes[%zu] is no index", i);
    }
    if (indexes->ints[i] >= *columns) *columns = indexes->ints[i] + 1;
  }
  bool weighed = weights == NULL || (int64_t)weights->count >= *columns;
  return weighed || node_error(node, DIAG_INVALID, "weights has too few elements");
}

static bool tfidf_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  int64_t columns;
  if (x == NULL || !check_choice(node, "mode", "TF IDF TFIDF")) return false;
  bool lengths = check_int(node, "min_gram_length", 1, INT32_MAX) &&
                 check_int(node, "max_gram_length", 1, INT32_MAX) &&
                 check_int(node, "max_skip_count", 0, INT32_MAX);
  if (!lengths) return false;
  const Attr *pool =
      op_param_list(node, x->dtype == ONNXC_RT_STRING ? "pool_strings" : "pool_int64s");
  if (pool == NULL || x->rank > 2) {
    return node_error(node, DIAG_INVALID, "there is no pool for the input, or its rank is over 2");
  }
  if (!check_pool(node, pool->count, &columns)) return false;
  const Dim *width = dim_const(infer_dims(node), columns);
  const Dim *dims[2] = {x->rank == 2 ? x->dims[0] : width, width};
  infer_output(node, 0, ONNXC_RT_F32, x->rank == 2 ? 2 : 1, dims);
  return true;
}

const OpDef op_TfIdfVectorizer = {
    .name = "TfIdfVectorizer",
    .domain = "",
    .params = tfidf_params,
    .infer = tfidf_infer,
    OP_KERNEL(onnxc_rt_ref_tfidf),
};
