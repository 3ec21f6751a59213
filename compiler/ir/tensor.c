#include "ir/graph.h"
#include "reference/element.h"

/* The tensor as the runtime reads it; loads need no sizes and do not write. */
static onnxc_rt_tensor readable(const Tensor *tensor) {
  return (onnxc_rt_tensor){.data = (void *)(uintptr_t)tensor->data,
                           .dtype = (int32_t)tensor->dtype};
}

double tensor_f64(const Tensor *tensor, size_t i) {
  const onnxc_rt_tensor t = readable(tensor);
  return onnxc_rt_load_f64(&t, (int64_t)i);
}

int64_t tensor_i64(const Tensor *tensor, size_t i) {
  const onnxc_rt_tensor t = readable(tensor);
  return onnxc_rt_load_i64(&t, (int64_t)i);
}
