/* Where the time of a model goes: its steps with what the harness measured. */
#ifndef ONNXC_CLI_PROFILE_H
#define ONNXC_CLI_PROFILE_H

#include "cli/program.h"

/* After a run of a model that was compiled with options.profile. The time of a step includes that
 * of the steps in it. It is the least of all runs, and on one thread time of the processor: other
 * programs can only add to it. */
/* A table, the longest first. */
void profile_text(const Program *program, const Runs *runs, Out *w);
/* An array in the order of the program. */
void profile_json(const Program *program, const Runs *runs, Out *w);

#endif
