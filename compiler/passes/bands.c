#include "passes/bands.h"

#include "passes/facts.h"

#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 24 };

static DimTable *dims_of(const Value *value) {
  return value->graph->ctx->dims;
}

/* ---- movement ----------------------------------------------------------------------------------
 * Both kinds of values below are functions of the indexes. What moves elements moves those. */

/* from[i]: the axis of input 0 whose index is that of axis i of the output, less `shift`; -1: none.
 */
typedef struct Moved {
  int from[MAX_RANK];
  const Dim *shift[MAX_RANK];
} Moved;

/* Axes of size 1 come and go. */
static bool move_view(const Node *node, Moved *m) {
  const Type *in = &node->in[0].value->type, *out = &node->out[0]->type;
  int k = 0;
  for (int i = 0; i < out->rank; i++) {
    m->from[i] = -1;
    if (dim_is(out->dims[i], 1)) continue;
    while (k < in->rank && dim_is(in->dims[k], 1)) k++;
    if (k == in->rank || in->dims[k] != out->dims[i]) return false;
    m->from[i] = k++;
  }
  while (k < in->rank && dim_is(in->dims[k], 1)) k++;
  return k == in->rank;
}

static bool move_expand(const Node *node, Moved *m) {
  const Type *in = &node->in[0].value->type, *out = &node->out[0]->type;
  for (int i = 0; i < out->rank; i++) {
    int own = i - (out->rank - in->rank);
    m->from[i] = own < 0 || dim_is(in->dims[own], 1) ? -1 : own;
  }
  return true;
}

static bool move_transpose(const Node *node, Moved *m) {
  int64_t perm[MAX_RANK];
  transpose_perm(node, perm);
  for (int i = 0; i < node->out[0]->type.rank; i++) m->from[i] = (int)perm[i];
  return true;
}

static bool move_copy(const Node *node, Moved *m) {
  for (int i = 0; i < node->out[0]->type.rank; i++) m->from[i] = i;
  return true;
}

/* Steps of 1 from a place that is known and not counted from the end. */
static bool move_slice(const Node *node, Moved *m) {
  uint32_t n, n_axes = 0, n_steps = 0;
  const Dim *const *starts = infer_contents(node, 1, &n);
  int64_t axes[MAX_RANK], steps[MAX_RANK];
  int rank = node->out[0]->type.rank;
  if (starts == NULL || n > MAX_RANK || !move_copy(node, m)) return false;
  if (node_in(node, 3) != NULL && !value_ints(node_in(node, 3), axes, MAX_RANK, &n_axes)) {
    return false;
  }
  if (node_in(node, 4) != NULL && !value_ints(node_in(node, 4), steps, MAX_RANK, &n_steps)) {
    return false;
  }
  for (uint32_t i = 0; i < n; i++) {
    int64_t axis = i < n_axes ? axes[i] : i;
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank || starts[i]->lo < 0 || starts[i]->opaque) return false;
    if (i < n_steps && steps[i] != 1) return false;
    /* a start behind the end is the end, and leaves nothing */
    m->shift[axis] = starts[i];
  }
  return true;
}

typedef struct Movement {
  const char *op;
  bool (*find)(const Node *node, Moved *m);
} Movement;

static bool find_movement(const Node *node, Moved *m) {
  static const Movement movements[] = {
      {"Reshape", move_view},  {"Squeeze", move_view},        {"Unsqueeze", move_view},
      {"Expand", move_expand}, {"Transpose", move_transpose}, {"Identity", move_copy},
      {"Slice", move_slice},
  };
  *m = (Moved){{0}, {NULL}};
  for (size_t i = 0; node != NULL && i < sizeof movements / sizeof *movements; i++) {
    if (value_is(node->out[0], movements[i].op)) return movements[i].find(node, m);
  }
  return false;
}

/* ---- places ------------------------------------------------------------------------------------
 */

/* Integers: offset + the sum of factors[i] * index of axis i. */
typedef struct Places {
  int64_t factors[MAX_RANK];
  const Dim *offset;
} Places;

static bool places_of(Value *value, Places *p, int depth);

static bool places_of_constant(const Value *value, Places *p) {
  const Tensor *tensor = value->constant;
  int64_t steps[MAX_RANK], step = 1;
  if (!dtype_is_integer(tensor->dtype) || tensor->count == 0) return false;
  int64_t first = tensor_i64(tensor, 0);
  for (int i = tensor->rank; i-- > 0; step *= tensor->dims[i]) {
    steps[i] = step;
    if (tensor->dims[i] > 1) p->factors[i] = tensor_i64(tensor, (size_t)step) - first;
  }
  for (size_t k = 0; k < tensor->count; k++) {
    int64_t expected = first;
    for (int i = 0; i < tensor->rank; i++) {
      expected += (int64_t)k / steps[i] % tensor->dims[i] * p->factors[i];
    }
    if (tensor_i64(tensor, k) != expected) return false;
  }
  p->offset = dim_const(dims_of(value), first);
  return true;
}

static bool number_of(const Value *value, const Dim **number) {
  if (value == NULL || value->n_contents != 1 || !value_contents_known(value)) return false;
  *number = value->contents[0];
  return true;
}

static bool places_of_range(const Node *node, Places *p) {
  const Dim *step;
  if (!number_of(node_in(node, 0), &p->offset) || !number_of(node_in(node, 2), &step)) return false;
  return dim_is_const(step, &p->factors[0]);
}

/* a + sign * b, which broadcast to a common rank. */
static bool places_of_sum(const Node *node, int64_t sign, Places *p, int depth) {
  DimTable *t = dims_of(node->out[0]);
  int rank = node->out[0]->type.rank;
  p->offset = dim_const(t, 0);
  for (uint32_t k = 0; k < 2; k++) {
    Value *x = node->in[k].value;
    Places part = {{0}, NULL};
    if (!places_of(x, &part, depth)) return false;
    int64_t factor = k == 0 ? 1 : sign;
    p->offset = dim_add(t, p->offset, dim_mul_i(t, part.offset, factor));
    for (int i = 0; i < x->type.rank; i++) {
      p->factors[rank - x->type.rank + i] += factor * part.factors[i];
    }
  }
  return true;
}

static bool places_moved(const Node *node, Places *p, int depth) {
  Moved m;
  Places from = {{0}, NULL};
  DimTable *t = dims_of(node->out[0]);
  if (!find_movement(node, &m) || !places_of(node->in[0].value, &from, depth)) return false;
  p->offset = from.offset;
  for (int i = 0; i < node->out[0]->type.rank; i++) {
    if (m.from[i] < 0) continue;
    p->factors[i] = from.factors[m.from[i]];
    if (m.shift[i] == NULL) continue;
    p->offset = dim_add(t, p->offset, dim_mul_i(t, m.shift[i], p->factors[i]));
  }
  return true;
}

static bool places_of(Value *value, Places *p, int depth) {
  Node *node = value->producer;
  if (value->type.kind != TYPE_TENSOR || !dtype_is_integer(value->type.dtype)) return false;
  if (number_of(value, &p->offset)) return true;
  if (value->constant != NULL) return places_of_constant(value, p);
  if (node == NULL || depth == 0) return false;
  if (value_is(value, "Range")) return places_of_range(node, p);
  if (value_is(value, "Add")) return places_of_sum(node, 1, p, depth - 1);
  if (value_is(value, "Sub")) return places_of_sum(node, -1, p, depth - 1);
  if (value_is(value, "Cast")) return places_of(node->in[0].value, p, depth - 1);
  return places_moved(node, p, depth - 1);
}

/* ---- bands of constants ------------------------------------------------------------------------
 */

/* The matrix of a constant whose other axes have size 1. */
static bool matrix_of(const Tensor *tensor, int64_t *rows, int64_t *columns) {
  if (tensor->rank < 2 || tensor->count < 2 || tensor->dtype == ONNXC_RT_STRING) return false;
  *rows = tensor->dims[tensor->rank - 2];
  *columns = tensor->dims[tensor->rank - 1];
  DTypeClass cls = dtype_info(tensor->dtype)->cls;
  return *rows * *columns == (int64_t)tensor->count && cls != DTYPE_CLASS_COMPLEX;
}

/* Bounds of the band of elements that are `inside`, as far as rows show them. */
static void find_bounds(const Tensor *tensor, int64_t rows, int64_t columns, double inside,
                        int64_t *first, int64_t *last) {
  *first = INT64_MIN;
  *last = INT64_MAX;
  for (int64_t i = 0; i < rows; i++) {
    int64_t low = 0, high = columns - 1;
    while (low < columns && tensor_f64(tensor, (size_t)(i * columns + low)) != inside) low++;
    if (low == columns) continue;
    while (tensor_f64(tensor, (size_t)(i * columns + high)) != inside) high--;
    if (low > 0) *first = low - i;
    if (high < columns - 1) *last = high - i;
  }
}

static bool fits_bounds(const Tensor *tensor, int64_t columns, const Band *band, int64_t first,
                        int64_t last) {
  for (size_t k = 0; k < tensor->count; k++) {
    int64_t place = (int64_t)k % columns - (int64_t)k / columns;
    bool inside = place >= first && place <= last;
    if (tensor_f64(tensor, k) != (inside ? band->inside : band->outside)) return false;
  }
  return true;
}

static bool band_of_constant(const Value *value, Band *band) {
  const Tensor *tensor = value->constant;
  DimTable *t = dims_of(value);
  int64_t rows, columns, first, last;
  if (!matrix_of(tensor, &rows, &columns)) return false;
  double a = tensor_f64(tensor, 0), b = a;
  for (size_t k = 1; k < tensor->count && b == a; k++) b = tensor_f64(tensor, k);
  for (int k = 0; k < 2 && a != b; k++) {
    *band = (Band){.inside = k == 0 ? a : b, .outside = k == 0 ? b : a};
    find_bounds(tensor, rows, columns, band->inside, &first, &last);
    if (first == INT64_MIN && last == INT64_MAX) continue;
    if (!fits_bounds(tensor, columns, band, first, last)) continue;
    if (first != INT64_MIN) band->first = dim_const(t, first);
    if (last != INT64_MAX) band->last = dim_const(t, last);
    return true;
  }
  return false;
}

/* ---- bands -------------------------------------------------------------------------------------
 */

static bool find_band(Value *value, Band *band, int depth);

bool band_turn(DimTable *t, Band *band) {
  if (band->first != NULL && band->last != NULL) return false;
  Band turned = {.inside = band->outside, .outside = band->inside};
  if (band->last != NULL) turned.first = dim_add_i(t, band->last, 1);
  if (band->first != NULL) turned.last = dim_add_i(t, band->first, -1);
  *band = turned;
  return true;
}

/* a - b < 0, or <= 0 with `equal`, for places that differ by j - i or i - j and an offset. */
static bool band_of_order(const Node *node, bool less, bool equal, Band *band, int depth) {
  const Value *out = node->out[0];
  DimTable *t = dims_of(out);
  Places p = {{0}, NULL};
  int rank = out->type.rank;
  if (rank < 2 || !places_of_sum(node, -1, &p, depth)) return false;
  for (int i = 0; i < rank - 2; i++) {
    if (p.factors[i] != 0) return false;
  }
  if (!less) { /* b - a instead */
    p.offset = dim_mul_i(t, p.offset, -1);
    p.factors[rank - 1] = -p.factors[rank - 1];
    p.factors[rank - 2] = -p.factors[rank - 2];
  }
  if (!equal) p.offset = dim_add_i(t, p.offset, 1);
  *band = (Band){.inside = 1};
  if (p.factors[rank - 1] == 1 && p.factors[rank - 2] == -1) {
    band->last = dim_mul_i(t, p.offset, -1);
  } else if (p.factors[rank - 1] == -1 && p.factors[rank - 2] == 1) {
    band->first = p.offset;
  } else {
    return false;
  }
  return true;
}

/* Trilu of a number. */
static bool band_of_triangle(const Node *node, Band *band) {
  double number;
  const Dim *k = dim_const(dims_of(node->out[0]), 0);
  if (!value_splat(node->in[0].value, &number) || number == 0) return false;
  if (node_in(node, 1) != NULL && !number_of(node_in(node, 1), &k)) return false;
  *band = (Band){.inside = number};
  *(op_param_i(node, "upper") != 0 ? &band->first : &band->last) = k;
  return true;
}

static bool band_of_choice(const Node *node, Band *band, int depth) {
  double yes, no;
  if (!value_splat(node->in[1].value, &yes) || !value_splat(node->in[2].value, &no)) return false;
  if (!find_band(node->in[0].value, band, depth)) return false;
  band->inside = band->inside != 0 ? yes : no;
  band->outside = band->outside != 0 ? yes : no;
  return true;
}

/* Rows and columns change places. */
static void mirror(DimTable *t, Band *band) {
  const Dim *first = band->first;
  band->first = band->last == NULL ? NULL : dim_mul_i(t, band->last, -1);
  band->last = first == NULL ? NULL : dim_mul_i(t, first, -1);
}

static void shift(DimTable *t, Band *band, const Dim *rows, const Dim *columns) {
  const Dim *by = dim_const(t, 0);
  if (rows != NULL) by = dim_add(t, by, rows);
  if (columns != NULL) by = dim_sub(t, by, columns);
  if (band->first != NULL) band->first = dim_add(t, band->first, by);
  if (band->last != NULL) band->last = dim_add(t, band->last, by);
}

static bool band_moved(const Node *node, Band *band, int depth) {
  Moved m;
  if (!find_movement(node, &m)) return false;
  Value *x = node->in[0].value;
  int row = node->out[0]->type.rank - 2, from = x->type.rank - 2;
  if (row < 0 || from < 0 || !find_band(x, band, depth)) return false;
  bool mirrored = m.from[row] == from + 1 && m.from[row + 1] == from;
  if (!mirrored && (m.from[row] != from || m.from[row + 1] != from + 1)) return false;
  if (mirrored) mirror(dims_of(x), band);
  shift(dims_of(x), band, m.shift[row], m.shift[row + 1]);
  return true;
}

/* The tighter bound is taken where it is known which. */
static bool join_bound(const Dim **a, const Dim *b) {
  if (*a != NULL && b != NULL && *a != b) return false;
  if (*a == NULL) *a = b;
  return true;
}

static bool is_shown(DimTable *t, Band *band) {
  return band->inside == 1 || band_turn(t, band);
}

/* Both are 1 inside. */
static bool band_of_both(const Node *node, Band *band, int depth) {
  Band other;
  DimTable *t = dims_of(node->out[0]);
  if (!find_band(node->in[0].value, band, depth) || !find_band(node->in[1].value, &other, depth)) {
    return false;
  }
  return is_shown(t, band) && is_shown(t, &other) && join_bound(&band->first, other.first) &&
         join_bound(&band->last, other.last);
}

/* ---- operators on the two numbers --------------------------------------------------------------
 */

static double do_add(double a, double b) {
  return a + b;
}
static double do_sub(double a, double b) {
  return a - b;
}
static double do_mul(double a, double b) {
  return a * b;
}
static double do_div(double a, double b) {
  return a / b;
}
static double do_equal(double a, double b) {
  return a == b;
}
static double do_less(double a, double b) {
  return a < b;
}
static double do_greater(double a, double b) {
  return a > b;
}
static double do_less_equal(double a, double b) {
  return a <= b;
}
static double do_greater_equal(double a, double b) {
  return a >= b;
}

/* Of a band and a number. */
static const struct Arithmetic {
  const char *op;
  double (*apply)(double a, double b);
} arithmetic[] = {
    {"Add", do_add},
    {"Sub", do_sub},
    {"Mul", do_mul},
    {"Div", do_div},
    {"Equal", do_equal},
    {"Less", do_less},
    {"Greater", do_greater},
    {"LessOrEqual", do_less_equal},
    {"GreaterOrEqual", do_greater_equal},
};

static bool band_of_arithmetic(const Node *node, double (*apply)(double a, double b), Band *band,
                               int depth) {
  double number;
  for (uint32_t i = 0; i < 2; i++) {
    if (!value_splat(node->in[1 - i].value, &number)) continue;
    if (!find_band(node->in[i].value, band, depth)) return false;
    band->inside = i == 0 ? apply(band->inside, number) : apply(number, band->inside);
    band->outside = i == 0 ? apply(band->outside, number) : apply(number, band->outside);
    return true;
  }
  return false;
}

static bool band_of_unary(const Node *node, Band *band, int depth) {
  if (!find_band(node->in[0].value, band, depth)) return false;
  const char *op = node->op->name;
  bool to_bool = strcmp(op, "Cast") == 0 && node->out[0]->type.dtype == ONNXC_RT_BOOL;
  double *numbers[] = {&band->inside, &band->outside};
  for (int i = 0; i < 2; i++) {
    if (to_bool) *numbers[i] = *numbers[i] != 0;
    if (strcmp(op, "Not") == 0) *numbers[i] = *numbers[i] == 0;
    if (strcmp(op, "Neg") == 0) *numbers[i] = -*numbers[i];
  }
  return true;
}

static bool find_band(Value *value, Band *band, int depth) {
  static const struct Order {
    const char *op;
    bool less, equal;
  } orders[] = {{"Less", true, false},
                {"LessOrEqual", true, true},
                {"Greater", false, false},
                {"GreaterOrEqual", false, true}};
  if (value->constant != NULL) return band_of_constant(value, band);
  const Node *node = value->producer;
  if (node == NULL || depth-- == 0) return false;
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    if (!value_is(value, orders[i].op)) continue;
    if (band_of_order(node, orders[i].less, orders[i].equal, band, depth)) return true;
  }
  if (value_is(value, "Trilu")) return band_of_triangle(node, band);
  if (value_is(value, "Where")) return band_of_choice(node, band, depth);
  if (value_is(value, "And")) return band_of_both(node, band, depth);
  if (value_is(value, "Not") || value_is(value, "Cast") || value_is(value, "Neg")) {
    return band_of_unary(node, band, depth);
  }
  for (size_t i = 0; i < sizeof arithmetic / sizeof *arithmetic; i++) {
    if (value_is(value, arithmetic[i].op)) {
      return band_of_arithmetic(node, arithmetic[i].apply, band, depth);
    }
  }
  return band_moved(node, band, depth);
}

bool band_of(Value *value, Band *band) {
  if (!find_band(value, band, MAX_DEPTH)) return false;
  return !isnan(band->inside) && !isnan(band->outside) && band->inside != band->outside;
}
