#include "runtime/kernels.h"

VARIANTS(onnxc_rt_conv_f32, onnxc_rt_conv)

static ptrdiff_t volume(const ptrdiff_t size[3]) {
  return size[0] * size[1] * size[2];
}

/* One output by the definition; `scale` gets the sum of the magnitudes. */
static double convolve(const onnxc_rt_conv *c, ptrdiff_t image, ptrdiff_t channel, ptrdiff_t o[3],
                       double *scale) {
  const ptrdiff_t depth = c->in_channels / c->groups;
  const ptrdiff_t first = channel / (c->out_channels / c->groups) * depth;
  double sum = c->bias == NULL ? 0 : (double)c->bias[channel];
  ptrdiff_t k[3], i[3];
  for (ptrdiff_t p = 0; p < depth * volume(c->kernel); p++) {
    ptrdiff_t rest = p, in_channel = first + p / volume(c->kernel);
    bool inside = true;
    for (int axis = 2; axis >= 0; axis--) {
      k[axis] = rest % c->kernel[axis];
      rest /= c->kernel[axis];
      i[axis] = o[axis] * c->stride[axis] + k[axis] * c->dilation[axis] - c->pad[axis];
      inside &= i[axis] >= 0 && i[axis] < c->in[axis];
    }
    if (!inside) continue;
    const ptrdiff_t at = (image * c->in_channels + in_channel) * onnxc_rt_plane(c->x_plane, c->in) +
                         (i[0] * c->in[1] + i[1]) * c->in[2] + i[2];
    const double term = (double)c->x[at] * (double)c->w[channel * depth * volume(c->kernel) + p];
    sum += term;
    *scale += fabs(term);
  }
  return sum;
}

static void check_results(const onnxc_rt_conv *c, const float *results, const char *variant) {
  ptrdiff_t o[3];
  for (ptrdiff_t row = 0; row < c->batch * c->out_channels; row++) {
    for (o[0] = 0; o[0] < c->out[0]; o[0]++) {
      for (o[1] = 0; o[1] < c->out[1]; o[1]++) {
        for (o[2] = 0; o[2] < c->out[2]; o[2]++) {
          double scale = 0;
          const double sum = convolve(c, row / c->out_channels, row % c->out_channels, o, &scale);
          check_close(sum, *results++, scale, variant);
        }
      }
    }
  }
}

static void run_case(onnxc_rt_conv c, bool epilogue, uint64_t *seed) {
  if (random_size(seed, 0, 2) == 0) c.x_plane = volume(c.in) + random_size(seed, 0, 40);
  const ptrdiff_t planes = c.batch * c.in_channels, plane = onnxc_rt_plane(c.x_plane, c.in);
  const ptrdiff_t x_size = planes == 0 ? 0 : (planes - 1) * plane + volume(c.in);
  const ptrdiff_t w_size = c.out_channels * c.in_channels / c.groups * volume(c.kernel);
  const ptrdiff_t rows = c.batch * c.out_channels, columns = volume(c.out);
  const ptrdiff_t scratch_size = onnxc_rt_conv_f32_scratch(&c);
  float *x = guarded_random(seed, x_size), *w = guarded_random(seed, w_size);
  float *bias = guarded_random(seed, c.out_channels);
  c.x = x;
  c.w = w;
  c.bias = random_size(seed, 0, 1) == 0 ? NULL : bias;
  c.first_row = 5;
  FOR_EACH_VARIANT(onnxc_rt_conv_f32, v) {
    float *results = guarded_new(rows * columns);
    const Recorder recorder = {results, rows, columns, c.first_row};
    c.y = epilogue ? NULL : results;
    c.epilogue = epilogue ? record : NULL;
    c.context = &recorder;
    c.scratch = guarded_new(scratch_size);
    assert_int_equal(onnxc_rt_conv_f32_variants[v].run(&c), ONNXC_RT_OK);
    check_results(&c, results, onnxc_rt_conv_f32_variants[v].name);
    guarded_free(results, rows * columns);
    guarded_free(c.scratch, scratch_size);
  }
  guarded_free(x, x_size);
  guarded_free(w, w_size);
  guarded_free(bias, c.out_channels);
}

/* A case with `axes` random spatial axes; some padding lies beyond the kernel's reach. */
static onnxc_rt_conv random_case(int axes, ptrdiff_t groups, ptrdiff_t in, ptrdiff_t out,
                                 ptrdiff_t largest, uint64_t *seed) {
  onnxc_rt_conv c = {.batch = random_size(seed, 1, 2), .groups = groups};
  c.in_channels = groups * in;
  c.out_channels = groups * out;
  for (int axis = 0; axis < 3; axis++) {
    const bool there = axis >= 3 - axes;
    c.kernel[axis] = there ? random_size(seed, 1, 4) : 1;
    c.stride[axis] = there ? random_size(seed, 1, 3) : 1;
    c.dilation[axis] = there ? random_size(seed, 1, 2) : 1;
    c.in[axis] = there ? random_size(seed, 1, largest) : 1;
    c.pad[axis] = there ? random_size(seed, 0, 3) : 0;
    const ptrdiff_t reach = (c.kernel[axis] - 1) * c.dilation[axis] + 1;
    const ptrdiff_t padded = c.in[axis] + c.pad[axis] + (there ? random_size(seed, 0, 3) : 0);
    c.out[axis] = padded < reach ? 0 : (padded - reach) / c.stride[axis] + 1;
  }
  return c;
}

static void random_convolutions_are_right(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int i = 0; i < 120; i++) {
    const int axes = 1 + i % 3;
    const ptrdiff_t largest = axes == 1 ? 70 : axes == 2 ? 20 : 7;
    const ptrdiff_t groups = i % 4 == 0 ? 2 : 1;
    run_case(random_case(axes, groups, random_size(&seed, 2, 5), random_size(&seed, 1, 15), largest,
                         &seed),
             i % 2 == 0, &seed);
  }
}

static void depthwise_convolutions_are_right(void **state) {
  (void)state;
  uint64_t seed = 2;
  for (int i = 0; i < 90; i++) {
    const int axes = 1 + i % 3;
    const ptrdiff_t largest = axes == 1 ? 200 : axes == 2 ? 80 : 9;
    run_case(
        random_case(axes, random_size(&seed, 1, 3), 1, random_size(&seed, 1, 2), largest, &seed),
        i % 2 == 0, &seed);
  }
}

static void pointwise_convolutions_are_right(void **state) {
  (void)state;
  uint64_t seed = 3;
  for (int i = 0; i < 30; i++) {
    onnxc_rt_conv c = {.batch = 2, .groups = 1 + i % 2};
    c.in_channels = c.groups * random_size(&seed, 2, 40);
    c.out_channels = c.groups * random_size(&seed, 1, 40);
    for (int axis = 0; axis < 3; axis++) {
      c.kernel[axis] = c.stride[axis] = c.dilation[axis] = 1;
      c.in[axis] = c.out[axis] = axis == 0 || i % 5 == 0 ? 1 : random_size(&seed, 1, 12);
    }
    run_case(c, i % 2 == 0, &seed);
  }
}

/* Products longer than a block of k, whose strips start in the middle of a channel. */
static void deep_convolutions_are_right(void **state) {
  (void)state;
  uint64_t seed = 4;
  const onnxc_rt_conv c = {.batch = 1,
                           .groups = 1,
                           .in_channels = 130,
                           .out_channels = 14,
                           .in = {1, 7, 9},
                           .out = {1, 7, 9},
                           .kernel = {1, 3, 3},
                           .stride = {1, 1, 1},
                           .dilation = {1, 1, 1},
                           .pad = {0, 1, 1}};
  run_case(c, true, &seed);
  run_case(c, false, &seed);
}

/* One input channel in each group, and so many outputs that it is not worth going along rows. */
static void single_channels_are_right(void **state) {
  (void)state;
  uint64_t seed = 6;
  for (int i = 0; i < 60; i++) {
    const int axes = 1 + i % 3;
    const ptrdiff_t largest = axes == 1 ? 70 : axes == 2 ? 20 : 7;
    run_case(
        random_case(axes, random_size(&seed, 1, 2), 1, random_size(&seed, 6, 20), largest, &seed),
        i % 2 == 0, &seed);
  }
}

/* Windows of a signal, without padding; often the last one ends before the signal does. */
static void frames_are_right(void **state) {
  (void)state;
  uint64_t seed = 7;
  for (int i = 0; i < 60; i++) {
    onnxc_rt_conv c =
        random_case(1, random_size(&seed, 1, 2), 1, random_size(&seed, 8, 40), 9, &seed);
    c.kernel[2] = random_size(&seed, 1, 40);
    c.out[2] = random_size(&seed, 1, 40);
    c.pad[2] = 0;
    c.in[2] = (c.out[2] - 1) * c.stride[2] + (c.kernel[2] - 1) * c.dilation[2] + 1 +
              random_size(&seed, 0, 2);
    run_case(c, i % 2 == 0, &seed);
  }
}

static void empty_sizes_are_right(void **state) {
  (void)state;
  uint64_t seed = 5;
  for (int i = 0; i < 6; i++) {
    onnxc_rt_conv c = random_case(2, i < 3 ? 1 : 3, i < 3 ? 2 : 1, 2, 9, &seed);
    if (i % 3 == 0) c.batch = 0;
    if (i % 3 == 1) c.out[1] = 0;
    if (i % 3 == 2) c.out[2] = 0;
    run_case(c, false, &seed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_convolutions_are_right),
      cmocka_unit_test(depthwise_convolutions_are_right),
      cmocka_unit_test(pointwise_convolutions_are_right),
      cmocka_unit_test(deep_convolutions_are_right),
      cmocka_unit_test(single_channels_are_right),
      cmocka_unit_test(frames_are_right),
      cmocka_unit_test(empty_sizes_are_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
