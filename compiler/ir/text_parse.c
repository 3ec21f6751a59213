#include "ir/text.h"

#include "ir/text_form.h"
#include "ops/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Graphs and types nest no deeper than this. */
enum { MAX_NESTING = 64 };

/* Every function that parses a rule of the grammar (text_form.h) returns false or NULL when it has
 * reported what is wrong. */
typedef struct Parser {
  Context *ctx;
  const char *at, *name;
  uint32_t line;
  int nesting;
} Parser;

/* How the text refers to a value. */
typedef struct Reference {
  const char *name; /* interned */
  uint32_t ordinal; /* counts the values of that name from 1 */
} Reference;

/* A result of a node, an input or an output, as written. */
typedef struct Result {
  Reference reference; /* no name: absent */
  uint32_t line;
  bool typed;
  Type type;
  const Dim *const *contents;
  uint32_t n_contents;
} Result;

typedef Vec(Value *) Values;
typedef Vec(Result) Results;

/* The graph being parsed. */
typedef struct Scope {
  Graph *graph;
  const Node *holder; /* NULL for the main graph */
  Map values;         /* interned name -> Values of that name */
  Results outputs;    /* looked up when all values are there */
} Scope;

/* ---- characters, words, literals ---------------------------------------------------------------
 */

__attribute__((format(printf, 3, 4))) static bool error_at(Parser *p, uint32_t line,
                                                           const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *what = arena_vprintf(p->ctx->arena, format, args);
  va_end(args);
  return diag_error(p->ctx->diag, DIAG_INVALID, (DiagSite){0}, "%s:%u: %s", p->name, line, what);
}

#define error(p, ...) error_at((p), (p)->line, __VA_ARGS__)

static void skip(Parser *p) {
  for (;; p->at++) {
    if (p->at[0] == '/' && p->at[1] == '/') p->at += strcspn(p->at, "\n");
    if (*p->at == '\0' || strchr(" \t\r\n", *p->at) == NULL) return;
    p->line += *p->at == '\n';
  }
}

static bool accept(Parser *p, const char *mark) {
  skip(p);
  size_t length = strlen(mark);
  if (strncmp(p->at, mark, length) != 0) return false;
  p->at += length;
  return true;
}

static bool expect(Parser *p, const char *mark) {
  return accept(p, mark) || error(p, "expected '%s' at '%.20s'", mark, p->at);
}

static size_t word_length(const Parser *p) {
  size_t n = 0;
  if (isdigit((unsigned char)*p->at) || *p->at == '-') return 0;
  while (text_in_word(p->at[n])) n++;
  return n;
}

static bool accept_word(Parser *p, const char *word) {
  skip(p);
  size_t length = word_length(p);
  if (length != strlen(word) || strncmp(p->at, word, length) != 0) return false;
  p->at += length;
  return true;
}

static const char *parse_word(Parser *p) {
  skip(p);
  size_t length = word_length(p);
  if (length == 0) {
    error(p, "expected a name at '%.20s'", p->at);
    return NULL;
  }
  p->at += length;
  return intern_n(p->ctx->strings, p->at - length, length);
}

/* The three octal digits of an escape. */
static bool parse_escape(Parser *p, char *byte) {
  unsigned code = 0;
  for (int i = 0; i < 3; i++, p->at++) {
    if (*p->at < '0' || *p->at > '7') return error(p, "an escape is \\ and three octal digits");
    code = code * 8 + (unsigned)(*p->at - '0');
  }
  *byte = (char)code;
  return true;
}

static char *parse_string(Parser *p, size_t *size) {
  if (!expect(p, "\"")) return NULL;
  char *text = arena_alloc(p->ctx->arena, strcspn(p->at, "\"\n") + 1), *to = text;
  for (; *p->at != '"'; to++) {
    if (*p->at == '\0' || *p->at == '\n') {
      error(p, "the string does not end");
      return NULL;
    }
    char c = *p->at++;
    if (c == '\\' && !parse_escape(p, &c)) return NULL;
    *to = c;
  }
  p->at++;
  *size = (size_t)(to - text);
  return text;
}

/* symbol, and the names of graphs and nodes: interned. */
static const char *parse_name(Parser *p) {
  skip(p);
  if (*p->at != '"') return parse_word(p);
  size_t size;
  const char *text = parse_string(p, &size);
  return text == NULL ? NULL : intern(p->ctx->strings, text);
}

/* Digits in `base` behind an optional sign. */
static bool parse_magnitude(Parser *p, int base, uint64_t *magnitude) {
  skip(p);
  char *end;
  errno = 0;
  if (!isxdigit((unsigned char)*p->at)) return error(p, "expected a number at '%.20s'", p->at);
  *magnitude = strtoull(p->at, &end, base);
  if (errno != 0 || end == p->at) return error(p, "not a number of 64 bits at '%.20s'", p->at);
  p->at = end;
  return true;
}

/* An integer of `bits` bits, as two's complement. */
static bool parse_integer(Parser *p, int bits, bool is_signed, uint64_t *value) {
  bool negative = accept(p, "-");
  if (!parse_magnitude(p, 10, value)) return false;
  uint64_t most = UINT64_MAX >> (64 - bits);
  if (is_signed) most = most / 2 + negative;
  if (negative && !is_signed) most = 0;
  if (*value > most) return error(p, "the number does not fit its type");
  if (negative) *value = 0 - *value;
  return true;
}

static bool parse_int(Parser *p, int64_t *value) {
  uint64_t bits;
  if (!parse_integer(p, 64, true, &bits)) return false;
  *value = (int64_t)bits;
  return true;
}

static bool parse_float(Parser *p, double *value) {
  skip(p);
  char *end;
  *value = strtod(p->at, &end);
  if (end == p->at) return error(p, "expected a number at '%.20s'", p->at);
  p->at = end;
  return true;
}

/* ---- types -------------------------------------------------------------------------------------
 */

static const Dim *parse_dim(Parser *p) {
  skip(p);
  const Dim *dim = dim_parse(p->ctx->dims, p->at, &p->at);
  if (dim == NULL) error(p, "malformed size at '%.20s'", p->at);
  return dim;
}

/* Up to `max` sizes before `close`, which is taken. */
static bool parse_dims(Parser *p, const char *close, const Dim **dims, uint32_t max, uint32_t *n) {
  for (*n = 0; !accept(p, close); (*n)++) {
    if (*n != 0 && !expect(p, ",")) return false;
    if (*n == max) return error(p, "more than %u sizes", max);
    dims[*n] = parse_dim(p);
    if (dims[*n] == NULL) return false;
  }
  return true;
}

static bool parse_dtype(Parser *p, DType *dtype) {
  const char *word = parse_word(p);
  if (word == NULL) return false;
  *dtype = dtype_by_name(word);
  return *dtype != DTYPE_NONE || error(p, "unknown type '%s'", word);
}

static bool parse_type(Parser *p, Type *type);

static bool parse_nested_type(Parser *p, TypeKind kind, Type *type) {
  Type *element = ARENA_NEW(p->ctx->arena, Type);
  *type = (Type){.kind = kind, .element = element};
  if (++p->nesting > MAX_NESTING) return error(p, "types nest too deep");
  bool parsed = expect(p, "(") && parse_type(p, element) && expect(p, ")");
  p->nesting--;
  return parsed;
}

/* type = dtype "[" [ "?" | dims ] "]" | "seq" "(" type ")" | "optional" "(" type ")" | "?" */
static bool parse_type(Parser *p, Type *type) {
  *type = (Type){.kind = TYPE_UNKNOWN};
  if (accept(p, "?")) return true;
  if (accept_word(p, "seq")) return parse_nested_type(p, TYPE_SEQUENCE, type);
  if (accept_word(p, "optional")) return parse_nested_type(p, TYPE_OPTIONAL, type);
  DType dtype;
  uint32_t rank;
  const Dim *dims[MAX_RANK];
  if (!parse_dtype(p, &dtype) || !expect(p, "[")) return false;
  if (accept(p, "?")) {
    *type = type_tensor(p->ctx, dtype, -1, NULL);
    return expect(p, "]");
  }
  if (!parse_dims(p, "]", dims, MAX_RANK, &rank)) return false;
  *type = type_tensor(p->ctx, dtype, (int)rank, dims);
  return true;
}

/* ---- tensors -----------------------------------------------------------------------------------
 */

static void put_unit(void *data, size_t unit, size_t i, uint64_t bits) {
  unsigned char *at = (unsigned char *)data + i * unit;
  uint8_t u8 = (uint8_t)bits;
  uint16_t u16 = (uint16_t)bits;
  uint32_t u32 = (uint32_t)bits;
  switch (unit) {
  case 1: memcpy(at, &u8, unit); break;
  case 2: memcpy(at, &u16, unit); break;
  case 4: memcpy(at, &u32, unit); break;
  default: memcpy(at, &bits, unit); break;
  }
}

/* float = decimal or hexadecimal | "inf" | "-inf" | "#" hex digits, as bits of f32 or f64 */
static bool parse_float_bits(Parser *p, DType dtype, uint64_t *bits) {
  if (accept(p, "#")) return parse_magnitude(p, 16, bits);
  double value;
  if (!parse_float(p, &value)) return false;
  if (dtype == ONNXC_RT_F64) {
    memcpy(bits, &value, sizeof value);
    return true;
  }
  if (dtype != ONNXC_RT_F32) return error(p, "numbers of this type are written as #bits");
  float narrow = (float)value;
  uint32_t narrow_bits;
  memcpy(&narrow_bits, &narrow, sizeof narrow);
  *bits = narrow_bits;
  return true;
}

static bool parse_element(Parser *p, DType dtype, void *data, size_t i) {
  const DTypeInfo *info = dtype_info(dtype);
  onnxc_rt_string *strings = data;
  uint64_t bits;
  size_t size;
  switch (info->cls) {
  case DTYPE_CLASS_STRING:
    strings[i].bytes = parse_string(p, &size);
    strings[i].size = (ptrdiff_t)size;
    return strings[i].bytes != NULL;
  case DTYPE_CLASS_FLOAT:
    if (!parse_float_bits(p, dtype, &bits)) return false;
    break;
  case DTYPE_CLASS_BOOL:
    if (!parse_integer(p, 1, false, &bits)) return false;
    break;
  default:
    if (info->bits < 8 || info->cls == DTYPE_CLASS_COMPLEX) {
      return error(p, "constants of this type are written as bits {}");
    }
    if (!parse_integer(p, info->bits, info->cls == DTYPE_CLASS_INT, &bits)) return false;
  }
  put_unit(data, text_unit(dtype), i, bits);
  return true;
}

/* data = "{" [ element { "," element } ] "}" | "bits" "{" { hex digits } "}" */
static bool parse_data(Parser *p, const Tensor *tensor, void *data) {
  bool as_bits = accept_word(p, "bits");
  size_t unit = text_unit(tensor->dtype), n = as_bits ? tensor->bytes / unit : tensor->count;
  if (as_bits && tensor->dtype == ONNXC_RT_STRING) return error(p, "strings have no bits");
  if (!expect(p, "{")) return false;
  for (size_t i = 0; i < n; i++) {
    uint64_t bits;
    if (as_bits) {
      if (!parse_magnitude(p, 16, &bits)) return false;
      put_unit(data, unit, i, bits);
    } else {
      if (i != 0 && !expect(p, ",")) return false;
      if (!parse_element(p, tensor->dtype, data, i)) return false;
    }
  }
  return expect(p, "}");
}

/* tensor = dtype "[" [ int { "," int } ] "]" data */
static const Tensor *parse_tensor(Parser *p) {
  DType dtype;
  int64_t dims[MAX_RANK];
  int rank = 0;
  if (!parse_dtype(p, &dtype) || !expect(p, "[")) return NULL;
  for (; !accept(p, "]"); rank++) {
    if (rank != 0 && !expect(p, ",")) return NULL;
    if (rank == MAX_RANK) {
      error(p, "more than %d sizes", MAX_RANK);
      return NULL;
    }
    if (!parse_int(p, &dims[rank])) return NULL;
  }
  Tensor *tensor = tensor_new(p->ctx, dtype, rank, dims);
  if (tensor == NULL) {
    error(p, "the size of the constant is negative or overflows");
    return NULL;
  }
  void *data = arena_alloc(p->ctx->arena, tensor->bytes);
  tensor->data = data;
  return parse_data(p, tensor, data) ? tensor : NULL;
}

/* ---- attributes --------------------------------------------------------------------------------
 */

static const char *const list_names[] = {[ATTR_INTS] = "ints",
                                         [ATTR_FLOATS] = "floats",
                                         [ATTR_STRINGS] = "strings",
                                         [ATTR_DIMS] = "dims"};

static const AttrKind list_of[] = {
    [ATTR_INT] = ATTR_INTS, [ATTR_FLOAT] = ATTR_FLOATS, [ATTR_STRING] = ATTR_STRINGS};

enum { LIST_NAMES = sizeof list_names / sizeof *list_names };

/* int | float: what reads further is meant. */
static bool parse_number(Parser *p, Attr *attr) {
  skip(p);
  char *int_end, *float_end;
  errno = 0;
  attr->i = strtoll(p->at, &int_end, 10);
  bool in_range = errno == 0;
  attr->f = (float)strtod(p->at, &float_end);
  if (float_end == p->at) return error(p, "expected a value at '%.20s'", p->at);
  attr->kind = float_end > int_end ? ATTR_FLOAT : ATTR_INT;
  if (attr->kind == ATTR_INT && !in_range) return error(p, "the number does not fit 64 bits");
  p->at = float_end;
  return true;
}

/* int | float | string */
static bool parse_scalar(Parser *p, Attr *attr) {
  skip(p);
  if (*p->at == '"') {
    attr->kind = ATTR_STRING;
    attr->s = parse_string(p, &attr->s_size);
    return attr->s != NULL;
  }
  if (*p->at != '#') return parse_number(p, attr);
  uint64_t bits;
  if (!parse_float_bits(p, ONNXC_RT_F32, &bits)) return false;
  attr->kind = ATTR_FLOAT;
  memcpy(&attr->f, &(uint32_t){(uint32_t)bits}, sizeof attr->f);
  return true;
}

typedef Vec(Attr) AttrList;

/* The list attribute whose elements are `items`. */
static void gather(Parser *p, Attr *attr, const AttrList *items) {
  Arena *arena = p->ctx->arena;
  int64_t *ints = ARENA_ARRAY(arena, items->len, int64_t);
  float *floats = ARENA_ARRAY(arena, items->len, float);
  onnxc_rt_string *strings = ARENA_ARRAY(arena, items->len, onnxc_rt_string);
  for (size_t i = 0; i < items->len; i++) {
    const Attr *item = &items->data[i];
    ints[i] = item->i;
    floats[i] = item->kind == ATTR_INT ? (float)item->i : item->f;
    strings[i] = (onnxc_rt_string){item->s, (ptrdiff_t)item->s_size};
  }
  attr->count = items->len;
  if (attr->kind == ATTR_INTS) attr->ints = ints;
  if (attr->kind == ATTR_FLOATS) attr->floats = floats;
  if (attr->kind == ATTR_STRINGS) attr->strings = strings;
}

static bool parse_dims_attr(Parser *p, Attr *attr) {
  const Dim *dims[MAX_CONTENTS];
  uint32_t n;
  if (!expect(p, "[") || !parse_dims(p, "]", dims, MAX_CONTENTS, &n)) return false;
  attr->dims = arena_copy(p->ctx->arena, dims, n * sizeof *dims);
  attr->count = n;
  return true;
}

/* The rest of a list of attr->kind, or of the kind of its first item where that is ATTR_NONE. */
static bool parse_list(Parser *p, Attr *attr) {
  AttrList items = {0};
  if (attr->kind == ATTR_DIMS) return parse_dims_attr(p, attr);
  if (!expect(p, "[")) return false;
  while (!accept(p, "]")) {
    Attr item = {0};
    if (items.len != 0 && !expect(p, ",")) return false;
    if (!parse_scalar(p, &item)) return false;
    if (attr->kind == ATTR_NONE) attr->kind = list_of[item.kind];
    bool widens = attr->kind == ATTR_FLOATS && item.kind == ATTR_INT;
    if (list_of[item.kind] != attr->kind && !widens) return error(p, "the list mixes kinds");
    vec_push(p->ctx->arena, &items, item);
  }
  if (attr->kind == ATTR_NONE) return error(p, "an empty list needs its kind, as in ints[]");
  gather(p, attr, &items);
  return true;
}

/* The kind of list whose name stands here; ATTR_NONE without one. */
static AttrKind accept_list_name(Parser *p) {
  for (int kind = 0; kind < LIST_NAMES; kind++) {
    if (list_names[kind] != NULL && accept_word(p, list_names[kind])) return (AttrKind)kind;
  }
  return ATTR_NONE;
}

/* Whether a dtype with its sizes follows. */
static bool at_tensor(Parser *p) {
  skip(p);
  size_t length = word_length(p);
  return length != 0 && p->at[length] == '[';
}

static Graph *parse_graph(Parser *p, const Node *holder);

static bool parse_attr_value(Parser *p, const Node *node, Attr *attr) {
  if (accept_word(p, "graph")) {
    attr->kind = ATTR_GRAPH;
    attr->graph = parse_graph(p, node);
    return attr->graph != NULL;
  }
  attr->kind = accept_list_name(p);
  skip(p);
  if (attr->kind != ATTR_NONE || *p->at == '[') return parse_list(p, attr);
  if (!at_tensor(p)) return parse_scalar(p, attr);
  attr->kind = ATTR_TENSOR;
  attr->tensor = parse_tensor(p);
  return attr->tensor != NULL;
}

/* "{" [ attr { "," attr } ] "}" */
static bool parse_attrs(Parser *p, Node *node) {
  if (!accept(p, "{")) return true;
  for (bool first = true; !accept(p, "}"); first = false) {
    if (!first && !expect(p, ",")) return false;
    Attr attr = {.name = parse_word(p)};
    if (attr.name == NULL || !expect(p, "=") || !parse_attr_value(p, node, &attr)) return false;
    if (node_attr(node, attr.name) != NULL) return error(p, "'%s' is there twice", attr.name);
    node_set_attr(node, attr);
  }
  return true;
}

/* ---- values ------------------------------------------------------------------------------------
 */

/* value = "%" ( word | string ) [ "#" int ] */
static bool parse_reference(Parser *p, Reference *reference) {
  if (!expect(p, "%")) return false;
  reference->name = parse_name(p);
  reference->ordinal = 1;
  if (reference->name == NULL) return false;
  if (*reference->name == '\0') return error(p, "the name of a value is empty");
  if (*p->at != '#') return true;
  p->at++;
  uint64_t ordinal;
  if (!parse_integer(p, 32, false, &ordinal)) return false;
  reference->ordinal = (uint32_t)ordinal;
  return true;
}

/* result = "_" | value [ ":" type [ "<" [ dims ] ">" ] ] */
static bool parse_result(Parser *p, Result *result) {
  *result = (Result){0};
  if (accept_word(p, "_")) return true;
  if (!parse_reference(p, &result->reference)) return false;
  result->line = p->line;
  result->typed = accept(p, ":");
  if (!result->typed) return true;
  if (!parse_type(p, &result->type)) return false;
  if (!accept(p, "<")) return true;
  const Dim *contents[MAX_CONTENTS];
  if (!parse_dims(p, ">", contents, MAX_CONTENTS, &result->n_contents)) return false;
  result->contents = arena_copy(p->ctx->arena, contents, result->n_contents * sizeof *contents);
  return true;
}

static bool define(Parser *p, Scope *scope, Reference reference, Value *value) {
  uint64_t key = map_key(reference.name);
  Values *values = map_get(&scope->values, key);
  if (values == NULL) map_set(&scope->values, key, values = ARENA_NEW(p->ctx->arena, Values));
  if (reference.ordinal != values->len + 1) {
    return error(p, "'%s' is defined twice or out of order", reference.name);
  }
  vec_push(p->ctx->arena, values, value);
  return true;
}

static Value *look_up(Parser *p, const Scope *scope, Reference reference, uint32_t line) {
  const Values *values = map_get(&scope->values, map_key(reference.name));
  if (values != NULL && reference.ordinal - 1 < values->len) {
    return values->data[reference.ordinal - 1];
  }
  error_at(p, line, "no value '%s' is defined before this line", reference.name);
  return NULL;
}

static void set_type(Value *value, const Result *result) {
  if (!result->typed) return;
  value->type = result->type;
  value->contents = result->contents;
  value->n_contents = result->n_contents;
}

/* ---- statements --------------------------------------------------------------------------------
 */

static bool parse_input(Parser *p, Scope *scope) {
  Result result;
  if (!parse_result(p, &result)) return false;
  if (!result.typed) return error(p, "an input needs a name and a type");
  Value *value = graph_add_input(scope->graph, result.reference.name, result.type);
  set_type(value, &result);
  return define(p, scope, result.reference, value);
}

/* "capture" value [ ":" type ] "=" int */
static bool parse_capture(Parser *p, Scope *scope) {
  Result result;
  uint64_t input;
  if (!parse_result(p, &result) || !expect(p, "=")) return false;
  if (!parse_integer(p, 32, false, &input)) return false;
  const Node *holder = scope->holder;
  if (result.reference.name == NULL || holder == NULL || input < holder->n_formal ||
      input >= holder->n_in || holder->in[input].value == NULL) {
    return error(p, "the holder of this graph has no captured input %u", (unsigned)input);
  }
  const Value *outer = holder->in[input].value;
  Value *value = graph_new_value(scope->graph, result.reference.name);
  value->type = result.typed ? result.type : outer->type;
  value->constant = outer->constant;
  value->contents = outer->contents;
  value->n_contents = outer->n_contents;
  Capture capture = {.inner = value, .input = (uint32_t)input};
  vec_push(p->ctx->arena, &scope->graph->captures, capture);
  return define(p, scope, result.reference, value);
}

static bool parse_output(Parser *p, Scope *scope) {
  Result result;
  if (!parse_result(p, &result)) return false;
  if (result.reference.name == NULL) return error(p, "an output needs a name");
  vec_push(p->ctx->arena, &scope->outputs, result);
  return true;
}

/* "const" value "=" tensor */
static bool parse_constant(Parser *p, Scope *scope) {
  Reference reference;
  if (!parse_reference(p, &reference) || !expect(p, "=")) return false;
  const Tensor *tensor = parse_tensor(p);
  if (tensor == NULL) return false;
  return define(p, scope, reference, graph_add_constant(scope->graph, reference.name, tensor));
}

/* [ result { "," result } ] "=" */
static bool parse_results(Parser *p, Results *results) {
  while (!accept(p, "=")) {
    Result result;
    if (results->len != 0 && !expect(p, ",")) return false;
    if (!parse_result(p, &result)) return false;
    vec_push(p->ctx->arena, results, result);
  }
  return true;
}

/* operator = [ domain "." ] name */
static const OpDef *parse_operator(Parser *p) {
  const char *word = parse_word(p);
  if (word == NULL) return NULL;
  const char *dot = strrchr(word, '.'), *domain = "";
  if (dot != NULL) domain = intern_n(p->ctx->strings, word, (size_t)(dot - word));
  const OpDef *op = op_find(domain, dot == NULL ? word : dot + 1);
  if (op == NULL) error(p, "unknown operator '%s'", word);
  return op;
}

/* "(" [ operands ] [ ";" operands ] ")"; `formal` becomes the number of those before ";". */
static bool parse_operands(Parser *p, const Scope *scope, Values *operands, uint32_t *formal) {
  bool captures = false;
  if (!expect(p, "(")) return false;
  for (bool first = true; !accept(p, ")"); first = false) {
    bool divided = !captures && accept(p, ";");
    if (divided) *formal = (uint32_t)operands->len;
    captures |= divided;
    if (!first && !divided && !expect(p, ",")) return false;
    Value *value = NULL;
    Reference reference;
    if (!accept_word(p, "_")) {
      if (!parse_reference(p, &reference)) return false;
      value = look_up(p, scope, reference, p->line);
      if (value == NULL) return false;
    }
    vec_push(p->ctx->arena, operands, value);
  }
  if (!captures) *formal = (uint32_t)operands->len;
  return true;
}

/* [ string ] [ "from" { string } ] */
static bool parse_origins(Parser *p, Node *node) {
  Vec(const char *) origins = {0};
  skip(p);
  if (*p->at == '"') {
    node->name = parse_name(p);
    if (node->name == NULL) return false;
    vec_push(p->ctx->arena, &origins, node->name);
  }
  if (accept_word(p, "from")) {
    origins.len = 0;
    for (skip(p); *p->at == '"'; skip(p)) {
      const char *origin = parse_name(p);
      if (origin == NULL) return false;
      vec_push(p->ctx->arena, &origins, origin);
    }
  }
  node->origins = origins.data;
  node->n_origins = (uint32_t)origins.len;
  return true;
}

/* Types that are not written are inferred. */
static bool settle_types(Parser *p, Scope *scope, Node *node, const Results *results) {
  bool inferred = true;
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] == NULL || results->data[i].typed) continue;
    inferred = infer_node(node);
    break;
  }
  if (!inferred) return error(p, "inference of '%s' failed", node->op->name);
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] == NULL) continue;
    set_type(node->out[i], &results->data[i]);
    if (!define(p, scope, results->data[i].reference, node->out[i])) return false;
  }
  return true;
}

static Node *new_node(Parser *p, const Scope *scope, const OpDef *op, const Values *operands,
                      const Results *results) {
  const char **names = ARENA_ARRAY(p->ctx->arena, results->len, const char *);
  for (size_t i = 0; i < results->len; i++) {
    const char *name = results->data[i].reference.name;
    names[i] = name == NULL ? "" : name;
  }
  return node_new(scope->graph, op, "", operands->data, (uint32_t)operands->len, names,
                  (uint32_t)results->len);
}

static bool parse_node(Parser *p, Scope *scope) {
  Results results = {0};
  Values operands = {0};
  uint32_t formal = 0;
  if (!parse_results(p, &results)) return false;
  const OpDef *op = parse_operator(p);
  if (op == NULL || !parse_operands(p, scope, &operands, &formal)) return false;
  Node *node = new_node(p, scope, op, &operands, &results);
  node->n_formal = formal;
  if (!parse_attrs(p, node) || !parse_origins(p, node)) return false;
  graph_append(scope->graph, node);
  return settle_types(p, scope, node, &results);
}

/* ---- graphs ------------------------------------------------------------------------------------
 */

static const struct {
  const char *word;
  bool (*parse)(Parser *p, Scope *scope);
} statements[] = {
    {"input", parse_input},
    {"capture", parse_capture},
    {"output", parse_output},
    {"const", parse_constant},
};

static bool parse_statement(Parser *p, Scope *scope) {
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
    if (accept_word(p, statements[i].word)) return statements[i].parse(p, scope);
  }
  return parse_node(p, scope);
}

static bool settle_outputs(Parser *p, const Scope *scope) {
  VEC_EACH(const Result, output, &scope->outputs) {
    Value *value = look_up(p, scope, output->reference, output->line);
    if (value == NULL) return false;
    if (output->typed && !type_equal(&output->type, &value->type)) {
      return error_at(p, output->line, "output '%s' is %s, not %s", value->name,
                      type_text(p->ctx->arena, &value->type),
                      type_text(p->ctx->arena, &output->type));
    }
    graph_add_output(scope->graph, value);
  }
  return true;
}

/* graph = "graph" string "{" { statement } "}", behind the first word */
static Graph *parse_graph(Parser *p, const Node *holder) {
  if (p->nesting == MAX_NESTING) {
    error(p, "graphs nest too deep");
    return NULL;
  }
  p->nesting++;
  const char *name = parse_name(p);
  if (name == NULL || !expect(p, "{")) return NULL;
  Scope scope = {.graph = graph_new(p->ctx, name), .holder = holder};
  scope.values = map_on(p->ctx->arena);
  while (!accept(p, "}")) {
    if (!parse_statement(p, &scope)) return NULL;
  }
  p->nesting--;
  return settle_outputs(p, &scope) ? scope.graph : NULL;
}

/* "dim" symbol "=" int ".." [ int ], behind the first word */
static bool parse_symbol(Parser *p) {
  int64_t lo, hi = INT64_MAX;
  const char *name = parse_name(p);
  if (name == NULL || !expect(p, "=") || !parse_int(p, &lo) || !expect(p, "..")) return false;
  if (isdigit((unsigned char)*p->at) && !parse_int(p, &hi)) return false;
  const Dim *symbol = dim_symbol(p->ctx->dims, name, lo, hi);
  if (lo <= hi && symbol->lo == lo && symbol->hi == hi) return true;
  return error(p, "the bounds of '%s' are empty or contradict earlier ones", name);
}

Graph *graph_parse(Context *ctx, const char *text, const char *name) {
  Parser p = {.ctx = ctx, .at = text, .name = name, .line = 1};
  while (accept_word(&p, "dim")) {
    if (!parse_symbol(&p)) return NULL;
  }
  if (!accept_word(&p, "graph")) {
    error(&p, "expected 'graph' at '%.20s'", p.at);
    return NULL;
  }
  Graph *graph = parse_graph(&p, NULL);
  skip(&p);
  if (graph == NULL || *p.at == '\0') return graph;
  error(&p, "text behind the graph: '%.20s'", p.at);
  return NULL;
}
