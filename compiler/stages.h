/* The route of a model as a table of stages, and a compilation that walks it.
 *
 * This is what onnxc.h wraps for callers outside; the CLI and the views in inspect/ look inside. */
#ifndef ONNXC_STAGES_H
#define ONNXC_STAGES_H

#include "base/files.h"
#include "emit/emit.h"
#include "lower/step.h"
#include "onnxc.h"
#include "passes/pass.h"
#include "plan/plan.h"

typedef struct onnxc_result Compilation;

typedef struct Stage {
  const char *name;
  bool (*run)(Compilation *c);           /* false: reported */
  void (*print)(Compilation *c, Out *w); /* the state after it, for --dump */
} Stage;

extern const Stage stages[];
extern const size_t n_stages;

typedef struct StageCost {
  const char *stage; /* or a pass, which is a part of one */
  bool part;
  size_t rewrites; /* of a pass */
  uint64_t work;   /* see Context */
  double seconds;
  size_t arena_bytes; /* that the compilation's arena grew by */
  size_t peak_bytes;  /* of the process so far */
} StageCost;

struct onnxc_result {
  Escape escape;
  Arena *arena;
  onnxc_options options;
  const char *model; /* the file */
  const char *name;  /* of what is generated */
  Context ctx;
  size_t next; /* stage */
  Vec(StageCost) costs;
  bool failed;
  int escaped;      /* exit code of an escape; 0: none */
  char reason[256]; /* of the escape, as a line of diagnostics */

  Graph *graph;            /* from import on; passes change it */
  uint32_t imported_nodes; /* ONNX nodes of all graphs */
  PassReport passes;
  Steps *steps;                   /* from lower on */
  Plan *plan;                     /* from plan on */
  const EmitInterface *interface; /* from emit on */
  Files *files;                   /* being written */
  StageCost pass;                 /* what was known when the running pass began */
};

/* Never NULL unless memory is short. */
Compilation *compilation_new(const char *model, const onnxc_options *options);
/* Runs the stages that are still to come, up to and including `until` (NULL: all). False:
 * reported, as it is when an earlier call failed. */
bool compilation_run(Compilation *c, const char *until);
/* Runs `body` so that an escape from it ends as a diagnostic and false. */
bool compilation_guard(Compilation *c, bool (*body)(Compilation *c, void *argument),
                       void *argument);
/* The same for a compilation that has failed, to look at what there is of it. */
bool compilation_examine(Compilation *c, bool (*body)(Compilation *c, void *argument),
                         void *argument);
/* Begins a set of output files, c->files, that will not replace what the compilation has read. A
 * guard that fails abandons it. */
void compilation_open_files(Compilation *c);
/* Whether the weights go into a file of their own. */
bool compilation_weights_apart(const Compilation *c);
/* Tables of times and memory, and of the rewrites of each rule. */
void compilation_print_costs(const Compilation *c, FILE *file);

#endif
