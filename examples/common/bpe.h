/* Byte-pair encoding as bpe.py learns it: from text to tokens and back. */
#ifndef EXAMPLES_BPE_H
#define EXAMPLES_BPE_H

#include <stddef.h>
#include <stdint.h>

enum { BPE_BYTES = 256, BPE_MAX_PAIRS = 4096 };

/* Token BPE_BYTES + i stands for the two tokens of pair i. */
typedef struct Bpe {
  int n_pairs;
  uint16_t pairs[BPE_MAX_PAIRS][2];
} Bpe;

/* Reads the first `n_pairs` pairs of FOLDER/NAME. 0 after an error, which is printed. */
int bpe_read(Bpe *bpe, int n_pairs, const char *folder, const char *name);

/* Writes the tokens of `text` and returns their number. -1: its bytes, of which each is a token at
 * first, are more than there is room for. */
int bpe_encode(const Bpe *bpe, const char *text, int64_t *tokens, int room);

/* Writes the bytes that a token stands for and returns their number; as many as there is room for.
 * They need not be whole characters. */
size_t bpe_decode(const Bpe *bpe, int64_t token, char *bytes, size_t room);

#endif
