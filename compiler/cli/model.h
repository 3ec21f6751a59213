/* The options that every command on a model shares. */
#ifndef ONNXC_CLI_MODEL_H
#define ONNXC_CLI_MODEL_H

#include "cli/cli.h"
#include "onnxc.h"

/* First member of the options of a command that lists `cli_model_options` in its groups. */
typedef struct ModelOptions {
  const char *name, *target, *dump, *stop_after;
  CliList dims, states, passes;
  int level, weights; /* CLI_CHOICE: the values of onnxc_options */
  bool single_file, strict_fp, verify_passes, poison, time_report;
  size_t max_rewrites, plan_budget;
} ModelOptions;

#define MODEL_DEFAULTS                                                                             \
  { .max_rewrites = SIZE_MAX, .plan_budget = SIZE_MAX }

extern const CliOption cli_model_options[];

/* The library's options. False: reported as wrong usage. */
bool model_options(Cli *cli, const ModelOptions *given, onnxc_options *options);
/* Prints all diagnostics; the exit code. */
int model_report(Cli *cli, const onnxc_result *result);

#endif
