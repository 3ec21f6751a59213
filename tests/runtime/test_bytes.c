/* Products and convolutions of bytes are exact in every variant: compared with their definition, on
 * memory of just the right size, also with results that leave 32 bits. */
#include "runtime/kernels.h"

VARIANTS_I8(onnxc_rt_gemm_i8, onnxc_rt_gemm_bytes)
VARIANTS_I8(onnxc_rt_conv_i8, onnxc_rt_conv_bytes)
VARIANTS_I8(onnxc_rt_max_pool_i8, onnxc_rt_max_pool)
VARIANTS(onnxc_rt_pool_f32, onnxc_rt_pool)

enum { UNSET = INT32_MIN + 12345 };

/* `count` bytes; half of the time extreme ones only. */
static uint8_t *random_bytes(uint64_t *state, ptrdiff_t count) {
  static const uint8_t extremes[] = {0, 0x7f, 0x80, 0xff};
  uint8_t *bytes = malloc(count == 0 ? 1 : (size_t)count);
  const bool extreme = random_size(state, 0, 1) == 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    const uint32_t random = random_next(state);
    bytes[i] = extreme ? extremes[random % 4] : (uint8_t)(random >> 8);
  }
  return bytes;
}

/* Zero points: none, one, or one for each of `count`. */
static uint8_t *random_zeros(uint64_t *state, ptrdiff_t count, ptrdiff_t *stride) {
  const ptrdiff_t kind = random_size(state, 0, 2);
  *stride = kind == 2;
  return kind == 0 ? NULL : random_bytes(state, kind == 1 ? 1 : count);
}

static uint32_t number(const void *bytes, ptrdiff_t i, ptrdiff_t is_signed) {
  if (bytes == NULL) return 0;
  return (uint32_t)(is_signed ? ((const int8_t *)bytes)[i] : ((const uint8_t *)bytes)[i]);
}

static uint8_t *scratch_new(ptrdiff_t bytes) {
  return aligned_alloc(64, ((size_t)bytes + 64) / 64 * 64);
}

/* ---- an epilogue that records ---- */

typedef struct Results {
  int32_t *c;
  ptrdiff_t rows, columns, first_row;
} Results;

static void record_i32(const void *context, int32_t *accumulators, ptrdiff_t row, ptrdiff_t column,
                       ptrdiff_t count) {
  const Results *results = context;
  row -= results->first_row;
  assert_true(row >= 0 && row < results->rows);
  assert_true(column >= 0 && count > 0 && column + count <= results->columns);
  for (ptrdiff_t j = 0; j < count; j++) {
    int32_t *result = &results->c[row * results->columns + column + j];
    assert_int_equal(*result, UNSET);
    *result = accumulators[j];
    accumulators[j] = UNSET; /* they are the epilogue's to overwrite */
  }
}

static void clear(const Results *results) {
  for (ptrdiff_t i = 0; i < results->rows * results->columns; i++) results->c[i] = UNSET;
}

static void check(const Results *results, const int32_t *expected, const char *variant) {
  for (ptrdiff_t i = 0; i < results->rows * results->columns; i++) {
    if (results->c[i] == expected[i]) continue;
    fail_msg("%s: element %td is %d instead of %d", variant, i, results->c[i], expected[i]);
  }
}

/* ---- products ---- */

static void expect_product(const onnxc_rt_gemm_bytes *g, int32_t *c) {
  for (ptrdiff_t i = 0; i < g->m; i++) {
    for (ptrdiff_t j = 0; j < g->n; j++) {
      const uint32_t a_zero = number(g->a_zero, i * g->a_zero_stride, g->a_signed);
      const uint32_t b_zero = number(g->b_zero, j * g->b_zero_stride, g->b_signed);
      uint32_t sum = 0;
      for (ptrdiff_t p = 0; p < g->k; p++) {
        sum += (number(g->a, i * g->a_row + p * g->a_col, g->a_signed) - a_zero) *
               (number(g->b, p * g->b_row + j * g->b_col, g->b_signed) - b_zero);
      }
      c[i * g->n + j] = (int32_t)sum;
    }
  }
}

static void run_products(onnxc_rt_gemm_bytes *g, int32_t *expected, Results *results) {
  FOR_EACH_VARIANT(onnxc_rt_gemm_i8, v) {
    for (int epilogue = 0; epilogue < 2; epilogue++) {
      clear(results);
      g->epilogue = epilogue ? record_i32 : NULL;
      assert_int_equal(onnxc_rt_gemm_i8_variants[v].run(g), ONNXC_RT_OK);
      check(results, expected, onnxc_rt_gemm_i8_variants[v].name);
    }
  }
}

/* Both ways to give B. */
static void check_product(onnxc_rt_gemm_bytes *g) {
  const ptrdiff_t size = g->m * g->n == 0 ? 1 : g->m * g->n;
  int32_t *expected = malloc((size_t)size * sizeof *expected);
  Results results = {malloc((size_t)size * sizeof(int32_t)), g->m, g->n, g->first_row};
  const int in_place = onnxc_rt_gemm_i8_in_place(g->k, g->a_col);
  uint8_t *panels = malloc(onnxc_rt_packed_bytes((size_t)g->n, (size_t)g->k) + 1);
  uint32_t *sums = malloc(((size_t)g->n + 1) * sizeof *sums);
  expect_product(g, expected);
  g->c = results.c;
  g->c_row = g->n;
  g->context = &results;
  g->scratch = scratch_new(onnxc_rt_gemm_i8_scratch(g->m, g->n, g->k, in_place, 0));
  run_products(g, expected, &results);
  free(g->scratch);
  onnxc_rt_pack_bytes(g->b, g->k, g->n, g->b_row, g->b_col, g->a_signed == g->b_signed ? 0x80 : 0,
                      g->a_signed == 0, panels, sums);
  g->packed = panels;
  g->column_sums = sums;
  g->scratch = scratch_new(onnxc_rt_gemm_i8_scratch(g->m, g->n, g->k, in_place, 1));
  run_products(g, expected, &results);
  free(g->scratch);
  free(panels);
  free(sums);
  free(results.c);
  free(expected);
}

static void random_product(uint64_t *state, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
  onnxc_rt_gemm_bytes g = {.m = m, .n = n, .k = k, .first_row = random_size(state, 0, 3)};
  const bool a_turned = random_size(state, 0, 3) == 0, b_turned = random_size(state, 0, 1) == 0;
  uint8_t *a = random_bytes(state, m * k), *b = random_bytes(state, n * k);
  g.a = a;
  g.b = b;
  g.a_row = a_turned ? 1 : k;
  g.a_col = a_turned ? m : 1;
  g.b_row = b_turned ? 1 : n;
  g.b_col = b_turned ? k : 1;
  g.a_signed = random_size(state, 0, 1);
  g.b_signed = random_size(state, 0, 1);
  uint8_t *a_zero = random_zeros(state, m, &g.a_zero_stride);
  uint8_t *b_zero = random_zeros(state, n, &g.b_zero_stride);
  g.a_zero = a_zero;
  g.b_zero = b_zero;
  check_product(&g);
  free(a);
  free(b);
  free(a_zero);
  free(b_zero);
}

static void products_of_every_size(void **state) {
  (void)state;
  uint64_t random = 1;
  for (int draw = 0; draw < 300; draw++) {
    const ptrdiff_t m = random_size(&random, 0, draw % 4 == 0 ? 40 : 5);
    const ptrdiff_t n = random_size(&random, 0, draw % 3 == 0 ? 200 : 20);
    random_product(&random, m, n, random_size(&random, 0, draw % 5 == 0 ? 300 : 24));
  }
}

/* 70,000 products of the largest numbers are more than 2^32. */
static void products_modulo_their_range(void **state) {
  (void)state;
  uint64_t random = 2;
  for (int draw = 0; draw < 8; draw++) random_product(&random, 2, 3, 140001);
}

/* ---- convolutions ---- */

static ptrdiff_t volume(const ptrdiff_t size[3]) {
  return size[0] * size[1] * size[2];
}

/* In every third draw planes of the input lie apart. */
static ptrdiff_t random_plane(uint64_t *state, const ptrdiff_t in[3]) {
  return random_size(state, 0, 2) == 0 ? volume(in) + random_size(state, 0, 40) : 0;
}

static ptrdiff_t planes_size(ptrdiff_t planes, ptrdiff_t x_plane, const ptrdiff_t in[3]) {
  return planes == 0 ? 0 : (planes - 1) * onnxc_rt_plane(x_plane, in) + volume(in);
}

/* One output by the definition. */
static int32_t convolve(const onnxc_rt_conv_bytes *c, ptrdiff_t image, ptrdiff_t filter,
                        const ptrdiff_t o[3]) {
  const ptrdiff_t channels = c->in_channels / c->groups, taps = volume(c->kernel);
  const ptrdiff_t group = filter / (c->out_channels / c->groups);
  const uint32_t w_zero = number(c->w_zero, filter * c->w_zero_stride, c->w_signed);
  uint32_t sum = 0;
  for (ptrdiff_t tap = 0; tap < taps; tap++) {
    const ptrdiff_t k[3] = {tap / c->kernel[2] / c->kernel[1], tap / c->kernel[2] % c->kernel[1],
                            tap % c->kernel[2]};
    ptrdiff_t at = 0;
    bool inside = true;
    for (int axis = 0; axis < 3; axis++) {
      const ptrdiff_t i = o[axis] * c->stride[axis] + k[axis] * c->dilation[axis] - c->pad[axis];
      inside = inside && i >= 0 && i < c->in[axis];
      at = at * c->in[axis] + i;
    }
    for (ptrdiff_t channel = 0; inside && channel < channels; channel++) {
      const ptrdiff_t plane = image * c->in_channels + group * channels + channel;
      sum += (number(c->x, plane * onnxc_rt_plane(c->x_plane, c->in) + at, c->x_signed) -
              number(c->x_zero, 0, c->x_signed)) *
             (number(c->w, (filter * channels + channel) * taps + tap, c->w_signed) - w_zero);
    }
  }
  return (int32_t)sum;
}

static void expect_convolution(const onnxc_rt_conv_bytes *c, int32_t *y) {
  for (ptrdiff_t row = 0; row < c->batch * c->out_channels; row++) {
    for (ptrdiff_t at = 0; at < volume(c->out); at++) {
      const ptrdiff_t line = at / c->out[2];
      const ptrdiff_t o[3] = {line / c->out[1], line % c->out[1], at % c->out[2]};
      *y++ = convolve(c, row / c->out_channels, row % c->out_channels, o);
    }
  }
}

static void run_convolutions(onnxc_rt_conv_bytes *c, const int32_t *expected, Results *results) {
  c->scratch = scratch_new(onnxc_rt_conv_i8_scratch(c));
  FOR_EACH_VARIANT(onnxc_rt_conv_i8, v) {
    for (int epilogue = 0; epilogue < 2; epilogue++) {
      clear(results);
      c->epilogue = epilogue ? record_i32 : NULL;
      assert_int_equal(onnxc_rt_conv_i8_variants[v].run(c), ONNXC_RT_OK);
      check(results, expected, onnxc_rt_conv_i8_variants[v].name);
    }
  }
  free(c->scratch);
}

static void check_convolution(onnxc_rt_conv_bytes *c) {
  static const ptrdiff_t strips[] = {1, 2, 4, 8, 16, 48, 64};
  const ptrdiff_t channels = c->in_channels / c->groups, taps = volume(c->kernel);
  const ptrdiff_t rows = c->batch * c->out_channels, columns = volume(c->out);
  const size_t bytes = (size_t)(rows * columns) * sizeof(int32_t) + 1;
  int32_t *expected = malloc(bytes);
  Results results = {malloc(bytes), rows, columns, c->first_row};
  uint8_t *packed =
      malloc(onnxc_rt_conv_packed_bytes((size_t)c->out_channels, (size_t)(channels * taps)) + 1);
  uint32_t *sums = malloc(((size_t)c->out_channels + 1) * sizeof *sums);
  onnxc_rt_conv_pack(c->w, c->out_channels, channels, taps, c->w_signed ? 0 : 0x80, packed, sums);
  expect_convolution(c, expected);
  c->packed = packed;
  c->w_sums = sums;
  c->y = results.c;
  c->context = &results;
  for (size_t i = 0; i < sizeof strips / sizeof *strips; i++) {
    c->strip = strips[i];
    run_convolutions(c, expected, &results);
  }
  free(packed);
  free(sums);
  free(results.c);
  free(expected);
}

/* `axes` spatial axes, each a window that fits. */
static void random_window(uint64_t *state, onnxc_rt_conv_bytes *c, int axes, ptrdiff_t most) {
  const bool same = random_size(state, 0, 2) == 0;
  for (int i = 0; i < 3; i++) {
    c->in[i] = c->out[i] = c->kernel[i] = c->stride[i] = c->dilation[i] = 1;
    c->pad[i] = 0;
    if (i < 3 - axes) continue;
    c->in[i] = random_size(state, 1, most);
    c->kernel[i] = random_size(state, 1, 4);
    c->dilation[i] = random_size(state, 1, 2);
    const ptrdiff_t reach = (c->kernel[i] - 1) * c->dilation[i];
    ptrdiff_t behind = reach / 2;
    c->pad[i] = reach - behind;
    if (!same) {
      c->stride[i] = random_size(state, 1, 3);
      c->pad[i] = random_size(state, 0, 3);
      behind = random_size(state, 0, 3);
    }
    const ptrdiff_t room = c->in[i] + c->pad[i] + behind - reach - 1;
    c->out[i] = room < 0 ? 0 : room / c->stride[i] + 1;
  }
}

static void random_convolution(uint64_t *state, ptrdiff_t groups, ptrdiff_t channels,
                               ptrdiff_t filters, int axes, ptrdiff_t most) {
  onnxc_rt_conv_bytes c = {.batch = random_size(state, 1, 2), .groups = groups};
  c.in_channels = groups * channels;
  c.out_channels = groups * filters;
  random_window(state, &c, axes, most);
  c.x_signed = random_size(state, 0, 1);
  c.w_signed = random_size(state, 0, 1);
  c.first_row = random_size(state, 0, 3);
  ptrdiff_t ignored;
  c.x_plane = random_plane(state, c.in);
  uint8_t *x = random_bytes(state, planes_size(c.batch * c.in_channels, c.x_plane, c.in));
  uint8_t *w = random_bytes(state, c.out_channels * channels * volume(c.kernel));
  uint8_t *x_zero = random_zeros(state, 1, &ignored);
  uint8_t *w_zero = random_zeros(state, c.out_channels, &c.w_zero_stride);
  c.x = x;
  c.w = w;
  c.x_zero = x_zero;
  c.w_zero = w_zero;
  check_convolution(&c);
  free(x);
  free(w);
  free(x_zero);
  free(w_zero);
}

static void convolutions(void **state) {
  (void)state;
  uint64_t random = 3;
  for (int draw = 0; draw < 200; draw++) {
    const int axes = (int)random_size(&random, 1, 3);
    const ptrdiff_t most = axes == 3 ? 5 : axes == 2 ? 14 : 90;
    random_convolution(&random, random_size(&random, 1, 2), random_size(&random, 2, 9),
                       random_size(&random, 1, 14), axes, most);
  }
}

static void depthwise_convolutions(void **state) {
  (void)state;
  uint64_t random = 4;
  for (int draw = 0; draw < 200; draw++) {
    const int axes = (int)random_size(&random, 1, 3);
    const ptrdiff_t most = axes == 3 ? 5 : axes == 2 ? 14 : 90;
    random_convolution(&random, random_size(&random, 1, 6), 1, random_size(&random, 1, 2), axes,
                       most);
  }
}

/* ---- pools ---- */

/* A window like that of a convolution. */
static onnxc_rt_max_pool random_pool(uint64_t *state) {
  onnxc_rt_conv_bytes c = {0};
  const int axes = (int)random_size(state, 1, 3);
  random_window(state, &c, axes, axes == 3 ? 5 : axes == 2 ? 14 : 90);
  onnxc_rt_max_pool p = {.rows = random_size(state, 0, 3), .is_signed = random_size(state, 0, 1)};
  memcpy(p.in, c.in, sizeof p.in);
  memcpy(p.out, c.out, sizeof p.out);
  memcpy(p.kernel, c.kernel, sizeof p.kernel);
  memcpy(p.stride, c.stride, sizeof p.stride);
  memcpy(p.dilation, c.dilation, sizeof p.dilation);
  memcpy(p.pad, c.pad, sizeof p.pad);
  return p;
}

/* One output by the definition. */
static int maximum(const onnxc_rt_max_pool *p, ptrdiff_t row, const ptrdiff_t o[3]) {
  int most = p->is_signed ? -128 : 0;
  for (ptrdiff_t tap = 0; tap < volume(p->kernel); tap++) {
    const ptrdiff_t k[3] = {tap / p->kernel[2] / p->kernel[1], tap / p->kernel[2] % p->kernel[1],
                            tap % p->kernel[2]};
    ptrdiff_t at = 0;
    bool inside = true;
    for (int axis = 0; axis < 3; axis++) {
      const ptrdiff_t i = o[axis] * p->stride[axis] + k[axis] * p->dilation[axis] - p->pad[axis];
      inside = inside && i >= 0 && i < p->in[axis];
      at = at * p->in[axis] + i;
    }
    at += row * onnxc_rt_plane(p->x_plane, p->in);
    const int x = inside ? (int)number(p->x, at, p->is_signed) : most;
    if (x > most) most = x;
  }
  return most;
}

static void maxima(void **state) {
  (void)state;
  uint64_t random = 5;
  for (int draw = 0; draw < 200; draw++) {
    onnxc_rt_max_pool p = random_pool(&random);
    const ptrdiff_t plane = volume(p.out), count = p.rows * plane;
    p.x_plane = random_plane(&random, p.in);
    uint8_t *x = random_bytes(&random, planes_size(p.rows, p.x_plane, p.in));
    uint8_t *y = random_bytes(&random, count);
    p.x = x;
    p.y = y;
    FOR_EACH_VARIANT(onnxc_rt_max_pool_i8, v) {
      assert_int_equal(onnxc_rt_max_pool_i8_variants[v].run(&p), ONNXC_RT_OK);
      for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t at = i % plane, line = at / p.out[2];
        const ptrdiff_t o[3] = {line / p.out[1], line % p.out[1], at % p.out[2]};
        assert_int_equal((int)number(y, i, p.is_signed), maximum(&p, i / plane, o));
      }
    }
    free(x);
    free(y);
  }
}

/* Averages of bytes are those of what the bytes stand for. */
static void averages(void **state) {
  (void)state;
  uint64_t random = 6;
  for (int draw = 0; draw < 200; draw++) {
    const onnxc_rt_max_pool sizes = random_pool(&random);
    onnxc_rt_pool p = {.rows = sizes.rows, .average = 1, .bytes_signed = sizes.is_signed};
    memcpy(p.in, sizes.in, sizeof p.in);
    memcpy(p.out, sizes.out, sizeof p.out);
    memcpy(p.kernel, sizes.kernel, sizeof p.kernel);
    memcpy(p.stride, sizes.stride, sizeof p.stride);
    memcpy(p.dilation, sizes.dilation, sizeof p.dilation);
    memcpy(p.pad, sizes.pad, sizeof p.pad);
    p.x_plane = random_plane(&random, p.in);
    const ptrdiff_t count = planes_size(p.rows, p.x_plane, p.in), results = p.rows * volume(p.out);
    const float scale = 0.37f;
    ptrdiff_t ignored;
    uint8_t *bytes = random_bytes(&random, count), *zero = random_zeros(&random, 1, &ignored);
    float *x = guarded_new(count), *y = guarded_new(results), *expected = guarded_new(results);
    const ptrdiff_t scratch_size = onnxc_rt_pool_f32_scratch(&p) + p.in[2];
    float *scratch = guarded_new(scratch_size);
    for (ptrdiff_t i = 0; i < count; i++) {
      const int32_t byte = (int32_t)number(bytes, i, p.bytes_signed);
      x[i] = (float)(byte - (int32_t)number(zero, 0, p.bytes_signed)) * scale;
    }
    p.scratch = scratch;
    FOR_EACH_VARIANT(onnxc_rt_pool_f32, v) {
      p.x = x;
      p.y = expected;
      assert_int_equal(onnxc_rt_pool_f32_variants[v].run(&p), ONNXC_RT_OK);
      p.x = NULL;
      p.bytes = bytes;
      p.scale = &scale;
      p.zero = zero;
      p.y = y;
      assert_int_equal(onnxc_rt_pool_f32_variants[v].run(&p), ONNXC_RT_OK);
      for (ptrdiff_t i = 0; i < results; i++) assert_true(y[i] == expected[i]);
    }
    guarded_free(x, count);
    guarded_free(y, results);
    guarded_free(expected, results);
    guarded_free(scratch, scratch_size);
    free(bytes);
    free(zero);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_of_every_size),
      cmocka_unit_test(products_modulo_their_range),
      cmocka_unit_test(convolutions),
      cmocka_unit_test(depthwise_convolutions),
      cmocka_unit_test(maxima),
      cmocka_unit_test(averages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
