/* GFLOP/s of onnxc_rt_conv_f32 on layers of ResNet-50 and MobileNetV2, against a loop of nothing
 * but FMA in registers. */
#include "bench.h"

typedef struct Layer {
  const char *name;
  ptrdiff_t in_channels, out_channels, groups, size, kernel, stride;
} Layer;

static const Layer layers[] = {
    {"resnet 7x7 /2", 3, 64, 1, 224, 7, 2},     {"resnet 3x3 56", 64, 64, 1, 56, 3, 1},
    {"resnet 1x1 56", 64, 256, 1, 56, 1, 1},    {"resnet 3x3 28", 128, 128, 1, 28, 3, 1},
    {"resnet 3x3 14", 256, 256, 1, 14, 3, 1},   {"resnet 1x1 14", 1024, 256, 1, 14, 1, 1},
    {"resnet 3x3 7", 512, 512, 1, 7, 3, 1},     {"resnet 1x1 /2", 256, 512, 1, 56, 1, 2},
    {"resnet 3x3 /2", 128, 128, 1, 56, 3, 2},   {"mobilenet 3x3 /2", 3, 32, 1, 224, 3, 2},
    {"depthwise 112", 32, 32, 32, 112, 3, 1},   {"depthwise 112 /2", 96, 96, 96, 112, 3, 2},
    {"depthwise 56", 144, 144, 144, 56, 3, 1},  {"depthwise 14", 384, 384, 384, 14, 3, 1},
    {"depthwise 7", 960, 960, 960, 7, 3, 1},    {"mobilenet 1x1 112", 32, 16, 1, 112, 1, 1},
    {"mobilenet 1x1 14", 384, 64, 1, 14, 1, 1},
};

static void measure(const Layer *l) {
  const ptrdiff_t out = (l->size - 1) / l->stride + 1;
  onnxc_rt_conv c = {.batch = 1,
                     .groups = l->groups,
                     .in_channels = l->in_channels,
                     .out_channels = l->out_channels,
                     .in = {1, l->size, l->size},
                     .out = {1, out, out},
                     .kernel = {1, l->kernel, l->kernel},
                     .stride = {1, l->stride, l->stride},
                     .dilation = {1, 1, 1},
                     .pad = {0, l->kernel / 2, l->kernel / 2}};
  const ptrdiff_t taps = l->in_channels / l->groups * l->kernel * l->kernel;
  float *x = floats(l->in_channels * l->size * l->size), *w = floats(l->out_channels * taps);
  float *y = floats(l->out_channels * out * out), *bias = floats(l->out_channels);
  c.x = x, c.w = w, c.y = y, c.bias = bias;
  c.scratch = floats(onnxc_rt_conv_f32_scratch(&c));
  const double flops = 2e-9 * (double)(l->out_channels * taps * out * out);
  const int repeats = 1 + (int)(0.5 / flops);
  double best = 0, best_probe = 0;
  for (int round = 0; round < 10; round++) {
    const double speed = probe(y);
    const double start = now();
    for (int i = 0; i < repeats; i++) onnxc_rt_conv_f32(&c);
    const double rate = flops * repeats / (now() - start);
    if (speed > best_probe) best_probe = speed;
    if (rate > best) best = rate;
  }
  printf("%-18s %6.1f GFLOP/s, %4.1f %% of %.1f, %.3f ms\n", l->name, best, 100 * best / best_probe,
         best_probe, 1e3 * flops / best);
  free(x), free(w), free(y), free(bias), free(c.scratch);
}

int main(void) {
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) measure(&layers[i]);
  return 0;
}
