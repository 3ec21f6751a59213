#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* Sums the products of the kernel values of vectors [begin, end) and their coefficients. */
static double part(const float *kernel, const float *coefficients, int64_t begin, int64_t end) {
  double sum = 0;
  for (int64_t v = begin; v < end; v++) sum += (double)(coefficients[v] * kernel[v]);
  return sum;
}

int onnxc_rt_ref_pair_scores(const onnxc_rt_call *call) {
  const int64_t rows = call->out[0].dims[0], vectors = call->in[0].dims[1];
  const int64_t classes = call->out[1].dims[1];
  const float *kernel = (const float *)call->in[0].data;
  const float *coefficients = (const float *)call->in[1].data, *rho = (float *)call->in[3].data;
  const int64_t *begins = (const int64_t *)call->in[2].data;
  float *score = (float *)call->out[0].data;
  int64_t *votes = (int64_t *)call->out[1].data;
  onnxc_rt_clear(&call->out[1]);
  for (int64_t row = 0; row < rows; row++, kernel += vectors, votes += classes) {
    const float *offset = rho;
    for (int64_t i = 0; i < classes; i++) {
      for (int64_t j = i + 1; j < classes; j++) {
        const float *of_i = coefficients + (j - 1) * vectors, *of_j = coefficients + i * vectors;
        const double sum = part(kernel, of_i, begins[i], begins[i + 1]) +
                           part(kernel, of_j, begins[j], begins[j + 1]) + (double)*offset++;
        *score++ = (float)sum;
        votes[sum > 0 ? i : j]++;
      }
    }
  }
  return ONNXC_RT_OK;
}

/* ---- probabilities -----------------------------------------------------------------------------
 * Coupling after Wu, Lin and Weng, "Probability estimates for multi-class classification by
 * pairwise coupling" (2004), method 2: p minimises p' Q p under sum(p) = 1, where with r[i][j], the
 * probability of class i among i and j,
 * Q[i][i] = sum over j of r[j][i]^2 and Q[i][j] = -r[j][i] * r[i][j]. */

typedef struct Coupling {
  int64_t n; /* classes */
  float *r;  /* [n, n] */
  float *q;  /* [n, n] */
  float *qp; /* [n], Q p */
  float *p;  /* [n] */
} Coupling;

static float sigmoid(float x) {
  const float half = 1 / (1 + expf(-fabsf(x)));
  return x < 0 ? 1 - half : half;
}

static void set_pairs(const Coupling *c, const float *score, const float *a, const float *b) {
  for (int64_t i = 0; i < c->n; i++) {
    for (int64_t j = i + 1; j < c->n; j++, score++, a++, b++) {
      float chance = 1 - sigmoid(*score * *a + *b);
      if (chance < 1e-7F) chance = 1e-7F;
      if (chance > 1 - 1e-7F) chance = 1 - 1e-7F;
      c->r[i * c->n + j] = chance;
      c->r[j * c->n + i] = 1 - chance;
    }
  }
}

static void set_q(const Coupling *c) {
  const int64_t n = c->n;
  for (int64_t i = 0; i < n; i++) {
    c->p[i] = 1 / (float)n;
    c->q[i * n + i] = 0;
    for (int64_t j = 0; j < n; j++) {
      if (j == i) continue;
      c->q[i * n + i] += c->r[j * n + i] * c->r[j * n + i];
      c->q[i * n + j] = -c->r[j * n + i] * c->r[i * n + j];
    }
  }
}

/* Sets Q p and returns p' Q p. */
static float multiply(const Coupling *c) {
  float product = 0;
  for (int64_t i = 0; i < c->n; i++) {
    c->qp[i] = 0;
    for (int64_t j = 0; j < c->n; j++) c->qp[i] += c->q[i * c->n + j] * c->p[j];
    product += c->p[i] * c->qp[i];
  }
  return product;
}

static float largest_error(const Coupling *c, float product) {
  float most = 0;
  for (int64_t i = 0; i < c->n; i++) most = fmaxf(most, fabsf(c->qp[i] - product));
  return most;
}

static void couple(const Coupling *c) {
  enum { MOST_STEPS = 100 };
  const float enough = 0.005F / (float)c->n;
  set_q(c);
  for (int step = 0; step < MOST_STEPS; step++) {
    float product = multiply(c);
    if (largest_error(c, product) < enough) return;
    for (int64_t i = 0; i < c->n; i++) {
      const float *q = &c->q[i * c->n];
      const float by = (product - c->qp[i]) / q[i], scale = 1 + by;
      c->p[i] += by;
      product = (product + by * (by * q[i] + 2 * c->qp[i])) / scale / scale;
      for (int64_t j = 0; j < c->n; j++) {
        c->qp[j] = (c->qp[j] + by * q[j]) / scale;
        c->p[j] /= scale;
      }
    }
  }
}

int onnxc_rt_ref_pair_probabilities(const onnxc_rt_call *call) {
  const int64_t rows = call->out[0].dims[0], n = call->out[0].dims[1];
  const int64_t pairs = call->in[0].dims[1];
  const float *scores = (const float *)call->in[0].data;
  const float *a = (const float *)call->in[1].data, *b = (const float *)call->in[2].data;
  float *scratch = (float *)call->scratch;
  Coupling c = {n, scratch, scratch + n * n, scratch + 2 * n * n, (float *)call->out[0].data};
  for (int64_t row = 0; row < rows; row++, c.p += n) {
    set_pairs(&c, scores + row * pairs, a, b);
    couple(&c);
  }
  return ONNXC_RT_OK;
}
