#include "passes/axes.h"

#include "ops/compose.h"

#include <string.h>

/* ---- atoms -------------------------------------------------------------------------------------
 */

bool axes_add(Axes *a, const Dim *size, Axis *axis) {
  *axis = (Axis){0};
  if (dim_is(size, 1)) return true;
  if (a->n_atoms == MAX_ATOMS) return false;
  axis->atoms[axis->n++] = (uint8_t)a->n_atoms;
  a->sizes[a->n_atoms++] = size;
  return true;
}

bool axes_start(Axes *a, DimTable *dims, const Type *type) {
  *a = (Axes){.dims = dims, .n_views = 1};
  a->views[0].rank = type->rank;
  for (int i = 0; i < type->rank; i++) {
    if (dim_is(type->dims[i], 0) || !axes_add(a, type->dims[i], &a->views[0].axes[i])) return false;
  }
  return true;
}

bool axes_keep(Axes *a, const View *view, int *index) {
  if (a->n_views == MAX_VIEWS) return false;
  *index = a->n_views++;
  a->views[*index] = *view;
  return true;
}

static bool axis_split(Axis *axis, int atom, int second) {
  int i = 0;
  while (i < axis->n && axis->atoms[i] != atom) i++;
  if (i == axis->n) return true;
  if (axis->n == MAX_ATOMS) return false;
  memmove(&axis->atoms[i + 2], &axis->atoms[i + 1], (size_t)(axis->n - i - 1));
  axis->atoms[i + 1] = (uint8_t)second;
  axis->n++;
  return true;
}

/* The atom becomes two: of size `first`, and one of the rest behind it. */
static bool split(Axes *a, int atom, const Dim *first, const Dim *rest) {
  if (a->n_atoms == MAX_ATOMS) return false;
  int second = a->n_atoms++;
  a->sizes[atom] = first;
  a->sizes[second] = rest;
  for (int v = 0; v < a->n_views; v++) {
    for (int i = 0; i < a->views[v].rank; i++) {
      if (!axis_split(&a->views[v].axes[i], atom, second)) return false;
    }
  }
  return true;
}

/* ---- walking -----------------------------------------------------------------------------------
 */

/* Atoms that are not yet given to an axis of the new shape. */
typedef struct Rest {
  Axis atoms;
  int taken;
} Rest;

/* Atoms from the front of the rest that make up an axis of `size`. */
static bool take_axis(Axes *a, Rest *rest, const Dim *size, Axis *axis) {
  *axis = (Axis){0};
  while (!dim_is(size, 1)) {
    if (rest->taken == rest->atoms.n) return false;
    int atom = rest->atoms.atoms[rest->taken];
    const Dim *left = dim_divide_exactly(a->dims, size, a->sizes[atom]);
    if (left == NULL) {
      const Dim *behind = dim_divide_exactly(a->dims, a->sizes[atom], size);
      int second = a->n_atoms;
      if (behind == NULL || !split(a, atom, size, behind)) return false;
      if (!axis_split(&rest->atoms, atom, second)) return false;
      left = dim_const(a->dims, 1);
    }
    axis->atoms[axis->n++] = (uint8_t)atom;
    rest->taken++;
    size = left;
  }
  return true;
}

bool axes_reshape(Axes *a, const Type *to) {
  const View from = a->views[0];
  Rest rest = {0};
  for (int i = 0; i < from.rank; i++) {
    if (rest.atoms.n + from.axes[i].n > MAX_ATOMS) return false;
    axis_append(&rest.atoms, &from.axes[i]);
  }
  View view = {.rank = to->rank};
  for (int i = 0; i < to->rank; i++) {
    if (dim_is(to->dims[i], 0)) return false;
    /* the atoms of the axes before are split, if at all, at their ends, which are taken */
    if (!take_axis(a, &rest, to->dims[i], &view.axes[i])) return false;
  }
  a->views[0] = view;
  return rest.taken == rest.atoms.n;
}

void axes_transpose(Axes *a, const int64_t *perm) {
  const View from = a->views[0];
  for (int i = 0; i < from.rank; i++) a->views[0].axes[perm[i]] = from.axes[i];
}

bool axes_operand(Axes *a, const Type *to) {
  View *view = &a->views[0];
  if (to->rank != view->rank) return false;
  for (int i = 0; i < to->rank; i++) {
    const Axis *axis = &view->axes[i];
    const Dim *size = dim_const(a->dims, 1);
    for (int k = 0; k < axis->n; k++) size = dim_mul(a->dims, size, a->sizes[axis->atoms[k]]);
    if (size == to->dims[i]) continue;
    if (axis->n != 1 || dim_is(to->dims[i], 1)) return false;
    a->sizes[axis->atoms[0]] = to->dims[i];
  }
  return true;
}

/* ---- runs of atoms -----------------------------------------------------------------------------
 */

bool axis_equal(const Axis *a, const Axis *b) {
  return a->n == b->n && memcmp(a->atoms, b->atoms, (size_t)a->n) == 0;
}

bool axis_has(const Axis *axis, int atom) {
  return memchr(axis->atoms, atom, (size_t)axis->n) != NULL;
}

void axis_append(Axis *axis, const Axis *tail) {
  memcpy(&axis->atoms[axis->n], tail->atoms, (size_t)tail->n);
  axis->n += tail->n;
}

/* Size of the value on axis `i` of the view, to which it is aligned at the right. */
static const Dim *own_size(const View *view, const Value *value, int i) {
  int own = i - (view->rank - value->type.rank);
  return own < 0 ? NULL : value->type.dims[own];
}

bool view_varies(const View *view, const Value *value, int atom) {
  for (int i = 0; i < view->rank; i++) {
    const Dim *size = own_size(view, value, i);
    if (axis_has(&view->axes[i], atom)) return size != NULL && !dim_is(size, 1);
  }
  return false;
}

/* ---- arranging ---------------------------------------------------------------------------------
 */

/* A value on its way to the groups: to be seen with one axis for each atom that it varies along. */
typedef struct Exploded {
  Value *value;
  int n;
  int at[MAX_ATOMS];            /* the axis of an atom; -1: it does not vary there */
  const Dim *sizes[MAX_ATOMS];  /* of the axes */
  const Dim *proper[MAX_ATOMS]; /* by atom: the size, as the value says it where it does */
} Exploded;

static Exploded explode(const Axes *a, const View *view, Value *value) {
  Exploded e = {0};
  for (int i = 0; i < a->n_atoms; i++) e.at[i] = -1;
  memcpy(e.proper, a->sizes, sizeof e.proper);
  for (int i = 0; i < view->rank; i++) {
    const Axis *axis = &view->axes[i];
    const Dim *own = own_size(view, value, i);
    if (own == NULL || dim_is(own, 1)) continue;
    for (int k = 0; k < axis->n; k++) {
      int atom = axis->atoms[k];
      if (axis->n == 1) e.proper[atom] = own;
      e.at[atom] = e.n;
      e.sizes[e.n++] = e.proper[atom];
    }
  }
  e.value = value;
  return e;
}

/* The axes in the order of the groups. */
static void sort_atoms(Builder *b, Exploded *e, const Axis *groups, int n_groups) {
  int64_t perm[MAX_ATOMS];
  int n = 0;
  bool moves = false;
  for (int g = 0; g < n_groups; g++) {
    for (int k = 0; k < groups[g].n; k++) {
      int at = e->at[groups[g].atoms[k]];
      if (at < 0) continue;
      moves = moves || at != n;
      perm[n++] = at;
    }
  }
  if (!moves) return;
  e->value = compose_transpose(b, compose_reshape(b, e->value, e->sizes, e->n), perm);
}

/* Where groups have at most one axis, the only one of each; -1: none. */
static bool find_axes(const Exploded *e, const Axis *groups, int n_groups, int *axes) {
  for (int g = 0; g < n_groups; g++) {
    axes[g] = -1;
    for (int k = 0; k < groups[g].n; k++) {
      int at = e->at[groups[g].atoms[k]];
      if (at >= 0 && axes[g] >= 0) return false;
      if (at >= 0) axes[g] = at;
    }
  }
  return true;
}

/* The same with an axis of size 1 for each group that has none, behind that of the group before, so
 * that the transposition is all that comes last. */
static void sort_axes(Builder *b, Exploded *e, int *axes, int n_groups) {
  const Dim *sizes[MAX_RANK];
  int64_t perm[MAX_RANK];
  int n = e->n;
  bool moves = false;
  memcpy(sizes, e->sizes, (size_t)n * sizeof *sizes);
  for (int g = 0, last = -1; g < n_groups; g++) {
    moves = moves || (axes[g] >= 0 && axes[g] < last);
    if (axes[g] >= 0) last = axes[g];
  }
  if (!moves) return;
  for (int g = 0; g < n_groups; g++) {
    if (axes[g] >= 0) continue;
    int at = g == 0 ? 0 : axes[g - 1] + 1;
    memmove(&sizes[at + 1], &sizes[at], (size_t)(n++ - at) * sizeof *sizes);
    sizes[at] = dim_const(b->graph->ctx->dims, 1);
    for (int i = 0; i < n_groups; i++) axes[i] += axes[i] >= at;
    axes[g] = at;
  }
  for (int g = 0; g < n_groups; g++) perm[g] = axes[g];
  e->value = compose_transpose(b, compose_reshape(b, e->value, sizes, n), perm);
}

static void sort(Builder *b, Exploded *e, const Axis *groups, int n_groups) {
  int axes[MAX_RANK];
  if (find_axes(e, groups, n_groups, axes)) {
    sort_axes(b, e, axes, n_groups);
  } else {
    sort_atoms(b, e, groups, n_groups);
  }
}

/* Whether the axis of a group is larger than 1 at the end. */
static bool fills(const Exploded *e, const Axis *group, bool whole) {
  bool any = whole;
  for (int k = 0; k < group->n; k++) any = any || e->at[group->atoms[k]] >= 0;
  return any;
}

/* Copies along the atoms of filled groups that the value does not vary along. */
static void expand(Builder *b, Exploded *e, const Axis *groups, int n_groups, bool whole) {
  const Dim *now[MAX_ATOMS], *then[MAX_ATOMS], *one = dim_const(b->graph->ctx->dims, 1);
  int n = 0;
  bool grows = false;
  for (int g = 0; g < n_groups; g++) {
    if (!fills(e, &groups[g], whole)) continue;
    for (int k = 0; k < groups[g].n; k++) {
      int atom = groups[g].atoms[k];
      grows = grows || e->at[atom] < 0;
      now[n] = e->at[atom] < 0 ? one : e->proper[atom];
      then[n++] = e->proper[atom];
    }
  }
  if (!grows) return;
  Value *apart = compose_reshape(b, e->value, now, n);
  e->value = BUILD(b, "Expand", apart, build_dims(b, then, (uint32_t)n));
}

/* The permutation that alone puts each axis of the value into the place of its group; axes of size
 * 1 go to those along which it does not vary. */
static bool find_permutation(const View *view, const Value *value, const Axis *groups, int n,
                             bool whole, int64_t *perm) {
  const Dim *const *dims = value->type.dims;
  int placed = 0, varying = 0, spare = 0;
  if (value->type.rank != n || view->rank != n) return false;
  for (int i = 0; i < n; i++) varying += !dim_is(dims[i], 1);
  for (int g = 0; g < n; g++) {
    int i = 0;
    while (i < n && (dim_is(dims[i], 1) || !axis_equal(&view->axes[i], &groups[g]))) i++;
    placed += i < n;
    if (i == n) {
      while (spare < n && !dim_is(dims[spare], 1)) spare++;
      if (spare == n || (whole && groups[g].n != 0)) return false;
      i = spare++;
    }
    perm[g] = i;
  }
  return placed == varying;
}

static bool is_identity(const int64_t *perm, int n) {
  int i = 0;
  while (i < n && perm[i] == i) i++;
  return i == n;
}

Value *axes_arrange(Builder *b, const Axes *a, const View *view, Value *value, const Axis *groups,
                    int n_groups, bool whole) {
  int64_t perm[MAX_RANK];
  if (find_permutation(view, value, groups, n_groups, whole, perm)) {
    return is_identity(perm, n_groups) ? value : compose_transpose(b, value, perm);
  }
  Exploded e = explode(a, view, value);
  sort(b, &e, groups, n_groups);
  expand(b, &e, groups, n_groups, whole);
  const Dim *dims[MAX_RANK];
  for (int g = 0; g < n_groups; g++) {
    dims[g] = dim_const(a->dims, 1);
    if (!fills(&e, &groups[g], whole)) continue;
    for (int k = 0; k < groups[g].n; k++) {
      dims[g] = dim_mul(a->dims, dims[g], e.proper[groups[g].atoms[k]]);
    }
  }
  return compose_reshape(b, e.value, dims, n_groups);
}
