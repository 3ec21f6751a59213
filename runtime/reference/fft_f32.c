#include "reference/fft.h"

#define REAL float
#include "reference/fft_passes.h"

void onnxc_rt_fft_f32(onnxc_rt_fft *fft) {
  transform(fft);
}
