#include "plan/plan.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "id,lower,upper,size", with_offset[] = "id,lower,upper,size,offset";
enum { MOST_COLUMNS = 5, MAX_LINE = 256 };

/* One file being read. */
typedef struct Csv {
  Arena *arena;
  Diag *diag;
  FILE *file;
  size_t line;
  int columns; /* 4, or 5 with offsets */
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
static bool split(char *line, char *columns[MOST_COLUMNS], int n) {
  for (int i = 0; i < n; i++) {
    columns[i] = line;
    char *comma = strchr(line, ',');
    if ((comma == NULL) != (i == n - 1)) return false;
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
  char *columns[MOST_COLUMNS];
  uint64_t lower, upper, size, offset = 0;
  if (!split(line, columns, csv->columns)) {
    return malformed(csv, csv->columns == MOST_COLUMNS ? "a row is `id,lower,upper,size,offset`"
                                                       : "a row is `id,lower,upper,size`");
  }
  if (!parse_number(columns[1], UINT32_MAX, &lower) ||
      !parse_number(columns[2], UINT32_MAX, &upper) || upper <= lower) {
    return malformed(csv, "lower and upper are no interval of 32-bit numbers");
  }
  if (!parse_number(columns[3], SIZE_MAX, &size)) return malformed(csv, "the size is no number");
  if (csv->columns == MOST_COLUMNS && !parse_number(columns[4], SIZE_MAX - size, &offset)) {
    return malformed(csv, "the offset is no number, or too large");
  }
  PlanSlot slot = {.first = (uint32_t)lower,
                   .last = (uint32_t)upper - 1,
                   .size = (size_t)size,
                   .offset = (size_t)offset};
  vec_push(csv->arena, &csv->slots, slot);
  vec_push(csv->arena, &csv->ids, arena_printf(csv->arena, "%s", columns[0]));
  return true;
}

static bool parse(Csv *csv) {
  char line[MAX_LINE];
  bool read = read_line(csv, line), plan = read && strcmp(line, with_offset) == 0;
  if (!plan && (!read || strcmp(line, header) != 0)) {
    csv->line = 1;
    return malformed(csv,
                     "the first line must be `id,lower,upper,size`, then `,offset` or nothing");
  }
  csv->columns = plan ? MOST_COLUMNS : MOST_COLUMNS - 1;
  while (read_line(csv, line)) {
    if (*line != '\0' && *line != '#' && !parse_row(csv, line)) return false;
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
  out(w, "%s\n", with_offset);
  for (size_t i = 0; i < csv->slots.len; i++) {
    const PlanSlot *slot = &csv->slots.data[i];
    out(w, "%s,%" PRIu32 ",%" PRIu64 ",%zu,%zu\n", csv->ids.data[i], slot->first,
        (uint64_t)slot->last + 1, slot->size, slot->offset);
  }
  double gap =
      packing->bound == 0 ? 0 : 100 * ((double)packing->height / (double)packing->bound - 1);
  out(w, "# height %zu, lower bound %zu, gap %.1f %%, %s, packed by %s\n", packing->height,
      packing->bound, gap, packing->optimal ? "optimal" : "not proven optimal", packing->strategy);
}

/* The height of the plan in the file. */
static size_t given_height(const Csv *csv) {
  size_t height = 0;
  VEC_EACH(const PlanSlot, slot, &csv->slots) {
    if (slot->offset + slot->size > height) height = slot->offset + slot->size;
  }
  return height;
}

static bool check_plan(Csv *csv, const PlanCsv *given, Out *w) {
  size_t height = given_height(csv);
  if (csv->columns != MOST_COLUMNS) return malformed(csv, "there is no column `offset` to check");
  const char *fault = plan_check_slots(csv->arena, csv->slots.data, csv->slots.len, height);
  if (fault != NULL) return diag_error(csv->diag, DIAG_INVALID, (DiagSite){0}, "%s", fault);
  if (given->capacity != 0 && height > given->capacity) {
    return diag_error(csv->diag, DIAG_LIMIT, (DiagSite){0},
                      "the plan needs %zu bytes but the capacity is %zu", height, given->capacity);
  }
  out(w, "# height %zu, no overlaps\n", height);
  return true;
}

bool plan_csv(Arena *arena, Diag *diag, const PlanCsv *given, Out *w) {
  Csv csv = {.arena = arena, .diag = diag};
  PlanPacking packing;
  if (!read_file(&csv, given->path)) return false;
  if (given->check) return check_plan(&csv, given, w);
  if (!plan_pack(arena, csv.slots.data, csv.slots.len, given->capacity, given->effort, &packing)) {
    return diag_error(diag, DIAG_LIMIT, (DiagSite){0}, "the sum of all sizes overflows");
  }
  const char *fault = plan_check_slots(arena, csv.slots.data, csv.slots.len, packing.height);
  if (fault != NULL) return diag_error(diag, DIAG_INTERNAL, (DiagSite){0}, "%s", fault);
  if (given->capacity != 0 && packing.height > given->capacity) {
    return diag_error(diag, DIAG_LIMIT, (DiagSite){0},
                      "the plan needs %zu bytes but the capacity is %zu; no plan fits below %zu",
                      packing.height, given->capacity, packing.bound);
  }
  write_result(&csv, &packing, w);
  return true;
}
