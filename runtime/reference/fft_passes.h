/* The passes of a transform in mixed radix, for numbers of type REAL: included once by each source
 * that defines that.
 *
 * Decimation in frequency that sorts itself (Stockham). A pass of radix p turns each of `blocks`
 * transforms of length p * size into p of length `size`; element i of transform q of block k moves
 * from (k, q, i) to (q, k, i). */

typedef struct Complex {
  REAL re, im;
} Complex;

typedef struct Pass {
  const Complex *in, *roots;
  Complex *out;
  int64_t n, blocks, size;
} Pass;

static Complex add(Complex a, Complex b) {
  const Complex sum = {a.re + b.re, a.im + b.im};
  return sum;
}

static Complex sub(Complex a, Complex b) {
  const Complex difference = {a.re - b.re, a.im - b.im};
  return difference;
}

static Complex mul(Complex a, Complex b) {
  const Complex product = {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  return product;
}

/* i * factor * a */
static Complex turned(Complex a, REAL factor) {
  const Complex product = {-(factor * a.im), factor * a.re};
  return product;
}

/* The p-th root of unity to the power of j. */
static Complex root(const Pass *pass, int p, int j) {
  return pass->roots[pass->n / p * j];
}

static void radix_2(const Pass *pass, const Complex *x, Complex *y) {
  (void)pass;
  y[0] = add(x[0], x[1]);
  y[1] = sub(x[0], x[1]);
}

static void radix_4(const Pass *pass, const Complex *x, Complex *y) {
  const Complex even = add(x[0], x[2]), even_off = sub(x[0], x[2]);
  const Complex odd = add(x[1], x[3]);
  const Complex odd_off = turned(sub(x[1], x[3]), root(pass, 4, 1).im);
  y[0] = add(even, odd);
  y[1] = add(even_off, odd_off);
  y[2] = sub(even, odd);
  y[3] = sub(even_off, odd_off);
}

/* Elements j and p - j have conjugate roots, so sums and differences of them do for two results. */
static void radix_odd(const Pass *pass, int p, const Complex *x, Complex *y) {
  Complex sums[ONNXC_RT_FFT_RADIX / 2], offs[ONNXC_RT_FFT_RADIX / 2];
  const int half = p / 2;
  y[0] = x[0];
  for (int j = 1; j <= half; j++) {
    sums[j - 1] = add(x[j], x[p - j]);
    offs[j - 1] = sub(x[j], x[p - j]);
    y[0] = add(y[0], sums[j - 1]);
  }
  for (int q = 1; q <= half; q++) {
    Complex even = x[0], odd = {0, 0};
    for (int j = 1; j <= half; j++) {
      const Complex w = root(pass, p, q * j % p);
      even.re += w.re * sums[j - 1].re;
      even.im += w.re * sums[j - 1].im;
      odd = add(odd, turned(offs[j - 1], w.im));
    }
    y[q] = add(even, odd);
    y[p - q] = sub(even, odd);
  }
}

static void radix(const Pass *pass, int p, const Complex *x, Complex *y) {
  switch (p) {
  case 2: radix_2(pass, x, y); break;
  case 3: radix_odd(pass, 3, x, y); break;
  case 4: radix_4(pass, x, y); break;
  case 5: radix_odd(pass, 5, x, y); break;
  default: radix_odd(pass, p, x, y); break;
  }
}

static void run_pass(const Pass *pass, int p) {
  Complex x[ONNXC_RT_FFT_RADIX], y[ONNXC_RT_FFT_RADIX];
  const int64_t size = pass->size, blocks = pass->blocks;
  for (int64_t k = 0; k < blocks; k++) {
    for (int64_t i = 0; i < size; i++) {
      for (int q = 0; q < p; q++) x[q] = pass->in[i + size * (q + p * k)];
      radix(pass, p, x, y);
      for (int q = 0; q < p; q++) {
        if (i != 0 && q != 0) y[q] = mul(y[q], pass->roots[i * q * blocks]);
        pass->out[i + size * (k + blocks * q)] = y[q];
      }
    }
  }
}

static void transform(onnxc_rt_fft *fft) {
  Pass pass = {NULL, (const Complex *)fft->roots, NULL, fft->n, 1, fft->n};
  for (int32_t f = 0; f < fft->n_factors; f++) {
    void *const data = fft->data;
    pass.in = (const Complex *)data;
    pass.out = (Complex *)fft->spare;
    pass.size /= fft->factors[f];
    run_pass(&pass, fft->factors[f]);
    pass.blocks *= fft->factors[f];
    fft->data = fft->spare;
    fft->spare = data;
  }
}
