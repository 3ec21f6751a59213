/* The compiler as a library.
 *
 * onnxc_compile runs the stages import, passes, lower, plan and emit on one model. It allocates
 * everything in one place that onnxc_free releases; it writes files only when all of it succeeded.
 */
#ifndef ONNXC_H
#define ONNXC_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A size the user pins (lo == hi) or bounds: --dim NAME=LO..HI. `name` is the model's symbol,
 * `INPUT.AXIS` for one axis of an input, or the name that a diagnostic gives to a size that depends
 * on data, or to a number of an input that sizes depend on; only such a number may be negative. */
typedef struct onnxc_dim {
  const char *name;
  int64_t lo, hi;
} onnxc_dim;

/* An input and the output that is its value in the next run: --state PAST=PRESENT. The two become
 * part of a block that the caller keeps and are no longer inputs and outputs of the generated
 * function. A '*' in both names stands for the same text, any. */
typedef struct onnxc_state {
  const char *past, *present;
} onnxc_state;

typedef enum onnxc_weights {
  ONNXC_WEIGHTS_AUTO, /* inline up to 16 MB, then file */
  ONNXC_WEIGHTS_INLINE,
  ONNXC_WEIGHTS_INCBIN,
  ONNXC_WEIGHTS_FILE
} onnxc_weights;

/* Of `level`: -Os, which is -O2 with memory before speed. */
enum { ONNXC_LEVEL_SMALL = 5 };

/* Zero is the default of every member. Strings and arrays are borrowed until onnxc_free. */
typedef struct onnxc_options {
  const char *name;      /* of the generated files and functions; NULL: from the model's file */
  const onnxc_dim *dims; /* pinned and bounded sizes */
  size_t n_dims;
  const onnxc_state *states;
  size_t n_states;
  const char *const *pass_flags; /* -f flags in order: "NAME" or "no-NAME" of a pass or rule */
  size_t n_pass_flags;
  int level;          /* 0: the default, 2; else 1 + the -O level, or ONNXC_LEVEL_SMALL */
  const char *target; /* NULL: portable */
  onnxc_weights weights;
  int single_file;
  int strict_fp;
  int verify_passes;
  int profile;         /* the code calls onnxc_harness_enter and _leave around each step */
  int poison;          /* the generated code overwrites memory of the arena that is out of use */
  int time_report;     /* on stderr, by onnxc_write, or by onnxc_compile when it ends early */
  size_t max_rewrites; /* 0: no limit; N: only the first N - 1 */
  size_t plan_budget;  /* 0: the default; N: the search for the best order of steps tries N - 1 */
  const char *dump;    /* "before:NAME", "after:NAME", NAME a stage or pass; text to stdout */
  const char *stop_after; /* stage */
  const char *command;    /* shown in the header of the output; NULL: left out */
} onnxc_options;

typedef struct onnxc_result onnxc_result;

/* Never NULL unless memory is short. Ask onnxc_exit_code first. */
onnxc_result *onnxc_compile(const char *model, const onnxc_options *options);
/* 0, or what was wrong: 2 invalid input, 3 unsupported, 4 limit reached, 5 I/O, 70 internal. */
int onnxc_exit_code(const onnxc_result *result);
/* Line `i` of the diagnostics, NULL past the last. */
const char *onnxc_diagnostic(const onnxc_result *result, size_t i);
/* Writes DIR/NAME.h, NAME.c (and NAME.weights.bin): all or nothing. 0 or an exit code. */
int onnxc_write(onnxc_result *result, const char *directory);
void onnxc_free(onnxc_result *result);

const char *onnxc_version(void);

#ifdef __cplusplus
}
#endif

#endif
