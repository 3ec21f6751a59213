/* A sequence as three tensors: the elements of each of its tensors one after the other in a slot of
 * data [capacity, slot]; their sizes in dims [capacity, rank], -1 behind those of tensors with
 * fewer axes; and their number.
 *
 * All three may come from the caller of a model, so nothing is taken for granted. */
#ifndef ONNXC_RT_REFERENCE_SEQUENCE_H
#define ONNXC_RT_REFERENCE_SEQUENCE_H

#include "reference/element.h"

typedef struct onnxc_rt_sequence {
  const onnxc_rt_tensor *data, *dims;
  int64_t length, capacity, slot;
  int32_t rank; /* the highest there can be */
} onnxc_rt_sequence;

/* One tensor of a sequence. */
typedef struct onnxc_rt_item {
  int64_t at, count; /* elements [at, at + count) of the data */
  int32_t rank;
  int64_t dims[ONNXC_RT_MAX_RANK];
} onnxc_rt_item;

/* From inputs data, dims, length. ONNXC_RT_ERROR_SHAPE: the length is not one. */
int onnxc_rt_sequence_open(const onnxc_rt_tensor *in, onnxc_rt_sequence *s);
/* From outputs data, dims, which are cleared. */
void onnxc_rt_sequence_new(const onnxc_rt_tensor *out, onnxc_rt_sequence *s);
/* Tensor `i`. ONNXC_RT_ERROR_SHAPE: its sizes are none, or more than its slot has room for. */
int onnxc_rt_sequence_item(const onnxc_rt_sequence *s, int64_t i, onnxc_rt_item *item);
/* Appends elements of `from`. ONNXC_RT_ERROR_SHAPE: there is no room. */
int onnxc_rt_sequence_add(onnxc_rt_sequence *s, const onnxc_rt_tensor *from,
                          const onnxc_rt_item *item);
/* Appends tensors [begin, end) of another sequence. */
int onnxc_rt_sequence_extend(onnxc_rt_sequence *s, const onnxc_rt_sequence *from, int64_t begin,
                             int64_t end);
/* Appends a whole tensor. */
int onnxc_rt_sequence_add_tensor(onnxc_rt_sequence *s, const onnxc_rt_tensor *tensor);
/* The position in input `i`, from the end where it is negative, in [0, room); absent: `otherwise`.
 * ONNXC_RT_ERROR_INDEX: it is outside. */
int onnxc_rt_sequence_position(const onnxc_rt_call *call, int32_t i, int64_t length, int64_t room,
                               int64_t otherwise, int64_t *position);
/* The number of tensors goes to output 2, where that is there. */
void onnxc_rt_sequence_close(const onnxc_rt_call *call, const onnxc_rt_sequence *s);

#endif
