#include "base/files.h"

#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Pending {
  const char *path, *temporary; /* temporary NULL: in place */
  FILE *file;
  Out *writer;
} Pending;

struct Files {
  Arena *arena;
  Diag *diag;
  Vec(struct stat) inputs;
  Vec(Pending) pending;
};

Files *files_new(Arena *arena, Diag *diag) {
  Files *files = ARENA_NEW(arena, Files);
  files->arena = arena;
  files->diag = diag;
  return files;
}

void files_protect(Files *files, const char *path) {
  struct stat input;
  if (stat(path, &input) == 0) vec_push(files->arena, &files->inputs, input);
}

static bool fail(Files *files, const char *path, const char *what) {
  return diag_error(files->diag, DIAG_IO, (DiagSite){0}, "%s '%s': %s", what, path,
                    strerror(errno));
}

static bool replaces_input(const Files *files, const char *path) {
  struct stat output;
  if (stat(path, &output) != 0) return false;
  VEC_EACH(struct stat, input, &files->inputs) {
    if (input->st_dev == output.st_dev && input->st_ino == output.st_ino) return true;
  }
  return false;
}

const char *files_join(Arena *arena, const char *folder, const char *name) {
  size_t length = strlen(folder);
  const char *slash = length == 0 || folder[length - 1] == '/' ? "" : "/";
  return arena_printf(arena, "%s%s%s", folder, slash, name);
}

static const char *folder_of(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? "" : arena_printf(arena, "%.*s", (int)(slash - path), path);
}

bool files_make_folder(Arena *arena, const char *path) {
  char *partial = arena_copy(arena, path, strlen(path) + 1);
  for (char *at = partial; *at != '\0'; at++) {
    if (*at != '/' || at == partial) continue;
    *at = '\0';
    if (mkdir(partial, 0777) != 0 && errno != EEXIST) return false;
    *at = '/';
  }
  if (*path != '\0' && mkdir(path, 0777) != 0 && errno != EEXIST) return false;
  return true;
}

/* A new file beside `path` with the permissions that creating `path` itself would give. */
static FILE *create_beside(Files *files, const char *path, char **temporary) {
  for (int attempt = 0; attempt < 100; attempt++) {
    *temporary = arena_printf(files->arena, "%s.%ld-%d.tmp", path, (long)getpid(), attempt);
    int fd = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return fdopen(fd, "wb");
    if (errno != EEXIST) return NULL;
  }
  return NULL;
}

/* Devices and pipes are written to; a file that took their name would end them. */
static bool is_special(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

Out *files_open(Files *files, const char *path) {
  if (replaces_input(files, path)) {
    diag_error(files->diag, DIAG_IO, (DiagSite){0},
               "output '%s' would replace an input; choose another folder or name", path);
    return NULL;
  }
  char *temporary = NULL;
  if (!files_make_folder(files->arena, folder_of(files->arena, path))) {
    fail(files, path, "cannot make the folder of");
    return NULL;
  }
  FILE *file = is_special(path) ? fopen(path, "wb") : create_beside(files, path, &temporary);
  if (file == NULL) {
    fail(files, path, "cannot create");
    return NULL;
  }
  Pending pending = {path, temporary, file, out_file(files->arena, file)};
  vec_push(files->arena, &files->pending, pending);
  return pending.writer;
}

/* All bytes on their way to the disk, the file closed. */
static bool finish(Files *files, Pending *pending) {
  bool written = out_ok(pending->writer) && fflush(pending->file) == 0;
  if (!written) fail(files, pending->path, "cannot write");
  int status = fclose(pending->file);
  pending->file = NULL;
  if (written && status != 0) written = fail(files, pending->path, "cannot write");
  return written;
}

static bool put_in_place(Files *files, Pending *pending) {
  if (pending->temporary == NULL) return true;
  if (rename(pending->temporary, pending->path) != 0) {
    return fail(files, pending->path, "cannot replace");
  }
  pending->temporary = NULL;
  return true;
}

bool files_commit(Files *files) {
  bool ok = true;
  VEC_EACH(Pending, pending, &files->pending) ok = finish(files, pending) && ok;
  VEC_EACH(Pending, pending, &files->pending) ok = ok && put_in_place(files, pending);
  files_abandon(files);
  return ok;
}

void files_abandon(Files *files) {
  VEC_EACH(Pending, pending, &files->pending) {
    if (pending->file != NULL) fclose(pending->file);
    if (pending->temporary != NULL) unlink(pending->temporary);
  }
  files->pending.len = 0;
}

void files_remove_tree(Arena *arena, const char *path) {
  DIR *folder = opendir(path);
  if (folder == NULL) return;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    const char *child = files_join(arena, path, entry->d_name);
    if (unlink(child) != 0) files_remove_tree(arena, child);
  }
  closedir(folder);
  rmdir(path);
}
