/* Reading files of serialized ONNX messages. */
#ifndef ONNXC_IMPORT_MODEL_FILE_H
#define ONNXC_IMPORT_MODEL_FILE_H

#include "base/diag.h"

#include <protobuf-c/protobuf-c.h>

/* The contents of a regular file, in `arena`; NULL: reported (DIAG_IO). */
const uint8_t *file_read(Arena *arena, Diag *diag, const char *path, size_t *size);

/* Blocks of a message from this size on are worth keeping: the data of tensors. */
enum { MESSAGE_BLOCK = 4096 };

/* Reads, scans and unpacks one message. Large blocks of it are in `keep`, all else is in `scratch`.
 * NULL: reported. */
ProtobufCMessage *message_read(Arena *keep, Arena *scratch, Diag *diag, const char *path,
                               const ProtobufCMessageDescriptor *message);
/* A block of a message as it may be used when `scratch` is gone. */
const void *message_keep(Arena *keep, const void *block, size_t size);

#endif
