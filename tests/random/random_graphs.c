/* Draws random graphs and checks that nothing the compiler does changes what they compute.
 *
 *     random_graphs [--graphs N] [--seed S] [--nodes N] [--jobs N] [--cc COMMAND] [--no-cc]
 *                   [--no-switches] [--poison] [--plant] [--only GRAPH] [--print] [--shrink]
 *                   [--write DIR] [FILE...]
 *
 * Graph K of seed S is always the same, in whatever run. FILE holds one graph in text form instead,
 * to be checked at several sizes. A graph that fails is printed with what failed; with --shrink,
 * the least that is left of it when everything that does not matter has been taken away.
 *
 * With --plant each memory plan has a fault, and --poison must make it show in the results; but for
 * few of them, as not everything that is computed matters to a result. */
#include "draw.h"
#include "ir/text.h"
#include "routes.h"
#include "shrink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 16, MAX_JOBS = 64, MAX_FILES = 256, TIMES = 16, CAUGHT_OF_MISSED = 8 };
enum { UNBOUNDED = 3, GRAPHS = 100 }; /* how many of how many may leave the range of f16 */

typedef struct Settings {
  uint64_t seed;
  size_t graphs, first, jobs;
  uint32_t nodes;
  const char *cc, *write;
  bool switches, print, shrink, poison, plant;
  const char *files[MAX_FILES];
  size_t n_files;
} Settings;

/* What children count, in shared memory. */
typedef struct Totals {
  size_t passed, failed, caught, rewrites, switched, built, nodes;
  size_t unbounded; /* graphs with results that hang on a value that left f16's range */
} Totals;

static Settings settings = {.seed = 1,
                            .graphs = 200,
                            .jobs = 2,
                            .nodes = 60,
                            .cc = "cc -std=c99 -O0 -w -fPIC -I" RUNTIME_INCLUDE,
                            .switches = true};
static Totals *totals;
static char folder[] = "/tmp/random_graphs_XXXXXX"; /* for generated C */

/* ---- one graph ---------------------------------------------------------------------------------
 */

/* The text of a graph outlives what it was drawn in. */
static char *draw_text(uint64_t seed) {
  Escape escape = {0};
  Arena *arena = arena_new(&escape);
  onnxc_options options = {0};
  Context ctx = {.arena = arena,
                 .diag = diag_new(arena, "draw"),
                 .strings = strings_new(arena),
                 .dims = dims_new(arena),
                 .options = &options};
  if (setjmp(escape.target) != 0) {
    fprintf(stderr, "drawing: %s: %s\n", escape.reason, diag_text(ctx.diag, 0));
    arena_drop(arena);
    return NULL;
  }
  Graph *graph = draw_graph(&ctx, seed, settings.nodes);
  totals->nodes += graph->n_nodes;
  Out *w = out_memory(arena);
  graph_print(w, graph);
  char *text = strdup(out_text(w, NULL));
  arena_drop(arena);
  return text;
}

static char *read_file(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = calloc(1, (size_t)size + 1);
  if (fread(text, 1, (size_t)size, file) != (size_t)size) text[0] = '\0';
  fclose(file);
  return text;
}

/* Graph `k` of this run. */
static uint64_t seed_of(size_t k) {
  return settings.seed * 1000003 + k;
}

static char *text_of(size_t k) {
  return settings.n_files != 0 ? read_file(settings.files[k / TIMES]) : draw_text(seed_of(k));
}

static const char *name_of(size_t k) {
  static char name[4096];
  if (settings.n_files != 0)
    snprintf(name, sizeof name, "%s", settings.files[k / TIMES]);
  else
    snprintf(name, sizeof name, "graph %zu of seed %" PRIu64, k, settings.seed);
  return name;
}

/* ---- a batch, in a child process ---------------------------------------------------------------
 */

static void remove_folder(const char *path) {
  char command[4096];
  snprintf(command, sizeof command, "rm -rf '%s'", path);
  if (system(command) != 0) fprintf(stderr, "cannot remove %s\n", path);
}

static void keep(size_t k, const char *message, const char *text) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%" PRIu64 "_%zu.txt", settings.write, settings.seed, k);
  FILE *file = fopen(path, "w");
  if (file == NULL) return;
  fprintf(file, "// %s%s", message, text);
  fclose(file);
}

static void report(const RouteOptions *options, size_t k, const char *text, const char *route,
                   const char *message) {
  char *shrunk = settings.shrink ? shrink(options, text, seed_of(k), route) : NULL;
  if (shrunk != NULL) text = shrunk;
  totals->failed++;
  if (settings.plant && strcmp(route, "plant") == 0) {
    printf("%s: %s", name_of(k), message);
    return;
  }
  printf("FAIL %s: %s%s", name_of(k), message, text);
  if (settings.n_files == 0) {
    printf("again: random_graphs --seed %" PRIu64 " --only %zu\n", settings.seed, k);
  }
  if (settings.write != NULL) keep(k, message, text);
  fflush(stdout);
  free(shrunk);
}

static void finish(const RouteOptions *options, Job *job, size_t k, const char *message) {
  totals->rewrites += job->hits;
  totals->switched += job->switched;
  totals->built += job->built;
  totals->unbounded += job->sample != NULL && job->sample->unbounded != 0;
  totals->caught += job->caught;
  if (job->failed)
    report(options, k, job->text, job->route, message);
  else
    totals->passed++;
  job_end(job);
}

static int run_batch(const RouteOptions *options, size_t first, size_t n) {
  char *messages[BATCH] = {0};
  size_t sizes[BATCH];
  Job jobs[BATCH] = {0};
  for (size_t i = 0; i < n; i++) {
    jobs[i] = (Job){.text = text_of(first + i), .seed = seed_of(first + i)};
    if (jobs[i].text == NULL) return 1;
    jobs[i].report = open_memstream(&messages[i], &sizes[i]);
    job_begin(options, &jobs[i], i);
  }
  jobs_run_built(options, jobs, n);
  for (size_t i = 0; i < n; i++) {
    fclose(jobs[i].report);
    finish(options, &jobs[i], first + i, messages[i]);
    free(messages[i]);
    free((char *)(uintptr_t)jobs[i].text);
  }
  return 0;
}

/* ---- the run -----------------------------------------------------------------------------------
 */

typedef struct Child {
  pid_t process;
  size_t first, n;
  char folder[64];
} Child;

static RouteOptions options_of(const Child *child) {
  return (RouteOptions){.cc = settings.cc,
                        .switches = settings.switches,
                        .folder = child->folder,
                        .poison = settings.poison,
                        .plant = settings.plant};
}

static void start(Child *child, size_t first, size_t n) {
  *child = (Child){.first = first, .n = n};
  snprintf(child->folder, sizeof child->folder, "%s/%zu", folder, first);
  if (mkdir(child->folder, 0777) != 0) exit(5);
  fflush(NULL);
  child->process = fork();
  if (child->process != 0) return;
  RouteOptions options = options_of(child);
  exit(run_batch(&options, first, n));
}

/* A batch that crashed is gone through again, each graph for itself. */
static void finish_child(Child *child, int status) {
  RouteOptions options = options_of(child);
  bool crashed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  for (size_t k = child->first; crashed && k < child->first + child->n; k++) {
    char *text = text_of(k), *message = NULL;
    if (text == NULL) {
      totals->failed++;
      continue;
    }
    char *route = check_alone(&options, text, seed_of(k), &message);
    bool caught = route != NULL && settings.plant && strcmp(route, "plant") != 0;
    totals->caught += caught;
    if (route != NULL && !caught)
      report(&options, k, text, route, message);
    else
      totals->passed++;
    free(route);
    free(message);
    free(text);
  }
  remove_folder(child->folder);
}

static void run_all(size_t first, size_t end) {
  Child children[MAX_JOBS] = {0};
  size_t running = 0;
  while (first < end || running != 0) {
    for (size_t i = 0; i < settings.jobs && first < end; i++) {
      if (children[i].process != 0) continue;
      size_t n = end - first < BATCH ? end - first : BATCH;
      start(&children[i], first, n);
      first += n;
      running++;
    }
    int status;
    pid_t ended = wait(&status);
    for (size_t i = 0; i < settings.jobs; i++) {
      if (children[i].process != ended) continue;
      finish_child(&children[i], status);
      children[i].process = 0;
      running--;
    }
  }
}

/* ---- the command -------------------------------------------------------------------------------
 */

static const char *value_of(char **argv, int *i) {
  if (argv[*i + 1] == NULL) {
    fprintf(stderr, "%s needs a value\n", argv[*i]);
    exit(64);
  }
  return argv[++*i];
}

static void read_arguments(char **argv) {
  size_t only = SIZE_MAX;
  for (int i = 1; argv[i] != NULL; i++) {
    const char *word = argv[i];
    if (strcmp(word, "--graphs") == 0)
      settings.graphs = strtoull(value_of(argv, &i), NULL, 10);
    else if (strcmp(word, "--seed") == 0)
      settings.seed = strtoull(value_of(argv, &i), NULL, 10);
    else if (strcmp(word, "--nodes") == 0)
      settings.nodes = (uint32_t)atoi(value_of(argv, &i));
    else if (strcmp(word, "--jobs") == 0)
      settings.jobs = strtoull(value_of(argv, &i), NULL, 10);
    else if (strcmp(word, "--only") == 0)
      only = strtoull(value_of(argv, &i), NULL, 10);
    else if (strcmp(word, "--cc") == 0)
      settings.cc = value_of(argv, &i);
    else if (strcmp(word, "--write") == 0)
      settings.write = value_of(argv, &i);
    else if (strcmp(word, "--no-cc") == 0)
      settings.cc = NULL;
    else if (strcmp(word, "--no-switches") == 0)
      settings.switches = false;
    else if (strcmp(word, "--poison") == 0)
      settings.poison = true;
    else if (strcmp(word, "--plant") == 0)
      settings.plant = true;
    else if (strcmp(word, "--print") == 0)
      settings.print = true;
    else if (strcmp(word, "--shrink") == 0)
      settings.shrink = true;
    else if (*word != '-' && settings.n_files < MAX_FILES)
      settings.files[settings.n_files++] = word;
    else
      exit((fprintf(stderr, "unknown argument %s\n", word), 64));
  }
  if (settings.n_files != 0) settings.graphs = TIMES * settings.n_files;
  if (settings.jobs < 1 || settings.jobs > MAX_JOBS) settings.jobs = 1;
  if (only == SIZE_MAX) return;
  settings.first = only;
  settings.graphs = 1;
}

int main(int argc, char **argv) {
  (void)argc;
  read_arguments(argv);
  totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (totals == MAP_FAILED) return 5;
  time_t begin = time(NULL);
  size_t end = settings.first + settings.graphs;
  for (size_t k = settings.first; settings.print && k < end; k++) {
    char *text = text_of(k);
    if (text != NULL) printf("// %s\n%s", name_of(k), text);
  }
  if (!settings.print) {
    if (mkdtemp(folder) == NULL) return 5;
    if (settings.cc != NULL && !routes_prepare(folder, settings.cc)) return 5;
    run_all(settings.first, end);
    remove_folder(folder);
  }
  printf(
      "seed %" PRIu64 ": %zu graphs passed, %zu failed; %zu nodes, %zu rewrites, %zu runs without "
      "some pass or rule, %zu of generated C, %zu graphs in part beyond the range of f16, %.0f s\n",
      settings.seed, totals->passed, totals->failed, totals->nodes, totals->rewrites,
      totals->switched, totals->built, totals->unbounded, difftime(time(NULL), begin));
  if (totals->unbounded > UNBOUNDED * (1 + settings.graphs / GRAPHS)) {
    printf("that is too many of them to be held to nothing\n");
    return 1;
  }
  if (settings.plant) {
    printf("%zu planted faults show\n", totals->caught);
    return totals->failed * CAUGHT_OF_MISSED > totals->caught || totals->caught == 0;
  }
  return totals->failed != 0 || (!settings.print && totals->passed == 0);
}
