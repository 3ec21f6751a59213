#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* Sizes and rule of a call. Scratch: the state of one head, d_k rows of d_v, then d_v numbers. */
typedef struct Recurrence {
  const onnxc_rt_call *call;
  int64_t length, heads, kv_heads, dk, dv;
  double scale;
  int decays, corrects; /* gated..., ...delta */
  double *state, *predicted;
} Recurrence;

static Recurrence recurrence_of(const onnxc_rt_call *call) {
  const onnxc_rt_attr *rule = &call->attr[3];
  Recurrence r = {.call = call, .kv_heads = call->attr[0].i, .heads = call->attr[1].i};
  r.length = call->in[0].dims[1];
  r.dk = call->in[0].dims[2] / r.heads;
  r.dv = call->in[2].dims[2] / r.kv_heads;
  r.scale = call->attr[2].f != 0 ? call->attr[2].f : 1 / sqrt((double)r.dk);
  r.decays = onnxc_rt_attr_is(rule, "gated") || onnxc_rt_attr_is(rule, "gated_delta");
  r.corrects = onnxc_rt_attr_is(rule, "delta") || onnxc_rt_attr_is(rule, "gated_delta");
  r.state = (double *)call->scratch;
  r.predicted = r.state + r.dk * r.dv;
  return r;
}

/* Element `i` of head `head` at step `step` of a packed input. */
static double packed(const onnxc_rt_tensor *x, int64_t step, int64_t heads, int64_t head,
                     int64_t i) {
  const int64_t width = x->dims[2] / heads;
  return onnxc_rt_load_f64(x, step * x->dims[2] + head * width + (width == 1 ? 0 : i));
}

static void decay(const Recurrence *r, int64_t step, int64_t head) {
  for (int64_t i = 0; i < r->dk; i++) {
    const double factor = exp(packed(&r->call->in[4], step, r->kv_heads, head, i));
    for (int64_t j = 0; j < r->dv; j++) r->state[i * r->dv + j] *= factor;
  }
}

/* What the state gives for the key already. */
static void predict(const Recurrence *r, int64_t step, int64_t head) {
  for (int64_t j = 0; j < r->dv; j++) r->predicted[j] = 0;
  for (int64_t i = 0; r->corrects && i < r->dk; i++) {
    const double key = packed(&r->call->in[1], step, r->kv_heads, head, i);
    for (int64_t j = 0; j < r->dv; j++) r->predicted[j] += r->state[i * r->dv + j] * key;
  }
}

static double update_rate(const Recurrence *r, int64_t step, int64_t head) {
  const onnxc_rt_tensor *beta = &r->call->in[5];
  if (!r->corrects) return 1;
  return onnxc_rt_load_f64(beta, step * beta->dims[2] + (beta->dims[2] == 1 ? 0 : head));
}

static void update(const Recurrence *r, int64_t step, int64_t head) {
  if (r->decays) decay(r, step, head);
  predict(r, step, head);
  const double rate = update_rate(r, step, head);
  for (int64_t i = 0; i < r->dk; i++) {
    const double key = rate * packed(&r->call->in[1], step, r->kv_heads, head, i);
    for (int64_t j = 0; j < r->dv; j++) {
      const double value = packed(&r->call->in[2], step, r->kv_heads, head, j);
      r->state[i * r->dv + j] += key * (value - r->predicted[j]);
    }
  }
}

/* What the query heads that share the state read from it. */
static void answer(const Recurrence *r, int64_t step, int64_t head) {
  const onnxc_rt_tensor *query = &r->call->in[0], *y = &r->call->out[0];
  const int64_t shared = r->heads / r->kv_heads;
  for (int64_t h = head * shared; h < (head + 1) * shared; h++) {
    for (int64_t j = 0; j < r->dv; j++) {
      double sum = 0;
      for (int64_t i = 0; i < r->dk; i++) {
        sum += packed(query, step, r->heads, h, i) * r->state[i * r->dv + j];
      }
      onnxc_rt_store_f64(y, (step * r->heads + h) * r->dv + j, r->scale * sum);
    }
  }
}

int onnxc_rt_ref_linear_attention(const onnxc_rt_call *call) {
  const Recurrence r = recurrence_of(call);
  const int64_t size = r.dk * r.dv, batches = call->in[0].dims[0];
  for (int64_t k = 0; k < batches * r.kv_heads; k++) {
    const int64_t first = k / r.kv_heads * r.length, head = k % r.kv_heads;
    for (int64_t i = 0; i < size; i++) {
      r.state[i] = onnxc_rt_has_in(call, 3) ? onnxc_rt_load_f64(&call->in[3], k * size + i) : 0;
    }
    for (int64_t t = 0; t < r.length; t++) {
      update(&r, first + t, head);
      answer(&r, first + t, head);
    }
    for (int64_t i = 0; onnxc_rt_has_out(call, 1) && i < size; i++) {
      onnxc_rt_store_f64(&call->out[1], k * size + i, r.state[i]);
    }
  }
  return ONNXC_RT_OK;
}
