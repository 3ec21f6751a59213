#include "import/import.h"
#include "import/importer.h"

#include <limits.h>
#include <string.h>

#define ALWAYS INT_MAX

/* One step from an older form; see upgrade.def. */
typedef struct Upgrade {
  const char *op;
  int before;
  bool (*apply)(Draft *d, const struct Upgrade *row);
  const char *attr;
  uint32_t input;
  int64_t number;
  float real;
  const char *from, *to;
} Upgrade;

static Context *context(const Draft *d) {
  return d->scope->importer->ctx;
}

/* ---- inputs -------------------------------------------------------------------------------------
 */

static Value *draft_in(const Draft *d, uint32_t i) {
  return i < d->in.len ? d->in.data[i] : NULL;
}

static void set_input(Draft *d, uint32_t i, Value *value) {
  while (d->in.len <= i) vec_push(d->scratch, &d->in, NULL);
  d->in.data[i] = value;
}

static Value *ints_constant(Draft *d, const int64_t *ints, size_t n) {
  return draft_constant(d, tensor_vector_i64(context(d), ints, n));
}

static Value *floats_constant(Draft *d, const float *floats, int rank, const int64_t *dims) {
  Tensor *tensor = tensor_new(context(d), ONNXC_RT_F32, rank, dims);
  tensor->data = arena_copy(context(d)->arena, floats, tensor->bytes);
  return draft_constant(d, tensor);
}

static Value *emit(Draft *d, const char *op, Value *a, Value *b) {
  Value *const inputs[] = {a, b};
  Node *node = draft_emit(d, "", op, inputs, b == NULL ? 1 : 2);
  return node == NULL ? NULL : node->out[0];
}

/* A float constant in the element type of input 0. NULL: reported. */
static Value *like_input(Draft *d, Value *constant) {
  const Type *type = &d->in.data[0]->type;
  if (type->kind == TYPE_TENSOR && type->dtype == ONNXC_RT_F32) return constant;
  return emit(d, "CastLike", constant, d->in.data[0]);
}

static Value *like_scalar(Draft *d, float value) {
  return like_input(d, draft_constant(d, tensor_scalar_f32(context(d), value)));
}

static float float_attr(Draft *d, const char *name, float otherwise) {
  const Attr *attr = draft_attr(d, name);
  return attr == NULL ? otherwise : attr->f;
}

/* ---- attributes that became inputs ---- */

static bool upgrade_ints_to_input(Draft *d, const Upgrade *row) {
  const Attr *attr = draft_attr(d, row->attr);
  if (attr != NULL && attr->count != 0) {
    set_input(d, row->input, ints_constant(d, attr->ints, attr->count));
  }
  draft_drop(d, row->attr);
  return true;
}

static bool upgrade_int_to_input(Draft *d, const Upgrade *row) {
  const Attr *attr = draft_attr(d, row->attr);
  if (attr != NULL) set_input(d, row->input, ints_constant(d, &attr->i, 1));
  draft_drop(d, row->attr);
  return true;
}

static bool upgrade_scalar_to_input(Draft *d, const Upgrade *row) {
  const Attr *attr = draft_attr(d, row->attr);
  if (attr != NULL) {
    set_input(d, row->input, draft_constant(d, tensor_scalar_i64(context(d), attr->i)));
  }
  draft_drop(d, row->attr);
  return true;
}

static bool upgrade_floats_to_input(Draft *d, const Upgrade *row) {
  const Attr *attr = draft_attr(d, row->attr);
  if (attr != NULL) {
    const int64_t n = (int64_t)attr->count;
    set_input(d, row->input, floats_constant(d, attr->floats, 1, &n));
  }
  draft_drop(d, row->attr);
  return true;
}

static bool upgrade_like_to_input(Draft *d, const Upgrade *row) {
  const Attr *attr = draft_attr(d, row->attr);
  if (attr == NULL) return true;
  Value *value = like_scalar(d, attr->f);
  if (value != NULL) set_input(d, row->input, value);
  draft_drop(d, row->attr);
  return value != NULL;
}

/* An input that was a float tensor of integers. */
static bool upgrade_integer_input(Draft *d, const Upgrade *row) {
  Value *value = draft_in(d, row->input);
  if (value == NULL) return true;
  Node *cast = draft_emit(d, "", "Cast", &value, 1);
  if (cast == NULL) return false;
  node_set_int(cast, "to", ONNXC_RT_I64);
  set_input(d, row->input, cast->out[0]);
  return true;
}

/* ---- attributes that went, or changed ---- */

static bool refuse(const Draft *d, const char *why) {
  return draft_error(d, DIAG_UNSUPPORTED, "version %d of the operator%s", d->schema->since, why);
}

static bool upgrade_refuse(Draft *d, const Upgrade *row) {
  (void)row;
  return refuse(d, " has no newer equivalent");
}

static bool upgrade_drop(Draft *d, const Upgrade *row) {
  draft_drop(d, row->attr);
  return true;
}

/* Only this value means what the newer form does. */
static bool upgrade_expect(Draft *d, const Upgrade *row) {
  const Attr *attr = draft_attr(d, row->attr);
  if (attr != NULL && attr->i != row->number) return refuse(d, " with this attribute value");
  draft_drop(d, row->attr);
  return true;
}

static bool upgrade_default_int(Draft *d, const Upgrade *row) {
  if (draft_attr(d, row->attr) != NULL) return true;
  draft_set(d, (Attr){.name = row->attr, .kind = ATTR_INT, .i = row->number});
  return true;
}

static bool upgrade_default_float(Draft *d, const Upgrade *row) {
  if (draft_attr(d, row->attr) != NULL) return true;
  draft_set(d, (Attr){.name = row->attr, .kind = ATTR_FLOAT, .f = row->real});
  return true;
}

/* The text outlives the model's messages. */
static void set_text(Draft *d, const char *name, const char *text) {
  text = intern(context(d)->strings, text);
  draft_set(d, (Attr){.name = name, .kind = ATTR_STRING, .s = text, .s_size = strlen(text)});
}

static bool upgrade_default_text(Draft *d, const Upgrade *row) {
  if (draft_attr(d, row->attr) == NULL) set_text(d, row->attr, row->to);
  return true;
}

static bool upgrade_replace_text(Draft *d, const Upgrade *row) {
  const Attr *attr = draft_attr(d, row->attr);
  if (attr != NULL && strcmp(attr->s, row->from) == 0) set_text(d, row->attr, row->to);
  return true;
}

static bool upgrade_rename_attr(Draft *d, const Upgrade *row) {
  Attr *attr = draft_attr(d, row->attr);
  if (attr != NULL) attr->name = intern(context(d)->strings, row->to);
  return true;
}

static bool upgrade_rename(Draft *d, const Upgrade *row) {
  d->op = row->to;
  return true;
}

static bool upgrade_float_to_int(Draft *d, const Upgrade *row) {
  const Attr *attr = draft_attr(d, row->attr);
  if (attr == NULL) return true;
  if (attr->f < 1 || attr->f > 1000 || attr->f != (float)(int)attr->f) {
    return refuse(d, " with a fractional exponent");
  }
  draft_set(d, (Attr){.name = row->attr, .kind = ATTR_INT, .i = (int64_t)attr->f});
  return true;
}

/* ---- single operators ---- */

/* Cast named its type by the text of the enumerator: "FLOAT16". */
static bool upgrade_dtype_name(Draft *d, const Upgrade *row) {
  const Attr *attr = draft_attr(d, row->attr);
  char name[32] = "";
  for (size_t i = 0; i < sizeof name - 1 && attr->s[i] != '\0'; i++) {
    bool upper = attr->s[i] >= 'A' && attr->s[i] <= 'Z';
    name[i] = (char)(upper ? attr->s[i] - 'A' + 'a' : attr->s[i]);
  }
  DType dtype = dtype_by_name(name);
  if (dtype == DTYPE_NONE)
    return draft_error(d, DIAG_INVALID, "no type is called '%.40s'", attr->s);
  draft_set(d, (Attr){.name = row->attr, .kind = ATTR_INT, .i = dtype});
  return true;
}

/* Input 1 gets trailing axes of 1 so that it starts at `axis` of input 0. */
static bool align(Draft *d, int64_t axis) {
  Value *const inputs[] = {d->in.data[1], d->in.data[0]};
  Node *aligned = draft_emit(d, "onnxc", "AlignAxis", inputs, 2);
  if (aligned == NULL) return false;
  node_set_int(aligned, "axis", axis);
  d->in.data[1] = aligned->out[0];
  return true;
}

/* Without an axis, the old broadcasting is NumPy's. */
static bool upgrade_align_axis(Draft *d, const Upgrade *row) {
  const Attr *axis = draft_attr(d, row->attr), *broadcast = draft_attr(d, "broadcast");
  bool aligns = axis != NULL && broadcast != NULL && broadcast->i != 0;
  if (aligns && !align(d, axis->i)) return false;
  draft_drop(d, row->attr);
  draft_drop(d, "broadcast");
  return true;
}

/* The slope of PRelu was one number a channel. */
static bool upgrade_align_channel(Draft *d, const Upgrade *row) {
  (void)row;
  return align(d, 1);
}

/* Softmax and its kin saw the input as a matrix whose rows start at `axis`. */
static bool upgrade_flat_softmax(Draft *d, const Upgrade *row) {
  const Attr *axis = draft_attr(d, row->attr);
  int64_t first = axis == NULL ? 1 : axis->i;
  draft_set(d, (Attr){.name = row->attr, .kind = ATTR_INT, .i = first});
  bool as_today = first == -1; /* the last axis alone */
  if (as_today || op_find("", d->op) == NULL) return true;
  set_text(d, "op", d->op);
  d->domain = "onnxc";
  d->op = "FlatSoftmax";
  return true;
}

/* Statistics as outputs were those of training. */
static bool upgrade_one_output(Draft *d, const Upgrade *row) {
  (void)row;
  for (size_t i = 1; i < d->out.len; i++) {
    if (*d->out.data[i] != '\0') return refuse(d, " with the outputs of training");
  }
  d->out.len = 1;
  return true;
}

/* Dropout was in training unless is_test said otherwise. */
static bool upgrade_dropout_training(Draft *d, const Upgrade *row) {
  const Attr *is_test = draft_attr(d, row->attr);
  bool trains = is_test == NULL || is_test->i == 0;
  draft_drop(d, row->attr);
  if (!trains) return true;
  Tensor *yes = tensor_new(context(d), ONNXC_RT_BOOL, 0, NULL);
  tensor_set_i64(yes, 0, 1);
  Value *ratio = like_scalar(d, float_attr(d, "ratio", 0.5F));
  set_input(d, 1, ratio);
  set_input(d, 2, draft_constant(d, yes));
  return ratio != NULL;
}

static bool upgrade_split_outputs(Draft *d, const Upgrade *row) {
  (void)row;
  if (draft_in(d, 1) != NULL) return true;
  draft_set(d, (Attr){.name = "num_outputs", .kind = ATTR_INT, .i = (int64_t)d->out.len});
  return true;
}

static bool upgrade_upsample_factors(Draft *d, const Upgrade *row) {
  (void)row;
  const float factors[] = {1, 1, float_attr(d, "height_scale", 1), float_attr(d, "width_scale", 1)};
  set_input(d, 1, floats_constant(d, factors, 1, &(int64_t){4}));
  draft_drop(d, "height_scale");
  draft_drop(d, "width_scale");
  return true;
}

/* Resize took its scales as input 1 and mapped coordinates without half-pixel centres. */
static bool upgrade_resize_scales(Draft *d, const Upgrade *row) {
  (void)row;
  Value *scales = draft_in(d, 1);
  set_input(d, 1, NULL);
  set_input(d, 2, scales);
  set_text(d, "coordinate_transformation_mode", "asymmetric");
  set_text(d, "nearest_mode", "floor");
  return true;
}

/* Empty tensors stood for absent inputs. */
static bool upgrade_drop_empty_inputs(Draft *d, const Upgrade *row) {
  (void)row;
  for (uint32_t i = 1; i < d->in.len; i++) {
    const Value *value = d->in.data[i];
    bool empty = value != NULL && value->constant != NULL && value->constant->count == 0;
    if (empty) d->in.data[i] = NULL;
  }
  return true;
}

/* Scale and bias were one number a group: [groups] becomes [groups, channels / groups], flat. */
static Value *spread_groups(Draft *d, Value *value, Value *shape) {
  const int64_t column[] = {-1, 1}, flat[] = {-1};
  Value *reshaped = emit(d, "Reshape", value, ints_constant(d, column, 2));
  Value *spread = reshaped == NULL ? NULL : emit(d, "Expand", reshaped, shape);
  return spread == NULL ? NULL : emit(d, "Reshape", spread, ints_constant(d, flat, 1));
}

static bool upgrade_group_scale(Draft *d, const Upgrade *row) {
  int64_t groups = draft_attr(d, row->attr)->i, one = 1;
  Node *channels = draft_emit(d, "", "Shape", d->in.data, 1);
  if (channels == NULL) return false;
  node_set_int(channels, "start", 1);
  node_set_int(channels, "end", 2);
  Value *each = emit(d, "Div", channels->out[0], ints_constant(d, &groups, 1));
  Value *const parts[] = {ints_constant(d, &one, 1), each};
  Node *shape = each == NULL ? NULL : draft_emit(d, "", "Concat", parts, 2);
  if (shape == NULL) return false;
  node_set_int(shape, "axis", 0);
  for (uint32_t i = 1; i <= 2; i++) {
    Value *spread = spread_groups(d, d->in.data[i], shape->out[0]);
    if (spread == NULL) return false;
    d->in.data[i] = spread;
  }
  return true;
}

/* The values outside the wrapped body that it captures, it now captures through the wrapper. */
static void recapture(Scope *body, Scope *wrapper) {
  VEC_EACH(Captured, captured, &body->captured) {
    captured->outer = scope_capture(wrapper, captured->outer);
  }
}

static void move_directions(Draft *from, Draft *to) {
  Attr *directions = draft_attr(from, "directions");
  if (directions == NULL) return;
  directions->name = "scan_input_directions";
  draft_set(to, *directions);
  draft_drop(from, "scan_input_directions");
}

/* A body that scans one element of the batch with the old node's body. */
static Scope *batch_body(Draft *d, const OpDef *scan) {
  Importer *importer = d->scope->importer;
  Graph *graph = graph_new(importer->ctx, "batch");
  Scope *wrapper = scope_new(importer, d->scope, graph, graph->name);
  Draft inner = {.scope = wrapper, .scratch = d->scratch, .site = d->site, .name = d->name};
  for (size_t i = 0; i < d->in.len; i++) {
    vec_push(d->scratch, &inner.in, graph_add_input(graph, d->in.data[i]->name, (Type){0}));
  }
  for (size_t i = 0; i < d->out.len; i++) vec_push(d->scratch, &inner.out, "result");
  recapture(d->bodies.data[0], wrapper);
  vec_push(d->scratch, &inner.bodies, d->bodies.data[0]);
  draft_set(&inner, *draft_attr(d, "body"));
  draft_set(&inner, *draft_attr(d, "num_scan_inputs"));
  move_directions(d, &inner);
  const Node *node = draft_append(&inner, scan);
  for (uint32_t i = 0; i < node->n_out; i++) graph_add_output(graph, node->out[i]);
  return wrapper;
}

/* Scan had a batch axis in front of all: that becomes a Scan around, with all values as scanned
 * ones. */
static bool upgrade_scan_batches(Draft *d, const Upgrade *row) {
  (void)row;
  const OpDef *scan = op_find("", "Scan");
  if (scan == NULL || d->in.data[0] != NULL) return refuse(d, " with sequence_lens");
  d->in.data++;
  d->in.len--;
  d->in.cap--;
  int64_t n = (int64_t)d->in.len;
  d->bodies.data[0] = batch_body(d, scan);
  draft_set(d, (Attr){.name = "body", .kind = ATTR_GRAPH, .graph = d->bodies.data[0]->graph});
  draft_set(d, (Attr){.name = "num_scan_inputs", .kind = ATTR_INT, .i = n});
  return true;
}

/* LabelEncoder mapped between texts and their indexes in one list. */
static bool upgrade_label_classes(Draft *d, const Upgrade *row) {
  Attr *classes = draft_attr(d, row->attr);
  if (classes == NULL) return draft_error(d, DIAG_INVALID, "attribute %s is missing", row->attr);
  size_t n = classes->count;
  int64_t *ints = ARENA_ARRAY(context(d)->arena, n, int64_t);
  for (size_t i = 0; i < n; i++) ints[i] = (int64_t)i;
  classes->name = intern(context(d)->strings, "cats_strings");
  draft_set(d, (Attr){.name = "cats_int64s", .kind = ATTR_INTS, .ints = ints, .count = n});
  d->op = "CategoryMapper";
  return true;
}

/* What Gradient names becomes inputs behind its own: xs, zs and y. */
static bool add_named(Draft *d, const char *bytes, ptrdiff_t size) {
  const char *name = arena_printf(d->scratch, "%.*s", (int)size, bytes);
  Value *value = scope_resolve(d->scope, name);
  if (value == NULL || value == d->scope->importer->absent) {
    return draft_error(d, DIAG_INVALID, "no earlier value is called '%.200s'", name);
  }
  vec_push(d->scratch, &d->in, value);
  return true;
}

static bool upgrade_name_inputs(Draft *d, const Upgrade *row) {
  (void)row;
  const Attr *const lists[] = {draft_attr(d, "xs"), draft_attr(d, "zs")}, *y = draft_attr(d, "y");
  bool good = true;
  for (size_t k = 0; k < 2; k++) {
    for (size_t i = 0; lists[k] != NULL && i < lists[k]->count; i++) {
      good &= add_named(d, lists[k]->strings[i].bytes, lists[k]->strings[i].size);
    }
  }
  return add_named(d, y->s, (ptrdiff_t)strlen(y->s)) && good;
}

/* ---- experimental operators of opset 1 that ONNX has dropped ---- */

/* The draft becomes the binary `op` of its input and `b`, without attributes. */
static bool become(Draft *d, const char *op, Value *a, Value *b) {
  if (a == NULL || b == NULL) return false;
  d->op = op;
  d->attrs.len = 0;
  d->in.len = 0;
  set_input(d, 0, a);
  set_input(d, 1, b);
  return true;
}

/* alpha * x + beta */
static bool upgrade_affine(Draft *d, const Upgrade *row) {
  (void)row;
  Value *alpha = like_scalar(d, float_attr(d, "alpha", 1));
  Value *beta = like_scalar(d, float_attr(d, "beta", 0));
  Value *scaled = alpha == NULL ? NULL : emit(d, "Mul", d->in.data[0], alpha);
  return become(d, "Add", scaled, beta);
}

/* scale * x + bias[channel] */
static bool upgrade_image_scaler(Draft *d, const Upgrade *row) {
  (void)row;
  Value *factor = like_scalar(d, float_attr(d, "scale", 1));
  Value *scaled = factor == NULL ? NULL : emit(d, "Mul", d->in.data[0], factor);
  const Attr *bias = draft_attr(d, "bias");
  if (bias == NULL || scaled == NULL) return become(d, "Mul", d->in.data[0], factor);
  const int64_t dims[] = {(int64_t)bias->count, 1, 1};
  return become(d, "Add", scaled, like_input(d, floats_constant(d, bias->floats, 3, dims)));
}

static bool upgrade_scale(Draft *d, const Upgrade *row) {
  (void)row;
  return become(d, "Mul", d->in.data[0], like_scalar(d, float_attr(d, "scale", 1)));
}

/* alpha * tanh(beta * x) */
static bool upgrade_scaled_tanh(Draft *d, const Upgrade *row) {
  (void)row;
  Value *alpha = like_scalar(d, float_attr(d, "alpha", 1));
  Value *beta = like_scalar(d, float_attr(d, "beta", 1));
  Value *inner = beta == NULL ? NULL : emit(d, "Mul", d->in.data[0], beta);
  return become(d, "Mul", inner == NULL ? NULL : emit(d, "Tanh", inner, NULL), alpha);
}

/* alpha * softplus(beta * x) */
static bool upgrade_parametric_softplus(Draft *d, const Upgrade *row) {
  (void)row;
  Value *alpha = like_scalar(d, float_attr(d, "alpha", 1));
  Value *beta = like_scalar(d, float_attr(d, "beta", 1));
  Value *inner = beta == NULL ? NULL : emit(d, "Mul", d->in.data[0], beta);
  return become(d, "Mul", inner == NULL ? NULL : emit(d, "Softplus", inner, NULL), alpha);
}

/* Rows and columns off the borders [left, top, right, bottom], or a window of size `scale`. */
static bool upgrade_crop(Draft *d, const Upgrade *row) {
  (void)row;
  const Attr *border = draft_attr(d, "border"), *window = draft_attr(d, "scale");
  if (border == NULL || border->count != 4 || (window != NULL && window->count != 2)) {
    return draft_error(d, DIAG_INVALID, "border needs four numbers, scale two");
  }
  const int64_t *edge = border->ints, axes[] = {2, 3}, starts[] = {edge[1], edge[0]};
  int64_t ends[] = {edge[3] == 0 ? INT64_MAX : -edge[3], edge[2] == 0 ? INT64_MAX : -edge[2]};
  for (int i = 0; window != NULL && i < 2; i++) {
    if (__builtin_add_overflow(starts[i], window->ints[i], &ends[i])) ends[i] = INT64_MAX;
  }
  if (!become(d, "Slice", d->in.data[0], ints_constant(d, starts, 2))) return false;
  set_input(d, 2, ints_constant(d, ends, 2));
  set_input(d, 3, ints_constant(d, axes, 2));
  return true;
}

/* ---- the table ---- */

#define UPGRADE(op_, before_, how_, attr_, ...)                                                    \
  {.op = #op_, .before = before_, .apply = upgrade_##how_, .attr = attr_, __VA_ARGS__},
static const Upgrade table[] = {
#include "import/upgrade.def"
};

enum { N_ROWS = sizeof table / sizeof *table };

/* The first row of `op`, or where it would be. */
static size_t first_row(const char *op) {
  size_t low = 0, high = N_ROWS;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(table[middle].op, op) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool import_replaces(const char *op) {
  bool always = strcmp(op, "Constant") == 0;
  for (size_t i = first_row(op); i < N_ROWS && strcmp(table[i].op, op) == 0; i++) {
    always = always || table[i].before == ALWAYS;
  }
  return always;
}

bool import_upgrades(const char *op, int version) {
  bool upgrades = false;
  for (size_t i = first_row(op); i < N_ROWS && strcmp(table[i].op, op) == 0; i++) {
    upgrades = upgrades || (table[i].before != ALWAYS && version < table[i].before);
  }
  return upgrades;
}

bool upgrade_draft(Draft *d) {
  const char *op = d->op;
  if (d->schema == NULL) return true;
  draft_drop(d, "consumed_inputs"); /* in-place hints of opset 1 */
  for (size_t i = first_row(op); i < N_ROWS && strcmp(table[i].op, op) == 0; i++) {
    bool older = d->schema->since < table[i].before;
    if (older && !table[i].apply(d, &table[i])) return false;
  }
  return true;
}
