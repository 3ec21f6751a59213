/* The program around a generated model that `onnxc test`, `run` and `bench` build: it reads a
 * request file, runs the model, and writes a response file. Products do not link this.
 *
 * Both files are in the machine's own byte order; every number is an int64 unless said otherwise.
 * Request: the sizes; each input as bytes, strings (0: it is no string tensor), data; the bytes and
 * strings of each output; the bytes of a state and these, 0: one without history. Response: the
 * code that the model returned, the number of timed runs, the seconds of each (double); then for
 * code 0 the seconds of each step in each run where the model was compiled for a profile, the sizes
 * that the model found, the bytes and data of each output, and the state. The data of a string
 * tensor are, for each string, its size and its bytes. Every run begins with the same state. */
#ifndef ONNXC_HARNESS_H
#define ONNXC_HARNESS_H

#include "onnxc_rt.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct onnxc_harness_model {
  int n_in, n_out;
  int n_sizes, n_found; /* sizes that the caller gives, and those known only after the run */
  size_t arena_bytes, arena_align;
  int makes_text;                               /* it needs memory for new strings */
  size_t state_bytes, state_align, state_begin; /* what of the beginning a run changes in place */
  int (*reset)(void *state);                    /* NULL: there is no state */
  int n_steps;                                  /* in a profile; 0: none is made */
  /* Calls the model; `text` and `state` are NULL when it needs none. */
  int (*run)(const int64_t *sizes, int64_t *found, const void *const *in, void *const *out,
             void *arena, void *state, char *text, ptrdiff_t text_bytes, const onnxc_rt_env *env);
} onnxc_harness_model;

enum {
  ONNXC_HARNESS_OK = 0,
  ONNXC_HARNESS_IO = 5,      /* request or response file */
  ONNXC_HARNESS_OVERRUN = 6, /* the model wrote past an output or the arena */
  ONNXC_HARNESS_MEMORY = 8,
  ONNXC_HARNESS_THREADS = 9 /* they cannot be started */
};

/* PROGRAM REQUEST RESPONSE [RUNS [WARM_UP [THREADS]]]; by default one run on one thread. */
int onnxc_harness_main(const onnxc_harness_model *model, int argc, char **argv);

/* What a model that is compiled for a profile calls around each step, nested ones included. */
void onnxc_harness_enter(int step);
void onnxc_harness_leave(int step);

#ifdef __cplusplus
}
#endif

#endif
