/* Attention heads: what the attention operators of ONNX and of ONNX Runtime are made of. */
#ifndef ONNXC_OPS_HEADS_H
#define ONNXC_OPS_HEADS_H

#include "ops/builder.h"

/* [batch, length, heads * size] -> [batch, heads, length, size]; of rank 4 already: x itself. */
Value *heads_apart(Builder *b, Value *x, int64_t heads, const Dim *size);
/* [batch, heads, length, size] -> [batch, length, heads * size] */
Value *heads_together(Builder *b, Value *x);

/* x @ y for each head of x. Those of y may be fewer, each shared by several of x in a row. */
Value *heads_product(Builder *b, Value *x, Value *y);
/* q @ k^T * scale */
Value *heads_scores(Builder *b, Value *q, Value *k, double scale);
/* cap * tanh(scores / cap); with a cap of 0 the scores themselves. */
Value *heads_capped(Builder *b, Value *scores, double cap);

/* 0, 1, ... below `size`, of type i64: in a row, and in a column. */
Value *heads_places(Builder *b, const Dim *size);
Value *heads_column(Builder *b, const Dim *size);
/* What is added to scores: 0 where `allowed`, elsewhere minus infinity. */
Value *heads_bias(Builder *b, Value *allowed, const Value *like);
/* Zeros behind the last axis make it as long as the buffer of keys is; 1 stays, to broadcast. */
Value *heads_padded(Builder *b, Value *x, const Dim *keys);
/* x and y, the first of which may be NULL: all. */
Value *heads_both(Builder *b, Value *x, Value *y);

/* The core form of attention: all that its step can do. Heads are apart, those of k and v may be
 * fewer, and a query that sees no key gives 0, or what the attribute empty_rows says
 * (ONNXC_RT_EMPTY_ZERO, ... of onnxc_rt_kernels.h). */
typedef struct Heads {
  Value *q, *k, *v;  /* [batch, heads, length, size], of one type */
  Value *mask;       /* bool, or added to the scores; broadcasts to [batch, heads, queries, keys] */
  Value *lengths;    /* the keys that there are of each sample, i64[batch]; NULL: all */
  Value *place;      /* that of the first query among the keys, i64 or i64[batch]; NULL: 0, or */
                     /* that with which the last query and the last key meet, where there are */
                     /* lengths */
  const Attr *scale; /* NULL: 1 / sqrt(size) */
  float softcap;     /* 0: none */
  int64_t left, right; /* keys before and behind its own place that a query sees; -1: all */
} Heads;

/* The node that has this form: [batch, heads, queries, size of v]. */
Value *heads_attend(Builder *b, const Heads *heads);
/* Which keys a query may see by their places; NULL: all. */
Value *heads_visible(Builder *b, const Heads *heads);

#endif
