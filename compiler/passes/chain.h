/* Chains of operators whose rows can be computed apart: rows are the elements of axis 2, which is
 * the height of images. Those of a result need only some of each input, so that a chain can be
 * computed strip by strip. */
#ifndef ONNXC_PASSES_CHAIN_H
#define ONNXC_PASSES_CHAIN_H

#include "ops/builder.h"

enum { ROWS_AXIS = 2 };

typedef struct Rows {
  int64_t begin, end;
} Rows;

/* Nodes that make `exit` of what they read from outside. */
typedef struct Chain {
  Value *exit;
  Vec(Node *) nodes; /* in topological order */
  bool *inside;      /* by value id: made by one of them */
} Chain;

/* Whether the node is a convolution or a pool, whose rows need some more of its input. */
bool chain_slides(const Node *node);
/* Whether rows of the node's output can be computed from rows of its inputs. */
bool chain_takes(const Node *node);
/* The chain that ends with `exit` and begins behind the values that `is_entry` says; false: there
 * is none whose other values nobody else reads. */
bool chain_find(Arena *arena, Value *exit,
                bool (*is_entry)(const void *context, const Value *value), const void *context,
                Chain *chain);
/* What rows of each value inside, by value id, those of the exit need; false: nothing but padding
 * somewhere. */
bool chain_rows(const Chain *chain, Rows of, Rows *rows);
/* Multiply-accumulates that making these rows takes. */
int64_t chain_macs(const Chain *chain, const Rows *rows);
/* Nodes in front of the exit's that make these rows of it, `rows` being what chain_rows says. */
Value *chain_build(Arena *scratch, const Chain *chain, const Rows *rows);

#endif
