/* JPEG 2000, by OpenJPEG: one to four components, those behind the colours left out. */
#include "image/image.h"

#include <string.h>

#include <openjpeg.h>

typedef struct File {
  const onnxc_rt_image *image;
  size_t at;
} File;

static OPJ_SIZE_T take(void *to, OPJ_SIZE_T n, void *data) {
  File *f = (File *)data;
  const size_t left = f->image->size - f->at, taken = n < left ? n : left;
  if (taken == 0) return (OPJ_SIZE_T)-1;
  memcpy(to, f->image->bytes + f->at, taken);
  f->at += taken;
  return taken;
}

static OPJ_BOOL seek(OPJ_OFF_T to, void *data) {
  File *f = (File *)data;
  if (to < 0 || (uint64_t)to > f->image->size) return OPJ_FALSE;
  f->at = (size_t)to;
  return OPJ_TRUE;
}

static OPJ_OFF_T skip(OPJ_OFF_T n, void *data) {
  const File *f = (const File *)data;
  return n >= 0 && seek((OPJ_OFF_T)f->at + n, data) ? n : -1;
}

static void ignore(const char *message, void *data) {
  (void)message, (void)data;
}

static opj_stream_t *open_stream(File *f) {
  opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
  if (stream == NULL) return NULL;
  opj_stream_set_user_data(stream, f, NULL);
  opj_stream_set_user_data_length(stream, f->image->size);
  opj_stream_set_read_function(stream, take);
  opj_stream_set_skip_function(stream, skip);
  opj_stream_set_seek_function(stream, seek);
  return stream;
}

static opj_codec_t *open_codec(const onnxc_rt_image *image) {
  opj_dparameters_t parameters;
  const int bare = image->bytes[0] == 0xFF; /* a codestream without a container */
  opj_codec_t *codec = opj_create_decompress(bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
  if (codec == NULL) return NULL;
  opj_set_info_handler(codec, ignore, NULL);
  opj_set_warning_handler(codec, ignore, NULL);
  opj_set_error_handler(codec, ignore, NULL);
  opj_set_default_decoder_parameters(&parameters);
  if (opj_setup_decoder(codec, &parameters)) return codec;
  opj_destroy_codec(codec);
  return NULL;
}

/* ---- pixels ------------------------------------------------------------------------------------
 */

/* The sample at a pixel, in 8 bits. Subsampled components have one sample for several pixels. */
static int sample(const opj_image_comp_t *c, int64_t x, int64_t y) {
  const int64_t column = x / c->dx < c->w ? x / c->dx : c->w - 1;
  const int64_t row = y / c->dy < c->h ? y / c->dy : c->h - 1;
  const int64_t most = (INT64_C(1) << c->prec) - 1;
  int64_t value = c->data[row * c->w + column];
  if (c->sgnd) value += INT64_C(1) << (c->prec - 1);
  if (value < 0) value = 0;
  if (value > most) value = most;
  return (int)(c->prec == 8 ? value : (value * 255 + most / 2) / most);
}

static unsigned char clamp(double value) {
  return (unsigned char)(value <= 0 ? 0 : value >= 255 ? 255 : value + 0.5);
}

/* Y, Cb and Cr of ITU-R BT.601 in full range. */
static void to_rgb(unsigned char *pixel) {
  const double y = pixel[0], blue = pixel[1] - 128.0, red = pixel[2] - 128.0;
  pixel[0] = clamp(y + 1.402 * red);
  pixel[1] = clamp(y - 0.344136 * blue - 0.714136 * red);
  pixel[2] = clamp(y + 1.772 * blue);
}

static int is_usable(const opj_image_comp_t *c) {
  return c->data != NULL && c->w > 0 && c->h > 0 && c->dx > 0 && c->dy > 0 && c->prec > 0 &&
         c->prec <= 31;
}

static int convert(const opj_image_t *from, onnxc_rt_image *image) {
  const int gray = from->numcomps < 3;
  const int is_ycc = !gray && from->color_space == OPJ_CLRSPC_SYCC;
  for (uint32_t k = 0; k < (gray ? 1U : 3U); k++) {
    if (!is_usable(&from->comps[k])) return 0;
  }
  for (int64_t i = 0; i < image->width * image->height; i++) {
    unsigned char *const pixel = image->rgb + 3 * i;
    for (int k = 0; k < 3; k++) {
      const opj_image_comp_t *const c = &from->comps[gray ? 0 : k];
      pixel[k] = (unsigned char)sample(c, i % image->width, i / image->width);
    }
    if (is_ycc) to_rgb(pixel);
  }
  return 1;
}

/* ---- decoding ----------------------------------------------------------------------------------
 */

static int decode(opj_codec_t *codec, opj_stream_t *stream, onnxc_rt_image *image) {
  opj_image_t *pixels = NULL;
  int decoded = 0;
  if (opj_read_header(stream, codec, &pixels)) {
    const int64_t width = (int64_t)pixels->x1 - pixels->x0;
    const int64_t height = (int64_t)pixels->y1 - pixels->y0;
    decoded = pixels->numcomps >= 1 && pixels->numcomps <= 4 &&
              onnxc_rt_image_begin(image, width, height) && opj_decode(codec, stream, pixels) &&
              opj_end_decompress(codec, stream) && pixels->numcomps >= 1 && convert(pixels, image);
  }
  opj_image_destroy(pixels);
  return decoded;
}

int onnxc_rt_image_jpeg2000(onnxc_rt_image *image) {
  File f = {image, 0};
  opj_stream_t *const stream = open_stream(&f);
  opj_codec_t *const codec = open_codec(image);
  const int decoded = stream != NULL && codec != NULL && decode(codec, stream, image);
  if (codec != NULL) opj_destroy_codec(codec);
  if (stream != NULL) opj_stream_destroy(stream);
  return decoded;
}
