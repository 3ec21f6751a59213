/* What LSTM and GRU share: directions, time, states, and the products with the weights. Its source
 * is kernels/recurrent_f32.c. */
#ifndef ONNXC_RT_RECURRENT_F32_H
#define ONNXC_RT_RECURRENT_F32_H

#include "onnxc_rt_kernels.h"

typedef struct recurrent recurrent;

/* Brings the states of every sequence from one step to the next: gates[batch][gates hidden] are the
 * products with this step's input. Sequences that have ended keep theirs: recurrent_is_over. */
typedef void recurrent_step(const recurrent *d, ptrdiff_t t, const float *gates);

/* One direction of a call. */
struct recurrent {
  const onnxc_rt_recurrent *call;
  ptrdiff_t gates, row; /* row: gates hidden */
  recurrent_step *step;
  const float *w, *r, *packed_w, *packed_r, *peephole;
  /* in scratch: */
  float *h, *c; /* states [batch][hidden] */
  float *bias;  /* [gates hidden], those of w and r together; then what is left apart, [hidden] */
  float *products;  /* [batch][gates hidden] */
  float *reset;     /* [batch][hidden] */
  float *all_gates; /* [ONNXC_RT_RECURRENT_STEPS][batch][gates hidden] */
  float *gemm;
};

ONNXC_RT_INLINE int recurrent_is_over(const recurrent *d, ptrdiff_t t, ptrdiff_t sequence) {
  return d->call->lengths != NULL && t >= d->call->lengths[sequence];
}

/* The bound of activations. */
ONNXC_RT_INLINE float recurrent_clip(const recurrent *d) {
  return d->call->clip > 0.0f ? d->call->clip : INFINITY;
}

/* to[rows][d->row] = from[rows][k] times the weights' gates, all of them, but the last, or the last
 * alone; `weights` are w or r, `packed` their panels. */
enum { RECURRENT_ALL, RECURRENT_FIRST, RECURRENT_LAST };
void onnxc_rt_recurrent_multiply(const recurrent *d, const float *from, ptrdiff_t rows, ptrdiff_t k,
                                 const float *weights, const float *packed, int which, float *to);

int onnxc_rt_recurrent_f32(const onnxc_rt_recurrent *call, ptrdiff_t gates, recurrent_step *step);

#endif
