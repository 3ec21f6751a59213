#include "onnxc_rt_reference.h"
#include "reference/sequence.h"

int onnxc_rt_ref_sequence_pack(const onnxc_rt_call *call) {
  onnxc_rt_sequence to;
  int status = ONNXC_RT_OK;
  onnxc_rt_sequence_new(call->out, &to);
  for (int32_t i = 0; i < call->n_in && status == ONNXC_RT_OK; i++) {
    status = onnxc_rt_sequence_add_tensor(&to, &call->in[i]);
  }
  onnxc_rt_sequence_close(call, &to);
  return status;
}

int onnxc_rt_ref_sequence_insert(const onnxc_rt_call *call) {
  onnxc_rt_sequence from, to;
  int64_t at;
  int status = onnxc_rt_sequence_open(call->in, &from);
  if (status != ONNXC_RT_OK) return status;
  status = onnxc_rt_sequence_position(call, 4, from.length, from.length + 1, from.length, &at);
  if (status != ONNXC_RT_OK) return status;
  onnxc_rt_sequence_new(call->out, &to);
  status = onnxc_rt_sequence_extend(&to, &from, 0, at);
  if (status == ONNXC_RT_OK) status = onnxc_rt_sequence_add_tensor(&to, &call->in[3]);
  if (status == ONNXC_RT_OK) status = onnxc_rt_sequence_extend(&to, &from, at, from.length);
  onnxc_rt_sequence_close(call, &to);
  return status;
}

int onnxc_rt_ref_sequence_erase(const onnxc_rt_call *call) {
  onnxc_rt_sequence from, to;
  int64_t at;
  int status = onnxc_rt_sequence_open(call->in, &from);
  if (status != ONNXC_RT_OK) return status;
  status = onnxc_rt_sequence_position(call, 3, from.length, from.length, from.length - 1, &at);
  if (status != ONNXC_RT_OK) return status;
  onnxc_rt_sequence_new(call->out, &to);
  status = onnxc_rt_sequence_extend(&to, &from, 0, at);
  if (status == ONNXC_RT_OK) status = onnxc_rt_sequence_extend(&to, &from, at + 1, from.length);
  onnxc_rt_sequence_close(call, &to);
  return status;
}

/* The capacity that the copy is to have; `most` is its bound. */
static int64_t new_capacity(const onnxc_rt_call *call, const onnxc_rt_sequence *from,
                            int64_t most) {
  const onnxc_rt_attr *to = &call->attr[2];
  int64_t turns, growth = call->attr[3].i;
  if (onnxc_rt_attr_is(to, "length")) return from->length;
  if (!onnxc_rt_attr_is(to, "turns") || !onnxc_rt_has_in(call, 3)) return most;
  turns = onnxc_rt_load_i64(&call->in[3], 0);
  if (turns < 0) turns = 0;
  if (growth != 0 && turns > (INT64_MAX - from->capacity) / growth) return INT64_MAX;
  return from->capacity + turns * growth;
}

int onnxc_rt_ref_sequence_fit(const onnxc_rt_call *call) {
  onnxc_rt_sequence from, to;
  int64_t capacity;
  int status = onnxc_rt_sequence_open(call->in, &from);
  if (status != ONNXC_RT_OK) return status;
  capacity = new_capacity(call, &from, call->out[0].dims[0]);
  if (!onnxc_rt_set_dim(&call->out[0], 0, capacity)) return ONNXC_RT_ERROR_SHAPE;
  if (!onnxc_rt_set_dim(&call->out[1], 0, capacity)) return ONNXC_RT_ERROR_SHAPE;
  onnxc_rt_sequence_new(call->out, &to);
  return onnxc_rt_sequence_extend(&to, &from, 0, from.length);
}

int onnxc_rt_ref_sequence_require(const onnxc_rt_call *call) {
  if (onnxc_rt_load_i64(&call->in[1], 0) == 0) return ONNXC_RT_ERROR_INDEX;
  onnxc_rt_copy(&call->out[0], 0, &call->in[0], 0, 1);
  return ONNXC_RT_OK;
}
