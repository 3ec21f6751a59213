#include "reference/fft.h"

#define REAL double
#include "reference/fft_passes.h"

void onnxc_rt_fft_f64(onnxc_rt_fft *fft) {
  transform(fft);
}
