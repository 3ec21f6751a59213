#include "runtime/kernels.h"

VARIANTS(onnxc_rt_gemm_f32, onnxc_rt_gemm)

/* How B is given. */
typedef enum Layout { ROWS, COLUMNS, SCATTERED, PACKED, LAYOUT_COUNT } Layout;

typedef struct Case {
  ptrdiff_t m, n, k;
  Layout b;
  bool transposed_a, epilogue;
} Case;

static void check_results(const onnxc_rt_gemm *g, const float *b, const float *results,
                          ptrdiff_t row, const char *variant) {
  for (ptrdiff_t i = 0; i < g->m; i++) {
    for (ptrdiff_t j = 0; j < g->n; j++) {
      double sum = 0, scale = 0;
      for (ptrdiff_t p = 0; p < g->k; p++) {
        const double term =
            (double)g->a[i * g->a_row + p * g->a_col] * (double)b[p * g->b_row + j * g->b_col];
        sum += term;
        scale += fabs(term);
      }
      check_close(sum, results[i * row + j], scale, variant);
    }
  }
}

static void run_case(const Case *c, uint64_t *seed) {
  onnxc_rt_gemm g = {.m = c->m, .n = c->n, .k = c->k, .first_row = 7};
  const ptrdiff_t pad = random_size(seed, 0, 3);
  g.a_row = c->transposed_a ? 1 : c->k + pad;
  g.a_col = c->transposed_a ? c->m + pad : 1;
  g.b_row = c->b == COLUMNS ? 1 : c->b == SCATTERED ? 2 * c->n + pad : c->n + pad;
  g.b_col = c->b == COLUMNS ? c->k + pad : c->b == SCATTERED ? 2 : 1;
  g.c_row = c->n + pad;
  const ptrdiff_t a_size = (c->m + pad) * (c->k + pad), b_size = 2 * (c->n + pad) * (c->k + pad);
  const ptrdiff_t packed_size = (ptrdiff_t)onnxc_rt_packed_count((size_t)c->n, (size_t)c->k);
  const ptrdiff_t scratch_size = onnxc_rt_gemm_f32_scratch(c->m, c->n, c->k, c->b == PACKED);
  float *a = guarded_random(seed, a_size), *b = guarded_random(seed, b_size);
  float *packed = guarded_new(packed_size);
  onnxc_rt_pack_b(b, c->k, c->n, g.b_row, g.b_col, packed);
  g.a = a;
  g.b = c->b == PACKED ? NULL : b;
  g.packed = c->b == PACKED ? packed : NULL;
  FOR_EACH_VARIANT(onnxc_rt_gemm_f32, v) {
    float *results = guarded_new(c->m * g.c_row);
    Recorder recorder = {results, c->m, g.c_row, g.first_row};
    g.c = c->epilogue ? NULL : results;
    g.epilogue = c->epilogue ? record : NULL;
    g.context = &recorder;
    g.scratch = guarded_new(scratch_size);
    assert_int_equal(onnxc_rt_gemm_f32_variants[v].run(&g), ONNXC_RT_OK);
    check_results(&g, b, results, g.c_row, onnxc_rt_gemm_f32_variants[v].name);
    for (ptrdiff_t i = 0; i < c->m; i++) { /* nothing beyond the columns */
      for (ptrdiff_t j = c->n; j < g.c_row; j++) assert_true(isnan(results[i * g.c_row + j]));
    }
    guarded_free(results, c->m * g.c_row);
    guarded_free(g.scratch, scratch_size);
  }
  guarded_free(a, a_size);
  guarded_free(b, b_size);
  guarded_free(packed, packed_size);
}

static void run_all_ways(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, uint64_t *seed) {
  for (int b = 0; b < LAYOUT_COUNT; b++) {
    for (int way = 0; way < 4; way++) {
      run_case(&(Case){m, n, k, (Layout)b, (way & 1) != 0, (way & 2) != 0}, seed);
    }
  }
}

static void every_small_remainder_is_right(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (ptrdiff_t m = 1; m <= 26; m += 1 + m / 14) {
    for (ptrdiff_t n = 1; n <= 70; n += n < 18 ? 3 : 13) {
      run_all_ways(m, n, random_size(&seed, 1, 9), &seed);
    }
  }
}

static void random_shapes_are_right(void **state) {
  (void)state;
  uint64_t seed = 2;
  for (int i = 0; i < 12; i++) {
    run_all_ways(random_size(&seed, 1, 60), random_size(&seed, 1, 80), random_size(&seed, 1, 90),
                 &seed);
  }
}

static void one_row_and_one_column_are_right(void **state) {
  (void)state;
  uint64_t seed = 3;
  for (int i = 0; i < 8; i++) {
    run_all_ways(1, random_size(&seed, 1, 400), random_size(&seed, 1, 70), &seed);
    run_all_ways(random_size(&seed, 1, 70), 1, random_size(&seed, 1, 70), &seed);
  }
}

/* k over its block, n over the block of scratch, m over the block of rows. */
static void blocked_shapes_are_right(void **state) {
  (void)state;
  uint64_t seed = 4;
  run_all_ways(5, 40, ONNXC_RT_GEMM_K_BLOCK, &seed);
  run_all_ways(5, 40, ONNXC_RT_GEMM_K_BLOCK + 1, &seed);
  run_all_ways(14, ONNXC_RT_GEMM_COLUMN_BLOCK + 37, 2 * ONNXC_RT_GEMM_K_BLOCK + 3, &seed);
  run_all_ways(144 + 5, 33, ONNXC_RT_GEMM_K_BLOCK + 7, &seed);
  run_all_ways(2 * 144 + 5, 19, 500, &seed);
}

static void empty_sizes_are_right(void **state) {
  (void)state;
  uint64_t seed = 5;
  run_all_ways(0, 5, 3, &seed);
  run_all_ways(5, 0, 3, &seed);
  run_all_ways(1, 5, 0, &seed);
  run_all_ways(5, 37, 0, &seed);
  run_all_ways(0, 0, 0, &seed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_small_remainder_is_right),
      cmocka_unit_test(random_shapes_are_right),
      cmocka_unit_test(one_row_and_one_column_are_right),
      cmocka_unit_test(blocked_shapes_are_right),
      cmocka_unit_test(empty_sizes_are_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
