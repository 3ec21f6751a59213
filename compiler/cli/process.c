#include "cli/process.h"

#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { KEPT_OUTPUT = 64 * 1024 };

/* All of the pipe, of which the first KEPT_OUTPUT bytes are kept. */
static const char *drain(Arena *arena, int fd) {
  char *kept = arena_alloc(arena, KEPT_OUTPUT + 1), rest[4096];
  size_t length = 0;
  for (;;) {
    bool room = length < KEPT_OUTPUT;
    ssize_t got = read(fd, room ? kept + length : rest, room ? KEPT_OUTPUT - length : sizeof rest);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return kept;
    if (room) length += (size_t)got;
  }
}

static int spawn(const char *const *argv, int output, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  int error = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

bool process_run(Arena *arena, const char *const *argv, Finished *result) {
  *result = (Finished){0};
  int ends[2];
  if (pipe(ends) != 0) return false;
  pid_t pid;
  int error = spawn(argv, ends[1], &pid);
  close(ends[1]);
  if (error == 0) result->output = drain(arena, ends[0]);
  close(ends[0]);
  errno = error;
  if (error != 0) return false;
  int status;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  if (WIFSIGNALED(status)) result->signal = WTERMSIG(status);
  if (WIFEXITED(status)) result->exit_code = WEXITSTATUS(status);
  return true;
}
