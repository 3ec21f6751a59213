/* A thread pool for onnxc_rt_env, on POSIX threads. Optional: a product may bring its own
 * parallel_for, or none. */
#ifndef ONNXC_RT_THREADS_H
#define ONNXC_RT_THREADS_H

#include "onnxc_rt.h"

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ONNXC_RT_THREADS_MAX = 256 };

/* The caller's memory; members are private. One parallel_for runs at a time. */
typedef struct onnxc_rt_threads {
  pthread_mutex_t mutex;
  pthread_cond_t work, done;
  pthread_t workers[ONNXC_RT_THREADS_MAX];
  int n_workers, busy, stop;
  unsigned turn; /* of parallel_for; a change calls the workers */
  void (*body)(void *argument, ptrdiff_t begin, ptrdiff_t end);
  void *argument;
  ptrdiff_t next, count, part;
} onnxc_rt_threads;

/* `threads` includes the one that calls parallel_for. 0, or an error of pthreads. */
int onnxc_rt_threads_start(onnxc_rt_threads *pool, int threads);
void onnxc_rt_threads_stop(onnxc_rt_threads *pool);
/* What N_run takes; valid while the pool runs. */
onnxc_rt_env onnxc_rt_threads_env(onnxc_rt_threads *pool);

#ifdef __cplusplus
}
#endif

#endif
