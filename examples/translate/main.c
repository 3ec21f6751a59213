/* Translates Chinese phrases to English with the compiled encoder and decoder: byte-pair tokens,
 * one pass of the encoder, then the most probable token again and again until the end.
 *
 * translate FOLDER            every line of expected.txt there is translated and compared with
 *                             what PyTorch makes of it; exit 0 if all are equal
 * translate FOLDER PHRASE...  translates the phrases
 * The folder also holds pairs.bin (see train.py). */
#include "bpe.h"
#include "decoder.h"
#include "encoder.h"

#include <stdio.h>
#include <string.h>

enum { TOKENS = 512, START = TOKENS, END, CLASSES, WIDTH = 64, MAX_LENGTH = 64, MAX_TEXT = 1024 };

/* The models run one after the other and can share an arena. */
enum {
  ARENA_BYTES =
      ENCODER_ARENA_BYTES > DECODER_ARENA_BYTES ? ENCODER_ARENA_BYTES : DECODER_ARENA_BYTES
};
static _Alignas(ENCODER_ARENA_ALIGN) _Alignas(DECODER_ARENA_ALIGN) unsigned char arena[ARENA_BYTES];

static int64_t most_probable(const float *probabilities) {
  int64_t best = 0;
  for (int64_t i = 1; i < CLASSES; i++)
    if (probabilities[i] > probabilities[best]) best = i;
  return best;
}

/* Writes the translation's tokens and returns their number; below 0: minus a model's error. */
static int generate(const int64_t *source, int length, int64_t *target) {
  static float memory[MAX_LENGTH * WIDTH], probabilities[CLASSES];
  const encoder_inputs encoder_in = {.source = length, .tokens = source};
  encoder_outputs encoder_out = {.memory = memory};
  int error = encoder_run(&encoder_in, &encoder_out, arena, NULL);
  int made = 1;
  target[0] = START;
  while (!error && made < MAX_LENGTH) {
    const decoder_inputs in = {
        .target = made, .source = length, .tokens = target, .memory = memory};
    decoder_outputs out = {.probabilities = probabilities};
    error = decoder_run(&in, &out, arena, NULL);
    target[made] = most_probable(probabilities);
    if (target[made] == END) break;
    made++;
  }
  return error ? -error : made;
}

/* 0 after an error, which is printed. */
static int translate(const Bpe *bpe, const char *phrase, char *text, size_t room) {
  int64_t source[MAX_LENGTH], target[MAX_LENGTH + 1];
  int length = bpe_encode(bpe, phrase, source, MAX_LENGTH);
  int made = length > 0 ? generate(source, length, target) : 0;
  size_t bytes = 0;
  for (int i = 1; i < made; i++)
    bytes += bpe_decode(bpe, target[i], text + bytes, room - 1 - bytes);
  text[bytes] = '\0';
  if (length <= 0) fprintf(stderr, "translate: a phrase has 1 to %d bytes\n", MAX_LENGTH);
  if (made < 0) fprintf(stderr, "translate: a model returned error %d\n", -made);
  return made > 0;
}

static int translate_all(const Bpe *bpe, char **phrases, int count) {
  char text[MAX_TEXT];
  for (int i = 0; i < count; i++) {
    if (!translate(bpe, phrases[i], text, sizeof text)) return 2;
    printf("%s -> %s\n", phrases[i], text);
  }
  return 0;
}

static int check_all(const Bpe *bpe, const char *folder) {
  char line[MAX_TEXT], text[MAX_TEXT];
  int right = 0, count = 0;
  snprintf(line, sizeof line, "%s/expected.txt", folder);
  FILE *file = fopen(line, "rb");
  while (file && fgets(line, sizeof line, file)) {
    char *arrow = strstr(line, " -> ");
    if (arrow == NULL) break;
    line[strcspn(line, "\n")] = '\0';
    *arrow = '\0';
    if (!translate(bpe, line, text, sizeof text)) break;
    printf("%s -> %s\n", line, text);
    right += strcmp(text, arrow + strlen(" -> ")) == 0;
    count++;
  }
  if (file) fclose(file);
  printf("equal to PyTorch's translations: %d of %d\n", right, count);
  return count > 0 && right == count ? 0 : 1;
}

int main(int argc, char **argv) {
  static Bpe bpe;
  if (argc < 2 || !bpe_read(&bpe, TOKENS - BPE_BYTES, argv[1], "pairs.bin")) return 2;
  return argc > 2 ? translate_all(&bpe, argv + 2, argc - 2) : check_all(&bpe, argv[1]);
}
