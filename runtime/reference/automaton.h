/* A nondeterministic automaton that reads code points, as the compiler writes it and
 * onnxc_rt_ref_full_match runs it. A state is four integers: its kind, the next state, two more. */
#ifndef ONNXC_RT_REFERENCE_AUTOMATON_H
#define ONNXC_RT_REFERENCE_AUTOMATON_H

enum { ONNXC_RT_STATE_INTS = 4 };

typedef enum onnxc_rt_state_kind {
  ONNXC_RT_STATE_END,     /* the text has matched if it ends here */
  ONNXC_RT_STATE_RANGE,   /* reads a code point in [x, y] */
  ONNXC_RT_STATE_CLASS,   /* reads one in the y ranges from x on */
  ONNXC_RT_STATE_BRANCH,  /* goes on at state x as well; reads nothing, and nor do the following */
  ONNXC_RT_STATE_BEGIN,   /* where the text begins */
  ONNXC_RT_STATE_FINISH,  /* where it ends */
  ONNXC_RT_STATE_LINE,    /* where a line begins */
  ONNXC_RT_STATE_NEWLINE, /* where a line ends */
  ONNXC_RT_STATE_WORD,    /* where an ASCII word begins or ends */
  ONNXC_RT_STATE_NO_WORD  /* where none does */
} onnxc_rt_state_kind;

#endif
