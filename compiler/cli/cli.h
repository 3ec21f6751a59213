/* The command line: commands and their options are tables; parsing and help are made from them.
 *
 * An option stores into a member of the command's own struct. Members start as in the command's
 * `defaults`, so zero or the default means "not given". */
#ifndef ONNXC_CLI_CLI_H
#define ONNXC_CLI_CLI_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdio.h>

/* What a command works with. */
typedef struct Cli {
  Arena *arena;
  FILE *out, *err;
  bool colour;         /* on `err` */
  const char *program; /* argv[0] */
  Vec(const char *) operands;
} Cli;

typedef enum CliKind {
  CLI_END,
  CLI_FLAG,   /* bool */
  CLI_TEXT,   /* const char * */
  CLI_SIZE,   /* size_t, decimal */
  CLI_REAL,   /* double, finite, not negative */
  CLI_CHOICE, /* int: 1 + the place of the value in `choices` */
  CLI_LIST    /* CliList: every occurrence in order */
} CliKind;

typedef Vec(const char *) CliList;

typedef struct CliOption {
  const char *name; /* without dashes; NULL: it has only the letter */
  char letter;      /* 0: it has only the name */
  bool attached;    /* the value is part of the letter's word: -O2, -fPASS */
  bool unrecorded;  /* says where or how, not what: left out of cli_command_line */
  CliKind kind;
  size_t offset;              /* of the member that takes the value */
  const char *value;          /* placeholder in the help; NULL for a flag */
  const char *const *choices; /* ends with NULL */
  const char *help;
} CliOption;

enum { CLI_GROUPS = 4, CLI_ANY = 1 << 20 };

typedef struct Command {
  const char *name;
  const char *operands; /* placeholder: `MODEL`, `DIR...` */
  const char *summary;  /* one line */
  const char *about;    /* a paragraph or more; may be empty */
  const char *examples; /* lines */
  /* Tables that end with CLI_END. A shared table belongs to a struct that is the first member of
   * the command's own. */
  const CliOption *groups[CLI_GROUPS];
  size_t least, most;                        /* operands */
  size_t size;                               /* of the struct */
  const void *defaults;                      /* NULL: all zero */
  int (*run)(Cli *cli, const void *options); /* the exit code */
} Command;

/* The commands, in the order of the help. */
extern const Command *const cli_commands[];

/* Runs argv; the exit code. */
int cli_main(Cli *cli, int argc, char **argv);

/* Fills `options` (command->size bytes) and cli->operands from the words after the command. False:
 * reported, exit code DIAG_USAGE. */
bool cli_parse(Cli *cli, const Command *command, int argc, char **argv, void *options);
void cli_help(Cli *cli, const Command *command); /* NULL: of the program */
/* The command again in one canonical line: recorded options in table order, the first operand
 * without its folder. */
const char *cli_command_line(Cli *cli, const Command *command, const void *options);

/* `onnxc: error: ...` on cli->err; returns `code`. */
int cli_error(Cli *cli, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void cli_note(Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line of diagnostics, `FILE: ...error: ...`, coloured on a terminal. */
void cli_diagnostic(Cli *cli, const char *line);

#endif
