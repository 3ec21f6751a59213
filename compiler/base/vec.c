#include "base/vec.h"

#include <string.h>

void *vec_grow(Arena *arena, void *data, size_t len, size_t *cap, size_t size) {
  *cap = *cap == 0 ? 8 : *cap * 2;
  void *grown = arena_array(arena, *cap, size);
  return len == 0 ? grown : memcpy(grown, data, len * size);
}
