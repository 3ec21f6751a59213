/* GFLOP/s of onnxc_rt_gemm_f32 with packed weights, with B[k][n] and with B[n][k] transposed,
 * against a loop of nothing but FMA in registers: all alternate, the best of each counts.
 *
 *   bench_gemm [M N K]... */
#include "bench.h"

static void measure(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
  float *a = floats(m * k), *b = floats(k * n), *c = floats(m * n);
  float *packed = floats((ptrdiff_t)onnxc_rt_packed_count((size_t)n, (size_t)k));
  onnxc_rt_pack_b(b, k, n, n, 1, packed);
  onnxc_rt_gemm call = {
      .m = m, .n = n, .k = k, .a = a, .a_row = k, .a_col = 1, .b = b, .c = c, .c_row = n};
  call.scratch = floats(onnxc_rt_gemm_f32_scratch(m, n, k, 0));
  const double flops = 2e-9 * (double)m * (double)n * (double)k;
  const int repeats = 1 + (int)(0.5 / flops);
  double best_probe = 0, best[3] = {0};
  for (int round = 0; round < 15; round++) {
    const double speed = probe(c);
    if (speed > best_probe) best_probe = speed;
    for (int way = 0; way < 3; way++) {
      call.packed = way == 0 ? packed : NULL;
      call.b_row = way == 1 ? n : 1;
      call.b_col = way == 1 ? 1 : k;
      const double start = now();
      for (int i = 0; i < repeats; i++) onnxc_rt_gemm_f32(&call);
      const double rate = flops * repeats / (now() - start);
      if (rate > best[way]) best[way] = rate;
    }
  }
  printf("%5td x %5td x %5td: %6.1f GFLOP/s packed, %4.1f %% of %.1f; B %6.1f, B' %6.1f\n", m, n, k,
         best[0], 100 * best[0] / best_probe, best_probe, best[1], best[2]);
  free(a), free(b), free(c), free(packed), free(call.scratch);
}

int main(int argc, char **argv) {
  static const ptrdiff_t shapes[][3] = {{128, 768, 768},   {128, 3072, 768}, {128, 768, 3072},
                                        {128, 1024, 1024}, {197, 768, 768},  {512, 768, 768},
                                        {128, 128, 64},    {128, 64, 128},   {64, 3136, 64},
                                        {512, 49, 4608},   {1, 3072, 768},   {4, 3072, 768}};
  if (argc > 3) {
    for (int i = 1; i + 2 < argc; i += 3)
      measure(atol(argv[i]), atol(argv[i + 1]), atol(argv[i + 2]));
    return 0;
  }
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    measure(shapes[i][0], shapes[i][1], shapes[i][2]);
  }
  return 0;
}
