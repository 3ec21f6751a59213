/* Doubles the size of an image with the compiled residual network.
 *
 * resnet FOLDER OUTPUT: the folder holds small.ppm, original.ppm and expected.ppm (see train.py);
 * the enlarged image is written to OUTPUT. Exit 0 if it is nearer to the original than linear
 * interpolation comes, and what PyTorch makes up to one step of a colour. */
#include "files.h"
#include "resnet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 64, LARGE = 2 * SMALL, COLOURS = 3 };

static const char small_header[] = "P6\n64 64\n255\n", large_header[] = "P6\n128 128\n255\n";

typedef struct SmallImage {
  char header[sizeof small_header - 1];
  unsigned char pixels[SMALL][SMALL][COLOURS];
} SmallImage;

typedef struct LargeImage {
  char header[sizeof large_header - 1];
  unsigned char pixels[LARGE][LARGE][COLOURS];
} LargeImage;

static _Alignas(RESNET_ARENA_ALIGN) unsigned char arena[RESNET_ARENA_BYTES];
static float planes[COLOURS][SMALL][SMALL], enlarged[COLOURS][LARGE][LARGE];

static int read_image(const char *folder, const char *name, const char *header, void *image,
                      size_t size) {
  if (!read_file(folder, name, image, size)) return 0;
  if (memcmp(image, header, strlen(header)) == 0) return 1;
  fprintf(stderr, "resnet: %s/%s has another size\n", folder, name);
  return 0;
}

static int enlarge(const SmallImage *small, LargeImage *large) {
  for (int i = 0; i < SMALL * SMALL; i++)
    for (int c = 0; c < COLOURS; c++)
      planes[c][i / SMALL][i % SMALL] = (float)small->pixels[i / SMALL][i % SMALL][c] / 255;
  const resnet_inputs in = {.image = &planes[0][0][0]};
  resnet_outputs out = {.enlarged = &enlarged[0][0][0]};
  int error = resnet_run(&in, &out, arena, NULL);
  memcpy(large->header, large_header, sizeof large->header);
  for (int i = 0; i < LARGE * LARGE; i++)
    for (int c = 0; c < COLOURS; c++)
      large->pixels[i / LARGE][i % LARGE][c] =
          (unsigned char)(enlarged[c][i / LARGE][i % LARGE] * 255 + 0.5f);
  return error;
}

/* The same by linear interpolation between the middles of pixels. */
static void interpolate(const SmallImage *small, LargeImage *large) {
  for (int i = 0; i < LARGE; i++)
    for (int j = 0; j < LARGE; j++) {
      int y = i / 2, x = j / 2, near_y = y + (i % 2 ? 1 : -1), near_x = x + (j % 2 ? 1 : -1);
      near_y = near_y < 0 || near_y == SMALL ? y : near_y;
      near_x = near_x < 0 || near_x == SMALL ? x : near_x;
      for (int c = 0; c < COLOURS; c++) {
        int sum = 9 * small->pixels[y][x][c] + 3 * small->pixels[y][near_x][c] +
                  3 * small->pixels[near_y][x][c] + small->pixels[near_y][near_x][c];
        large->pixels[i][j][c] = (unsigned char)((sum + 8) / 16);
      }
    }
}

/* Peak signal to noise ratio in dB, and the largest difference of a colour. */
static double compare(const LargeImage *a, const LargeImage *b, int *largest) {
  const unsigned char *x = &a->pixels[0][0][0], *y = &b->pixels[0][0][0];
  const size_t n = sizeof a->pixels;
  double sum = 0;
  *largest = 0;
  for (size_t i = 0; i < n; i++) {
    int difference = abs(x[i] - y[i]);
    sum += difference * difference;
    if (difference > *largest) *largest = difference;
  }
  return 10 * log10(255.0 * 255.0 * (double)n / sum);
}

static int write_image(const char *path, const LargeImage *image) {
  FILE *file = fopen(path, "wb");
  size_t done = file ? fwrite(image, sizeof *image, 1, file) : 0;
  if (file && fclose(file) == 0 && done == 1) return 1;
  fprintf(stderr, "resnet: cannot write %s\n", path);
  return 0;
}

int main(int argc, char **argv) {
  static SmallImage small;
  static LargeImage original, expected, linear, result;
  int largest;
  if (argc != 3 || !read_image(argv[1], "small.ppm", small_header, &small, sizeof small) ||
      !read_image(argv[1], "original.ppm", large_header, &original, sizeof original) ||
      !read_image(argv[1], "expected.ppm", large_header, &expected, sizeof expected)) {
    return 2;
  }
  int error = enlarge(&small, &result);
  if (error) {
    fprintf(stderr, "resnet: the model returned error %d\n", error);
    return 2;
  }
  interpolate(&small, &linear);
  double plain = compare(&linear, &original, &largest),
         learnt = compare(&result, &original, &largest);
  printf("linear interpolation: %.2f dB from the original\n", plain);
  printf("residual network:     %.2f dB from the original\n", learnt);
  compare(&result, &expected, &largest);
  printf("largest difference from PyTorch's image: %d of 255\n", largest);
  if (!write_image(argv[2], &result)) return 2;
  return learnt > plain && largest <= 1 ? 0 : 1;
}
