#include "emit/single.h"

#include "base/map.h"
#include "base/vec.h"

#include <ctype.h>
#include <string.h>

/* ---- a scanner for the C of the runtime ---- */

typedef struct Token {
  const char *at;
  size_t size;
} Token;

static bool is_word(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

static const char *skip_line(const char *at) {
  while (*at != '\0' && *at != '\n') at += at[0] == '\\' && at[1] == '\n' ? 2 : 1;
  return at;
}

static const char *skip_quoted(const char *at) {
  char quote = *at++;
  while (*at != '\0' && *at != quote) at += *at == '\\' && at[1] != '\0' ? 2 : 1;
  return *at == '\0' ? at : at + 1;
}

/* The next token outside of comments and preprocessor lines; size 0 at the end. */
static Token next_token(const char *at) {
  for (;;) {
    while (isspace((unsigned char)*at)) at++;
    if (at[0] == '/' && at[1] == '*') {
      const char *end = strstr(at + 2, "*/");
      at = end == NULL ? at + strlen(at) : end + 2;
    } else if (*at == '#') {
      at = skip_line(at);
    } else {
      break;
    }
  }
  const char *end = at;
  if (*at == '"' || *at == '\'')
    end = skip_quoted(at);
  else if (is_word(*at))
    while (is_word(*end)) end++;
  else if (*at != '\0')
    end++;
  return (Token){at, (size_t)(end - at)};
}

static bool token_is(Token token, const char *text) {
  return token.size == strlen(text) && memcmp(token.at, text, token.size) == 0;
}

/* ---- names ---- */

typedef Vec(const char *) Names;

typedef struct Single {
  Arena *arena;
  Strings *strings;
  Out *w;
  const char *prefix;
  Names public_names;             /* functions with external linkage that were taken in */
  Vec(const RuntimeFile *) taken; /* sources, in the order in which they were found */
  Vec(const RuntimeFile *) headers;
} Single;

static void add_once(Single *s, Names *names, Token token) {
  const char *name = intern_n(s->strings, token.at, token.size);
  VEC_EACH(const char *, known, names) {
    if (*known == name) return;
  }
  vec_push(s->arena, names, name);
}

/* What one declaration at file level declares. */
typedef struct Declaration {
  bool is_static, is_typedef, is_enum, named;
  Token name, last;
} Declaration;

static void declare(Single *s, const Declaration *d, Names *local, Names *external) {
  if (d->is_typedef)
    add_once(s, local, d->named ? d->name : d->last);
  else if (d->named && d->is_static)
    add_once(s, local, d->name);
  else if (d->named && external != NULL)
    add_once(s, external, d->name);
}

static void note(Declaration *d, Token token) {
  if (token_is(token, "static")) *d = (Declaration){.is_static = true}; /* begins one */
  if (token_is(token, "typedef")) d->is_typedef = true;
  if (token_is(token, "enum")) d->is_enum = true;
  bool ends_name = token_is(token, "(") || token_is(token, "=") || token_is(token, "[") ||
                   (d->is_typedef && token_is(token, "__attribute__"));
  if (ends_name && !d->named && d->last.size != 0) {
    d->named = true;
    d->name = d->last;
  }
  if (is_word(*token.at)) d->last = token;
}

/* Names that a source declares at file level: its own ones and those with external linkage.
 * Definitions only: a declaration that ends without a body has no external name. */
static void find_names(Single *s, const char *text, Names *local, Names *external) {
  Declaration d = {0};
  int depth = 0;
  Token before = {text, 0};
  for (Token t = next_token(text); t.size != 0; before = t, t = next_token(t.at + t.size)) {
    if (token_is(t, "{")) {
      bool function = depth == 0 && d.named && !d.is_typedef && !d.is_enum;
      if (function) declare(s, &d, local, external);
      depth++;
    } else if (token_is(t, "}")) {
      depth--;
      Token after = next_token(t.at + 1);
      bool function = d.named && !d.is_typedef && !d.is_enum && !token_is(after, ";");
      if (depth == 0 && function) d = (Declaration){0};
    } else if (token_is(t, ";") && depth == 0) {
      declare(s, &d, local, NULL);
      d = (Declaration){0};
    } else if (depth == 0) {
      note(&d, t);
    } else if (depth == 1 && d.is_enum && (token_is(before, "{") || token_is(before, ","))) {
      add_once(s, local, t);
    }
  }
}

/* ---- which files ---- */

static const char *after_prefix(const char *line, const char *prefix) {
  size_t n = strlen(prefix);
  return strncmp(line, prefix, n) == 0 ? line + n : NULL;
}

/* The runtime file that an #include line names; NULL for system headers and other lines. */
static const RuntimeFile *included(const char *line) {
  const char *path = after_prefix(line, "#include \"");
  for (const RuntimeFile *f = runtime_files; path != NULL && f->path != NULL; f++) {
    const char *end = after_prefix(path, f->path);
    if (end != NULL && *end == '"') return f;
  }
  return NULL;
}

static bool is_guarded(const RuntimeFile *file) {
  const char *first = strstr(file->text, "\n#ifndef ONNXC_RT");
  const char *include = strstr(file->text, "\n#include");
  return first != NULL && (include == NULL || first < include);
}

static const char *next_line(const char *at) {
  const char *end = strchr(at, '\n');
  return end == NULL ? at + strlen(at) : end + 1;
}

static bool holds(const RuntimeFile *const *list, size_t n, const RuntimeFile *file) {
  for (size_t i = 0; i < n; i++) {
    if (list[i] == file) return true;
  }
  return false;
}

/* Headers of a text, innermost first. */
static void find_headers(Single *s, const char *text) {
  for (const char *line = text; *line != '\0'; line = next_line(line)) {
    const RuntimeFile *file = included(line);
    if (file == NULL || holds(s->headers.data, s->headers.len, file)) continue;
    find_headers(s, file->text);
    if (is_guarded(file)) vec_push(s->arena, &s->headers, file);
  }
}

static bool is_source(const RuntimeFile *file) {
  size_t n = strlen(file->path);
  return n > 2 && strcmp(file->path + n - 2, ".c") == 0;
}

static const RuntimeFile *defining(Single *s, const char *name) {
  for (const RuntimeFile *f = runtime_files; f->path != NULL; f++) {
    Names local = {0}, external = {0};
    if (!is_source(f) || strstr(f->text, name) == NULL) continue;
    find_names(s, f->text, &local, &external);
    VEC_EACH(const char *, e, &external) {
      if (strcmp(*e, name) == 0) return f;
    }
  }
  return NULL;
}

/* Takes in the sources that define what a text calls, and what those call. */
static void find_sources(Single *s, const char *text) {
  for (Token t = next_token(text); t.size != 0; t = next_token(t.at + t.size)) {
    if (t.size < 9 || memcmp(t.at, "onnxc_rt_", 9) != 0) continue;
    size_t before = s->public_names.len;
    add_once(s, &s->public_names, t);
    if (s->public_names.len == before) continue;
    const RuntimeFile *file = defining(s, s->public_names.data[before]);
    if (file == NULL || holds(s->taken.data, s->taken.len, file)) continue;
    vec_push(s->arena, &s->taken, file);
    find_headers(s, file->text);
    find_sources(s, file->text);
  }
}

/* ---- writing ---- */

/* The text without what the file has got already; unguarded headers go where they are included. */
static void write_text(Single *s, const char *text) {
  for (const char *line = text; *line != '\0'; line = next_line(line)) {
    const RuntimeFile *file = included(line);
    if (file == NULL)
      out_bytes(s->w, line, (size_t)(next_line(line) - line));
    else if (!is_guarded(file))
      write_text(s, file->text);
  }
}

static void find_macros(Single *s, const char *text, Names *macros) {
  for (const char *line = text; *line != '\0'; line = next_line(line)) {
    const char *name = after_prefix(line, "#define ");
    if (name == NULL) continue;
    size_t n = 0;
    while (is_word(name[n])) n++;
    add_once(s, macros, (Token){name, n});
  }
}

/* A source between renamings of its own names, so that they meet nobody else's. */
static void write_source(Single *s, const RuntimeFile *file, size_t index) {
  Names local = {0}, macros = {0};
  Single part = *s;
  part.w = out_memory(s->arena);
  write_text(&part, file->text);
  const char *text = out_text(part.w, NULL);
  find_names(s, text, &local, NULL);
  find_macros(s, text, &macros);
  out(s->w, "\n/* runtime/%s */\n", file->path);
  VEC_EACH(const char *, name, &local) {
    out(s->w, "#define %s %s_%zu_%s\n", *name, s->prefix, index, *name);
  }
  out_bytes(s->w, text, strlen(text));
  VEC_EACH(const char *, name, &local) out(s->w, "#undef %s\n", *name);
  VEC_EACH(const char *, name, &macros) out(s->w, "#undef %s\n", *name);
}

void single_header(Out *w, const char *header) {
  for (const char *line = header; *line != '\0'; line = next_line(line)) {
    const RuntimeFile *file = included(line);
    if (file == NULL)
      out_bytes(w, line, (size_t)(next_line(line) - line));
    else
      out_bytes(w, file->text, strlen(file->text));
  }
}

void single_source(Arena *arena, Out *w, const char *source, const char *prefix) {
  Single s = {.arena = arena, .strings = strings_new(arena), .w = w, .prefix = prefix};
  find_headers(&s, source);
  find_sources(&s, source);
  VEC_EACH(const RuntimeFile *, file, &s.taken) {
    Names local = {0}, external = {0};
    find_names(&s, (*file)->text, &local, &external);
    VEC_EACH(const char *, name, &external) out(w, "#define %s %s_%s\n", *name, prefix, *name);
  }
  const char *body = strstr(source, "\n#include \"onnxc_rt");
  size_t head = body == NULL ? 0 : (size_t)(body - source) + 1;
  out_bytes(w, source, head);
  VEC_EACH(const RuntimeFile *, file, &s.headers) {
    out(w, "\n/* runtime/%s */\n", (*file)->path);
    write_text(&s, (*file)->text);
  }
  for (size_t i = 0; i < s.taken.len; i++) write_source(&s, s.taken.data[i], i);
  out(w, "\n");
  write_text(&s, source + head);
}
