/* The pieces of a string, one after the other. */
#ifndef ONNXC_RT_REFERENCE_PIECES_H
#define ONNXC_RT_REFERENCE_PIECES_H

#include "onnxc_rt.h"

/* With an empty delimiter, white space (of Unicode) separates and is dropped at both ends. After
 * `splits` splits the rest is one piece; negative: no limit. An empty string has no pieces. */
typedef struct onnxc_rt_split {
  onnxc_rt_string rest, delimiter;
  int64_t splits;
  int ended;
} onnxc_rt_split;

onnxc_rt_split onnxc_rt_split_begin(onnxc_rt_string string, onnxc_rt_string delimiter,
                                    int64_t splits);
/* The next piece; 0 when there is none. */
int onnxc_rt_split_next(onnxc_rt_split *split, onnxc_rt_string *piece);
/* The number of pieces that are still to come. */
int64_t onnxc_rt_split_count(onnxc_rt_split split);

#endif
