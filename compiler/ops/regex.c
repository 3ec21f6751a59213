#include "ops/regex.h"

#include "ops/code_set.h"
#include "reference/automaton.h"
#include "reference/utf8.h"

#include <string.h>

enum {
  MAX_BYTES = 1 << 16,
  MAX_DEPTH = 1000,
  MAX_REPEAT = 1000,
  MAX_STATES = 1 << 16,
  MAX_DIGITS = 4,
  ENDLESS = -1
};

typedef enum TreeKind { TREE_SET, TREE_CONDITION, TREE_LIST, TREE_CHOICE, TREE_REPEAT } TreeKind;

typedef struct Tree Tree;
struct Tree {
  TreeKind kind;
  onnxc_rt_state_kind condition; /* CONDITION */
  size_t first, count;           /* SET: of the ranges */
  Vec(Tree *) parts;             /* LIST, CHOICE */
  Tree *body;                    /* REPEAT */
  int least, most;               /* REPEAT: most may be ENDLESS */
  int copies;                    /* of the part of it that counted repetition repeats most */
};

enum { IGNORE_CASE = 1, MULTI_LINE = 2, DOT_ALL = 4, RELUCTANT = 8 };

typedef struct Parser {
  Arena *arena;
  Regex *regex;
  const char *start, *at, *end;
  unsigned flags;
  int depth;
  const CaseFolds *folds; /* made when they are needed */
} Parser;

/* ---- characters --------------------------------------------------------------------------------
 */

static bool fail(Parser *p, DiagKind kind, const char *what) {
  if (p->regex->error != NULL) return false;
  p->regex->error = what;
  p->regex->kind = kind;
  p->regex->at = (size_t)(p->at - p->start);
  return false;
}

static bool invalid(Parser *p, const char *what) {
  return fail(p, DIAG_INVALID, what);
}

static bool looking_at(const Parser *p, const char *text) {
  size_t n = strlen(text);
  return (size_t)(p->end - p->at) >= n && memcmp(p->at, text, n) == 0;
}

static bool accept(Parser *p, const char *text) {
  bool found = looking_at(p, text);
  if (found) p->at += strlen(text);
  return found;
}

/* The byte `distance` further on; -1 past the end. */
static int peek(const Parser *p, ptrdiff_t distance) {
  return p->end - p->at > distance ? (unsigned char)p->at[distance] : -1;
}

static bool next_code(Parser *p, uint32_t *code) {
  int n = onnxc_rt_utf8_decode(p->at, p->end - p->at, code);
  p->at += n;
  return n != 0 || invalid(p, "the pattern is no UTF-8");
}

static bool is_octal(int c) {
  return c >= '0' && c <= '7';
}

static int hex_digit(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  int letter = c | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* \x7F or \x{10FFFF}, behind the x */
static bool parse_hex(Parser *p, uint32_t *code) {
  bool braces = accept(p, "{");
  int digits = 0;
  *code = 0;
  for (; hex_digit(peek(p, 0)) >= 0 && (braces || digits < 2); p->at++, digits++) {
    *code = *code * 16 + (uint32_t)hex_digit(peek(p, 0));
    if (*code > MAX_CODE) return invalid(p, "an escape is past the last code point");
  }
  bool complete = braces ? digits > 0 && accept(p, "}") : digits == 2;
  return complete || invalid(p, "malformed \\x");
}

/* One to three digits, the first of them read. */
static void parse_octal(Parser *p, uint32_t *code) {
  *code -= '0';
  for (int i = 0; i < 2 && is_octal(peek(p, 0)); i++) {
    *code = *code * 8 + (uint32_t)(*p->at++ - '0');
  }
}

/* An escape that stands for one character, behind the backslash. */
static bool parse_escape(Parser *p, uint32_t *code) {
  static const char letters[] = "aftnrv", values[] = "\a\f\t\n\r\v";
  if (p->at == p->end) return invalid(p, "a backslash ends the pattern");
  int second = peek(p, 1);
  if (!next_code(p, code)) return false;
  if (*code == 'x') return parse_hex(p, code);
  const char *letter = *code < 0x80 && *code != 0 ? strchr(letters, (int)*code) : NULL;
  bool digit = *code >= '0' && *code <= '9';
  if (letter != NULL) {
    *code = (uint32_t)values[letter - letters];
  } else if (*code == '0' || (is_octal((int)*code) && is_octal(second))) {
    parse_octal(p, code);
  } else if (digit || (*code | 0x20) - 'a' < 26U || *code >= 0x80) {
    return invalid(p, "an escape that has no meaning");
  }
  return true;
}

/* ---- classes -----------------------------------------------------------------------------------
 */

/* NULL where case matters. */
static const CaseFolds *folds(Parser *p) {
  if ((p->flags & IGNORE_CASE) == 0) return NULL;
  if (p->folds == NULL) p->folds = case_folds(p->arena);
  return p->folds;
}

/* \d and the like, looked at from the backslash; NULL: it is none, or an error. */
static const CodeSet *accept_named(Parser *p) {
  int c = peek(p, 0) == '\\' ? peek(p, 1) : -1;
  char name = (char)(c | 0x20);
  if (c == 'p' || c == 'P') fail(p, DIAG_UNSUPPORTED, "classes by Unicode properties, unsupported");
  if (c == 'C') fail(p, DIAG_UNSUPPORTED, "\\C, which is not supported");
  if (c <= 0 || strchr("dDsSwW", c) == NULL) return NULL;
  p->at += 2;
  return code_set_named(p->arena, folds(p), &name, 1, name != c);
}

/* [:alpha:] or [:^alpha:] */
static const CodeSet *accept_posix(Parser *p) {
  if (!looking_at(p, "[:")) return NULL;
  const char *name = p->at + 2, *close = name;
  while (close < p->end && !(close[0] == ':' && close + 1 < p->end && close[1] == ']')) close++;
  if (close == p->end) return NULL;
  bool negated = *name == '^';
  size_t length = (size_t)(close - name) - negated;
  const CodeSet *set = code_set_named(p->arena, folds(p), name + negated, length, negated);
  if (set == NULL) invalid(p, "unknown name of a class");
  if (set != NULL) p->at = close + 2;
  return set;
}

static bool parse_class_code(Parser *p, uint32_t *code) {
  if (p->at == p->end) return invalid(p, "missing ]");
  return accept(p, "\\") ? parse_escape(p, code) : next_code(p, code);
}

/* a or a-z */
static bool parse_range(Parser *p, CodeSet *set) {
  uint32_t first, last;
  if (!parse_class_code(p, &first)) return false;
  last = first;
  if (peek(p, 0) == '-' && peek(p, 1) >= 0 && peek(p, 1) != ']') {
    p->at++;
    if (!parse_class_code(p, &last)) return false;
    if (last < first) return invalid(p, "a range that goes backwards");
  }
  code_set_add(p->arena, set, first, last);
  return true;
}

/* Behind the [. A ] that comes first stands for itself. */
static bool parse_class(Parser *p, CodeSet *set) {
  bool negated = accept(p, "^");
  for (bool first = true; first || peek(p, 0) != ']'; first = false) {
    const CodeSet *named = accept_posix(p);
    if (named == NULL) named = accept_named(p);
    if (named != NULL) code_set_join(p->arena, set, named);
    if (p->regex->error != NULL || (named == NULL && !parse_range(p, set))) return false;
  }
  p->at++;
  code_set_fold(p->arena, folds(p), set);
  code_set_finish(set);
  if (negated) code_set_negate(p->arena, set);
  return true;
}

/* ---- trees -------------------------------------------------------------------------------------
 */

static Tree *tree_new(Parser *p, TreeKind kind) {
  Tree *tree = ARENA_NEW(p->arena, Tree);
  *tree = (Tree){.kind = kind, .copies = 1};
  return tree;
}

static void add_part(Parser *p, Tree *to, Tree *part) {
  vec_push(p->arena, &to->parts, part);
  if (part->copies > to->copies) to->copies = part->copies;
}

static void add_set(Parser *p, Tree *to, const CodeSet *set) {
  Tree *tree = tree_new(p, TREE_SET);
  tree->first = p->regex->ranges.len / 2;
  tree->count = set->ranges.len;
  VEC_EACH(CodeRange, range, &set->ranges) {
    vec_push(p->arena, &p->regex->ranges, range->first);
    vec_push(p->arena, &p->regex->ranges, range->last);
  }
  add_part(p, to, tree);
}

static void add_code(Parser *p, Tree *to, uint32_t code) {
  CodeSet set = {0};
  code_set_add(p->arena, &set, code, code);
  code_set_fold(p->arena, folds(p), &set);
  code_set_finish(&set);
  add_set(p, to, &set);
}

static void add_condition(Parser *p, Tree *to, onnxc_rt_state_kind condition) {
  Tree *tree = tree_new(p, TREE_CONDITION);
  tree->condition = condition;
  add_part(p, to, tree);
}

static void add_dot(Parser *p, Tree *to) {
  CodeSet set = {0};
  if ((p->flags & DOT_ALL) == 0) code_set_add(p->arena, &set, '\n', '\n');
  code_set_negate(p->arena, &set);
  add_set(p, to, &set);
}

/* ---- repetition --------------------------------------------------------------------------------
 */

/* Digits that are no octal number; false: none. */
static bool read_count(const char **at, const char *end, int *count) {
  const char *begin = *at;
  for (*count = 0; *at < end && **at >= '0' && **at <= '9'; ++*at) {
    if (*at - begin < MAX_DIGITS) *count = *count * 10 + (**at - '0');
  }
  bool long_number = *at - begin > MAX_DIGITS, octal = *begin == '0' && *at - begin > 1;
  if (long_number) *count = MAX_REPEAT + 1;
  return *at > begin && !octal;
}

/* The length of * + ? {2} {2,} {2,3} here; 0: what is here is none of them. */
static ptrdiff_t look_for_repeat(const Parser *p, int *least, int *most) {
  const char *at = p->at + 1;
  int c = peek(p, 0);
  *least = c == '+';
  *most = c == '?' ? 1 : ENDLESS;
  if (c == '*' || c == '+' || c == '?') return 1;
  if (c != '{' || !read_count(&at, p->end, least)) return 0;
  *most = *least;
  if (at < p->end && *at == ',') {
    at++;
    if (at < p->end && *at == '}')
      *most = ENDLESS;
    else if (!read_count(&at, p->end, most))
      return 0;
  }
  return at < p->end && *at == '}' ? at + 1 - p->at : 0;
}

/* The last part is repeated. */
static bool repeat(Parser *p, Tree *list, int least, int most) {
  if (list->parts.len == 0) return invalid(p, "nothing in front that could be repeated");
  Tree **last = &list->parts.data[list->parts.len - 1], *tree = tree_new(p, TREE_REPEAT);
  int counted = most > least ? most : least;
  bool plain = least <= 1 && (most == ENDLESS || most == 1);
  tree->body = *last;
  tree->least = least;
  tree->most = most;
  tree->copies = (*last)->copies * (plain || counted == 0 ? 1 : counted);
  if (counted > MAX_REPEAT || (most != ENDLESS && most < least) || tree->copies > MAX_REPEAT) {
    return invalid(p, "a number of repetitions over 1000, or one that goes backwards");
  }
  if (tree->copies > list->copies) list->copies = tree->copies;
  *last = tree;
  return true;
}

/* ---- groups ------------------------------------------------------------------------------------
 */

static Tree *parse_choice(Parser *p);

static bool is_name(int c) {
  bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z', digit = c >= '0' && c <= '9';
  return letter || digit || c == '_' || c >= 0x80;
}

/* name> */
static bool parse_name(Parser *p) {
  const char *begin = p->at;
  while (is_name(peek(p, 0))) p->at++;
  return (p->at > begin && accept(p, ">")) || invalid(p, "a malformed name of a group");
}

/* i-s up to the : or ) */
static bool parse_flags(Parser *p) {
  static const char letters[] = "imsU";
  bool clears = false, any = true;
  for (; peek(p, 0) != ':' && peek(p, 0) != ')'; p->at++) {
    int c = peek(p, 0);
    const char *letter = c > 0 ? strchr(letters, c) : NULL;
    if (c == '-' && !clears) {
      clears = true;
      any = false;
    } else if (letter != NULL) {
      unsigned flag = 1U << (letter - letters);
      p->flags = clears ? p->flags & ~flag : p->flags | flag;
      any = true;
    } else {
      return invalid(p, "an unknown kind of group");
    }
  }
  return any || invalid(p, "flags are missing");
}

/* Behind the (. Flags alone hold to the end of the group that they are in. */
static bool parse_group(Parser *p, Tree *list) {
  unsigned before = p->flags;
  if (accept(p, "?P<") || accept(p, "?<")) {
    if (looking_at(p, "=") || looking_at(p, "!")) return invalid(p, "an unknown kind of group");
    if (!parse_name(p)) return false;
  } else if (accept(p, "?")) {
    if (!parse_flags(p)) return false;
    if (accept(p, ")")) return true;
    p->at++;
  }
  if (++p->depth > MAX_DEPTH) return fail(p, DIAG_LIMIT, "groups are nested too deep");
  Tree *body = parse_choice(p);
  if (body == NULL) return false;
  if (!accept(p, ")")) return invalid(p, "missing )");
  p->depth--;
  p->flags = before;
  add_part(p, list, body);
  return true;
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static bool parse_quoted(Parser *p, Tree *list) {
  while (p->at < p->end && !accept(p, "\\E")) {
    uint32_t code;
    if (!next_code(p, &code)) return false;
    add_code(p, list, code);
  }
  return true;
}

static bool accept_condition(Parser *p, Tree *list) {
  bool lines = (p->flags & MULTI_LINE) != 0;
  const struct {
    const char *text;
    onnxc_rt_state_kind condition;
  } rows[] = {{"^", lines ? ONNXC_RT_STATE_LINE : ONNXC_RT_STATE_BEGIN},
              {"$", lines ? ONNXC_RT_STATE_NEWLINE : ONNXC_RT_STATE_FINISH},
              {"\\A", ONNXC_RT_STATE_BEGIN},
              {"\\z", ONNXC_RT_STATE_FINISH},
              {"\\b", ONNXC_RT_STATE_WORD},
              {"\\B", ONNXC_RT_STATE_NO_WORD}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!accept(p, rows[i].text)) continue;
    add_condition(p, list, rows[i].condition);
    return true;
  }
  return false;
}

static bool parse_item(Parser *p, Tree *list) {
  CodeSet set = {0};
  uint32_t code = 0;
  if (accept(p, "(")) return parse_group(p, list);
  if (accept(p, "\\Q")) return parse_quoted(p, list);
  if (accept_condition(p, list)) return true;
  const CodeSet *named = accept_named(p);
  if (named != NULL) {
    add_set(p, list, named);
  } else if (accept(p, ".")) {
    add_dot(p, list);
  } else if (accept(p, "[")) {
    if (parse_class(p, &set)) add_set(p, list, &set);
  } else if (accept(p, "\\") ? parse_escape(p, &code) : next_code(p, &code)) {
    add_code(p, list, code);
  }
  return p->regex->error == NULL;
}

static Tree *parse_list(Parser *p) {
  Tree *list = tree_new(p, TREE_LIST);
  bool repeated = false;
  while (p->at < p->end && !looking_at(p, "|") && !looking_at(p, ")")) {
    int least, most;
    ptrdiff_t length = look_for_repeat(p, &least, &most);
    if (length != 0 && repeated) invalid(p, "a repetition of a repetition");
    bool done = length == 0 ? parse_item(p, list) : !repeated && repeat(p, list, least, most);
    if (!done) return NULL;
    p->at += length;
    repeated = length != 0;
    if (repeated) accept(p, "?");
  }
  return list;
}

static Tree *parse_choice(Parser *p) {
  Tree *choice = tree_new(p, TREE_CHOICE);
  do {
    Tree *list = parse_list(p);
    if (list == NULL) return NULL;
    add_part(p, choice, list);
  } while (accept(p, "|"));
  return choice;
}

/* ---- the automaton, from its end to its beginning ----------------------------------------------
 */

static int64_t state_new(Parser *p, onnxc_rt_state_kind kind, int64_t next, int64_t x, int64_t y) {
  int64_t n = (int64_t)p->regex->states.len / ONNXC_RT_STATE_INTS;
  if (n == MAX_STATES) fail(p, DIAG_LIMIT, "the pattern is too large");
  if (p->regex->error != NULL) return 0;
  const int64_t ints[] = {kind, next, x, y};
  for (int i = 0; i < ONNXC_RT_STATE_INTS; i++) vec_push(p->arena, &p->regex->states, ints[i]);
  return n;
}

static void set_next(Parser *p, int64_t state, int64_t next) {
  p->regex->states.data[state * ONNXC_RT_STATE_INTS + 1] = next;
}

static int64_t build(Parser *p, const Tree *tree, int64_t next);

static int64_t build_set(Parser *p, const Tree *tree, int64_t next) {
  const int64_t *ranges = p->regex->ranges.data + 2 * tree->first;
  if (tree->count == 1) return state_new(p, ONNXC_RT_STATE_RANGE, next, ranges[0], ranges[1]);
  return state_new(p, ONNXC_RT_STATE_CLASS, next, (int64_t)tree->first, (int64_t)tree->count);
}

static int64_t build_repeat(Parser *p, const Tree *tree, int64_t next) {
  int64_t state = next;
  int copies = tree->least;
  if (tree->most == ENDLESS) {
    int64_t again = state_new(p, ONNXC_RT_STATE_BRANCH, next, next, 0);
    int64_t turn = build(p, tree->body, again);
    if (p->regex->error == NULL) set_next(p, again, turn);
    state = copies == 0 ? again : turn; /* the last copy is the loop */
    if (copies > 0) copies--;
  }
  for (int i = tree->least; i < tree->most && p->regex->error == NULL; i++) {
    state = state_new(p, ONNXC_RT_STATE_BRANCH, build(p, tree->body, state), next, 0);
  }
  for (; copies > 0 && p->regex->error == NULL; copies--) state = build(p, tree->body, state);
  return state;
}

/* The state that a tree begins with, which goes on at `next`. */
static int64_t build(Parser *p, const Tree *tree, int64_t next) {
  int64_t state = next;
  if (p->regex->error != NULL) return 0;
  switch (tree->kind) {
  case TREE_SET: return build_set(p, tree, next);
  case TREE_CONDITION: return state_new(p, tree->condition, next, 0, 0);
  case TREE_REPEAT: return build_repeat(p, tree, next);
  case TREE_LIST:
    for (size_t i = tree->parts.len; i-- > 0;) state = build(p, tree->parts.data[i], state);
    return state;
  case TREE_CHOICE: break;
  }
  state = build(p, tree->parts.data[tree->parts.len - 1], next);
  for (size_t i = tree->parts.len - 1; i-- > 0;) {
    int64_t other = build(p, tree->parts.data[i], next);
    state = state_new(p, ONNXC_RT_STATE_BRANCH, other, state, 0);
  }
  return state;
}

bool regex_add(Arena *arena, const char *pattern, size_t size, Regex *regex) {
  Parser p = {.arena = arena, .regex = regex, .start = pattern, .at = pattern};
  p.end = pattern + size;
  if (size > MAX_BYTES) return fail(&p, DIAG_LIMIT, "the pattern is too large");
  const Tree *tree = parse_choice(&p);
  if (tree == NULL) return false;
  if (p.at != p.end) return invalid(&p, "unexpected )");
  int64_t end = state_new(&p, ONNXC_RT_STATE_END, 0, 0, 0), first = build(&p, tree, end);
  vec_push(arena, &regex->begins, first);
  return regex->error == NULL;
}
