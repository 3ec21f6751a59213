/* The course of a recurrent kernel; see recurrent_f32.h.
 *
 * The products of the input with its weights do not wait for the states, so they are made for many
 * steps at once. */
#include "kernels/recurrent_f32.h"
#include "kernels/gemm_core_f32.h"

#include <string.h>

/* Gates [first, first + count) of the product. */
static void recurrent_multiply_part(const recurrent *d, const float *from, ptrdiff_t rows,
                                    ptrdiff_t k, const float *weights, const float *packed,
                                    ptrdiff_t first, ptrdiff_t count, float *to) {
  onnxc_rt_gemm_core core = {
      .gemm = {.m = rows, .n = count, .k = k, .a_row = k, .a_col = 1, .b_row = 1, .b_col = k}};
  core.gemm.a = from;
  core.gemm.b = weights == NULL ? NULL : weights + first * k;
  core.gemm.packed =
      packed == NULL ? NULL : packed + onnxc_rt_packed_count((size_t)first, (size_t)k);
  core.gemm.c = to + first;
  core.gemm.c_row = d->row;
  core.gemm.scratch = d->gemm;
  onnxc_rt_gemm_core_f32(&core);
}

void onnxc_rt_recurrent_multiply(const recurrent *d, const float *from, ptrdiff_t rows, ptrdiff_t k,
                                 const float *weights, const float *packed, int which, float *to) {
  const ptrdiff_t hidden = d->call->hidden, first = d->row - hidden;
  if (which != RECURRENT_LAST) {
    recurrent_multiply_part(d, from, rows, k, weights, packed, 0, first, to);
  }
  if (which != RECURRENT_FIRST) {
    recurrent_multiply_part(d, from, rows, k, weights, packed, first, hidden, to);
  }
}

static void recurrent_start_state(float *state, const float *initial, size_t count) {
  if (initial == NULL) {
    memset(state, 0, count * sizeof *state);
  } else {
    memcpy(state, initial, count * sizeof *state);
  }
}

/* The part of direction `index` in an array that has `count` of something for each; NULL stays. */
static const float *recurrent_part(const float *all, ptrdiff_t index, ptrdiff_t count) {
  return all == NULL ? NULL : all + index * count;
}

/* Weights of w and r meet in one sum, except that a GRU with linear_before_reset has the last gate
 * of r inside its reset. */
static void recurrent_start_bias(const recurrent *d, const float *bias) {
  const onnxc_rt_recurrent *call = d->call;
  memset(d->bias, 0, (size_t)(d->row + call->hidden) * sizeof *d->bias);
  if (bias == NULL) return;
  const ptrdiff_t together = call->linear_before_reset != 0 ? d->row - call->hidden : d->row;
  for (ptrdiff_t i = 0; i < d->row; i++) {
    d->bias[i] = bias[i] + (i < together ? bias[d->row + i] : 0.0f);
  }
  for (ptrdiff_t i = together; i < d->row; i++) {
    d->bias[d->row + i - together] = bias[d->row + i];
  }
}

static void recurrent_start(recurrent *d, ptrdiff_t index) {
  const onnxc_rt_recurrent *call = d->call;
  const ptrdiff_t state = call->batch * call->hidden;
  const size_t gates = (size_t)d->gates, hidden = (size_t)call->hidden;
  d->w = recurrent_part(call->w, index, d->row * call->input);
  d->r = recurrent_part(call->r, index, d->row * call->hidden);
  d->packed_w = recurrent_part(
      call->packed_w, index,
      (ptrdiff_t)onnxc_rt_recurrent_packed_count(gates, hidden, (size_t)call->input));
  d->packed_r = recurrent_part(call->packed_r, index,
                               (ptrdiff_t)onnxc_rt_recurrent_packed_count(gates, hidden, hidden));
  d->peephole = recurrent_part(call->peephole, index, 3 * call->hidden);
  recurrent_start_bias(d, recurrent_part(call->bias, index, 2 * d->row));
  recurrent_start_state(d->h, recurrent_part(call->initial_h, index, state), (size_t)state);
  recurrent_start_state(d->c, recurrent_part(call->initial_c, index, state), (size_t)state);
}

/* Stores the states of step `t`, zeros for sequences that are over. */
static void recurrent_store(const recurrent *d, ptrdiff_t index, ptrdiff_t t) {
  const onnxc_rt_recurrent *call = d->call;
  const size_t bytes = (size_t)call->hidden * sizeof *d->h;
  float *to = call->y + (t * call->directions + index) * call->batch * call->hidden;
  for (ptrdiff_t i = 0; i < call->batch; i++, to += call->hidden) {
    if (recurrent_is_over(d, t, i)) {
      memset(to, 0, bytes);
    } else {
      memcpy(to, d->h + i * call->hidden, bytes);
    }
  }
}

static void recurrent_walk(const recurrent *d, ptrdiff_t index, int reverse) {
  const onnxc_rt_recurrent *call = d->call;
  for (ptrdiff_t done = 0, steps; done < call->steps; done += steps) {
    steps = onnxc_rt_min_size(ONNXC_RT_RECURRENT_STEPS, call->steps - done);
    const ptrdiff_t first = reverse ? call->steps - done - steps : done;
    onnxc_rt_recurrent_multiply(d, call->x + first * call->batch * call->input, steps * call->batch,
                                call->input, d->w, d->packed_w, RECURRENT_ALL, d->all_gates);
    for (ptrdiff_t i = 0; i < steps; i++) {
      const ptrdiff_t at = reverse ? steps - 1 - i : i;
      d->step(d, first + at, d->all_gates + at * call->batch * d->row);
      if (call->y != NULL) recurrent_store(d, index, first + at);
    }
  }
}

static void recurrent_finish(const recurrent *d, ptrdiff_t index) {
  const ptrdiff_t state = d->call->batch * d->call->hidden;
  const size_t bytes = (size_t)state * sizeof *d->h;
  if (d->call->y_h != NULL) memcpy(d->call->y_h + index * state, d->h, bytes);
  if (d->call->y_c != NULL) memcpy(d->call->y_c + index * state, d->c, bytes);
}

int onnxc_rt_recurrent_f32(const onnxc_rt_recurrent *call, ptrdiff_t gates, recurrent_step *step) {
  const ptrdiff_t state = call->batch * call->hidden;
  recurrent d = {.call = call, .gates = gates, .row = gates * call->hidden, .step = step};
  if (state == 0) return ONNXC_RT_OK;
  d.gemm = call->scratch;
  d.h = d.gemm + onnxc_rt_recurrent_product(call, d.row);
  d.c = d.h + state;
  d.reset = d.c + state;
  d.bias = d.reset + state;
  d.products = d.bias + d.row + call->hidden;
  d.all_gates = d.products + call->batch * d.row;
  for (ptrdiff_t index = 0; index < call->directions; index++) {
    recurrent_start(&d, index);
    recurrent_walk(&d, index, index == 1 || call->reverse != 0);
    recurrent_finish(&d, index);
  }
  return ONNXC_RT_OK;
}
