/* Bump allocation: everything a compilation builds lives in an arena and is released at once. */
#ifndef ONNXC_BASE_ARENA_H
#define ONNXC_BASE_ARENA_H

#include "base/escape.h"

#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

/* A new arena; NULL when memory is short. Release with arena_drop. `escape` outlives the arena. */
Arena *arena_new(Escape *escape);
void arena_drop(Arena *arena);

/* A scratch arena owned by `parent` (dropped with it unless dropped earlier). Never NULL. */
Arena *arena_scratch(Arena *parent);

/* Zeroed storage for any type; never NULL, raises the arena's escape when memory is short. */
void *arena_alloc(Arena *arena, size_t size);
/* The same for `count` elements; an overflowing product counts as short of memory. */
void *arena_array(Arena *arena, size_t count, size_t size);
void *arena_copy(Arena *arena, const void *from, size_t size);
/* printf into the arena. */
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *arena, const char *format, va_list args);

/* Bytes requested from the system so far, this arena's scratch arenas not included. */
size_t arena_bytes(const Arena *arena);
Escape *arena_escape(const Arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, count, type) ((type *)arena_array((arena), (count), sizeof(type)))

#endif
