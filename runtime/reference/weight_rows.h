/* Products with weights that are unpacked row by row: a row at a time is all the memory it takes.
 *
 * Attributes of the calls: K, N, then those of the packing. */
#ifndef ONNXC_RT_REFERENCE_WEIGHT_ROWS_H
#define ONNXC_RT_REFERENCE_WEIGHT_ROWS_H

#include "reference/element.h"

enum { ONNXC_RT_WEIGHT_ROWS_PARAMS = 2 };

/* Writes the K weights of row `n`, and may write up to 3 numbers behind them. */
typedef int onnxc_rt_unpack_row(const onnxc_rt_call *call, int64_t n, float *row);

/* Y = A @ W' + bias, which is input `bias` or absent. Scratch: 4 * (K + 3) bytes. The
 * unpacking's errors. */
int onnxc_rt_matmul_rows(const onnxc_rt_call *call, int32_t bias, onnxc_rt_unpack_row *unpack);

#endif
