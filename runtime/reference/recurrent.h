/* What LSTM, GRU and RNN (in layout 0) share: the way through sequences, and a cell's products.
 *
 * Inputs X, W, R, [B], [sequence_lens], [initial_h], ... and outputs [Y], [Y_h], ...; attributes
 * direction, clip, activations, activation_alpha, activation_beta, ... */
#ifndef ONNXC_RT_REFERENCE_RECURRENT_H
#define ONNXC_RT_REFERENCE_RECURRENT_H

#include "reference/dot.h"
#include "reference/element.h"
#include "reference/recurrent_activation.h"

enum { ONNXC_RT_RECURRENT_PARAMS = 5 };

typedef struct onnxc_rt_ref_recurrent onnxc_rt_ref_recurrent;

/* One step of a cell: reads and replaces `h` (and `c`). */
typedef void onnxc_rt_cell(onnxc_rt_ref_recurrent *r);

struct onnxc_rt_ref_recurrent {
  const onnxc_rt_call *call;
  int64_t steps, batch, input, hidden, directions;
  int64_t gates;      /* rows of W are gates * hidden */
  int64_t d, b, t;    /* where the cell is */
  onnxc_rt_tensor h;  /* hidden elements of the type of X */
  onnxc_rt_tensor h2; /* the same, for the cell's use */
  double *c, *gate;   /* the cell state, and `gates` rows for the cell's use */
  onnxc_rt_activation f[3];
};

/* Runs the cell over all sequences. `fallback`: names of the `n` activations of a direction. An
 * input and output 2 for the cell state are used when `has_c`. Scratch: 8 bytes for each of
 * (gates + 3) * hidden elements. ONNXC_RT_ERROR_VALUE when a sequence length is outside. */
int onnxc_rt_recurrent_run(const onnxc_rt_call *call, int64_t gates, const char *const *fallback,
                           int32_t n, int has_c, onnxc_rt_cell *cell);

/* What the run is made of, for operators that go through sequences in an order of their own. */
void onnxc_rt_recurrent_set_activations(onnxc_rt_ref_recurrent *r, const char *const *fallback,
                                        int32_t n);
/* Initial states of sequence `b` in direction `d` into `h` and `c`; and those to the outputs. */
void onnxc_rt_recurrent_load_states(onnxc_rt_ref_recurrent *r, int has_c);
void onnxc_rt_recurrent_store_states(const onnxc_rt_ref_recurrent *r, int has_c);
/* `h` to Y, where that is there. */
void onnxc_rt_recurrent_store_y(const onnxc_rt_ref_recurrent *r);

/* The step of an LSTM once `gate` has the products, with their biases. */
void onnxc_rt_lstm_cell(onnxc_rt_ref_recurrent *r);

/* Row `row` of W times the input, and of R times `h`, each with its bias. */
double onnxc_rt_recurrent_x(const onnxc_rt_ref_recurrent *r, int64_t row);
double onnxc_rt_recurrent_h(const onnxc_rt_ref_recurrent *r, int64_t row, const onnxc_rt_tensor *h);

/* Activation `i` of the direction, on an input that is clipped when the attribute is there. */
double onnxc_rt_recurrent_activate(const onnxc_rt_ref_recurrent *r, int i, double x);

#endif
