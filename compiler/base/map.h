/* Hash maps on an arena: open addressing, no removal, iteration through the caller's own lists so
 * that no output ever depends on hash order. */
#ifndef ONNXC_BASE_MAP_H
#define ONNXC_BASE_MAP_H

#include "base/arena.h"

#include <stdint.h>

typedef struct MapSlot {
  uint64_t key;
  void *value; /* NULL marks a free slot */
} MapSlot;

typedef struct Map {
  Arena *arena;
  MapSlot *slots;
  size_t len, cap;
} Map;

Map map_on(Arena *arena);
/* Keys are pointers or integers; a value is never NULL. */
void *map_get(const Map *map, uint64_t key);
void map_set(Map *map, uint64_t key, void *value);

static inline uint64_t map_key(const void *pointer) {
  return (uint64_t)(uintptr_t)pointer;
}

/* FNV-1a, continued from `hash` (start with HASH_SEED). */
#define HASH_SEED UINT64_C(1469598103934665603)
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size);

/* Interned strings: equal text is the same pointer. Text holds no NUL. */
typedef struct Strings Strings;
Strings *strings_new(Arena *arena);
const char *intern(Strings *strings, const char *text);
const char *intern_n(Strings *strings, const char *text, size_t length);

#endif
