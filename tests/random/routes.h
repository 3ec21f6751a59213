/* A graph in text form, computed on many routes that must agree: interpreted at -O0 and -O3, with
 * --verify-passes, without each pass and rule that did something; and as generated C. */
#ifndef ONNXC_TESTS_RANDOM_ROUTES_H
#define ONNXC_TESTS_RANDOM_ROUTES_H

#include "ir/sample.h"
#include "stages.h"

typedef struct RouteOptions {
  const char *folder; /* for generated C */
  const char *cc;     /* command and flags; NULL: no generated C */
  bool switches;      /* also without each pass and rule */
  bool poison;        /* generated C overwrites what is out of use */
  bool plant;         /* and its plan has a fault, which must show */
} RouteOptions;

/* A graph on its way. */
typedef struct Job {
  const char *text;
  uint64_t seed; /* of the sizes and inputs */
  FILE *report;
  bool failed;              /* reported */
  const char *route;        /* on which it failed */
  Compilation *plain;       /* at -O0; holds the sample */
  const Sample *sample;     /* NULL: the graph cannot be run */
  Compilation *compiled[3]; /* for generated C, */
  const char *routes[3];    /* and what these are called */
  size_t n_compiled;
  const char *planted;          /* what was done to the plan; NULL: nothing */
  bool caught;                  /* and it shows */
  size_t switched, built, hits; /* routes of that kind, rewrites */
} Job;

/* Compiles the headers of the runtime once; folders for generated C are below `folder`. */
bool routes_prepare(const char *folder, const char *cc);
/* Compiles and interprets; writes C for run_built. */
void job_begin(const RouteOptions *options, Job *job, size_t number);
/* Builds and runs the C of all jobs at once. */
void jobs_run_built(const RouteOptions *options, Job *jobs, size_t n);
void job_end(Job *job);

#endif
