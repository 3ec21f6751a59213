/* Classifies the held-out digits with the compiled model, as a product would use it: generated
 * code, a static arena, no allocation.
 *
 * digits FOLDER: the folder holds images.bin, labels.bin and predictions.bin (see train.py).
 * Exit 0 if at least 95 % are right and every answer is the one PyTorch gives. */
#include "digits.h"
#include "files.h"

#include <stdio.h>

enum { IMAGES = 360, PIXELS = 64, CLASSES = 10, BATCH = 32 };

typedef struct HeldOut {
  unsigned char images[IMAGES][PIXELS], labels[IMAGES], predictions[IMAGES];
} HeldOut;

static _Alignas(DIGITS_ARENA_ALIGN) unsigned char arena[DIGITS_ARENA_BYTES];

static int read_held_out(const char *folder, HeldOut *held_out) {
  return read_file(folder, "images.bin", held_out->images, sizeof held_out->images) &&
         read_file(folder, "labels.bin", held_out->labels, sizeof held_out->labels) &&
         read_file(folder, "predictions.bin", held_out->predictions, sizeof held_out->predictions);
}

static unsigned char largest(const float *logits) {
  unsigned char best = 0;
  for (unsigned char i = 1; i < CLASSES; i++)
    if (logits[i] > logits[best]) best = i;
  return best;
}

/* Writes the digit of each of `count` images, at most BATCH, and returns the model's error code. */
static int classify(unsigned char (*images)[PIXELS], int count, unsigned char *digits) {
  float pixels[BATCH][PIXELS], logits[BATCH][CLASSES];
  for (int i = 0; i < count; i++)
    for (int j = 0; j < PIXELS; j++) pixels[i][j] = (float)images[i][j];
  const digits_inputs in = {.batch = count, .image = &pixels[0][0]};
  digits_outputs out = {.logits = &logits[0][0]};
  int error = digits_run(&in, &out, arena, NULL);
  for (int i = 0; !error && i < count; i++) digits[i] = largest(logits[i]);
  return error;
}

int main(int argc, char **argv) {
  static HeldOut held_out;
  unsigned char digits[IMAGES];
  int right = 0, same = 0;
  if (argc != 2 || !read_held_out(argv[1], &held_out)) return 2;
  for (int i = 0; i < IMAGES; i += BATCH) {
    int error = classify(&held_out.images[i], IMAGES - i < BATCH ? IMAGES - i : BATCH, &digits[i]);
    if (error) {
      fprintf(stderr, "digits: the model returned error %d\n", error);
      return 2;
    }
  }
  for (int i = 0; i < IMAGES; i++) {
    right += digits[i] == held_out.labels[i];
    same += digits[i] == held_out.predictions[i];
  }
  printf("accuracy: %d of %d held-out images (%.1f %%)\n", right, IMAGES, 100.0 * right / IMAGES);
  printf("equal to PyTorch's predictions: %d of %d\n", same, IMAGES);
  return right * 100 >= IMAGES * 95 && same == IMAGES ? 0 : 1;
}
