/* LSTM; see onnxc_rt_recurrent. */
#include "kernels/recurrent_f32.h"
#include "simd/simd.h"

/* One sequence's step; gates and products are the parts of its gates that come from the input and
 * from the state. Instantiated for constant options. */
ONNXC_RT_V_INLINE void lstm_cell_body(const recurrent *d, const float *restrict gates,
                                      const float *restrict products, float *restrict h,
                                      float *restrict c, const int peephole, const int coupled) {
  const ptrdiff_t n = d->call->hidden;
  const float clip = recurrent_clip(d);
  const float *restrict bias = d->bias, *restrict peep = d->peephole;
  for (ptrdiff_t j = 0; j < n; j++) {
    const float before = c[j];
    float in = gates[j] + products[j] + bias[j];
    float out = gates[n + j] + products[n + j] + bias[n + j];
    float forget = gates[2 * n + j] + products[2 * n + j] + bias[2 * n + j];
    const float cell = gates[3 * n + j] + products[3 * n + j] + bias[3 * n + j];
    if (peephole) {
      in += peep[j] * before;
      forget += peep[2 * n + j] * before;
    }
    in = onnxc_rt_sigmoid_f32(onnxc_rt_clamp_f32(in, -clip, clip));
    forget = coupled ? 1.0f - in : onnxc_rt_sigmoid_f32(onnxc_rt_clamp_f32(forget, -clip, clip));
    const float after =
        forget * before + in * onnxc_rt_tanh_f32(onnxc_rt_clamp_f32(cell, -clip, clip));
    if (peephole) out += peep[n + j] * after;
    out = onnxc_rt_sigmoid_f32(onnxc_rt_clamp_f32(out, -clip, clip));
    c[j] = after;
    h[j] = out * onnxc_rt_tanh_f32(after);
  }
}

static void lstm_cell(const recurrent *d, const float *gates, const float *products, float *h,
                      float *c) {
  const int coupled = d->call->input_forget != 0;
  if (d->peephole != NULL) {
    if (coupled)
      lstm_cell_body(d, gates, products, h, c, 1, 1);
    else
      lstm_cell_body(d, gates, products, h, c, 1, 0);
  } else {
    if (coupled)
      lstm_cell_body(d, gates, products, h, c, 0, 1);
    else
      lstm_cell_body(d, gates, products, h, c, 0, 0);
  }
}

static void lstm_step(const recurrent *d, ptrdiff_t t, const float *gates) {
  const onnxc_rt_recurrent *call = d->call;
  onnxc_rt_recurrent_multiply(d, d->h, call->batch, call->hidden, d->r, d->packed_r, RECURRENT_ALL,
                              d->products);
  for (ptrdiff_t i = 0; i < call->batch; i++) {
    if (recurrent_is_over(d, t, i)) continue;
    lstm_cell(d, gates + i * d->row, d->products + i * d->row, d->h + i * call->hidden,
              d->c + i * call->hidden);
  }
}

int onnxc_rt_lstm_f32(const onnxc_rt_recurrent *call) {
  return onnxc_rt_recurrent_f32(call, 4, lstm_step);
}
