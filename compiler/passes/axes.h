/* Tensors that hold the same elements in other shapes, one the reshaped or transposed other.
 *
 * Their axes are runs of atoms: factors of sizes that no reshape takes apart. [b*h, q, k] and
 * [b, h, q, k] are both made of the atoms b, h, q, k. An atom is split when a shape comes that
 * needs it; all views that are kept follow. An axis of size 1 has no atoms. */
#ifndef ONNXC_PASSES_AXES_H
#define ONNXC_PASSES_AXES_H

#include "ops/builder.h"

enum { MAX_ATOMS = 16, MAX_VIEWS = 16 };

typedef struct Axis {
  int n;
  uint8_t atoms[MAX_ATOMS];
} Axis;

typedef struct View {
  int rank;
  Axis axes[MAX_RANK];
} View;

typedef struct Axes {
  DimTable *dims;
  int n_atoms, n_views;
  const Dim *sizes[MAX_ATOMS]; /* of the atoms */
  View views[MAX_VIEWS];       /* the first one is where a walk is; kept ones follow */
} Axes;

/* One atom for each axis that is larger than 1. False, here and below: it cannot be said. */
bool axes_start(Axes *a, DimTable *dims, const Type *type);
/* A further atom of this size, as an axis: of no view so far. */
bool axes_add(Axes *a, const Dim *size, Axis *axis);
/* Remembers a view; its index. */
bool axes_keep(Axes *a, const View *view, int *index);

/* The walk goes to a tensor with these sizes: the same elements in the same order. */
bool axes_reshape(Axes *a, const Type *to);
/* To the operand of a Transpose. */
void axes_transpose(Axes *a, const int64_t *perm);
/* To an operand of an elementwise operator that is as large as the result; where sizes are only
 * taken for equal, the operand's are those that count from here on. */
bool axes_operand(Axes *a, const Type *to);

bool axis_equal(const Axis *a, const Axis *b);
bool axis_has(const Axis *axis, int atom);
void axis_append(Axis *axis, const Axis *tail);

/* Whether `value`, which broadcasts to the view, varies along the atom. */
bool view_varies(const View *view, const Value *value, int atom);

/* `value`, which broadcasts to the view, with one axis for each group of atoms. Where it does not
 * vary along any atom of a group, the axis has size 1 (with `whole`: is expanded); where along some
 * only, it is expanded. Atoms that are in no group must be such that it does not vary there. */
Value *axes_arrange(Builder *b, const Axes *a, const View *view, Value *value, const Axis *groups,
                    int n_groups, bool whole);

#endif
