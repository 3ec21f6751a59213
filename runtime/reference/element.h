/* Elements of tensors of any type: what every reference kernel reads and writes through.
 *
 * Kernels are called with tensors whose sizes fit, as the compiler made them; they check only what
 * depends on data. Counts and indexes fit int64_t and, in bytes, size_t. */
#ifndef ONNXC_RT_REFERENCE_ELEMENT_H
#define ONNXC_RT_REFERENCE_ELEMENT_H

#include "onnxc_rt.h"

enum { ONNXC_RT_MAX_RANK = 16 };

typedef enum onnxc_rt_class {
  ONNXC_RT_CLASS_FLOAT,
  ONNXC_RT_CLASS_INT,
  ONNXC_RT_CLASS_UINT, /* bool included: 0 and 1 */
  ONNXC_RT_CLASS_OTHER /* string, complex, unknown */
} onnxc_rt_class;

onnxc_rt_class onnxc_rt_class_of(int32_t dtype);
/* Stored bits of an element; under 8 for packed types, 0 for an unknown type. */
int onnxc_rt_bits(int32_t dtype);

/* An optional input or output is there. */
int onnxc_rt_has_in(const onnxc_rt_call *call, int32_t i);
int onnxc_rt_has_out(const onnxc_rt_call *call, int32_t i);

/* Elements of the axes [begin, end), and of the whole tensor. */
int64_t onnxc_rt_span(const onnxc_rt_tensor *t, int32_t begin, int32_t end);
int64_t onnxc_rt_count(const onnxc_rt_tensor *t);

/* Element `i` in row-major order. Loading as int64_t truncates floats, saturated (NaN gives 0), and
 * keeps the bits of uint64. Loading as double rounds 64-bit integers. */
double onnxc_rt_load_f64(const onnxc_rt_tensor *t, int64_t i);
int64_t onnxc_rt_load_i64(const onnxc_rt_tensor *t, int64_t i);
/* Storing a double rounds to nearest even in float types (overflow: infinity, or NaN or the
 * largest value where the type has none) and truncates saturated in integer types, NaN giving 0
 * (packed ones keep the low bits, as ONNX's test cases have it); storing an int64_t keeps the low
 * bits in integer types. In bool, all but zero is 1. */
void onnxc_rt_store_f64(const onnxc_rt_tensor *t, int64_t i, double value);
void onnxc_rt_store_i64(const onnxc_rt_tensor *t, int64_t i, int64_t value);
/* The same for bits that are a uint64 where the tensor is of a float type. */
void onnxc_rt_store_u64(const onnxc_rt_tensor *t, int64_t i, uint64_t value);

/* Complex elements as the `*parts` numbers that each of them is; elements of other types are one.
 */
onnxc_rt_tensor onnxc_rt_components(const onnxc_rt_tensor *t, int32_t *parts);

/* Copies `n` consecutive elements between tensors of one type, strings and complex included. */
void onnxc_rt_copy(const onnxc_rt_tensor *to, int64_t to_at, const onnxc_rt_tensor *from,
                   int64_t from_at, int64_t n);
/* Every bit of the tensor 0. */
void onnxc_rt_clear(const onnxc_rt_tensor *t);

/* float to integer as the stores do it. */
int64_t onnxc_rt_f64_to_i64(double value);
uint64_t onnxc_rt_f64_to_u64(double value);

/* Walks all indexes of a shape in row-major order and keeps, for some operands, the position of
 * the element each contributes. */
enum { ONNXC_RT_WALK_OPERANDS = 4 };

typedef struct onnxc_rt_walk {
  int32_t rank, operands;
  int64_t count; /* positions of the walk */
  int64_t dims[ONNXC_RT_MAX_RANK];
  int64_t index[ONNXC_RT_MAX_RANK];
  int64_t at[ONNXC_RT_WALK_OPERANDS]; /* where the operands are now */
  int64_t steps[ONNXC_RT_WALK_OPERANDS][ONNXC_RT_MAX_RANK];
} onnxc_rt_walk;

/* At index 0, without operands. */
void onnxc_rt_walk_init(onnxc_rt_walk *walk, const int64_t *dims, int32_t rank);
/* A further operand that moves by steps[axis] along each axis, from position `start`. */
void onnxc_rt_walk_steps(onnxc_rt_walk *walk, int64_t start, const int64_t *steps);
/* A further operand of these sizes, broadcast as NumPy does. */
void onnxc_rt_walk_broadcast(onnxc_rt_walk *walk, const int64_t *dims, int32_t rank);
/* On to the next index; after the last one it is back at the first. */
void onnxc_rt_walk_next(onnxc_rt_walk *walk);

/* Row-major strides in elements. */
void onnxc_rt_strides(const int64_t *dims, int32_t rank, int64_t *strides);
/* An axis that may be negative, brought to [0, rank); -1 when it is outside. */
int32_t onnxc_rt_axis(int64_t axis, int32_t rank);
/* The size of an axis that is computed from data; false when it is over the bound there. */
int onnxc_rt_set_dim(const onnxc_rt_tensor *t, int32_t axis, int64_t size);
/* Attribute `s` is there and equals `text`. */
int onnxc_rt_attr_is(const onnxc_rt_attr *attr, const char *text);

#endif
