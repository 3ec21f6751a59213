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

/* Strings of a caller: ONNXC_RT_ERROR_VALUE for a negative size, ONNXC_RT_ERROR_NULL for bytes that
 * are not there. */
int onnxc_rt_check_strings(const onnxc_rt_string *strings, ptrdiff_t count);

/* ---- movement: every type, strings included ---- */

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
/* data -> rolled: element i is element i + shift, from the end on to the beginning. shifts, one for
 * each axis */
int onnxc_rt_ref_roll(const onnxc_rt_call *call);
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

/* ---- elementwise -------------------------------------------------------------------------------
 */

/* x -> f(x), floats. round: half to even. */
int onnxc_rt_ref_acos(const onnxc_rt_call *call);
int onnxc_rt_ref_acosh(const onnxc_rt_call *call);
int onnxc_rt_ref_asin(const onnxc_rt_call *call);
int onnxc_rt_ref_asinh(const onnxc_rt_call *call);
int onnxc_rt_ref_atan(const onnxc_rt_call *call);
int onnxc_rt_ref_atanh(const onnxc_rt_call *call);
int onnxc_rt_ref_ceil(const onnxc_rt_call *call);
int onnxc_rt_ref_cos(const onnxc_rt_call *call);
int onnxc_rt_ref_cosh(const onnxc_rt_call *call);
int onnxc_rt_ref_erf(const onnxc_rt_call *call);
int onnxc_rt_ref_exp(const onnxc_rt_call *call);
int onnxc_rt_ref_floor(const onnxc_rt_call *call);
int onnxc_rt_ref_log(const onnxc_rt_call *call);
int onnxc_rt_ref_mish(const onnxc_rt_call *call);
int onnxc_rt_ref_hard_swish(const onnxc_rt_call *call);
int onnxc_rt_ref_reciprocal(const onnxc_rt_call *call);
int onnxc_rt_ref_round(const onnxc_rt_call *call);
int onnxc_rt_ref_sigmoid(const onnxc_rt_call *call);
int onnxc_rt_ref_sin(const onnxc_rt_call *call);
int onnxc_rt_ref_sinh(const onnxc_rt_call *call);
int onnxc_rt_ref_softplus(const onnxc_rt_call *call);
int onnxc_rt_ref_softsign(const onnxc_rt_call *call);
int onnxc_rt_ref_sqrt(const onnxc_rt_call *call);
int onnxc_rt_ref_tan(const onnxc_rt_call *call);
int onnxc_rt_ref_tanh(const onnxc_rt_call *call);
/* x -> f(x), floats. alpha */
int onnxc_rt_ref_celu(const onnxc_rt_call *call);
int onnxc_rt_ref_elu(const onnxc_rt_call *call);
int onnxc_rt_ref_leaky_relu(const onnxc_rt_call *call);
int onnxc_rt_ref_swish(const onnxc_rt_call *call);
int onnxc_rt_ref_thresholded_relu(const onnxc_rt_call *call);
/* x -> f(x), floats. alpha, gamma */
int onnxc_rt_ref_selu(const onnxc_rt_call *call);
/* x -> f(x), floats. alpha, beta */
int onnxc_rt_ref_hard_sigmoid(const onnxc_rt_call *call);
/* x -> f(x), floats. approximate */
int onnxc_rt_ref_gelu(const onnxc_rt_call *call);
/* x -> f(x), any number. bias, lambd */
int onnxc_rt_ref_shrink(const onnxc_rt_call *call);
/* x -> f(x), any number; integers wrap around. */
int onnxc_rt_ref_abs(const onnxc_rt_call *call);
int onnxc_rt_ref_neg(const onnxc_rt_call *call);
int onnxc_rt_ref_relu(const onnxc_rt_call *call);
int onnxc_rt_ref_sign(const onnxc_rt_call *call);
/* x -> not x, bool. */
int onnxc_rt_ref_not(const onnxc_rt_call *call);
/* x -> ~x, integers. */
int onnxc_rt_ref_bitwise_not(const onnxc_rt_call *call);
/* x -> bool, floats. */
int onnxc_rt_ref_is_nan(const onnxc_rt_call *call);
/* x -> bool, floats. detect_negative, detect_positive */
int onnxc_rt_ref_is_inf(const onnxc_rt_call *call);
/* a, b -> a op b, broadcast, any number; integers wrap around, a division by 0 gives 0. */
int onnxc_rt_ref_add(const onnxc_rt_call *call);
int onnxc_rt_ref_sub(const onnxc_rt_call *call);
int onnxc_rt_ref_mul(const onnxc_rt_call *call);
int onnxc_rt_ref_div(const onnxc_rt_call *call);
/* a, b -> remainder, broadcast; by the integer 0: 0. fmod (the sign is that of a, else of b) */
int onnxc_rt_ref_mod(const onnxc_rt_call *call);
/* a, b -> a to the power of b, broadcast; b may be of another type than a. */
int onnxc_rt_ref_pow(const onnxc_rt_call *call);
/* a, b -> a op b, broadcast, integers. */
int onnxc_rt_ref_bitwise_and(const onnxc_rt_call *call);
int onnxc_rt_ref_bitwise_or(const onnxc_rt_call *call);
int onnxc_rt_ref_bitwise_xor(const onnxc_rt_call *call);
/* a, b -> a shifted by b, broadcast, integers; by the width or more: 0 or the sign. direction */
int onnxc_rt_ref_bit_shift(const onnxc_rt_call *call);
/* a, b -> bool, broadcast; equal also compares strings. */
int onnxc_rt_ref_equal(const onnxc_rt_call *call);
int onnxc_rt_ref_greater(const onnxc_rt_call *call);
int onnxc_rt_ref_greater_or_equal(const onnxc_rt_call *call);
int onnxc_rt_ref_less(const onnxc_rt_call *call);
int onnxc_rt_ref_less_or_equal(const onnxc_rt_call *call);
/* a, b -> bool, broadcast, bool. */
int onnxc_rt_ref_and(const onnxc_rt_call *call);
int onnxc_rt_ref_or(const onnxc_rt_call *call);
int onnxc_rt_ref_xor(const onnxc_rt_call *call);
/* x, slope -> x < 0 ? slope * x : x, broadcast. */
int onnxc_rt_ref_prelu(const onnxc_rt_call *call);
/* x, [min], [max] -> x within the bounds; max wins, NaN stays. */
int onnxc_rt_ref_clip(const onnxc_rt_call *call);
/* x... -> of all inputs, broadcast; a NaN wins in max and min. */
int onnxc_rt_ref_max(const onnxc_rt_call *call);
int onnxc_rt_ref_min(const onnxc_rt_call *call);
int onnxc_rt_ref_sum(const onnxc_rt_call *call);
int onnxc_rt_ref_mean(const onnxc_rt_call *call);
/* ---- products ------------------------------------------------------------------------------ */

/* A, B -> A @ B as NumPy's matmul; integers modulo their range. */
int onnxc_rt_ref_matmul(const onnxc_rt_call *call);
/* A, B, [C] -> alpha * A' @ B' + beta * C. Attributes: alpha, beta, transA, transB. */
int onnxc_rt_ref_gemm(const onnxc_rt_call *call);

/* ---- normalisation ------------------------------------------------------------------------- */

/* x -> y. Attributes: axis. */
int onnxc_rt_ref_softmax(const onnxc_rt_call *call);
int onnxc_rt_ref_log_softmax(const onnxc_rt_call *call);
/* X, Scale, [B] -> [Y], [Mean], [InvStdDev]. Attributes: axis, epsilon. */
int onnxc_rt_ref_layer_norm(const onnxc_rt_call *call);
/* X, scale -> Y. Attributes: axis, epsilon. */
int onnxc_rt_ref_rms_norm(const onnxc_rt_call *call);
/* X, scale, B, mean, variance -> Y, by given statistics. Attributes: epsilon. */
int onnxc_rt_ref_batch_norm(const onnxc_rt_call *call);
/* x -> y; rows of norm 0 stay 0. Attributes: axis, p (1 or 2). */
int onnxc_rt_ref_lp_norm(const onnxc_rt_call *call);
/* X -> Y, normalised over neighbouring channels. Attributes: alpha, beta, bias, size. */
int onnxc_rt_ref_lrn(const onnxc_rt_call *call);

/* ---- windows ------------------------------------------------------------------------------- */

/* Attributes of all of them first: auto_pad, dilations, kernel_shape, pads, strides. */

/* X, W, [B] -> Y. Further attributes: group. */
int onnxc_rt_ref_conv(const onnxc_rt_call *call);
/* x, w, [x_zero_point], [w_zero_point] -> y in i32. Further attributes: group. */
int onnxc_rt_ref_conv_integer(const onnxc_rt_call *call);
/* X, W, [B] -> Y. Further attributes: group, output_padding, output_shape. */
int onnxc_rt_ref_conv_transpose(const onnxc_rt_call *call);
/* X -> [Y], [Indices]. Further attributes: storage_order. */
int onnxc_rt_ref_max_pool(const onnxc_rt_call *call);
/* X, [scale], [zero point] -> Y; with a scale X is quantised. Further attributes:
 * count_include_pad. */
int onnxc_rt_ref_average_pool(const onnxc_rt_call *call);
/* X -> Y. Further attributes: p. */
int onnxc_rt_ref_lp_pool(const onnxc_rt_call *call);

/* ---- recurrence ---------------------------------------------------------------------------- */

/* X, W, R, [B], [sequence_lens], [initial_h], [initial_c], [P] -> [Y], [Y_h], [Y_c], in layout 0.
 * Attributes: direction, clip, activations, activation_alpha, activation_beta, input_forget.
 * Scratch: 56 bytes for each hidden element. ONNXC_RT_ERROR_VALUE: a length outside [0, steps]. */
int onnxc_rt_ref_lstm(const onnxc_rt_call *call);
/* The same without initial_c, P and Y_c, and with linear_before_reset instead of input_forget.
 * Scratch: 48 bytes for each hidden element. */
int onnxc_rt_ref_gru(const onnxc_rt_call *call);
/* The same without linear_before_reset. Scratch: 32 bytes for each hidden element. */
int onnxc_rt_ref_rnn(const onnxc_rt_call *call);
/* X, W, R, [B], [sequence_lens], [initial_h], [initial_c], [P], W_scale, W_zero_point, R_scale,
 * R_zero_point -> [Y], [Y_h], [Y_c]. As the LSTM, but with W and R transposed and of bytes, and X
 * and h quantised before the products. Scratch: 12 bytes for each state, 33 for each hidden element
 * and 1 for each element of an input. */
int onnxc_rt_ref_dynamic_quantize_lstm(const onnxc_rt_call *call);

/* ---- reductions --------------------------------------------------------------------------------
 */

/* data, [axes] -> one number along the axes (all when there are none, unless
 * noop_with_empty_axes). Integers wrap around. keepdims, noop_with_empty_axes. Errors: VALUE (an
 * axis), SHAPE. */
int onnxc_rt_ref_reduce_l1(const onnxc_rt_call *call);
int onnxc_rt_ref_reduce_l2(const onnxc_rt_call *call);
int onnxc_rt_ref_reduce_log_sum(const onnxc_rt_call *call);
int onnxc_rt_ref_reduce_log_sum_exp(const onnxc_rt_call *call);
int onnxc_rt_ref_reduce_max(const onnxc_rt_call *call);
int onnxc_rt_ref_reduce_mean(const onnxc_rt_call *call);
int onnxc_rt_ref_reduce_min(const onnxc_rt_call *call);
int onnxc_rt_ref_reduce_prod(const onnxc_rt_call *call);
int onnxc_rt_ref_reduce_sum(const onnxc_rt_call *call);
int onnxc_rt_ref_reduce_sum_square(const onnxc_rt_call *call);
/* data -> position along the axis, i64; NaN is both greatest and least. axis, keepdims,
 * select_last_index. Errors: SHAPE (an empty axis). */
int onnxc_rt_ref_arg_max(const onnxc_rt_call *call);
int onnxc_rt_ref_arg_min(const onnxc_rt_call *call);
/* X, [roi], [scales], [sizes] -> Y. Attributes: mode, coordinate_transformation_mode, nearest_mode,
 * cubic_coeff_a, exclude_outside, extrapolation_value, antialias, axes, keep_aspect_ratio_policy.
 * ONNXC_RT_ERROR_SHAPE: a size out of range, or nothing to take the elements from. */
int onnxc_rt_ref_resize(const onnxc_rt_call *call);
/* For compilers: of how many elements of X each element of Y is made along an axis; -1: an error.
 * Reads the sizes of X, not its elements. */
int64_t onnxc_rt_resize_taps(const onnxc_rt_call *call, int32_t axis);
/* Which ones, and their weights: so many for each element of Y along the axis. */
void onnxc_rt_resize_table(const onnxc_rt_call *call, int32_t axis, int32_t *index, float *weights);

/* ---- quantisation -------------------------------------------------------------------------- */

/* x, y_scale, [y_zero_point] -> y. Attributes: axis, block_size, saturate. */
int onnxc_rt_ref_quantize_linear(const onnxc_rt_call *call);
/* x, x_scale, [x_zero_point] -> y. Attributes: axis, block_size. */
int onnxc_rt_ref_dequantize_linear(const onnxc_rt_call *call);
/* X, X_scale, [X_zero_point], Y_scale, [Y_zero_point] -> Y, of 8 bits. Attributes: axis, opset
 * (before 13, all axes from that one on are a row). */
int onnxc_rt_ref_qlinear_softmax(const onnxc_rt_call *call);
/* A, B, [a_zero_point], [b_zero_point] -> Y in i32, modulo its range. */
int onnxc_rt_ref_matmul_integer(const onnxc_rt_call *call);

/* A, B, scales, [zero_points], [g_idx], [bias] -> A @ W' + bias, W [N, K] in 2, 4 or 8 bits a
 * weight. Attributes: K, N, bits, block_size. Scratch: 4 * (K + 3) bytes. Errors: INDEX (of a
 * group). */
int onnxc_rt_ref_matmul_nbits(const onnxc_rt_call *call);
/* A, B, absmax -> A @ W', W [N, K] as codes of 4 bits. Attributes: K, N, block_size, quant_type.
 * Scratch: 4 * (K + 3) bytes. */
int onnxc_rt_ref_matmul_bnb4(const onnxc_rt_call *call);
/* data, indices, scales, [zero_points] -> gathered and dequantised. Attributes: bits, block_size
 * (0: all of the axis), gather_axis, quantize_axis. Errors: INDEX. */
int onnxc_rt_ref_gather_block_quantized(const onnxc_rt_call *call);

/* ---- optional parts ------------------------------------------------------------------------ */

/* In libonnxc_rt_image, which is built where its libraries are, libjpeg, libpng, libtiff, libwebp
 * and libopenjp2, and links them. Other than the rest of the runtime, they and it allocate memory.
 *
 * A file of a format of theirs, BMP or PNM -> pixels u8[height, width, 3 or 1], transparency left
 * out. pixel_format. Errors: SHAPE (an image larger than the bounds), VALUE (not an image, or not
 * all of it). */
int onnxc_rt_image_decode(const onnxc_rt_call *call);
/* The size that the head of a file says. Errors: VALUE. */
int onnxc_rt_image_size(const onnxc_rt_tensor *file, int64_t *height, int64_t *width);

/* ---- search, sampling, signals, losses ----------------------------------------------------- */

/* data -> [unique slices along the axis (absent: elements)], [first indices], [inverse], [counts].
 * axis, sorted. Scratch: 8 bytes a slice. Errors: SHAPE. */
int onnxc_rt_ref_unique(const onnxc_rt_call *call);
/* boxes, scores, [most per class], [IoU limit], [score limit] -> i64[found, 3]. center_point_box.
 * Scratch: 8 bytes a box. Errors: SHAPE. */
int onnxc_rt_ref_non_max_suppression(const onnxc_rt_call *call);
/* data, regions, images -> pooled. coordinate_transformation_mode, mode, sampling_ratio,
 * spatial_scale. Errors: INDEX. */
int onnxc_rt_ref_roi_align(const onnxc_rt_call *call);
/* data, grid -> sampled. align_corners, mode, padding_mode */
int onnxc_rt_ref_grid_sample(const onnxc_rt_call *call);
/* theta, [size] -> grid. align_corners. Errors: SHAPE. */
int onnxc_rt_ref_affine_grid(const onnxc_rt_call *call);
/* data, [shape] -> the middle of it, or it in the middle. axes. Errors: SHAPE. */
int onnxc_rt_ref_center_crop_pad(const onnxc_rt_call *call);
/* columns, [image shape], block shape -> image. dilations, pads, strides. Errors: SHAPE. */
int onnxc_rt_ref_col2im(const onnxc_rt_call *call);
/* past, update, [write_indices] -> past with the update. axis, mode. Errors: INDEX. */
int onnxc_rt_ref_tensor_scatter(const onnxc_rt_call *call);
/* matrices -> determinants. Scratch: 8 bytes for each element of one matrix. */
int onnxc_rt_ref_det(const onnxc_rt_call *call);
/* matrices -> inverses; of a singular one infinities or no numbers. Scratch: 16 bytes for each
 * element of one matrix. */
int onnxc_rt_ref_inverse(const onnxc_rt_call *call);
/* [size] -> window. periodic. Errors: SHAPE. */
int onnxc_rt_ref_blackman_window(const onnxc_rt_call *call);
int onnxc_rt_ref_hamming_window(const onnxc_rt_call *call);
int onnxc_rt_ref_hann_window(const onnxc_rt_call *call);
/* signal, [dft_length], [axis] -> spectrum. inverse, onesided. Scratch: onnxc_rt_fft_bytes of
 * reference/fft.h, here and below. Errors: VALUE, SHAPE. */
int onnxc_rt_ref_dft(const onnxc_rt_call *call);
/* signal, frame_step, [window], [frame_length] -> spectra. onesided. Errors: VALUE, SHAPE. */
int onnxc_rt_ref_stft(const onnxc_rt_call *call);
/* bands, dft_length, sample_rate, low, high -> matrix. Errors: VALUE, SHAPE. */
int onnxc_rt_ref_mel_weight_matrix(const onnxc_rt_call *call);
/* X, W, offset, [B], [mask] -> Y, two spatial axes. group, offset_group, dilations, pads, strides
 */
int onnxc_rt_ref_deform_conv(const onnxc_rt_call *call);
/* X, indices, [output shape] -> Y. kernel_shape, pads, strides. Errors: INDEX, SHAPE. */
int onnxc_rt_ref_max_unpool(const onnxc_rt_call *call);
/* Q, K, V, [mask bool or float], absent, absent, [keys of each sample i64], [place of the first
 * query among the keys i64] -> Y. is_causal, kv_num_heads, left_window_size, q_num_heads,
 * qk_matmul_output_mode, right_window_size, scale, softcap, softmax_precision, empty_rows
 * (ONNXC_RT_EMPTY_ZERO, ...). The core form of
 * compiler/ops/heads.h. Scratch: 8 bytes for each key. */
int onnxc_rt_ref_attention(const onnxc_rt_call *call);
/* query, key, value, [past state], [decay], [beta] -> output, [state]. kv_num_heads, q_num_heads,
 * scale, update_rule. Scratch: 8 bytes for each element of one head's state and of a value. */
int onnxc_rt_ref_linear_attention(const onnxc_rt_call *call);
/* [sizes of] -> random numbers. seed, stream, scale, mean; or seed, stream, high, low. Streams are
 * described in onnxc_rt.h; an element takes as many random bits as its type has precision. A
 * uniform number is at least low and below high, or high where it rounds to that. */
int onnxc_rt_ref_random_normal(const onnxc_rt_call *call);
int onnxc_rt_ref_random_uniform(const onnxc_rt_call *call);
/* probabilities -> 1 with them, else 0. seed, stream */
int onnxc_rt_ref_bernoulli(const onnxc_rt_call *call);
/* scores [n, classes], logarithms -> classes. seed, stream. Errors: SHAPE (no class), VALUE (no
 * class has a positive probability, or one is infinite). */
int onnxc_rt_ref_multinomial(const onnxc_rt_call *call);
/* data, [ratio], [training_mode] -> data, [mask]. seed, stream. In training an element is kept with
 * probability 1 - ratio, and divided by it, else it is 0. Errors: VALUE (ratio not in [0, 1)). */
int onnxc_rt_ref_dropout(const onnxc_rt_call *call);
/* items -> how often each n-gram occurs. max_gram_length, max_skip_count, min_gram_length, mode,
 * ngram_counts, ngram_indexes, pool_int64s, pool_strings, weights */
int onnxc_rt_ref_tfidf(const onnxc_rt_call *call);
/* scores, target, [weight] -> loss. reduction, ignore_index. Errors: INDEX (a class). */
int onnxc_rt_ref_nll_loss(const onnxc_rt_call *call);

/* ---- strings ------------------------------------------------------------------------------- */

/* x, y -> x with y behind it, broadcast. Errors: TEXT. */
int onnxc_rt_ref_string_concat(const onnxc_rt_call *call);
/* strings -> [pieces, then empty strings], [numbers of pieces]. delimiter, maxsplit. An empty
 * string has no pieces. Errors: SHAPE. */
int onnxc_rt_ref_string_split(const onnxc_rt_call *call);
/* words -> those that are no stopwords, in upper or lower case; an empty one where none is left.
 * case_change_action, is_case_sensitive, stopwords, locale. Errors: TEXT, SHAPE, VALUE (no UTF-8
 * where case matters). */
int onnxc_rt_ref_string_normalizer(const onnxc_rt_call *call);
/* strings -> whether an automaton reads all of them, bool. states, ranges, begins: as automaton.h
 * says. Scratch: 48 bytes a state. */
int onnxc_rt_ref_full_match(const onnxc_rt_call *call);
/* strings -> a row of tokens for each, then padding. states, ranges, begins, splits, mark,
 * mincharnum, pad_value. What the patterns find are the tokens, or if it splits, what is between
 * them. Scratch: 48 bytes a state, 32 bytes a pattern. Errors: VALUE (no UTF-8), SHAPE. */
int onnxc_rt_ref_tokens(const onnxc_rt_call *call);
/* strings -> the numbers that they begin with, f64, i64 or u64. Errors: VALUE (there is none). */
int onnxc_rt_ref_read_numbers(const onnxc_rt_call *call);
/* numbers -> strings, with up to 8 digits of floats. Errors: TEXT. */
int onnxc_rt_ref_write_numbers(const onnxc_rt_call *call);

/* ---- classical machine learning ------------------------------------------------------------ */

/* x, keys (sorted), values, [default] -> the value of each element's key. Errors: VALUE (no key and
 * no default). */
int onnxc_rt_ref_lookup(const onnxc_rt_call *call);
/* x, nodes, splits, roots, leaves, targets, weights -> what the leaves of all trees add up to
 * (ops/trees.c says how the tables are made). aggregate, features, targets. Errors: SHAPE (x has
 * fewer features). */
int onnxc_rt_ref_trees(const onnxc_rt_call *call);
/* kernel values, coefficients, begins, rho -> scores of pairs of classes, votes i64. */
int onnxc_rt_ref_pair_scores(const onnxc_rt_call *call);
/* scores of pairs, a, b -> probabilities of classes. Scratch: 4 bytes for each of n * (2 * n + 1),
 * n the number of classes. */
int onnxc_rt_ref_pair_probabilities(const onnxc_rt_call *call);

/* ---- sequences: see reference/sequence.h ------------------------------------------------------
 *
 * `sequence` stands for three inputs, data, dims and length; results are data, dims and [length].
 * Errors of all: SHAPE (a malformed sequence, no room). shape INTS and rank are the compiler's. */

/* tensors... -> sequence. shape, rank */
int onnxc_rt_ref_sequence_pack(const onnxc_rt_call *call);
/* sequence, tensor, [position] -> sequence. shape, rank. Errors: INDEX. */
int onnxc_rt_ref_sequence_insert(const onnxc_rt_call *call);
/* sequence, [position] -> sequence. shape, rank. Errors: INDEX. */
int onnxc_rt_ref_sequence_erase(const onnxc_rt_call *call);
/* tensor, [split] -> sequence. shape, rank, axis, keepdims. Errors: VALUE (split). */
int onnxc_rt_ref_sequence_split(const onnxc_rt_call *call);
/* sequence, [turns] -> the same with another capacity and slot, data and dims. shape, rank, to
 * ("shape", "length", or "turns": its capacity and `growth` for each turn), growth */
int onnxc_rt_ref_sequence_fit(const onnxc_rt_call *call);
/* x, condition -> x, a scalar. Errors: INDEX (the condition is false). */
int onnxc_rt_ref_sequence_require(const onnxc_rt_call *call);
/* sequence, [position] -> tensor. sizes INTS (the compiler's), ragged (bit i: axis i is found),
 * optional (no error where there is none). Errors: INDEX. */
int onnxc_rt_ref_sequence_at(const onnxc_rt_call *call);
/* sequence -> tensors joined. sizes, ragged, axis, new_axis */
int onnxc_rt_ref_sequence_join(const onnxc_rt_call *call);
/* values, keys, [wanted keys] -> the values [1, n] of the wanted keys, 0 where there is none;
 * without them those of all keys in order. Keys are i64 or strings. */
int onnxc_rt_ref_map_values(const onnxc_rt_call *call);

#ifdef __cplusplus
}
#endif

#endif
