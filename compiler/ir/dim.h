/* Symbolic sizes. A dimension is an expression over named symbols with bounds, kept in a normal
 * form and hash-consed: two expressions that normalise alike are the same pointer.
 *
 * The normal form is a polynomial with integer coefficients over atoms; an atom is a symbol or a
 * floordiv, min or max of two expressions. Every expression carries an interval [lo, hi].
 *
 * Sizes are computed from numbers, so numbers are expressions too. Two kinds of atoms occur only
 * in those: a number of which nothing but the interval is known, and the quotient of two
 * expressions that floats hold before they are rounded. What mentions one of them is opaque: it
 * has bounds, but generated code cannot compute it. */
#ifndef ONNXC_IR_DIM_H
#define ONNXC_IR_DIM_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Dim Dim;
typedef struct DimTable DimTable;

typedef enum DimAtomKind {
  DIM_SYMBOL,
  DIM_FLOORDIV,
  DIM_MIN,
  DIM_MAX,
  DIM_QUOTIENT, /* opaque, and no integer */
  DIM_UNKNOWN   /* opaque: some number within the bounds */
} DimAtomKind;

typedef struct DimAtom {
  DimAtomKind kind;
  uint32_t id;
  const char *name; /* of a symbol, interned; unique within the table */
  uint32_t symbol;  /* of a symbol: its index, in order of creation */
  bool value;       /* of a symbol: an element of an input, not the size of one */
  int64_t lo, hi;   /* INT64_MIN and INT64_MAX when nothing bounds it */
  const Dim *a, *b; /* operands of the kinds that have some, else NULL */
} DimAtom;

typedef struct DimTerm {
  int64_t coefficient; /* never 0 */
  uint32_t n_atoms;    /* 0 only in the constant term, which comes last */
  const DimAtom *const *atoms;
} DimTerm;

struct Dim {
  uint32_t id, n_terms; /* no term: the constant 0 */
  const DimTerm *terms;
  int64_t lo, hi;
  bool opaque; /* generated code cannot compute it */
  bool value;  /* mentions a symbol that is an element of an input */
};

DimTable *dims_new(Arena *arena);

const Dim *dim_const(DimTable *t, int64_t value);
/* The symbol `name`, made with these bounds unless it is there already. */
const Dim *dim_symbol(DimTable *t, const char *name, int64_t lo, int64_t hi);
/* A new symbol for a size that depends on data, named after `hint`. */
const Dim *dim_fresh(DimTable *t, const char *hint, int64_t lo, int64_t hi);
/* `hint`, with a number behind it where a symbol has that name already. */
const char *dims_unused_name(DimTable *t, const char *hint);
/* A new symbol for a number that an input holds. */
const Dim *dim_value(DimTable *t, const char *hint, int64_t lo, int64_t hi);
/* Some number within these bounds, different from any other. */
const Dim *dim_unknown(DimTable *t, int64_t lo, int64_t hi);
/* a / b as floats divide, for b of at least 1: an integer where b divides a. */
const Dim *dim_quotient(DimTable *t, const Dim *a, const Dim *b);
/* Both parts of an expression that is just such a quotient. */
bool dim_as_quotient(const Dim *d, const Dim **a, const Dim **b);
/* The expression is known to be at most `hi`, for a reason that its terms do not show. */
void dim_limit(const Dim *d, int64_t hi);

const Dim *dim_add(DimTable *t, const Dim *a, const Dim *b);
const Dim *dim_sub(DimTable *t, const Dim *a, const Dim *b);
const Dim *dim_mul(DimTable *t, const Dim *a, const Dim *b);
const Dim *dim_floordiv(DimTable *t, const Dim *a, const Dim *b); /* b of 0 divides to 0 */
const Dim *dim_ceildiv(DimTable *t, const Dim *a, const Dim *b);  /* b at least 1 */
const Dim *dim_mod(DimTable *t, const Dim *a, const Dim *b);
const Dim *dim_min(DimTable *t, const Dim *a, const Dim *b);
const Dim *dim_max(DimTable *t, const Dim *a, const Dim *b);
const Dim *dim_add_i(DimTable *t, const Dim *a, int64_t b);
const Dim *dim_mul_i(DimTable *t, const Dim *a, int64_t b);
/* Product of `n` sizes; 1 for none. */
const Dim *dim_product(DimTable *t, const Dim *const *dims, int n);

/* True when an operation since the last call left the range of int64; clears the flag. The result
 * of such an operation is unspecified but valid. */
bool dims_overflowed(DimTable *t);

bool dim_is_const(const Dim *d, int64_t *value);
static inline bool dim_is(const Dim *d, int64_t value) {
  return d->lo == value && d->hi == value;
}
/* Provable facts; false means "not known". */
bool dim_le(DimTable *t, const Dim *a, const Dim *b);
bool dim_never_equal(DimTable *t, const Dim *a, const Dim *b);
/* a = b * quotient for a quotient that is an expression; NULL when not provable. */
const Dim *dim_divide_exactly(DimTable *t, const Dim *a, const Dim *b);

/* Symbols in order of creation. */
uint32_t dims_symbols(const DimTable *t);
const Dim *dims_symbol(const DimTable *t, uint32_t index);
/* Takes back symbols from index `first` on, and their names: nothing mentions them any more. */
void dims_forget(DimTable *t, uint32_t first);
const DimAtom *dim_as_symbol(const Dim *d); /* NULL unless it is just a symbol */
/* Whether the symbol occurs in `d`. */
bool dim_mentions(const Dim *d, const DimAtom *symbol);

/* The value with each symbol replaced by values[its index]. False on overflow. */
bool dim_eval(const Dim *d, const int64_t *values, int64_t *result);
/* The expression with each symbol replaced by replacements[its index] where that is not NULL. */
const Dim *dim_substitute(DimTable *t, const Dim *d, const Dim *const *replacements, uint32_t n);

/* `2*batch*(seq + 1)` in text; the parser reads what this writes. */
const char *dim_text(Arena *arena, const Dim *d);
/* NULL when malformed; unknown names become symbols with bounds [0, INT64_MAX]. `*end` is past it.
 */
const Dim *dim_parse(DimTable *t, const char *text, const char **end);

#endif
