#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024 };

typedef struct Block {
  struct Block *next;
  size_t used, size;
  alignas(max_align_t) unsigned char bytes[];
} Block;

struct Arena {
  Escape *escape;
  Block *blocks; /* newest first */
  size_t total;
  Arena *parent, *first_child, *next_sibling;
};

/* malloc behind the test hook that makes the nth request fail. */
static void *request(Escape *escape, size_t size) {
  escape->allocations++;
  if (escape->fail_after != 0 && escape->allocations >= escape->fail_after) return NULL;
  return malloc(size);
}

Arena *arena_new(Escape *escape) {
  Arena *arena = request(escape, sizeof *arena);
  if (arena != NULL) *arena = (Arena){.escape = escape};
  return arena;
}

Arena *arena_scratch(Arena *parent) {
  Arena *child = arena_new(parent->escape);
  if (child == NULL) escape_raise(parent->escape, 4, "out of memory");
  child->parent = parent;
  child->next_sibling = parent->first_child;
  parent->first_child = child;
  return child;
}

static void detach(Arena *arena) {
  if (arena->parent == NULL) return;
  Arena **link = &arena->parent->first_child;
  while (*link != arena) link = &(*link)->next_sibling;
  *link = arena->next_sibling;
}

void arena_drop(Arena *arena) {
  if (arena == NULL) return;
  detach(arena);
  while (arena->first_child != NULL) arena_drop(arena->first_child);
  for (Block *block = arena->blocks, *next; block != NULL; block = next) {
    next = block->next;
    free(block);
  }
  free(arena);
}

/* A block with room for `size` bytes becomes the newest one; large requests get their own. */
static Block *add_block(Arena *arena, size_t size) {
  size_t room = size > BLOCK_BYTES / 4 ? size : BLOCK_BYTES;
  Block *block =
      room > SIZE_MAX - sizeof *block ? NULL : request(arena->escape, sizeof *block + room);
  if (block == NULL) escape_raise(arena->escape, 4, "out of memory");
  block->used = 0;
  block->size = room;
  arena->total += room;
  if (room == BLOCK_BYTES || arena->blocks == NULL) {
    block->next = arena->blocks;
    arena->blocks = block;
  } else { /* keep filling the current small block */
    block->next = arena->blocks->next;
    arena->blocks->next = block;
  }
  return block;
}

void *arena_alloc(Arena *arena, size_t size) {
  const size_t align = alignof(max_align_t);
  if (size > SIZE_MAX - align) escape_raise(arena->escape, 4, "out of memory");
  size = (size + align - 1) / align * align;
  Block *block = arena->blocks;
  if (block == NULL || block->size - block->used < size) block = add_block(arena, size);
  void *start = block->bytes + block->used;
  block->used += size;
  return memset(start, 0, size);
}

void *arena_array(Arena *arena, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) {
    escape_raise(arena->escape, 4, "out of memory");
  }
  return arena_alloc(arena, total);
}

void *arena_copy(Arena *arena, const void *from, size_t size) {
  void *to = arena_alloc(arena, size);
  return size == 0 ? to : memcpy(to, from, size);
}

char *arena_vprintf(Arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (length < 0) escape_raise(arena->escape, 70, "malformed format string");
  char *text = arena_alloc(arena, (size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, args);
  return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}

size_t arena_bytes(const Arena *arena) {
  return arena->total;
}

Escape *arena_escape(const Arena *arena) {
  return arena->escape;
}
