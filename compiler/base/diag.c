#include "base/diag.h"

#include "base/text.h"
#include "base/vec.h"

#include <string.h>

enum { KEPT = 200, SHOWN = 300 };

struct Diag {
  Arena *arena;
  const char *file;
  Vec(const char *) lines;
  size_t errors, dropped;
  char *more; /* the line that counts the dropped ones */
  size_t more_size;
  int exit_code;
};

Diag *diag_new(Arena *arena, const char *file) {
  Diag *diag = ARENA_NEW(arena, Diag);
  *diag = (Diag){.arena = arena, .file = text_escape(arena, file)};
  diag->more_size = strlen(diag->file) + 40;
  diag->more = arena_alloc(arena, diag->more_size);
  return diag;
}

/* A name from the model, which may be of any length. */
static const char *shown(Arena *arena, const char *name) {
  return text_escape(arena, arena_printf(arena, "%.*s", SHOWN, name));
}

static void keep(Diag *diag, DiagSite site, const char *severity, const char *format,
                 va_list args) {
  if (diag->lines.len >= KEPT) {
    snprintf(diag->more, diag->more_size, "%s: and %zu more", diag->file, ++diag->dropped);
    return;
  }
  Arena *a = diag->arena;
  const char *where = site.graph == NULL ? "" : shown(a, site.graph);
  if (site.node != NULL) {
    where = arena_printf(a, "%s%snode '%s'", where, *where ? "/" : "", shown(a, site.node));
  }
  if (site.op != NULL) where = arena_printf(a, "%s (%s)", where, shown(a, site.op));
  const char *message = text_escape(a, arena_vprintf(a, format, args));
  vec_push(
      a, &diag->lines,
      arena_printf(a, "%s: %s%s%s%s", diag->file, where, *where ? ": " : "", severity, message));
}

static int gravity(int code) {
  static const int order[] = {DIAG_UNSUPPORTED, DIAG_INVALID, DIAG_LIMIT,
                              DIAG_IO,          DIAG_USAGE,   DIAG_INTERNAL};
  for (int i = 0; i < (int)(sizeof order / sizeof *order); i++) {
    if (order[i] == code) return i;
  }
  return -1;
}

bool diag_verror(Diag *diag, DiagKind kind, DiagSite site, const char *format, va_list args) {
  keep(diag, site, "error: ", format, args);
  diag->errors++;
  if (gravity(kind) > gravity(diag->exit_code)) diag->exit_code = kind;
  return false;
}

bool diag_error(Diag *diag, DiagKind kind, DiagSite site, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(diag, kind, site, format, args);
  va_end(args);
  return false;
}

void diag_warning(Diag *diag, DiagSite site, const char *format, ...) {
  va_list args;
  va_start(args, format);
  keep(diag, site, "warning: ", format, args);
  va_end(args);
}

size_t diag_errors(const Diag *diag) {
  return diag->errors;
}

int diag_exit_code(const Diag *diag) {
  return diag->exit_code;
}

void diag_print(const Diag *diag, FILE *file) {
  const char *line;
  for (size_t i = 0; (line = diag_text(diag, i)) != NULL; i++) fprintf(file, "%s\n", line);
}

const char *diag_text(const Diag *diag, size_t i) {
  if (i < diag->lines.len) return diag->lines.data[i];
  return i == diag->lines.len && diag->dropped != 0 ? diag->more : NULL;
}
