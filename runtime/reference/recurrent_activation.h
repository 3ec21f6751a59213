/* The activation functions that recurrent operators name in an attribute. */
#ifndef ONNXC_RT_REFERENCE_RECURRENT_ACTIVATION_H
#define ONNXC_RT_REFERENCE_RECURRENT_ACTIVATION_H

#include "onnxc_rt.h"

typedef struct onnxc_rt_activation {
  double (*apply)(double x, double alpha, double beta);
  double alpha, beta;
} onnxc_rt_activation;

/* Function `i` of the list `names`; when that is absent `fallback` takes its place. The lists of
 * parameters are used up in order by the functions that have such a parameter; where they end the
 * functions' defaults follow. An unknown name is taken for the identity. */
onnxc_rt_activation onnxc_rt_activation_of(const onnxc_rt_attr *names, const onnxc_rt_attr *alphas,
                                           const onnxc_rt_attr *betas, int32_t i,
                                           const char *fallback);

#endif
