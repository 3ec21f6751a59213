#include "bpe.h"

#include "files.h"

#include <stdio.h>
#include <string.h>

int bpe_read(Bpe *bpe, int n_pairs, const char *folder, const char *name) {
  static unsigned char bytes[BPE_MAX_PAIRS][4];
  if (n_pairs < 0 || n_pairs > BPE_MAX_PAIRS ||
      !read_file(folder, name, bytes, (size_t)n_pairs * sizeof bytes[0])) {
    return 0;
  }
  bpe->n_pairs = n_pairs;
  for (int i = 0; i < n_pairs; i++) {
    for (int j = 0; j < 2; j++) {
      unsigned token = bytes[i][2 * j] | (unsigned)bytes[i][2 * j + 1] << 8;
      if (token >= (unsigned)(BPE_BYTES + i)) {
        fprintf(stderr, "%s/%s: pair %d holds a later token\n", folder, name, i);
        return 0;
      }
      bpe->pairs[i][j] = (uint16_t)token;
    }
  }
  return 1;
}

/* Puts `merged` in the place of every `pair`, from left to right; returns the new length. */
static int merge(int64_t *tokens, int length, const uint16_t pair[2], int64_t merged) {
  int kept = 0;
  for (int i = 0; i < length; i++) {
    if (kept > 0 && tokens[kept - 1] == pair[0] && tokens[i] == pair[1]) {
      tokens[kept - 1] = merged;
    } else {
      tokens[kept++] = tokens[i];
    }
  }
  return kept;
}

int bpe_encode(const Bpe *bpe, const char *text, int64_t *tokens, int room) {
  size_t bytes = strlen(text);
  if (room < 0 || bytes > (size_t)room) return -1;
  int length = (int)bytes;
  for (int i = 0; i < length; i++) tokens[i] = (unsigned char)text[i];
  for (int i = 0; i < bpe->n_pairs; i++) {
    length = merge(tokens, length, bpe->pairs[i], BPE_BYTES + i);
  }
  return length;
}

size_t bpe_decode(const Bpe *bpe, int64_t token, char *bytes, size_t room) {
  if (token < 0 || token >= BPE_BYTES + bpe->n_pairs || room == 0) return 0;
  if (token < BPE_BYTES) {
    bytes[0] = (char)(unsigned char)token;
    return 1;
  }
  const uint16_t *pair = bpe->pairs[token - BPE_BYTES];
  size_t first = bpe_decode(bpe, pair[0], bytes, room);
  return first + bpe_decode(bpe, pair[1], bytes + first, room - first);
}
