#include "import/external.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct External {
  Arena *arena;
  Diag *diag;
  DiagSite site;
  const char *model, *tensor;
  const char *entries[4]; /* values by ExternalKey */
  uint64_t offset, length;
} External;

typedef enum ExternalKey { LOCATION, OFFSET, LENGTH, CHECKSUM } ExternalKey;

static const char *const keys[] = {
    [LOCATION] = "location", [OFFSET] = "offset", [LENGTH] = "length", [CHECKSUM] = "checksum"};

enum { N_KEYS = sizeof keys / sizeof *keys };

static bool refuse(const External *e, const char *what, const char *detail) {
  return diag_error(e->diag, DIAG_INVALID, e->site, "external data of '%s': %s%s", e->tensor, what,
                    detail);
}

static int find_key(const char *key) {
  for (int i = 0; i < N_KEYS; i++) {
    if (strcmp(keys[i], key) == 0) return i;
  }
  return -1;
}

static bool read_entries(External *e, const Onnx__TensorProto *tensor) {
  for (size_t i = 0; i < tensor->n_external_data; i++) {
    const Onnx__StringStringEntryProto *entry = tensor->external_data[i];
    int key = entry->key == NULL ? -1 : find_key(entry->key);
    if (key < 0) return refuse(e, "unknown key ", entry->key == NULL ? "" : entry->key);
    if (e->entries[key] != NULL) return refuse(e, "duplicate key ", entry->key);
    e->entries[key] = entry->value == NULL ? "" : entry->value;
  }
  return e->entries[LOCATION] != NULL || refuse(e, "no location", "");
}

/* Decimal digits only. */
static bool parse_number(const char *text, uint64_t *value) {
  *value = 0;
  if (*text == '\0') return false;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return false;
    if (__builtin_mul_overflow(*value, UINT64_C(10), value)) return false;
    if (__builtin_add_overflow(*value, (uint64_t)(*text - '0'), value)) return false;
  }
  return true;
}

static bool read_range(External *e, size_t bytes) {
  const char *offset = e->entries[OFFSET], *length = e->entries[LENGTH];
  e->length = bytes;
  if (offset != NULL && !parse_number(offset, &e->offset)) return refuse(e, "bad offset ", offset);
  if (length != NULL && !parse_number(length, &e->length)) return refuse(e, "bad length ", length);
  return e->length == bytes || refuse(e, "length is not that of its shape: ", length);
}

/* The descriptor of the model's folder. */
static int open_folder(const External *e) {
  const char *slash = strrchr(e->model, '/');
  const char *folder = ".";
  if (slash != NULL) folder = arena_printf(e->arena, "%.*s/", (int)(slash - e->model), e->model);
  return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Steps from `folder` (closed) into its entry `name`; the last step opens the file. */
static int open_step(int folder, const char *name, bool last) {
  int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY);
  int next = openat(folder, name, flags);
  int error = errno;
  close(folder);
  errno = error;
  return next;
}

/* Opens `location` below the model's folder, one component at a time; -1 with errno. */
static int open_below(const External *e, char *location) {
  int at = open_folder(e);
  for (char *name = location, *next; at >= 0 && name != NULL; name = next) {
    next = strchr(name, '/');
    if (next != NULL) *next++ = '\0';
    if (strcmp(name, ".") != 0) at = open_step(at, name, next == NULL);
  }
  return at;
}

static bool is_inside(const char *location) {
  if (*location == '/' || *location == '\0') return false;
  for (const char *name = location; name != NULL; name = strchr(name, '/')) {
    if (*name == '/') name++;
    size_t length = strcspn(name, "/");
    if (length == 0 || (length == 2 && memcmp(name, "..", 2) == 0)) return false;
  }
  return true;
}

/* The open file, after all checks; -1: reported. */
static int open_checked(const External *e, char *location) {
  struct stat info;
  uint64_t end;
  int file = open_below(e, location);
  const char *fault = NULL;
  if (file < 0 || fstat(file, &info) != 0) {
    fault =
        errno == ELOOP || errno == ENOTDIR ? "a link, or no folder, on the way" : strerror(errno);
  } else if (!S_ISREG(info.st_mode) || info.st_nlink > 1) {
    fault = "not a regular file with one name";
  } else if (__builtin_add_overflow(e->offset, e->length, &end) || end > (uint64_t)info.st_size) {
    fault = "offset and length lie past the end of the file";
  }
  if (fault == NULL) return file;
  if (file >= 0) close(file);
  refuse(e, fault, "");
  return -1;
}

/* What is wrong, or NULL. */
static const char *read_file(const External *e, int file, uint8_t *to) {
  for (uint64_t done = 0; done < e->length;) {
    ssize_t n = pread(file, to + done, e->length - done, (off_t)(e->offset + done));
    if (n == 0) return "the file became shorter";
    if (n < 0 && errno != EINTR) return strerror(errno);
    if (n > 0) done += (uint64_t)n;
  }
  return NULL;
}

/* Tensors of one file mostly follow one another. */
static void remember(Context *ctx, const char *model, const char *location) {
  const char *slash = strrchr(model, '/');
  int length = slash == NULL ? 0 : (int)(slash + 1 - model);
  const char *path = arena_printf(ctx->arena, "%.*s%s", length, model, location);
  size_t n = ctx->sources.len;
  if (n != 0 && strcmp(ctx->sources.data[n - 1], path) == 0) return;
  vec_push(ctx->arena, &ctx->sources, path);
}

/* The file is opened twice: memory is taken between, once its size is known to be there, and with
 * nothing open that running out of memory would leave behind. */
const void *external_load(Context *ctx, DiagSite site, const char *model,
                          const Onnx__TensorProto *tensor, size_t bytes) {
  Arena *arena = ctx->arena;
  External e = {.arena = arena, .diag = ctx->diag, .site = site, .model = model};
  e.tensor = tensor->name == NULL ? "" : tensor->name;
  if (!read_entries(&e, tensor) || !read_range(&e, bytes)) return NULL;
  const char *location = e.entries[LOCATION];
  if (!is_inside(location)) {
    refuse(&e, "not a path inside the model's folder: ", location);
    return NULL;
  }
  char *first = arena_printf(arena, "%s", location), *second = arena_printf(arena, "%s", location);
  int file = open_checked(&e, first);
  if (file < 0) return NULL;
  close(file);
  uint8_t *data = arena_alloc(arena, bytes);
  file = open_checked(&e, second);
  if (file < 0) return NULL;
  const char *fault = read_file(&e, file, data);
  close(file);
  remember(ctx, model, location);
  if (fault != NULL) refuse(&e, fault, "");
  return fault == NULL ? data : NULL;
}
