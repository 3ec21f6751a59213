#include "onnxc_rt_reference.h"
#include "reference/sequence.h"

/* Sizes that vary are stored, others must be as they are. */
static int set_dims(const onnxc_rt_tensor *y, const int64_t *dims, int64_t ragged) {
  for (int32_t i = 0; i < y->rank; i++) {
    if ((ragged >> i & 1) == 0 ? y->dims[i] != dims[i] : !onnxc_rt_set_dim(y, i, dims[i])) return 0;
  }
  return 1;
}

/* Nothing where an optional has none: no elements on the axes that vary, zeros otherwise. */
static int take_nothing(const onnxc_rt_tensor *y, int64_t ragged) {
  for (int32_t i = 0; i < y->rank; i++) {
    if ((ragged >> i & 1) != 0) onnxc_rt_set_dim(y, i, 0);
  }
  onnxc_rt_clear(y);
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_sequence_at(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int64_t ragged = call->attr[1].i;
  onnxc_rt_sequence s;
  onnxc_rt_item item;
  int64_t at;
  int status = onnxc_rt_sequence_open(call->in, &s);
  if (status != ONNXC_RT_OK) return status;
  if (s.length == 0 && call->attr[2].i != 0) return take_nothing(y, ragged);
  status = onnxc_rt_sequence_position(call, 3, s.length, s.length, 0, &at);
  if (status == ONNXC_RT_OK) status = onnxc_rt_sequence_item(&s, at, &item);
  if (status != ONNXC_RT_OK) return status;
  if (item.rank != y->rank || !set_dims(y, item.dims, ragged)) return ONNXC_RT_ERROR_SHAPE;
  onnxc_rt_copy(y, 0, s.data, item.at, item.count);
  return ONNXC_RT_OK;
}

/* Whether the item goes with the others, and the axis grows by its size, 1 where items are stacked.
 */
static int join_dims(int64_t *dims, int32_t rank, int32_t axis, int stacks, int first,
                     const onnxc_rt_item *item) {
  if (item->rank + stacks != rank) return 0;
  for (int32_t i = 0, k = 0; i < rank; i++) {
    if (i == axis) {
      const int64_t size = stacks ? 1 : item->dims[k];
      k += !stacks;
      if (size > INT64_MAX - (first ? 0 : dims[i])) return 0;
      dims[i] = (first ? 0 : dims[i]) + size;
      continue;
    }
    if (!first && dims[i] != item->dims[k]) return 0;
    dims[i] = item->dims[k++];
  }
  return 1;
}

int onnxc_rt_ref_sequence_join(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int32_t axis = onnxc_rt_axis(call->attr[2].i, y->rank);
  const int stacks = call->attr[3].i != 0;
  int64_t dims[ONNXC_RT_MAX_RANK] = {0}, at = 0;
  onnxc_rt_sequence s;
  onnxc_rt_item item;
  int status = onnxc_rt_sequence_open(call->in, &s);
  if (status == ONNXC_RT_OK && s.length == 0) status = ONNXC_RT_ERROR_SHAPE;
  for (int64_t i = 0; i < s.length && status == ONNXC_RT_OK; i++) {
    status = onnxc_rt_sequence_item(&s, i, &item);
    if (status != ONNXC_RT_OK) return status;
    if (!join_dims(dims, y->rank, axis, stacks, i == 0, &item)) return ONNXC_RT_ERROR_SHAPE;
  }
  if (status != ONNXC_RT_OK) return status;
  if (!set_dims(y, dims, call->attr[1].i)) return ONNXC_RT_ERROR_SHAPE;
  const int64_t outer = onnxc_rt_span(y, 0, axis), row = onnxc_rt_span(y, axis, y->rank);
  for (int64_t i = 0; i < s.length && outer != 0; i++) {
    (void)onnxc_rt_sequence_item(&s, i, &item);
    const int64_t part = item.count / outer;
    for (int64_t k = 0; k < outer; k++) {
      onnxc_rt_copy(y, k * row + at, s.data, item.at + k * part, part);
    }
    at += part;
  }
  return ONNXC_RT_OK;
}
