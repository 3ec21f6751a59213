#include "runtime/kernels.h"

VARIANTS(onnxc_rt_resize_f32, onnxc_rt_resize)

/* The table of one axis: windows of `taps` elements that go on as the index grows, cut at the ends.
 */
typedef struct Table {
  int32_t *index;
  float *weights;
} Table;

static Table random_table(uint64_t *seed, ptrdiff_t in, ptrdiff_t out, ptrdiff_t taps,
                          bool weighted) {
  const size_t count = (size_t)(out * taps);
  Table table = {malloc((count + 1) * sizeof(int32_t)), NULL};
  if (weighted) table.weights = malloc((count + 1) * sizeof(float));
  const ptrdiff_t first = random_size(seed, -taps, 0);
  for (ptrdiff_t i = 0; i < out; i++) {
    for (ptrdiff_t k = 0; k < taps; k++) {
      const ptrdiff_t at = first + (i * (in + taps)) / out + k;
      table.index[i * taps + k] = (int32_t)(at < 0 ? 0 : at < in ? at : in - 1);
      if (!weighted) continue;
      const bool nothing = taps > 1 && random_size(seed, 0, 4) == 0;
      table.weights[i * taps + k] = nothing ? 0 : (float)random_size(seed, -100, 100) / 100.0f;
    }
  }
  return table;
}

/* One output by the definition; `scale` gets the sum of the magnitudes. */
static double resized(const onnxc_rt_resize *r, ptrdiff_t plane, ptrdiff_t y, ptrdiff_t x,
                      ptrdiff_t c, double *scale) {
  double sum = 0;
  for (ptrdiff_t i = 0; i < r->taps[0]; i++) {
    const ptrdiff_t row = r->row_index == NULL ? y : r->row_index[y * r->taps[0] + i];
    const double a = r->row_weights == NULL ? 1 : (double)r->row_weights[y * r->taps[0] + i];
    for (ptrdiff_t k = 0; k < r->taps[1]; k++) {
      const ptrdiff_t column = r->column_index[x * r->taps[1] + k];
      const double b =
          r->column_weights == NULL ? 1 : (double)r->column_weights[x * r->taps[1] + k];
      const ptrdiff_t at = ((plane * r->in[0] + row) * r->in[1] + column) * r->inner + c;
      sum += a * b * (double)r->x[at];
      *scale += fabs(a * b * (double)r->x[at]);
    }
  }
  return sum;
}

static void check_results(const onnxc_rt_resize *r, const float *results, const char *variant) {
  for (ptrdiff_t plane = 0; plane < r->planes; plane++) {
    for (ptrdiff_t y = 0; y < r->out[0]; y++) {
      for (ptrdiff_t x = 0; x < r->out[1]; x++) {
        for (ptrdiff_t c = 0; c < r->inner; c++) {
          double scale = 0;
          const double expected = resized(r, plane, y, x, c, &scale);
          check_close(expected, *results++, scale, variant);
        }
      }
    }
  }
}

static void run_case(onnxc_rt_resize r, bool epilogue, uint64_t *seed) {
  const ptrdiff_t columns = r.out[0] * r.out[1] * r.inner;
  const ptrdiff_t x_size = r.planes * r.in[0] * r.in[1] * r.inner;
  const ptrdiff_t scratch_size = onnxc_rt_resize_f32_scratch(&r);
  float *x = guarded_random(seed, x_size);
  r.x = x;
  r.first_row = 3;
  FOR_EACH_VARIANT(onnxc_rt_resize_f32, v) {
    float *results = guarded_new(r.planes * columns);
    const Recorder recorder = {results, r.planes, columns, r.first_row};
    r.y = epilogue ? NULL : results;
    r.epilogue = epilogue ? record : NULL;
    r.context = &recorder;
    r.scratch = guarded_new(scratch_size);
    assert_int_equal(onnxc_rt_resize_f32_variants[v].run(&r), ONNXC_RT_OK);
    check_results(&r, results, onnxc_rt_resize_f32_variants[v].name);
    guarded_free(results, r.planes * columns);
    guarded_free(r.scratch, scratch_size);
  }
  guarded_free(x, x_size);
}

static void random_images_are_right(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int n = 0; n < 240; n++) {
    const bool weighted = n % 4 != 0, rows_stay = n % 5 == 0;
    onnxc_rt_resize r = {.planes = random_size(&seed, 0, 3)};
    r.inner = n % 3 == 0 ? random_size(&seed, 1, 40) : 1;
    for (int axis = 0; axis < 2; axis++) {
      r.in[axis] = random_size(&seed, 1, 40);
      r.out[axis] = random_size(&seed, 0, 60);
      r.taps[axis] = !weighted ? 1 : n % 2 == 0 ? 2 : random_size(&seed, 1, 6);
    }
    if (rows_stay) {
      r.out[0] = r.in[0];
      r.taps[0] = 1;
    }
    const Table rows = random_table(&seed, r.in[0], r.out[0], r.taps[0], weighted);
    const Table columns = random_table(&seed, r.in[1], r.out[1], r.taps[1], weighted);
    r.row_index = rows_stay ? NULL : rows.index;
    r.row_weights = rows_stay ? NULL : rows.weights;
    r.column_index = columns.index;
    r.column_weights = columns.weights;
    run_case(r, n % 7 < 3, &seed);
    free(rows.index);
    free(rows.weights);
    free(columns.index);
    free(columns.weights);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_images_are_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
