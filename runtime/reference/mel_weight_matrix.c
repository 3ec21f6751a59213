#include "onnxc_rt_reference.h"
#include "reference/element.h"

static double mel(double hertz) {
  return 2595 * log10(1 + hertz / 700);
}

static double hertz(double m) {
  return 700 * (pow(10, m / 2595) - 1);
}

/* The spectrum bin at edge `i` of the triangles. */
static int64_t edge(const onnxc_rt_call *call, int64_t i, int64_t bands) {
  const double length = onnxc_rt_load_f64(&call->in[1], 0);
  const double rate = onnxc_rt_load_f64(&call->in[2], 0);
  const double low = mel(onnxc_rt_load_f64(&call->in[3], 0));
  const double high = mel(onnxc_rt_load_f64(&call->in[4], 0));
  const double at = low + (double)i * ((high - low) / (double)(bands + 2));
  return onnxc_rt_f64_to_i64(floor((length + 1) * hertz(at) / rate));
}

static double weight(int64_t bin, int64_t low, int64_t centre, int64_t high) {
  if (bin == centre && low == centre && high == centre) return 1;
  if (bin >= centre && bin < high) return (double)(high - bin) / (double)(high - centre);
  if (bin >= low && bin <= centre && centre > low) {
    return (double)(bin - low) / (double)(centre - low);
  }
  return bin == centre && low == centre ? 1 : 0;
}

int onnxc_rt_ref_mel_weight_matrix(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int64_t bands = onnxc_rt_load_i64(&call->in[0], 0);
  const int64_t length = onnxc_rt_load_i64(&call->in[1], 0);
  if (bands < 0 || length < 0 || !(onnxc_rt_load_f64(&call->in[2], 0) > 0)) {
    return ONNXC_RT_ERROR_VALUE;
  }
  if (!onnxc_rt_set_dim(y, 0, length / 2 + 1) || !onnxc_rt_set_dim(y, 1, bands)) {
    return ONNXC_RT_ERROR_SHAPE;
  }
  for (int64_t band = 0; band < bands; band++) {
    const int64_t low = edge(call, band, bands), centre = edge(call, band + 1, bands);
    const int64_t high = edge(call, band + 2, bands);
    for (int64_t bin = 0; bin < y->dims[0]; bin++) {
      onnxc_rt_store_f64(y, bin * bands + band, weight(bin, low, centre, high));
    }
  }
  return ONNXC_RT_OK;
}
