#include "import/model_file.h"

#include "import/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool io_error(Diag *diag, const char *what) {
  return diag_error(diag, DIAG_IO, (DiagSite){0}, "%s", what);
}

static bool read_all(int file, uint8_t *to, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = read(file, to + done, size - done);
    if (n == 0) errno = ESTALE; /* shorter than it was */
    if (n == 0 || (n < 0 && errno != EINTR)) return false;
    if (n > 0) done += (size_t)n;
  }
  return true;
}

static const uint8_t *read_regular(Arena *arena, Diag *diag, int file, size_t *size) {
  struct stat info;
  if (fstat(file, &info) != 0) {
    io_error(diag, strerror(errno));
    return NULL;
  }
  if (!S_ISREG(info.st_mode)) {
    io_error(diag, "not a regular file");
    return NULL;
  }
  *size = (size_t)info.st_size;
  uint8_t *bytes = arena_alloc(arena, *size);
  if (read_all(file, bytes, *size)) return bytes;
  io_error(diag, strerror(errno));
  return NULL;
}

const uint8_t *file_read(Arena *arena, Diag *diag, const char *path, size_t *size) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    io_error(diag, strerror(errno));
    return NULL;
  }
  const uint8_t *bytes = read_regular(arena, diag, file, size);
  close(file);
  return bytes;
}

/* The unpacker's memory is the arena's: its tables of fields stay until the arena goes. */
static void *allocate(void *arena, size_t size) {
  return arena_alloc(arena, size);
}

static void release(void *arena, void *block) {
  (void)arena;
  (void)block;
}

ProtobufCMessage *file_read_message(Arena *arena, Diag *diag, const char *path,
                                    const ProtobufCMessageDescriptor *message) {
  Arena *raw = arena_scratch(arena);
  ProtobufCAllocator allocator = {allocate, release, arena};
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
