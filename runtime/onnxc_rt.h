/* What generated code links against: portable C99, no allocation, no stdio, no mutable globals.
 *
 * Every kernel lives in an object of its own, so a program carries only those it calls. */
#ifndef ONNXC_RT_H
#define ONNXC_RT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ONNXC_RT_NAN NAN
#define ONNXC_RT_INFINITY INFINITY

/* What N_run and every kernel return: 0, or the first thing that was wrong. After an error the
 * outputs and the arena hold unspecified values; the state is what it was before, and nothing else
 * was touched. */
enum {
  ONNXC_RT_OK = 0,
  ONNXC_RT_ERROR_NULL = 1,  /* a required pointer is null */
  ONNXC_RT_ERROR_DIM = 2,   /* a dynamic dimension is outside its declared bounds */
  ONNXC_RT_ERROR_ALIGN = 3, /* the arena is not aligned to N_ARENA_ALIGN */
  ONNXC_RT_ERROR_INDEX = 4, /* an index (Gather, Scatter, OneHot, ...) is outside its dimension */
  ONNXC_RT_ERROR_SHAPE = 5, /* sizes computed at run time contradict one another or their bound */
  ONNXC_RT_ERROR_VALUE = 6, /* a value outside the operator's domain (k of TopK, delta of Range) */
  ONNXC_RT_ERROR_TEXT = 7,  /* the new strings do not fit N_outputs.text */
  ONNXC_RT_ERROR_STATE = 8, /* N_reset has not made the state, or not since a run failed that had
                               begun to change it, or not all sizes are those of earlier runs */
  ONNXC_RT_ERROR_FULL = 9   /* the state has no room for what would be appended */
};

/* Element types; the numbers are ONNX's TensorProto.DataType. Sub-byte types are packed as ONNX
 * packs them, low bits first; f16 and bf16 are stored in uint16_t, bool in uint8_t (0 or 1). */
typedef enum onnxc_rt_dtype {
  ONNXC_RT_F32 = 1,
  ONNXC_RT_U8 = 2,
  ONNXC_RT_I8 = 3,
  ONNXC_RT_U16 = 4,
  ONNXC_RT_I16 = 5,
  ONNXC_RT_I32 = 6,
  ONNXC_RT_I64 = 7,
  ONNXC_RT_STRING = 8,
  ONNXC_RT_BOOL = 9,
  ONNXC_RT_F16 = 10,
  ONNXC_RT_F64 = 11,
  ONNXC_RT_U32 = 12,
  ONNXC_RT_U64 = 13,
  ONNXC_RT_C64 = 14,
  ONNXC_RT_C128 = 15,
  ONNXC_RT_BF16 = 16,
  ONNXC_RT_F8E4M3FN = 17,
  ONNXC_RT_F8E4M3FNUZ = 18,
  ONNXC_RT_F8E5M2 = 19,
  ONNXC_RT_F8E5M2FNUZ = 20,
  ONNXC_RT_U4 = 21,
  ONNXC_RT_I4 = 22,
  ONNXC_RT_F4E2M1 = 23,
  ONNXC_RT_F8E8M0 = 24,
  ONNXC_RT_U2 = 25,
  ONNXC_RT_I2 = 26
} onnxc_rt_dtype;

/* An element of a string tensor: `size` bytes, any values. They are not ended by a NUL and belong
 * to somebody else, so that a part of a string needs no memory. `bytes` may be NULL when size is 0.
 */
typedef struct onnxc_rt_string {
  const char *bytes;
  ptrdiff_t size;
} onnxc_rt_string;

/* Where kernels put the bytes of new strings, one behind the other. */
typedef struct onnxc_rt_text {
  char *bytes;
  ptrdiff_t size, used;
} onnxc_rt_text;

/* A dense row-major tensor. `dtype` 0 marks an absent optional input or output. `data` of an input
 * is never written. */
typedef struct onnxc_rt_tensor {
  void *data;
  int64_t *dims; /* `rank` sizes */
  int32_t rank;
  int32_t dtype;
} onnxc_rt_tensor;

/* One attribute of a call. An absent optional attribute without default has `present` 0. */
typedef struct onnxc_rt_attr {
  int32_t present;
  int32_t count;                  /* of ints, floats or strings; bytes of `s` */
  int64_t i;                      /* INT */
  double f;                       /* FLOAT */
  const char *s;                  /* STRING, NUL-terminated */
  const int64_t *ints;            /* INTS */
  const float *floats;            /* FLOATS */
  const onnxc_rt_string *strings; /* STRINGS; each is NUL-terminated, too */
} onnxc_rt_attr;

/* A call of a reference kernel. `attr` is in the order that the kernel's comment gives. On entry
 * the dims of an output hold its size, or its upper bound where the size depends on data; in that
 * case the kernel stores the actual size into them. `scratch` is aligned to 64 bytes and of the
 * size the kernel's comment gives; NULL where none is needed. `text` is there for kernels that make
 * strings, which return ONNXC_RT_ERROR_TEXT when it is full. */
typedef struct onnxc_rt_call {
  const onnxc_rt_tensor *in;
  onnxc_rt_tensor *out;
  const onnxc_rt_attr *attr;
  int32_t n_in, n_out;
  void *scratch;
  onnxc_rt_text *text;
  uint64_t seed, turn; /* for random operators: env->seed, and onnxc_rt_turn of the loops around */
} onnxc_rt_call;

typedef int onnxc_rt_kernel(const onnxc_rt_call *call);

/* The caller's side of a run; every member may be zero, and so may the pointer to it.
 * parallel_for calls body(argument, begin, end) on parts that cover [0, count) exactly once and
 * returns when all are done.
 *
 * `seed` is for models with random operators. Runs with the same seed and inputs give the same
 * numbers; another seed gives other numbers to all nodes without a seed of their own. */
typedef struct onnxc_rt_env {
  void *context;
  void (*parallel_for)(void *context, ptrdiff_t count,
                       void (*body)(void *argument, ptrdiff_t begin, ptrdiff_t end),
                       void *argument);
  uint64_t seed;
} onnxc_rt_env;

/* Receives finished accumulators of a contraction: elements [column, column + count) of output
 * row `row`. It may overwrite `accumulators`, and stores the results itself. */
typedef void onnxc_rt_epilogue(const void *context, float *accumulators, ptrdiff_t row,
                               ptrdiff_t column, ptrdiff_t count);
/* The same of a contraction of integers. */
typedef void onnxc_rt_epilogue_i32(const void *context, int32_t *accumulators, ptrdiff_t row,
                                   ptrdiff_t column, ptrdiff_t count);

/* ---- arithmetic on sizes ------------------------------------------------------------------------
 */

#if defined(__GNUC__)
#define ONNXC_RT_UNUSED __attribute__((unused))
#else
#define ONNXC_RT_UNUSED
#endif

ONNXC_RT_UNUSED static inline ptrdiff_t onnxc_rt_floordiv(ptrdiff_t a, ptrdiff_t b) {
  return b == 0 ? 0 : a / b - (a % b != 0 && (a < 0) != (b < 0));
}

ONNXC_RT_UNUSED static inline ptrdiff_t onnxc_rt_min_size(ptrdiff_t a, ptrdiff_t b) {
  return a < b ? a : b;
}

ONNXC_RT_UNUSED static inline ptrdiff_t onnxc_rt_max_size(ptrdiff_t a, ptrdiff_t b) {
  return a > b ? a : b;
}

/* An index into an axis of `size`, negative ones from its end, brought to [0, size); -1 when it is
 * outside. */
ONNXC_RT_UNUSED static inline int64_t onnxc_rt_index(int64_t index, int64_t size) {
  if (index < -size || index >= size) return -1;
  return index < 0 ? index + size : index;
}

/* ---- random numbers ----------------------------------------------------------------------------
 * Each is a function of a stream and of the element's position in the output: there is no state.
 * SplitMix64: number i of stream s is onnxc_rt_mix(s + (i + 1) * ONNXC_RT_GAMMA), 64 bits.
 *
 * The stream of a node is that of its attribute `seed`; without one, that of its number in the
 * model and of env->seed, so no two nodes give the same numbers. In a loop it also depends on the
 * turn. Integer arithmetic makes streams, and all that is drawn from them but normal and
 * multinomial numbers, the same on every machine; those two use log, cos and exp of the C library
 * and are the same up to its rounding. */

#define ONNXC_RT_GAMMA UINT64_C(0x9E3779B97F4A7C15)

ONNXC_RT_UNUSED static inline uint64_t onnxc_rt_mix(uint64_t z) {
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

/* What tells turn `turn` of a loop from others; `outer` is that of the loops around it, else 0. */
ONNXC_RT_UNUSED static inline uint64_t onnxc_rt_turn(uint64_t outer, ptrdiff_t turn) {
  return onnxc_rt_mix(outer + ((uint64_t)turn + 1) * ONNXC_RT_GAMMA);
}

/* A tensor over memory that a kernel may or may not write; the call decides. */
ONNXC_RT_UNUSED static inline onnxc_rt_tensor onnxc_rt_tensor_at(const void *data, int64_t *dims,
                                                                 int32_t rank, int32_t dtype) {
  union {
    const void *in;
    void *out;
  } pointer;
  onnxc_rt_tensor tensor;
  pointer.in = data;
  tensor.data = pointer.out;
  tensor.dims = dims;
  tensor.rank = rank;
  tensor.dtype = dtype;
  return tensor;
}

#ifdef __cplusplus
}
#endif

#endif
