#include "ops/bag.h"

#include <string.h>

Bag bag_empty(Context *ctx, DType dtype) {
  const Dim *zero = dim_const(ctx->dims, 0);
  return (Bag){.dtype = dtype,
               .rank = -1,
               .items = {.capacity = zero, .length = zero, .slot = zero, .ragged = 0}};
}

Bag bag_of_tensor(Context *ctx, const Type *tensor) {
  const Dim *one = dim_const(ctx->dims, 1);
  Bag bag = {.dtype = tensor->dtype,
             .rank = tensor->rank,
             .items = {.capacity = one, .length = one, .slot = type_count(ctx, tensor)}};
  for (int i = 0; i < tensor->rank; i++) bag.dims[i] = tensor->dims[i];
  return bag;
}

bool type_is_bag(const Type *type) {
  bool nests = type->kind == TYPE_SEQUENCE || type->kind == TYPE_OPTIONAL;
  return nests && type->element->kind == TYPE_TENSOR;
}

Bag bag_of(Context *ctx, const Type *type) {
  const Type *element = type->element;
  const Dim *zero = dim_const(ctx->dims, 0);
  Bag bag = {.dtype = element->dtype,
             .rank = element->rank,
             .items = {.slot = element->rank < 0 ? zero : type_count(ctx, element)}};
  for (int i = 0; i < element->rank; i++) bag.dims[i] = element->dims[i];
  if (type->items != NULL) {
    bag.items = *type->items;
  } else {
    bool optional = type->kind == TYPE_OPTIONAL;
    bag.items.capacity =
        optional ? dim_const(ctx->dims, 1) : dim_symbol(ctx->dims, "any_length", 0, INT64_MAX);
  }
  return bag;
}

Type bag_type(Context *ctx, const Bag *bag, TypeKind kind) {
  Type *element = ARENA_NEW(ctx->arena, Type);
  *element = type_tensor(ctx, bag->dtype, bag->rank, bag->dims);
  const Items *items = arena_copy(ctx->arena, &bag->items, sizeof bag->items);
  return (Type){.kind = kind, .element = element, .items = items};
}

/* The larger of two sizes, where that is known, else an expression for it. */
static const Dim *larger(DimTable *t, const Dim *a, const Dim *b) {
  if (dim_le(t, a, b)) return b;
  return dim_le(t, b, a) ? a : dim_max(t, a, b);
}

static void join_ranks(Bag *bag, const Bag *other) {
  bag->items.mixed = bag->items.mixed || other->items.mixed || bag->rank != other->rank;
  for (; bag->rank < other->rank; bag->rank++) bag->dims[bag->rank] = other->dims[bag->rank];
  if (bag->items.mixed) bag->items.ragged = (UINT32_C(1) << bag->rank) - 1;
}

void bag_join(Context *ctx, Bag *bag, const Bag *other) {
  DimTable *t = ctx->dims;
  if (other->rank < 0) return;
  if (bag->rank < 0) {
    Items mine = bag->items;
    *bag = *other;
    bag->items.capacity = mine.capacity;
    bag->items.length = mine.length;
    return;
  }
  bag->items.ragged |= other->items.ragged;
  for (int i = 0; i < bag->rank && i < other->rank; i++) {
    if (bag->dims[i] == other->dims[i]) continue;
    bag->items.ragged |= UINT32_C(1) << i;
    bag->dims[i] = larger(t, bag->dims[i], other->dims[i]);
  }
  join_ranks(bag, other);
  bag->items.slot = larger(t, bag->items.slot, other->items.slot);
}

static bool same_tensors(const Bag *a, const Bag *b) {
  if (a->rank != b->rank || a->items.slot != b->items.slot) return false;
  if (a->items.ragged != b->items.ragged || a->items.mixed != b->items.mixed) return false;
  return a->rank <= 0 || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

bool bag_covers(Context *ctx, const Bag *bag, const Bag *other) {
  Bag joined = *bag;
  bag_join(ctx, &joined, other);
  return same_tensors(bag, &joined);
}

/* ---- subgraphs ---------------------------------------------------------------------------------
 */

static bool type_mentions(const Type *type, const DimAtom *symbol) {
  if (type->kind == TYPE_TENSOR) {
    for (int i = 0; i < type->rank; i++) {
      if (dim_mentions(type->dims[i], symbol)) return true;
    }
    return false;
  }
  const Items *items = type->items;
  if (items != NULL && (dim_mentions(items->capacity, symbol) || dim_mentions(items->slot, symbol)))
    return true;
  return type->element != NULL && type_mentions(type->element, symbol);
}

static bool value_mentions(const Value *value, const DimAtom *symbol) {
  for (uint32_t i = 0; i < value->n_contents; i++) {
    if (dim_mentions(value->contents[i], symbol)) return true;
  }
  return type_mentions(&value->type, symbol);
}

static bool symbol_is_outer(const Node *node, const DimAtom *symbol) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *value = node->in[i].value;
    if (value != NULL && value_mentions(value, symbol)) return true;
  }
  return false;
}

bool dim_is_outer(const Node *node, const Dim *dim) {
  DimTable *t = infer_dims(node);
  for (uint32_t i = 0; i < dims_symbols(t) && !dim_is_const(dim, NULL); i++) {
    const DimAtom *symbol = dim_as_symbol(dims_symbol(t, i));
    if (dim_mentions(dim, symbol) && !symbol_is_outer(node, symbol)) return false;
  }
  return true;
}

void bag_leave(const Node *node, Bag *bag) {
  DimTable *t = infer_dims(node);
  for (int i = 0; i < bag->rank; i++) {
    if (dim_is_outer(node, bag->dims[i])) continue;
    bag->dims[i] = dim_const(t, bag->dims[i]->hi);
    bag->items.ragged |= UINT32_C(1) << i;
  }
  if (!dim_is_outer(node, bag->items.slot)) bag->items.slot = dim_const(t, bag->items.slot->hi);
  if (!dim_is_outer(node, bag->items.capacity)) {
    bag->items.capacity = dim_const(t, bag->items.capacity->hi);
  }
  if (bag->items.length != NULL && !dim_is_outer(node, bag->items.length)) bag->items.length = NULL;
}
