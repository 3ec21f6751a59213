/* Emission: steps and plan become N.h, N.c and N.weights.bin. */
#ifndef ONNXC_EMIT_EMIT_H
#define ONNXC_EMIT_EMIT_H

#include "base/text.h"
#include "plan/plan.h"

/* A member of struct N_inputs or struct N_outputs. */
typedef struct EmitMember {
  const char *name;   /* a C identifier, unique within its struct */
  const Value *value; /* the tensor; NULL: a size */
  const Dim *size;    /* the symbol, when it is a size */
} EmitMember;

/* What a caller of the generated code needs to know; made before emission, for harnesses too. */
typedef struct EmitInterface {
  const char *name;        /* N: prefix of functions, types and files */
  const char *upper;       /* prefix of macros */
  Vec(EmitMember) inputs;  /* the sizes, then the tensors */
  Vec(EmitMember) outputs; /* the tensors, then sizes found at run time */
  bool makes_text;         /* struct N_outputs has `text` and `text_bytes` as well */
  bool keeps_state;        /* struct N_inputs has `state` as well, and there is N_reset */
} EmitInterface;

/* `name` is made an identifier. `inputs` leads with every symbol that the sizes of inputs mention
 * and the state does not know. */
const EmitInterface *emit_interface(const Steps *steps, const char *name);

typedef struct EmitFiles {
  Out *header, *source;
  Out *weights; /* NULL: weights go into the source */
  bool incbin;  /* the source includes the weights file; else the caller passes its contents */
  bool profile; /* the source calls onnxc_harness_enter and _leave around each step */
} EmitFiles;

/* Writes all files; the plan has been checked. */
void emit_files(const Steps *steps, const Plan *plan, const EmitInterface *interface,
                const EmitFiles *files);

#endif
