/* Element types. The enumeration is the runtime's (and so ONNX's); this adds what the compiler
 * asks about them. */
#ifndef ONNXC_IR_DTYPE_H
#define ONNXC_IR_DTYPE_H

#include "onnxc_rt.h"

#include <stdbool.h>
#include <stddef.h>

typedef onnxc_rt_dtype DType;
#define DTYPE_NONE ((DType)0)

typedef enum DTypeClass {
  DTYPE_CLASS_NONE,
  DTYPE_CLASS_FLOAT,
  DTYPE_CLASS_INT,
  DTYPE_CLASS_UINT,
  DTYPE_CLASS_BOOL,
  DTYPE_CLASS_STRING,
  DTYPE_CLASS_COMPLEX
} DTypeClass;

typedef struct DTypeInfo {
  const char *name;      /* in the text form and in messages: f32, i64, bool, ... */
  const char *onnx_name; /* in schemas: float, int64, bool, ... */
  const char *c_type;    /* of one stored element */
  const char *rt_name;   /* the enumerator, ONNXC_RT_F32 */
  DTypeClass cls;
  int bits; /* stored size of an element; under 8 for packed types */
} DTypeInfo;

/* Never NULL; the row of DTYPE_NONE for a number that names no type. */
const DTypeInfo *dtype_info(DType dtype);
/* By `name` or `onnx_name`; DTYPE_NONE when unknown. */
DType dtype_by_name(const char *name);

static inline bool dtype_is_float(DType dtype) {
  return dtype_info(dtype)->cls == DTYPE_CLASS_FLOAT;
}
static inline bool dtype_is_integer(DType dtype) {
  return dtype_info(dtype)->cls == DTYPE_CLASS_INT || dtype_info(dtype)->cls == DTYPE_CLASS_UINT;
}

/* The integers that the type holds, as far as they fit int64_t; false when it holds others. */
bool dtype_integer_range(DType dtype, int64_t *lo, int64_t *hi);
/* The distance from 1 to the next larger number of a float type. */
double dtype_epsilon(DType dtype);
/* What a complex number is two of; any other type itself. */
DType dtype_component(DType dtype);
/* Whether several elements share a byte. */
static inline bool dtype_is_packed(DType dtype) {
  return dtype_info(dtype)->bits < 8;
}

/* Bytes of `count` elements, packed types rounded up; false on overflow. */
bool dtype_bytes(DType dtype, size_t count, size_t *bytes);

#endif
