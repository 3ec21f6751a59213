#include "onnxc_rt_reference.h"
#include "reference/automaton.h"
#include "reference/element.h"
#include "reference/utf8.h"

enum { STATES, RANGES, NO_CODE = -1 };

/* The states that the text so far may have led to. Each position has a number; a state that is
 * reached there is marked with it, so that it is listed once. */
typedef struct Matcher {
  const int64_t *states, *ranges;
  int64_t n_states, position;
  int64_t *now, *next, *pending, *marks;
  int64_t n_now, n_next;
} Matcher;

static Matcher begin(const onnxc_rt_call *call) {
  const onnxc_rt_attr *states = &call->attr[STATES];
  Matcher m;
  m.states = states->ints;
  m.ranges = call->attr[RANGES].ints;
  m.n_states = states->count / ONNXC_RT_STATE_INTS;
  m.now = (int64_t *)call->scratch;
  m.next = m.now + m.n_states;
  m.pending = m.next + m.n_states;
  m.marks = m.pending + m.n_states;
  m.position = m.n_now = m.n_next = 0;
  for (int64_t i = 0; i < m.n_states; i++) m.marks[i] = 0;
  return m;
}

static int is_word(int64_t code) {
  return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') || code == '_' ||
         (code >= 'a' && code <= 'z');
}

/* Whether a state that reads nothing lets pass between these code points. */
static int passes(int64_t kind, int64_t before, int64_t after) {
  const int at_word = is_word(before) != is_word(after);
  switch (kind) {
  case ONNXC_RT_STATE_BEGIN: return before == NO_CODE;
  case ONNXC_RT_STATE_FINISH: return after == NO_CODE;
  case ONNXC_RT_STATE_LINE: return before == NO_CODE || before == '\n';
  case ONNXC_RT_STATE_NEWLINE: return after == NO_CODE || after == '\n';
  case ONNXC_RT_STATE_WORD: return at_word;
  case ONNXC_RT_STATE_NO_WORD: return !at_word;
  default: return 1;
  }
}

static void mark(Matcher *m, int64_t state, int64_t *n_pending) {
  if (m->marks[state] == m->position) return;
  m->marks[state] = m->position;
  m->pending[(*n_pending)++] = state;
}

/* Lists as next the states reached from `state` without reading. */
static void reach(Matcher *m, int64_t state, int64_t before, int64_t after) {
  int64_t n_pending = 0;
  mark(m, state, &n_pending);
  while (n_pending > 0) {
    const int64_t at = m->pending[--n_pending];
    const int64_t *s = &m->states[at * ONNXC_RT_STATE_INTS];
    if (s[0] < ONNXC_RT_STATE_BRANCH) {
      m->next[m->n_next++] = at;
    } else if (passes(s[0], before, after)) {
      mark(m, s[1], &n_pending);
      if (s[0] == ONNXC_RT_STATE_BRANCH) mark(m, s[2], &n_pending);
    }
  }
}

/* Whether one of the `n` ranges from `low` on holds the code point. */
static int in_class(const int64_t *ranges, int64_t low, int64_t n, int64_t code) {
  while (n > 0) {
    const int64_t middle = low + n / 2;
    if (code >= ranges[2 * middle] && code <= ranges[2 * middle + 1]) return 1;
    n = code < ranges[2 * middle] ? n / 2 : n - n / 2 - 1;
    if (code > ranges[2 * middle]) low = middle + 1;
  }
  return 0;
}

static int reads(const Matcher *m, const int64_t *s, int64_t code) {
  if (s[0] == ONNXC_RT_STATE_RANGE) return code >= s[2] && code <= s[3];
  return s[0] == ONNXC_RT_STATE_CLASS && in_class(m->ranges, s[2], s[3], code);
}

/* The states reached become those of now; a new position begins. */
static void advance(Matcher *m) {
  int64_t *const before = m->now;
  m->now = m->next;
  m->n_now = m->n_next;
  m->next = before;
  m->n_next = 0;
  m->position++;
}

/* The code point at `at`, NO_CODE at the end; 0 when it is no UTF-8, which nothing matches. */
static int decode(onnxc_rt_string text, ptrdiff_t *at, int64_t *code) {
  uint32_t read;
  *code = NO_CODE;
  if (*at == text.size) return 1;
  const int bytes = onnxc_rt_utf8_decode(text.bytes + *at, text.size - *at, &read);
  *at += bytes;
  if (bytes != 0) *code = read;
  return bytes != 0;
}

static int ends_here(const Matcher *m) {
  for (int64_t i = 0; i < m->n_now; i++) {
    if (m->states[m->now[i] * ONNXC_RT_STATE_INTS] == ONNXC_RT_STATE_END) return 1;
  }
  return 0;
}

static int matches(Matcher *m, onnxc_rt_string text) {
  ptrdiff_t at = 0;
  int64_t code, after;
  m->n_next = 0;
  m->position++;
  if (!decode(text, &at, &code)) return 0;
  reach(m, 0, NO_CODE, code);
  advance(m);
  for (; code != NO_CODE && m->n_now > 0; code = after) {
    if (!decode(text, &at, &after)) return 0;
    for (int64_t i = 0; i < m->n_now; i++) {
      const int64_t *s = &m->states[m->now[i] * ONNXC_RT_STATE_INTS];
      if (reads(m, s, code)) reach(m, s[1], code, after);
    }
    advance(m);
  }
  return code == NO_CODE && ends_here(m);
}

int onnxc_rt_ref_full_match(const onnxc_rt_call *call) {
  const onnxc_rt_string *texts = (const onnxc_rt_string *)call->in[0].data;
  Matcher m = begin(call);
  for (int64_t i = 0; i < onnxc_rt_count(&call->in[0]); i++) {
    onnxc_rt_store_i64(&call->out[0], i, matches(&m, texts[i]));
  }
  return ONNXC_RT_OK;
}
