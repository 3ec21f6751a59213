#include "base/map.h"

#include <string.h>

Map map_on(Arena *arena) {
  return (Map){.arena = arena};
}

static size_t slot_of(const Map *map, uint64_t key) {
  size_t i = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (map->cap - 1);
  while (map->slots[i].value != NULL && map->slots[i].key != key) i = (i + 1) & (map->cap - 1);
  return i;
}

void *map_get(const Map *map, uint64_t key) {
  return map->cap == 0 ? NULL : map->slots[slot_of(map, key)].value;
}

static void grow(Map *map) {
  Map wider = {.arena = map->arena, .len = map->len, .cap = map->cap == 0 ? 16 : map->cap * 2};
  wider.slots = ARENA_ARRAY(map->arena, wider.cap, MapSlot);
  for (size_t i = 0; i < map->cap; i++) {
    if (map->slots[i].value != NULL)
      wider.slots[slot_of(&wider, map->slots[i].key)] = map->slots[i];
  }
  *map = wider;
}

void map_set(Map *map, uint64_t key, void *value) {
  if (map->len * 2 >= map->cap) grow(map);
  MapSlot *slot = &map->slots[slot_of(map, key)];
  if (slot->value == NULL) map->len++;
  *slot = (MapSlot){key, value};
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * UINT64_C(1099511628211);
  return hash;
}

/* Strings of one hash form a chain; the map holds its head. */
typedef struct Entry {
  struct Entry *next;
  size_t length;
  char text[];
} Entry;

struct Strings {
  Map heads;
};

Strings *strings_new(Arena *arena) {
  Strings *strings = ARENA_NEW(arena, Strings);
  strings->heads = map_on(arena);
  return strings;
}

const char *intern_n(Strings *strings, const char *text, size_t length) {
  uint64_t hash = hash_bytes(HASH_SEED, text, length);
  Entry *head = map_get(&strings->heads, hash);
  for (Entry *e = head; e != NULL; e = e->next) {
    if (e->length == length && memcmp(e->text, text, length) == 0) return e->text;
  }
  Entry *entry = arena_alloc(strings->heads.arena, sizeof *entry + length + 1);
  entry->next = head;
  entry->length = length;
  if (length != 0) memcpy(entry->text, text, length);
  map_set(&strings->heads, hash, entry);
  return entry->text;
}

const char *intern(Strings *strings, const char *text) {
  return intern_n(strings, text, strlen(text));
}
