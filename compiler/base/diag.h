/* Diagnostics: every user error is one line, `FILE: GRAPH/node 'NAME' (OP): what, and what to do`.
 *
 * They are collected, not printed, so that a library caller gets them too; the CLI prints them.
 * diag_error returns false, which everywhere means "already reported". */
#ifndef ONNXC_BASE_DIAG_H
#define ONNXC_BASE_DIAG_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdio.h>

/* The values are the documented exit codes. */
typedef enum DiagKind {
  DIAG_INVALID = 2,
  DIAG_UNSUPPORTED = 3,
  DIAG_LIMIT = 4,
  DIAG_IO = 5,
  DIAG_USAGE = 64,
  DIAG_INTERNAL = 70
} DiagKind;

/* Where in the model; any part may be NULL. Text from the model is escaped when printed. */
typedef struct DiagSite {
  const char *graph, *node, *op;
} DiagSite;

typedef struct Diag Diag;

/* `file` names the model in every line. Storage in `arena`. */
Diag *diag_new(Arena *arena, const char *file);
bool diag_error(Diag *diag, DiagKind kind, DiagSite site, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool diag_verror(Diag *diag, DiagKind kind, DiagSite site, const char *format, va_list args);
/* A note that belongs to no failure, printed as `warning:`. */
void diag_warning(Diag *diag, DiagSite site, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

size_t diag_errors(const Diag *diag);
/* The exit code: 0 without errors, else that of the gravest (internal, I/O, limit, invalid,
 * unsupported, in this order). */
int diag_exit_code(const Diag *diag);
/* All lines, in order. */
void diag_print(const Diag *diag, FILE *file);
/* Line `i`, NULL past the end; after the first 200 one that counts the rest. */
const char *diag_text(const Diag *diag, size_t i);

#endif
