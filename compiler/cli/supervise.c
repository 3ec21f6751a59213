#include "base/files.h"
#include "cli/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct Child {
  pid_t pid; /* 0: not started */
  FILE *output;
  const char *folder;
  time_t deadline;
  bool done;
  Finished result;
} Child;

typedef struct Supervisor {
  Cli *cli;
  const Job *jobs;
  const Supervision *how;
  const char *folder; /* of all jobs */
  Child *children;
  size_t n, started, running, shown;
  sigset_t watched, before;
  int interrupted; /* the signal that asks us to end */
} Supervisor;

static time_t seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

static bool make_folder(Supervisor *s) {
  const char *base = getenv("TMPDIR");
  if (base == NULL || *base == '\0') base = "/tmp";
  if (s->how->keep != NULL) base = s->how->keep;
  if (!files_make_folder(s->cli->arena, base)) base = "";
  char *folder = arena_printf(s->cli->arena, "%s/onnxc-XXXXXX", base);
  if (*base == '\0' || mkdtemp(folder) == NULL) {
    cli_error(s->cli, DIAG_IO, "cannot make a temporary folder in '%s': %s", base, strerror(errno));
    return false;
  }
  s->folder = folder;
  return true;
}

/* ---- in the child ------------------------------------------------------------------------------
 */

/* The child is the leader of a process group, so that what it starts ends with it. */
static _Noreturn void be_child(Supervisor *s, const Job *job, Child *child) {
  setpgid(0, 0);
  sigprocmask(SIG_SETMASK, &s->before, NULL);
  if (child->output != NULL) {
    dup2(fileno(child->output), STDOUT_FILENO);
    dup2(fileno(child->output), STDERR_FILENO);
  }
  int code = setjmp(arena_escape(s->cli->arena)->target);
  if (code == 0) {
    code = job->run(s->cli, job->argument, child->folder);
  } else {
    cli_error(s->cli, code, "%s", arena_escape(s->cli->arena)->reason);
  }
  fflush(s->cli->out);
  fflush(s->cli->err);
  _exit(code);
}

/* ---- in the parent -----------------------------------------------------------------------------
 */

static bool start(Supervisor *s) {
  Child *child = &s->children[s->started];
  child->folder = arena_printf(s->cli->arena, "%s/%zu", s->folder, s->started);
  child->deadline = seconds_now() + (time_t)s->how->seconds;
  if (s->how->capture) child->output = tmpfile();
  bool ready = !s->how->capture || child->output != NULL;
  if (ready) ready = files_make_folder(s->cli->arena, child->folder);
  fflush(s->cli->out);
  child->pid = ready ? fork() : -1;
  if (child->pid < 0) {
    child->pid = 0;
    cli_error(s->cli, DIAG_IO, "cannot start a job: %s", strerror(errno));
    return false;
  }
  if (child->pid == 0) be_child(s, &s->jobs[s->started], child);
  s->started++;
  s->running++;
  return true;
}

static const char *captured(Arena *arena, FILE *output) {
  if (output == NULL) return "";
  long size = fseek(output, 0, SEEK_END) == 0 ? ftell(output) : 0;
  char *text = arena_alloc(arena, (size_t)(size < 0 ? 0 : size) + 1);
  rewind(output);
  text[fread(text, 1, (size_t)(size < 0 ? 0 : size), output)] = '\0';
  fclose(output);
  return text;
}

static void finish(Supervisor *s, Child *child, int status) {
  if (WIFSIGNALED(status)) child->result.signal = WTERMSIG(status);
  if (WIFEXITED(status)) child->result.exit_code = WEXITSTATUS(status);
  child->result.output = captured(s->cli->arena, child->output);
  child->done = true;
  s->running--;
  if (s->how->keep == NULL) files_remove_tree(s->cli->arena, child->folder);
}

static void reap(Supervisor *s) {
  for (size_t i = s->shown; i < s->started; i++) {
    int status;
    Child *child = &s->children[i];
    if (!child->done && waitpid(child->pid, &status, WNOHANG) == child->pid) {
      finish(s, child, status);
    }
  }
}

static void end_group(Child *child) {
  if (kill(-child->pid, SIGKILL) != 0) kill(child->pid, SIGKILL); /* not a leader yet */
}

static void end_late(Supervisor *s) {
  time_t now = seconds_now();
  for (size_t i = s->shown; i < s->started && s->how->seconds != 0; i++) {
    Child *child = &s->children[i];
    if (child->done || now < child->deadline) continue;
    child->result.timed_out = true;
    end_group(child);
  }
}

static void end_all(Supervisor *s) {
  for (size_t i = 0; i < s->started; i++) {
    Child *child = &s->children[i];
    if (child->done) continue;
    end_group(child);
    waitpid(child->pid, NULL, 0);
  }
}

static void show(Supervisor *s) {
  for (; s->shown < s->started && s->children[s->shown].done; s->shown++) {
    s->how->finished(s->cli, s->how->context, s->shown, &s->children[s->shown].result);
  }
}

/* Waits for a child to end or a second to pass; notices the user's wish to stop. */
static void wait_a_while(Supervisor *s) {
  int signal = sigtimedwait(&s->watched, NULL, &(struct timespec){.tv_sec = 1});
  if (signal == SIGINT || signal == SIGTERM) s->interrupted = signal;
}

static bool run_jobs(Supervisor *s) {
  while (s->shown < s->n && s->interrupted == 0) {
    while (s->running < s->how->parallel && s->started < s->n) {
      if (!start(s)) return false;
    }
    wait_a_while(s);
    end_late(s);
    reap(s);
    show(s);
  }
  return s->interrupted == 0;
}

bool supervise(Cli *cli, const Job *jobs, size_t n, const Supervision *how) {
  Supervisor s = {.cli = cli, .jobs = jobs, .how = how, .n = n};
  s.children = ARENA_ARRAY(cli->arena, n, Child);
  if (!make_folder(&s)) return false;
  if (how->keep != NULL) cli_note(cli, "kept in %s", s.folder);
  sigemptyset(&s.watched);
  sigaddset(&s.watched, SIGCHLD);
  sigaddset(&s.watched, SIGINT);
  sigaddset(&s.watched, SIGTERM);
  sigprocmask(SIG_BLOCK, &s.watched, &s.before);
  bool ok = run_jobs(&s);
  end_all(&s);
  if (how->keep == NULL) files_remove_tree(cli->arena, s.folder);
  sigprocmask(SIG_SETMASK, &s.before, NULL);
  if (s.interrupted != 0) raise(s.interrupted);
  return ok;
}

static void keep_result(Cli *cli, void *context, size_t job, const Finished *result) {
  (void)cli, (void)job;
  *(Finished *)context = *result;
}

int run_alone(Cli *cli, const Job *job, const char *keep) {
  Finished result = {0};
  Supervision how = {.parallel = 1, .keep = keep, .finished = keep_result, .context = &result};
  if (!supervise(cli, job, 1, &how)) return DIAG_IO;
  if (result.signal == 0) return result.exit_code;
  return cli_error(cli, DIAG_INTERNAL, "ended by signal %d", result.signal);
}
