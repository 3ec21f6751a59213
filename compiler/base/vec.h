/* Growable arrays on an arena: `Vec(int) v = {0}; vec_push(arena, &v, 3);` */
#ifndef ONNXC_BASE_VEC_H
#define ONNXC_BASE_VEC_H

#include "base/arena.h"

#define Vec(type)                                                                                  \
  struct {                                                                                         \
    type *data;                                                                                    \
    size_t len, cap;                                                                               \
  }

/* Room for one more element; the old storage stays in the arena. */
void *vec_grow(Arena *arena, void *data, size_t len, size_t *cap, size_t size);

#define vec_push(arena, v, ...)                                                                    \
  do {                                                                                             \
    if ((v)->len == (v)->cap) {                                                                    \
      (v)->data = vec_grow((arena), (v)->data, (v)->len, &(v)->cap, sizeof *(v)->data);            \
    }                                                                                              \
    (v)->data[(v)->len++] = (__VA_ARGS__);                                                         \
  } while (0)

/* `name` points to each element in turn. */
#define VEC_EACH(type, name, v)                                                                    \
  for (__typeof__(type) *name = (v)->data, *name##_end = name + (v)->len; name < name##_end; name++)

#endif
