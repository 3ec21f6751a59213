/* The types of sequences and optionals as one flat record: what is known of tensors that come
 * together, and how two such records are joined. */
#ifndef ONNXC_OPS_BAG_H
#define ONNXC_OPS_BAG_H

#include "ops/op.h"

typedef struct Bag {
  DType dtype;
  int rank;                  /* the highest; -1: no tensor is known yet */
  const Dim *dims[MAX_RANK]; /* see Items */
  Items items;
} Bag;

/* No tensor at all. */
Bag bag_empty(Context *ctx, DType dtype);
/* The tensors of a type, one of which there is. */
Bag bag_of_tensor(Context *ctx, const Type *tensor);
/* What a sequence, or an optional of a tensor, holds. */
Bag bag_of(Context *ctx, const Type *type);
/* Whether a type is such. */
bool type_is_bag(const Type *type);
Type bag_type(Context *ctx, const Bag *bag, TypeKind kind);

/* `bag` takes in the tensors of `other`; capacity and length are the caller's affair. */
void bag_join(Context *ctx, Bag *bag, const Bag *other);
/* Whether a join with `other` changes nothing. */
bool bag_covers(Context *ctx, const Bag *bag, const Bag *other);
/* Sizes are replaced by their bounds where they mention symbols that no input of `node` has, so
 * that they mean the same outside its subgraphs. */
void bag_leave(const Node *node, Bag *bag);
/* Whether all sizes of an axis are the same. */
static inline bool bag_exact(const Bag *bag, int axis) {
  return !bag->items.mixed && (bag->items.ragged >> axis & 1) == 0;
}
/* The same of all axes. */
static inline bool bag_uniform(const Bag *bag) {
  return bag->rank >= 0 && !bag->items.mixed && bag->items.ragged == 0;
}

/* Whether the symbols of `dim` are known outside the subgraphs of the node. */
bool dim_is_outer(const Node *node, const Dim *dim);

#endif
