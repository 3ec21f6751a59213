#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/pieces.h"

static onnxc_rt_split begin(const onnxc_rt_call *call, int64_t i) {
  const onnxc_rt_attr *delimiter = &call->attr[0], *splits = &call->attr[1];
  const onnxc_rt_string at = {delimiter->s, delimiter->present ? delimiter->count : 0};
  const onnxc_rt_string *strings = (const onnxc_rt_string *)call->in[0].data;
  return onnxc_rt_split_begin(strings[i], at, splits->present ? splits->i : -1);
}

/* Counts all pieces; the most of one string. */
static int64_t count_pieces(const onnxc_rt_call *call, int64_t n) {
  int64_t most = 0;
  for (int64_t i = 0; i < n; i++) {
    const int64_t pieces = onnxc_rt_split_count(begin(call, i));
    if (onnxc_rt_has_out(call, 1)) onnxc_rt_store_i64(&call->out[1], i, pieces);
    if (pieces > most) most = pieces;
  }
  return most;
}

int onnxc_rt_ref_string_split(const onnxc_rt_call *call) {
  const int64_t n = onnxc_rt_count(&call->in[0]), most = count_pieces(call, n);
  if (!onnxc_rt_has_out(call, 0)) return ONNXC_RT_OK;
  const onnxc_rt_string empty = {NULL, 0};
  onnxc_rt_string *pieces = (onnxc_rt_string *)call->out[0].data;
  if (!onnxc_rt_set_dim(&call->out[0], call->out[0].rank - 1, most)) return ONNXC_RT_ERROR_SHAPE;
  for (int64_t i = 0; i < n; i++) {
    onnxc_rt_split split = begin(call, i);
    for (int64_t k = 0; k < most; k++) {
      onnxc_rt_string piece;
      pieces[i * most + k] = onnxc_rt_split_next(&split, &piece) ? piece : empty;
    }
  }
  return ONNXC_RT_OK;
}
