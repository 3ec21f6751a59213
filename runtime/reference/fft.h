/* The fast Fourier transform of complex numbers of one length.
 *
 * Lengths whose prime factors are small are done in mixed radix, in single or double precision;
 * others by Bluestein's algorithm, always in double precision. */
#ifndef ONNXC_RT_REFERENCE_FFT_H
#define ONNXC_RT_REFERENCE_FFT_H

#include "onnxc_rt.h"

enum { ONNXC_RT_FFT_FACTORS = 64, ONNXC_RT_FFT_RADIX = 61 /* the largest prime factor */ };

typedef struct onnxc_rt_fft {
  int64_t n;
  int single; /* numbers are float, else double */
  /* Numbers are real and imaginary part: `data` before the transform and after it; `spare` has the
   * same size. roots[j] is the n-th root of unity to the power of j. */
  void *data, *spare, *roots;
  int32_t n_factors;
  int32_t factors[ONNXC_RT_FFT_FACTORS];
} onnxc_rt_fft;

/* A transform of any length by one of length `inner.n` that is easy. */
typedef struct onnxc_rt_any_fft {
  onnxc_rt_fft inner;
  int64_t n;
  double *chirp;    /* NULL: `inner` is it */
  double *response; /* transform of the chirp's conjugate, mirrored */
} onnxc_rt_any_fft;

/* Bytes of memory for a transform; what is enough for each length up to n. */
int64_t onnxc_rt_fft_bytes(int64_t n, int single);
enum { ONNXC_RT_FFT_MOST_BYTES = 17 * 16 }; /* times n */

/* `sign` is that of the exponent. */
void onnxc_rt_fft_begin(onnxc_rt_any_fft *fft, int64_t n, int sign, int single, void *memory);
/* Element `i` of the input; all are to be set before each run. */
void onnxc_rt_fft_set(const onnxc_rt_any_fft *fft, int64_t i, double re, double im);
void onnxc_rt_fft_run(onnxc_rt_any_fft *fft);
/* Element `i` of the result into its real and imaginary part. */
void onnxc_rt_fft_get(const onnxc_rt_any_fft *fft, int64_t i, double *value);

/* The transform in mixed radix: `data` becomes the result. */
void onnxc_rt_fft_f32(onnxc_rt_fft *fft);
void onnxc_rt_fft_f64(onnxc_rt_fft *fft);

#endif
