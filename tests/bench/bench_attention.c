/* Microseconds of onnxc_rt_attention_f32 against the steps that it replaces: a product with K, a
 * softmax, a product with V, for each head. Both alternate, the best of each counts.
 *
 *   bench_attention [BATCH HEADS KV_HEADS QUERIES KEYS SIZE CAUSAL]...
 *
 * CAUSAL 2 stands for a mask of bytes in its place, in which one of 17 keys is hidden. */
#include "bench.h"

#include <math.h>

typedef struct Parts {
  onnxc_rt_gemm scores, values;
  float *weights;
} Parts;

static void soften(float *row, ptrdiff_t n, float scale) {
  float most = -INFINITY, sum = 0;
  for (ptrdiff_t j = 0; j < n; j++) row[j] *= scale;
  for (ptrdiff_t j = 0; j < n; j++) most = onnxc_rt_max_f32(row[j], most);
  for (ptrdiff_t j = 0; j < n; j++) row[j] = onnxc_rt_exp_f32(row[j] - most);
  for (ptrdiff_t j = 0; j < n; j++) sum += row[j];
  for (ptrdiff_t j = 0; j < n; j++) row[j] *= 1 / sum;
}

static void run_parts(const onnxc_rt_attention *a, Parts *p) {
  const ptrdiff_t shared = a->heads / a->kv_heads, count = a->queries * a->keys;
  for (ptrdiff_t i = 0; i < a->batch * a->heads; i++) {
    p->scores.a = a->q + i * a->q_stride[1];
    p->scores.b = a->k + i / shared * a->k_stride[1];
    p->scores.c = p->weights + i * count;
    onnxc_rt_gemm_f32(&p->scores);
  }
  for (ptrdiff_t i = 0; i < a->batch * a->heads * a->queries; i++) {
    soften(p->weights + i * a->keys, a->keys, a->scale);
  }
  for (ptrdiff_t i = 0; i < a->batch * a->heads; i++) {
    p->values.a = p->weights + i * count;
    p->values.b = a->v + i / shared * a->v_stride[1];
    p->values.c = a->y + i * a->y_stride[1];
    onnxc_rt_gemm_f32(&p->values);
  }
}

static void measure(const ptrdiff_t *shape) {
  const ptrdiff_t heads = shape[1], kv_heads = shape[2], m = shape[3], n = shape[4], d = shape[5];
  onnxc_rt_attention a = {.batch = shape[0], .heads = heads, .kv_heads = kv_heads};
  a.queries = m;
  a.keys = n;
  a.size = a.v_size = d;
  a.place = n - m;
  a.left = -1;
  a.right = shape[6] == 1 ? 0 : -1;
  uint8_t *const allowed = malloc((size_t)(m * n));
  if (allowed == NULL) exit(1);
  for (ptrdiff_t i = 0; i < m * n; i++) allowed[i] = (i % n + 1) * 2654435761u >> 13 & 1;
  if (shape[6] == 2) {
    a.allowed = allowed;
    a.mask_stride[2] = n;
    a.mask_stride[3] = 1;
  }
  a.scale = 0.125f;
  a.q_stride[0] = a.y_stride[0] = heads * m * d;
  a.k_stride[0] = a.v_stride[0] = kv_heads * n * d;
  a.q_stride[1] = a.y_stride[1] = m * d;
  a.k_stride[1] = a.v_stride[1] = n * d;
  a.q_stride[2] = a.y_stride[2] = a.k_stride[2] = a.v_stride[2] = d;
  a.q = floats(a.batch * heads * m * d);
  a.k = floats(a.batch * kv_heads * n * d);
  a.v = floats(a.batch * kv_heads * n * d);
  a.y = floats(a.batch * heads * m * d);
  a.room = onnxc_rt_attention_f32_scratch(&a);
  a.scratch = floats(a.room);
  Parts p = {.weights = floats(a.batch * heads * m * n)};
  p.scores =
      (onnxc_rt_gemm){.m = m, .n = n, .k = d, .a_row = d, .a_col = 1, .b_row = 1, .b_col = d};
  p.scores.c_row = n;
  p.values =
      (onnxc_rt_gemm){.m = m, .n = d, .k = n, .a_row = n, .a_col = 1, .b_row = d, .b_col = 1};
  p.values.c_row = d;
  p.scores.scratch = p.values.scratch = floats(onnxc_rt_gemm_f32_scratch(m, n + d, n + d, 0));
  const double flops = 4e-9 * (double)(a.batch * heads * m * n * d);
  const int repeats = 1 + (int)(0.2 / flops);
  double best[2] = {1e9, 1e9}, best_probe = 0;
  for (int round = 0; round < 15; round++) {
    const double speed = probe(a.y);
    if (speed > best_probe) best_probe = speed;
    for (int way = 0; way < 2; way++) {
      const double start = now();
      for (int i = 0; i < repeats; i++) {
        if (way == 0) onnxc_rt_attention_f32(&a);
        if (way == 1) run_parts(&a, &p);
      }
      const double seconds = (now() - start) / repeats;
      if (seconds < best[way]) best[way] = seconds;
    }
  }
  printf("b%td h%td/%td q%td k%td d%td%s: %8.1f us, %5.1f GFLOP/s of %.1f; in parts %8.1f us\n",
         a.batch, heads, kv_heads, m, n, d,
         a.allowed != NULL ? " masked"
         : a.right == 0    ? " causal"
                           : "",
         1e6 * best[0], flops / best[0], best_probe, 1e6 * best[1]);
  free((void *)(uintptr_t)a.q), free((void *)(uintptr_t)a.k), free((void *)(uintptr_t)a.v);
  free(a.y), free(a.scratch), free(p.weights), free(p.scores.scratch), free(allowed);
}

int main(int argc, char **argv) {
  enum { SIZES = 7 };
  static const ptrdiff_t shapes[][SIZES] = {
      {1, 12, 12, 128, 128, 64, 0},   {1, 12, 12, 128, 128, 64, 2}, {1, 12, 12, 384, 384, 64, 0},
      {1, 12, 12, 384, 384, 64, 1},   {1, 12, 12, 197, 197, 64, 0}, {1, 12, 12, 1, 1024, 64, 1},
      {1, 12, 12, 1024, 1024, 64, 1}, {1, 32, 8, 1, 2048, 128, 1},  {1, 32, 8, 512, 512, 128, 1},
      {1, 8, 8, 16, 512, 64, 0},      {64, 3, 3, 49, 49, 32, 0},    {1, 2, 2, 17, 17, 16, 0},
      {1, 12, 12, 5, 256, 64, 0},     {1, 12, 12, 10, 256, 64, 0},  {1, 1, 1, 1024, 1024, 512, 0}};
  if (argc > SIZES) {
    for (int i = 1; i + SIZES - 1 < argc; i += SIZES) {
      ptrdiff_t shape[SIZES];
      for (int k = 0; k < SIZES; k++) shape[k] = atol(argv[i + k]);
      measure(shape);
    }
    return 0;
  }
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) measure(shapes[i]);
  return 0;
}
