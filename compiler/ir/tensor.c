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

/* ---- of attributes -----------------------------------------------------------------------------
 */

static const Tensor *borrow(Context *ctx, DType dtype, int rank, size_t n, const void *data) {
  const int64_t dims[] = {(int64_t)n};
  Tensor *tensor = ARENA_NEW(ctx->arena, Tensor);
  *tensor = (Tensor){.dtype = dtype, .rank = rank, .count = n, .data = data};
  tensor->dims = arena_copy(ctx->arena, dims, (size_t)rank * sizeof *dims);
  dtype_bytes(dtype, n, &tensor->bytes);
  if (n == 0) tensor->data = "";
  return tensor;
}

static const Tensor *borrow_string(Context *ctx, const char *text, size_t size) {
  const onnxc_rt_string string = {text, (ptrdiff_t)size};
  return borrow(ctx, ONNXC_RT_STRING, 0, 1, arena_copy(ctx->arena, &string, sizeof string));
}

const Tensor *tensor_of_attr(Context *ctx, const Attr *attr) {
  Arena *arena = ctx->arena;
  switch (attr->kind) {
  case ATTR_TENSOR: return attr->tensor;
  case ATTR_INT:
    return borrow(ctx, ONNXC_RT_I64, 0, 1, arena_copy(arena, &attr->i, sizeof attr->i));
  case ATTR_FLOAT:
    return borrow(ctx, ONNXC_RT_F32, 0, 1, arena_copy(arena, &attr->f, sizeof attr->f));
  case ATTR_STRING: return borrow_string(ctx, attr->s, attr->s_size);
  case ATTR_INTS: return borrow(ctx, ONNXC_RT_I64, 1, attr->count, attr->ints);
  case ATTR_FLOATS: return borrow(ctx, ONNXC_RT_F32, 1, attr->count, attr->floats);
  case ATTR_STRINGS: return borrow(ctx, ONNXC_RT_STRING, 1, attr->count, attr->strings);
  default: return NULL;
  }
}
