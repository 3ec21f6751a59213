#include "onnxc_rt_reference.h"
#include "reference/automaton.h"
#include "reference/element.h"
#include "reference/utf8.h"

/* The attributes, by their place in the call. */
enum { STATES, RANGES, BEGINS, SPLITS, MARK, LEAST, PAD };

/* A piece of a string that a pattern is looked for in. */
typedef struct Level {
  onnxc_rt_string text;
  ptrdiff_t at;  /* where to look next */
  int64_t ended; /* nothing is left of it */
} Level;

/* One level for each pattern: pieces that it makes are what the next one is looked for in. */
typedef struct Tokenizer {
  const onnxc_rt_call *call;
  onnxc_rt_automaton automaton;
  Level *levels;
  int32_t n_levels;
} Tokenizer;

static Tokenizer tokenizer_of(const onnxc_rt_call *call) {
  Tokenizer t;
  t.call = call;
  t.automaton = onnxc_rt_automaton_of(&call->attr[STATES], &call->attr[RANGES], call->scratch);
  t.n_levels = call->attr[BEGINS].count;
  t.levels = (Level *)(void *)((char *)call->scratch +
                               (ptrdiff_t)t.automaton.n_states * ONNXC_RT_STATE_BYTES);
  return t;
}

static Level level_of(onnxc_rt_string text) {
  Level level;
  level.text = text;
  level.at = 0;
  level.ended = 0;
  return level;
}

static void set_text(Tokenizer *t, onnxc_rt_string text) {
  t->levels[0] = level_of(text);
  for (int32_t k = 1; k < t->n_levels; k++) t->levels[k].ended = 1;
}

static onnxc_rt_string part(onnxc_rt_string text, ptrdiff_t begin, ptrdiff_t end) {
  text.bytes = end > begin ? text.bytes + begin : NULL;
  text.size = end > begin ? end - begin : 0;
  return text;
}

static int continues(char byte) {
  return ((unsigned char)byte & 0xC0) == 0x80;
}

/* Whether it has as many characters as a token needs. */
static int is_token(const Tokenizer *t, onnxc_rt_string text) {
  int64_t n = 0;
  for (ptrdiff_t i = 0; i < text.size; i++) n += !continues(text.bytes[i]);
  return n >= t->call->attr[LEAST].i;
}

/* Behind the character at `at`; past the end at the end. */
static ptrdiff_t behind(onnxc_rt_string text, ptrdiff_t at) {
  do at++;
  while (at < text.size && continues(text.bytes[at]));
  return at;
}

/* The piece in front of the next match, or behind the last one. A match of nothing separates too,
 * and takes the character behind it along. */
static onnxc_rt_string split(Level *level, const onnxc_rt_match *match) {
  const ptrdiff_t at = level->at;
  if (match == NULL) {
    level->ended = 1;
    return part(level->text, at, level->text.size);
  }
  level->at = match->end > match->begin ? match->end : behind(level->text, match->end);
  return part(level->text, at, match->begin);
}

/* The next match. One that is too short is not passed over as a whole. */
static onnxc_rt_string take(const Tokenizer *t, Level *level, const onnxc_rt_match *match) {
  level->ended = match == NULL;
  if (match == NULL) return part(level->text, 0, 0);
  const onnxc_rt_string piece = part(level->text, match->begin, match->end);
  level->at = is_token(t, piece) ? match->end : behind(level->text, match->begin);
  return piece;
}

/* The next piece of level `k`; 0 where it is too short for a token. */
static int next_piece(Tokenizer *t, int32_t k, onnxc_rt_string *piece) {
  Level *level = &t->levels[k];
  const onnxc_rt_attr *attr = t->call->attr;
  onnxc_rt_match match;
  const int found = level->at <= level->text.size &&
                    onnxc_rt_automaton_search(&t->automaton, attr[BEGINS].ints[k], level->text,
                                              level->at, 0, &match);
  *piece =
      attr[SPLITS].i ? split(level, found ? &match : NULL) : take(t, level, found ? &match : NULL);
  return is_token(t, *piece);
}

/* The next token; 0 when there is none. */
static int next_token(Tokenizer *t, onnxc_rt_string *token) {
  int32_t k = t->n_levels - 1;
  while (k >= 0) {
    if (t->levels[k].ended) {
      k--;
    } else if (next_piece(t, k, token)) {
      if (k + 1 == t->n_levels) return 1;
      t->levels[++k] = level_of(*token);
    }
  }
  return 0;
}

static int is_utf8(onnxc_rt_string text) {
  ptrdiff_t at = 0;
  while (at < text.size) {
    uint32_t code;
    const int bytes = onnxc_rt_utf8_decode(text.bytes + at, text.size - at, &code);
    if (bytes == 0) return 0;
    at += bytes;
  }
  return 1;
}

/* The most tokens of one string; -1 when one is no UTF-8. */
static int64_t count_tokens(Tokenizer *t) {
  const onnxc_rt_string *texts = (const onnxc_rt_string *)t->call->in[0].data;
  int64_t most = 0;
  for (int64_t i = 0; i < onnxc_rt_count(&t->call->in[0]); i++) {
    onnxc_rt_string token;
    int64_t n = 0;
    if (!is_utf8(texts[i])) return -1;
    for (set_text(t, texts[i]); next_token(t, &token);) n++;
    if (n > most) most = n;
  }
  return most;
}

/* A row of the result: the tokens, between marks where they are asked for, and padding. */
static void write_row(Tokenizer *t, onnxc_rt_string text, onnxc_rt_string *row, int64_t room) {
  static const char start_of_text[] = "\x02", end_of_text[] = "\x03";
  const onnxc_rt_attr *pad = &t->call->attr[PAD];
  const onnxc_rt_string padding = {pad->s, pad->count}, start = {start_of_text, 1},
                        end = {end_of_text, 1};
  const int mark = t->call->attr[MARK].i != 0;
  onnxc_rt_string token;
  int64_t n = 0;
  if (mark) row[n++] = start;
  for (set_text(t, text); next_token(t, &token);) row[n++] = token;
  if (mark) row[n++] = end;
  while (n < room) row[n++] = padding;
}

/* Without a token there are no marks either. */
int onnxc_rt_ref_tokens(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const onnxc_rt_string *texts = (const onnxc_rt_string *)x->data;
  onnxc_rt_string *rows = (onnxc_rt_string *)y->data;
  Tokenizer t = tokenizer_of(call);
  int64_t most = count_tokens(&t);
  if (most < 0) return ONNXC_RT_ERROR_VALUE;
  if (most > 0 && call->attr[MARK].i != 0) most += 2;
  if (!onnxc_rt_set_dim(y, y->rank - 1, most)) return ONNXC_RT_ERROR_SHAPE;
  for (int64_t i = 0; most > 0 && i < onnxc_rt_count(x); i++) {
    write_row(&t, texts[i], rows + i * most, most);
  }
  return ONNXC_RT_OK;
}
