/* Constant data. Few numbers are written as such; many f32 as the words of their bits, which
 * compilers read several times faster; or everything goes to a file of its own that the caller
 * maps into memory. */
#include "emit/emitter.h"

#include <inttypes.h>
#include <string.h>

enum { READABLE = 64, PER_LINE = 8 };

static const char *element_text(Arena *arena, const Weight *weight, size_t i) {
  const unsigned char *at = (const unsigned char *)weight->data;
  DType dtype = dtype_component(weight->dtype);
  const DTypeInfo *info = dtype_info(dtype);
  if (dtype == ONNXC_RT_F32) return text_f32(arena, ((const float *)weight->data)[i]);
  if (dtype == ONNXC_RT_F64) return text_f64(arena, ((const double *)weight->data)[i]);
  uint64_t bits = 0;
  size_t size = info->bits < 8 ? 1 : (size_t)info->bits / 8;
  memcpy(&bits, at + i * size, size);
  if (info->cls != DTYPE_CLASS_INT || info->bits < 8)
    return arena_printf(arena, "%" PRIu64 "U", bits);
  int64_t value = (int64_t)(bits << (64 - info->bits)) >> (64 - info->bits);
  if (value == INT64_MIN) return "INT64_MIN";
  if (info->bits == 64) return arena_printf(arena, "INT64_C(%" PRId64 ")", value);
  if (value == INT32_MIN) return "INT32_MIN";
  return arena_printf(arena, "%" PRId64, value);
}

static size_t stored_count(const Weight *weight) {
  if (dtype_is_packed(weight->dtype)) return weight->bytes;
  return dtype_component(weight->dtype) == weight->dtype ? weight->count : 2 * weight->count;
}

/* NaN has no literal with its payload. */
static bool has_nan(const Weight *weight) {
  bool floats = dtype_component(weight->dtype) == ONNXC_RT_F32;
  for (size_t i = 0; floats && i < stored_count(weight); i++) {
    float value = ((const float *)weight->data)[i];
    if (value != value) return true;
  }
  return false;
}

static void emit_elements(Emitter *e, Out *file, const Weight *weight, bool bits) {
  size_t n = stored_count(weight);
  Arena *scratch = arena_scratch(e->arena);
  for (size_t i = 0; i < n; i++) {
    if (i % PER_LINE == 0) out(file, "    ");
    if (bits) {
      uint32_t word;
      memcpy(&word, (const unsigned char *)weight->data + 4 * i, sizeof word);
      out(file, "0x%" PRIx32 "U", word);
    } else {
      out(file, "%s", element_text(scratch, weight, i));
    }
    out(file, i + 1 == n ? "\n" : i % PER_LINE == PER_LINE - 1 ? ",\n" : ", ");
    if (i % 4096 == 4095) {
      arena_drop(scratch);
      scratch = arena_scratch(e->arena);
    }
  }
  if (n == 0) out(file, "    0\n");
  arena_drop(scratch);
}

static void emit_inline(Emitter *e, Out *file, uint32_t i) {
  const Weight *weight = &e->steps->weights.data[i];
  size_t n = stored_count(weight);
  bool floats = dtype_component(weight->dtype) == ONNXC_RT_F32;
  bool bits = floats && (n > READABLE || has_nan(weight));
  const char *c_type = dtype_info(weight->dtype)->c_type, *upper = e->interface->upper;
  out(file, "/* %s */\n", text_comment(e->arena, weight->name));
  if (weight->dtype == ONNXC_RT_STRING) {
    e->weight_names[i] = arena_printf(e->arena, "w%u", i);
    emit_strings(e, e->weight_names[i], weight->data, weight->count);
    out(file, "\n");
  } else if (bits) {
    out(file, "%s_WEIGHTS\nstatic const union {\n", upper);
    out(file, "  uint32_t bits[%zu];\n  float values[%zu];\n} w%u = {{\n", n, n, i);
    emit_elements(e, file, weight, true);
    out(file, "}};\n\n");
    e->weight_names[i] = arena_printf(e->arena, "w%u.values", i);
  } else {
    out(file, "%s_WEIGHTS\nstatic const %s w%u[%zu] = {\n", upper, c_type, i, n == 0 ? 1 : n);
    emit_elements(e, file, weight, false);
    out(file, "};\n\n");
    e->weight_names[i] = arena_printf(e->arena, "w%u", i);
  }
}

static bool has_numbers(const Steps *steps) {
  VEC_EACH(Weight, weight, &steps->weights) {
    if (weight->dtype != ONNXC_RT_STRING) return true;
  }
  return false;
}

/* What stands before each array, where any compiler takes what places one: attributes, __declspec,
 * _Pragma. Arrays of strings hold addresses, which the loader writes in some programs. */
static void emit_place(Emitter *e) {
  if (!has_numbers(e->steps)) return;
  out(e->out, "#ifndef %s_WEIGHTS\n#define %s_WEIGHTS\n#endif\n\n", e->interface->upper,
      e->interface->upper);
}

/* Strings point to their bytes, so they stay in the source. In a file each other weight starts at a
 * multiple of ARENA_ALIGN. `base` points to its beginning. */
static void write_file(Emitter *e, Out *file, const char *base) {
  static const char zeros[ARENA_ALIGN] = {0};
  size_t at = 0;
  for (uint32_t i = 0; i < e->steps->weights.len; i++) {
    const Weight *weight = &e->steps->weights.data[i];
    if (weight->dtype == ONNXC_RT_STRING) {
      emit_inline(e, e->out, i);
      continue;
    }
    out_raw(file, weight->data, weight->bytes);
    e->weight_names[i] = arena_printf(e->arena, "(const %s *)(const void *)(%s + %zu)",
                                      dtype_info(weight->dtype)->c_type, base, at);
    size_t padding = (ARENA_ALIGN - weight->bytes % ARENA_ALIGN) % ARENA_ALIGN;
    out_raw(file, zeros, padding);
    at += weight->bytes + padding;
  }
}

/* The assembler puts the file between two labels. */
static void emit_incbin(Emitter *e) {
  const char *name = e->interface->name, *upper = e->interface->upper;
  out(e->out,
      "/* Where the assembler finds the weights: its working directory and -Wa,-I paths. */\n");
  out(e->out, "#ifndef %s_WEIGHTS_FILE\n#define %s_WEIGHTS_FILE \"%s.weights.bin\"\n#endif\n",
      upper, upper, name);
  out(e->out, "#ifndef %s_WEIGHTS_SECTION\n#define %s_WEIGHTS_SECTION \".rodata\"\n#endif\n", upper,
      upper);
  out(e->out, "#if !defined(__ELF__)\n#error --weights=incbin needs an ELF target\n#endif\n");
  out(e->out, "__asm__(\".section \" %s_WEIGHTS_SECTION \",\\\"a\\\",%%progbits\\n\"\n", upper);
  out(e->out, "\".balign %d\\n\"\n\"%s_weights_data:\\n\"\n", ARENA_ALIGN, name);
  out(e->out, "\".incbin \\\"\" %s_WEIGHTS_FILE \"\\\"\\n\"\n\".previous\\n\");\n", upper);
  out(e->out, "extern const unsigned char %s_weights_data[]", name);
  out(e->out, " __attribute__((visibility(\"hidden\")));\n\n");
}

void emit_weights_header(Emitter *e, const EmitFiles *files) {
  const char *name = e->interface->name, *upper = e->interface->upper;
  if (e->weights_from_caller || !has_numbers(e->steps)) return;
  if (files->incbin) {
    out(files->header,
        "/* The constants lie in the section .rodata, or in the one that the string\n"
        " * %s_WEIGHTS_SECTION names when %s.c is compiled. */\n\n",
        upper, name);
  } else {
    out(files->header,
        "/* %s_WEIGHTS stands before each array of constants in %s.c. It is empty unless\n"
        " * defined, for example as __attribute__((section(\".flash_data\"))). */\n\n",
        upper, name);
  }
}

void emit_weights(Emitter *e, const EmitFiles *files) {
  if (files->weights == NULL) {
    emit_place(e);
    for (uint32_t i = 0; i < e->steps->weights.len; i++) emit_inline(e, e->out, i);
  } else if (files->incbin) {
    emit_incbin(e);
    write_file(e, files->weights, arena_printf(e->arena, "%s_weights_data", e->interface->name));
  } else {
    write_file(e, files->weights, "(const unsigned char *)f->in->weights");
  }
}
