/* The view for reading: header, passes, steps, memory. */
#include "ir/text.h"
#include "inspect/inspect.h"

#include <inttypes.h>
#include <string.h>

enum { NAMES_SHOWN = 3 };

static void print_interface(Arena *a, Out *w, const Graph *graph) {
  VEC_EACH(Value *, v, &graph->inputs) {
    out(w, "  input  %s: %s\n", text_escape(a, (*v)->name), type_text(a, &(*v)->type));
  }
  VEC_EACH(Value *, v, &graph->outputs) {
    out(w, "  output %s: %s\n", text_escape(a, (*v)->name), type_text(a, &(*v)->type));
  }
}

static void print_symbols(Arena *a, Out *w, const DimTable *dims) {
  for (uint32_t i = 0; i < dims_symbols(dims); i++) {
    const DimAtom *symbol = dim_as_symbol(dims_symbol(dims, i));
    const char *hi = symbol->hi == INT64_MAX ? "" : arena_printf(a, "%lld", (long long)symbol->hi);
    out(w, "  size   %s: %lld..%s\n", text_escape(a, symbol->name), (long long)symbol->lo, hi);
  }
}

static void print_header(Compilation *c, Out *w) {
  Arena *a = c->arena;
  out(w, "%s\n", text_escape(a, c->model));
  out(w, "  graph  %s: %u nodes, %u as imported, %s bytes of constants\n",
      text_escape(a, c->graph->name), c->graph->n_nodes, c->imported_nodes,
      inspect_number(a, inspect_weight_bytes(c->graph)));
  print_interface(a, w, c->graph);
  print_symbols(a, w, c->ctx.dims);
}

static void print_passes(Compilation *c, Out *w) {
  out(w, "\nPasses%28s\n", "rewrites");
  VEC_EACH(PassCount, count, &c->passes.counts) {
    if (count->hits == 0) continue;
    const char *name =
        count->rule == NULL ? count->pass : arena_printf(c->arena, "  %s", count->rule);
    out(w, "  %-24s%8zu", name, count->hits);
    if (count->macs != 0)
      out(w, "   %s macs more", inspect_number(c->arena, (uint64_t)count->macs));
    if (count->operations != 0)
      out(w, "   %s operations more", inspect_number(c->arena, (uint64_t)count->operations));
    out(w, "\n");
  }
}

/* The first names and how many more there are. */
static const char *names_text(Arena *a, const char *const *names, uint32_t n, const char *between) {
  const char *text = "";
  for (uint32_t i = 0; i < n && i < NAMES_SHOWN; i++) {
    text = arena_printf(a, "%s%s%s", text, i == 0 ? "" : between, text_escape(a, names[i]));
  }
  return n <= NAMES_SHOWN ? text : arena_printf(a, "%s%s(%u more)", text, between, n - NAMES_SHOWN);
}

static const char *size_text(Arena *a, const Dim *d) {
  return d == NULL || d->hi == 0 ? "" : inspect_number(a, (uint64_t)d->hi);
}

static void print_steps(Compilation *c, Out *w, const Steps *steps, int depth) {
  Arena *a = c->arena;
  VEC_EACH(Step *, item, &steps->steps) {
    const Step *step = *item;
    out(w, "%*s%4u  %-*s %15s %15s  %-32s  %s\n", 2 * depth, "", step->id, 12 - 2 * depth,
        inspect_kind(step->kind), size_text(a, step->macs), size_text(a, step->bytes),
        names_text(a, step->ops, step->n_ops, "+"),
        names_text(a, step->nodes, step->n_nodes, ", "));
    Steps *bodies[2];
    uint32_t n = step_bodies(step, bodies);
    for (uint32_t i = 0; i < n; i++) print_steps(c, w, bodies[i], depth + 1);
  }
}

static void print_all_steps(Compilation *c, Out *w) {
  Totals totals = inspect_totals(c->steps);
  out(w, "\nSteps\n  %4s  %-12s %15s %15s  %-32s  %s\n", "id", "kind", "macs", "bytes", "operators",
      "nodes");
  out_indent(w, 1);
  print_steps(c, w, c->steps, 0);
  out_indent(w, -1);
  out(w, "  %4zu  %-12s %15s %15s\n", totals.steps, "total",
      inspect_number(c->arena, (uint64_t)totals.macs),
      inspect_number(c->arena, (uint64_t)totals.bytes));
}

/* Where the most is in use, and by what. */
static void print_peak(Compilation *c, Out *w) {
  Arena *a = c->arena;
  PlanPeak peak = plan_peak(c->steps, a);
  size_t n = peak.steps.len;
  if (n == 0) return;
  out(w, "\nPeak: %s bytes in use at %s", inspect_number(a, peak.bytes), n == 1 ? "step" : "steps");
  for (size_t i = 0; i < n && i < NAMES_SHOWN; i++) {
    out(w, "%s %u", i == 0 ? "" : ",", peak.steps.data[i]->id);
  }
  if (n > NAMES_SHOWN) out(w, " and %zu more", n - NAMES_SHOWN);
  out(w, "%s\n", n == 1 ? "" : "; at the first of them");
  out(w, "  %6s %15s %15s  %s\n", "buffer", "bytes", "offset", "of");
  VEC_EACH(const Buffer *const, buffer, &peak.buffers) {
    out(w, "  %6u %15s %15s  %s\n", (*buffer)->id, inspect_number(a, (*buffer)->bytes),
        inspect_number(a, (*buffer)->offset), text_escape(a, (*buffer)->name));
  }
}

static const char *bounds_text(Compilation *c, const onnxc_dim *dims) {
  const char *text = "";
  for (size_t i = 0; i < c->options.n_dims; i++) {
    if (!inspect_is_bounded(c, i)) continue;
    text = arena_printf(c->arena, "%s  %s=%" PRId64 "..%" PRId64, text,
                        text_escape(c->arena, dims[i].name), dims[i].lo, dims[i].hi);
  }
  return text;
}

static void print_smaller(Compilation *c, Out *w) {
  Arena *a = c->arena;
  SmallerTable table = inspect_smaller(c);
  bool state = c->steps->state.bytes != 0;
  if (table.left_out) out(w, "\nSmaller bounds: left out, since each would take seconds\n");
  if (table.rows.len == 0) return;
  out(w, "\nSmaller bounds\n  %-11s %15s", "range", "arena bytes");
  out(w, state ? " %15s  bounds\n" : "  bounds\n", "state bytes");
  VEC_EACH(const Smaller, row, &table.rows) {
    out(w, "  1/%-9" PRId64 " %15s", row->part,
        row->planned ? inspect_number(a, row->arena_bytes) : "not possible");
    if (state) out(w, " %15s", row->planned ? inspect_number(a, row->state_bytes) : "");
    out(w, "%s\n", bounds_text(c, row->dims));
  }
}

static void print_memory(Compilation *c, Out *w) {
  Arena *a = c->arena;
  const Plan *plan = c->plan;
  double gap = plan->bound_bytes == 0 ? 0
                                      : 100.0 * (double)(plan->arena_bytes - plan->bound_bytes) /
                                            (double)plan->bound_bytes;
  out(w, "\nMemory\n");
  out(w, "  arena       %15s bytes\n", inspect_number(a, plan->arena_bytes));
  out(w, "  lower bound %15s bytes, %.1f %% above it\n", inspect_number(a, plan->bound_bytes), gap);
  out(w, "  model order %15s bytes at least; this order %s\n",
      inspect_number(a, plan->model_order_bytes),
      plan->order_optimal ? "is proven best" : "is not proven best");
  out(w, "  tensors     %15s bytes without reuse\n", inspect_number(a, plan->tensor_bytes));
  size_t state = c->steps->state.bytes;
  if (state != 0) out(w, "  state       %15s bytes\n", inspect_number(a, state));
  print_peak(c, w);
  print_smaller(c, w);
}

bool view_text(Compilation *c, Out *w) {
  print_header(c, w);
  if (c->plan == NULL) {
    out(w, "\n");
    graph_print(w, c->graph);
    return true;
  }
  print_passes(c, w);
  print_all_steps(c, w);
  print_memory(c, w);
  return true;
}
