/* The check of serialized messages before protobuf-c unpacks them.
 *
 * libprotobuf-c recurses without limit, merges repeated messages in quadratic time, cuts strings
 * at NUL, accepts any bytes as UTF-8 and multiplies tiny messages into large structures. What
 * passes here unpacks in linear time, within the memory budget and with a bounded stack. */
#ifndef ONNXC_IMPORT_SCAN_H
#define ONNXC_IMPORT_SCAN_H

#include "base/diag.h"

#include <protobuf-c/protobuf-c.h>

enum {
  SCAN_MAX_NESTING = 64,       /* graphs and types, each inside the one before */
  SCAN_BUDGET_BASE = 32 << 20, /* of 64 MB; the rest is for the graph made of it */
  SCAN_BUDGET_FACTOR = 4       /* times the size of the message */
};

/* Whether `size` bytes at `data` are a well-formed `message`. Otherwise reports the first fault:
 * DIAG_LIMIT for nesting, rank or memory, else DIAG_INVALID. */
bool scan_message(Diag *diag, const ProtobufCMessageDescriptor *message, const uint8_t *data,
                  size_t size);

/* Whether `size` bytes are UTF-8 without NUL. */
bool scan_utf8(const uint8_t *data, size_t size);

#endif
