#include "onnxc_rt_reference.h"
#include "reference/order.h"

/* In the precision of the boxes, as other implementations have it: whether one covers another must
 * not depend on more digits than they have. */
typedef struct Box {
  float x0, y0, x1, y1;
} Box;

/* Scores of one class, whose boxes are put in order. */
typedef struct Scores {
  const onnxc_rt_tensor *tensor;
  int64_t start;
} Scores;

static int comes_before(const void *context, int64_t a, int64_t b) {
  const Scores *s = (const Scores *)context;
  const int order = onnxc_rt_compare(s->tensor, s->start + a, s->tensor, s->start + b);
  return order == 0 ? a < b : order > 0;
}

static Box box_at(const onnxc_rt_call *call, int64_t i) {
  const onnxc_rt_tensor *boxes = &call->in[0];
  const float *at = (const float *)boxes->data + 4 * i;
  const float a = at[0], b = at[1], c = at[2], d = at[3];
  if (call->attr[0].i != 0) { /* centre, width, height */
    const Box box = {a - c / 2.0f, b - d / 2.0f, a + c / 2.0f, b + d / 2.0f};
    return box;
  }
  const Box box = {b < d ? b : d, a < c ? a : c, b < d ? d : b, a < c ? c : a};
  return box;
}

static float area(const Box *box) {
  return (box->x1 - box->x0) * (box->y1 - box->y0);
}

static float overlap(const Box *a, const Box *b) {
  const Box both = {a->x0 > b->x0 ? a->x0 : b->x0, a->y0 > b->y0 ? a->y0 : b->y0,
                    a->x1 < b->x1 ? a->x1 : b->x1, a->y1 < b->y1 ? a->y1 : b->y1};
  if (both.x1 <= both.x0 || both.y1 <= both.y0) return 0;
  const float common = area(&both), all = area(a) + area(b) - common;
  return all > 0 ? common / all : 0;
}

static double optional_f64(const onnxc_rt_call *call, int32_t i, double otherwise) {
  return onnxc_rt_has_in(call, i) ? onnxc_rt_load_f64(&call->in[i], 0) : otherwise;
}

/* Whether a box of the class that was selected before covers box `i`. */
static int is_covered(const onnxc_rt_call *call, int64_t first, int64_t found, int64_t image,
                      int64_t i) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int64_t boxes = call->in[0].dims[1];
  const float limit = (float)optional_f64(call, 3, 0);
  const Box box = box_at(call, image * boxes + i);
  for (int64_t k = first; k < found; k++) {
    const Box other = box_at(call, image * boxes + onnxc_rt_load_i64(y, 3 * k + 2));
    if (overlap(&box, &other) > limit) return 1;
  }
  return 0;
}

/* Appends what is selected of one class; the number of all selected, -1 when they do not fit. */
static int64_t select_boxes(const onnxc_rt_call *call, int64_t image, int64_t cls, int64_t most,
                            int64_t found) {
  const onnxc_rt_tensor *scores = &call->in[1], *y = &call->out[0];
  const int64_t boxes = scores->dims[2];
  const Scores line = {scores, (image * scores->dims[1] + cls) * boxes};
  const double threshold = optional_f64(call, 4, -HUGE_VAL);
  int64_t *order = (int64_t *)call->scratch, first = found;
  for (int64_t i = 0; i < boxes; i++) order[i] = i;
  onnxc_rt_sort(order, boxes, comes_before, &line);
  for (int64_t k = 0; k < boxes && found - first < most; k++) {
    const double score = onnxc_rt_load_f64(scores, line.start + order[k]);
    if (onnxc_rt_has_in(call, 4) && !(score > threshold)) continue;
    if (is_covered(call, first, found, image, order[k])) continue;
    if (found == y->dims[0]) return -1;
    onnxc_rt_store_i64(y, 3 * found, image);
    onnxc_rt_store_i64(y, 3 * found + 1, cls);
    onnxc_rt_store_i64(y, 3 * found + 2, order[k]);
    found++;
  }
  return found;
}

int onnxc_rt_ref_non_max_suppression(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *scores = &call->in[1];
  const int64_t most = onnxc_rt_has_in(call, 2) ? onnxc_rt_load_i64(&call->in[2], 0) : 0;
  int64_t found = 0;
  for (int64_t image = 0; image < scores->dims[0]; image++) {
    for (int64_t cls = 0; cls < scores->dims[1]; cls++) {
      found = select_boxes(call, image, cls, most, found);
      if (found < 0) return ONNXC_RT_ERROR_SHAPE;
    }
  }
  call->out[0].dims[0] = found;
  return ONNXC_RT_OK;
}
