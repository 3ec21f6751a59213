#include "cli/cli.h"

#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#define BOLD "\033[1m"
#define RED "\033[1;31m"
#define MAGENTA "\033[1;35m"
#define CYAN "\033[1;36m"
#define PLAIN "\033[0m"

typedef struct Severity {
  const char *word, *colour;
} Severity;

static const Severity severities[] = {{"error: ", RED}, {"warning: ", MAGENTA}, {"note: ", CYAN}};

/* The earliest severity word in the line, or its end. */
static const char *find_severity(const char *line, const Severity **found) {
  const char *first = NULL;
  for (size_t i = 0; i < sizeof severities / sizeof *severities; i++) {
    const char *at = strstr(line, severities[i].word);
    if (at == NULL || (first != NULL && at > first)) continue;
    first = at;
    *found = &severities[i];
  }
  return first;
}

void cli_diagnostic(Cli *cli, const char *line) {
  const Severity *severity = NULL;
  const char *at = find_severity(line, &severity);
  if (!cli->colour || at == NULL) {
    fprintf(cli->err, "%s\n", line);
    return;
  }
  fprintf(cli->err, BOLD "%.*s%s%s" PLAIN BOLD "%s" PLAIN "\n", (int)(at - line), line,
          severity->colour, severity->word, at + strlen(severity->word));
}

/* Arguments may hold anything; a line stays a line. */
static void say(Cli *cli, const char *severity, const char *format, va_list args) {
  const char *message = text_escape(cli->arena, arena_vprintf(cli->arena, format, args));
  cli_diagnostic(cli, arena_printf(cli->arena, "onnxc: %s: %s", severity, message));
}

int cli_error(Cli *cli, int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  say(cli, "error", format, args);
  va_end(args);
  return code;
}

void cli_note(Cli *cli, const char *format, ...) {
  va_list args;
  va_start(args, format);
  say(cli, "note", format, args);
  va_end(args);
}
