/* Decodes image files for check_images.py. Reads lines `HEIGHT WIDTH FORMAT FILE`, the first two
 * being bounds; writes `CODE HEIGHT WIDTH PIXELS`, the pixels in hexadecimal. */
#include "onnxc_rt_reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exactly as long as the file, so that a sanitizer sees what is read behind it. */
static unsigned char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) exit(1);
  *size = (size_t)ftell(file);
  rewind(file);
  unsigned char *bytes = malloc(*size);
  if (fread(bytes, 1, *size, file) != *size) exit(1);
  fclose(file);
  return bytes;
}

static void decode(int64_t height, int64_t width, const char *format, const char *path) {
  size_t size;
  unsigned char *file = read_file(path, &size);
  int64_t length = (int64_t)size, colours = strcmp(format, "Grayscale") == 0 ? 1 : 3;
  int64_t dims[3] = {height, width, colours};
  unsigned char *pixels = malloc((size_t)(height * width * colours));
  const onnxc_rt_tensor in = {file, &length, 1, ONNXC_RT_U8};
  onnxc_rt_tensor out = {pixels, dims, 3, ONNXC_RT_U8};
  const onnxc_rt_attr attr = {.present = 1, .count = (int32_t)strlen(format), .s = format};
  const onnxc_rt_call call = {.in = &in, .out = &out, .attr = &attr, .n_in = 1, .n_out = 1};
  const int code = onnxc_rt_image_decode(&call);
  printf("%d %lld %lld ", code, (long long)dims[0], (long long)dims[1]);
  int64_t n = code == ONNXC_RT_OK ? dims[0] * dims[1] * colours : 0;
  for (int64_t i = 0; i < n; i++) printf("%02x", pixels[i]);
  printf("\n");
  free(pixels);
  free(file);
}

int main(void) {
  char line[4096], format[16], path[4000];
  long height, width;
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "%ld %ld %15s %3999s", &height, &width, format, path) != 4) return 1;
    decode(height, width, format, path);
  }
  return 0;
}
