#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/stream.h"

/* The scores of one distribution: exp(score - most) is a class's share of `whole`. */
typedef struct Scores {
  const onnxc_rt_tensor *x;
  int64_t start, classes;
  double most, whole;
} Scores;

static double share(const Scores *s, int64_t k) {
  return exp(onnxc_rt_load_f64(s->x, s->start + k) - s->most);
}

static void weigh(Scores *s) {
  s->most = -HUGE_VAL;
  for (int64_t k = 0; k < s->classes; k++) {
    const double score = onnxc_rt_load_f64(s->x, s->start + k);
    if (score > s->most) s->most = score;
  }
  s->whole = 0;
  for (int64_t k = 0; k < s->classes; k++) s->whole += share(s, k);
}

/* The class at which the running sum passes `part` of the whole; never one without a share. */
static int64_t pick(const Scores *s, double part) {
  double sum = 0;
  int64_t last = 0;
  for (int64_t k = 0; k < s->classes; k++) {
    const double add = share(s, k);
    if (!(add > 0)) continue;
    sum += add;
    last = k;
    if (sum > part * s->whole) return k;
  }
  return last;
}

int onnxc_rt_ref_multinomial(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const uint64_t stream = onnxc_rt_stream(call);
  const int64_t samples = y->dims[1];
  Scores s = {x, 0, x->dims[1], 0, 0};
  if (s.classes == 0 && onnxc_rt_count(y) != 0) return ONNXC_RT_ERROR_SHAPE;
  for (int64_t row = 0; row < y->dims[0]; row++) {
    s.start = row * s.classes;
    weigh(&s);
    if (!(s.whole > 0)) return ONNXC_RT_ERROR_VALUE;
    for (int64_t i = row * samples; i < (row + 1) * samples; i++) {
      onnxc_rt_store_i64(y, i, pick(&s, onnxc_rt_uniform(stream, (uint64_t)i, 53)));
    }
  }
  return ONNXC_RT_OK;
}
