#include "onnxc_rt_reference.h"
#include "reference/element.h"

#include <string.h>

enum { DATA, INDICES, SCALES, ZEROS };
enum { BITS, BLOCK_SIZE, GATHER_AXIS, QUANTIZE_AXIS };

/* A tensor of numbers that may be packed into bytes along the last axis, seen as what it holds. */
typedef struct Unpacked {
  onnxc_rt_tensor tensor;
  int64_t dims[ONNXC_RT_MAX_RANK];
} Unpacked;

static void unpacked_init(Unpacked *u, const onnxc_rt_tensor *packed, int64_t bits) {
  const int is_bytes = packed->dtype == ONNXC_RT_U8 && packed->rank > 0;
  memset(u, 0, sizeof *u);
  for (int32_t i = 0; i < packed->rank; i++) u->dims[i] = packed->dims[i];
  u->tensor = *packed;
  u->tensor.dims = u->dims;
  if (!is_bytes || bits == 8) return;
  u->dims[packed->rank - 1] *= 8 / bits;
  u->tensor.dtype = bits == 4 ? ONNXC_RT_U4 : ONNXC_RT_U2;
}

/* Where the parameter of element `at` of the data lies. An axis of 1 serves all indexes. */
static int64_t parameter_at(const onnxc_rt_tensor *data, const onnxc_rt_tensor *parameters,
                            int32_t axis, int64_t block, int64_t at) {
  int64_t result = 0, stride = 1;
  for (int32_t i = data->rank - 1; i >= 0; i--) {
    const int64_t index = at % data->dims[i] / (i == axis ? block : 1);
    if (parameters->dims[i] != 1) result += index * stride;
    stride *= parameters->dims[i];
    at /= data->dims[i];
  }
  return result;
}

/* Numbers in bytes are unsigned, around the middle when no zero point is given. */
static double absent_zero(const onnxc_rt_call *call) {
  return call->in[DATA].dtype == ONNXC_RT_U8 ? (double)(1 << (call->attr[BITS].i - 1)) : 0;
}

int onnxc_rt_ref_gather_block_quantized(const onnxc_rt_call *call) {
  Unpacked data, zeros;
  unpacked_init(&data, &call->in[DATA], call->attr[BITS].i);
  const int has_zeros = onnxc_rt_has_in(call, ZEROS);
  if (has_zeros) unpacked_init(&zeros, &call->in[ZEROS], call->attr[BITS].i);
  const onnxc_rt_tensor *d = &data.tensor, *scales = &call->in[SCALES];
  const int32_t gather = onnxc_rt_axis(call->attr[GATHER_AXIS].i, d->rank);
  const int32_t axis = onnxc_rt_axis(call->attr[QUANTIZE_AXIS].i, d->rank);
  const int64_t block = call->attr[BLOCK_SIZE].i == 0 ? d->dims[axis] : call->attr[BLOCK_SIZE].i;
  const int64_t inner = onnxc_rt_span(d, gather + 1, d->rank), size = d->dims[gather];
  const int64_t n = onnxc_rt_count(&call->in[INDICES]), count = onnxc_rt_count(&call->out[0]);
  for (int64_t i = 0; i < count; i++) {
    const int64_t row = i / inner;
    const int64_t index = onnxc_rt_index(onnxc_rt_load_i64(&call->in[INDICES], row % n), size);
    if (index < 0) return ONNXC_RT_ERROR_INDEX;
    const int64_t at = (row / n * size + index) * inner + i % inner;
    double zero = absent_zero(call);
    if (has_zeros) {
      zero = onnxc_rt_load_f64(&zeros.tensor, parameter_at(d, &zeros.tensor, axis, block, at));
    }
    const double scale = onnxc_rt_load_f64(scales, parameter_at(d, scales, axis, block, at));
    const float y = (float)(onnxc_rt_load_f64(d, at) - zero) * (float)scale;
    onnxc_rt_store_f64(&call->out[0], i, (double)y);
  }
  return ONNXC_RT_OK;
}
