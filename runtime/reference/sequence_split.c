#include "onnxc_rt_reference.h"
#include "reference/sequence.h"

/* Elements [start, start + size) of the axis become the next tensor of the sequence. */
static int add_part(onnxc_rt_sequence *s, const onnxc_rt_tensor *x, int32_t axis, int keep,
                    int64_t start, int64_t size) {
  const int64_t outer = onnxc_rt_span(x, 0, axis), inner = onnxc_rt_span(x, axis + 1, x->rank);
  onnxc_rt_item part;
  part.at = 0;
  part.count = outer * size * inner;
  part.rank = 0;
  for (int32_t i = 0; i < x->rank; i++) {
    if (i == axis && !keep) continue;
    part.dims[part.rank++] = i == axis ? size : x->dims[i];
  }
  const int64_t at = s->length * s->slot, count = part.count;
  part.count = 0; /* the elements lie apart in x */
  if (count > s->slot) return ONNXC_RT_ERROR_SHAPE;
  const int status = onnxc_rt_sequence_add(s, x, &part);
  if (status != ONNXC_RT_OK) return status;
  for (int64_t i = 0; i < outer; i++) {
    const int64_t from = (i * x->dims[axis] + start) * inner;
    onnxc_rt_copy(s->data, at + i * size * inner, x, from, size * inner);
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_sequence_split(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *split = &call->in[1];
  const int32_t axis = onnxc_rt_axis(call->attr[2].i, x->rank);
  const int given = onnxc_rt_has_in(call, 1), keep = given || call->attr[3].i != 0;
  const int listed = given && split->rank == 1;
  const int64_t whole = x->dims[axis], chunk = given && !listed ? onnxc_rt_load_i64(split, 0) : 1;
  int64_t start = 0;
  onnxc_rt_sequence s;
  if (chunk < 1) return ONNXC_RT_ERROR_VALUE;
  onnxc_rt_sequence_new(call->out, &s);
  for (int64_t i = 0; listed ? i < onnxc_rt_count(split) : start < whole; i++) {
    int64_t size = listed ? onnxc_rt_load_i64(split, i) : chunk;
    if (!listed && size > whole - start) size = whole - start;
    if (size < 0 || size > whole - start) return ONNXC_RT_ERROR_SHAPE;
    const int status = add_part(&s, x, axis, keep, start, size);
    if (status != ONNXC_RT_OK) return status;
    start += size;
  }
  onnxc_rt_sequence_close(call, &s);
  return start == whole ? ONNXC_RT_OK : ONNXC_RT_ERROR_SHAPE;
}
