#include "import/model_file.h"

#include "base/map.h"
#include "import/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* These report nothing themselves: running out of memory for a message must not leave a file open.
 * They return what is wrong, or NULL. */

static const char *open_regular(const char *path, int *file, size_t *size) {
  struct stat info;
  *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (*file < 0) return strerror(errno);
  const char *fault = NULL;
  if (fstat(*file, &info) != 0) {
    fault = strerror(errno);
  } else if (!S_ISREG(info.st_mode)) {
    fault = "not a regular file";
  }
  if (fault != NULL) close(*file);
  *size = fault == NULL ? (size_t)info.st_size : 0;
  return fault;
}

static const char *read_all(int file, uint8_t *to, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = read(file, to + done, size - done);
    if (n == 0) return "the file became shorter";
    if (n < 0 && errno != EINTR) return strerror(errno);
    if (n > 0) done += (size_t)n;
  }
  return NULL;
}

static const char *measure(const char *path, size_t *size) {
  int file;
  const char *fault = open_regular(path, &file, size);
  if (fault == NULL) close(file);
  return fault;
}

static const char *read_again(const char *path, uint8_t *to, size_t size) {
  int file;
  size_t now;
  const char *fault = open_regular(path, &file, &now);
  if (fault != NULL) return fault;
  fault = now == size ? read_all(file, to, size) : "the file changed";
  close(file);
  return fault;
}

const uint8_t *file_read(Arena *arena, Diag *diag, const char *path, size_t *size) {
  uint8_t *bytes = NULL;
  const char *fault = measure(path, size);
  if (fault == NULL) {
    bytes = arena_alloc(arena, *size);
    fault = read_again(path, bytes, *size);
  }
  if (fault == NULL) return bytes;
  diag_error(diag, DIAG_IO, (DiagSite){0}, "%s", fault);
  return NULL;
}

/* ---- messages
 * ------------------------------------------------------------------------------------ */

typedef struct Storage {
  Arena *keep, *scratch;
  Map blocks; /* large block -> Arena *, which holds just it; NULL once it is given back */
} Storage;

/* Large blocks are the data of tensors, and tables that the unpacker gives back. */
static void *allocate(void *context, size_t size) {
  Storage *storage = context;
  if (size < MESSAGE_BLOCK) return arena_alloc(storage->scratch, size);
  Arena **own = ARENA_NEW(storage->scratch, Arena *);
  *own = arena_scratch(storage->keep);
  void *block = arena_alloc(*own, size);
  map_set(&storage->blocks, map_key(block), own);
  return block;
}

/* A block given back may come again at the same place, and be a small one then. */
static void release(void *context, void *block) {
  const Storage *storage = context;
  Arena **own = map_get(&storage->blocks, map_key(block));
  if (own == NULL) return;
  arena_drop(*own);
  *own = NULL;
}

const void *message_keep(Arena *keep, const void *block, size_t size) {
  return size < MESSAGE_BLOCK ? arena_copy(keep, block, size) : block;
}

ProtobufCMessage *message_read(Arena *keep, Arena *scratch, Diag *diag, const char *path,
                               const ProtobufCMessageDescriptor *message) {
  Arena *raw = arena_scratch(scratch);
  Storage storage = {keep, scratch, map_on(scratch)};
  ProtobufCAllocator allocator = {allocate, release, &storage};
  ProtobufCMessage *unpacked = NULL;
  size_t size;
  const uint8_t *bytes = file_read(raw, diag, path, &size);
  if (bytes != NULL && scan_message(diag, message, bytes, size)) {
    unpacked = protobuf_c_message_unpack(message, &allocator, size, bytes);
    if (unpacked == NULL) {
      diag_error(diag, DIAG_INVALID, (DiagSite){0}, "not a %s", message->short_name);
    }
  }
  arena_drop(raw);
  return unpacked;
}
