#include "base/suggest.h"
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Where parsing stands. */
typedef struct Parse {
  Cli *cli;
  const Command *command;
  void *options;
  int argc, at;
  char **argv;
} Parse;

static bool refuse(Parse *p, const char *message) {
  cli_error(p->cli, DIAG_USAGE, "%s", message);
  cli_note(p->cli, "'onnxc %s --help' lists the options", p->command->name);
  return false;
}

#define REFUSE(p, ...) refuse((p), arena_printf((p)->cli->arena, __VA_ARGS__))

/* The first option of the command for which `is` holds; NULL: none. */
#define FIND_OPTION(command, o, condition)                                                         \
  for (int group_ = 0; group_ < CLI_GROUPS && (command)->groups[group_] != NULL; group_++)         \
    for (const CliOption *o = (command)->groups[group_]; o->kind != CLI_END; o++)                  \
      if (condition)

static const CliOption *by_name(const Command *command, const char *name, size_t length) {
  FIND_OPTION(command, o,
              o->name != NULL && strlen(o->name) == length && memcmp(o->name, name, length) == 0) {
    return o;
  }
  return NULL;
}

static const CliOption *by_letter(const Command *command, char letter) {
  FIND_OPTION(command, o, o->letter == letter) return o;
  return NULL;
}

/* How the user writes the option, for messages. */
static const char *spelling(Arena *arena, const CliOption *o) {
  return o->name != NULL ? arena_printf(arena, "--%s", o->name)
                         : arena_printf(arena, "-%c", o->letter);
}

/* ---- values: one function a kind; false when the text is no such value ---------------------- */

typedef bool Store(Parse *p, const CliOption *o, const char *text, void *member);

static bool store_flag(Parse *p, const CliOption *o, const char *text, void *member) {
  (void)p, (void)o, (void)text;
  *(bool *)member = true;
  return true;
}

static bool store_text(Parse *p, const CliOption *o, const char *text, void *member) {
  (void)p, (void)o;
  *(const char **)member = text;
  return true;
}

static bool store_size(Parse *p, const CliOption *o, const char *text, void *member) {
  (void)p, (void)o;
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value >= SIZE_MAX) return false;
  *(size_t *)member = (size_t)value;
  return true;
}

static bool store_real(Parse *p, const CliOption *o, const char *text, void *member) {
  (void)p, (void)o;
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !isfinite(value) || value < 0) return false;
  *(double *)member = value;
  return true;
}

static bool store_choice(Parse *p, const CliOption *o, const char *text, void *member) {
  (void)p;
  for (int i = 0; o->choices[i] != NULL; i++) {
    if (strcmp(o->choices[i], text) == 0) {
      *(int *)member = 1 + i;
      return true;
    }
  }
  return false;
}

static bool store_list(Parse *p, const CliOption *o, const char *text, void *member) {
  (void)o;
  CliList *list = member;
  vec_push(p->cli->arena, list, text);
  return true;
}

static const struct {
  Store *store;
  const char *wanted;
} kinds[] = {
    [CLI_FLAG] = {store_flag, ""},
    [CLI_TEXT] = {store_text, ""},
    [CLI_SIZE] = {store_size, "a whole number"},
    [CLI_REAL] = {store_real, "a number that is not negative"},
    [CLI_CHOICE] = {store_choice, "one of the choices"},
    [CLI_LIST] = {store_list, ""},
};

static const char *wanted(Arena *arena, const CliOption *o) {
  if (o->kind != CLI_CHOICE) return kinds[o->kind].wanted;
  const char *text = o->choices[0];
  for (int i = 1; o->choices[i] != NULL; i++) {
    text = arena_printf(arena, "%s%s%s", text, o->choices[i + 1] == NULL ? " or " : ", ",
                        o->choices[i]);
  }
  return text;
}

static bool store(Parse *p, const CliOption *o, const char *text) {
  if (kinds[o->kind].store(p, o, text, (char *)p->options + o->offset)) return true;
  Arena *a = p->cli->arena;
  return REFUSE(p, "'%s' of option %s is not %s", text, spelling(a, o), wanted(a, o));
}

/* The value of an option that has none in its own word: the next word. */
static bool store_next(Parse *p, const CliOption *o) {
  if (p->at >= p->argc) {
    return REFUSE(p, "option %s needs a value: %s", spelling(p->cli->arena, o), o->value);
  }
  return store(p, o, p->argv[p->at++]);
}

/* ---- words ----------------------------------------------------------------------------------- */

static bool unknown_option(Parse *p, const char *name, size_t length) {
  Arena *a = p->cli->arena;
  const char *word = arena_printf(a, "%.*s", (int)length, name);
  Suggestion s = {.word = word};
  FIND_OPTION(p->command, o, o->name != NULL) suggest_offer(&s, o->name);
  suggest_offer(&s, "help");
  if (s.best != NULL) return REFUSE(p, "unknown option '--%s'; did you mean '--%s'?", word, s.best);
  return REFUSE(p, "unknown option '--%s'", word);
}

/* --NAME, --NAME=VALUE, --NAME VALUE */
static bool parse_long(Parse *p, const char *name) {
  size_t length = strcspn(name, "=");
  const CliOption *o = by_name(p->command, name, length);
  bool has_value = name[length] == '=';
  if (o == NULL) return unknown_option(p, name, length);
  if (o->kind == CLI_FLAG) {
    return has_value ? REFUSE(p, "option --%s takes no value", o->name) : store(p, o, NULL);
  }
  return has_value ? store(p, o, name + length + 1) : store_next(p, o);
}

/* -L, -LVALUE, -L VALUE; flags may stand together: -vq */
static bool parse_letters(Parse *p, const char *letters) {
  for (; *letters != '\0'; letters++) {
    const CliOption *o = by_letter(p->command, *letters);
    if (o == NULL) return REFUSE(p, "unknown option '-%c'", *letters);
    if (o->kind != CLI_FLAG) {
      return letters[1] != '\0' || o->attached ? store(p, o, letters + 1) : store_next(p, o);
    }
    if (!store(p, o, NULL)) return false;
  }
  return true;
}

static bool parse_word(Parse *p, const char *word, bool *only_operands) {
  if (*only_operands || word[0] != '-' || word[1] == '\0') {
    vec_push(p->cli->arena, &p->cli->operands, word);
    return true;
  }
  if (word[1] != '-') return parse_letters(p, word + 1);
  if (word[2] != '\0') return parse_long(p, word + 2);
  return *only_operands = true;
}

bool cli_parse(Cli *cli, const Command *command, int argc, char **argv, void *options) {
  Parse p = {cli, command, options, argc, 0, argv};
  memset(options, 0, command->size);
  if (command->defaults != NULL) memcpy(options, command->defaults, command->size);
  bool only_operands = false;
  while (p.at < argc) {
    if (!parse_word(&p, argv[p.at++], &only_operands)) return false;
  }
  size_t n = cli->operands.len;
  if (n < command->least) return REFUSE(&p, "missing operand: %s", command->operands);
  if (n > command->most) {
    return REFUSE(&p, "operand '%s' is one too many", cli->operands.data[command->most]);
  }
  return true;
}

/* ---- the canonical line ------------------------------------------------------------------------
 */

static const char *with_value(Arena *a, const CliOption *o, const char *line, const char *value) {
  if (o->attached) return arena_printf(a, "%s -%c%s", line, o->letter, value);
  return arena_printf(a, "%s --%s=%s", line, o->name, value);
}

/* The line with what `o` has in `member`, if that is not its default. */
static const char *record(Arena *a, const CliOption *o, const char *line, const void *member,
                          const void *initial) {
  switch (o->kind) {
  case CLI_FLAG: return *(const bool *)member ? arena_printf(a, "%s --%s", line, o->name) : line;
  case CLI_TEXT: {
    const char *text = *(const char *const *)member;
    return text == NULL ? line : with_value(a, o, line, text);
  }
  case CLI_SIZE: {
    size_t value = *(const size_t *)member;
    if (initial != NULL && *(const size_t *)initial == value) return line;
    return with_value(a, o, line, arena_printf(a, "%zu", value));
  }
  case CLI_REAL: {
    double value = *(const double *)member;
    if (initial != NULL && *(const double *)initial == value) return line;
    return with_value(a, o, line, arena_printf(a, "%.17g", value));
  }
  case CLI_CHOICE: {
    int value = *(const int *)member;
    return value == 0 ? line : with_value(a, o, line, o->choices[value - 1]);
  }
  case CLI_LIST: {
    const CliList *list = member;
    VEC_EACH(const char *, text, list) line = with_value(a, o, line, *text);
    return line;
  }
  case CLI_END: break;
  }
  return line;
}

const char *cli_command_line(Cli *cli, const Command *command, const void *options) {
  const char *line = arena_printf(cli->arena, "onnxc %s", command->name);
  if (cli->operands.len != 0) {
    const char *path = cli->operands.data[0], *slash = strrchr(path, '/');
    line = arena_printf(cli->arena, "%s %s", line, slash == NULL ? path : slash + 1);
  }
  FIND_OPTION(command, o, !o->unrecorded) {
    const char *initial = command->defaults;
    line = record(cli->arena, o, line, (const char *)options + o->offset,
                  initial == NULL ? NULL : initial + o->offset);
  }
  return line;
}
