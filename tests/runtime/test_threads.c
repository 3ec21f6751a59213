/* The thread pool covers every index exactly once, whatever the sizes. */
#include "onnxc_rt_threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 1000 };

static void count_up(void *argument, ptrdiff_t begin, ptrdiff_t end) {
  unsigned char *counts = argument;
  for (ptrdiff_t i = begin; i < end; i++) counts[i]++;
}

static void covers_all_once(void **state) {
  (void)state;
  static const int threads[] = {1, 2, 3, 7};
  for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
    onnxc_rt_threads pool;
    assert_int_equal(onnxc_rt_threads_start(&pool, threads[t]), 0);
    onnxc_rt_env env = onnxc_rt_threads_env(&pool);
    for (ptrdiff_t count = 0; count < MOST; count = count * 3 / 2 + 1) {
      unsigned char counts[MOST] = {0}, once[MOST] = {0};
      memset(once, 1, (size_t)count);
      env.parallel_for(env.context, count, count_up, counts);
      assert_memory_equal(counts, once, MOST);
    }
    onnxc_rt_threads_stop(&pool);
  }
}

static void refuses_silly_numbers(void **state) {
  (void)state;
  onnxc_rt_threads pool;
  assert_int_not_equal(onnxc_rt_threads_start(&pool, 0), 0);
  assert_int_not_equal(onnxc_rt_threads_start(&pool, ONNXC_RT_THREADS_MAX + 1), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(covers_all_once),
                                     cmocka_unit_test(refuses_silly_numbers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
