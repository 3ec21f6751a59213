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

/* ---- movement ---------------------------------------------------------------------------- */

/* data, ... -> its elements in the same order, whatever the sizes. */
int onnxc_rt_ref_copy(const onnxc_rt_call *call);
/* () -> the integers of `dims` INTS. */
int onnxc_rt_ref_dims(const onnxc_rt_call *call);

#ifdef __cplusplus
}
#endif

#endif
