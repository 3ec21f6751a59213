#include "cli/profile.h"

#include "inspect/inspect.h"

#include <stdlib.h>

/* A step; rates are known where it runs once. */
typedef struct Entry {
  const Step *step;
  bool nested;
  double seconds;
} Entry;

typedef struct Profile {
  Arena *arena;
  Entry *entries;
  size_t n;
  double total; /* of the steps that are in no other */
} Profile;

static double least(const Runs *runs, size_t step, size_t n) {
  double seconds = runs->profile[step];
  for (size_t i = 1; i < runs->runs; i++) {
    if (runs->profile[i * n + step] < seconds) seconds = runs->profile[i * n + step];
  }
  return seconds;
}

static void collect(Profile *p, const Steps *steps, const Runs *runs, size_t n, bool nested) {
  VEC_EACH(Step *const, at, &steps->steps) {
    const Step *step = *at;
    Entry *entry = &p->entries[p->n++];
    *entry = (Entry){step, nested, least(runs, step->id, n)};
    if (!nested) p->total += entry->seconds;
    Steps *bodies[2];
    uint32_t n_bodies = step_bodies(step, bodies);
    for (uint32_t i = 0; i < n_bodies; i++) collect(p, bodies[i], runs, n, true);
  }
}

static Profile profile_of(const Program *program, const Runs *runs) {
  Compilation *c = program->compilation;
  const size_t n = program_profiled(c);
  Profile p = {.arena = c->arena, .entries = ARENA_ARRAY(c->arena, n, Entry)};
  collect(&p, c->steps, runs, n, false);
  return p;
}

/* 1e-9 times so many of something in a second; 0 where that is not known. */
static double rate(const Entry *entry, const Dim *amount, int times) {
  if (entry->nested || amount == NULL || entry->seconds <= 0) return 0;
  return 1e-9 * times * (double)amount->hi / entry->seconds;
}

static int by_time(const void *a, const void *b) {
  double x = ((const Entry *)a)->seconds, y = ((const Entry *)b)->seconds;
  return (x < y) - (x > y);
}

static void print_rate(Out *w, double value) {
  if (value == 0)
    out(w, "%9s", "");
  else
    out(w, "%9.2f", value);
}

void profile_text(const Program *program, const Runs *runs, Out *w) {
  Profile p = profile_of(program, runs);
  qsort(p.entries, p.n, sizeof *p.entries, by_time);
  out(w, "\n%5s%12s%7s%9s%9s  what\n", "step", "us", "%", "GFLOP/s", "GB/s");
  for (size_t i = 0; i < p.n; i++) {
    const Entry *entry = &p.entries[i];
    out(w, "%5u%12.1f%7.1f", entry->step->id, entry->seconds * 1e6,
        p.total == 0 ? 0 : 100 * entry->seconds / p.total);
    print_rate(w, rate(entry, entry->step->macs, 2));
    print_rate(w, rate(entry, entry->step->bytes, 1));
    out(w, "  %s\n", inspect_work(p.arena, entry->step));
  }
}

static void print_entry(Arena *a, Out *w, const Entry *entry) {
  const Step *step = entry->step;
  out(w, "{\"id\": %u, \"kind\": \"%s\", \"nested\": %s, \"min_us\": %.3f, ", step->id,
      inspect_kind(step->kind), entry->nested ? "true" : "false", entry->seconds * 1e6);
  out(w, "\"gflops\": %.3f, \"gbytes\": %.3f, \"what\": \"%s\"}", rate(entry, step->macs, 2),
      rate(entry, step->bytes, 1), text_json(a, inspect_work(a, step)));
}

void profile_json(const Program *program, const Runs *runs, Out *w) {
  Profile p = profile_of(program, runs);
  out(w, "[");
  for (size_t i = 0; i < p.n; i++) {
    out(w, "%s\n  ", i == 0 ? "" : ",");
    print_entry(p.arena, w, &p.entries[i]);
  }
  out(w, "]");
}
