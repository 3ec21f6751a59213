/* Operators with regular expressions. They become others that have these as an automaton. */
#include "base/text.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/regex.h"
#include "reference/automaton.h"

#include <string.h>

static bool add_pattern(Arena *arena, const Node *node, const char *attr, onnxc_rt_string pattern,
                        Regex *regex) {
  if (regex_add(arena, pattern.bytes, (size_t)pattern.size, regex)) return true;
  return node_error(node, regex->kind, "attribute '%s', byte %zu: %s", attr, regex->at,
                    regex->error);
}

static onnxc_rt_string text_of(const Attr *attr) {
  return (onnxc_rt_string){attr->s, (ptrdiff_t)attr->s_size};
}

/* The first attributes of all that is made of an automaton. */
#define PARAMS_AUTOMATON                                                                           \
  PARAM_REQUIRED("onnxc_states", ATTR_INTS), PARAM_REQUIRED("onnxc_ranges", ATTR_INTS),            \
      PARAM_REQUIRED("onnxc_begins", ATTR_INTS)

static void set_automaton(Node *node, const Regex *regex) {
  node_set_ints(node, "onnxc_states", regex->states.data, regex->states.len);
  node_set_ints(node, "onnxc_ranges", regex->ranges.data, regex->ranges.len);
  node_set_ints(node, "onnxc_begins", regex->begins.data, regex->begins.len);
}

static int64_t automaton_bytes(const Node *node) {
  int64_t ints = (int64_t)op_param_list(node, "onnxc_states")->count;
  return ints / ONNXC_RT_STATE_INTS * ONNXC_RT_STATE_BYTES;
}

/* ---- RegexFullMatch ----------------------------------------------------------------------------
 */

static bool infer_tests(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  infer_output(node, 0, ONNXC_RT_BOOL, x->rank, x->dims);
  return true;
}

static bool compile_pattern(Arena *arena, const Node *node, Regex *regex) {
  const Attr *pattern = node_attr(node, "pattern");
  if (pattern == NULL) return node_error(node, DIAG_INVALID, "attribute 'pattern' is missing");
  return add_pattern(arena, node, "pattern", text_of(pattern), regex);
}

static bool regex_full_match_infer(Node *node) {
  Arena *scratch = arena_scratch(node->graph->ctx->arena);
  Regex regex = {0};
  bool compiled = compile_pattern(scratch, node, &regex);
  arena_drop(scratch);
  return compiled && infer_tests(node);
}

static bool regex_full_match_decompose(Builder *b, Node *node) {
  Arena *scratch = arena_scratch(b->graph->ctx->arena);
  Value *x = node_in(node, 0);
  Regex regex = {0};
  if (!compile_pattern(scratch, node, &regex)) return false;
  Node *match = build_node(b, "onnxc", "FullMatch", &x, 1, 1);
  set_automaton(match, &regex);
  node_set_string(match, "pattern", op_param_s(node, "pattern"));
  arena_drop(scratch);
  build_replace(b, node, build_done(b, match));
  return true;
}

const OpDef op_RegexFullMatch = {
    .name = "RegexFullMatch",
    .domain = "",
    .params = (const OpParam[]){PARAM_OPTIONAL("pattern", ATTR_STRING), {0}},
    .infer = regex_full_match_infer,
    .decompose = regex_full_match_decompose,
};

static const Dim *full_match_scratch(const Node *node) {
  return dim_const(infer_dims(node), automaton_bytes(node));
}

static const char *full_match_label(Arena *arena, const Node *node) {
  return arena_printf(arena, "pattern='%s'", text_escape(arena, op_param_s(node, "pattern")));
}

/* What it becomes. */
const OpDef op_onnxc_FullMatch = {
    .name = "FullMatch",
    .domain = "onnxc",
    .params = (const OpParam[]){PARAMS_AUTOMATON, PARAM_REQUIRED("pattern", ATTR_STRING), {0}},
    .infer = infer_tests,
    OP_KERNEL(onnxc_rt_ref_full_match),
    .scratch = full_match_scratch,
    .label = full_match_label,
};

/* ---- Tokenizer ---------------------------------------------------------------------------------
 * Each string becomes a row of tokens: all that an expression finds, or what is left between what
 * the first separator finds, the second finds in that, and so on. */

/* What the patterns of a tokenizer are. */
typedef struct Patterns {
  const char *attr;
  onnxc_rt_string expression;        /* instead of separators */
  const onnxc_rt_string *separators; /* NULL: none */
  size_t count;
} Patterns;

static bool reads_characters(const Attr *separators, const Attr *expression) {
  if (separators != NULL) return separators->count == 1 && separators->strings[0].size == 0;
  return expression->s_size == 1 && expression->s[0] == '.';
}

/* Separators come before an expression. One empty separator, and one dot, which is no regular
 * expression, stand for single characters. */
static bool find_patterns(const Node *node, Patterns *patterns) {
  static const char character[] = "(?s).";
  const Attr *separators = op_param_list(node, "separators");
  const Attr *expression = node_attr(node, "tokenexp");
  *patterns = (Patterns){.attr = separators != NULL ? "separators" : "tokenexp"};
  if (separators == NULL && (expression == NULL || expression->s_size == 0)) {
    return node_error(node, DIAG_INVALID, "neither 'separators' nor 'tokenexp' is there");
  }
  if (separators != NULL && separators->count == 0) {
    return node_error(node, DIAG_INVALID, "attribute 'separators' is empty");
  }
  if (reads_characters(separators, expression)) {
    patterns->expression = (onnxc_rt_string){character, (ptrdiff_t)strlen(character)};
    return check_int(node, "mincharnum", 1, 1);
  }
  if (separators == NULL) {
    patterns->expression = text_of(expression);
  } else {
    patterns->separators = separators->strings;
    patterns->count = separators->count;
  }
  return check_int(node, "mincharnum", 1, INT64_MAX);
}

static bool compile_patterns(Arena *arena, const Node *node, const Patterns *patterns,
                             Regex *regex) {
  *regex = (Regex){0};
  if (patterns->separators == NULL) {
    return add_pattern(arena, node, patterns->attr, patterns->expression, regex);
  }
  for (size_t i = 0; i < patterns->count; i++) {
    if (!add_pattern(arena, node, patterns->attr, patterns->separators[i], regex)) return false;
  }
  return true;
}

/* The most tokens: each has characters of its own. */
static const Dim *tokens_bound(const Node *node) {
  const Tensor *strings = node_in(node, 0)->constant;
  int64_t longest = 0, marks = op_param_i(node, "mark") != 0 ? 2 : 0;
  if (strings == NULL) return NULL;
  for (size_t i = 0; i < strings->count; i++) {
    int64_t size = ((const onnxc_rt_string *)strings->data)[i].size;
    if (size > longest) longest = size;
  }
  return dim_const(infer_dims(node), longest / op_param_i(node, "mincharnum") + marks);
}

static bool infer_tokens(Node *node) {
  const Type *x = input_type(node, 0);
  const Dim *dims[3];
  for (int i = 0; i < x->rank; i++) dims[i] = x->dims[i];
  dims[x->rank] = infer_fresh(node, 0, x->rank, tokens_bound(node));
  infer_output(node, 0, ONNXC_RT_STRING, x->rank + 1, dims);
  return true;
}

static bool infer_tokenizer(Node *node) {
  static const InputRule rules[] = {INPUT_OF(DT(STRING), 0, "X", 1, 2)};
  Patterns patterns;
  Regex regex;
  if (!CHECK_INPUTS(node, rules) || !find_patterns(node, &patterns)) return false;
  Arena *scratch = arena_scratch(node->graph->ctx->arena);
  bool compiled = compile_patterns(scratch, node, &patterns, &regex);
  arena_drop(scratch);
  return compiled && infer_tokens(node);
}

static bool decompose_tokenizer(Builder *b, Node *node) {
  static const char *const kept[] = {"mark", "mincharnum", "pad_value", "separators", "tokenexp"};
  Arena *scratch = arena_scratch(b->graph->ctx->arena);
  Patterns patterns;
  Regex regex;
  Value *x = node_in(node, 0);
  if (!find_patterns(node, &patterns)) return false;
  if (!compile_patterns(scratch, node, &patterns, &regex)) return false;
  Node *tokens = build_node(b, "onnxc", "Tokens", &x, 1, 1);
  set_automaton(tokens, &regex);
  arena_drop(scratch);
  node_set_int(tokens, "onnxc_splits", patterns.separators != NULL);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    const Attr *attr = node_attr(node, kept[i]);
    if (attr != NULL) node_set_attr(tokens, *attr);
  }
  compose_keep_sizes(node, 0, tokens, 0);
  build_replace(b, node, build_done(b, tokens));
  return true;
}

#define PARAMS_TOKENIZER                                                                           \
  PARAM_REQUIRED("mark", ATTR_INT), PARAM_REQUIRED("mincharnum", ATTR_INT),                        \
      PARAM_REQUIRED("pad_value", ATTR_STRING), PARAM_OPTIONAL("separators", ATTR_STRINGS),        \
      PARAM_OPTIONAL("tokenexp", ATTR_STRING)

const OpDef op_microsoft_Tokenizer = {
    .name = "Tokenizer",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAMS_TOKENIZER, {0}},
    .infer = infer_tokenizer,
    .decompose = decompose_tokenizer,
};

static const Dim *tokens_scratch(const Node *node) {
  enum { BYTES = 32 };
  int64_t patterns = (int64_t)op_param_list(node, "onnxc_begins")->count;
  return dim_const(infer_dims(node), automaton_bytes(node) + patterns * BYTES);
}

static const char *tokens_label(Arena *arena, const Node *node) {
  const Attr *separators = op_param_list(node, "separators");
  if (separators == NULL) {
    return arena_printf(arena, "tokenexp='%s'", text_escape(arena, op_param_s(node, "tokenexp")));
  }
  const char *label = "separators=";
  for (size_t i = 0; i < separators->count; i++) {
    label = arena_printf(arena, "%s%s'%s'", label, i == 0 ? "" : ",",
                         text_escape(arena, separators->strings[i].bytes));
  }
  return label;
}

/* What it becomes. */
const OpDef op_onnxc_Tokens = {
    .name = "Tokens",
    .domain = "onnxc",
    .flags = OP_DATA_DEPENDENT,
    .params =
        (const OpParam[]){
            PARAMS_AUTOMATON, PARAM_REQUIRED("onnxc_splits", ATTR_INT), PARAMS_TOKENIZER, {0}},
    .infer = infer_tokens,
    OP_KERNEL(onnxc_rt_ref_tokens),
    .scratch = tokens_scratch,
    .label = tokens_label,
};
