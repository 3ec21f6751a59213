#include "onnxc_rt_threads.h"

#include <errno.h>

/* Parts that one thread gets on average: more even out unequal speeds, fewer cost less. */
enum { PARTS_PER_THREAD = 4 };

/* Works on parts until none is left. The mutex is held on entry and on return. */
static void take_parts(onnxc_rt_threads *pool) {
  while (pool->next < pool->count) {
    ptrdiff_t begin = pool->next;
    ptrdiff_t end = pool->count - begin > pool->part ? begin + pool->part : pool->count;
    pool->next = end;
    pthread_mutex_unlock(&pool->mutex);
    pool->body(pool->argument, begin, end);
    pthread_mutex_lock(&pool->mutex);
  }
}

static void *worker(void *argument) {
  onnxc_rt_threads *pool = argument;
  unsigned seen = 0;
  pthread_mutex_lock(&pool->mutex);
  for (;;) {
    while (pool->turn == seen && !pool->stop) pthread_cond_wait(&pool->work, &pool->mutex);
    if (pool->stop) break;
    seen = pool->turn;
    take_parts(pool);
    if (--pool->busy == 0) pthread_cond_signal(&pool->done);
  }
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

/* Returns when every worker has seen that nothing is left: then none still works on a part. */
static void parallel_for(void *context, ptrdiff_t count,
                         void (*body)(void *argument, ptrdiff_t begin, ptrdiff_t end),
                         void *argument) {
  onnxc_rt_threads *pool = context;
  ptrdiff_t parts = (ptrdiff_t)(pool->n_workers + 1) * PARTS_PER_THREAD;
  pthread_mutex_lock(&pool->mutex);
  pool->body = body;
  pool->argument = argument;
  pool->next = 0;
  pool->count = count;
  pool->part = (count + parts - 1) / parts;
  pool->busy = pool->n_workers;
  pool->turn++;
  pthread_cond_broadcast(&pool->work);
  take_parts(pool);
  while (pool->busy != 0) pthread_cond_wait(&pool->done, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
}

int onnxc_rt_threads_start(onnxc_rt_threads *pool, int threads) {
  if (threads < 1 || threads > ONNXC_RT_THREADS_MAX) return EINVAL;
  *pool = (onnxc_rt_threads){.turn = 0};
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->work, NULL);
  pthread_cond_init(&pool->done, NULL);
  int error = 0;
  while (error == 0 && pool->n_workers < threads - 1) {
    error = pthread_create(&pool->workers[pool->n_workers], NULL, worker, pool);
    if (error == 0) pool->n_workers++;
  }
  if (error != 0) onnxc_rt_threads_stop(pool);
  return error;
}

void onnxc_rt_threads_stop(onnxc_rt_threads *pool) {
  pthread_mutex_lock(&pool->mutex);
  pool->stop = 1;
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->mutex);
  for (int i = 0; i < pool->n_workers; i++) pthread_join(pool->workers[i], NULL);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->work);
  pthread_mutex_destroy(&pool->mutex);
}

onnxc_rt_env onnxc_rt_threads_env(onnxc_rt_threads *pool) {
  return (onnxc_rt_env){.context = pool, .parallel_for = parallel_for};
}
