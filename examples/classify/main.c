/* Tells with the compiled BERT what lines of text are written in. Lines of different lengths go
 * through it together, padded, with a mask of what is text.
 *
 * classify FOLDER: the folder holds held_out.tsv and pairs.bin (see train.py).
 * Exit 0 if at least 85 % are right and every answer is the one PyTorch gives. */
#include "bpe.h"
#include "classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 512, START = TOKENS, CLASSES = 4, BATCH = 8, MAX_LENGTH = 64, MAX_LINE = 256 };

static const char *const kinds[CLASSES] = {"C", "Python", "graph", "prose"};

static _Alignas(CLASSIFY_ARENA_ALIGN) unsigned char arena[CLASSIFY_ARENA_BYTES];

typedef struct Line {
  int label, expected, answer; /* what it is, what PyTorch says, what the model here says */
  int length;                  /* in tokens */
  int64_t tokens[MAX_LENGTH];
  char text[MAX_LINE];
} Line;

/* One line of the table: label, PyTorch's answer, text. 0: there is none, or it is not such. */
static int read_line(FILE *file, const Bpe *bpe, Line *line) {
  char text[MAX_LINE], *end;
  if (!fgets(text, sizeof text, file)) return 0;
  text[strcspn(text, "\n")] = '\0';
  line->label = (int)strtol(text, &end, 10);
  line->expected = (int)strtol(end, &end, 10);
  if (*end != '\t' || line->label < 0 || line->label >= CLASSES) return 0;
  strcpy(line->text, end + 1);
  line->tokens[0] = START;
  int length = bpe_encode(bpe, line->text, line->tokens + 1, MAX_LENGTH - 1);
  line->length = length + 1;
  return length >= 0;
}

static int largest(const float *logits) {
  int best = 0;
  for (int i = 1; i < CLASSES; i++)
    if (logits[i] > logits[best]) best = i;
  return best;
}

/* Sets the answers of at most BATCH lines, and returns the model's error code. */
static int classify(Line *lines, int count) {
  static int64_t tokens[BATCH * MAX_LENGTH], mask[BATCH * MAX_LENGTH];
  float logits[BATCH][CLASSES];
  int length = 1;
  for (int i = 0; i < count; i++) length = lines[i].length > length ? lines[i].length : length;
  for (int i = 0; i < count; i++) {
    for (int j = 0; j < length; j++) {
      mask[i * length + j] = j < lines[i].length;
      tokens[i * length + j] = j < lines[i].length ? lines[i].tokens[j] : 0;
    }
  }
  const classify_inputs in = {.batch = count, .length = length, .tokens = tokens, .mask = mask};
  classify_outputs out = {.logits = &logits[0][0]};
  int error = classify_run(&in, &out, arena, NULL);
  for (int i = 0; !error && i < count; i++) lines[i].answer = largest(logits[i]);
  return error;
}

/* Reads up to BATCH lines and prints their answers. -1 after an error, else the number of lines. */
static int next_batch(FILE *file, const Bpe *bpe, int *right, int *same) {
  static Line lines[BATCH];
  int count = 0;
  while (count < BATCH && read_line(file, bpe, &lines[count])) count++;
  int error = count > 0 ? classify(lines, count) : 0;
  if (error) {
    fprintf(stderr, "classify: the model returned error %d\n", error);
    return -1;
  }
  for (int i = 0; i < count; i++) {
    printf("%-6s  %s\n", kinds[lines[i].answer], lines[i].text);
    *right += lines[i].answer == lines[i].label;
    *same += lines[i].answer == lines[i].expected;
  }
  return count;
}

int main(int argc, char **argv) {
  static Bpe bpe;
  char path[1024];
  int count = 0, right = 0, same = 0, more;
  if (argc != 2 || !bpe_read(&bpe, TOKENS - BPE_BYTES, argv[1], "pairs.bin")) return 2;
  snprintf(path, sizeof path, "%s/held_out.tsv", argv[1]);
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "classify: cannot read %s\n", path);
    return 2;
  }
  while ((more = next_batch(file, &bpe, &right, &same)) > 0) count += more;
  fclose(file);
  if (more < 0) return 2;
  printf("right: %d of %d held-out lines\n", right, count);
  printf("equal to PyTorch's answers: %d of %d\n", same, count);
  return count > 0 && right * 100 >= count * 85 && same == count ? 0 : 1;
}
