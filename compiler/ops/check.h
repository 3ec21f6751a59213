/* Checks that operators with many inputs share. Each reports at the node and returns false when it
 * fails; names in messages are those of the ONNX specification. */
#ifndef ONNXC_OPS_CHECK_H
#define ONNXC_OPS_CHECK_H

#include "ops/op.h"

/* Sets of element types. */
#define DT(type) (1U << ONNXC_RT_##type)
#define DTS_FLOAT (DT(F32) | DT(F64) | DT(F16) | DT(BF16))
#define DTS_FLOAT8 (DT(F8E4M3FN) | DT(F8E4M3FNUZ) | DT(F8E5M2) | DT(F8E5M2FNUZ))
#define DTS_BYTE (DT(U8) | DT(I8))
#define DTS_SIGNED (DT(I8) | DT(I16) | DT(I32) | DT(I64))
#define DTS_UNSIGNED (DT(U8) | DT(U16) | DT(U32) | DT(U64))
#define DTS_REAL (DTS_FLOAT | DTS_SIGNED | DTS_UNSIGNED)
#define DTS_INDEX (DT(I32) | DT(I64))

/* What an operator asks of one input. */
typedef struct InputRule {
  const char *name;
  int min_rank, max_rank;
  bool optional;
  uint32_t dtypes; /* a set of the above, and */
  uint32_t same;   /* 1 + the input whose type it must have, or 0; where no schema says it */
} InputRule;

/* Rows for operators that have a schema, whose types are checked before inference. */
#define INPUT(name_, min_, max_)                                                                   \
  { .name = name_, .min_rank = min_, .max_rank = max_ }
#define INPUT_OPTIONAL(name_, min_, max_)                                                          \
  { .name = name_, .min_rank = min_, .max_rank = max_, .optional = true }
/* The same for others. */
#define INPUT_OF(dtypes_, same_, name_, min_, max_)                                                \
  { .name = name_, .min_rank = min_, .max_rank = max_, .dtypes = dtypes_, .same = same_ }
#define INPUT_OPTIONAL_OF(dtypes_, same_, name_, min_, max_)                                       \
  {                                                                                                \
    .name = name_, .min_rank = min_, .max_rank = max_, .optional = true, .dtypes = dtypes_,        \
    .same = same_                                                                                  \
  }

bool check_inputs(const Node *node, const InputRule *rules, uint32_t n);
#define CHECK_INPUTS(node, rules) check_inputs((node), (rules), sizeof(rules) / sizeof *(rules))

/* The type of an input that check_inputs has passed; NULL when it is absent. */
const Type *input_type(const Node *node, uint32_t i);

/* Axis `axis` of input `i` is `size`, which stands for `meaning`. What is not provable is taken to
 * be so, here and below, and checked by the generated function. */
bool check_size(const Node *node, uint32_t i, int axis, const Dim *size, const char *meaning);
/* The same for all sizes of the input, its rank included. */
bool check_sizes(const Node *node, uint32_t i, int rank, const Dim *const *sizes,
                 const char *meaning);
/* Input `i`, when it is there, broadcasts to these sizes without changing them. */
bool check_broadcasts_to(const Node *node, uint32_t i, int rank, const Dim *const *sizes);

/* Input `i` holds real numbers, where ONNX would also allow others. */
bool check_real(const Node *node, uint32_t i);
/* Input `i`, when it is there, is a scalar or a vector of one element. */
bool check_number(const Node *node, uint32_t i);
bool is_number(const Type *type);
/* Constant scales of quantised data, where they are there, are finite, and not 0. */
bool check_scale(const Node *node, uint32_t i);

/* Elements of integer input `i` that are known are indexes into an axis of this size. */
bool check_indices(const Node *node, uint32_t i, const Dim *size);

/* The attribute is one of `choices`, separated by spaces. */
bool check_choice(const Node *node, const char *attr, const char *choices);
/* An attribute that lists `n` integers, each at least `least`, into `values`; all of them `absent`
 * when it is left out. */
bool check_ints(const Node *node, const char *attr, int n, int64_t least, int64_t absent,
                int64_t *values);
/* An attribute in [least, most]. */
bool check_int(const Node *node, const char *attr, int64_t least, int64_t most);

#endif
