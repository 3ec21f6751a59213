/* Child processes: a program with its output captured, and jobs of our own run side by side. */
#ifndef ONNXC_CLI_PROCESS_H
#define ONNXC_CLI_PROCESS_H

#include "cli/cli.h"

typedef struct Finished {
  int exit_code;      /* when `signal` is 0 */
  int signal;         /* that ended it; 0: none */
  bool timed_out;     /* ended by us */
  const char *output; /* stdout and stderr together; past the first 64 KB dropped */
} Finished;

/* Runs argv (ends with NULL) found along PATH. False with errno: it could not be started. */
bool process_run(Arena *arena, const char *const *argv, Finished *result);

/* A function to run in a child process. It works in `folder`, an empty folder of its own that
 * vanishes afterwards; what it prints belongs to it; its result is the exit code. */
typedef struct Job {
  int (*run)(Cli *cli, const void *argument, const char *folder);
  const void *argument;
} Job;

typedef struct Supervision {
  size_t parallel;  /* children at once, at least 1 */
  size_t seconds;   /* per job; 0: no limit */
  bool capture;     /* output goes to `finished`; else it is the parent's */
  const char *keep; /* keep the folders below this one; NULL: remove them */
  /* Called in the order of the jobs as soon as they are through. */
  void (*finished)(Cli *cli, void *context, size_t job, const Finished *result);
  void *context;
} Supervision;

/* Runs all jobs. SIGINT and SIGTERM end them and then, after cleaning up, the program. False:
 * reported. */
bool supervise(Cli *cli, const Job *jobs, size_t n, const Supervision *how);

/* Runs one job whose output is the program's; its exit code, DIAG_INTERNAL after a signal. */
int run_alone(Cli *cli, const Job *job, const char *keep);

#endif
