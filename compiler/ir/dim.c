#include "ir/dim.h"

#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TERMS = 256, MAX_DEGREE = 64, MAX_DEPTH = 64 };

/* Interned objects whose hashes meet form a chain behind the map's entry. */
typedef struct DimEntry {
  struct DimEntry *next;
  int depth; /* of nested atoms */
  Dim dim;
} DimEntry;

typedef struct AtomEntry {
  struct AtomEntry *next;
  DimAtom atom;
} AtomEntry;

struct DimTable {
  Arena *arena;
  Strings *names;
  Map dims, atoms;
  Vec(const Dim *) symbols;
  uint32_t n_dims, n_atoms;
  bool overflow;
};

DimTable *dims_new(Arena *arena) {
  DimTable *t = ARENA_NEW(arena, DimTable);
  *t = (DimTable){
      .arena = arena, .names = strings_new(arena), .dims = map_on(arena), .atoms = map_on(arena)};
  return t;
}

bool dims_overflowed(DimTable *t) {
  bool overflow = t->overflow;
  t->overflow = false;
  return overflow;
}

/* ---- saturating intervals: INT64_MIN and INT64_MAX stand for the infinities -------------------
 */

static int64_t sat_add(int64_t a, int64_t b) {
  int64_t r;
  if (a == INT64_MAX || b == INT64_MAX) return INT64_MAX;
  if (a == INT64_MIN || b == INT64_MIN) return INT64_MIN;
  return __builtin_add_overflow(a, b, &r) ? (a > 0 ? INT64_MAX : INT64_MIN) : r;
}

static int64_t sat_mul(int64_t a, int64_t b) {
  int64_t r;
  if (a == 0 || b == 0) return 0;
  bool infinite = a == INT64_MAX || a == INT64_MIN || b == INT64_MAX || b == INT64_MIN;
  if (infinite || __builtin_mul_overflow(a, b, &r))
    return (a > 0) == (b > 0) ? INT64_MAX : INT64_MIN;
  return r;
}

typedef struct Interval {
  int64_t lo, hi;
} Interval;

static Interval interval_mul(Interval a, Interval b) {
  const int64_t corners[4] = {sat_mul(a.lo, b.lo), sat_mul(a.lo, b.hi), sat_mul(a.hi, b.lo),
                              sat_mul(a.hi, b.hi)};
  Interval r = {corners[0], corners[0]};
  for (int i = 1; i < 4; i++) {
    if (corners[i] < r.lo) r.lo = corners[i];
    if (corners[i] > r.hi) r.hi = corners[i];
  }
  return r;
}

static int64_t floor_div(int64_t a, int64_t b) {
  if (b == -1) return a == INT64_MIN ? INT64_MAX : -a;
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* ---- terms --------------------------------------------------------------------------------------
 */

static int dim_compare(const Dim *a, const Dim *b);

/* An order by structure alone, so that the normal form does not depend on what was made before. */
static int atom_compare(const DimAtom *a, const DimAtom *b) {
  if (a == b) return 0;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->kind == DIM_SYMBOL) return a->symbol < b->symbol ? -1 : 1;
  if (a->kind == DIM_UNKNOWN) return a->id < b->id ? -1 : 1;
  return a->a != b->a ? dim_compare(a->a, b->a) : dim_compare(a->b, b->b);
}

/* A monomial order: by degree, then by atoms; the greatest comes first in an expression. */
static int term_compare(const DimTerm *a, const DimTerm *b) {
  if (a->n_atoms != b->n_atoms) return a->n_atoms > b->n_atoms ? -1 : 1;
  for (uint32_t i = 0; i < a->n_atoms; i++) {
    if (a->atoms[i] != b->atoms[i]) return atom_compare(a->atoms[i], b->atoms[i]);
  }
  return 0;
}

static int dim_compare(const Dim *a, const Dim *b) {
  if (a->n_terms != b->n_terms) return a->n_terms > b->n_terms ? -1 : 1;
  for (uint32_t i = 0; i < a->n_terms; i++) {
    int64_t x = a->terms[i].coefficient, y = b->terms[i].coefficient;
    int order = term_compare(&a->terms[i], &b->terms[i]);
    if (order != 0) return order;
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

static int term_order(const void *a, const void *b) {
  return term_compare(a, b);
}

static Interval term_interval(const DimTerm *term) {
  Interval r = {term->coefficient, term->coefficient};
  for (uint32_t i = 0; i < term->n_atoms; i++) {
    r = interval_mul(r, (Interval){term->atoms[i]->lo, term->atoms[i]->hi});
  }
  return r;
}

static int atom_depth(const DimAtom *atom);

static int dim_depth(const Dim *d) {
  return ((const DimEntry *)(const void *)((const char *)d - offsetof(DimEntry, dim)))->depth;
}

static int atom_depth(const DimAtom *atom) {
  if (atom->a == NULL) return 0;
  int a = dim_depth(atom->a), b = dim_depth(atom->b);
  return 1 + (a > b ? a : b);
}

/* Sorts, merges equal monomials and drops zeros, in place; the new number of terms. */
static uint32_t normalise(DimTable *t, DimTerm *terms, uint32_t n) {
  qsort(terms, n, sizeof *terms, term_order);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (kept != 0 && term_compare(&terms[kept - 1], &terms[i]) == 0) {
      int64_t *sum = &terms[kept - 1].coefficient;
      if (__builtin_add_overflow(*sum, terms[i].coefficient, sum)) t->overflow = true;
    } else {
      if (kept != 0 && terms[kept - 1].coefficient == 0) kept--;
      terms[kept++] = terms[i];
    }
  }
  if (kept != 0 && terms[kept - 1].coefficient == 0) kept--;
  return kept;
}

static uint64_t terms_hash(const DimTerm *terms, uint32_t n) {
  uint64_t hash = HASH_SEED;
  for (uint32_t i = 0; i < n; i++) {
    hash = hash_bytes(hash, &terms[i].coefficient, sizeof terms[i].coefficient);
    for (uint32_t j = 0; j < terms[i].n_atoms; j++) {
      hash = hash_bytes(hash, &terms[i].atoms[j]->id, sizeof(uint32_t));
    }
  }
  return hash;
}

static bool terms_equal(const Dim *d, const DimTerm *terms, uint32_t n) {
  if (d->n_terms != n) return false;
  for (uint32_t i = 0; i < n; i++) {
    if (d->terms[i].coefficient != terms[i].coefficient) return false;
    if (term_compare(&d->terms[i], &terms[i]) != 0) return false;
  }
  return true;
}

static bool atom_is_opaque(const DimAtom *atom) {
  if (atom->kind == DIM_UNKNOWN || atom->kind == DIM_QUOTIENT) return true;
  return atom->a != NULL && (atom->a->opaque || atom->b->opaque);
}

static bool atom_has_value(const DimAtom *atom) {
  return atom->value || (atom->a != NULL && (atom->a->value || atom->b->value));
}

/* The interval of the terms. That of an atom may have become sharper since the last time. */
static void bound_dim(Dim *dim) {
  Interval sum = {0, 0};
  for (uint32_t i = 0; i < dim->n_terms; i++) {
    Interval term = term_interval(&dim->terms[i]);
    sum = (Interval){sat_add(sum.lo, term.lo), sat_add(sum.hi, term.hi)};
  }
  if (sum.lo > dim->lo) dim->lo = sum.lo;
  if (sum.hi < dim->hi) dim->hi = sum.hi;
}

static Dim *dim_new(DimTable *t, const DimTerm *terms, uint32_t n, DimEntry *next) {
  DimEntry *entry = ARENA_NEW(t->arena, DimEntry);
  Dim *dim = &entry->dim;
  entry->next = next;
  *dim = (Dim){.id = t->n_dims++, .n_terms = n, .lo = INT64_MIN, .hi = INT64_MAX};
  dim->terms = arena_copy(t->arena, terms, n * sizeof *terms);
  for (uint32_t i = 0; i < n; i++) {
    for (uint32_t j = 0; j < terms[i].n_atoms; j++) {
      const DimAtom *atom = terms[i].atoms[j];
      int depth = atom_depth(atom);
      if (depth > entry->depth) entry->depth = depth;
      dim->opaque = dim->opaque || atom_is_opaque(atom);
      dim->value = dim->value || atom_has_value(atom);
    }
  }
  map_set(&t->dims, terms_hash(terms, n), entry);
  return dim;
}

/* The expression of these terms (any order, repeats allowed; the array is overwritten). */
static const Dim *dim_of(DimTable *t, DimTerm *terms, uint32_t n) {
  n = normalise(t, terms, n);
  DimEntry *head = map_get(&t->dims, terms_hash(terms, n)), *e = head;
  while (e != NULL && !terms_equal(&e->dim, terms, n)) e = e->next;
  Dim *dim = e != NULL ? &e->dim : dim_new(t, terms, n, head);
  bound_dim(dim);
  return dim;
}

const Dim *dim_const(DimTable *t, int64_t value) {
  return dim_of(t, &(DimTerm){.coefficient = value}, 1);
}

static const Dim *dim_of_atom(DimTable *t, const DimAtom *atom) {
  const DimAtom *const *atoms = arena_copy(t->arena, &atom, sizeof atom);
  return dim_of(t, &(DimTerm){.coefficient = 1, .n_atoms = 1, .atoms = atoms}, 1);
}

/* ---- atoms -------------------------------------------------------------------------------------
 */

/* The atom that is there already, with bounds that are the sharper of both; NULL: there is none. */
static const DimAtom *known_atom(AtomEntry *head, const DimAtom *atom) {
  for (AtomEntry *e = head; e != NULL; e = e->next) {
    bool same = e->atom.kind == atom->kind && e->atom.name == atom->name;
    if (!same || e->atom.a != atom->a || e->atom.b != atom->b) continue;
    if (atom->lo > e->atom.lo) e->atom.lo = atom->lo;
    if (atom->hi < e->atom.hi) e->atom.hi = atom->hi;
    return &e->atom;
  }
  return NULL;
}

static const Dim *atom_new(DimTable *t, DimAtom atom) {
  uint64_t hash = hash_bytes(HASH_SEED, &atom.kind, sizeof atom.kind);
  hash = hash_bytes(hash, &atom.name, sizeof atom.name);
  hash = hash_bytes(hash, &atom.a, sizeof atom.a);
  hash = hash_bytes(hash, &atom.b, sizeof atom.b);
  AtomEntry *head = map_get(&t->atoms, hash);
  const DimAtom *known = known_atom(head, &atom);
  if (known != NULL) return dim_of_atom(t, known);
  if (atom_depth(&atom) > MAX_DEPTH) {
    t->overflow = true;
    return dim_const(t, 0);
  }
  AtomEntry *entry = ARENA_NEW(t->arena, AtomEntry);
  entry->atom = atom;
  entry->atom.id = t->n_atoms++;
  if (atom.kind == DIM_SYMBOL) entry->atom.symbol = (uint32_t)t->symbols.len;
  entry->next = head;
  map_set(&t->atoms, hash, entry);
  const Dim *dim = dim_of_atom(t, &entry->atom);
  if (atom.kind == DIM_SYMBOL) vec_push(t->arena, &t->symbols, dim);
  return dim;
}

const Dim *dim_symbol(DimTable *t, const char *name, int64_t lo, int64_t hi) {
  return atom_new(
      t, (DimAtom){.kind = DIM_SYMBOL, .name = intern(t->names, name), .lo = lo, .hi = hi});
}

static bool symbol_exists(const DimTable *t, const char *name) {
  VEC_EACH(const Dim *, s, &t->symbols) {
    if (strcmp(dim_as_symbol(*s)->name, name) == 0) return true;
  }
  return false;
}

/* Later symbols of one name are numbered. */
const char *dims_unused_name(DimTable *t, const char *hint) {
  const char *name = hint;
  for (int i = 2; symbol_exists(t, name); i++) name = arena_printf(t->arena, "%s_%d", hint, i);
  return intern(t->names, name);
}

const Dim *dim_fresh(DimTable *t, const char *hint, int64_t lo, int64_t hi) {
  return dim_symbol(t, dims_unused_name(t, hint), lo, hi);
}

const Dim *dim_value(DimTable *t, const char *hint, int64_t lo, int64_t hi) {
  return atom_new(t, (DimAtom){.kind = DIM_SYMBOL,
                               .name = dims_unused_name(t, hint),
                               .lo = lo,
                               .hi = hi,
                               .value = true});
}

const Dim *dim_unknown(DimTable *t, int64_t lo, int64_t hi) {
  if (lo == hi) return dim_const(t, lo);
  DimAtom *atom = ARENA_NEW(t->arena, DimAtom);
  *atom = (DimAtom){.kind = DIM_UNKNOWN, .id = t->n_atoms++, .lo = lo, .hi = hi};
  return dim_of_atom(t, atom);
}

void dim_limit(const Dim *d, int64_t hi) {
  Dim *own = (Dim *)(uintptr_t)d;
  DimAtom *symbol = (DimAtom *)(uintptr_t)dim_as_symbol(d);
  if (hi < own->hi) own->hi = hi;
  if (symbol != NULL && hi < symbol->hi) symbol->hi = hi;
}

uint32_t dims_symbols(const DimTable *t) {
  return (uint32_t)t->symbols.len;
}

const Dim *dims_symbol(const DimTable *t, uint32_t index) {
  return t->symbols.data[index];
}

void dims_forget(DimTable *t, uint32_t first) {
  while (t->symbols.len > first) {
    const Dim *symbol = t->symbols.data[--t->symbols.len];
    DimAtom *atom = (DimAtom *)(uintptr_t)dim_as_symbol(symbol);
    atom->name = NULL; /* so that the name finds it no more */
  }
}

const DimAtom *dim_as_symbol(const Dim *d) {
  if (d->n_terms != 1 || d->terms->coefficient != 1 || d->terms->n_atoms != 1) return NULL;
  return d->terms->atoms[0]->kind == DIM_SYMBOL ? d->terms->atoms[0] : NULL;
}

bool dim_mentions(const Dim *d, const DimAtom *symbol) {
  for (uint32_t i = 0; i < d->n_terms; i++) {
    for (uint32_t j = 0; j < d->terms[i].n_atoms; j++) {
      const DimAtom *atom = d->terms[i].atoms[j];
      if (atom == symbol) return true;
      if (atom->a == NULL) continue;
      if (dim_mentions(atom->a, symbol) || dim_mentions(atom->b, symbol)) return true;
    }
  }
  return false;
}

/* ---- arithmetic -------------------------------------------------------------------------------
 */

bool dim_is_const(const Dim *d, int64_t *value) {
  if (d->n_terms > 1 || (d->n_terms == 1 && d->terms->n_atoms != 0)) return false;
  if (value != NULL) *value = d->n_terms == 0 ? 0 : d->terms->coefficient;
  return true;
}

/* a + factor * b */
static const Dim *add_scaled(DimTable *t, const Dim *a, const Dim *b, int64_t factor) {
  uint32_t n = a->n_terms + b->n_terms;
  if (n > MAX_TERMS) {
    t->overflow = true;
    return a;
  }
  DimTerm terms[MAX_TERMS];
  if (a->n_terms != 0) memcpy(terms, a->terms, a->n_terms * sizeof *terms);
  for (uint32_t i = 0; i < b->n_terms; i++) {
    DimTerm *term = &terms[a->n_terms + i];
    *term = b->terms[i];
    if (__builtin_mul_overflow(term->coefficient, factor, &term->coefficient)) t->overflow = true;
  }
  return dim_of(t, terms, n);
}

const Dim *dim_add(DimTable *t, const Dim *a, const Dim *b) {
  return add_scaled(t, a, b, 1);
}

const Dim *dim_sub(DimTable *t, const Dim *a, const Dim *b) {
  return add_scaled(t, a, b, -1);
}

const Dim *dim_add_i(DimTable *t, const Dim *a, int64_t b) {
  return dim_add(t, a, dim_const(t, b));
}

const Dim *dim_mul_i(DimTable *t, const Dim *a, int64_t b) {
  return dim_mul(t, a, dim_const(t, b));
}

/* The product of two monomials: atoms merged in their order. */
static DimTerm term_mul(DimTable *t, const DimTerm *a, const DimTerm *b) {
  DimTerm r = {.n_atoms = a->n_atoms + b->n_atoms};
  if (__builtin_mul_overflow(a->coefficient, b->coefficient, &r.coefficient)) t->overflow = true;
  if (r.n_atoms > MAX_DEGREE) {
    t->overflow = true;
    return (DimTerm){.coefficient = 1};
  }
  const DimAtom **atoms = ARENA_ARRAY(t->arena, r.n_atoms, const DimAtom *);
  for (uint32_t i = 0, j = 0; i + j < r.n_atoms;) {
    bool from_a =
        j == b->n_atoms || (i < a->n_atoms && atom_compare(a->atoms[i], b->atoms[j]) <= 0);
    atoms[i + j] = from_a ? a->atoms[i] : b->atoms[j];
    if (from_a)
      i++;
    else
      j++;
  }
  r.atoms = atoms;
  return r;
}

const Dim *dim_mul(DimTable *t, const Dim *a, const Dim *b) {
  uint32_t n = 0;
  DimTerm terms[MAX_TERMS];
  if ((uint64_t)a->n_terms * b->n_terms > MAX_TERMS) {
    t->overflow = true;
    return a;
  }
  for (uint32_t i = 0; i < a->n_terms; i++) {
    for (uint32_t j = 0; j < b->n_terms; j++) terms[n++] = term_mul(t, &a->terms[i], &b->terms[j]);
  }
  return dim_of(t, terms, n);
}

const Dim *dim_product(DimTable *t, const Dim *const *dims, int n) {
  const Dim *product = dim_const(t, 1);
  for (int i = 0; i < n; i++) product = dim_mul(t, product, dims[i]);
  return product;
}

/* a / b as a monomial; false when b does not divide a. */
static bool term_divide(DimTable *t, const DimTerm *a, const DimTerm *b, DimTerm *quotient) {
  if (a->coefficient % b->coefficient != 0 || a->n_atoms < b->n_atoms) return false;
  if (b->coefficient == -1 && a->coefficient == INT64_MIN) return false;
  const DimAtom **atoms = ARENA_ARRAY(t->arena, a->n_atoms, const DimAtom *);
  uint32_t kept = 0, j = 0;
  for (uint32_t i = 0; i < a->n_atoms; i++) {
    if (j < b->n_atoms && a->atoms[i] == b->atoms[j])
      j++;
    else
      atoms[kept++] = a->atoms[i];
  }
  *quotient =
      (DimTerm){.coefficient = a->coefficient / b->coefficient, .n_atoms = kept, .atoms = atoms};
  return j == b->n_atoms;
}

/* Long division in the monomial order. */
const Dim *dim_divide_exactly(DimTable *t, const Dim *a, const Dim *b) {
  if (b->n_terms == 0) return NULL;
  const Dim *quotient = dim_const(t, 0), *rest = a;
  for (int step = 0; rest->n_terms != 0; step++) {
    DimTerm term;
    if (step == MAX_DEGREE || !term_divide(t, &rest->terms[0], &b->terms[0], &term)) return NULL;
    const Dim *part = dim_of(t, &(DimTerm){term.coefficient, term.n_atoms, term.atoms}, 1);
    quotient = dim_add(t, quotient, part);
    rest = dim_sub(t, rest, dim_mul(t, part, b));
  }
  return quotient;
}

static Interval floordiv_interval(const Dim *a, const Dim *b) {
  if (b->lo < 1) return (Interval){INT64_MIN, INT64_MAX};
  Interval r = {floor_div(a->lo, a->lo >= 0 ? b->hi : b->lo),
                floor_div(a->hi, a->hi >= 0 ? b->lo : b->hi)};
  if (a->lo == INT64_MIN) r.lo = INT64_MIN;
  if (a->hi == INT64_MAX) r.hi = INT64_MAX;
  return r;
}

/* Each coefficient leaves the floor but for its remainder: (c*q + r)*x div c = q*x + (r*x div c).
 */
static const Dim *split_multiples(DimTable *t, const Dim *a, int64_t c, const Dim **rest) {
  DimTerm whole[MAX_TERMS], other[MAX_TERMS];
  for (uint32_t i = 0; i < a->n_terms; i++) {
    whole[i] = other[i] = a->terms[i];
    whole[i].coefficient = floor_div(a->terms[i].coefficient, c);
    other[i].coefficient -= whole[i].coefficient * c;
  }
  *rest = dim_of(t, other, a->n_terms);
  return dim_of(t, whole, a->n_terms);
}

/* The atom that the expression is; NULL when it is more than one. */
static const DimAtom *only_atom(const Dim *d) {
  bool only = d->n_terms == 1 && d->terms->coefficient == 1 && d->terms->n_atoms == 1;
  return only ? d->terms->atoms[0] : NULL;
}

/* ((x div m) + k) div c = (x + k*m) div (m*c): the two floors are one. False: `a` is no such sum,
 * or a product leaves the range. */
static bool join_floors(DimTable *t, int64_t c, const Dim **a, const Dim **b) {
  int64_t k, m, shift, divisor;
  DimTerm constant = {0};
  const Dim *inner = *a;
  if (inner->n_terms == 2 && inner->terms[1].n_atoms == 0) {
    constant = inner->terms[1];
    inner = dim_add_i(t, inner, constant.coefficient == INT64_MIN ? 0 : -constant.coefficient);
  }
  k = constant.coefficient;
  const DimAtom *floor = only_atom(inner);
  if (floor == NULL || floor->kind != DIM_FLOORDIV || !dim_is_const(floor->b, &m) || m < 1)
    return false;
  if (__builtin_mul_overflow(k, m, &shift) || __builtin_mul_overflow(m, c, &divisor)) return false;
  *a = dim_add_i(t, floor->a, shift);
  *b = dim_const(t, divisor);
  return true;
}

/* The expression, known to be in the interval, too. */
static const Dim *within(const Dim *d, Interval range) {
  Dim *known = (Dim *)(uintptr_t)d;
  if (known->lo < range.lo) known->lo = range.lo;
  dim_limit(known, range.hi);
  return known;
}

const Dim *dim_floordiv(DimTable *t, const Dim *a, const Dim *b) {
  int64_t c;
  if (dim_is(b, 0)) return b;
  const Dim *exact = dim_divide_exactly(t, a, b);
  if (exact != NULL) return exact;
  const Dim *whole = dim_const(t, 0);
  bool divides = dim_is_const(b, &c) && c > 0;
  if (divides) whole = split_multiples(t, a, c, &a);
  Interval range = floordiv_interval(a, b);
  if (divides && join_floors(t, c, &a, &b)) {
    return dim_add(t, whole, within(dim_floordiv(t, a, b), range));
  }
  if (range.lo == range.hi && range.hi != INT64_MAX) return dim_add_i(t, whole, range.lo);
  return dim_add(
      t, whole,
      atom_new(t, (DimAtom){.kind = DIM_FLOORDIV, .a = a, .b = b, .lo = range.lo, .hi = range.hi}));
}

const Dim *dim_ceildiv(DimTable *t, const Dim *a, const Dim *b) {
  return dim_floordiv(t, dim_add_i(t, dim_add(t, a, b), -1), b);
}

const Dim *dim_mod(DimTable *t, const Dim *a, const Dim *b) {
  Dim *rest = (Dim *)(uintptr_t)dim_sub(t, a, dim_mul(t, b, dim_floordiv(t, a, b)));
  if (b->lo > 0 && rest->lo < 0) rest->lo = 0;
  if (b->lo > 0 && b->hi != INT64_MAX) dim_limit(rest, b->hi - 1);
  return rest;
}

/* A minimum is at most `b` when one of its operands is, a maximum when both are; `b` likewise. */
static bool le_within(DimTable *t, const Dim *a, const Dim *b, int depth) {
  if (a == b || a->hi <= b->lo || dim_sub(t, b, a)->lo >= 0) return true;
  const DimAtom *x = only_atom(a), *y = only_atom(b);
  if (depth == 0) return false;
  if (x != NULL && (x->kind == DIM_MAX || x->kind == DIM_MIN)) {
    bool first = le_within(t, x->a, b, depth - 1);
    if (first == (x->kind == DIM_MIN)) return first;
    if (le_within(t, x->b, b, depth - 1)) return true;
  }
  if (y != NULL && (y->kind == DIM_MAX || y->kind == DIM_MIN)) {
    bool first = le_within(t, a, y->a, depth - 1);
    return first == (y->kind == DIM_MAX) ? first : le_within(t, a, y->b, depth - 1);
  }
  return false;
}

bool dim_le(DimTable *t, const Dim *a, const Dim *b) {
  return le_within(t, a, b, 3);
}

bool dim_never_equal(DimTable *t, const Dim *a, const Dim *b) {
  if (a == b) return false;
  const Dim *difference = dim_sub(t, a, b);
  return difference->lo > 0 || difference->hi < 0;
}

const Dim *dim_quotient(DimTable *t, const Dim *a, const Dim *b) {
  const Dim *exact = dim_divide_exactly(t, a, b);
  if (exact != NULL) return exact;
  Interval range = floordiv_interval(a, b);
  if (range.hi != INT64_MAX) range.hi++;
  return atom_new(t,
                  (DimAtom){.kind = DIM_QUOTIENT, .a = a, .b = b, .lo = range.lo, .hi = range.hi});
}

bool dim_as_quotient(const Dim *d, const Dim **a, const Dim **b) {
  const DimAtom *atom = only_atom(d);
  if (atom == NULL || atom->kind != DIM_QUOTIENT) return false;
  *a = atom->a;
  *b = atom->b;
  return true;
}

static const Dim *extremum(DimTable *t, DimAtomKind kind, const Dim *a, const Dim *b) {
  bool max = kind == DIM_MAX;
  if (dim_le(t, a, b)) return max ? b : a;
  if (dim_le(t, b, a)) return max ? a : b;
  const Dim *first = dim_compare(a, b) < 0 ? a : b, *second = first == a ? b : a;
  int64_t lo = (a->lo < b->lo) != max ? a->lo : b->lo, hi = (a->hi < b->hi) != max ? a->hi : b->hi;
  return atom_new(t, (DimAtom){.kind = kind, .a = first, .b = second, .lo = lo, .hi = hi});
}

const Dim *dim_min(DimTable *t, const Dim *a, const Dim *b) {
  return extremum(t, DIM_MIN, a, b);
}

const Dim *dim_max(DimTable *t, const Dim *a, const Dim *b) {
  return extremum(t, DIM_MAX, a, b);
}

/* ---- evaluation and substitution ----------------------------------------------------------------
 */

static bool atom_eval(const DimAtom *atom, const int64_t *values, int64_t *result) {
  if (atom->kind == DIM_SYMBOL) {
    *result = values[atom->symbol];
    return true;
  }
  int64_t a, b;
  if (atom_is_opaque(atom)) return false;
  if (!dim_eval(atom->a, values, &a) || !dim_eval(atom->b, values, &b)) return false;
  switch (atom->kind) {
  case DIM_FLOORDIV: *result = b == 0 ? 0 : floor_div(a, b); break;
  case DIM_MIN: *result = a < b ? a : b; break;
  default: *result = a > b ? a : b; break;
  }
  return true;
}

bool dim_eval(const Dim *d, const int64_t *values, int64_t *result) {
  int64_t sum = 0;
  for (uint32_t i = 0; i < d->n_terms; i++) {
    int64_t product = d->terms[i].coefficient, factor;
    for (uint32_t j = 0; j < d->terms[i].n_atoms; j++) {
      if (!atom_eval(d->terms[i].atoms[j], values, &factor)) return false;
      if (__builtin_mul_overflow(product, factor, &product)) return false;
    }
    if (__builtin_add_overflow(sum, product, &sum)) return false;
  }
  *result = sum;
  return true;
}

static const Dim *atom_substitute(DimTable *t, const DimAtom *atom, const Dim *const *with,
                                  uint32_t n) {
  if (atom->kind == DIM_SYMBOL) {
    return atom->symbol < n && with[atom->symbol] != NULL ? with[atom->symbol]
                                                          : dim_of_atom(t, atom);
  }
  if (atom->kind == DIM_UNKNOWN) return dim_of_atom(t, atom);
  const Dim *a = dim_substitute(t, atom->a, with, n), *b = dim_substitute(t, atom->b, with, n);
  switch (atom->kind) {
  case DIM_FLOORDIV: return dim_floordiv(t, a, b);
  case DIM_QUOTIENT: return dim_quotient(t, a, b);
  case DIM_MIN: return dim_min(t, a, b);
  default: return dim_max(t, a, b);
  }
}

const Dim *dim_substitute(DimTable *t, const Dim *d, const Dim *const *with, uint32_t n) {
  const Dim *sum = dim_const(t, 0);
  for (uint32_t i = 0; i < d->n_terms; i++) {
    const Dim *product = dim_const(t, d->terms[i].coefficient);
    for (uint32_t j = 0; j < d->terms[i].n_atoms; j++) {
      product = dim_mul(t, product, atom_substitute(t, d->terms[i].atoms[j], with, n));
    }
    sum = dim_add(t, sum, product);
  }
  return sum;
}

/* ---- text: sum = term (('+'|'-') term)*, term = factor ('*' factor)*,
 * factor = number | name | '"' escaped '"' | function '(' sum ',' sum ')' | '(' sum ')'
 * ------------ */

static const char *const atom_names[] = {
    [DIM_SYMBOL] = "", [DIM_FLOORDIV] = "floordiv", [DIM_MIN] = "min",
    [DIM_MAX] = "max", [DIM_QUOTIENT] = "quotient", [DIM_UNKNOWN] = "?"};

static bool is_plain(const char *name) {
  if (!isalpha((unsigned char)*name) && *name != '_') return false;
  for (; *name != '\0'; name++) {
    if (!isalnum((unsigned char)*name) && *name != '_' && *name != '.') return false;
  }
  return true;
}

static void write_dim(Out *w, Arena *arena, const Dim *d);

static void write_atom(Out *w, Arena *arena, const DimAtom *atom) {
  if (atom->kind == DIM_SYMBOL) {
    const char *quote = is_plain(atom->name) ? "" : "\"";
    out(w, "%s%s%s", quote, text_c_string(arena, atom->name, strlen(atom->name)), quote);
    return;
  }
  out(w, "%s", atom_names[atom->kind]);
  if (atom->a == NULL) return;
  out(w, "(");
  write_dim(w, arena, atom->a);
  out(w, ", ");
  write_dim(w, arena, atom->b);
  out(w, ")");
}

static void write_dim(Out *w, Arena *arena, const Dim *d) {
  if (d->n_terms == 0) out(w, "0");
  for (uint32_t i = 0; i < d->n_terms; i++) {
    const DimTerm *term = &d->terms[i];
    bool negative = term->coefficient < 0;
    uint64_t size = negative ? 0 - (uint64_t)term->coefficient : (uint64_t)term->coefficient;
    out(w, "%s", i == 0 ? (negative ? "-" : "") : (negative ? " - " : " + "));
    if (size != 1 || term->n_atoms == 0) out(w, "%llu", (unsigned long long)size);
    for (uint32_t j = 0; j < term->n_atoms; j++) {
      if (j != 0 || size != 1) out(w, "*");
      write_atom(w, arena, term->atoms[j]);
    }
  }
}

const char *dim_text(Arena *arena, const Dim *d) {
  Out *w = out_memory(arena);
  write_dim(w, arena, d);
  return out_text(w, NULL);
}

typedef struct DimParser {
  DimTable *t;
  const char *at;
  int depth;
} DimParser;

static const Dim *parse_sum(DimParser *p);

static bool accept(DimParser *p, char c) {
  while (*p->at == ' ') p->at++;
  if (*p->at != c) return false;
  p->at++;
  return true;
}

static const char *parse_quoted(DimParser *p) {
  char *name = arena_alloc(p->t->arena, strlen(p->at) + 1), *to = name;
  while (*p->at != '"') {
    if (*p->at == '\0') return NULL;
    if (*p->at == '\\') {
      unsigned code = 0;
      for (int i = 1; i <= 3; i++) {
        if (p->at[i] < '0' || p->at[i] > '7') return NULL;
        code = code * 8 + (unsigned)(p->at[i] - '0');
      }
      *to++ = (char)code;
      p->at += 4;
    } else {
      *to++ = *p->at++;
    }
  }
  p->at++;
  return name;
}

static const Dim *apply(DimTable *t, DimAtomKind kind, const Dim *a, const Dim *b) {
  switch (kind) {
  case DIM_FLOORDIV: return dim_floordiv(t, a, b);
  case DIM_MIN: return dim_min(t, a, b);
  default: return dim_max(t, a, b);
  }
}

static const Dim *parse_function(DimParser *p, const char *name, size_t length) {
  for (DimAtomKind kind = DIM_FLOORDIV; kind <= DIM_MAX; kind++) {
    if (strlen(atom_names[kind]) != length || memcmp(atom_names[kind], name, length) != 0) continue;
    const Dim *a = parse_sum(p);
    const Dim *b = a != NULL && accept(p, ',') ? parse_sum(p) : NULL;
    return b != NULL && accept(p, ')') ? apply(p->t, kind, a, b) : NULL;
  }
  return NULL;
}

static const Dim *parse_factor(DimParser *p) {
  if (accept(p, '(')) {
    const Dim *d = parse_sum(p);
    return d != NULL && accept(p, ')') ? d : NULL;
  }
  if (accept(p, '"')) {
    const char *name = parse_quoted(p);
    return name == NULL ? NULL : dim_symbol(p->t, name, 0, INT64_MAX);
  }
  const char *start = p->at;
  if (isdigit((unsigned char)*start)) {
    errno = 0;
    char *end;
    long long value = strtoll(start, &end, 10);
    p->at = end;
    return errno != 0 ? NULL : dim_const(p->t, value);
  }
  while (isalnum((unsigned char)*p->at) || *p->at == '_' || *p->at == '.') p->at++;
  size_t length = (size_t)(p->at - start);
  if (length == 0) return NULL;
  if (accept(p, '(')) return parse_function(p, start, length);
  const char *name = intern_n(p->t->names, start, length);
  return dim_symbol(p->t, name, 0, INT64_MAX);
}

static const Dim *parse_term(DimParser *p) {
  const Dim *d = parse_factor(p);
  while (d != NULL && accept(p, '*')) {
    const Dim *factor = parse_factor(p);
    d = factor == NULL ? NULL : dim_mul(p->t, d, factor);
  }
  return d;
}

static const Dim *parse_sum(DimParser *p) {
  if (++p->depth > MAX_DEPTH) return NULL;
  bool negative = accept(p, '-');
  const Dim *d = parse_term(p);
  if (d != NULL && negative) d = dim_mul_i(p->t, d, -1);
  while (d != NULL) {
    bool plus = accept(p, '+');
    if (!plus && !accept(p, '-')) break;
    const Dim *term = parse_term(p);
    if (term == NULL) return NULL;
    d = plus ? dim_add(p->t, d, term) : dim_sub(p->t, d, term);
  }
  p->depth--;
  return d;
}

const Dim *dim_parse(DimTable *t, const char *text, const char **end) {
  DimParser parser = {.t = t, .at = text};
  const Dim *d = parse_sum(&parser);
  if (end != NULL) *end = parser.at;
  return d;
}
