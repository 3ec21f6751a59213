/* --single-file: the pieces of the runtime that a model calls, folded into its own files. */
#ifndef ONNXC_EMIT_SINGLE_H
#define ONNXC_EMIT_SINGLE_H

#include "base/text.h"

/* The runtime's sources, compiled in; a row without path ends the list. */
typedef struct RuntimeFile {
  const char *path; /* within runtime/ */
  const char *text;
} RuntimeFile;
extern const RuntimeFile runtime_files[];

/* Rewrites an emitted header and source, so that they need no other file. External names of the
 * runtime get `prefix`, so that two such models link into one program. */
void single_header(Out *w, const char *header);
void single_source(Arena *arena, Out *w, const char *source, const char *prefix);

#endif
