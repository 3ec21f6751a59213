/* JPEG, by libjpeg-turbo. */
#include "image/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum { MOST_SCANS = 500 }; /* of a progressive file: each takes as long as decoding it once */

typedef struct Jpeg {
  struct jpeg_decompress_struct codec;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  onnxc_rt_image *image;
  int corrupt;
} Jpeg;

static Jpeg *of(j_common_ptr codec) {
  return (Jpeg *)codec->client_data;
}

static void fail(j_common_ptr codec) {
  longjmp(of(codec)->escape, 1);
}

/* Warnings that say nothing about the pixels. */
static int is_harmless(int code) {
  return code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR;
}

static void note(j_common_ptr codec, int level) {
  if (level < 0 && !is_harmless(codec->err->msg_code)) of(codec)->corrupt = 1;
}

static void ignore(j_common_ptr codec) {
  (void)codec;
}

static void count_scans(j_common_ptr codec) {
  if (of(codec)->codec.input_scan_number > MOST_SCANS) fail(codec);
}

/* Adobe's CMYK is stored inverted, so that the products are colours. */
static void convert_cmyk(const Jpeg *j, unsigned char *row) {
  for (int64_t i = 0; i < j->image->width; i++) {
    const unsigned char *const from = row + 4 * i;
    const int black = j->codec.saw_Adobe_marker ? from[3] : 255 - from[3];
    unsigned char rgb[3];
    for (int k = 0; k < 3; k++) {
      const int ink = j->codec.saw_Adobe_marker ? from[k] : 255 - from[k];
      rgb[k] = (unsigned char)((ink * black + 127) / 255);
    }
    memcpy(row + 3 * i, rgb, 3);
  }
}

static int decode(Jpeg *j) {
  j_decompress_ptr codec = &j->codec;
  jpeg_read_header(codec, TRUE);
  if (!onnxc_rt_image_begin(j->image, codec->image_width, codec->image_height)) return 0;
  const int four = codec->num_components == 4;
  codec->out_color_space = four ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(codec);
  /* The library's own memory, which goes with it. */
  JSAMPARRAY row =
      (*codec->mem->alloc_sarray)((j_common_ptr)codec, JPOOL_IMAGE, codec->output_width * 4, 1);
  while (codec->output_scanline < codec->output_height) {
    const size_t line = codec->output_scanline;
    if (jpeg_read_scanlines(codec, row, 1) != 1) return 0;
    if (four) convert_cmyk(j, row[0]);
    memcpy(j->image->rgb + 3 * line * codec->output_width, row[0], 3 * codec->output_width);
  }
  jpeg_finish_decompress(codec);
  return !j->corrupt;
}

/* Everything that is changed behind setjmp is in *j. */
static int guarded(Jpeg *j) {
  if (setjmp(j->escape) != 0) return 0;
  jpeg_create_decompress(&j->codec);
  j->codec.client_data = j;
  j->codec.progress = &j->progress;
  jpeg_mem_src(&j->codec, j->image->bytes, (unsigned long)j->image->size);
  return decode(j);
}

int onnxc_rt_image_jpeg(onnxc_rt_image *image) {
  Jpeg j;
  memset(&j, 0, sizeof j);
  j.image = image;
  j.codec.client_data = &j;
  j.codec.err = jpeg_std_error(&j.errors);
  j.errors.error_exit = fail;
  j.errors.emit_message = note;
  j.errors.output_message = ignore;
  j.progress.progress_monitor = count_scans;
  const int decoded = guarded(&j);
  jpeg_destroy_decompress(&j.codec);
  return decoded;
}
