#include "reference/automaton.h"

#include "reference/utf8.h"

/* Instead of a code point: at either end of the text, and where it is no UTF-8. */
enum { NO_CODE = -1, MALFORMED = -2 };

onnxc_rt_automaton onnxc_rt_automaton_of(const onnxc_rt_attr *states, const onnxc_rt_attr *ranges,
                                         void *scratch) {
  onnxc_rt_automaton m;
  m.states = states->ints;
  m.ranges = ranges->ints;
  m.n_states = states->count / ONNXC_RT_STATE_INTS;
  m.now = (onnxc_rt_thread *)scratch;
  m.next = m.now + m.n_states;
  m.pending = (int64_t *)(void *)(m.next + m.n_states);
  m.marks = m.pending + m.n_states;
  m.position = 1;
  m.n_now = m.n_next = 0;
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

static void mark(onnxc_rt_automaton *m, int64_t state, int64_t *n_pending) {
  if (m->marks[state] == m->position) return;
  m->marks[state] = m->position;
  m->pending[(*n_pending)++] = state;
}

/* Lists as next the states reached from `state` without reading, by a match that begins there. */
static void reach(onnxc_rt_automaton *m, int64_t state, ptrdiff_t begin, int64_t before,
                  int64_t after) {
  int64_t n_pending = 0;
  mark(m, state, &n_pending);
  while (n_pending > 0) {
    const int64_t at = m->pending[--n_pending];
    const int64_t *s = &m->states[at * ONNXC_RT_STATE_INTS];
    if (s[0] < ONNXC_RT_STATE_BRANCH) {
      const onnxc_rt_thread thread = {at, begin};
      m->next[m->n_next++] = thread;
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

static int reads(const onnxc_rt_automaton *m, const int64_t *s, int64_t code) {
  if (s[0] == ONNXC_RT_STATE_RANGE) return code >= s[2] && code <= s[3];
  return s[0] == ONNXC_RT_STATE_CLASS && in_class(m->ranges, s[2], s[3], code);
}

/* The threads that got here become those of now; a new position begins. */
static void advance(onnxc_rt_automaton *m) {
  onnxc_rt_thread *const before = m->now;
  m->now = m->next;
  m->n_now = m->n_next;
  m->next = before;
  m->n_next = 0;
  m->position++;
}

/* The bytes of the code point at `at`; 0 where there is none. */
static int decode(onnxc_rt_string text, ptrdiff_t at, int64_t *code) {
  uint32_t read;
  *code = NO_CODE;
  if (at == text.size) return 0;
  const int bytes = onnxc_rt_utf8_decode(text.bytes + at, text.size - at, &read);
  *code = bytes != 0 ? (int64_t)read : MALFORMED;
  return bytes;
}

/* The code point in front of `at`. */
static int64_t code_before(onnxc_rt_string text, ptrdiff_t at) {
  int64_t code = NO_CODE;
  ptrdiff_t begin = at - 1;
  while (begin > 0 && ((unsigned char)text.bytes[begin] & 0xC0) == 0x80) begin--;
  if (at > 0) decode(text, begin, &code);
  return code;
}

/* Takes note of a match that ends here. Threads are in the order of where they began, so the first
 * one that has ended is the best, and those behind it no longer count. */
static int ends_here(onnxc_rt_automaton *m, ptrdiff_t at, onnxc_rt_match *match) {
  int64_t n = 0;
  while (n < m->n_now && m->states[m->now[n].state * ONNXC_RT_STATE_INTS] != ONNXC_RT_STATE_END) {
    n++;
  }
  if (n == m->n_now) return 0;
  match->begin = m->now[n].begin;
  match->end = at;
  while (n < m->n_now && m->now[n].begin == match->begin) n++;
  m->n_now = n;
  return 1;
}

int onnxc_rt_automaton_search(onnxc_rt_automaton *m, int64_t first, onnxc_rt_string text,
                              ptrdiff_t from, int anchored, onnxc_rt_match *match) {
  int64_t before = code_before(text, from), code;
  int found = 0, bytes;
  m->n_now = 0;
  for (ptrdiff_t at = from;; at += bytes, before = code) {
    bytes = decode(text, at, &code);
    for (int64_t i = 0; i < m->n_now; i++) {
      const int64_t *s = &m->states[m->now[i].state * ONNXC_RT_STATE_INTS];
      if (reads(m, s, before)) reach(m, s[1], m->now[i].begin, before, code);
    }
    if (!found && (at == from || !anchored)) reach(m, first, at, before, code);
    advance(m);
    found = ends_here(m, at, match) || found;
    if (bytes == 0 || (m->n_now == 0 && (found || anchored))) return found;
  }
}
