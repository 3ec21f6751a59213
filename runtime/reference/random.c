/* Random numbers. Each is a function of the seed and of its position, so a call always gives the
 * same numbers, on every machine; without a seed it is 0. */
#include "onnxc_rt_reference.h"
#include "reference/element.h"

#include <string.h>

/* SplitMix64: the `i`th number of a stream, in [0, 1). */
static double uniform(uint64_t seed, uint64_t i) {
  uint64_t z = seed + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static uint64_t seed_of(const onnxc_rt_attr *attr) {
  const double given = attr->present ? attr->f : 0;
  uint64_t seed;
  memcpy(&seed, &given, sizeof seed);
  return seed;
}

/* Box and Muller: two uniform numbers give a normal one. */
static double normal(uint64_t seed, uint64_t i) {
  const double radius = sqrt(-2 * log(1 - uniform(seed, 2 * i)));
  return radius * cos(2 * 3.14159265358979323846 * uniform(seed, 2 * i + 1));
}

int onnxc_rt_ref_random_normal(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const uint64_t seed = seed_of(&call->attr[0]);
  const double scale = call->attr[1].f, mean = call->attr[2].f;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    onnxc_rt_store_f64(y, i, mean + scale * normal(seed, (uint64_t)i));
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_random_uniform(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const uint64_t seed = seed_of(&call->attr[0]);
  const double high = call->attr[1].f, low = call->attr[2].f;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    onnxc_rt_store_f64(y, i, low + (high - low) * uniform(seed, (uint64_t)i));
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_bernoulli(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const uint64_t seed = seed_of(&call->attr[0]);
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    onnxc_rt_store_i64(y, i, uniform(seed, (uint64_t)i) < onnxc_rt_load_f64(x, i));
  }
  return ONNXC_RT_OK;
}

/* The class at which the running sum of exp(score) passes `share` of the whole. */
static int64_t pick(const onnxc_rt_tensor *scores, int64_t start, int64_t classes, double share) {
  double whole = 0, most = -HUGE_VAL;
  for (int64_t k = 0; k < classes; k++) {
    const double score = onnxc_rt_load_f64(scores, start + k);
    if (score > most) most = score;
  }
  for (int64_t k = 0; k < classes; k++) {
    whole += exp(onnxc_rt_load_f64(scores, start + k) - most);
  }
  double sum = 0;
  for (int64_t k = 0; k < classes - 1; k++) {
    sum += exp(onnxc_rt_load_f64(scores, start + k) - most);
    if (sum > share * whole) return k;
  }
  return classes - 1;
}

int onnxc_rt_ref_multinomial(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *scores = &call->in[0], *y = &call->out[0];
  const uint64_t seed = seed_of(&call->attr[0]);
  const int64_t classes = scores->dims[1], samples = y->dims[1];
  if (classes == 0 && onnxc_rt_count(y) != 0) return ONNXC_RT_ERROR_SHAPE;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    const double share = uniform(seed, (uint64_t)i);
    onnxc_rt_store_i64(y, i, pick(scores, i / samples * classes, classes, share));
  }
  return ONNXC_RT_OK;
}
