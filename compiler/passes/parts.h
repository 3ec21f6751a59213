/* Parts of values: what a slice along one axis holds, found in what the value is made of.
 *
 * Half of Concat(a, b) is a; half of f(x) is f of half of x; a column of x, reshaped so that
 * columns lie behind one another, is a slice of x. A part that is found like that needs no step and
 * no view that strides cannot say. */
#ifndef ONNXC_PASSES_PARTS_H
#define ONNXC_PASSES_PARTS_H

#include "ops/compose.h"

/* Elements start, start + step, ... of an axis, `size` of them; `step` is above 0. */
typedef struct Part {
  int axis;
  int64_t start, step, size;
} Part;

enum { MAX_OPERANDS = 4 };

/* A part of a node's output, told by parts of its inputs. */
typedef struct Route {
  enum {
    ROUTE_NONE,
    ROUTE_VIEW, /* it is the part of one input, of another shape or repeated */
    ROUTE_NODE  /* the same operator makes it of the parts of all inputs */
  } kind;
  bool gains;               /* it is a whole input, or one that needs no movement any more */
  uint32_t input;           /* ROUTE_VIEW */
  bool whole[MAX_OPERANDS]; /* inputs that are taken as they are */
  Part parts[MAX_OPERANDS]; /* of the others */
} Route;

/* Whether the node is an elementwise operator whose parts can be computed apart. */
bool part_computes(const Node *node);
/* The route of a part of such a node's output; false: an operand has no part that meets it. */
bool part_operands(const Node *node, const Part *part, Route *route);

/* Takes parts of values with nodes of its own. */
typedef struct Taker {
  Builder *b;
  bool computes; /* elementwise operators with one reader are computed part by part */
  int looks;     /* left: a part that is hard to find is a slice */
} Taker;

Taker part_taker(Builder *b, bool computes);
/* Whether the part is had for nothing: it is there, or constant, or moved or computed by what makes
 * it only. */
bool part_is_free(Taker *t, const Value *value, const Part *part);
/* The part: found, or a slice. */
Value *part_take(Taker *t, Value *value, const Part *part);
/* A node like `node`, of the parts of its inputs. */
Value *part_build(Taker *t, const Node *node, const Route *route);

#endif
