/* The one non-local exit of a compilation.
 *
 * Running out of memory or finding a broken invariant ends a compilation from any depth without
 * threading a status through every call: escape_raise jumps back to where the compilation began,
 * and dropping its arenas releases everything. User errors never come here; they are diagnostics.
 */
#ifndef ONNXC_BASE_ESCAPE_H
#define ONNXC_BASE_ESCAPE_H

#include <setjmp.h>
#include <stddef.h>

typedef struct Escape {
  jmp_buf target;     /* set with setjmp by the owner before any arena is used */
  const char *reason; /* static text, valid after the jump */
  size_t fail_after;  /* test hook: the allocation with this number fails; 0 never */
  size_t allocations; /* block requests so far */
} Escape;

/* Jump to `target` with `exit_code` (4 limit reached, 70 internal error). */
_Noreturn void escape_raise(Escape *escape, int exit_code, const char *reason);

#endif
