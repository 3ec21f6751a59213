/* Inside emission: the state, and the parts that write C. */
#ifndef ONNXC_EMIT_EMITTER_H
#define ONNXC_EMIT_EMITTER_H

#include "emit/emit.h"

typedef Vec(const Buffer *) Deaths;

typedef struct Emitter {
  const Steps *steps;
  const Plan *plan;
  const EmitInterface *interface;
  Context *ctx;
  Arena *arena;              /* texts; dropped after emission */
  Out *out;                  /* the source file */
  bool draws;                /* random numbers: the frame knows the turn of the loops around */
  bool profile;              /* each step is called between marks for the harness */
  bool weights_from_caller;  /* struct N_inputs has a member for the contents of the file */
  const char **sizes;        /* by symbol: member of the frame */
  bool *known;               /* by symbol: found by what was emitted so far, */
  bool *used;                /* by symbol: mentioned by what was emitted so far */
  const Graph *scope;        /* whose steps are being emitted */
  bool *checked;             /* by check of the context: emitted */
  const char **inputs;       /* by graph input: member of struct N_inputs */
  const char **outputs;      /* by graph output */
  PlanLives *lives;          /* with --poison; else NULL, */
  Deaths *deaths;            /* by step id: buffers that it uses last */
  const char **weight_names; /* by weight: the expression that points to its first element */
} Emitter;

/* A size as a C expression of type ptrdiff_t in terms of the frame `f`; parenthesised unless it is
 * a primary. */
const char *emit_dim(Emitter *e, const Dim *dim);
/* The text without parentheses around all of it. */
const char *emit_bare(Emitter *e, const char *text);
/* `base + i*stride ...` without terms that are zero; NULL when nothing is left. */
const char *emit_index(Emitter *e, const char *const *indices, const Dim *const *strides, int n);
/* The typed pointer to an operand's first element. */
const char *emit_pointer(Emitter *e, const Operand *operand, bool written);
/* `const float *` or `float *`. */
const char *emit_pointer_type(Emitter *e, DType dtype, bool written);
/* Gives a size of the frame its value; */
void emit_size(Emitter *e, const Dim *symbol, const char *value);
/* and checks that it is within its bounds. */
void emit_found_size(Emitter *e, const Dim *symbol, const char *value);
/* Checks on which the steps at hand rely whose sizes are all known by now and that were not emitted
 * yet. */
void emit_ready_checks(Emitter *e, const char *code);
/* The comment in front of a step. */
void emit_comment(Emitter *e, const Step *step);

/* A string as an expression, in `arena`: a literal, or the name of an array that this declares
 * where it is too long for one. */
const char *emit_string(Emitter *e, Arena *arena, const char *name, onnxc_rt_string string);
/* `static const onnxc_rt_string NAME[]` of these strings; one element where there are none. */
void emit_strings(Emitter *e, const char *name, const onnxc_rt_string *strings, size_t n);

/* Bodies of step functions. */
void emit_row_step(Emitter *e, const Step *step);
void emit_epilogue(Emitter *e, const Step *step);
void emit_kernel_step(Emitter *e, const Step *step);
void emit_call_step(Emitter *e, const Step *step);
void emit_if_step(Emitter *e, const Step *step);
void emit_loop_step(Emitter *e, const Step *step);
/* The call of a step while `status` is good; those of all steps of a list. */
void emit_call_of(Emitter *e, const Step *step);
void emit_calls(Emitter *e, const Steps *steps);

/* What --poison asks for: the function poison, and calls of it where buffers die with a step. */
void emit_poison_begin(Emitter *e);
void emit_deaths(Emitter *e, const Step *step);

/* The state: in the header; its beginning, as a struct; what checks the caller's pointer; what a
 * run begins with; and what it ends with, beside N_reset. */
void emit_state_macros(Emitter *e, Out *header);
void emit_state_struct(Emitter *e);
void emit_state_checks(Emitter *e, const char *pointer);
void emit_state_sizes(Emitter *e);
void emit_state_functions(Emitter *e);
/* Calls of all steps, which may change the state in place. */
void emit_state_calls(Emitter *e);

void emit_check(Emitter *e, const char *condition, const char *code);
/* The weights, and what the header says about where they lie. */
void emit_weights(Emitter *e, const EmitFiles *files);
void emit_weights_header(Emitter *e, const EmitFiles *files);

#endif
