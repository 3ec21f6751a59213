/* Names from models become C identifiers that never collide with each other, with C or C++, or
 * with what the generated code declares itself. */
#ifndef ONNXC_EMIT_NAMES_H
#define ONNXC_EMIT_NAMES_H

#include "base/map.h"

#include <stdbool.h>

typedef struct NameScope {
  Arena *arena;
  Strings *strings;
  Map taken; /* interned name -> itself */
} NameScope;

NameScope name_scope(Arena *arena);
/* An identifier like `text`, not given out by this scope before. */
const char *name_unique(NameScope *scope, const char *text);
/* `text` with all that is no letter, digit or underscore replaced, at most 40 characters, starting
 * with a letter; "model" when nothing is left. */
const char *name_clean(Arena *arena, const char *text);

#endif
