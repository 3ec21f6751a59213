/* Strings as C literals. */
#include "emit/emitter.h"

/* What every C99 compiler takes as one literal. */
enum { MAX_LITERAL = 4095, PER_LINE = 16 };

const char *emit_string(Emitter *e, Arena *arena, const char *name, onnxc_rt_string string) {
  if (string.size <= MAX_LITERAL) {
    return arena_printf(arena, "\"%s\"", text_c_string(arena, string.bytes, (size_t)string.size));
  }
  out(e->out, "static const char %s[] = {", name);
  for (ptrdiff_t i = 0; i < string.size; i++) {
    out(e->out, "%s'\\%03o',", i % PER_LINE == 0 ? "\n  " : " ",
        (unsigned)(unsigned char)string.bytes[i]);
  }
  out(e->out, "\n  '\\0'};\n");
  return name;
}

void emit_strings(Emitter *e, const char *name, const onnxc_rt_string *strings, size_t n) {
  Arena *scratch = arena_scratch(e->arena);
  const char **texts = ARENA_ARRAY(scratch, n, const char *);
  for (size_t i = 0; i < n; i++) {
    texts[i] = emit_string(e, scratch, arena_printf(scratch, "%s_%zu", name, i), strings[i]);
  }
  out(e->out, "static const onnxc_rt_string %s[] = {\n", name);
  for (size_t i = 0; i < n; i++) out(e->out, "  {%s, %td},\n", texts[i], strings[i].size);
  out(e->out, n == 0 ? "  {NULL, 0}};\n" : "};\n");
  arena_drop(scratch);
}
