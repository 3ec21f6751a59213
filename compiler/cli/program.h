/* A model as a running program: the compiled C with the harness around it, built by the system's C
 * compiler. What `test`, `run` and `bench` share.
 *
 * Functions that return text return NULL when all went well, else what is wrong. */
#ifndef ONNXC_CLI_PROGRAM_H
#define ONNXC_CLI_PROGRAM_H

#include "cli/model.h"
#include "import/import.h"
#include "stages.h"

/* First member of the options of a command that lists `cli_build_options` in its groups. */
typedef struct BuildOptions {
  ModelOptions model;
  const char *cc, *cflags, *keep;
} BuildOptions;

extern const CliOption cli_build_options[];

typedef struct Program {
  Compilation *compilation;
  const char *folder, *path; /* where it was built; the executable */
} Program;

/* Writes the compiled model to `folder` and builds it. `default_cflags` stand when the user gave
 * none. */
const char *program_build(Cli *cli, const BuildOptions *options, const char *default_cflags,
                          Compilation *c, const char *folder, Program *program);

typedef struct Runs {
  size_t runs, warm_up, threads; /* threads 0 is 1 */
  double *seconds;               /* of each run, set by program_run */
  double *profile;               /* [run][step] with options.profile: seconds, nested ones too */
} Runs;

/* Runs on tensors for the graph's inputs; the results in the order of the graph's outputs. */
const char *program_run(const Program *program, const Tensor *const *inputs, const Tensor **outputs,
                        Runs *runs);
/* Steps that a run is profiled by; 0 without options.profile. */
size_t program_profiled(const Compilation *c);
/* Bytes of machine code in the executable; 0 when its format is not known. */
size_t program_text_bytes(const Program *program);

/* ---- sizes -------------------------------------------------------------------------------------
 */

/* What sets of input data say about the symbolic sizes of the inputs of an imported graph: appended
 * to `dims` where the user has not said it. */
typedef Vec(onnxc_dim) DimList;
const char *sizes_from_data(const Graph *graph, const Datum *const *sets, size_t n_sets,
                            DimList *dims);
/* What they say about the tensors that loops put into sequences: how many turns there are may be
 * data. The inputs of the imported graph become constants, and it is inferred. */
void capacities_from_data(Graph *graph, const Datum *inputs, DimList *dims);
/* Compiles a model that is to run on these sets of inputs. Where a size that depends on data has no
 * bound it gets that of the data: the largest that occurs when the interpreter runs on the inputs.
 * NULL: memory is short. The options' dims grow, in `arena`. */
Compilation *compile_sized(const char *model, Arena *arena, onnxc_options *options,
                           const Datum *const *sets, size_t n_sets);

/* The value of each symbol of the context: the actual size for those of the inputs, the bound for
 * others. */
int64_t *sizes_of_inputs(const Graph *graph, const Tensor *const *inputs);

#endif
