#include "emit/names.h"

#include <ctype.h>
#include <string.h>

enum { MAX_NAME = 40 };

/* Words of C and C++ and macros of common headers. */
static const char *const reserved[] = {
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "assert",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "complex",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "explicit",
    "export",
    "extern",
    "false",
    "final",
    "float",
    "for",
    "friend",
    "goto",
    "i386",
    "if",
    "imaginary",
    "import",
    "inline",
    "int",
    "linux",
    "long",
    "main",
    "module",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "override",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "stderr",
    "stdin",
    "stdout",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "union",
    "unix",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
};

static bool is_reserved(const char *name) {
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
    if (strcmp(reserved[i], name) == 0) return true;
  }
  /* Names all in capitals may be macros; E and ERROR codes, I, NAN, EOF and the like. */
  const char *at = name;
  while (isupper((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_') at++;
  return *at == '\0';
}

const char *name_clean(Arena *arena, const char *text) {
  char *name = arena_alloc(arena, MAX_NAME + 3), *to = name;
  for (; *text != '\0' && to - name < MAX_NAME; text++) {
    bool plain = isalnum((unsigned char)*text) && (unsigned char)*text < 0x80;
    if (to == name && !plain) continue;
    if (to == name && isdigit((unsigned char)*text)) *to++ = 'v';
    if (plain)
      *to++ = *text;
    else if (to[-1] != '_')
      *to++ = '_';
  }
  while (to > name && to[-1] == '_') to--;
  *to = '\0';
  return *name == '\0' ? "model" : name;
}

NameScope name_scope(Arena *arena) {
  return (NameScope){.arena = arena, .strings = strings_new(arena), .taken = map_on(arena)};
}

const char *name_unique(NameScope *scope, const char *text) {
  const char *clean = name_clean(scope->arena, text), *name = clean;
  if (is_reserved(name)) name = clean = arena_printf(scope->arena, "%s_", clean);
  for (unsigned i = 2; map_get(&scope->taken, map_key(intern(scope->strings, name))) != NULL; i++) {
    name = arena_printf(scope->arena, "%s_%u", clean, i);
  }
  const char *kept = intern(scope->strings, name);
  map_set(&scope->taken, map_key(kept), (void *)(uintptr_t)kept);
  return kept;
}
