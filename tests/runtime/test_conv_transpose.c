#include "runtime/kernels.h"

VARIANTS(onnxc_rt_conv_transpose_f32, onnxc_rt_conv)

static ptrdiff_t volume(const ptrdiff_t size[3]) {
  return size[0] * size[1] * size[2];
}

static void split(ptrdiff_t index, const ptrdiff_t size[3], ptrdiff_t at[3]) {
  at[2] = index % size[2];
  at[1] = index / size[2] % size[1];
  at[0] = index / size[2] / size[1];
}

/* Everything that input (image, channel, i) contributes, by the definition. */
static void scatter(const onnxc_rt_conv *c, ptrdiff_t image, ptrdiff_t channel, ptrdiff_t i,
                    double *sums) {
  const ptrdiff_t per_group = c->out_channels / c->groups, taps = volume(c->kernel);
  const ptrdiff_t group = channel / (c->in_channels / c->groups);
  const double x = (double)c->x[(image * c->in_channels + channel) * volume(c->in) + i];
  ptrdiff_t at[3], k[3], o[3];
  split(i, c->in, at);
  for (ptrdiff_t p = 0; p < per_group * taps; p++) {
    split(p % taps, c->kernel, k);
    bool inside = true;
    for (int axis = 0; axis < 3; axis++) {
      o[axis] = at[axis] * c->stride[axis] + k[axis] * c->dilation[axis] - c->pad[axis];
      inside &= o[axis] >= 0 && o[axis] < c->out[axis];
    }
    if (!inside) continue;
    const ptrdiff_t row = image * c->out_channels + group * per_group + p / taps;
    sums[row * volume(c->out) + (o[0] * c->out[1] + o[1]) * c->out[2] + o[2]] +=
        x * (double)c->w[channel * per_group * taps + p];
  }
}

static double *expected_results(const onnxc_rt_conv *c) {
  const ptrdiff_t rows = c->batch * c->out_channels, columns = volume(c->out);
  double *sums = calloc((size_t)(rows * columns) + 1, sizeof *sums);
  for (ptrdiff_t row = 0; row < c->batch * c->in_channels; row++) {
    for (ptrdiff_t i = 0; i < volume(c->in); i++) {
      scatter(c, row / c->in_channels, row % c->in_channels, i, sums);
    }
  }
  for (ptrdiff_t i = 0; c->bias != NULL && i < rows * columns; i++) {
    sums[i] += (double)c->bias[i / columns % c->out_channels];
  }
  return sums;
}

static void run_case(onnxc_rt_conv c, bool epilogue, uint64_t *seed) {
  const ptrdiff_t x_size = c.batch * c.in_channels * volume(c.in);
  const ptrdiff_t w_size = c.in_channels * c.out_channels / c.groups * volume(c.kernel);
  const ptrdiff_t rows = c.batch * c.out_channels, columns = volume(c.out);
  const ptrdiff_t scratch_size = onnxc_rt_conv_transpose_f32_scratch(&c);
  float *x = guarded_random(seed, x_size), *w = guarded_random(seed, w_size);
  float *bias = guarded_random(seed, c.out_channels);
  c.x = x;
  c.w = w;
  c.bias = random_size(seed, 0, 1) == 0 ? NULL : bias;
  c.first_row = 3;
  double *expected = expected_results(&c);
  FOR_EACH_VARIANT(onnxc_rt_conv_transpose_f32, v) {
    float *results = guarded_new(rows * columns);
    const Recorder recorder = {results, rows, columns, c.first_row};
    c.y = epilogue ? NULL : results;
    c.epilogue = epilogue ? record : NULL;
    c.context = &recorder;
    c.scratch = guarded_new(scratch_size);
    assert_int_equal(onnxc_rt_conv_transpose_f32_variants[v].run(&c), ONNXC_RT_OK);
    for (ptrdiff_t i = 0; i < rows * columns; i++) {
      check_close(expected[i], results[i], 10, onnxc_rt_conv_transpose_f32_variants[v].name);
    }
    guarded_free(results, rows * columns);
    guarded_free(c.scratch, scratch_size);
  }
  free(expected);
  guarded_free(x, x_size);
  guarded_free(w, w_size);
  guarded_free(bias, c.out_channels);
}

static void random_convolutions_are_right(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int i = 0; i < 90; i++) {
    const int axes = 1 + i % 3;
    onnxc_rt_conv c = {.batch = random_size(&seed, 0, 2), .groups = 1 + i % 2};
    c.in_channels = c.groups * random_size(&seed, 1, 5);
    c.out_channels = c.groups * random_size(&seed, 1, 5);
    for (int axis = 0; axis < 3; axis++) {
      const bool there = axis >= 3 - axes;
      c.kernel[axis] = there ? random_size(&seed, 1, 4) : 1;
      c.stride[axis] = there ? random_size(&seed, 1, 3) : 1;
      c.dilation[axis] = there ? random_size(&seed, 1, 2) : 1;
      c.in[axis] = there ? random_size(&seed, 1, axes == 1 ? 50 : axes == 2 ? 12 : 5) : 1;
      c.pad[axis] = there ? random_size(&seed, 0, 3) : 0;
      const ptrdiff_t whole =
          (c.in[axis] - 1) * c.stride[axis] + (c.kernel[axis] - 1) * c.dilation[axis] + 1;
      const ptrdiff_t out = whole - c.pad[axis] + (there ? random_size(&seed, -2, 2) : 0);
      c.out[axis] = out < 0 ? 0 : out;
    }
    run_case(c, i % 2 == 0, &seed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_convolutions_are_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
