/* Reductions: one number from all elements along some axes. */
#include "onnxc_rt_reference.h"
#include "reference/map.h"

/* How numbers are taken up: from the start, step by step; floats are finished at the end. */
typedef struct Reducer {
  double start_f;
  uint64_t start_i;
  double (*step_f)(double sum, double x);
  uint64_t (*step_i)(uint64_t sum, uint64_t x, int is_signed);
  double (*finish)(double sum, int64_t count);
} Reducer;

/* The axes that go: walks over what stays and over what goes. */
typedef struct Plan {
  uint32_t axes; /* bit i: axis i goes */
  onnxc_rt_walk kept, gone;
} Plan;

static uint32_t all_axes(int32_t rank) {
  return ((uint32_t)1 << rank) - 1;
}

/* Attributes: keepdims, noop_with_empty_axes. False: an axis is outside. */
static int read_axes(const onnxc_rt_call *call, uint32_t *axes) {
  const onnxc_rt_tensor *x = &call->in[0];
  const int64_t given = onnxc_rt_has_in(call, 1) ? onnxc_rt_count(&call->in[1]) : 0;
  *axes = given == 0 && call->attr[1].i == 0 ? all_axes(x->rank) : 0;
  for (int64_t i = 0; i < given; i++) {
    const int32_t axis = onnxc_rt_axis(onnxc_rt_load_i64(&call->in[1], i), x->rank);
    if (axis < 0) return 0;
    *axes |= (uint32_t)1 << axis;
  }
  return 1;
}

static int set_dims(const onnxc_rt_call *call, uint32_t axes) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  int32_t at = 0;
  for (int32_t i = 0; i < x->rank; i++) {
    const int goes = (int)(axes >> i & 1U);
    if (goes && call->attr[0].i == 0) continue;
    if (at == y->rank || !onnxc_rt_set_dim(y, at++, goes ? 1 : x->dims[i])) return 0;
  }
  return at == y->rank;
}

static void plan_walks(const onnxc_rt_tensor *x, Plan *plan) {
  int64_t strides[ONNXC_RT_MAX_RANK], dims[2][ONNXC_RT_MAX_RANK], steps[2][ONNXC_RT_MAX_RANK];
  int32_t n[2] = {0, 0};
  onnxc_rt_strides(x->dims, x->rank, strides);
  for (int32_t i = 0; i < x->rank; i++) {
    const uint32_t goes = plan->axes >> i & 1U;
    dims[goes][n[goes]] = x->dims[i];
    steps[goes][n[goes]++] = strides[i];
  }
  onnxc_rt_walk_init(&plan->kept, dims[0], n[0]);
  onnxc_rt_walk_steps(&plan->kept, 0, steps[0]);
  onnxc_rt_walk_init(&plan->gone, dims[1], n[1]);
  onnxc_rt_walk_steps(&plan->gone, 0, steps[1]);
}

/* `shift` is subtracted from every element. */
static double reduce_f64(const onnxc_rt_tensor *x, Plan *plan, const Reducer *r, double shift) {
  double sum = r->start_f;
  for (int64_t k = 0; k < plan->gone.count; k++, onnxc_rt_walk_next(&plan->gone)) {
    const double value = onnxc_rt_load_f64(x, plan->kept.at[0] + plan->gone.at[0]);
    sum = r->step_f(sum, value - shift);
  }
  return r->finish == NULL ? sum : r->finish(sum, plan->gone.count);
}

static uint64_t reduce_int(const onnxc_rt_tensor *x, Plan *plan, const Reducer *r) {
  const int is_signed = onnxc_rt_class_of(x->dtype) == ONNXC_RT_CLASS_INT;
  uint64_t sum = r->start_i;
  for (int64_t k = 0; k < plan->gone.count; k++, onnxc_rt_walk_next(&plan->gone)) {
    const int64_t value = onnxc_rt_load_i64(x, plan->kept.at[0] + plan->gone.at[0]);
    sum = r->step_i(sum, (uint64_t)value, is_signed);
  }
  return sum;
}

static int begin(const onnxc_rt_call *call, Plan *plan) {
  if (!read_axes(call, &plan->axes)) return ONNXC_RT_ERROR_VALUE;
  if (!set_dims(call, plan->axes)) return ONNXC_RT_ERROR_SHAPE;
  plan_walks(&call->in[0], plan);
  return ONNXC_RT_OK;
}

/* Integers of a reducer without integer step are reduced as floats. */
static int reduce(const onnxc_rt_call *call, const Reducer *r) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int is_float = onnxc_rt_class_of(x->dtype) == ONNXC_RT_CLASS_FLOAT || r->step_i == NULL;
  Plan plan;
  const int error = begin(call, &plan);
  if (error != ONNXC_RT_OK) return error;
  for (int64_t i = 0; i < plan.kept.count; i++, onnxc_rt_walk_next(&plan.kept)) {
    if (is_float) {
      onnxc_rt_store_f64(y, i, reduce_f64(x, &plan, r, 0));
    } else {
      onnxc_rt_store_u64(y, i, reduce_int(x, &plan, r));
    }
  }
  return ONNXC_RT_OK;
}

/* ---- steps -------------------------------------------------------------------------------------
 */

static double add_f(double sum, double x) {
  return sum + x;
}
static double multiply_f(double sum, double x) {
  return sum * x;
}
static double greater_f(double sum, double x) {
  return isnan(sum) || sum > x ? sum : x;
}
static double lesser_f(double sum, double x) {
  return isnan(sum) || sum < x ? sum : x;
}
static double add_magnitude_f(double sum, double x) {
  return sum + fabs(x);
}
static double add_square_f(double sum, double x) {
  return sum + x * x;
}
static double add_exp_f(double sum, double x) {
  return sum + exp(x);
}

static uint64_t add_i(uint64_t sum, uint64_t x, int is_signed) {
  (void)is_signed;
  return sum + x;
}
static uint64_t multiply_i(uint64_t sum, uint64_t x, int is_signed) {
  (void)is_signed;
  return sum * x;
}
static uint64_t greater_i(uint64_t sum, uint64_t x, int is_signed) {
  return onnxc_rt_less(sum, x, is_signed) ? x : sum;
}
static uint64_t lesser_i(uint64_t sum, uint64_t x, int is_signed) {
  return onnxc_rt_less(x, sum, is_signed) ? x : sum;
}
static uint64_t add_magnitude_i(uint64_t sum, uint64_t x, int is_signed) {
  return sum + (onnxc_rt_less(x, 0, is_signed) ? 0 - x : x);
}
static uint64_t add_square_i(uint64_t sum, uint64_t x, int is_signed) {
  (void)is_signed;
  return sum + x * x;
}

static double divide(double sum, int64_t count) {
  return sum / (double)count;
}
static double root(double sum, int64_t count) {
  (void)count;
  return sqrt(sum);
}
static double logarithm(double sum, int64_t count) {
  (void)count;
  return log(sum);
}

/* ---- kernels -----------------------------------------------------------------------------------
 */

#define REDUCE(name, ...)                                                                          \
  int onnxc_rt_ref_reduce_##name(const onnxc_rt_call *call) {                                      \
    static const Reducer reducer = {__VA_ARGS__};                                                  \
    return reduce(call, &reducer);                                                                 \
  }

REDUCE(sum, 0, 0, add_f, add_i, NULL)
REDUCE(mean, 0, 0, add_f, NULL, divide)
REDUCE(prod, 1, 1, multiply_f, multiply_i, NULL)
REDUCE(l1, 0, 0, add_magnitude_f, add_magnitude_i, NULL)
REDUCE(l2, 0, 0, add_square_f, NULL, root)
REDUCE(sum_square, 0, 0, add_square_f, add_square_i, NULL)
REDUCE(log_sum, 0, 0, add_f, NULL, logarithm)

/* The least and the greatest number of an integer type or bool. */
static uint64_t extreme(int32_t dtype, int greatest) {
  const int bits = onnxc_rt_bits(dtype);
  if (dtype == ONNXC_RT_BOOL) return (uint64_t)greatest;
  if (onnxc_rt_class_of(dtype) == ONNXC_RT_CLASS_UINT) {
    return greatest ? UINT64_MAX >> (64 - bits) : 0;
  }
  const uint64_t most = (uint64_t)INT64_MAX >> (64 - bits);
  return greatest ? most : ~most;
}

int onnxc_rt_ref_reduce_max(const onnxc_rt_call *call) {
  const Reducer reducer = {-HUGE_VAL, extreme(call->in[0].dtype, 0), greater_f, greater_i, NULL};
  return reduce(call, &reducer);
}

int onnxc_rt_ref_reduce_min(const onnxc_rt_call *call) {
  const Reducer reducer = {HUGE_VAL, extreme(call->in[0].dtype, 1), lesser_f, lesser_i, NULL};
  return reduce(call, &reducer);
}

/* The greatest element is taken out before exp, so that nothing overflows. */
int onnxc_rt_ref_reduce_log_sum_exp(const onnxc_rt_call *call) {
  static const Reducer greatest = {-HUGE_VAL, 0, greater_f, NULL, NULL};
  static const Reducer sum = {0, 0, add_exp_f, NULL, logarithm};
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  Plan plan;
  const int error = begin(call, &plan);
  if (error != ONNXC_RT_OK) return error;
  for (int64_t i = 0; i < plan.kept.count; i++, onnxc_rt_walk_next(&plan.kept)) {
    const double most = reduce_f64(x, &plan, &greatest, 0);
    const double shift = isfinite(most) ? most : 0;
    onnxc_rt_store_f64(y, i, reduce_f64(x, &plan, &sum, shift) + shift);
  }
  return ONNXC_RT_OK;
}
