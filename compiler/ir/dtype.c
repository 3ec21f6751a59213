#include "ir/dtype.h"

#include <string.h>

#define ROW(rt, name, onnx_name, c_type, cls, bits)                                                \
  [rt] = {name, onnx_name, c_type, #rt, DTYPE_CLASS_##cls, bits}

static const DTypeInfo table[] = {
    [0] = {"none", "undefined", "void", "0", DTYPE_CLASS_NONE, 0},
    ROW(ONNXC_RT_F32, "f32", "float", "float", FLOAT, 32),
    ROW(ONNXC_RT_U8, "u8", "uint8", "uint8_t", UINT, 8),
    ROW(ONNXC_RT_I8, "i8", "int8", "int8_t", INT, 8),
    ROW(ONNXC_RT_U16, "u16", "uint16", "uint16_t", UINT, 16),
    ROW(ONNXC_RT_I16, "i16", "int16", "int16_t", INT, 16),
    ROW(ONNXC_RT_I32, "i32", "int32", "int32_t", INT, 32),
    ROW(ONNXC_RT_I64, "i64", "int64", "int64_t", INT, 64),
    ROW(ONNXC_RT_STRING, "string", "string", "onnxc_rt_string", STRING,
        8 * (int)sizeof(onnxc_rt_string)),
    ROW(ONNXC_RT_BOOL, "bool", "bool", "uint8_t", BOOL, 8),
    ROW(ONNXC_RT_F16, "f16", "float16", "uint16_t", FLOAT, 16),
    ROW(ONNXC_RT_F64, "f64", "double", "double", FLOAT, 64),
    ROW(ONNXC_RT_U32, "u32", "uint32", "uint32_t", UINT, 32),
    ROW(ONNXC_RT_U64, "u64", "uint64", "uint64_t", UINT, 64),
    ROW(ONNXC_RT_C64, "c64", "complex64", "float", COMPLEX, 64),
    ROW(ONNXC_RT_C128, "c128", "complex128", "double", COMPLEX, 128),
    ROW(ONNXC_RT_BF16, "bf16", "bfloat16", "uint16_t", FLOAT, 16),
    ROW(ONNXC_RT_F8E4M3FN, "f8e4m3fn", "float8e4m3fn", "uint8_t", FLOAT, 8),
    ROW(ONNXC_RT_F8E4M3FNUZ, "f8e4m3fnuz", "float8e4m3fnuz", "uint8_t", FLOAT, 8),
    ROW(ONNXC_RT_F8E5M2, "f8e5m2", "float8e5m2", "uint8_t", FLOAT, 8),
    ROW(ONNXC_RT_F8E5M2FNUZ, "f8e5m2fnuz", "float8e5m2fnuz", "uint8_t", FLOAT, 8),
    ROW(ONNXC_RT_U4, "u4", "uint4", "uint8_t", UINT, 4),
    ROW(ONNXC_RT_I4, "i4", "int4", "uint8_t", INT, 4),
    ROW(ONNXC_RT_F4E2M1, "f4e2m1", "float4e2m1", "uint8_t", FLOAT, 4),
    ROW(ONNXC_RT_F8E8M0, "f8e8m0", "float8e8m0", "uint8_t", FLOAT, 8),
    ROW(ONNXC_RT_U2, "u2", "uint2", "uint8_t", UINT, 2),
    ROW(ONNXC_RT_I2, "i2", "int2", "uint8_t", INT, 2),
};

enum { ROWS = sizeof table / sizeof *table };

const DTypeInfo *dtype_info(DType dtype) {
  return &table[(unsigned)dtype < ROWS ? (unsigned)dtype : 0];
}

DType dtype_by_name(const char *name) {
  for (int i = 1; i < ROWS; i++) {
    if (strcmp(name, table[i].name) == 0 || strcmp(name, table[i].onnx_name) == 0) return (DType)i;
  }
  return DTYPE_NONE;
}

bool dtype_integer_range(DType dtype, int64_t *lo, int64_t *hi) {
  const DTypeInfo *info = dtype_info(dtype);
  bool is_signed = info->cls == DTYPE_CLASS_INT;
  if (!dtype_is_integer(dtype) && info->cls != DTYPE_CLASS_BOOL) return false;
  int bits = info->cls == DTYPE_CLASS_BOOL ? 1 : is_signed ? info->bits - 1 : info->bits;
  *hi = bits >= 63 ? INT64_MAX : ((int64_t)1 << bits) - 1;
  *lo = is_signed ? -*hi - 1 : 0;
  return true;
}

double dtype_epsilon(DType dtype) {
  switch (dtype) {
  case ONNXC_RT_F64: return 0x1p-52;
  case ONNXC_RT_F32: return 0x1p-23;
  case ONNXC_RT_F16: return 0x1p-10;
  case ONNXC_RT_BF16: return 0x1p-7;
  case ONNXC_RT_F8E4M3FN:
  case ONNXC_RT_F8E4M3FNUZ: return 0x1p-3;
  case ONNXC_RT_F8E5M2:
  case ONNXC_RT_F8E5M2FNUZ: return 0x1p-2;
  case ONNXC_RT_F4E2M1: return 0x1p-1;
  default: return 1; /* powers of two, and what is no float */
  }
}

DType dtype_component(DType dtype) {
  return dtype == ONNXC_RT_C64 ? ONNXC_RT_F32 : dtype == ONNXC_RT_C128 ? ONNXC_RT_F64 : dtype;
}

bool dtype_bytes(DType dtype, size_t count, size_t *bytes) {
  size_t bits = (size_t)dtype_info(dtype)->bits, total;
  if (bits < 8) {
    *bytes = count / (8 / bits) + (count % (8 / bits) != 0);
    return true;
  }
  bool fits = !__builtin_mul_overflow(count, bits / 8, &total);
  *bytes = fits ? total : 0;
  return fits;
}
