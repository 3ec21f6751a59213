/* The fast kernels that generated code calls. Each takes a structure of parameters, returns
 * ONNXC_RT_OK, and allocates nothing: `scratch` comes from the caller, aligned to 64 bytes, of the
 * size (in floats) that the kernel's _scratch function gives. Those sizes grow with every argument,
 * so bounds of dynamic dimensions give a bound. Results depend on the parameters and the ISA only.
 *
 * Sizes are in elements. A member that is left out of an initialiser is zero, and means what its
 * comment says of zero or NULL. The source of onnxc_rt_NAME is kernels/NAME.c. */
#ifndef ONNXC_RT_KERNELS_H
#define ONNXC_RT_KERNELS_H

#include "onnxc_rt.h"
#include "onnxc_rt_math.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- matrix product ---- */

/* Weights are packed into panels of 16 columns: [ceil(n / 16)][k][16], zero beyond n. */
#define ONNXC_RT_PANEL 16

/* Loops are blocked at these sizes, on every ISA. */
#define ONNXC_RT_GEMM_K_BLOCK 1024
#define ONNXC_RT_GEMM_COLUMN_BLOCK 256
#define ONNXC_RT_GEMM_BLOCK 65536    /* unfinished results */
#define ONNXC_RT_GEMM_A_BLOCK 147456 /* floats of A that stay in L2 */
#define ONNXC_RT_GEMM_TILE_ROWS 12   /* the largest tile */
#define ONNXC_RT_GEMM_TILE_COLUMNS 32

/* C[m][n] = A[m][k] B[k][n] */
typedef struct onnxc_rt_gemm {
  ptrdiff_t m, n, k;
  const float *a; /* element (i, p) at i a_row + p a_col */
  ptrdiff_t a_row, a_col;
  const float *b; /* element (p, j) at p b_row + j b_col; ignored when packed */
  ptrdiff_t b_row, b_col;
  const float *packed; /* panels of B; NULL: packed into scratch, piece by piece */
  float *c;            /* element (i, j) at i c_row + j; ignored with an epilogue */
  ptrdiff_t c_row;
  onnxc_rt_epilogue *epilogue; /* NULL: stored to c */
  const void *context;         /* for the epilogue */
  ptrdiff_t first_row;         /* row i comes to the epilogue as first_row + i */
  float *scratch;              /* onnxc_rt_gemm_f32_scratch(m, n, k, packed != NULL) */
} onnxc_rt_gemm;

/* Room for a pair of panels, unless they are there, and for unfinished results: a tile, or what a
 * row of A gives at a time, or a block when k is blocked. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_gemm_f32_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                                    int packed) {
  const ptrdiff_t tile_columns = ONNXC_RT_GEMM_TILE_COLUMNS, limit = ONNXC_RT_GEMM_BLOCK;
  const ptrdiff_t depth = onnxc_rt_min_size(k, ONNXC_RT_GEMM_K_BLOCK) + 1;
  const ptrdiff_t panels = packed ? 0 : tile_columns * depth;
  const ptrdiff_t rows = onnxc_rt_min_size(m, ONNXC_RT_GEMM_TILE_ROWS);
  const ptrdiff_t tile = onnxc_rt_max_size(tile_columns * rows, (ptrdiff_t)8 * ONNXC_RT_PANEL);
  const ptrdiff_t columns = onnxc_rt_min_size(n, ONNXC_RT_GEMM_COLUMN_BLOCK) + tile_columns - 1;
  const ptrdiff_t block = onnxc_rt_min_size(onnxc_rt_min_size(m, limit) * columns, limit);
  return panels + tile + (k > ONNXC_RT_GEMM_K_BLOCK ? block : 0);
}

int onnxc_rt_gemm_f32(const onnxc_rt_gemm *call);

/* The floats that the panels of a B[k][n] take. */
ONNXC_RT_INLINE size_t onnxc_rt_packed_count(size_t n, size_t k) {
  return (n + ONNXC_RT_PANEL - 1) / ONNXC_RT_PANEL * ONNXC_RT_PANEL * k;
}

/* Writes the panels of B[k][n], whose element (p, j) is at p row + j col. */
ONNXC_RT_INLINE void onnxc_rt_pack_b(const float *b, ptrdiff_t k, ptrdiff_t n, ptrdiff_t row,
                                     ptrdiff_t col, float *panels) {
  for (ptrdiff_t first = 0; first < n; first += ONNXC_RT_PANEL) {
    for (ptrdiff_t p = 0; p < k; p++) {
      for (ptrdiff_t j = first; j < first + ONNXC_RT_PANEL; j++) {
        *panels++ = j < n ? b[p * row + j * col] : 0.0f;
      }
    }
  }
}

/* ---- convolution ---- */

/* How far apart the channels of an input are, of which a member x_plane says it. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_plane(ptrdiff_t x_plane, const ptrdiff_t in[3]) {
  return x_plane != 0 ? x_plane : in[0] * in[1] * in[2];
}

/* Y[batch][out_channels][out] = W * X[batch][in_channels][in] + bias, W[out_channels][in_channels /
 * groups][kernel]. Spatial sizes are [depth, height, width]; where there are fewer axes, the first
 * ones have size, kernel, stride and dilation 1 and pad 0. `pad` is before the first element; the
 * pad after the last follows from `out`. */
typedef struct onnxc_rt_conv {
  ptrdiff_t batch, groups, in_channels, out_channels;
  ptrdiff_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
  const float *x, *w;
  ptrdiff_t x_plane; /* from one channel of X to the next; 0: they follow one another */
  const float *bias; /* [out_channels]; NULL: none */
  float *y;          /* ignored with an epilogue */
  /* NULL: stored to y. Channel c of image n comes as row first_row + n out_channels + c, its
   * column is the linear index into `out`. */
  onnxc_rt_epilogue *epilogue;
  const void *context;
  ptrdiff_t first_row;
  float *scratch; /* onnxc_rt_conv_f32_scratch */
} onnxc_rt_conv;

/* The input under a row of `outputs`, padded and split by the stride: the length of a part. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_conv_phase(const onnxc_rt_conv *conv, ptrdiff_t outputs) {
  return outputs + (conv->kernel[2] - 1) * conv->dilation[2] / conv->stride[2] + 1;
}

/* Input rows that a depthwise convolution keeps: those under four output rows. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_conv_ring(const onnxc_rt_conv *conv) {
  return (conv->kernel[1] - 1) * conv->dilation[1] + 1 + 3 * conv->stride[1];
}

/* Few outputs of one input channel are summed directly; for more of them a matrix product, which
 * gathers its input once, is faster. */
ONNXC_RT_INLINE int onnxc_rt_conv_is_depthwise(const onnxc_rt_conv *conv) {
  return conv->in_channels == conv->groups && conv->out_channels < 8 * conv->groups;
}

/* A depthwise convolution keeps those and four rows of results; others keep the input under a strip
 * of at most 32 outputs, in up to 33 runs. Reads the sizes only. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_conv_f32_scratch(const onnxc_rt_conv *conv) {
  const ptrdiff_t *kernel = conv->kernel, stride = conv->stride[2], slack = ONNXC_RT_PANEL;
  if (onnxc_rt_conv_is_depthwise(conv)) {
    const ptrdiff_t row = stride * onnxc_rt_conv_phase(conv, conv->out[2]) + slack;
    return kernel[0] * onnxc_rt_conv_ring(conv) * row + 4 * conv->out[2] + slack;
  }
  const ptrdiff_t strip = ONNXC_RT_GEMM_TILE_COLUMNS;
  const ptrdiff_t runs = 3 * strip + (strip + 1) * onnxc_rt_conv_phase(conv, 0);
  return onnxc_rt_gemm_f32_scratch(
             conv->out_channels / conv->groups, conv->out[0] * conv->out[1] * conv->out[2],
             conv->in_channels / conv->groups * kernel[0] * kernel[1] * kernel[2], 0) +
         kernel[0] * kernel[1] * stride * runs + slack;
}

int onnxc_rt_conv_f32(const onnxc_rt_conv *call);

/* The convolution's transpose: Y[batch][out_channels][out] += W^T X[batch][in_channels][in], where
 * W is [in_channels][out_channels / groups][kernel] and tap k of input i lands on output
 * i stride + k dilation - pad. The members mean what they mean for onnxc_rt_conv. */
int onnxc_rt_conv_transpose_f32(const onnxc_rt_conv *call);

/* The products of a matrix product, and the sums of one group. Reads the sizes only. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_conv_transpose_f32_scratch(const onnxc_rt_conv *conv) {
  const ptrdiff_t channels = conv->out_channels / conv->groups;
  const ptrdiff_t taps = conv->kernel[0] * conv->kernel[1] * conv->kernel[2];
  return onnxc_rt_gemm_f32_scratch(channels * taps, conv->in[0] * conv->in[1] * conv->in[2],
                                   conv->in_channels / conv->groups, 0) +
         channels * conv->out[0] * conv->out[1] * conv->out[2];
}

/* ---- products of bytes ----
 *
 * Each byte counts less the zero point of its tensor; sums are exact modulo 2^32. `scratch` is in
 * bytes here. */

/* Words, the bytes of four products that a kernel takes at once, along k. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_words(ptrdiff_t k) {
  return (k + 3) / 4;
}

/* Results are computed, and columns of them handed to an epilogue, up to so many at a time. */
#define ONNXC_RT_DOT_ROWS 12
#define ONNXC_RT_DOT_COLUMNS 64

/* C[m][n] = (A[m][k] - a_zero) (B[k][n] - b_zero) */
typedef struct onnxc_rt_gemm_bytes {
  ptrdiff_t m, n, k;
  const void *a; /* element (i, p) at i a_row + p a_col */
  ptrdiff_t a_row, a_col, a_signed;
  const void *a_zero;      /* of the type of A; NULL: 0 */
  ptrdiff_t a_zero_stride; /* row i has the one at i a_zero_stride */
  const void *b;           /* element (p, j) at p b_row + j b_col; ignored when packed */
  ptrdiff_t b_row, b_col, b_signed;
  const void *b_zero;      /* of the type of B; NULL: 0 */
  ptrdiff_t b_zero_stride; /* column j has the one at j b_zero_stride */
  const uint8_t *packed;   /* as onnxc_rt_pack_bytes gives it; NULL: packed into scratch */
  const uint32_t *column_sums;
  int32_t *c; /* element (i, j) at i c_row + j; ignored with an epilogue */
  ptrdiff_t c_row;
  onnxc_rt_epilogue_i32 *epilogue; /* NULL: stored to c */
  const void *context;             /* for the epilogue */
  ptrdiff_t first_row;             /* row i comes to the epilogue as first_row + i */
  void *scratch;                   /* onnxc_rt_gemm_i8_scratch */
} onnxc_rt_gemm_bytes;

/* Whether rows of A are read where they are: those that consist of whole words. */
ONNXC_RT_INLINE int onnxc_rt_gemm_i8_in_place(ptrdiff_t k, ptrdiff_t a_col) {
  return k % 4 == 0 && a_col == 1;
}

/* Room for a few rows of A, unless they stay in place, and a few columns of B, unless packed. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_gemm_i8_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                                   int in_place, int packed) {
  const ptrdiff_t rows = onnxc_rt_min_size(m, ONNXC_RT_DOT_ROWS);
  const ptrdiff_t panels = onnxc_rt_min_size((n + ONNXC_RT_PANEL - 1) / ONNXC_RT_PANEL,
                                             ONNXC_RT_DOT_COLUMNS / ONNXC_RT_PANEL);
  return 4 * onnxc_rt_words(k) * ((in_place ? 0 : rows) + (packed ? 0 : panels * ONNXC_RT_PANEL));
}

int onnxc_rt_gemm_i8(const onnxc_rt_gemm_bytes *call);

/* The bytes that the panels of a B[k][n] take. */
ONNXC_RT_INLINE size_t onnxc_rt_packed_bytes(size_t n, size_t k) {
  return (n + ONNXC_RT_PANEL - 1) / ONNXC_RT_PANEL * ONNXC_RT_PANEL * ((k + 3) / 4 * 4);
}

/* Writes the panels [ceil(n / 16)][ceil(k / 4)][16][4] of B[k][n], whose element (p, j) is at
 * p row + j col, zero beyond k and n, and the sums of its columns. `flip` is 0x80 to have the bytes
 * with the other sign: B + 128 of signed, B - 128 of unsigned ones. The panels of an A that is
 * signed must be unsigned, and the other way round. */
ONNXC_RT_INLINE void onnxc_rt_pack_bytes(const uint8_t *b, ptrdiff_t k, ptrdiff_t n, ptrdiff_t row,
                                         ptrdiff_t col, unsigned flip, int is_signed,
                                         uint8_t *panels, uint32_t *column_sums) {
  for (ptrdiff_t first = 0; first < n; first += ONNXC_RT_PANEL) {
    for (ptrdiff_t j = first; j < first + ONNXC_RT_PANEL; j++) {
      uint8_t *to = panels + (j - first) * 4;
      uint32_t sum = 0;
      for (ptrdiff_t p = 0; p < 4 * onnxc_rt_words(k); p++) {
        const unsigned byte = j < n && p < k ? b[p * row + j * col] ^ flip : 0;
        to[p / 4 * 4 * ONNXC_RT_PANEL + p % 4] = (uint8_t)byte;
        sum += is_signed && byte >= 128 ? byte - 256 : byte;
      }
      if (j < n) column_sums[j] = sum;
    }
    panels += onnxc_rt_words(k) * 4 * ONNXC_RT_PANEL;
  }
}

/* Y[batch][out_channels][out] = W * (X[batch][in_channels][in] - x_zero), where W is the filters
 * less their zero points; sizes as in onnxc_rt_conv. */
typedef struct onnxc_rt_conv_bytes {
  ptrdiff_t batch, groups, in_channels, out_channels;
  ptrdiff_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
  const void *x;
  ptrdiff_t x_plane; /* as in onnxc_rt_conv */
  ptrdiff_t x_signed;
  const void *x_zero; /* one, of the type of X; NULL: 0 */
  const void *w;      /* [out_channels][in_channels / groups][kernel]; ignored when packed */
  ptrdiff_t w_signed;
  const void *w_zero;      /* of the type of W; NULL: 0 */
  ptrdiff_t w_zero_stride; /* filter m has the one at m w_zero_stride */
  /* As onnxc_rt_conv_pack gives it. Needed unless there is one input channel in each group. */
  const uint8_t *packed;
  const uint32_t *w_sums; /* [out_channels] */
  int32_t *y;             /* ignored with an epilogue */
  /* NULL: stored to y. Rows and columns as in onnxc_rt_conv. */
  onnxc_rt_epilogue_i32 *epilogue;
  const void *context;
  ptrdiff_t first_row;
  /* Output positions whose input is gathered at a time: a multiple of ONNXC_RT_PANEL, at most
   * ONNXC_RT_DOT_COLUMNS, or less than ONNXC_RT_PANEL where memory counts more than time. A
   * depthwise convolution computes as many whole rows as have about so many, one at least. */
  ptrdiff_t strip;
  void *scratch; /* onnxc_rt_conv_i8_scratch */
} onnxc_rt_conv_bytes;

/* A depthwise convolution computes some output rows at a time. The input under them is kept in
 * parts: one for each remainder of rows and columns by the strides, so that in a part the inputs of
 * neighbouring outputs are neighbours for every tap. */
typedef struct onnxc_rt_band {
  ptrdiff_t outputs;       /* rows */
  ptrdiff_t rows, columns; /* of a part */
  ptrdiff_t parts;         /* of all planes under the kernel */
} onnxc_rt_band;

/* Reads the sizes only. */
ONNXC_RT_INLINE onnxc_rt_band onnxc_rt_conv_band(const onnxc_rt_conv_bytes *conv) {
  const ptrdiff_t *kernel = conv->kernel, *stride = conv->stride, *dilation = conv->dilation;
  onnxc_rt_band band;
  band.columns = conv->out[2] + (kernel[2] - 1) * dilation[2] / stride[2];
  band.outputs = onnxc_rt_max_size(1, conv->strip / onnxc_rt_max_size(1, band.columns));
  band.outputs = onnxc_rt_min_size(band.outputs, onnxc_rt_max_size(1, conv->out[1]));
  band.rows = band.outputs + (kernel[1] - 1) * dilation[1] / stride[1];
  band.parts = kernel[0] * stride[1] * stride[2];
  return band;
}

/* The strip with which a depthwise convolution takes the least time. */
#define ONNXC_RT_DEPTHWISE_STRIP 128

/* A depthwise convolution keeps a band and its sums, with room for a vector behind them, and where
 * the taps are; others the input under a strip. Reads the sizes only. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_conv_i8_scratch(const onnxc_rt_conv_bytes *conv) {
  const ptrdiff_t taps = conv->kernel[0] * conv->kernel[1] * conv->kernel[2];
  if (conv->in_channels == conv->groups) {
    const onnxc_rt_band band = onnxc_rt_conv_band(conv);
    const ptrdiff_t numbers = band.parts * band.rows * band.columns + ONNXC_RT_PANEL;
    const ptrdiff_t places = conv->kernel[0] * conv->kernel[1] + conv->kernel[2];
    return 4 * (band.outputs * band.columns + ONNXC_RT_PANEL + places) + 2 * (numbers + taps);
  }
  return 4 * onnxc_rt_words(conv->in_channels / conv->groups * taps) * conv->strip + 64;
}

int onnxc_rt_conv_i8(const onnxc_rt_conv_bytes *call);

/* The bytes that packed filters take, each of k elements. */
ONNXC_RT_INLINE size_t onnxc_rt_conv_packed_bytes(size_t filters, size_t k) {
  return (filters + 1) * ((k + 3) / 4 * 4);
}

/* Writes filters [filters][channels][taps] as [filters][taps][channels] in whole words, signed
 * (`flip` is 0x80 where they are not), then ones in the place of a filter; and their sums. */
ONNXC_RT_INLINE void onnxc_rt_conv_pack(const uint8_t *w, ptrdiff_t filters, ptrdiff_t channels,
                                        ptrdiff_t taps, unsigned flip, uint8_t *packed,
                                        uint32_t *sums) {
  const ptrdiff_t k = channels * taps;
  for (ptrdiff_t m = 0; m <= filters; m++) {
    uint32_t sum = 0;
    for (ptrdiff_t p = 0; p < 4 * onnxc_rt_words(k); p++) {
      const ptrdiff_t at = m * k + p % channels * taps + p / channels;
      const unsigned byte = p >= k ? 0 : m == filters ? 1 : w[at] ^ flip;
      *packed++ = (uint8_t)byte;
      sum += byte >= 128 ? byte - 256 : byte;
    }
    if (m < filters) sums[m] = sum;
  }
}

/* ---- pooling ---- */

/* Y[rows][out] of X[rows][in], where rows are images times channels; spatial sizes as in
 * onnxc_rt_conv. The maximum is -infinity where the kernel meets no input and NaN where it meets
 * one; the average is over the inputs met (0 for none), or over all positions within the pads. */
typedef struct onnxc_rt_pool {
  ptrdiff_t rows;
  ptrdiff_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
  ptrdiff_t average;           /* else maximum */
  ptrdiff_t count_include_pad; /* of averages */
  ptrdiff_t x_plane;           /* from one row of X to the next; 0: they follow one another */
  const float *x;
  /* x is NULL: bytes, each less `zero` (of their type; NULL: 0) and times `scale`. */
  const void *bytes;
  ptrdiff_t bytes_signed;
  const float *scale;
  const void *zero;
  float *y; /* ignored with an epilogue */
  /* NULL: stored to y. Row i comes as first_row + i, its column is the linear index into `out`. */
  onnxc_rt_epilogue *epilogue;
  const void *context;
  ptrdiff_t first_row;
  float *scratch; /* onnxc_rt_pool_f32_scratch, and one more row of inputs where they are bytes */
} onnxc_rt_pool;

/* A row of results, and one of inputs. Reads the sizes only. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_pool_f32_scratch(const onnxc_rt_pool *pool) {
  return pool->out[2] + pool->in[2];
}

int onnxc_rt_pool_f32(const onnxc_rt_pool *call);

/* ---- interpolation ---- */

/* Y[planes][out][inner] = X[planes][in][inner], resized along rows and columns. Element i of an
 * axis is the sum of those with numbers index[i taps + k], times weights[i taps + k]. The first and
 * the last of these numbers do not fall as i grows, and differ by less than `taps`. */
typedef struct onnxc_rt_resize {
  ptrdiff_t planes, in[2], out[2], inner, taps[2];
  const int32_t *row_index, *column_index;   /* row_index: NULL: rows stay as they are */
  const float *row_weights, *column_weights; /* NULL: 1, there being one tap */
  const float *x;
  float *y; /* ignored with an epilogue */
  /* NULL: stored to y. Plane i comes as row first_row + i, its column is the linear index into
   * [out][inner]. */
  onnxc_rt_epilogue *epilogue;
  const void *context;
  ptrdiff_t first_row;
  float *scratch; /* onnxc_rt_resize_f32_scratch */
} onnxc_rt_resize;

/* Rows with their columns resized, and a row of results. Reads the sizes only. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_resize_f32_scratch(const onnxc_rt_resize *resize) {
  return (resize->taps[0] + 1) * resize->out[1] * resize->inner;
}

int onnxc_rt_resize_f32(const onnxc_rt_resize *call);

/* ---- attention ---- */

/* What a query gives that sees no key: 0, as ONNX defines Attention; NaN, as softmax does of scores
 * of minus infinity; the mean of all rows of V, as it does of low scores that are equal. */
#define ONNXC_RT_EMPTY_ZERO 0
#define ONNXC_RT_EMPTY_NAN 1
#define ONNXC_RT_EMPTY_MEAN 2

/* Y = softmax(softcap(scale Q K^T) + mask) V for each head; heads / kv_heads of Q in a row share
 * one of K and V. Key j of sample b is there below lengths[b], and query i, whose place among the
 * keys is i + place, sees keys from `left` before that place to `right` behind it. A query that
 * sees no key gives what `empty_rows` says. */
typedef struct onnxc_rt_attention {
  ptrdiff_t batch, heads, kv_heads, queries, keys;
  ptrdiff_t size, v_size; /* of a row of Q and K, and of V and Y */
  const float *q, *k, *v; /* rows are dense */
  float *y;
  ptrdiff_t q_stride[3], k_stride[3], v_stride[3], y_stride[3]; /* of sample, head and row */
  const float *bias;                                            /* the mask: added, */
  const uint8_t *allowed; /* or 0 where a key is hidden; NULL: there is none */
  ptrdiff_t mask_stride[4];
  const int64_t *lengths; /* NULL: all keys are there */
  const int64_t *places;  /* one for each sample, or one for all; NULL: `place` for all */
  ptrdiff_t each_place;   /* whether it is one for each */
  ptrdiff_t place;
  ptrdiff_t at_end;      /* instead, the last query is where the last key is */
  ptrdiff_t left, right; /* negative: no bound */
  float scale, softcap;  /* softcap 0: none */
  ptrdiff_t empty_rows;  /* ONNXC_RT_EMPTY_ZERO, ... */
  ptrdiff_t room;        /* floats of scratch, from onnxc_rt_attention_f32_least on */
  float *scratch;
} onnxc_rt_attention;

/* Loops are blocked at these sizes, on every ISA. */
#define ONNXC_RT_ATTENTION_KEYS 512   /* panels of K and V, and scores, stay in L2 */
#define ONNXC_RT_ATTENTION_QUERIES 96 /* rows of scores, in multiples of the tallest tile */
#define ONNXC_RT_ATTENTION_FEW 4      /* so few rows read K and V in place */

/* Room for scores of a block of queries, what is added to a row of them, the state of all rows, and
 * what the products need: tiles, or rows of results where there are few; with panels, those of a
 * block of K and V. Reads the sizes only, and so do the next two. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_attention_f32_needs(const onnxc_rt_attention *call,
                                                       ptrdiff_t block, int tiles, int panels) {
  const ptrdiff_t panel = ONNXC_RT_PANEL, size = call->size, v_size = call->v_size;
  const ptrdiff_t limit = onnxc_rt_min_size(call->keys, ONNXC_RT_ATTENTION_KEYS);
  const ptrdiff_t keys = (limit + panel - 1) / panel * panel;
  const ptrdiff_t columns = (v_size + panel - 1) / panel * panel;
  const ptrdiff_t rows = call->heads / onnxc_rt_max_size(call->kv_heads, 1) * call->queries;
  const ptrdiff_t few = ONNXC_RT_ATTENTION_FEW * v_size;
  const ptrdiff_t product =
      onnxc_rt_gemm_f32_scratch(onnxc_rt_max_size(block, ONNXC_RT_GEMM_TILE_ROWS),
                                onnxc_rt_max_size(keys, v_size), onnxc_rt_max_size(keys, size), 0);
  return (block + 1) * keys + 2 * (rows + block) + (tiles ? onnxc_rt_max_size(product, few) : few) +
         (panels ? keys * (size + columns) : 0);
}

/* As much as it makes use of. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_attention_f32_scratch(const onnxc_rt_attention *call) {
  const ptrdiff_t rows = call->heads / onnxc_rt_max_size(call->kv_heads, 1) * call->queries;
  const int tiles = rows > ONNXC_RT_ATTENTION_FEW;
  return onnxc_rt_attention_f32_needs(call, onnxc_rt_min_size(rows, ONNXC_RT_ATTENTION_QUERIES),
                                      tiles, tiles);
}

/* The least that it works with, more slowly. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_attention_f32_least(const onnxc_rt_attention *call) {
  return onnxc_rt_attention_f32_needs(call, ONNXC_RT_ATTENTION_FEW, 0, 0);
}

int onnxc_rt_attention_f32(const onnxc_rt_attention *call);
/* The maximum of bytes; the least of the type where the kernel meets no input. */
typedef struct onnxc_rt_max_pool {
  ptrdiff_t rows;
  ptrdiff_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
  ptrdiff_t is_signed;
  ptrdiff_t x_plane; /* as in onnxc_rt_pool */
  const void *x;
  void *y;
} onnxc_rt_max_pool;

int onnxc_rt_max_pool_i8(const onnxc_rt_max_pool *call);

/* ---- recurrence ---- */

/* ONNX's LSTM and GRU in layout 0 with the default activations. The gates are those of the operator
 * in its order: four (i, o, f, c) of an LSTM, three (z, r, h) of a GRU. */
typedef struct onnxc_rt_recurrent {
  ptrdiff_t steps, batch, input, hidden;
  ptrdiff_t directions;             /* 1 or 2 */
  ptrdiff_t reverse;                /* a single direction runs from the last step to the first */
  float clip;                       /* bound of the gates before their activation; 0: none */
  const float *x;                   /* [steps][batch][input] */
  const float *w;                   /* [directions][gates hidden][input]; ignored when packed */
  const float *r;                   /* [directions][gates hidden][hidden]; ignored when packed */
  const float *packed_w, *packed_r; /* as onnxc_rt_recurrent_pack gives them, or NULL */
  const float *bias;                /* [directions][2 gates hidden], of w then of r; or NULL */
  const int32_t *lengths;           /* [batch], steps of each sequence; NULL: all */
  const float *initial_h;           /* [directions][batch][hidden]; NULL: 0 */
  float *y;                         /* [steps][directions][batch][hidden], or NULL */
  float *y_h;                       /* [directions][batch][hidden], or NULL */
  const float *initial_c;           /* LSTM: as initial_h */
  const float *peephole;            /* LSTM: [directions][3 hidden] (i, o, f), or NULL */
  float *y_c;                       /* LSTM: as y_h */
  ptrdiff_t input_forget;           /* LSTM: the forget gate is 1 - the input gate */
  ptrdiff_t linear_before_reset;    /* GRU */
  float *scratch;                   /* onnxc_rt_lstm_f32_scratch or onnxc_rt_gru_f32_scratch */
} onnxc_rt_recurrent;

/* The products with the input are made for this many steps at a time. */
#define ONNXC_RT_RECURRENT_STEPS 64

/* That of the products, `row` numbers a step and sequence. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_recurrent_product(const onnxc_rt_recurrent *call,
                                                     ptrdiff_t row) {
  const ptrdiff_t steps = onnxc_rt_min_size(call->steps, ONNXC_RT_RECURRENT_STEPS);
  return onnxc_rt_max_size(
      onnxc_rt_gemm_f32_scratch(steps * call->batch, row, call->input, call->packed_w != NULL),
      onnxc_rt_gemm_f32_scratch(call->batch, row, call->hidden, call->packed_r != NULL));
}

ONNXC_RT_INLINE ptrdiff_t onnxc_rt_recurrent_scratch(const onnxc_rt_recurrent *call,
                                                     ptrdiff_t gates) {
  const ptrdiff_t steps = onnxc_rt_min_size(call->steps, ONNXC_RT_RECURRENT_STEPS);
  const ptrdiff_t row = gates * call->hidden, state = call->batch * call->hidden;
  return onnxc_rt_recurrent_product(call, row) + (steps + 1) * call->batch * row + 3 * state + row +
         call->hidden;
}

/* Read the sizes, and whether the weights are packed. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_lstm_f32_scratch(const onnxc_rt_recurrent *call) {
  return onnxc_rt_recurrent_scratch(call, 4);
}

ONNXC_RT_INLINE ptrdiff_t onnxc_rt_gru_f32_scratch(const onnxc_rt_recurrent *call) {
  return onnxc_rt_recurrent_scratch(call, 3);
}

/* The floats that one direction's w or r, of `k` columns, takes in panels. */
ONNXC_RT_INLINE size_t onnxc_rt_recurrent_packed_count(size_t gates, size_t hidden, size_t k) {
  return onnxc_rt_packed_count((gates - 1) * hidden, k) + onnxc_rt_packed_count(hidden, k);
}

/* Packs one direction's w or r: the panels of the transpose, those of the last gate apart. */
ONNXC_RT_INLINE void onnxc_rt_recurrent_pack(const float *weights, ptrdiff_t gates,
                                             ptrdiff_t hidden, ptrdiff_t k, float *panels) {
  const ptrdiff_t first = (gates - 1) * hidden;
  onnxc_rt_pack_b(weights, k, first, 1, k, panels);
  panels += onnxc_rt_packed_count((size_t)first, (size_t)k);
  onnxc_rt_pack_b(weights + first * k, k, hidden, 1, k, panels);
}

int onnxc_rt_lstm_f32(const onnxc_rt_recurrent *call);
int onnxc_rt_gru_f32(const onnxc_rt_recurrent *call);

#ifdef __cplusplus
}
#endif

#endif
