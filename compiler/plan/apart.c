/* Whether two steps write to different elements of a buffer, like the parts of a concatenation. */
#include "plan/tasks.h"

/* Where one result goes: all of offset + i * stride + j * stride + ..., in elements. */
typedef struct Region {
  DType dtype;
  int rank;
  int64_t offset, strides[2 * MAX_RANK], lasts[2 * MAX_RANK]; /* the largest i, j, ... */
} Region;

typedef Vec(Region) Regions;

static bool region_of(const RowProgram *p, const Operand *operand, Region *region) {
  *region = (Region){.dtype = operand->dtype, .rank = p->n_outer + p->n_inner};
  if (operand->offset != NULL && !dim_is_const(operand->offset, &region->offset)) return false;
  for (int i = 0; i < region->rank; i++) {
    if (!dim_is_const(operand->strides[i], &region->strides[i])) return false;
    if (region->strides[i] < 0) return false;
    region->lasts[i] = p->extents[i]->hi < 1 ? 0 : p->extents[i]->hi - 1;
  }
  return region->offset >= 0;
}

static bool add_regions(Arena *arena, const RowProgram *p, const Buffer *buffer, Regions *regions) {
  if (p->row_buffer == buffer) return false;
  VEC_EACH(const RowStore, store, &p->stores) {
    const Operand *operand = &p->operands.data[store->operand];
    Region region;
    if (operand->buffer != buffer) continue;
    if (!region_of(p, operand, &region)) return false;
    vec_push(arena, regions, region);
  }
  return true;
}

/* All that the step writes to the buffer; false: not known. */
static bool find_regions(Arena *arena, const Step *step, const Buffer *buffer, Regions *regions) {
  if (step->kind == STEP_ROW || step->kind == STEP_COPY)
    return add_regions(arena, &step->row, buffer, regions);
  if (step->kind == STEP_IF || step->kind == STEP_LOOP || step->reference) return false;
  VEC_EACH(const Field, field, &step->kernel.fields) {
    bool operand = field->kind == FIELD_OPERAND || field->kind == FIELD_SCRATCH;
    if (operand && field->operand.buffer == buffer) return false;
  }
  const RowProgram *epilogue = step->kernel.epilogue;
  return epilogue != NULL && add_regions(arena, epilogue, buffer, regions);
}

/* Folds addresses by the modulus: they are in [first, last] then, unless that wraps around. */
static bool fold(const Region *region, int64_t modulus, int64_t *first, int64_t *last) {
  *first = *last = region->offset % modulus;
  for (int i = 0; i < region->rank; i++) {
    int64_t span;
    if (region->strides[i] % modulus == 0) continue;
    if (__builtin_mul_overflow(region->strides[i], region->lasts[i], &span)) return false;
    if (__builtin_add_overflow(*last, span, last)) return false;
  }
  return *last < modulus;
}

static bool differ(const Region *a, const Region *b, int64_t modulus) {
  int64_t a_first, a_last, b_first, b_last;
  if (modulus < 2 || !fold(a, modulus, &a_first, &a_last)) return false;
  return fold(b, modulus, &b_first, &b_last) && (a_last < b_first || b_last < a_first);
}

/* Parts along an axis differ when addresses are taken modulo the stride of the axis outside of it,
 * or as they are. */
static bool regions_apart(const Region *a, const Region *b) {
  if (a->dtype != b->dtype) return false;
  if (differ(a, b, INT64_MAX)) return true;
  for (int i = 0; i < a->rank; i++) {
    if (differ(a, b, a->strides[i])) return true;
  }
  for (int i = 0; i < b->rank; i++) {
    if (differ(a, b, b->strides[i])) return true;
  }
  return false;
}

bool writes_apart(Arena *arena, const Step *a, const Step *b, const Buffer *buffer) {
  Regions of_a = {0}, of_b = {0};
  if (!find_regions(arena, a, buffer, &of_a) || !find_regions(arena, b, buffer, &of_b))
    return false;
  VEC_EACH(const Region, x, &of_a) {
    VEC_EACH(const Region, y, &of_b) {
      if (!regions_apart(x, y)) return false;
    }
  }
  return of_a.len != 0 && of_b.len != 0;
}
