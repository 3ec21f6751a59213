/* Strings as C literals. */
#include "emit/emitter.h"

/* What every C99 compiler takes as one literal. */
enum { MAX_LITERAL = 4095, PER_LINE = 16 };

/* A string that is too long for a literal, as an array of its characters. */
static void emit_long(Emitter *e, const char *name, size_t i, onnxc_rt_string string) {
  out(e->out, "static const char %s_%zu[] = {", name, i);
  for (ptrdiff_t k = 0; k < string.size; k++) {
    out(e->out, "%s'\\%03o',", k % PER_LINE == 0 ? "\n  " : " ",
        (unsigned)(unsigned char)string.bytes[k]);
  }
  out(e->out, "\n  '\\0'};\n");
}

void emit_strings(Emitter *e, const char *name, const onnxc_rt_string *strings, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (strings[i].size > MAX_LITERAL) emit_long(e, name, i, strings[i]);
  }
  out(e->out, "static const onnxc_rt_string %s[] = {\n", name);
  for (size_t i = 0; i < n; i++) {
    Arena *scratch = arena_scratch(e->arena);
    size_t size = (size_t)strings[i].size;
    const char *text =
        size > MAX_LITERAL
            ? arena_printf(scratch, "%s_%zu", name, i)
            : arena_printf(scratch, "\"%s\"", text_c_string(scratch, strings[i].bytes, size));
    out(e->out, "  {%s, %zu},\n", text, size);
    arena_drop(scratch);
  }
  out(e->out, n == 0 ? "  {NULL, 0}};\n" : "};\n");
}
