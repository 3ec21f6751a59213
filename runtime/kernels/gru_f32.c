/* GRU; see onnxc_rt_recurrent. With linear_before_reset the reset gate r scales the state's product
 * with the last gate's weights, else the state itself before that product. */
#include "kernels/recurrent_f32.h"
#include "simd/simd.h"

/* reset = r * h for one sequence. */
static void gru_reset(const recurrent *d, const float *restrict gates,
                      const float *restrict products, const float *restrict h,
                      float *restrict reset) {
  const ptrdiff_t n = d->call->hidden;
  const float clip = recurrent_clip(d);
  const float *restrict bias = d->bias;
  for (ptrdiff_t j = n; j < 2 * n; j++) {
    const float r = onnxc_rt_clamp_f32(gates[j] + products[j] + bias[j], -clip, clip);
    reset[j - n] = onnxc_rt_sigmoid_f32(r) * h[j - n];
  }
}

/* One sequence's step, from all its products. Instantiated for constant options. */
ONNXC_RT_V_INLINE void gru_cell_body(const recurrent *d, const float *restrict gates,
                                     const float *restrict products, float *restrict h,
                                     const int linear_before_reset) {
  const ptrdiff_t n = d->call->hidden;
  const float clip = recurrent_clip(d);
  const float *restrict bias = d->bias;
  for (ptrdiff_t j = 0; j < n; j++) {
    float product = products[2 * n + j];
    if (linear_before_reset) {
      const float r = gates[n + j] + products[n + j] + bias[n + j];
      product =
          onnxc_rt_sigmoid_f32(onnxc_rt_clamp_f32(r, -clip, clip)) * (product + bias[3 * n + j]);
    }
    const float sum = gates[2 * n + j] + bias[2 * n + j] + product;
    const float next = onnxc_rt_tanh_f32(onnxc_rt_clamp_f32(sum, -clip, clip));
    const float update = gates[j] + products[j] + bias[j];
    const float z = onnxc_rt_sigmoid_f32(onnxc_rt_clamp_f32(update, -clip, clip));
    h[j] = (1.0f - z) * next + z * h[j];
  }
}

/* The products of the last gate with r * h. */
static void gru_multiply_reset(const recurrent *d, const float *gates) {
  const onnxc_rt_recurrent *call = d->call;
  for (ptrdiff_t i = 0; i < call->batch; i++) {
    gru_reset(d, gates + i * d->row, d->products + i * d->row, d->h + i * call->hidden,
              d->reset + i * call->hidden);
  }
  onnxc_rt_recurrent_multiply(d, d->reset, call->batch, call->hidden, d->r, d->packed_r,
                              RECURRENT_LAST, d->products);
}

static void gru_step(const recurrent *d, ptrdiff_t t, const float *gates) {
  const onnxc_rt_recurrent *call = d->call;
  const int linear = call->linear_before_reset != 0;
  onnxc_rt_recurrent_multiply(d, d->h, call->batch, call->hidden, d->r, d->packed_r,
                              linear ? RECURRENT_ALL : RECURRENT_FIRST, d->products);
  if (!linear) gru_multiply_reset(d, gates);
  for (ptrdiff_t i = 0; i < call->batch; i++) {
    const float *of_input = gates + i * d->row, *of_state = d->products + i * d->row;
    float *h = d->h + i * call->hidden;
    if (recurrent_is_over(d, t, i)) continue;
    if (linear)
      gru_cell_body(d, of_input, of_state, h, 1);
    else
      gru_cell_body(d, of_input, of_state, h, 0);
  }
}

int onnxc_rt_gru_f32(const onnxc_rt_recurrent *call) {
  return onnxc_rt_recurrent_f32(call, 3, gru_step);
}
