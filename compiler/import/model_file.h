/* Reading files of serialized ONNX messages. */
#ifndef ONNXC_IMPORT_MODEL_FILE_H
#define ONNXC_IMPORT_MODEL_FILE_H

#include "base/diag.h"

#include <protobuf-c/protobuf-c.h>

/* The contents of a regular file, in `arena`; NULL: reported (DIAG_IO). */
const uint8_t *file_read(Arena *arena, Diag *diag, const char *path, size_t *size);

/* Reads, scans and unpacks one message; everything it holds is in `arena`. NULL: reported. */
ProtobufCMessage *file_read_message(Arena *arena, Diag *diag, const char *path,
                                    const ProtobufCMessageDescriptor *message);

#endif
