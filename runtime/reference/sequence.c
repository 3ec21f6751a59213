#include "reference/sequence.h"

static void shape_of(const onnxc_rt_tensor *data, const onnxc_rt_tensor *dims,
                     onnxc_rt_sequence *s) {
  s->data = data;
  s->dims = dims;
  s->capacity = data->dims[0];
  s->slot = data->dims[1];
  s->rank = (int32_t)dims->dims[1];
}

int onnxc_rt_sequence_open(const onnxc_rt_tensor *in, onnxc_rt_sequence *s) {
  shape_of(&in[0], &in[1], s);
  s->length = onnxc_rt_load_i64(&in[2], 0);
  return s->length < 0 || s->length > s->capacity ? ONNXC_RT_ERROR_SHAPE : ONNXC_RT_OK;
}

void onnxc_rt_sequence_new(const onnxc_rt_tensor *out, onnxc_rt_sequence *s) {
  shape_of(&out[0], &out[1], s);
  s->length = 0;
  onnxc_rt_clear(&out[0]);
  onnxc_rt_clear(&out[1]);
}

int onnxc_rt_sequence_item(const onnxc_rt_sequence *s, int64_t i, onnxc_rt_item *item) {
  item->at = i * s->slot;
  item->count = 1;
  item->rank = 0;
  for (int32_t axis = 0; axis < s->rank; axis++) {
    const int64_t dim = onnxc_rt_load_i64(s->dims, i * s->rank + axis);
    if (dim == -1) break;
    if (dim < 0 || (item->count != 0 && dim > INT64_MAX / item->count)) return ONNXC_RT_ERROR_SHAPE;
    item->dims[item->rank++] = dim;
    item->count *= dim;
  }
  return item->count > s->slot ? ONNXC_RT_ERROR_SHAPE : ONNXC_RT_OK;
}

int onnxc_rt_sequence_add(onnxc_rt_sequence *s, const onnxc_rt_tensor *from,
                          const onnxc_rt_item *item) {
  if (s->length >= s->capacity || item->count > s->slot || item->rank > s->rank) {
    return ONNXC_RT_ERROR_SHAPE;
  }
  for (int32_t axis = 0; axis < s->rank; axis++) {
    const int64_t dim = axis < item->rank ? item->dims[axis] : -1;
    onnxc_rt_store_i64(s->dims, s->length * s->rank + axis, dim);
  }
  onnxc_rt_copy(s->data, s->length * s->slot, from, item->at, item->count);
  s->length++;
  return ONNXC_RT_OK;
}

int onnxc_rt_sequence_extend(onnxc_rt_sequence *s, const onnxc_rt_sequence *from, int64_t begin,
                             int64_t end) {
  int status = ONNXC_RT_OK;
  for (int64_t i = begin; i < end && status == ONNXC_RT_OK; i++) {
    onnxc_rt_item item;
    status = onnxc_rt_sequence_item(from, i, &item);
    if (status == ONNXC_RT_OK) status = onnxc_rt_sequence_add(s, from->data, &item);
  }
  return status;
}

int onnxc_rt_sequence_add_tensor(onnxc_rt_sequence *s, const onnxc_rt_tensor *tensor) {
  onnxc_rt_item item;
  item.at = 0;
  item.count = onnxc_rt_count(tensor);
  item.rank = tensor->rank;
  for (int32_t axis = 0; axis < tensor->rank; axis++) item.dims[axis] = tensor->dims[axis];
  return onnxc_rt_sequence_add(s, tensor, &item);
}

int onnxc_rt_sequence_position(const onnxc_rt_call *call, int32_t i, int64_t length, int64_t room,
                               int64_t otherwise, int64_t *position) {
  *position = otherwise;
  if (onnxc_rt_has_in(call, i)) {
    *position = onnxc_rt_load_i64(&call->in[i], 0);
    if (*position < 0) *position += length;
  }
  return *position < 0 || *position >= room ? ONNXC_RT_ERROR_INDEX : ONNXC_RT_OK;
}

void onnxc_rt_sequence_close(const onnxc_rt_call *call, const onnxc_rt_sequence *s) {
  if (onnxc_rt_has_out(call, 2)) onnxc_rt_store_i64(&call->out[2], 0, s->length);
}
