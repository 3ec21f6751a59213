#include "shrink.h"

#include "ir/text.h"
#include "ops/op.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- checking ----------------------------------------------------------------------------------
 */

static int check_in_child(const RouteOptions *options, const char *text, uint64_t seed, FILE *to) {
  char *message = NULL;
  size_t size;
  Job job = {.text = text, .seed = seed, .report = open_memstream(&message, &size)};
  job_begin(options, &job, 0);
  jobs_run_built(options, &job, 1);
  fclose(job.report);
  if (job.failed) fprintf(to, "%s\n%s", job.route, message);
  fflush(to);
  return job.failed;
}

static char *read_all(int descriptor) {
  size_t size = 0, room = 4096;
  char *text = malloc(room);
  for (ssize_t n; (n = read(descriptor, text + size, room - size - 1)) > 0;) {
    size += (size_t)n;
    if (room - size < 2) text = realloc(text, room *= 2);
  }
  text[size] = '\0';
  close(descriptor);
  return text;
}

char *check_alone(const RouteOptions *options, const char *text, uint64_t seed, char **message) {
  int ends[2], status = 0;
  if (pipe(ends) != 0) abort();
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    alarm(120);
    _exit(check_in_child(options, text, seed, fdopen(ends[1], "w")));
  }
  close(ends[1]);
  char *said = read_all(ends[0]), *line = strchr(said, '\n');
  waitpid(child, &status, 0);
  bool crashed = !WIFEXITED(status), failed = crashed || WEXITSTATUS(status) != 0;
  if (message != NULL) {
    *message = crashed ? strdup("the compiler crashes, or takes minutes\n")
                       : strdup(line == NULL ? "" : line + 1);
  }
  char *route = !failed                   ? NULL
                : crashed || line == NULL ? strdup("crash")
                                          : strndup(said, (size_t)(line - said));
  free(said);
  return route;
}

/* ---- taking away -------------------------------------------------------------------------------
 */

/* Steps are numbered; `left` counts down to the one that is made. */
typedef struct Change {
  size_t left;
  bool made;
} Change;

static bool is_next(Change *change) {
  change->made = !change->made && change->left-- == 0;
  return change->made;
}

static void drop_output(Graph *graph, size_t i) {
  Vec(Value *) kept = {0};
  for (size_t k = 0; k < graph->outputs.len; k++) {
    if (k != i) vec_push(graph->ctx->arena, &kept, graph->outputs.data[k]);
  }
  graph_set_outputs(graph, kept.data, kept.len);
}

static void drop_input(Graph *graph, size_t i) {
  for (size_t k = i + 1; k < graph->inputs.len; k++)
    graph->inputs.data[k - 1] = graph->inputs.data[k];
  graph->inputs.len--;
}

static void change_ends(Graph *graph, Change *change) {
  for (size_t i = 0; i < graph->outputs.len && graph->outputs.len > 1 && !change->made; i++) {
    if (is_next(change)) drop_output(graph, i);
  }
  for (size_t i = 0; i < graph->inputs.len && !change->made; i++) {
    const Value *input = graph->inputs.data[i];
    if (input->uses == NULL && !value_is_output(input) && is_next(change)) drop_input(graph, i);
  }
}

/* An input of the same type, or of the graph, takes the place of what the node computes. */
static void change_node(Node *node, Change *change, bool main_graph) {
  Graph *graph = node->graph;
  for (uint32_t o = 0; o < node->n_out && !change->made; o++) {
    Value *out = node->out[o];
    if (out == NULL || (out->uses == NULL && !value_is_output(out))) continue;
    for (uint32_t i = 0; i < node->n_in && !change->made; i++) {
      Value *in = node->in[i].value;
      if (in != NULL && type_equal(&in->type, &out->type) && is_next(change))
        graph_replace(out, in);
    }
    if (!change->made && main_graph && out->type.kind == TYPE_TENSOR && is_next(change)) {
      const char *name = arena_printf(graph->ctx->arena, "cut%u", out->id);
      graph_replace(out, graph_add_input(graph, intern(graph->ctx->strings, name), out->type));
    }
  }
}

static void remove_unused(Graph *graph) {
  for (Node *node = graph->last, *prev; node != NULL; node = prev) {
    prev = node->prev;
    bool used = false;
    for (uint32_t i = 0; i < node->n_out; i++) {
      used = used || (node->out[i] != NULL &&
                      (node->out[i]->uses != NULL || value_is_output(node->out[i])));
    }
    if (!used) graph_remove(node);
  }
}

static void change_graph(Graph *graph, Change *change) {
  if (graph->holder == NULL) change_ends(graph, change);
  for (Node *node = graph->last; node != NULL && !change->made; node = node->prev) {
    change_node(node, change, graph->holder == NULL);
    for (uint32_t i = 0; i < node->n_attrs && !change->made; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH) change_graph(node->attrs[i].graph, change);
    }
  }
  if (change->made) remove_unused(graph);
}

/* `text` after step number `step`; NULL past the last. */
static char *without(const char *text, size_t step) {
  Escape escape = {0};
  Arena *arena = arena_new(&escape);
  onnxc_options options = {0};
  if (setjmp(escape.target) != 0) return NULL;
  Context ctx = {.arena = arena,
                 .diag = diag_new(arena, "shrink"),
                 .strings = strings_new(arena),
                 .dims = dims_new(arena),
                 .options = &options};
  Graph *graph = graph_parse(&ctx, text, "shrink");
  Change change = {.left = step};
  char *result = NULL;
  if (graph != NULL && infer_graph(graph)) change_graph(graph, &change);
  if (change.made) {
    Out *w = out_memory(arena);
    graph_print(w, graph);
    result = strdup(out_text(w, NULL));
  }
  arena_drop(arena);
  return result;
}

char *shrink(const RouteOptions *options, const char *text, uint64_t seed, const char *route) {
  char *best = strdup(text), *smaller;
  for (size_t step = 0; (smaller = without(best, step)) != NULL;) {
    char *where = check_alone(options, smaller, seed, NULL);
    bool fails = where != NULL && strcmp(where, route) == 0 && strcmp(smaller, best) != 0;
    free(where);
    free(fails ? best : smaller);
    if (fails)
      best = smaller;
    else
      step++;
  }
  return best;
}
