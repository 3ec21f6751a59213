#include "onnxc_rt_reference.h"
#include "reference/case.h"
#include "reference/element.h"
#include "reference/text.h"
#include "reference/utf8.h"

/* The attributes, by their place in the call. */
enum { ACTION, CASE_SENSITIVE, STOPWORDS, LOCALE };

/* How code points change. */
typedef struct Case {
  uint32_t (*map)(uint32_t code); /* NULL: they do not */
  int turkic;                     /* i has a dot in both cases; without one it is another letter */
} Case;

static Case case_of(const onnxc_rt_call *call) {
  const onnxc_rt_attr *action = &call->attr[ACTION], *locale = &call->attr[LOCALE];
  Case c = {NULL, 0};
  if (onnxc_rt_attr_is(action, "LOWER")) c.map = onnxc_rt_to_lower;
  if (onnxc_rt_attr_is(action, "UPPER")) c.map = onnxc_rt_to_upper;
  if (locale->present && locale->count >= 2) {
    const char *s = locale->s;
    c.turkic = (s[0] == 't' && s[1] == 'r') || (s[0] == 'a' && s[1] == 'z');
  }
  return c;
}

static uint32_t map_code(Case c, uint32_t code) {
  enum { DOTTED_CAPITAL = 0x130, DOTLESS_SMALL = 0x131 };
  if (c.map == NULL) return code;
  if (c.turkic && code == 'i' && c.map == onnxc_rt_to_upper) return DOTTED_CAPITAL;
  if (c.turkic && code == 'I' && c.map == onnxc_rt_to_lower) return DOTLESS_SMALL;
  return c.map(code);
}

/* Instead of a code point. */
enum { END = -1, MALFORMED = -2 };

/* The next code point, and what it becomes. */
static int64_t next_code(Case c, const onnxc_rt_string *string, ptrdiff_t *at, int64_t *mapped) {
  uint32_t code = 0;
  const int bytes = onnxc_rt_utf8_decode(string->bytes + *at, string->size - *at, &code);
  if (*at == string->size) return *mapped = END;
  if (bytes == 0) return *mapped = MALFORMED;
  *at += bytes;
  *mapped = map_code(c, code);
  return code;
}

/* Whether two strings become the same; MALFORMED where that cannot be said. */
static int alike(Case c, const onnxc_rt_string *a, const onnxc_rt_string *b) {
  ptrdiff_t at_a = 0, at_b = 0;
  for (;;) {
    int64_t x, y;
    next_code(c, a, &at_a, &x);
    next_code(c, b, &at_b, &y);
    if (x == MALFORMED || y == MALFORMED) return MALFORMED;
    if (x != y) return 0;
    if (x == END) return 1;
  }
}

static int is_stopword(const onnxc_rt_call *call, const onnxc_rt_string *word) {
  const onnxc_rt_attr *stopwords = &call->attr[STOPWORDS];
  Case c = case_of(call);
  if (c.map == NULL) c.map = onnxc_rt_to_lower;
  int found = 0;
  for (int32_t i = 0; stopwords->present && i < stopwords->count && found == 0; i++) {
    const onnxc_rt_string *stopword = &stopwords->strings[i];
    found = call->attr[CASE_SENSITIVE].i != 0 ? onnxc_rt_string_equal(word, stopword)
                                              : alike(c, word, stopword);
  }
  return found;
}

/* Whether anything becomes something else, or MALFORMED. */
static int changes(Case c, const onnxc_rt_string *word) {
  ptrdiff_t at = 0;
  int64_t code, mapped;
  int changed = 0;
  do {
    code = next_code(c, word, &at, &mapped);
    changed = changed || code != mapped;
  } while (code >= 0);
  return code == MALFORMED ? MALFORMED : changed;
}

/* Changes a word in place; `text` is there where c.map is. */
static int change(onnxc_rt_text *text, Case c, onnxc_rt_string *word) {
  ptrdiff_t at = 0;
  int64_t mapped;
  const int changed = c.map == NULL ? 0 : changes(c, word);
  if (changed == MALFORMED) return ONNXC_RT_ERROR_VALUE;
  if (!changed) return ONNXC_RT_OK;
  const ptrdiff_t used = text->used;
  while (next_code(c, word, &at, &mapped) >= 0) {
    char bytes[ONNXC_RT_UTF8_BYTES];
    const int n = onnxc_rt_utf8_encode((uint32_t)mapped, bytes);
    if (!onnxc_rt_text_put(text, bytes, n)) return ONNXC_RT_ERROR_TEXT;
  }
  *word = onnxc_rt_text_since(text, used);
  return ONNXC_RT_OK;
}

/* Where every word is dropped, one empty string stays. */
int onnxc_rt_ref_string_normalizer(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const onnxc_rt_string *words = (const onnxc_rt_string *)x->data, empty = {NULL, 0};
  const int64_t n = onnxc_rt_count(x), room = y->dims[y->rank - 1];
  onnxc_rt_string *kept = (onnxc_rt_string *)y->data;
  int64_t k = 0;
  for (int64_t i = 0; i < n; i++) {
    const int dropped = is_stopword(call, &words[i]);
    if (dropped == MALFORMED) return ONNXC_RT_ERROR_VALUE;
    if (dropped) continue;
    if (k == room) return ONNXC_RT_ERROR_SHAPE;
    kept[k] = words[i];
    const int status = change(call->text, case_of(call), &kept[k++]);
    if (status != ONNXC_RT_OK) return status;
  }
  if (k == 0 && room > 0) kept[k++] = empty;
  return onnxc_rt_set_dim(y, y->rank - 1, k) ? ONNXC_RT_OK : ONNXC_RT_ERROR_SHAPE;
}
