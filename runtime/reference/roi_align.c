#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* A bin of a region: `grid` samples along each axis, `step` apart. */
typedef struct Bin {
  double y, x, step_y, step_x;
  int64_t grid_y, grid_x;
} Bin;

/* The four elements around a point, each times its weight; all 0 outside. */
static void sample(const onnxc_rt_tensor *x, int64_t plane, double py, double px, double *parts) {
  const int64_t height = x->dims[2], width = x->dims[3];
  for (int k = 0; k < 4; k++) parts[k] = 0;
  if (!(py >= -1 && py <= (double)height && px >= -1 && px <= (double)width)) return;
  py = py < 0 ? 0 : py > (double)(height - 1) ? (double)(height - 1) : py;
  px = px < 0 ? 0 : px > (double)(width - 1) ? (double)(width - 1) : px;
  const int64_t y0 = (int64_t)py, x0 = (int64_t)px;
  const int64_t y1 = y0 + 1 < height ? y0 + 1 : y0, x1 = x0 + 1 < width ? x0 + 1 : x0;
  const double dy = py - (double)y0, dx = px - (double)x0;
  const int64_t base = plane * height;
  parts[0] = (1 - dy) * (1 - dx) * onnxc_rt_load_f64(x, (base + y0) * width + x0);
  parts[1] = (1 - dy) * dx * onnxc_rt_load_f64(x, (base + y0) * width + x1);
  parts[2] = dy * (1 - dx) * onnxc_rt_load_f64(x, (base + y1) * width + x0);
  parts[3] = dy * dx * onnxc_rt_load_f64(x, (base + y1) * width + x1);
}

static double pool(const onnxc_rt_tensor *x, int64_t plane, const Bin *bin, int average) {
  const int64_t samples = bin->grid_y * bin->grid_x;
  double sum = average || samples <= 0 ? 0 : -HUGE_VAL, parts[4];
  for (int64_t i = 0; i < samples; i++) {
    const int64_t row = i / bin->grid_x, column = i % bin->grid_x;
    const double py = bin->y + ((double)row + 0.5) * bin->step_y;
    const double px = bin->x + ((double)column + 0.5) * bin->step_x;
    sample(x, plane, py, px, parts);
    for (int k = 0; k < 4; k++) sum = average ? sum + parts[k] : parts[k] > sum ? parts[k] : sum;
  }
  return average ? sum / (double)(samples > 1 ? samples : 1) : sum;
}

static int64_t grid_size(int64_t ratio, double size) {
  const double most = 1 << 15;
  if (ratio > 0) return ratio;
  const double samples = ceil(size);
  return samples > most ? (int64_t)most : samples > 0 ? (int64_t)samples : 0;
}

/* The first bin of region `r`; the others are whole bins further on. Attributes:
 * coordinate_transformation_mode, mode, sampling_ratio, spatial_scale. */
static Bin first_bin(const onnxc_rt_call *call, int64_t r, double *bin_y, double *bin_x) {
  const onnxc_rt_tensor *rois = &call->in[1], *y = &call->out[0];
  const int half_pixel = onnxc_rt_attr_is(&call->attr[0], "half_pixel");
  const double scale = call->attr[3].f, offset = half_pixel ? 0.5 : 0;
  const double x0 = onnxc_rt_load_f64(rois, 4 * r) * scale - offset;
  const double y0 = onnxc_rt_load_f64(rois, 4 * r + 1) * scale - offset;
  double width = onnxc_rt_load_f64(rois, 4 * r + 2) * scale - offset - x0;
  double height = onnxc_rt_load_f64(rois, 4 * r + 3) * scale - offset - y0;
  if (!half_pixel && !(width > 1)) width = 1;
  if (!half_pixel && !(height > 1)) height = 1;
  *bin_y = height / (double)y->dims[2];
  *bin_x = width / (double)y->dims[3];
  Bin bin = {y0, x0, 0, 0, grid_size(call->attr[2].i, *bin_y), grid_size(call->attr[2].i, *bin_x)};
  if (bin.grid_y > 0) bin.step_y = *bin_y / (double)bin.grid_y;
  if (bin.grid_x > 0) bin.step_x = *bin_x / (double)bin.grid_x;
  return bin;
}

int onnxc_rt_ref_roi_align(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int average = onnxc_rt_attr_is(&call->attr[1], "avg");
  const int64_t channels = x->dims[1], bins = y->dims[2] * y->dims[3];
  for (int64_t r = 0; r < y->dims[0]; r++) {
    const int64_t image = onnxc_rt_load_i64(&call->in[2], r);
    double bin_y, bin_x;
    if (image < 0 || image >= x->dims[0]) return ONNXC_RT_ERROR_INDEX;
    const Bin first = first_bin(call, r, &bin_y, &bin_x);
    for (int64_t i = 0; i < channels * bins; i++) {
      const int64_t row = i % bins / y->dims[3], column = i % y->dims[3];
      Bin bin = first;
      bin.y += bin_y * (double)row;
      bin.x += bin_x * (double)column;
      const double value = pool(x, image * channels + i / bins, &bin, average);
      onnxc_rt_store_f64(y, r * channels * bins + i, value);
    }
  }
  return ONNXC_RT_OK;
}
