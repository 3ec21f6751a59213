#include "onnxc_harness.h"

#include "onnxc_rt_threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Without a guard behind it, every access past the data is AddressSanitizer's. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
enum { GUARD_BYTES = 0, GUARD = 0xA5 };
#else
enum { GUARD_BYTES = 64, GUARD = 0xA5 };
#endif

/* Memory for new strings: first, and at most. */
static const size_t FIRST_TEXT = 1024, MOST_TEXT = (size_t)1 << 30;

typedef struct Buffer {
  size_t bytes;          /* of the data as the model sees it */
  size_t strings;        /* elements of a string tensor, else 0 */
  unsigned char *memory; /* the data, with GUARD_BYTES behind it */
  unsigned char *text;   /* what the pointers of a string input point to */
} Buffer;

typedef struct Session {
  const onnxc_harness_model *model;
  FILE *request, *response;
  int64_t *sizes, *found;
  Buffer *in, *out, arena, state, new_text;
  const void **in_data;
  void **out_data, *arena_start, *state_start;
  unsigned char *first; /* the beginning of the state, as each run finds it */
  int runs, warm_up, threads;
  double *seconds, *profile; /* of each run; of each step in each run */
  const onnxc_rt_env *env;   /* NULL: one thread */
} Session;

/* ---- memory ------------------------------------------------------------------------------------
 */

/* `bytes` of memory with arbitrary contents and a guard behind. */
static int guarded(Buffer *b, size_t bytes) {
  b->bytes = bytes;
  b->memory = malloc(bytes + GUARD_BYTES);
  if (b->memory == NULL) return ONNXC_HARNESS_MEMORY;
  memset(b->memory, GUARD, bytes + GUARD_BYTES);
  return ONNXC_HARNESS_OK;
}

static int guard_intact(const Buffer *b) {
  const unsigned char *at = b->memory + b->bytes, *end = at + GUARD_BYTES;
  while (at != end && *at == GUARD) at++;
  return at == end;
}

/* Memory that starts at a multiple of the alignment and of nothing larger. */
static int make_aligned(Buffer *b, size_t bytes, size_t align, void **start) {
  int code = guarded(b, bytes + 3 * align);
  if (code != ONNXC_HARNESS_OK) return code;
  size_t past = (size_t)((uintptr_t)b->memory % (2 * align));
  size_t skip = (past <= align ? align : 3 * align) - past;
  *start = b->memory + skip;
  b->bytes = skip + bytes;
  return ONNXC_HARNESS_OK;
}

static int make_state(Session *s) {
  const onnxc_harness_model *model = s->model;
  if (model->reset == NULL) return ONNXC_HARNESS_OK;
  s->first = malloc(model->state_begin + 1);
  if (s->first == NULL) return ONNXC_HARNESS_MEMORY;
  return make_aligned(&s->state, model->state_bytes, model->state_align, &s->state_start);
}

/* ---- request -----------------------------------------------------------------------------------
 */

static int read_bytes(Session *s, void *to, size_t size) {
  return fread(to, 1, size, s->request) == size ? ONNXC_HARNESS_OK : ONNXC_HARNESS_IO;
}

static int read_buffer(Session *s, Buffer *b) {
  int64_t head[2];
  int code = read_bytes(s, head, sizeof head);
  if (code != ONNXC_HARNESS_OK) return code;
  b->strings = (size_t)head[1];
  return guarded(b, (size_t)head[0]);
}

/* The strings that were read become what the elements point to. */
static int point_to_strings(Buffer *b) {
  const char *text = (const char *)b->memory, *end = text + b->bytes;
  b->text = b->memory;
  if (guarded(b, b->strings * sizeof(onnxc_rt_string)) != ONNXC_HARNESS_OK) {
    return ONNXC_HARNESS_MEMORY;
  }
  for (size_t i = 0; i < b->strings; i++) {
    int64_t size;
    if (end - text < (ptrdiff_t)sizeof size) return ONNXC_HARNESS_IO;
    memcpy(&size, text, sizeof size);
    text += sizeof size;
    if (size < 0 || size > end - text) return ONNXC_HARNESS_IO;
    const onnxc_rt_string string = {text, (ptrdiff_t)size};
    memcpy(b->memory + i * sizeof string, &string, sizeof string);
    text += size;
  }
  return ONNXC_HARNESS_OK;
}

static int read_input(Session *s, Buffer *b) {
  int code = read_buffer(s, b);
  if (code == ONNXC_HARNESS_OK) code = read_bytes(s, b->memory, b->bytes);
  if (code == ONNXC_HARNESS_OK && b->strings != 0) code = point_to_strings(b);
  return code;
}

/* String outputs start empty: a model may fill fewer than there is room for. */
static int read_output(Session *s, Buffer *b) {
  int code = read_buffer(s, b);
  if (code == ONNXC_HARNESS_OK && b->strings != 0) memset(b->memory, 0, b->bytes);
  return code;
}

/* The state that is given, or one without history. */
static int read_state(Session *s) {
  int64_t bytes;
  int code = read_bytes(s, &bytes, sizeof bytes);
  if (code != ONNXC_HARNESS_OK || s->model->reset == NULL) return code;
  if (s->model->reset(s->state_start) != 0) return ONNXC_HARNESS_IO;
  if (bytes == (int64_t)s->model->state_bytes) {
    code = read_bytes(s, s->state_start, s->model->state_bytes);
  }
  memcpy(s->first, s->state_start, s->model->state_begin);
  return code;
}

static int read_request(Session *s) {
  int code = read_bytes(s, s->sizes, (size_t)s->model->n_sizes * sizeof *s->sizes);
  for (int i = 0; i < s->model->n_in && code == ONNXC_HARNESS_OK; i++) {
    code = read_input(s, &s->in[i]);
    s->in_data[i] = s->in[i].memory;
  }
  for (int i = 0; i < s->model->n_out && code == ONNXC_HARNESS_OK; i++) {
    code = read_output(s, &s->out[i]);
    s->out_data[i] = s->out[i].memory;
  }
  return code == ONNXC_HARNESS_OK ? read_state(s) : code;
}

/* ---- running -----------------------------------------------------------------------------------
 */

static double read_clock(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void) {
  return read_clock(CLOCK_MONOTONIC);
}

static double *step_seconds; /* in the run at hand */
/* One thread is asked for its own time, so that what else runs on the machine does not count. */
static clockid_t step_clock;

void onnxc_harness_enter(int step) {
  step_seconds[step] -= read_clock(step_clock);
}

void onnxc_harness_leave(int step) {
  step_seconds[step] += read_clock(step_clock);
}

static size_t profile_size(const Session *s) {
  return (size_t)s->runs * (size_t)s->model->n_steps;
}

static int call_model(Session *s) {
  if (s->model->reset != NULL) memcpy(s->state_start, s->first, s->model->state_begin);
  return s->model->run(s->sizes, s->found, s->in_data, s->out_data, s->arena_start, s->state_start,
                       (char *)s->new_text.memory, (ptrdiff_t)s->new_text.bytes, s->env);
}

/* Whether there is more memory for new strings now. */
static int grow_text(Session *s) {
  Buffer larger = {0};
  const size_t bytes = 4 * s->new_text.bytes;
  if (bytes > MOST_TEXT || !guard_intact(&s->new_text)) return 0;
  if (guarded(&larger, bytes) != ONNXC_HARNESS_OK) return 0;
  free(s->new_text.memory);
  s->new_text = larger;
  return 1;
}

static int run_once(Session *s) {
  int code = call_model(s);
  while (code == ONNXC_RT_ERROR_TEXT && grow_text(s)) code = call_model(s);
  return code;
}

/* The code of the last run. */
static int run_all(Session *s) {
  int code = 0;
  step_clock = s->threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
  step_seconds = s->profile;
  for (int i = 0; i < s->warm_up && code == 0; i++) code = run_once(s);
  memset(s->profile, 0, profile_size(s) * sizeof *s->profile);
  for (int i = 0; i < s->runs && code == 0; i++) {
    step_seconds = s->profile + (size_t)i * (size_t)s->model->n_steps;
    double start = now();
    code = run_once(s);
    s->seconds[i] = now() - start;
  }
  return code;
}

static int all_guards_intact(const Session *s) {
  int intact = guard_intact(&s->arena);
  if (s->model->reset != NULL) intact = intact && guard_intact(&s->state);
  if (s->model->makes_text) intact = intact && guard_intact(&s->new_text);
  for (int i = 0; i < s->model->n_in; i++) intact = intact && guard_intact(&s->in[i]);
  for (int i = 0; i < s->model->n_out; i++) intact = intact && guard_intact(&s->out[i]);
  return intact;
}

/* ---- response ----------------------------------------------------------------------------------
 */

static void write_bytes(Session *s, const void *from, size_t size) {
  if (size != 0) fwrite(from, 1, size, s->response); /* failures show in ferror at the end */
}

static onnxc_rt_string string_at(const Buffer *b, size_t i) {
  onnxc_rt_string string;
  memcpy(&string, b->memory + i * sizeof string, sizeof string);
  return string;
}

static void write_strings(Session *s, const Buffer *b) {
  int64_t bytes = 0, size;
  for (size_t i = 0; i < b->strings; i++) {
    bytes += (int64_t)sizeof size + (int64_t)string_at(b, i).size;
  }
  write_bytes(s, &bytes, sizeof bytes);
  for (size_t i = 0; i < b->strings; i++) {
    const onnxc_rt_string string = string_at(b, i);
    size = string.size;
    write_bytes(s, &size, sizeof size);
    if (size != 0) write_bytes(s, string.bytes, (size_t)size);
  }
}

static void write_output(Session *s, const Buffer *b) {
  int64_t bytes = (int64_t)b->bytes;
  if (b->strings != 0) {
    write_strings(s, b);
    return;
  }
  write_bytes(s, &bytes, sizeof bytes);
  write_bytes(s, b->memory, b->bytes);
}

static int write_response(Session *s, int64_t code) {
  int64_t runs = code == 0 ? s->runs : 0;
  write_bytes(s, &code, sizeof code);
  write_bytes(s, &runs, sizeof runs);
  write_bytes(s, s->seconds, (size_t)runs * sizeof *s->seconds);
  if (code == 0) write_bytes(s, s->profile, profile_size(s) * sizeof *s->profile);
  if (code == 0) write_bytes(s, s->found, (size_t)s->model->n_found * sizeof *s->found);
  for (int i = 0; i < s->model->n_out && code == 0; i++) write_output(s, &s->out[i]);
  if (code == 0) write_bytes(s, s->state_start, s->model->state_bytes);
  return ferror(s->response) ? ONNXC_HARNESS_IO : ONNXC_HARNESS_OK;
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static int allocate(Session *s) {
  size_t n_in = (size_t)s->model->n_in + 1, n_out = (size_t)s->model->n_out + 1;
  s->sizes = calloc((size_t)s->model->n_sizes + 1, sizeof *s->sizes);
  s->found = calloc((size_t)s->model->n_found + 1, sizeof *s->found);
  s->in = calloc(n_in, sizeof *s->in);
  s->out = calloc(n_out, sizeof *s->out);
  s->in_data = calloc(n_in, sizeof *s->in_data);
  s->out_data = calloc(n_out, sizeof *s->out_data);
  s->seconds = calloc((size_t)s->runs + 1, sizeof *s->seconds);
  s->profile = calloc(profile_size(s) + 1, sizeof *s->profile);
  int all = s->sizes && s->found && s->in && s->out && s->in_data && s->out_data && s->seconds &&
            s->profile;
  if (!all) return ONNXC_HARNESS_MEMORY;
  int code = s->model->makes_text ? guarded(&s->new_text, FIRST_TEXT) : ONNXC_HARNESS_OK;
  if (code == ONNXC_HARNESS_OK) code = make_state(s);
  if (code != ONNXC_HARNESS_OK) return code;
  return make_aligned(&s->arena, s->model->arena_bytes, s->model->arena_align, &s->arena_start);
}

static void release_buffers(Buffer *buffers, int n) {
  for (int i = 0; i < n && buffers != NULL; i++) {
    free(buffers[i].memory);
    free(buffers[i].text);
  }
  free(buffers);
}

static void release(Session *s) {
  release_buffers(s->in, s->model->n_in);
  release_buffers(s->out, s->model->n_out);
  free(s->arena.memory);
  free(s->state.memory);
  free(s->first);
  free(s->new_text.memory);
  free(s->sizes);
  free(s->found);
  free(s->in_data);
  free(s->out_data);
  free(s->seconds);
  free(s->profile);
}

/* All runs, with a pool when there are to be several threads; *code is that of the last run. */
static int run_on_threads(Session *s, int *code) {
  onnxc_rt_threads pool;
  if (s->threads <= 1) {
    *code = run_all(s);
    return ONNXC_HARNESS_OK;
  }
  if (onnxc_rt_threads_start(&pool, s->threads) != 0) return ONNXC_HARNESS_THREADS;
  onnxc_rt_env env = onnxc_rt_threads_env(&pool);
  s->env = &env;
  *code = run_all(s);
  s->env = NULL;
  onnxc_rt_threads_stop(&pool);
  return ONNXC_HARNESS_OK;
}

static int session(Session *s) {
  int result = 0, code = allocate(s);
  if (code == ONNXC_HARNESS_OK) code = read_request(s);
  if (code == ONNXC_HARNESS_OK) code = run_on_threads(s, &result);
  if (code != ONNXC_HARNESS_OK) return code;
  return all_guards_intact(s) ? write_response(s, result) : ONNXC_HARNESS_OVERRUN;
}

int onnxc_harness_main(const onnxc_harness_model *model, int argc, char **argv) {
  if (argc < 3) return ONNXC_HARNESS_IO;
  Session s = {.model = model,
               .runs = argc > 3 ? atoi(argv[3]) : 1,
               .warm_up = argc > 4 ? atoi(argv[4]) : 0,
               .threads = argc > 5 ? atoi(argv[5]) : 1};
  s.request = fopen(argv[1], "rb");
  s.response = fopen(argv[2], "wb");
  int code = s.request != NULL && s.response != NULL ? session(&s) : ONNXC_HARNESS_IO;
  if (s.request != NULL) fclose(s.request);
  if (s.response != NULL && fclose(s.response) != 0) code = ONNXC_HARNESS_IO;
  release(&s);
  return code;
}
