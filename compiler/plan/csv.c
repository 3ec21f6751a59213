#include "plan/plan.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "id,lower,upper,size";
enum { COLUMNS = 4, MAX_LINE = 256 };

/* One file being read. */
typedef struct Csv {
  Arena *arena;
  Diag *diag;
  FILE *file;
  size_t line;
  Vec(const char *) ids;
  Vec(PlanSlot) slots;
} Csv;

static bool malformed(const Csv *csv, const char *what) {
  return diag_error(csv->diag, DIAG_INVALID, (DiagSite){0}, "line %zu: %s", csv->line, what);
}

/* The next line without its end; false at the end of the file. */
static bool read_line(Csv *csv, char line[MAX_LINE]) {
  if (fgets(line, MAX_LINE, csv->file) == NULL) return false;
  csv->line++;
  line[strcspn(line, "\r\n")] = '\0';
  return true;
}

/* Cuts a line at its commas. */
static bool split(char *line, char *columns[COLUMNS]) {
  for (int i = 0; i < COLUMNS; i++) {
    columns[i] = line;
    char *comma = strchr(line, ',');
    if ((comma == NULL) != (i == COLUMNS - 1)) return false;
    if (comma == NULL) return true;
    *comma = '\0';
    line = comma + 1;
  }
  return true;
}

static bool parse_number(const char *text, uint64_t most, uint64_t *value) {
  char *end;
  errno = 0;
  if (!isdigit((unsigned char)*text)) return false;
  *value = strtoull(text, &end, 10);
  return errno == 0 && *end == '\0' && *value <= most;
}

static bool parse_row(Csv *csv, char *line) {
  char *columns[COLUMNS];
  uint64_t lower, upper, size;
  if (!split(line, columns)) return malformed(csv, "a row is `id,lower,upper,size`");
  if (!parse_number(columns[1], UINT32_MAX, &lower) ||
      !parse_number(columns[2], UINT32_MAX, &upper) || upper <= lower) {
    return malformed(csv, "lower and upper are no interval of 32-bit numbers");
  }
  if (!parse_number(columns[3], SIZE_MAX, &size)) return malformed(csv, "the size is no number");
  PlanSlot slot = {.first = (uint32_t)lower, .last = (uint32_t)upper - 1, .size = (size_t)size};
  vec_push(csv->arena, &csv->slots, slot);
  vec_push(csv->arena, &csv->ids, arena_printf(csv->arena, "%s", columns[0]));
  return true;
}

static bool parse(Csv *csv) {
  char line[MAX_LINE];
  if (!read_line(csv, line) || strcmp(line, header) != 0) {
    csv->line = 1;
    return malformed(csv, "the first line must be `id,lower,upper,size`");
  }
  while (read_line(csv, line)) {
    if (*line != '\0' && !parse_row(csv, line)) return false;
  }
  return true;
}

static bool read_file(Csv *csv, const char *path) {
  csv->file = fopen(path, "r");
  if (csv->file == NULL) {
    return diag_error(csv->diag, DIAG_IO, (DiagSite){0}, "cannot open: %s", strerror(errno));
  }
  bool parsed = parse(csv);
  if (parsed && ferror(csv->file)) {
    parsed = diag_error(csv->diag, DIAG_IO, (DiagSite){0}, "cannot read: %s", strerror(errno));
  }
  fclose(csv->file);
  return parsed;
}

static void write_result(const Csv *csv, const PlanPacking *packing, Out *w) {
  out(w, "%s,offset\n", header);
  for (size_t i = 0; i < csv->slots.len; i++) {
    const PlanSlot *slot = &csv->slots.data[i];
    out(w, "%s,%" PRIu32 ",%" PRIu64 ",%zu,%zu\n", csv->ids.data[i], slot->first,
        (uint64_t)slot->last + 1, slot->size, slot->offset);
  }
  double gap =
      packing->bound == 0 ? 0 : 100 * ((double)packing->height / (double)packing->bound - 1);
  out(w, "# height %zu, lower bound %zu, gap %.1f %%, packed by %s\n", packing->height,
      packing->bound, gap, packing->strategy);
}

bool plan_csv(Arena *arena, Diag *diag, const char *path, size_t capacity, Out *w) {
  Csv csv = {.arena = arena, .diag = diag};
  PlanPacking packing;
  if (!read_file(&csv, path)) return false;
  if (!plan_pack(arena, csv.slots.data, csv.slots.len, &packing)) {
    return diag_error(diag, DIAG_LIMIT, (DiagSite){0}, "the sum of all sizes overflows");
  }
  const char *fault = plan_check_slots(arena, csv.slots.data, csv.slots.len, packing.height);
  if (fault != NULL) return diag_error(diag, DIAG_INTERNAL, (DiagSite){0}, "%s", fault);
  if (capacity != 0 && packing.height > capacity) {
    return diag_error(diag, DIAG_LIMIT, (DiagSite){0},
                      "the plan needs %zu bytes but the capacity is %zu; no plan fits below %zu",
                      packing.height, capacity, packing.bound);
  }
  write_result(&csv, &packing, w);
  return true;
}
