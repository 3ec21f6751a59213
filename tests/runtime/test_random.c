/* What streams of random numbers depend on, and that they are the same on every machine. */
#include "support.h"

#include "onnxc_rt_reference.h"
#include "reference/stream.h"

#include <string.h>

enum { COUNT = 64 };

typedef struct Draw {
  uint64_t seed, turn; /* of the call */
  int64_t stream;
  int seeded;
  double own; /* the node's seed */
} Draw;

static void draw(const Draw *d, float *numbers) {
  int64_t dims[1] = {COUNT};
  const onnxc_rt_attr attrs[] = {
      {.present = d->seeded, .f = d->own}, {.present = 1, .i = d->stream}, {.f = 1}, {.f = 0}};
  onnxc_rt_tensor out = {numbers, dims, 1, ONNXC_RT_F32};
  const onnxc_rt_call call = {
      .out = &out, .attr = attrs, .n_out = 1, .seed = d->seed, .turn = d->turn};
  assert_int_equal(onnxc_rt_ref_random_uniform(&call), ONNXC_RT_OK);
}

static int differs(Draw a, Draw b) {
  float x[COUNT], y[COUNT];
  draw(&a, x);
  draw(&b, y);
  int equal = 0;
  for (int i = 0; i < COUNT; i++) equal += memcmp(&x[i], &y[i], sizeof *x) == 0;
  assert_true(equal == 0 || equal == COUNT);
  return equal == 0;
}

static void streams_depend_on_what_they_should(void **state) {
  (void)state;
  const Draw node = {.stream = 3}, seeded = {.seeded = 1, .own = 3};
  assert_false(differs(node, node));
  assert_true(differs(node, (Draw){.stream = 4}));
  assert_true(differs(node, (Draw){.stream = 3, .seed = 1}));
  assert_true(differs(node, (Draw){.stream = 2, .seed = 1}));
  assert_true(differs(node, (Draw){.stream = 3, .turn = onnxc_rt_turn(0, 0)}));
  assert_true(differs((Draw){.stream = 3, .turn = onnxc_rt_turn(0, 1)},
                      (Draw){.stream = 3, .turn = onnxc_rt_turn(onnxc_rt_turn(0, 1), 0)}));
  assert_false(differs(seeded, (Draw){.seeded = 1, .own = 3, .stream = 5, .seed = 8}));
  assert_true(differs(seeded, (Draw){.seeded = 1, .own = 0}));
  assert_true(differs(seeded, (Draw){.seeded = 1, .own = 3, .turn = 1}));
  assert_true(differs(seeded, node));
}

/* Figures of an independent implementation. */
static void numbers_are_the_same_everywhere(void **state) {
  (void)state;
  assert_int_equal(onnxc_rt_mix(ONNXC_RT_GAMMA), UINT64_C(0xE220A8397B1DCDAF));
  assert_int_equal(onnxc_rt_mix(2 * ONNXC_RT_GAMMA), UINT64_C(0x6E789E6AA1B965F4));
  float numbers[COUNT];
  draw(&(Draw){.seeded = 1, .own = 7}, numbers);
  const double expected[] = {0x1.8491500000000p-4, 0x1.66b5400000000p-3, 0x1.05e2f80000000p-3,
                             0x1.a2f0fe0000000p-1};
  for (int i = 0; i < 4; i++) assert_true((double)numbers[i] == expected[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(streams_depend_on_what_they_should),
      cmocka_unit_test(numbers_are_the_same_everywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
