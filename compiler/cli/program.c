#include "cli/program.h"

#include "cli/compare.h"
#include "cli/process.h"
#include "inspect/inspect.h"
#include "onnxc_rt.h"
#include "ops/op.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMBER(name_) .offset = offsetof(BuildOptions, name_)

const CliOption cli_build_options[] = {
    {.name = "cc",
     .unrecorded = true,
     .kind = CLI_TEXT,
     MEMBER(cc),
     .value = "COMMAND",
     .help = "C compiler (default: $CC, else cc)"},
    {.name = "cflags",
     .unrecorded = true,
     .kind = CLI_TEXT,
     MEMBER(cflags),
     .value = "FLAGS",
     .help = "flags for it"},
    {.name = "keep",
     .unrecorded = true,
     .kind = CLI_TEXT,
     MEMBER(keep),
     .value = "DIR",
     .help = "keep what is generated and built in a folder below DIR"},
    {.kind = CLI_END}};

/* ---- the runtime -------------------------------------------------------------------------------
 */

typedef struct Runtime {
  const char *include, *folder, *library, *threads, *harness;
} Runtime;

static bool exists(const char *path) {
  return access(path, R_OK) == 0;
}

/* In a build folder all lies side by side, in an installation libraries are in lib/. */
static bool runtime_below(Arena *a, const char *root, Runtime *found) {
  static const char *const folders[] = {"", "lib"};
  found->include = files_join(a, root, "include");
  if (!exists(files_join(a, found->include, "onnxc_harness.h"))) return false;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    const char *folder = found->folder = files_join(a, root, folders[i]);
    found->library = files_join(a, folder, "libonnxc_rt.a");
    found->threads = files_join(a, folder, "libonnxc_rt_threads.a");
    found->harness = files_join(a, folder, "libonnxc_harness.a");
    if (exists(found->library) && exists(found->threads) && exists(found->harness)) return true;
  }
  return false;
}

/* The folder of this program. */
static const char *program_folder(Arena *a, const char *argv0) {
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  path[length < 0 ? 0 : length] = '\0';
  const char *name = length < 0 ? argv0 : path, *slash = strrchr(name, '/');
  return slash == NULL ? "." : arena_printf(a, "%.*s", (int)(slash - name), name);
}

static const char *find_runtime(Cli *cli, Runtime *found) {
  const char *given = getenv("ONNXC_RUNTIME"), *here = program_folder(cli->arena, cli->program);
  if (given != NULL) {
    if (runtime_below(cli->arena, given, found)) return NULL;
    return arena_printf(cli->arena, "no runtime in ONNXC_RUNTIME, '%s'", given);
  }
  if (runtime_below(cli->arena, here, found)) return NULL;
  if (runtime_below(cli->arena, files_join(cli->arena, here, ".."), found)) return NULL;
  return "the runtime is not beside the program; set ONNXC_RUNTIME to the folder that has "
         "include/onnxc_rt.h and libonnxc_rt.a";
}

/* ---- generating and building -------------------------------------------------------------------
 */

static void write_sizes(Out *w, const char *object, const char *array, const EmitMember *members,
                        size_t n, bool to_array) {
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    if (members[i].value != NULL) continue;
    if (to_array)
      out(w, "%s[%zu] = %s.%s;\n", array, at++, object, members[i].name);
    else
      out(w, "%s.%s = %s[%zu];\n", object, members[i].name, array, at++);
  }
}

static void write_tensors(Out *w, const char *object, const char *array, const EmitMember *members,
                          size_t n) {
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    if (members[i].value != NULL)
      out(w, "%s.%s = %s[%zu];\n", object, members[i].name, array, at++);
  }
}

static size_t count_tensors(const EmitMember *members, size_t n) {
  size_t tensors = 0;
  for (size_t i = 0; i < n; i++) tensors += members[i].value != NULL;
  return tensors;
}

/* The numbers that a run changes in place. */
static size_t state_begin(const Steps *steps) {
  return (2 + steps->state.sizes.len) * sizeof(int64_t);
}

size_t program_profiled(const Compilation *c) {
  return c->options.profile ? inspect_totals(c->steps).steps : 0;
}

/* The C between the harness and the model: it moves what the harness read into the model's structs
 * and back. */
static void write_glue(Out *w, const Compilation *c) {
  const EmitInterface *face = c->interface;
  size_t in = count_tensors(face->inputs.data, face->inputs.len);
  size_t out_ = count_tensors(face->outputs.data, face->outputs.len);
  out(w, "#include \"%s.h\"\n#include \"onnxc_harness.h\"\n\n", face->name);
  out(w, "static int run(const int64_t *sizes, int64_t *found, const void *const *in,\n"
         "               void *const *out, void *arena, void *state, char *text,\n"
         "               ptrdiff_t text_bytes, const onnxc_rt_env *env) {\n");
  out_indent(w, 1);
  out(w, "struct %s_inputs inputs = {0};\nstruct %s_outputs outputs = {0};\n", face->name,
      face->name);
  write_sizes(w, "inputs", "sizes", face->inputs.data, face->inputs.len, false);
  write_tensors(w, "inputs", "in", face->inputs.data, face->inputs.len);
  write_tensors(w, "outputs", "out", face->outputs.data, face->outputs.len);
  if (face->keeps_state) out(w, "inputs.state = state;\n");
  if (face->makes_text) {
    out(w, "outputs.text = text;\noutputs.text_bytes = text_bytes;\n");
  }
  out(w, "int code = %s_run(&inputs, &outputs, arena, env);\n", face->name);
  write_sizes(w, "outputs", "found", face->outputs.data, face->outputs.len, true);
  out(w, "(void)sizes, (void)found, (void)in, (void)out, (void)state, (void)text;\n"
         "(void)text_bytes;\nreturn code;\n");
  out_indent(w, -1);
  out(w, "}\n\nint main(int argc, char **argv) {\n");
  out(w,
      "  static const onnxc_harness_model model = {%zu, %zu, %zu, %zu, %s_ARENA_BYTES, "
      "%s_ARENA_ALIGN, %d, ",
      in, out_, face->inputs.len - in, face->outputs.len - out_, face->upper, face->upper,
      face->makes_text);
  if (face->keeps_state) {
    out(w, "%s_STATE_BYTES, %s_STATE_ALIGN, %zu, %s_reset, ", face->upper, face->upper,
        state_begin(c->steps), face->name);
  } else {
    out(w, "0, 1, 0, NULL, ");
  }
  out(w, "%zu, run};\n", program_profiled(c));
  out(w, "  return onnxc_harness_main(&model, argc, argv);\n}\n");
}

static bool write_sources(Compilation *c, void *folder) {
  Files *files = files_new(c->arena, c->ctx.diag);
  Out *w = files_open(files, files_join(c->arena, folder, "main.c"));
  if (w == NULL) return false;
  write_glue(w, c);
  return files_commit(files);
}

/* Appends the words of a command line to argv; quotes are not special. */
static void add_words(Arena *arena, CliList *argv, const char *line) {
  while (*(line += strspn(line, " ")) != '\0') {
    size_t length = strcspn(line, " ");
    vec_push(arena, argv, arena_printf(arena, "%.*s", (int)length, line));
    line += length;
  }
}

/* Whether a node calls a kernel of an optional part of the runtime. */
static bool needs_library(const Graph *graph, const char *library) {
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    if (node->op->library != NULL && strcmp(node->op->library, library) == 0) return true;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      const Attr *attr = &node->attrs[i];
      if (attr->kind == ATTR_GRAPH && needs_library(attr->graph, library)) return true;
    }
  }
  return false;
}

/* The optional parts that the model needs, with what they link. */
static void add_libraries(Arena *arena, CliList *argv, const Runtime *runtime, const Program *p) {
  static const struct {
    const char *library, *flags;
  } parts[] = {{"onnxc_rt_image", ONNXC_IMAGE_FLAGS}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (!needs_library(p->compilation->graph, parts[i].library)) continue;
    vec_push(arena, argv, arena_printf(arena, "%s/lib%s.a", runtime->folder, parts[i].library));
    vec_push(arena, argv, runtime->library);
    add_words(arena, argv, parts[i].flags);
  }
}

/* argv of the C compiler. */
static CliList compile_command(Cli *cli, const BuildOptions *options, const char *cflags,
                               const Runtime *runtime, const Program *p) {
  Arena *a = cli->arena;
  const char *cc = options->cc != NULL ? options->cc : getenv("CC");
  const char *source = arena_printf(a, "%s.c", p->compilation->interface->name);
  CliList argv = {0};
  add_words(a, &argv, cc == NULL || *cc == '\0' ? "cc" : cc);
  add_words(a, &argv, "-std=c99");
  add_words(a, &argv, ONNXC_RUNTIME_CFLAGS);
  add_words(a, &argv, options->cflags != NULL ? options->cflags : cflags);
  const EmitInterface *face = p->compilation->interface;
  const char *weights = arena_printf(a, "%s/%s.weights.bin", p->folder, face->name);
  vec_push(a, &argv, arena_printf(a, "-D%s_WEIGHTS_FILE=\"%s\"", face->upper, weights));
  const char *rest[] = {"-I",
                        p->folder,
                        "-I",
                        runtime->include,
                        "-o",
                        p->path,
                        files_join(a, p->folder, "main.c"),
                        files_join(a, p->folder, source),
                        runtime->harness,
                        runtime->threads,
                        runtime->library,
                        "-pthread"};
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) vec_push(a, &argv, rest[i]);
  add_libraries(a, &argv, runtime, p);
  vec_push(a, &argv, "-lm");
  vec_push(a, &argv, NULL);
  return argv;
}

static const char *first_line(Arena *arena, const char *text) {
  return arena_printf(arena, "%.*s", (int)strcspn(text, "\n"), text);
}

/* The line of a compiler's output that says what is wrong, without the folder's name, which is
 * different every time. */
static const char *error_line(Arena *arena, const char *output, const char *folder) {
  const char *at = strstr(output, "error");
  while (at != NULL && at > output && at[-1] != '\n') at--;
  if (at == NULL) at = output;
  size_t length = strlen(folder);
  return first_line(arena, strncmp(at, folder, length) == 0 ? at + length + 1 : at);
}

const char *program_build(Cli *cli, const BuildOptions *options, const char *default_cflags,
                          Compilation *c, const char *folder, Program *program) {
  Runtime runtime;
  Arena *a = cli->arena;
  const char *wrong = find_runtime(cli, &runtime);
  if (wrong != NULL) return wrong;
  *program = (Program){c, folder, files_join(a, folder, "program")};
  /* A weights file becomes part of the program, so that there is one thing to run. */
  if (compilation_weights_apart(c)) c->options.weights = ONNXC_WEIGHTS_INCBIN;
  if (onnxc_write(c, folder) != 0 ||
      !compilation_guard(c, write_sources, (void *)(uintptr_t)folder)) {
    return onnxc_diagnostic(c, 0);
  }
  CliList argv = compile_command(cli, options, default_cflags, &runtime, program);
  Finished result;
  if (!process_run(a, argv.data, &result)) {
    return arena_printf(a, "cannot run '%s': %s", argv.data[0], strerror(errno));
  }
  if (result.exit_code == 0 && result.signal == 0) return NULL;
  return arena_printf(a, "the C compiler failed: %s", error_line(a, result.output, folder));
}

/* ---- its size ----------------------------------------------------------------------------------
 */

static bool read_at(FILE *file, uint64_t offset, void *to, size_t size) {
  return fseek(file, (long)offset, SEEK_SET) == 0 && fread(to, 1, size, file) == size;
}

/* The sections of an ELF file that are loaded and executed. */
static size_t executable_bytes(FILE *file) {
  Elf64_Ehdr head;
  size_t total = 0;
  if (!read_at(file, 0, &head, sizeof head)) return 0;
  if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64) return 0;
  for (unsigned i = 0; i < head.e_shnum; i++) {
    Elf64_Shdr section;
    if (!read_at(file, head.e_shoff + i * sizeof section, &section, sizeof section)) return 0;
    if (section.sh_flags & SHF_EXECINSTR) total += section.sh_size;
  }
  return total;
}

size_t program_text_bytes(const Program *program) {
  FILE *file = fopen(program->path, "rb");
  if (file == NULL) return 0;
  size_t bytes = executable_bytes(file);
  fclose(file);
  return bytes;
}
