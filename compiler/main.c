/* The onnxc program. */
#include "cli/cli.h"

#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  Escape escape = {0};
  Arena *arena = arena_new(&escape);
  if (arena == NULL) {
    fputs("onnxc: error: out of memory\n", stderr);
    return DIAG_LIMIT;
  }
  int code = setjmp(escape.target);
  if (code != 0) {
    fprintf(stderr, "onnxc: error: %s\n", escape.reason);
  } else {
    Cli cli = {.arena = arena,
               .out = stdout,
               .err = stderr,
               .colour = isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL,
               .program = argv[0]};
    code = cli_main(&cli, argc, argv);
  }
  arena_drop(arena);
  return code;
}
