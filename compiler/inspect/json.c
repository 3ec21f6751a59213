/* The view for programs. Keys may be added; those that are there keep their meaning within a
 * `schema`. */
#include "inspect/inspect.h"

#include <string.h>

enum { SCHEMA = 1 };

static void json_strings(Arena *a, Out *w, const char *const *strings, uint32_t n) {
  out(w, "[");
  for (uint32_t i = 0; i < n; i++) {
    out(w, "%s\"%s\"", i == 0 ? "" : ", ", text_json(a, strings[i]));
  }
  out(w, "]");
}

/* ---- the graph ---------------------------------------------------------------------------------
 */

static void json_value(Arena *a, Out *w, const Value *value) {
  if (value == NULL) {
    out(w, "null");
    return;
  }
  out(w, "{\"id\": %u, \"name\": \"%s\", \"type\": \"%s\"%s}", value->id, text_json(a, value->name),
      text_json(a, type_text(a, &value->type)),
      value->constant != NULL && value->producer == NULL ? ", \"constant\": true" : "");
}

static void json_node(Arena *a, Out *w, const Node *node) {
  out(w, "{\"id\": %u, \"op\": \"%s\", \"family\": \"%s\", \"name\": \"%s\", \"label\": \"%s\", ",
      node->id, text_json(a, node->op->name), inspect_family(node->op), text_json(a, node->name),
      text_json(a, inspect_label(a, node)));
  out(w, "\"macs\": %lld, \"origins\": ", (long long)inspect_macs(node));
  json_strings(a, w, node->origins, node->n_origins);
  out(w, ", \"in\": [");
  for (uint32_t i = 0; i < node->n_in; i++) {
    out(w, "%s", i == 0 ? "" : ", ");
    json_value(a, w, node_in(node, i));
  }
  out(w, "], \"out\": [");
  for (uint32_t i = 0; i < node->n_out; i++) {
    out(w, "%s", i == 0 ? "" : ", ");
    json_value(a, w, node_out(node, i));
  }
  out(w, "]}");
}

static void json_values(Arena *a, Out *w, Value *const *values, size_t n) {
  out(w, "[");
  for (size_t i = 0; i < n; i++) {
    out(w, "%s", i == 0 ? "" : ", ");
    json_value(a, w, values[i]);
  }
  out(w, "]");
}

void inspect_graph_json(const Graph *graph, Arena *a, Out *w) {
  out(w, "{\"name\": \"%s\", \"inputs\": ", text_json(a, graph->name));
  json_values(a, w, graph->inputs.data, graph->inputs.len);
  out(w, ", \"outputs\": ");
  json_values(a, w, graph->outputs.data, graph->outputs.len);
  out(w, ", \"nodes\": [");
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    out(w, "%s\n  ", node == graph->first ? "" : ",");
    json_node(a, w, node);
  }
  out(w, "]}");
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

static size_t pass_hits(const PassReport *report, const char *pass) {
  VEC_EACH(PassCount, count, &report->counts) {
    if (count->rule == NULL && strcmp(count->pass, pass) == 0) return count->hits;
  }
  return 0;
}

/* The rules of a pass that did something. */
static void json_rules(Arena *a, Out *w, const PassReport *report, const char *pass) {
  bool first = true;
  VEC_EACH(PassCount, count, &report->counts) {
    if (count->rule == NULL || count->hits == 0 || strcmp(count->pass, pass) != 0) continue;
    out(w, "%s{\"name\": \"%s\", \"rewrites\": %zu}", first ? "" : ", ", text_json(a, count->rule),
        count->hits);
    first = false;
  }
}

static void json_passes(Arena *a, Out *w, const PassReport *report) {
  out(w, "[");
  for (size_t i = 0; i < pass_count(); i++) {
    const char *name = pass_at(i)->name;
    out(w, "%s\n  {\"name\": \"%s\", \"rewrites\": %zu, \"rules\": [", i == 0 ? "" : ",",
        text_json(a, name), pass_hits(report, name));
    json_rules(a, w, report, name);
    out(w, "]}");
  }
  out(w, "]");
}

static void json_steps(Arena *a, Out *w, const Steps *steps, bool *first);

static void json_step(Arena *a, Out *w, const Step *step) {
  out(w, "\n  {\"id\": %u, \"kind\": \"%s\", \"ops\": ", step->id, inspect_kind(step->kind));
  json_strings(a, w, step->ops, step->n_ops);
  out(w, ", \"nodes\": ");
  json_strings(a, w, step->nodes, step->n_nodes);
  out(w, ", \"macs\": %lld, \"bytes\": %lld", step->macs == NULL ? 0 : (long long)step->macs->hi,
      step->bytes == NULL ? 0 : (long long)step->bytes->hi);
  Steps *bodies[2];
  uint32_t n = step_bodies(step, bodies);
  bool first = true;
  if (n != 0) out(w, ", \"body\": [");
  for (uint32_t i = 0; i < n; i++) json_steps(a, w, bodies[i], &first);
  out(w, n == 0 ? "}" : "]}");
}

/* The steps with commas between them; `first` is kept over several lists that become one. */
static void json_steps(Arena *a, Out *w, const Steps *steps, bool *first) {
  VEC_EACH(Step *, step, &steps->steps) {
    out(w, "%s", *first ? "" : ",");
    *first = false;
    json_step(a, w, *step);
  }
}

static void json_symbols(Arena *a, Out *w, const DimTable *dims) {
  out(w, "[");
  for (uint32_t i = 0; i < dims_symbols(dims); i++) {
    const DimAtom *symbol = dim_as_symbol(dims_symbol(dims, i));
    out(w, "%s{\"name\": \"%s\", \"lo\": %lld, \"hi\": ", i == 0 ? "" : ", ",
        text_json(a, symbol->name), (long long)symbol->lo);
    out(w, symbol->hi == INT64_MAX ? "null}" : "%lld}", (long long)symbol->hi);
  }
  out(w, "]");
}

/* By time: the steps that have begun before it, counted in the order of the whole program. */
static uint32_t *positions(Arena *a, const PlanLives *lives) {
  uint32_t *at = ARENA_ARRAY(a, (size_t)lives->end + 1, uint32_t);
  for (uint32_t time = 1; time <= lives->end; time++) {
    uint32_t id = lives->steps[time]->id;
    at[time] = id > at[time - 1] ? id : at[time - 1];
  }
  return at;
}

static void json_buffers(Arena *a, Out *w, const Steps *steps) {
  static const char *const places[] = {[BUFFER_ARENA] = "arena",
                                       [BUFFER_INPUT] = "input",
                                       [BUFFER_OUTPUT] = "output",
                                       [BUFFER_WEIGHT] = "weight",
                                       [BUFFER_STATE] = "state"};
  PlanLives lives = plan_lives(steps, a);
  const uint32_t *at = positions(a, &lives);
  out(w, ",\n\"buffers\": [");
  for (size_t i = 0; i < steps->buffers.len; i++) {
    const Buffer *b = steps->buffers.data[i];
    out(w, "%s\n  {\"id\": %u, \"name\": \"%s\", \"place\": \"%s\", \"type\": \"%s[%s]\", ",
        i == 0 ? "" : ",", b->id, text_json(a, b->name), places[b->place],
        dtype_info(b->dtype)->name, text_json(a, dim_text(a, b->count)));
    out(w, "\"bytes\": %zu, \"offset\": %zu, \"first\": %u, \"last\": %u}", b->bytes, b->offset,
        at[lives.of[i].first], at[lives.of[i].last]);
  }
  out(w, "]");
}

static void json_peak(Arena *a, Out *w, const Steps *steps) {
  PlanPeak peak = plan_peak(steps, a);
  out(w, "\"peak\": {\"bytes\": %zu, \"steps\": [", peak.bytes);
  for (size_t i = 0; i < peak.steps.len; i++) {
    out(w, "%s%u", i == 0 ? "" : ", ", peak.steps.data[i]->id);
  }
  out(w, "], \"buffers\": [");
  for (size_t i = 0; i < peak.buffers.len; i++) {
    out(w, "%s%u", i == 0 ? "" : ", ", peak.buffers.data[i]->id);
  }
  out(w, "]}");
}

static void json_bounds(Compilation *c, Out *w, const onnxc_dim *dims) {
  bool first = true;
  out(w, "[");
  for (size_t i = 0; i < c->options.n_dims; i++) {
    if (!inspect_is_bounded(c, i)) continue;
    out(w, "%s{\"name\": \"%s\", \"lo\": %lld, \"hi\": %lld}", first ? "" : ", ",
        text_json(c->arena, dims[i].name), (long long)dims[i].lo, (long long)dims[i].hi);
    first = false;
  }
  out(w, "]");
}

/* An array; null where it is left out. Bytes are null where there is no plan. */
static void json_smaller(Compilation *c, Out *w) {
  SmallerTable table = inspect_smaller(c);
  out(w, ", \"smaller\": %s", table.left_out ? "null" : "[");
  for (size_t i = 0; i < table.rows.len; i++) {
    const Smaller *row = &table.rows.data[i];
    out(w, "%s\n  {\"sizes\": ", i == 0 ? "" : ",");
    json_bounds(c, w, row->dims);
    if (row->planned)
      out(w, ", \"arena_bytes\": %zu, \"state_bytes\": %zu}", row->arena_bytes, row->state_bytes);
    else
      out(w, ", \"arena_bytes\": null, \"state_bytes\": null}");
  }
  if (!table.left_out) out(w, "]");
}

static void json_plan(Compilation *c, Out *w) {
  Totals totals = inspect_totals(c->steps);
  out(w, ",\n\"passes\": ");
  json_passes(c->arena, w, &c->passes);
  out(w, ",\n\"steps\": [");
  bool first = true;
  json_steps(c->arena, w, c->steps, &first);
  out(w, "],\n\"macs\": %lld", (long long)totals.macs);
  json_buffers(c->arena, w, c->steps);
  out(w,
      ",\n\"memory\": {\"arena_bytes\": %zu, \"lower_bound_bytes\": %zu, \"tensor_bytes\": %zu, ",
      c->plan->arena_bytes, c->plan->bound_bytes, c->plan->tensor_bytes);
  out(w, "\"model_order_bytes\": %zu, \"order_optimal\": %s, ", c->plan->model_order_bytes,
      c->plan->order_optimal ? "true" : "false");
  out(w, "\"weight_bytes\": %zu, \"state_bytes\": %zu, ", inspect_weight_bytes(c->graph),
      c->steps->state.bytes);
  json_peak(c->arena, w, c->steps);
  json_smaller(c, w);
  out(w, "}");
}

void inspect_json(Compilation *c, Out *w) {
  Arena *a = c->arena;
  out(w, "{\"schema\": %d,\n\"onnxc\": \"%s\",\n\"model\": \"%s\",\n\"nodes\": %u,\n\"sizes\": ",
      SCHEMA, onnxc_version(), text_json(a, c->name), c->imported_nodes);
  json_symbols(a, w, c->ctx.dims);
  if (c->plan != NULL) json_plan(c, w);
  out(w, ",\n\"graph\": ");
  inspect_graph_json(c->graph, a, w);
  out(w, "}");
}

bool view_json(Compilation *c, Out *w) {
  inspect_json(c, w);
  out(w, "\n");
  return true;
}
