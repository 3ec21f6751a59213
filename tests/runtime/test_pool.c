#include "runtime/kernels.h"

VARIANTS(onnxc_rt_pool_f32, onnxc_rt_pool)

static ptrdiff_t volume(const ptrdiff_t size[3]) {
  return size[0] * size[1] * size[2];
}

/* One output by the definition. */
static double pool(const onnxc_rt_pool *p, const float *x, const ptrdiff_t o[3]) {
  double maximum = (double)-INFINITY, sum = 0;
  ptrdiff_t met = 0, in_pads = 0, i[3];
  for (ptrdiff_t tap = 0; tap < volume(p->kernel); tap++) {
    const ptrdiff_t k[3] = {tap / p->kernel[2] / p->kernel[1], tap / p->kernel[2] % p->kernel[1],
                            tap % p->kernel[2]};
    bool inside = true, padded = true;
    for (int axis = 0; axis < 3; axis++) {
      i[axis] = o[axis] * p->stride[axis] + k[axis] * p->dilation[axis] - p->pad[axis];
      inside &= i[axis] >= 0 && i[axis] < p->in[axis];
      padded &= i[axis] < p->in[axis] + p->pad_end[axis];
    }
    in_pads += padded;
    if (!inside) continue;
    const double value = (double)x[(i[0] * p->in[1] + i[1]) * p->in[2] + i[2]];
    met++;
    sum += value;
    if (isnan(value) || value > maximum) maximum = value;
    if (isnan(maximum)) break;
  }
  if (!p->average) return maximum;
  const ptrdiff_t divisor = p->count_include_pad ? in_pads : met;
  return sum / (double)(divisor > 0 ? divisor : 1);
}

static void check_results(const onnxc_rt_pool *p, const float *results, const char *variant) {
  ptrdiff_t o[3];
  for (ptrdiff_t row = 0; row < p->rows; row++) {
    for (o[0] = 0; o[0] < p->out[0]; o[0]++) {
      for (o[1] = 0; o[1] < p->out[1]; o[1]++) {
        for (o[2] = 0; o[2] < p->out[2]; o[2]++) {
          const double expected = pool(p, p->x + row * onnxc_rt_plane(p->x_plane, p->in), o);
          const float got = *results++;
          if (isnan(expected) || isinf(expected)) {
            assert_true(isnan(expected) ? isnan(got) : (double)got == expected);
          } else {
            check_close(expected, got, 1, variant);
          }
        }
      }
    }
  }
}

static void run_case(onnxc_rt_pool p, bool epilogue, uint64_t *seed) {
  if (random_size(seed, 0, 2) == 0) p.x_plane = volume(p.in) + random_size(seed, 0, 40);
  const ptrdiff_t plane = onnxc_rt_plane(p.x_plane, p.in), columns = volume(p.out);
  const ptrdiff_t x_size = p.rows == 0 ? 0 : (p.rows - 1) * plane + volume(p.in);
  const ptrdiff_t scratch_size = onnxc_rt_pool_f32_scratch(&p);
  float *x = guarded_random(seed, x_size);
  if (!p.average && x_size > 0) x[random_size(seed, 0, x_size - 1)] = NAN;
  p.x = x;
  p.first_row = 2;
  FOR_EACH_VARIANT(onnxc_rt_pool_f32, v) {
    float *results = guarded_new(p.rows * columns);
    const Recorder recorder = {results, p.rows, columns, p.first_row};
    p.y = epilogue ? NULL : results;
    p.epilogue = epilogue ? record : NULL;
    p.context = &recorder;
    p.scratch = guarded_new(scratch_size);
    assert_int_equal(onnxc_rt_pool_f32_variants[v].run(&p), ONNXC_RT_OK);
    check_results(&p, results, onnxc_rt_pool_f32_variants[v].name);
    guarded_free(results, p.rows * columns);
    guarded_free(p.scratch, scratch_size);
  }
  guarded_free(x, x_size);
}

static void random_pools_are_right(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int n = 0; n < 150; n++) {
    const int axes = 1 + n % 3;
    onnxc_rt_pool p = {.rows = random_size(&seed, 0, 3)};
    p.average = n / 2 % 2;
    p.count_include_pad = n / 4 % 2;
    for (int axis = 0; axis < 3; axis++) {
      const bool there = axis >= 3 - axes;
      p.kernel[axis] = there ? random_size(&seed, 1, 4) : 1;
      p.stride[axis] = there ? random_size(&seed, 1, 3) : 1;
      p.dilation[axis] = there ? random_size(&seed, 1, 2) : 1;
      p.in[axis] = there ? random_size(&seed, 1, axes == 1 ? 70 : axes == 2 ? 20 : 7) : 1;
      p.pad[axis] = there ? random_size(&seed, 0, 3) : 0;
      p.pad_end[axis] = there ? random_size(&seed, 0, 3) : 0;
      const ptrdiff_t reach = (p.kernel[axis] - 1) * p.dilation[axis] + 1;
      const ptrdiff_t room = p.in[axis] + p.pad[axis] + p.pad_end[axis] - reach;
      const ptrdiff_t rounding = n / 8 % 2 == 1 ? p.stride[axis] - 1 : 0; /* ceil_mode */
      p.out[axis] = room < 0 ? 0 : (room + rounding) / p.stride[axis] + 1;
    }
    run_case(p, n % 2 == 0, &seed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_pools_are_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
