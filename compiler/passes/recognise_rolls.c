/* recognise-rolls: Concat(x[k:], x[:k]) along one axis -> onnxc.Roll(x), and a Roll of a Roll ->
 * one.
 *
 * Right bit for bit, as elements only change places. Worth it because a Roll is computed where it
 * is read, or in one step whatever the number of axes, stored the way that who reads it wants: the
 * shifted windows of Swin. The last axis is left to Concat, whose parts are runs then. */
#include "lower/row.h"
#include "passes/facts.h"
#include "passes/pass.h"

#include <string.h>

/* Elements [start, start + size) of the axis of `whole`. */
typedef struct Cut {
  Value *whole;
  int axis;
  const Dim *start, *size;
} Cut;

static bool cut_slice(const Node *slice, Cut *cut) {
  uint32_t n, n_axes = 0, n_steps = 0;
  int64_t axis = 0, step = 1;
  const Dim *const *starts = infer_contents(slice, 1, &n);
  cut->whole = slice->in[0].value;
  int rank = cut->whole->type.rank;
  if (starts == NULL || n != 1) return false;
  if (node_in(slice, 3) != NULL && !value_ints(node_in(slice, 3), &axis, 1, &n_axes)) return false;
  if (node_in(slice, 4) != NULL && !value_ints(node_in(slice, 4), &step, 1, &n_steps)) return false;
  cut->axis = (int)(axis < 0 ? axis + rank : axis);
  cut->start = starts[0];
  if (cut->start->hi < 0) {
    cut->start = dim_add(infer_dims(slice), cut->start, cut->whole->type.dims[cut->axis]);
  }
  cut->size = slice->out[0]->type.dims[cut->axis];
  return step == 1 && cut->start->lo >= 0;
}

static bool cut_split(const Value *part, Cut *cut) {
  const Node *split = part->producer;
  cut->whole = split->in[0].value;
  cut->axis = param_axis(split, part->type.rank);
  cut->start = dim_const(infer_dims(split), 0);
  for (uint32_t i = 0; i < part->output_index; i++) {
    if (split->out[i] == NULL) return false;
    cut->start = dim_add(infer_dims(split), cut->start, split->out[i]->type.dims[cut->axis]);
  }
  cut->size = part->type.dims[cut->axis];
  return true;
}

static bool read_cut(const Value *part, Cut *cut) {
  if (value_is(part, "Slice")) return cut_slice(part->producer, cut);
  return node_named(part->producer, "Split") && cut_split(part, cut);
}

/* How far the axis is rolled: a number, counted from its beginning or its end. */
static bool shift_of(DimTable *t, const Cut *tail, int64_t *shift) {
  const Dim *size = tail->whole->type.dims[tail->axis];
  return (dim_is_const(tail->start, shift) || dim_is_const(dim_sub(t, tail->start, size), shift)) &&
         *shift != 0;
}

static Value *roll(Builder *b, Value *x, const int64_t *shifts) {
  Node *node = build_node(b, "onnxc", "Roll", &x, 1, 1);
  node_set_ints(node, "shifts", shifts, (size_t)x->type.rank);
  return build_done(b, node);
}

static Value *join_parts(Match *m) {
  Cut tail, head;
  int64_t shifts[MAX_RANK] = {0};
  const Value *out = m->root->out[0];
  DimTable *t = infer_dims(m->root);
  int axis = param_axis(m->root, out->type.rank);
  if (m->root->n_formal != 2 || axis + 1 == out->type.rank || !row_computes(out->type.dtype))
    return NULL;
  if (!read_cut(match_value(m, "tail"), &tail) || !read_cut(match_value(m, "head"), &head))
    return NULL;
  if (tail.whole != head.whole || tail.axis != axis || head.axis != axis) return NULL;
  const Dim *size = tail.whole->type.dims[axis];
  if (!dim_is(head.start, 0) || head.size != tail.start) return NULL;
  if (dim_add(t, tail.start, tail.size) != size) return NULL;
  if (!shift_of(t, &tail, &shifts[axis]) || !same_type(tail.whole, out)) return NULL;
  return roll(&m->builder, tail.whole, shifts);
}

/* Shifts of different axes; those of one axis would have to be added up. */
static Value *join_rolls(Match *m) {
  const Attr *first = op_param_list(match_node(m, "inner"), "shifts");
  const Attr *second = op_param_list(m->root, "shifts");
  int64_t shifts[MAX_RANK];
  for (size_t k = 0; k < first->count; k++) {
    if (first->ints[k] != 0 && second->ints[k] != 0) return NULL;
    shifts[k] = first->ints[k] + second->ints[k];
  }
  return roll(&m->builder, match_value(m, "x"), shifts);
}

#define ROLL(bind_, ...)                                                                           \
  (&(const Pattern){.kind = PATTERN_OP,                                                            \
                    .domain = "onnxc",                                                             \
                    .op = "Roll",                                                                  \
                    .bind = bind_,                                                                 \
                    .single_use = true,                                                            \
                    .children = {__VA_ARGS__}})

static const Rule rules[] = {
    RULE("roll", P("Concat", ANY("tail"), ANY("head")), join_parts),
    RULE("roll-roll", ROLL(NULL, ROLL("inner", ANY("x"))), join_rolls),
};

const PassDef pass_recognise_rolls = {
    .name = "recognise-rolls",
    .what = "Parts of an axis that change places are one movement",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
};
