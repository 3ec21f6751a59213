/* The reference kernels: each operator in portable scalar C, right for every type it allows.
 * Constant folding, the interpreter and generated code for rare operators all call these.
 *
 * Each comment gives inputs, outputs and attributes in the order of the call; [x] may be absent.
 * Kernels need no scratch unless the comment says so, and return ONNXC_RT_OK unless it names an
 * error. Sizes of outputs are right on entry (see onnxc_rt_call). */
#ifndef ONNXC_RT_REFERENCE_H
#define ONNXC_RT_REFERENCE_H

#include "onnxc_rt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- movement: every type, strings included -------------------------------------------------- */

/* data, ... -> its elements in the same order, whatever the sizes. */
int onnxc_rt_ref_copy(const onnxc_rt_call *call);
/* data -> shape i64. start */
int onnxc_rt_ref_shape(const onnxc_rt_call *call);
/* data -> size i64. */
int onnxc_rt_ref_size(const onnxc_rt_call *call);
/* data, [shape] -> reshaped. allowzero. Errors: SHAPE. */
int onnxc_rt_ref_reshape(const onnxc_rt_call *call);
/* data, [axes] -> squeezed. Errors: SHAPE. */
int onnxc_rt_ref_squeeze(const onnxc_rt_call *call);
/* data, [axes] -> expanded. Errors: SHAPE. */
int onnxc_rt_ref_unsqueeze(const onnxc_rt_call *call);
/* data -> transposed. perm (absent: all axes reversed) */
int onnxc_rt_ref_transpose(const onnxc_rt_call *call);
/* data... -> joined. axis */
int onnxc_rt_ref_concat(const onnxc_rt_call *call);
/* data, [split] -> parts... axis. Errors: SHAPE. */
int onnxc_rt_ref_split(const onnxc_rt_call *call);
/* data, starts, [ends], [axes], [steps] -> slice. Errors: VALUE, SHAPE. */
int onnxc_rt_ref_slice(const onnxc_rt_call *call);
/* data, indices -> gathered. axis. Errors: INDEX. */
int onnxc_rt_ref_gather(const onnxc_rt_call *call);
/* data, indices -> gathered. axis. Errors: INDEX. */
int onnxc_rt_ref_gather_elements(const onnxc_rt_call *call);
/* data, indices -> gathered. batch_dims. Errors: INDEX. */
int onnxc_rt_ref_gather_nd(const onnxc_rt_call *call);
/* data, indices, updates -> data updated. axis, reduction. Errors: INDEX. */
int onnxc_rt_ref_scatter_elements(const onnxc_rt_call *call);
/* data, indices, updates -> data updated. reduction. Errors: INDEX. */
int onnxc_rt_ref_scatter_nd(const onnxc_rt_call *call);
/* data, [shape] -> broadcast. Errors: SHAPE. */
int onnxc_rt_ref_expand(const onnxc_rt_call *call);
/* data, [repeats] -> tiled. Errors: SHAPE. */
int onnxc_rt_ref_tile(const onnxc_rt_call *call);
/* data, pads, [value], [axes] -> padded. mode. Errors: SHAPE. */
int onnxc_rt_ref_pad(const onnxc_rt_call *call);
/* data, [k] -> a triangle of each matrix. upper */
int onnxc_rt_ref_trilu(const onnxc_rt_call *call);
/* condition, x, y -> chosen. */
int onnxc_rt_ref_where(const onnxc_rt_call *call);
/* data, condition -> the slices (absent axis: elements) where it is true. axis. Errors: SHAPE. */
int onnxc_rt_ref_compress(const onnxc_rt_call *call);
/* data, lengths -> data with the first elements reversed. batch_axis, time_axis. Errors: VALUE. */
int onnxc_rt_ref_reverse_sequence(const onnxc_rt_call *call);
/* indices, [depth], values (off, on) -> one-hot. axis. Errors: SHAPE. */
int onnxc_rt_ref_one_hot(const onnxc_rt_call *call);

/* ---- data that is made -------------------------------------------------------------------------
 */

/* data -> converted. saturate, round_mode. Float to integer truncates and saturates, NaN gives 0;
 * integers keep their low bits. */
int onnxc_rt_ref_cast(const onnxc_rt_call *call);
/* () -> the integers of `dims`, of any integer type or bool. dims INTS */
int onnxc_rt_ref_dims(const onnxc_rt_call *call);
/* start, [limit], delta -> start + i * delta. Errors: VALUE (delta 0), SHAPE. */
int onnxc_rt_ref_range(const onnxc_rt_call *call);
/* data -> ones on diagonal k. k */
int onnxc_rt_ref_eye_like(const onnxc_rt_call *call);
/* data -> indexes of what is not zero, i64[rank, found]. Errors: SHAPE. */
int onnxc_rt_ref_non_zero(const onnxc_rt_call *call);
/* data, [k] -> [values], [indices]. axis, largest. Scratch: 8 bytes for each element along the
 * axis. NaN is the largest. Always sorted. Errors: VALUE, SHAPE. */
int onnxc_rt_ref_top_k(const onnxc_rt_call *call);
/* data, axis -> running sums. exclusive, reverse. Errors: VALUE. */
int onnxc_rt_ref_cum_sum(const onnxc_rt_call *call);
/* data, axis -> running products. exclusive, reverse. Errors: VALUE. */
int onnxc_rt_ref_cum_prod(const onnxc_rt_call *call);
/* data, [ratio], [training_mode] -> data, [mask of ones]. Errors: VALUE (training with a ratio that
 * is not 0). */
int onnxc_rt_ref_dropout(const onnxc_rt_call *call);

#ifdef __cplusplus
}
#endif

#endif
