#include "reference/element.h"

#include "reference/minifloat.h"

#include <string.h>

typedef struct Info {
  unsigned char bits;
  unsigned char cls;
} Info;

static Info info_of(int32_t dtype) {
  static const Info table[] = {
      [ONNXC_RT_F32] = {32, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_U8] = {8, ONNXC_RT_CLASS_UINT},
      [ONNXC_RT_I8] = {8, ONNXC_RT_CLASS_INT},
      [ONNXC_RT_U16] = {16, ONNXC_RT_CLASS_UINT},
      [ONNXC_RT_I16] = {16, ONNXC_RT_CLASS_INT},
      [ONNXC_RT_I32] = {32, ONNXC_RT_CLASS_INT},
      [ONNXC_RT_I64] = {64, ONNXC_RT_CLASS_INT},
      [ONNXC_RT_STRING] = {8 * sizeof(onnxc_rt_string), ONNXC_RT_CLASS_OTHER},
      [ONNXC_RT_BOOL] = {8, ONNXC_RT_CLASS_UINT},
      [ONNXC_RT_F16] = {16, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_F64] = {64, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_U32] = {32, ONNXC_RT_CLASS_UINT},
      [ONNXC_RT_U64] = {64, ONNXC_RT_CLASS_UINT},
      [ONNXC_RT_C64] = {64, ONNXC_RT_CLASS_OTHER},
      [ONNXC_RT_C128] = {128, ONNXC_RT_CLASS_OTHER},
      [ONNXC_RT_BF16] = {16, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_F8E4M3FN] = {8, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_F8E4M3FNUZ] = {8, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_F8E5M2] = {8, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_F8E5M2FNUZ] = {8, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_U4] = {4, ONNXC_RT_CLASS_UINT},
      [ONNXC_RT_I4] = {4, ONNXC_RT_CLASS_INT},
      [ONNXC_RT_F4E2M1] = {4, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_F8E8M0] = {8, ONNXC_RT_CLASS_FLOAT},
      [ONNXC_RT_U2] = {2, ONNXC_RT_CLASS_UINT},
      [ONNXC_RT_I2] = {2, ONNXC_RT_CLASS_INT},
  };
  static const Info unknown = {0, ONNXC_RT_CLASS_OTHER};
  const int32_t rows = (int32_t)(sizeof table / sizeof *table);
  return dtype > 0 && dtype < rows ? table[dtype] : unknown;
}

onnxc_rt_class onnxc_rt_class_of(int32_t dtype) {
  return (onnxc_rt_class)info_of(dtype).cls;
}

int onnxc_rt_bits(int32_t dtype) {
  return info_of(dtype).bits;
}

int onnxc_rt_has_in(const onnxc_rt_call *call, int32_t i) {
  return i < call->n_in && call->in[i].dtype != 0;
}

int onnxc_rt_has_out(const onnxc_rt_call *call, int32_t i) {
  return i < call->n_out && call->out[i].dtype != 0;
}

int64_t onnxc_rt_span(const onnxc_rt_tensor *t, int32_t begin, int32_t end) {
  int64_t count = 1;
  for (int32_t i = begin; i < end; i++) count *= t->dims[i];
  return count;
}

int64_t onnxc_rt_count(const onnxc_rt_tensor *t) {
  return onnxc_rt_span(t, 0, t->rank);
}

/* ---- stored patterns ---------------------------------------------------------------------------
 * An element of up to 64 bits as the low bits of a uint64_t. */

static uint64_t get_bits(const onnxc_rt_tensor *t, int bits, int64_t i) {
  const unsigned char *bytes = (const unsigned char *)t->data;
  if (bits < 8) {
    const int per_byte = 8 / bits;
    const int shift = (int)(i % per_byte) * bits;
    return (uint64_t)((bytes[i / per_byte] >> shift) & ((1 << bits) - 1));
  }
  switch (bits) {
  case 8: return bytes[i];
  case 16: return ((const uint16_t *)t->data)[i];
  case 32: return ((const uint32_t *)t->data)[i];
  default: return ((const uint64_t *)t->data)[i];
  }
}

static void put_bits(const onnxc_rt_tensor *t, int bits, int64_t i, uint64_t pattern) {
  unsigned char *bytes = (unsigned char *)t->data;
  if (bits < 8) {
    const int per_byte = 8 / bits;
    const int shift = (int)(i % per_byte) * bits;
    const unsigned mask = (1U << bits) - 1U;
    const unsigned kept = bytes[i / per_byte] & ~(mask << shift);
    bytes[i / per_byte] = (unsigned char)(kept | ((unsigned)(pattern & mask) << shift));
    return;
  }
  switch (bits) {
  case 8: bytes[i] = (unsigned char)pattern; break;
  case 16: ((uint16_t *)t->data)[i] = (uint16_t)pattern; break;
  case 32: ((uint32_t *)t->data)[i] = (uint32_t)pattern; break;
  default: ((uint64_t *)t->data)[i] = pattern; break;
  }
}

/* Two's complement of the low `bits` bits. */
static int64_t sign_extend(uint64_t pattern, int bits) {
  const uint64_t sign = (uint64_t)1 << (bits - 1);
  const uint64_t extended = (pattern ^ sign) - sign;
  int64_t value;
  memcpy(&value, &extended, sizeof value);
  return value;
}

static int64_t as_i64(uint64_t pattern) {
  return sign_extend(pattern, 64);
}

/* ---- conversions -------------------------------------------------------------------------------
 */

int64_t onnxc_rt_f64_to_i64(double value) {
  if (isnan(value)) return 0;
  if (value >= 9223372036854775808.0) return INT64_MAX;
  if (value < -9223372036854775808.0) return INT64_MIN;
  return (int64_t)value;
}

uint64_t onnxc_rt_f64_to_u64(double value) {
  if (isnan(value) || value <= 0) return 0;
  if (value >= 18446744073709551616.0) return UINT64_MAX;
  return (uint64_t)value;
}

static double load_float(const onnxc_rt_tensor *t, int64_t i) {
  switch (t->dtype) {
  case ONNXC_RT_F32: return (double)((const float *)t->data)[i];
  case ONNXC_RT_F64: return ((const double *)t->data)[i];
  case ONNXC_RT_F8E8M0: return onnxc_rt_e8m0_decode((unsigned)get_bits(t, 8, i));
  default:
    return onnxc_rt_minifloat_decode(t->dtype, (unsigned)get_bits(t, onnxc_rt_bits(t->dtype), i));
  }
}

static void store_float(const onnxc_rt_tensor *t, int64_t i, double value) {
  const onnxc_rt_overflow overflow = ONNXC_RT_OVERFLOW_SPECIAL;
  switch (t->dtype) {
  case ONNXC_RT_F32: ((float *)t->data)[i] = (float)value; break;
  case ONNXC_RT_F64: ((double *)t->data)[i] = value; break;
  case ONNXC_RT_F8E8M0:
    put_bits(t, 8, i, onnxc_rt_e8m0_encode(value, ONNXC_RT_ROUND_NEAREST, overflow));
    break;
  default:
    put_bits(t, onnxc_rt_bits(t->dtype), i, onnxc_rt_minifloat_encode(t->dtype, value, overflow));
    break;
  }
}

double onnxc_rt_load_f64(const onnxc_rt_tensor *t, int64_t i) {
  const Info info = info_of(t->dtype);
  if (info.cls == ONNXC_RT_CLASS_FLOAT) return load_float(t, i);
  const uint64_t pattern = get_bits(t, info.bits, i);
  if (info.cls == ONNXC_RT_CLASS_INT) return (double)sign_extend(pattern, info.bits);
  return (double)pattern;
}

int64_t onnxc_rt_load_i64(const onnxc_rt_tensor *t, int64_t i) {
  const Info info = info_of(t->dtype);
  if (info.cls == ONNXC_RT_CLASS_FLOAT) return onnxc_rt_f64_to_i64(load_float(t, i));
  const uint64_t pattern = get_bits(t, info.bits, i);
  return info.cls == ONNXC_RT_CLASS_INT ? sign_extend(pattern, info.bits) : as_i64(pattern);
}

/* The integer nearest to `value`, rounded to zero, that the type holds; the low bits of it in
 * packed types. */
static uint64_t saturate(Info info, double value) {
  if (info.bits < 8) return (uint64_t)onnxc_rt_f64_to_i64(value);
  if (info.cls == ONNXC_RT_CLASS_UINT) {
    const uint64_t whole = onnxc_rt_f64_to_u64(value), most = UINT64_MAX >> (64 - info.bits);
    return whole > most ? most : whole;
  }
  const int64_t whole = onnxc_rt_f64_to_i64(value), most = INT64_MAX >> (64 - info.bits);
  if (whole > most) return (uint64_t)most;
  return (uint64_t)(whole < -most - 1 ? -most - 1 : whole);
}

void onnxc_rt_store_f64(const onnxc_rt_tensor *t, int64_t i, double value) {
  const Info info = info_of(t->dtype);
  if (info.cls == ONNXC_RT_CLASS_FLOAT) {
    store_float(t, i, value);
  } else if (t->dtype == ONNXC_RT_BOOL) {
    put_bits(t, 8, i, value != 0);
  } else {
    put_bits(t, info.bits, i, saturate(info, value));
  }
}

/* Integers to float32 round once: a detour over double would round twice. */
static void store_whole(const onnxc_rt_tensor *t, int64_t i, uint64_t pattern, int is_signed) {
  const Info info = info_of(t->dtype);
  if (t->dtype == ONNXC_RT_F32) {
    ((float *)t->data)[i] = is_signed ? (float)as_i64(pattern) : (float)pattern;
  } else if (info.cls == ONNXC_RT_CLASS_FLOAT) {
    store_float(t, i, is_signed ? (double)as_i64(pattern) : (double)pattern);
  } else {
    put_bits(t, info.bits, i, t->dtype == ONNXC_RT_BOOL ? pattern != 0 : pattern);
  }
}

void onnxc_rt_store_i64(const onnxc_rt_tensor *t, int64_t i, int64_t value) {
  store_whole(t, i, (uint64_t)value, 1);
}

void onnxc_rt_store_u64(const onnxc_rt_tensor *t, int64_t i, uint64_t value) {
  store_whole(t, i, value, 0);
}

/* ---- moving ------------------------------------------------------------------------------------
 */

onnxc_rt_tensor onnxc_rt_components(const onnxc_rt_tensor *t, int32_t *parts) {
  onnxc_rt_tensor numbers = *t;
  *parts = t->dtype == ONNXC_RT_C64 || t->dtype == ONNXC_RT_C128 ? 2 : 1;
  if (t->dtype == ONNXC_RT_C64) numbers.dtype = ONNXC_RT_F32;
  if (t->dtype == ONNXC_RT_C128) numbers.dtype = ONNXC_RT_F64;
  return numbers;
}

void onnxc_rt_copy(const onnxc_rt_tensor *to, int64_t to_at, const onnxc_rt_tensor *from,
                   int64_t from_at, int64_t n) {
  const int bits = onnxc_rt_bits(to->dtype);
  if (bits < 8) {
    for (int64_t i = 0; i < n; i++)
      put_bits(to, bits, to_at + i, get_bits(from, bits, from_at + i));
  } else if (n > 0) {
    const size_t size = (size_t)bits / 8;
    memcpy((unsigned char *)to->data + (size_t)to_at * size,
           (const unsigned char *)from->data + (size_t)from_at * size, (size_t)n * size);
  }
}

void onnxc_rt_clear(const onnxc_rt_tensor *t) {
  const size_t bits = (size_t)onnxc_rt_bits(t->dtype), count = (size_t)onnxc_rt_count(t);
  if (count == 0) return;
  memset(t->data, 0, bits < 8 ? (count + 8 / bits - 1) / (8 / bits) : count * (bits / 8));
}

/* ---- walking -----------------------------------------------------------------------------------
 */

void onnxc_rt_strides(const int64_t *dims, int32_t rank, int64_t *strides) {
  int64_t stride = 1;
  for (int32_t i = rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= dims[i];
  }
}

int32_t onnxc_rt_axis(int64_t axis, int32_t rank) {
  if (axis < -rank || axis >= rank) return -1;
  return (int32_t)(axis < 0 ? axis + rank : axis);
}

int onnxc_rt_set_dim(const onnxc_rt_tensor *t, int32_t axis, int64_t size) {
  if (size < 0 || size > t->dims[axis]) return 0;
  t->dims[axis] = size;
  return 1;
}

int onnxc_rt_attr_is(const onnxc_rt_attr *attr, const char *text) {
  return attr->present && strcmp(attr->s, text) == 0;
}

void onnxc_rt_walk_init(onnxc_rt_walk *walk, const int64_t *dims, int32_t rank) {
  memset(walk, 0, sizeof *walk);
  walk->rank = rank;
  walk->count = 1;
  for (int32_t i = 0; i < rank; i++) {
    walk->dims[i] = dims[i];
    walk->count *= dims[i];
  }
}

void onnxc_rt_walk_steps(onnxc_rt_walk *walk, int64_t start, const int64_t *steps) {
  const int32_t operand = walk->operands++;
  walk->at[operand] = start;
  for (int32_t i = 0; i < walk->rank; i++) walk->steps[operand][i] = steps[i];
}

void onnxc_rt_walk_broadcast(onnxc_rt_walk *walk, const int64_t *dims, int32_t rank) {
  int64_t *steps = walk->steps[walk->operands++];
  int64_t stride = 1;
  for (int32_t i = rank - 1; i >= 0; i--) {
    steps[walk->rank - rank + i] = dims[i] == 1 ? 0 : stride;
    stride *= dims[i];
  }
}

void onnxc_rt_walk_next(onnxc_rt_walk *walk) {
  for (int32_t axis = walk->rank - 1; axis >= 0; axis--) {
    const int last = ++walk->index[axis] == walk->dims[axis];
    const int64_t moves = last ? 1 - walk->dims[axis] : 1;
    for (int32_t k = 0; k < walk->operands; k++) walk->at[k] += moves * walk->steps[k][axis];
    if (!last) return;
    walk->index[axis] = 0;
  }
}
