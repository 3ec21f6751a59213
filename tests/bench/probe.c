/* The roof of one core, as a function that the benchmark of whole models calls. */
#include "bench.h"

/* GFLOP/s of independent FMAs in the widest vectors that the compiler was told of. */
double onnxc_bench_probe(void);

double onnxc_bench_probe(void) {
  static float sink;
  return probe(&sink);
}
