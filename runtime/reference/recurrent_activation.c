#include "reference/recurrent_activation.h"

#include <string.h>

static double affine(double x, double alpha, double beta) {
  return alpha * x + beta;
}

static double elu(double x, double alpha, double beta) {
  (void)beta;
  return x >= 0 ? x : alpha * expm1(x);
}

static double hard_sigmoid(double x, double alpha, double beta) {
  const double y = alpha * x + beta;
  return y < 0 ? 0 : y > 1 ? 1 : y;
}

static double leaky_relu(double x, double alpha, double beta) {
  (void)beta;
  return x >= 0 ? x : alpha * x;
}

static double relu(double x, double alpha, double beta) {
  (void)alpha;
  (void)beta;
  return x < 0 ? 0 : x;
}

static double scaled_tanh(double x, double alpha, double beta) {
  return alpha * tanh(beta * x);
}

static double sigmoid(double x, double alpha, double beta) {
  (void)alpha;
  (void)beta;
  return 1 / (1 + exp(-x));
}

static double softplus(double x, double alpha, double beta) {
  (void)alpha;
  (void)beta;
  return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double softsign(double x, double alpha, double beta) {
  (void)alpha;
  (void)beta;
  return x / (1 + fabs(x));
}

static double plain_tanh(double x, double alpha, double beta) {
  (void)alpha;
  (void)beta;
  return tanh(x);
}

static double thresholded_relu(double x, double alpha, double beta) {
  (void)beta;
  return x > alpha ? x : 0;
}

typedef struct Row {
  const char *name;
  onnxc_rt_activation defaults;
  int has_alpha, has_beta;
} Row;

static const Row *find(const char *name) {
  static const Row rows[] = {
      {"Affine", {affine, 1, 0}, 1, 1},
      {"Elu", {elu, 1, 0}, 1, 0},
      {"HardSigmoid", {hard_sigmoid, 0.2, 0.5}, 1, 1},
      {"LeakyRelu", {leaky_relu, 0.01, 0}, 1, 0},
      {"Relu", {relu, 0, 0}, 0, 0},
      {"ScaledTanh", {scaled_tanh, 1, 1}, 1, 1},
      {"Sigmoid", {sigmoid, 0, 0}, 0, 0},
      {"Softplus", {softplus, 0, 0}, 0, 0},
      {"Softsign", {softsign, 0, 0}, 0, 0},
      {"Tanh", {plain_tanh, 0, 0}, 0, 0},
      {"ThresholdedRelu", {thresholded_relu, 1, 0}, 1, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (strcmp(rows[i].name, name) == 0) return &rows[i];
  }
  return &rows[0];
}

onnxc_rt_activation onnxc_rt_activation_of(const onnxc_rt_attr *names, const onnxc_rt_attr *alphas,
                                           const onnxc_rt_attr *betas, int32_t i,
                                           const char *fallback) {
  if (!names->present || i >= names->count) return find(fallback)->defaults;
  int32_t alpha = 0, beta = 0;
  for (int32_t k = 0; k < i; k++) {
    const Row *row = find(names->strings[k].bytes);
    alpha += row->has_alpha;
    beta += row->has_beta;
  }
  const Row *row = find(names->strings[i].bytes);
  onnxc_rt_activation activation = row->defaults;
  if (row->has_alpha && alpha < alphas->count) activation.alpha = (double)alphas->floats[alpha];
  if (row->has_beta && beta < betas->count) activation.beta = (double)betas->floats[beta];
  return activation;
}
