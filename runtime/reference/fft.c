#include "reference/fft.h"

/* ---- lengths -----------------------------------------------------------------------------------
 */

/* Factors in the order of the passes: 4, 2, then odd primes. False when one is too large. */
static int find_factors(int64_t n, onnxc_rt_fft *fft) {
  fft->n_factors = 0;
  for (int32_t p = 4; n > 1; p = p == 4 ? 2 : p == 2 ? 3 : p + 2) {
    if (p > ONNXC_RT_FFT_RADIX) return 0;
    for (; n % p == 0; n /= p) fft->factors[fft->n_factors++] = p;
  }
  return 1;
}

static int is_easy(int64_t n) {
  onnxc_rt_fft fft;
  return find_factors(n, &fft);
}

/* The least length from `n` on with no prime factor over 5; less than twice as much. */
static int64_t smooth_length(int64_t n) {
  int64_t best = INT64_MAX;
  for (int64_t five = 1; five < 5 * n; five *= 5) {
    for (int64_t odd = five; odd < 3 * n; odd *= 3) {
      int64_t length = odd;
      while (length < n) length *= 2;
      if (length < best) best = length;
    }
  }
  return best;
}

int64_t onnxc_rt_fft_bytes(int64_t n, int single) {
  if (n < 1 || n > INT64_C(1) << 48) return 0;
  if (is_easy(n)) return 3 * n * (single ? 8 : 16);
  return 16 * (n + 4 * smooth_length(2 * n - 1));
}

/* ---- roots of unity ----------------------------------------------------------------------------
 */

/* exp(2 pi i j / n), 0 <= j < n, by an angle of at most an eighth of the circle. */
static void unity_root(int64_t j, int64_t n, double *re, double *im) {
  const int64_t quarter = 4 * j / n, rest = 4 * j % n;
  const int beyond = 2 * rest > n;
  const double angle = 1.57079632679489661923 * ((double)(beyond ? n - rest : rest) / (double)n);
  const double c = beyond ? sin(angle) : cos(angle), s = beyond ? cos(angle) : sin(angle);
  *re = quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s;
  *im = quarter == 0 ? s : quarter == 1 ? c : quarter == 2 ? -s : -c;
}

static void put(void *numbers, int single, int64_t i, double re, double im) {
  if (single) {
    ((float *)numbers)[2 * i] = (float)re;
    ((float *)numbers)[2 * i + 1] = (float)im;
  } else {
    ((double *)numbers)[2 * i] = re;
    ((double *)numbers)[2 * i + 1] = im;
  }
}

static void begin_easy(onnxc_rt_fft *fft, int64_t n, int sign, int single, unsigned char *memory) {
  const int64_t bytes = n * (single ? 8 : 16);
  fft->n = n;
  fft->single = single;
  fft->data = memory;
  fft->spare = memory + bytes;
  fft->roots = memory + 2 * bytes;
  find_factors(n, fft);
  for (int64_t j = 0; j < n; j++) {
    double re, im;
    unity_root(j, n, &re, &im);
    put(fft->roots, single, j, re, sign * im);
  }
}

static void run_easy(onnxc_rt_fft *fft) {
  if (fft->single) {
    onnxc_rt_fft_f32(fft);
  } else {
    onnxc_rt_fft_f64(fft);
  }
}

/* ---- Bluestein
 * ----------------------------------------------------------------------------------- With the
 * chirp c(j) = exp(+-pi i j^2 / n), element k of the result is c(k) times the sum over j of x(j)
 * c(j) conj(c(k - j)): a convolution, done by transforms of a longer, easy length. */

static void multiply(double *a, double re, double im) {
  const double product = a[0] * re - a[1] * im;
  a[1] = a[0] * im + a[1] * re;
  a[0] = product;
}

static void begin_bluestein(onnxc_rt_any_fft *fft, int sign, unsigned char *memory) {
  const int64_t n = fft->n, m = smooth_length(2 * n - 1);
  fft->chirp = (double *)(void *)memory;
  fft->response = fft->chirp + 2 * n;
  begin_easy(&fft->inner, m, -1, 0, memory + 16 * (n + m));
  double *const data = (double *)fft->inner.data;
  for (int64_t j = 0; j < 2 * m; j++) data[j] = 0;
  for (int64_t j = 0; j < n; j++) {
    double re, im;
    unity_root((int64_t)((uint64_t)j * (uint64_t)j % (uint64_t)(2 * n)), 2 * n, &re, &im);
    put(fft->chirp, 0, j, re, sign * im);
    put(data, 0, j, re, -sign * im);
    if (j != 0) put(data, 0, m - j, re, -sign * im);
  }
  run_easy(&fft->inner);
  const double *const transformed = (const double *)fft->inner.data;
  for (int64_t j = 0; j < 2 * m; j++) fft->response[j] = transformed[j];
}

/* The inverse transform is the conjugate of that of the conjugate, divided by the length. */
static void run_bluestein(onnxc_rt_any_fft *fft) {
  const int64_t n = fft->n, m = fft->inner.n;
  double *data = (double *)fft->inner.data;
  for (int64_t j = 0; j < n; j++) multiply(data + 2 * j, fft->chirp[2 * j], fft->chirp[2 * j + 1]);
  for (int64_t j = 2 * n; j < 2 * m; j++) data[j] = 0;
  run_easy(&fft->inner);
  data = (double *)fft->inner.data;
  for (int64_t j = 0; j < m; j++) {
    multiply(data + 2 * j, fft->response[2 * j], fft->response[2 * j + 1]);
    data[2 * j + 1] = -data[2 * j + 1];
  }
  run_easy(&fft->inner);
  data = (double *)fft->inner.data;
  for (int64_t k = 0; k < n; k++) {
    put(data, 0, k, data[2 * k] / (double)m, -data[2 * k + 1] / (double)m);
    multiply(data + 2 * k, fft->chirp[2 * k], fft->chirp[2 * k + 1]);
  }
}

/* ---- any length --------------------------------------------------------------------------------
 */

void onnxc_rt_fft_begin(onnxc_rt_any_fft *fft, int64_t n, int sign, int single, void *memory) {
  fft->n = n;
  fft->chirp = NULL;
  fft->response = NULL;
  if (is_easy(n)) {
    begin_easy(&fft->inner, n, sign, single, (unsigned char *)memory);
  } else {
    begin_bluestein(fft, sign, (unsigned char *)memory);
  }
}

void onnxc_rt_fft_set(const onnxc_rt_any_fft *fft, int64_t i, double re, double im) {
  put(fft->inner.data, fft->inner.single, i, re, im);
}

void onnxc_rt_fft_run(onnxc_rt_any_fft *fft) {
  if (fft->chirp == NULL) {
    run_easy(&fft->inner);
  } else {
    run_bluestein(fft);
  }
}

void onnxc_rt_fft_get(const onnxc_rt_any_fft *fft, int64_t i, double *value) {
  for (int part = 0; part < 2; part++) {
    const int64_t at = 2 * i + part;
    value[part] = fft->inner.single ? (double)((const float *)fft->inner.data)[at]
                                    : ((const double *)fft->inner.data)[at];
  }
}
