/* Writes on with the compiled GPT: byte-pair tokens, each printed as soon as it is chosen. What the
 * model remembers of those before, its keys and values, is a state: a run reads only new tokens.
 *
 * generate FOLDER             goes on with every beginning in expected.tsv there as far as the
 *                             state has room, and compares with what PyTorch, which remembers
 *                             nothing, makes of it; exit 0 if all are equal
 * generate FOLDER BEGINNING [TEMPERATURE [SEED [TOKENS]]]
 *                             goes on with that. At temperature 0, which is the default, the most
 *                             probable token is next; else each is, as often as its probability
 *                             says. The same seed gives the same text.
 * The folder also holds pairs.bin (see train.py). */
#include "bpe.h"
#include "generate.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 512, MAX_TEXT = 4096, CHUNK = 32 };

typedef struct Choice {
  double temperature;
  uint64_t seed;
} Choice;

static _Alignas(GENERATE_ARENA_ALIGN) unsigned char arena[GENERATE_ARENA_BYTES];
static _Alignas(GENERATE_STATE_ALIGN) unsigned char state[GENERATE_STATE_BYTES];

/* From 0 up to but without 1: SplitMix64, on any machine the same. */
static double random_number(uint64_t *seed) {
  uint64_t x = *seed += UINT64_C(0x9E3779B97F4A7C15);
  x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
  return (double)((x ^ x >> 31) >> 11) / 9007199254740992.0;
}

static int64_t most_probable(const float *logits) {
  int64_t best = 0;
  for (int64_t i = 1; i < TOKENS; i++)
    if (logits[i] > logits[best]) best = i;
  return best;
}

static int64_t choose(const float *logits, Choice *choice) {
  const int64_t best = most_probable(logits);
  double weights[TOKENS], total = 0;
  if (choice->temperature == 0) return best;
  for (int64_t i = 0; i < TOKENS; i++) {
    weights[i] = exp(((double)logits[i] - logits[best]) / choice->temperature);
    total += weights[i];
  }
  double left = random_number(&choice->seed) * total;
  for (int64_t i = 0; i < TOKENS; i++) {
    left -= weights[i];
    if (left < 0) return i;
  }
  return best;
}

/* The model reads the tokens, some at a time; the logits are those of the next one. Returns its
 * error. */
static int feed(const int64_t *tokens, int count, float *logits) {
  int error = 0;
  for (int at = 0; at < count && !error; at += CHUNK) {
    const generate_inputs in = {
        .sequence = count - at < CHUNK ? count - at : CHUNK, .tokens = tokens + at, .state = state};
    generate_outputs out = {.logits = logits};
    error = generate_run(&in, &out, arena, NULL);
  }
  return error;
}

/* Prints the beginning and up to `limit` tokens behind it, which `text` is given, too. 0 after an
 * error, which is printed; that there is no room for more is none behind the beginning. */
static int go_on(const Bpe *bpe, const char *beginning, Choice *choice, long limit,
                 char text[MAX_TEXT]) {
  int64_t tokens[MAX_TEXT];
  float logits[TOKENS];
  size_t length = 0;
  int count = bpe_encode(bpe, beginning, tokens, MAX_TEXT);
  if (count <= 0) {
    fprintf(stderr, "generate: a beginning has 1 to %d bytes\n", MAX_TEXT);
    return 0;
  }
  fputs(beginning, stdout);
  int error = generate_reset(state);
  if (!error) error = feed(tokens, count, logits);
  for (long made = 0; !error && made < limit; made++) {
    int64_t token = choose(logits, choice);
    size_t bytes = bpe_decode(bpe, token, text + length, MAX_TEXT - 1 - length);
    fwrite(text + length, 1, bytes, stdout);
    fflush(stdout);
    length += bytes;
    error = feed(&token, 1, logits);
  }
  text[length] = '\0';
  putchar('\n');
  if (error == ONNXC_RT_ERROR_FULL && length > 0) return 1;
  if (error) fprintf(stderr, "generate: error %d\n", error);
  return !error;
}

/* A row has the beginning and then, as columns, the lines of what follows it. */
static int check_all(const Bpe *bpe, const char *folder) {
  char row[MAX_TEXT], text[MAX_TEXT];
  int right = 0, count = 0;
  snprintf(row, sizeof row, "%s/expected.tsv", folder);
  FILE *file = fopen(row, "rb");
  while (file && fgets(row, sizeof row, file)) {
    Choice most = {0};
    char *expected = strchr(row, '\t');
    if (expected == NULL) break;
    row[strcspn(row, "\n")] = '\0';
    *expected++ = '\0';
    for (char *c = expected; *c; c++)
      if (*c == '\t') *c = '\n';
    if (!go_on(bpe, row, &most, LONG_MAX, text)) break;
    putchar('\n');
    right += strcmp(text, expected) == 0;
    count++;
  }
  if (file) fclose(file);
  printf("equal to PyTorch's texts: %d of %d\n", right, count);
  return count > 0 && right == count ? 0 : 1;
}

/* TEMPERATURE, SEED and TOKENS, as many as there are. 0: one is no such number, which is printed.
 */
static int read_settings(char **words, int count, Choice *choice, long *limit) {
  char none = '\0', *ends[] = {&none, &none, &none};
  if (count > 0) choice->temperature = strtod(words[0], &ends[0]);
  if (count > 1) choice->seed = strtoull(words[1], &ends[1], 10);
  if (count > 2) *limit = strtol(words[2], &ends[2], 10);
  if (!*ends[0] && !*ends[1] && !*ends[2] && choice->temperature >= 0) return 1;
  fprintf(stderr, "generate: BEGINNING [TEMPERATURE [SEED [TOKENS]]]\n");
  return 0;
}

int main(int argc, char **argv) {
  static Bpe bpe;
  char text[MAX_TEXT];
  Choice choice = {0};
  long limit = LONG_MAX;
  if (argc < 2 || argc > 6 || !bpe_read(&bpe, TOKENS - BPE_BYTES, argv[1], "pairs.bin")) return 2;
  if (argc == 2) return check_all(&bpe, argv[1]);
  if (!read_settings(argv + 3, argc - 3, &choice, &limit)) return 2;
  return go_on(&bpe, argv[2], &choice, limit, text) ? 0 : 2;
}
