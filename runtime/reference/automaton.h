/* A nondeterministic automaton that reads code points, as the compiler writes it. A state is four
 * integers: its kind, the next state, two more. Several patterns may be in one automaton, each with
 * a state where it begins. */
#ifndef ONNXC_RT_REFERENCE_AUTOMATON_H
#define ONNXC_RT_REFERENCE_AUTOMATON_H

#include "onnxc_rt.h"

enum { ONNXC_RT_STATE_INTS = 4, ONNXC_RT_STATE_BYTES = 48 /* of scratch for each state */ };

typedef enum onnxc_rt_state_kind {
  ONNXC_RT_STATE_END,     /* the pattern has matched */
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

/* A state that is reached, and where in the text the match begins that led to it. */
typedef struct onnxc_rt_thread {
  int64_t state, begin;
} onnxc_rt_thread;

/* Threads wait in `now`, in the order of where they began. Each position of the text has a number;
 * a state that is reached there is marked with it, so that only the first thread gets on. */
typedef struct onnxc_rt_automaton {
  const int64_t *states, *ranges;
  int64_t n_states, position;
  onnxc_rt_thread *now, *next;
  int64_t *pending, *marks;
  int64_t n_now, n_next;
} onnxc_rt_automaton;

typedef struct onnxc_rt_match {
  ptrdiff_t begin, end;
} onnxc_rt_match;

onnxc_rt_automaton onnxc_rt_automaton_of(const onnxc_rt_attr *states, const onnxc_rt_attr *ranges,
                                         void *scratch);
/* Looks in the text from byte `from` on for the pattern that begins with state `first`: of the
 * matches that begin earliest, or at `from` when it is anchored, the longest one. What is in front
 * of `from` is context. A match ends before bytes that are no UTF-8; nothing behind them is found.
 * The time is that of the length times the number of states. */
int onnxc_rt_automaton_search(onnxc_rt_automaton *m, int64_t first, onnxc_rt_string text,
                              ptrdiff_t from, int anchored, onnxc_rt_match *match);

#endif
