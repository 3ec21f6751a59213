#include "files.h"

#include <stdio.h>

int read_file(const char *folder, const char *name, void *to, size_t size) {
  char path[1024];
  int length = snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "rb") : NULL;
  size_t got = file ? fread(to, 1, size, file) : 0;
  if (file) fclose(file);
  if (got != size) fprintf(stderr, "cannot read %zu bytes of %s/%s\n", size, folder, name);
  return got == size;
}
