#include "routes.h"

#include "emit/emit.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "plant.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, PATTERN = 0xa5 };

__attribute__((format(printf, 3, 4))) static void fail(Job *job, const char *route,
                                                       const char *format, ...) {
  va_list args;
  va_start(args, format);
  job->failed = true;
  job->route = route;
  fprintf(job->report, "route %s: ", route);
  vfprintf(job->report, format, args);
  fputc('\n', job->report);
  va_end(args);
}

/* ---- compiling text ----------------------------------------------------------------------------
 */

static bool parse(Compilation *c, void *text) {
  c->graph = graph_parse(&c->ctx, text, "text");
  c->next = 1; /* behind import */
  return c->graph != NULL;
}

/* The stages up to `until` at an -O level; NULL: reported. */
static Compilation *compile(Job *job, const char *route, const onnxc_options *options,
                            const char *until) {
  Compilation *c = compilation_new("text", options);
  if (c == NULL) {
    fail(job, route, "out of memory");
    return NULL;
  }
  bool done =
      compilation_guard(c, parse, (void *)(uintptr_t)job->text) && compilation_run(c, until);
  const char *message = onnxc_diagnostic(c, 0);
  bool warned = done && message != NULL && strstr(message, "cannot be verified") == NULL;
  if (done && !warned) return c;
  fail(job, route, "%s", message == NULL ? "refused" : message);
  onnxc_free(c);
  return NULL;
}

/* ---- interpreted -------------------------------------------------------------------------------
 */

static bool agree(Job *job, const char *route, const Compilation *c, const Tensor *const *outputs) {
  for (size_t i = 0; i < job->plain->graph->outputs.len; i++) {
    const char *difference = sample_difference(job->sample, i, outputs[i], c->arena);
    if (difference == NULL) continue;
    fail(job, route, "output '%s': %s", job->plain->graph->outputs.data[i]->name, difference);
    return false;
  }
  return true;
}

static bool interpret(Job *job, const char *route, Compilation *c) {
  const Node *failed;
  const Tensor **outputs = ARENA_ARRAY(c->arena, c->graph->outputs.len, const Tensor *);
  if (!sample_run(job->sample, c->graph, outputs, c->arena, &failed)) {
    fail(job, route, "%s cannot be interpreted", failed->op->name);
    return false;
  }
  return agree(job, route, c, outputs);
}

static bool take_sample(Job *job) {
  /* the first that the graph can be run with: sizes may be too small for it, integers too large */
  static const SampleForm forms[] = {{0, 5, 8, 0}, {0, 5, 2, 0}, {1, 4, 8, 0}, {1, 4, 1, 0}};
  const Node *failed = NULL;
  onnxc_options options = {.level = 1};
  job->plain = compile(job, "-O0", &options, "passes");
  if (job->plain == NULL) return false;
  for (size_t i = 0; i < sizeof forms / sizeof *forms && job->sample == NULL; i++) {
    SampleForm form = forms[i];
    form.seed = job->seed;
    job->sample = sample_take(job->plain->graph, &form, job->plain->arena, &failed);
  }
  if (job->sample != NULL) return true;
  fail(job, "-O0", "%s cannot be interpreted", failed == NULL ? "it" : failed->op->name);
  return false;
}

static const PassDef *pass_of(const PassCount *count) {
  for (size_t i = 0; i < pass_count(); i++) {
    if (strcmp(pass_at(i)->name, count->pass) == 0) return pass_at(i);
  }
  return NULL;
}

/* Whether a flag -fno-NAME is there for the pass or rule. */
static bool has_switch(const PassCount *count) {
  return !pass_of(count)->required && count->hits != 0;
}

static bool is_listed(const PassCount *count) {
  const char *rule = "";
  for (size_t i = 0; rule != NULL; i++) {
    rule = pass_rule(pass_of(count), i);
    if (rule != NULL && strcmp(rule, count->rule) == 0) return true;
  }
  return false;
}

static void without(Job *job, const PassCount *count) {
  const char *flag =
      arena_printf(job->plain->arena, "no-%s", count->rule == NULL ? count->pass : count->rule);
  const char *route = arena_printf(job->plain->arena, "-f%s", flag);
  onnxc_options options = {.level = 4, .pass_flags = &flag, .n_pass_flags = 1};
  Compilation *c = compile(job, route, &options, "passes");
  if (c == NULL) return;
  job->switched++;
  interpret(job, route, c);
  onnxc_free(c);
}

static void without_each(Job *job, const PassReport *report) {
  VEC_EACH(const PassCount, count, &report->counts) {
    if (job->failed || !has_switch(count)) continue;
    if (count->rule != NULL && !is_listed(count))
      fail(job, "switches", "'onnxc passes' does not list rule %s of %s", count->rule, count->pass);
    else
      without(job, count);
  }
}

/* ---- generated C -------------------------------------------------------------------------------
 */

static void write_members(Out *w, const char *object, const char *array, const void *members_,
                          bool tensors) {
  const __typeof__(((EmitInterface *)0)->inputs) *members = members_;
  size_t at = 0;
  VEC_EACH(EmitMember, member, members) {
    if ((member->value != NULL) != tensors) continue;
    out(w, "%s.%s = %s[%zu];\n", object, member->name, array, at++);
  }
}

/* The model, and a function around it that takes arrays. */
static bool write_sources(Compilation *c, void *folder) {
  const EmitInterface *face = c->interface;
  compilation_open_files(c);
  EmitFiles files = {
      .header = files_open(c->files, arena_printf(c->arena, "%s/%s.h", (char *)folder, face->name)),
      .source =
          files_open(c->files, arena_printf(c->arena, "%s/%s.c", (char *)folder, face->name))};
  if (files.header == NULL || files.source == NULL) return false;
  emit_files(c->steps, c->plan, face, &files);
  Out *w = files.source;
  out(w, "\nconst ptrdiff_t %s_bytes = %s_ARENA_BYTES, %s_align = %s_ARENA_ALIGN;\n", face->name,
      face->upper, face->name, face->upper);
  out(w,
      "int %s_call(const int64_t *sizes, const void *const *in, void *const *out, void *arena);\n",
      face->name);
  out(w,
      "int %s_call(const int64_t *sizes, const void *const *in, void *const *out, void *arena) {\n",
      face->name);
  out(w, "struct %s_inputs inputs = {0};\nstruct %s_outputs outputs = {0};\n", face->name,
      face->name);
  write_members(w, "inputs", "sizes", &face->inputs, false);
  write_members(w, "inputs", "in", &face->inputs, true);
  write_members(w, "outputs", "out", &face->outputs, true);
  out(w, "(void)sizes, (void)in, (void)out;\n");
  out(w, "return %s_run(&inputs, &outputs, arena, NULL);\n}\n", face->name);
  return files_commit(c->files);
}

static void write_c(const RouteOptions *o, Job *job, size_t number, int level, const char *flag) {
  Arena *arena = job->plain->arena;
  size_t k = job->n_compiled;
  const char **flags = ARENA_NEW(arena, const char *);
  *flags = flag;
  onnxc_options options = {.level = 1 + level, .pass_flags = flags, .n_pass_flags = flag != NULL};
  const char *route = job->routes[k] =
      arena_printf(arena, "C -O%d%s%s", level, flag == NULL ? "" : " -f", flag == NULL ? "" : flag);
  options.name = arena_printf(arena, "g%zu_%zu", number, k);
  options.poison = o->poison;
  Compilation *c = compile(job, route, &options, o->plant ? "plan" : NULL);
  if (c == NULL) return;
  if (o->plant) job->planted = plant_fault(c, job->seed);
  if (!compilation_run(c, NULL)) return;
  job->compiled[job->n_compiled++] = c;
  if (!compilation_guard(c, write_sources, (void *)(uintptr_t)o->folder)) {
    fail(job, route, "%s", onnxc_diagnostic(c, 0));
  }
}

typedef int Generated(const int64_t *sizes, const void *const *in, void *const *out, void *arena);

/* Memory with a guard behind it. */
static unsigned char *guarded(Arena *arena, size_t bytes, size_t align) {
  uintptr_t at = (uintptr_t)arena_alloc(arena, bytes + GUARD + align);
  unsigned char *memory = (unsigned char *)((at + align - 1) / align * align);
  memset(memory, PATTERN, bytes + GUARD);
  return memory;
}

static bool guard_holds(const unsigned char *memory, size_t bytes) {
  for (size_t i = 0; i < GUARD; i++) {
    if (memory[bytes + i] != PATTERN) return false;
  }
  return true;
}

static int64_t *sizes_of(const Job *job, const Compilation *c) {
  int64_t *sizes = ARENA_ARRAY(c->arena, c->interface->inputs.len, int64_t);
  size_t n = 0;
  VEC_EACH(EmitMember, member, &c->interface->inputs) {
    if (member->value == NULL)
      sizes[n++] = job->sample->symbols[dim_as_symbol(member->size)->symbol];
  }
  return sizes;
}

static void run_built(Job *job, const char *route, Compilation *c, void *library) {
  const char *name = c->interface->name;
  Generated *call = (Generated *)dlsym(library, arena_printf(c->arena, "%s_call", name));
  const ptrdiff_t *bytes = dlsym(library, arena_printf(c->arena, "%s_bytes", name)),
                  *align = dlsym(library, arena_printf(c->arena, "%s_align", name));
  size_t n = job->plain->graph->outputs.len;
  const Tensor **outputs = ARENA_ARRAY(c->arena, n, const Tensor *);
  void **out = ARENA_ARRAY(c->arena, n, void *);
  const void **in = ARENA_ARRAY(c->arena, c->graph->inputs.len, const void *);
  for (size_t i = 0; i < c->graph->inputs.len; i++) in[i] = job->sample->inputs[i]->data;
  for (size_t i = 0; i < n; i++) {
    Tensor *tensor = arena_copy(c->arena, job->sample->outputs[i], sizeof *tensor);
    tensor->data = out[i] = guarded(c->arena, tensor->bytes, GUARD);
    outputs[i] = tensor;
  }
  unsigned char *arena = guarded(c->arena, (size_t)*bytes, (size_t)*align);
  int code = call(sizes_of(job, c), in, out, arena);
  if (code != 0) {
    fail(job, route, "the generated function returns %d", code);
    return;
  }
  job->built++;
  bool kept = guard_holds(arena, (size_t)*bytes);
  for (size_t i = 0; i < n; i++) kept = kept && guard_holds(out[i], outputs[i]->bytes);
  if (!kept)
    fail(job, route, "the generated function writes past its memory");
  else
    agree(job, route, c, outputs);
}

/* Sizes that only a run finds are another test's affair. */
static bool has_found_sizes(const Compilation *c) {
  VEC_EACH(EmitMember, member, &c->interface->outputs) {
    if (member->value == NULL) return true;
  }
  return false;
}

bool routes_prepare(const char *folder, const char *cc) {
  char command[4096];
  snprintf(command, sizeof command,
           "cd %s && for f in onnxc_rt_kernels onnxc_rt_math onnxc_rt_reference; do "
           "echo \"#include <$f.h>\"; done > runtime.h && %s -x c-header runtime.h",
           folder, cc);
  return system(command) == 0;
}

/* Whether there is an element that may be anything: what is expected is NaN or mere rounding. */
static bool is_blind(const Job *job) {
  const Sample *s = job->sample;
  for (size_t i = 0; i < job->plain->graph->outputs.len; i++) {
    for (size_t k = 0; s->allowed[i] != NULL && k < s->outputs[i]->count; k++) {
      if (!isfinite(s->allowed[i][k]) || !isfinite(tensor_f64(s->outputs[i], k))) return true;
    }
  }
  return false;
}

/* A fault that was planted and shows is as it should be. */
static void expect_failure(Job *job) {
  bool shows = job->failed, planted = job->planted != NULL && job->n_compiled != 0;
  if (!planted || (!shows && is_blind(job))) return;
  job->failed = false;
  job->caught = shows;
  if (!shows) fail(job, "plant", "the fault does not show: %s", job->planted);
}

void jobs_run_built(const RouteOptions *o, Job *jobs, size_t n) {
  char command[1 << 16];
  if (o->cc == NULL) return;
  size_t at =
      (size_t)snprintf(command, sizeof command,
                       "cd %s && %s -include ../runtime.h -shared -o all.so", o->folder, o->cc);
  size_t before = at;
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < jobs[i].n_compiled && at < sizeof command - 128; k++) {
      at += (size_t)snprintf(command + at, sizeof command - at, " %s.c",
                             jobs[i].compiled[k]->interface->name);
    }
  }
  if (at == before) return;
  snprintf(command + at, sizeof command - at, " 2> errors.txt");
  char path[4096];
  snprintf(path, sizeof path, "%s/all.so", o->folder);
  void *library = system(command) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  for (size_t i = 0; i < n; i++) {
    Job *job = &jobs[i];
    for (size_t k = 0; k < job->n_compiled && !job->failed; k++) {
      if (library != NULL)
        run_built(job, job->routes[k], job->compiled[k], library);
      else
        fail(job, "cc", "the C compiler fails: %s/errors.txt", o->folder);
    }
    if (o->plant && library != NULL) expect_failure(job);
  }
  if (library != NULL) dlclose(library);
}

/* ---- a job -------------------------------------------------------------------------------------
 */

/* A pass that did something, picked by the seed: C is generated without it, too. */
static const char *some_switch(const Job *job, const PassReport *report, Arena *arena) {
  size_t at = (size_t)(job->seed % (report->counts.len + 1));
  for (size_t i = at; i < report->counts.len; i++) {
    const PassCount *count = &report->counts.data[i];
    if (count->rule == NULL && has_switch(count)) return arena_printf(arena, "no-%s", count->pass);
  }
  return NULL;
}

void job_begin(const RouteOptions *o, Job *job, size_t number) {
  onnxc_options verified = {.level = 4, .verify_passes = 1};
  if (!take_sample(job)) return;
  Compilation *c = compile(job, "-O3 --verify-passes", &verified, "passes");
  if (c == NULL) return;
  job->hits = c->passes.rewrites;
  const char *flag = some_switch(job, &c->passes, job->plain->arena);
  if (interpret(job, "-O3", c) && o->switches) without_each(job, &c->passes);
  onnxc_free(c);
  if (job->failed || o->cc == NULL) return;
  if (!o->plant) write_c(o, job, number, 0, NULL);
  if (!job->failed) write_c(o, job, number, 3, NULL);
  if (!job->failed && !o->plant && flag != NULL) write_c(o, job, number, 3, flag);
  for (size_t i = 0; i < job->n_compiled; i++) {
    if (!has_found_sizes(job->compiled[i])) continue;
    while (job->n_compiled != 0) onnxc_free(job->compiled[--job->n_compiled]);
  }
}

void job_end(Job *job) {
  while (job->n_compiled != 0) onnxc_free(job->compiled[--job->n_compiled]);
  onnxc_free(job->plain);
}
