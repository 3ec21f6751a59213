/* What the examples read their data with. */
#ifndef EXAMPLES_FILES_H
#define EXAMPLES_FILES_H

#include <stddef.h>

/* Reads the first `size` bytes of FOLDER/NAME. 0 after an error, which is printed. */
int read_file(const char *folder, const char *name, void *to, size_t size);

#endif
