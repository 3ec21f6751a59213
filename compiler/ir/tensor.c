#include "ir/graph.h"
#include "reference/element.h"

/* The tensor as the runtime sees it; loads and stores need no sizes, and loads do not write. */
static onnxc_rt_tensor runtime_tensor(const Tensor *tensor) {
  return (onnxc_rt_tensor){.data = (void *)(uintptr_t)tensor->data,
                           .dtype = (int32_t)tensor->dtype};
}

double tensor_f64(const Tensor *tensor, size_t i) {
  const onnxc_rt_tensor t = runtime_tensor(tensor);
  return onnxc_rt_load_f64(&t, (int64_t)i);
}

int64_t tensor_i64(const Tensor *tensor, size_t i) {
  const onnxc_rt_tensor t = runtime_tensor(tensor);
  return onnxc_rt_load_i64(&t, (int64_t)i);
}

void tensor_set_f64(Tensor *tensor, size_t i, double value) {
  const onnxc_rt_tensor t = runtime_tensor(tensor);
  onnxc_rt_store_f64(&t, (int64_t)i, value);
}

void tensor_set_i64(Tensor *tensor, size_t i, int64_t value) {
  const onnxc_rt_tensor t = runtime_tensor(tensor);
  onnxc_rt_store_i64(&t, (int64_t)i, value);
}
