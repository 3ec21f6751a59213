/* Einsum: sums of products, written with one label for each axis. It becomes transpositions, MatMul
 * and sums, one operand after another. */
#include "ops/compose.h"

#include <ctype.h>
#include <string.h>

/* ---- the equation ------------------------------------------------------------------------------
 */

/* Labels: letters are themselves; axis k from the right of an ellipsis is ELLIPSIS + k. */
enum { ELLIPSIS = 128, N_LABELS = ELLIPSIS + MAX_RANK, MAX_TERMS = 16 };

typedef struct Term {
  int n;
  int labels[MAX_RANK];
} Term;

typedef struct Equation {
  uint32_t n_terms;
  Term terms[MAX_TERMS], result;
  int uses[N_LABELS];         /* axes of operands that have the label */
  int n_ellipsis;             /* axes of the widest ellipsis */
  const Dim *sizes[N_LABELS]; /* NULL: not in use */
} Equation;

static bool malformed(const Node *node, const char *what) {
  return node_error(node, DIAG_INVALID, "the equation %s", what);
}

static bool add_label(const Node *node, Term *term, int label) {
  if (term->n == MAX_RANK) return malformed(node, "has a term of too many labels");
  term->labels[term->n++] = label;
  return true;
}

/* One term from *at up to ',', '-' or the end; its ellipsis stands for `hidden` axes. */
static bool parse_term(const Node *node, const char **at, int hidden, Term *term) {
  bool seen = false;
  for (; **at != '\0' && **at != ',' && **at != '-'; (*at)++) {
    if (isspace((unsigned char)**at)) continue;
    if (isalpha((unsigned char)**at)) {
      if (!add_label(node, term, **at)) return false;
    } else if (strncmp(*at, "...", 3) == 0 && !seen && hidden >= 0) {
      for (int k = hidden; k-- > 0;) {
        if (!add_label(node, term, ELLIPSIS + k)) return false;
      }
      seen = true;
      *at += 2;
    } else {
      return malformed(node, "has a term that is no list of letters with one ellipsis");
    }
  }
  return true;
}

static int count_letters(const char *at) {
  int n = 0;
  for (; *at != '\0' && *at != ',' && *at != '-'; at++) n += isalpha((unsigned char)*at) != 0;
  return n;
}

/* The sizes of one operand under its labels. Those of an ellipsis broadcast. */
static bool bind_sizes(const Node *node, Equation *e, const Term *term, const Type *x) {
  if (term->n != x->rank) return malformed(node, "gives an operand another number of labels");
  for (int i = 0; i < term->n; i++) {
    const Dim **size = &e->sizes[term->labels[i]];
    bool gives_way = term->labels[i] >= ELLIPSIS && dim_is(x->dims[i], 1);
    e->uses[term->labels[i]]++;
    if (*size == NULL || (term->labels[i] >= ELLIPSIS && dim_is(*size, 1))) {
      *size = x->dims[i];
    } else if (!gives_way) {
      *size = infer_equal(node, "sizes of one label", *size, x->dims[i]);
      if (*size == NULL) return false;
    }
  }
  return true;
}

/* Without "->": the ellipsis, then the labels that occur once, in order. */
static bool implicit_result(const Node *node, Equation *e) {
  for (int k = e->n_ellipsis; k-- > 0;) {
    if (!add_label(node, &e->result, ELLIPSIS + k)) return false;
  }
  for (int label = 0; label < ELLIPSIS; label++) {
    if (e->uses[label] == 1 && !add_label(node, &e->result, label)) return false;
  }
  return true;
}

static bool explicit_result(const Node *node, Equation *e, const char *at) {
  bool taken[N_LABELS] = {false};
  if (!parse_term(node, &at, e->n_ellipsis, &e->result)) return false;
  if (*at != '\0') return malformed(node, "goes on behind its result");
  for (int i = 0; i < e->result.n; i++) {
    int label = e->result.labels[i];
    if (e->sizes[label] == NULL) return malformed(node, "has a result label that no operand has");
    if (taken[label]) return malformed(node, "repeats a label in its result");
    taken[label] = true;
  }
  return true;
}

static bool parse(const Node *node, Equation *e) {
  const char *at = op_param_s(node, "equation");
  *e = (Equation){.n_terms = node->n_formal};
  if (e->n_terms > MAX_TERMS) {
    return node_error(node, DIAG_LIMIT, "the limit of operands is %d", MAX_TERMS);
  }
  for (uint32_t i = 0; i < e->n_terms; i++) {
    const Type *x = infer_tensor(node, i);
    if (x == NULL) return false;
    int hidden = x->rank - count_letters(at);
    if (hidden > e->n_ellipsis) e->n_ellipsis = hidden;
    if (!parse_term(node, &at, hidden, &e->terms[i])) return false;
    if (!bind_sizes(node, e, &e->terms[i], x)) return false;
    if (i + 1 < e->n_terms && *at++ != ',') return malformed(node, "has too few terms");
  }
  int labels = 0;
  for (int label = 0; label < N_LABELS; label++) labels += e->sizes[label] != NULL;
  if (labels > MAX_RANK) return node_error(node, DIAG_LIMIT, "the limit of labels is %d", MAX_RANK);
  if (*at == '\0') return implicit_result(node, e);
  if (at[0] != '-' || at[1] != '>') return malformed(node, "has too many terms");
  return explicit_result(node, e, at + 2);
}

/* ---- inference ---------------------------------------------------------------------------------
 */

static bool has_label(const Term *term, int label) {
  for (int i = 0; i < term->n; i++) {
    if (term->labels[i] == label) return true;
  }
  return false;
}

static bool einsum_infer(Node *node) {
  Equation e;
  const Dim *dims[MAX_RANK];
  if (!parse(node, &e)) return false;
  for (int i = 0; i < e.result.n; i++) dims[i] = e.sizes[e.result.labels[i]];
  infer_output(node, 0, node_in(node, 0)->type.dtype, e.result.n, dims);
  return true;
}

/* ---- decomposition -----------------------------------------------------------------------------
 */

/* An operand: a value whose axes have labels, each label once. */
typedef struct Labelled {
  Value *value;
  Term term;
} Labelled;

static const Dim *size_of(const Labelled *x, int label) {
  for (int i = 0; i < x->term.n; i++) {
    if (x->term.labels[i] == label) return x->value->type.dims[i];
  }
  return NULL;
}

static Value *transpose(Builder *b, Value *x, const int64_t *perm, int n) {
  bool moves = false;
  for (int i = 0; i < n; i++) moves = moves || perm[i] != i;
  if (!moves) return x;
  Node *node = build_node(b, "", "Transpose", &x, 1, 1);
  node_set_ints(node, "perm", perm, (size_t)n);
  return build_done(b, node);
}

/* The operand with its axes in the order of `order`, all of whose labels it has. */
static Labelled arrange(Builder *b, const Labelled *x, const Term *order) {
  int64_t perm[MAX_RANK];
  for (int i = 0; i < order->n; i++) {
    for (int k = 0; k < x->term.n; k++) {
      if (x->term.labels[k] == order->labels[i]) perm[i] = k;
    }
  }
  return (Labelled){transpose(b, x->value, perm, order->n), *order};
}

static Labelled sum_out(Builder *b, const Labelled *x, const bool *needed) {
  int64_t axes[MAX_RANK];
  Labelled result = {.value = x->value};
  size_t n = 0;
  for (int i = 0; i < x->term.n; i++) {
    if (needed[x->term.labels[i]]) {
      result.term.labels[result.term.n++] = x->term.labels[i];
    } else {
      axes[n++] = i;
    }
  }
  if (n == 0) return result;
  Value *inputs[2] = {x->value, build_ints(b, axes, n)};
  Node *sum = build_node(b, "", "ReduceSum", inputs, 2, 1);
  node_set_int(sum, "keepdims", 0);
  result.value = build_done(b, sum);
  return result;
}

/* The diagonal of the last two axes, of n elements each, into `dims`, where the last one is n:
 * every (n + 1)th element of [n*n]. */
static Value *constant_diagonal(Builder *b, Value *x, const Dim **dims, int rest, int64_t n) {
  const Dim *last = dims[rest];
  dims[rest] = dim_const(b->graph->ctx->dims, n * n);
  Value *flat = compose_reshape(b, x, dims, rest + 1);
  dims[rest] = last;
  return compose_slice(b, flat, rest, 0, INT64_MAX, n + 1);
}

/* The same where n is not known, and a step must be: n elements more make [n*n + n] a matrix
 * [n, n + 1], whose first column it is. */
static Value *symbolic_diagonal(Builder *b, Value *x, const Dim **dims, int rest) {
  DimTable *t = b->graph->ctx->dims;
  const Dim *n = dims[rest];
  Value *row = compose_reshape(b, compose_slice(b, x, rest, 0, 1, 1), dims, rest + 1);
  dims[rest] = dim_mul(t, n, n);
  Value *flat = compose_reshape(b, x, dims, rest + 1);
  dims[rest] = n;
  dims[rest + 1] = dim_add_i(t, n, 1);
  Value *wide = compose_concat(b, (Value *[]){flat, row}, 2, rest);
  Value *column = compose_slice(b, compose_reshape(b, wide, dims, rest + 2), rest + 1, 0, 1, 1);
  return compose_reshape(b, column, dims, rest + 1);
}

/* Axes i and j, of one label, moved to the end and replaced by their diagonal. */
static Labelled take_diagonal(Builder *b, const Labelled *x, int i, int j) {
  int64_t perm[MAX_RANK], n = 0;
  const Dim *dims[MAX_RANK + 1];
  Labelled result = {0};
  for (int k = 0; k < x->term.n; k++) {
    if (k == i || k == j) continue;
    perm[result.term.n] = k;
    dims[result.term.n] = x->value->type.dims[k];
    result.term.labels[result.term.n++] = x->term.labels[k];
  }
  int rest = result.term.n;
  perm[rest] = i;
  perm[rest + 1] = j;
  dims[rest] = x->value->type.dims[i];
  result.term.labels[result.term.n++] = x->term.labels[i];
  Value *moved = transpose(b, x->value, perm, x->term.n);
  result.value = dim_is_const(dims[rest], &n) ? constant_diagonal(b, moved, dims, rest, n)
                                              : symbolic_diagonal(b, moved, dims, rest);
  return result;
}

static Labelled without_repeats(Builder *b, Labelled x) {
  for (int j = 1; j < x.term.n; j++) {
    for (int i = 0; i < j; i++) {
      if (x.term.labels[i] != x.term.labels[j]) continue;
      x = take_diagonal(b, &x, i, j);
      j = 0;
      break;
    }
  }
  return x;
}

static const Dim *product_of(const Labelled *x, const Term *labels, DimTable *t) {
  const Dim *product = dim_const(t, 1);
  for (int i = 0; i < labels->n; i++) product = dim_mul(t, product, size_of(x, labels->labels[i]));
  return product;
}

static Term join(const Term *a, const Term *b, const Term *c) {
  const Term *parts[3] = {a, b, c};
  Term all = {0};
  for (int k = 0; k < 3; k++) {
    for (int i = 0; i < parts[k]->n; i++) all.labels[all.n++] = parts[k]->labels[i];
  }
  return all;
}

/* The operand as matrices: [batch..., product of rows, product of columns]. */
static Value *as_matrices(Builder *b, const Labelled *x, const Term *batch, const Term *rows,
                          const Term *columns) {
  DimTable *t = b->graph->ctx->dims;
  const Dim *dims[MAX_RANK];
  Term order = join(batch, rows, columns);
  for (int i = 0; i < batch->n; i++) dims[i] = size_of(x, batch->labels[i]);
  dims[batch->n] = product_of(x, rows, t);
  dims[batch->n + 1] = product_of(x, columns, t);
  return compose_reshape(b, arrange(b, x, &order).value, dims, batch->n + 2);
}

/* What the labels of two operands are for. */
typedef struct Roles {
  Term batch, contracted, left, right;
} Roles;

static Roles roles_of(const Labelled *x, const Labelled *y, const bool *needed) {
  Roles r = {0};
  for (int i = 0; i < x->term.n; i++) {
    int label = x->term.labels[i];
    Term *role = !has_label(&y->term, label) ? &r.left : needed[label] ? &r.batch : &r.contracted;
    role->labels[role->n++] = label;
  }
  for (int i = 0; i < y->term.n; i++) {
    int label = y->term.labels[i];
    if (!has_label(&x->term, label)) r.right.labels[r.right.n++] = label;
  }
  return r;
}

static Labelled by_matmul(Builder *b, const Labelled *x, const Labelled *y, const Roles *r) {
  const Dim *dims[MAX_RANK];
  Value *left = as_matrices(b, x, &r->batch, &r->left, &r->contracted);
  Value *right = as_matrices(b, y, &r->batch, &r->contracted, &r->right);
  Value *product = BUILD(b, "MatMul", left, right);
  Labelled result = {.term = join(&r->batch, &r->left, &r->right)};
  for (int i = 0; i < result.term.n; i++) {
    const Dim *size = size_of(x, result.term.labels[i]);
    if (i < r->batch.n) size = product->type.dims[i];
    dims[i] = size != NULL ? size : size_of(y, result.term.labels[i]);
  }
  result.value = compose_reshape(b, product, dims, result.term.n);
  return result;
}

/* The operand with an axis of 1 for each label of `all` that it lacks. */
static Value *spread(Builder *b, const Labelled *x, const Term *all) {
  Term present = {0};
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < all->n; i++) {
    const Dim *size = size_of(x, all->labels[i]);
    if (size != NULL) present.labels[present.n++] = all->labels[i];
    dims[i] = size != NULL ? size : dim_const(b->graph->ctx->dims, 1);
  }
  return compose_reshape(b, arrange(b, x, &present).value, dims, all->n);
}

/* The product of two operands; labels that are not needed are summed out. */
static Labelled multiply(Builder *b, Labelled x, Labelled y, const bool *needed) {
  bool keep_x[N_LABELS], keep_y[N_LABELS];
  for (int label = 0; label < N_LABELS; label++) {
    keep_x[label] = needed[label] || has_label(&y.term, label);
    keep_y[label] = needed[label] || has_label(&x.term, label);
  }
  x = sum_out(b, &x, keep_x);
  y = sum_out(b, &y, keep_y);
  Roles r = roles_of(&x, &y, needed);
  if (r.contracted.n != 0 && r.batch.n + 2 <= MAX_RANK) return by_matmul(b, &x, &y, &r);
  Labelled all = {.term = join(&r.batch, &r.left, &r.right)};
  all.term = join(&all.term, &r.contracted, &(Term){0});
  all.value = BUILD(b, "Mul", spread(b, &x, &all.term), spread(b, &y, &all.term));
  return sum_out(b, &all, needed);
}

/* Small integers are computed in i32, whose low bits are theirs. */
static Value *widened(Builder *b, Value *x, DType dtype) {
  if (x->type.dtype == dtype) return x;
  Node *cast = build_node(b, "", "Cast", &x, 1, 1);
  node_set_int(cast, "to", dtype);
  return build_done(b, cast);
}

static DType computed_as(DType dtype) {
  bool small = dtype_is_integer(dtype) && dtype_info(dtype)->bits < 32;
  return small ? ONNXC_RT_I32 : dtype;
}

static bool einsum_decompose(Builder *b, Node *node) {
  Equation e;
  Labelled product = {0};
  if (!parse(node, &e)) return false;
  DType dtype = node->out[0]->type.dtype;
  for (uint32_t k = 0; k < e.n_terms; k++) {
    bool needed[N_LABELS] = {false};
    for (int i = 0; i < e.result.n; i++) needed[e.result.labels[i]] = true;
    for (uint32_t later = k + 1; later < e.n_terms; later++) {
      for (int i = 0; i < e.terms[later].n; i++) needed[e.terms[later].labels[i]] = true;
    }
    Labelled x = {widened(b, node_in(node, k), computed_as(dtype)), e.terms[k]};
    x = without_repeats(b, x);
    product = k == 0 ? sum_out(b, &x, needed) : multiply(b, product, x, needed);
  }
  build_replace(b, node, widened(b, arrange(b, &product, &e.result).value, dtype));
  return true;
}

const OpDef op_Einsum = {
    .name = "Einsum",
    .domain = "",
    .params = (const OpParam[]){PARAM_REQUIRED("equation", ATTR_STRING), {0}},
    .infer = einsum_infer,
    .decompose = einsum_decompose,
};
