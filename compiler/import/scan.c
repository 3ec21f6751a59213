#include "import/scan.h"

#include "base/text.h"
#include "ir/graph.h"
#include "onnx.pb-c.h"

#include <string.h>

enum {
  /* Only graphs, types, sequences and optionals nest within themselves, and at most three messages
   * lie between one and the next; below the last come at most six. */
  MAX_FRAMES = 3 * SCAN_MAX_NESTING + 8,
  MAX_VARINT = 10,
  MAX_SHORT_VARINT = 5, /* of tags and lengths */
  MAX_LENGTH = INT32_MAX,
  /* What the unpacker takes: the alignment of the arena, an entry of its table of fields (which
   * doubles), and the fields that need none. Tables for more fields than TABLE_KEPT are large
   * blocks, which it gives back with the message: a long list has one while it is unpacked. */
  ALIGNMENT = 16,
  TABLE_ENTRY = 80,
  TABLE_FREE = 16,
  TABLE_KEPT = 112,
  /* A model may well have a million nodes: one that is long enough to be real brings its memory. */
  NODE_BYTES = 16,
  NODE_CREDIT = 320
};

enum { WIRE_VARINT, WIRE_64, WIRE_LENGTH, WIRE_GROUP, WIRE_GROUP_END, WIRE_32, WIRE_UNKNOWN };

typedef struct Frame {
  const ProtobufCMessageDescriptor *message;
  const ProtobufCFieldDescriptor *via; /* the field it is in; NULL for the outermost */
  const uint8_t *end;
  uint64_t seen; /* bit per field: a singular message was there */
  size_t fields, rank;
} Frame;

typedef struct Scan {
  Diag *diag;
  const uint8_t *start, *at;
  Frame frames[MAX_FRAMES];
  int depth, nesting;
  uint64_t memory, budget;
} Scan;

/* How a field of each ProtobufCType is encoded, and the size of one unpacked element. */
static const struct Encoding {
  int wire;
  size_t size;
} encodings[] = {
    [PROTOBUF_C_TYPE_INT32] = {WIRE_VARINT, 4},   [PROTOBUF_C_TYPE_SINT32] = {WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_SFIXED32] = {WIRE_32, 4},    [PROTOBUF_C_TYPE_INT64] = {WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_SINT64] = {WIRE_VARINT, 8},  [PROTOBUF_C_TYPE_SFIXED64] = {WIRE_64, 8},
    [PROTOBUF_C_TYPE_UINT32] = {WIRE_VARINT, 4},  [PROTOBUF_C_TYPE_FIXED32] = {WIRE_32, 4},
    [PROTOBUF_C_TYPE_UINT64] = {WIRE_VARINT, 8},  [PROTOBUF_C_TYPE_FIXED64] = {WIRE_64, 8},
    [PROTOBUF_C_TYPE_FLOAT] = {WIRE_32, 4},       [PROTOBUF_C_TYPE_DOUBLE] = {WIRE_64, 8},
    [PROTOBUF_C_TYPE_BOOL] = {WIRE_VARINT, 4},    [PROTOBUF_C_TYPE_ENUM] = {WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_STRING] = {WIRE_LENGTH, 8},  [PROTOBUF_C_TYPE_BYTES] = {WIRE_LENGTH, 16},
    [PROTOBUF_C_TYPE_MESSAGE] = {WIRE_LENGTH, 8},
};

/* Repeated fields that hold one entry an axis. */
static const struct RankField {
  const ProtobufCMessageDescriptor *message;
  const char *field;
} rank_fields[] = {
    {&onnx__tensor_proto__descriptor, "dims"},
    {&onnx__sparse_tensor_proto__descriptor, "dims"},
    {&onnx__tensor_shape_proto__descriptor, "dim"},
};

static Frame *top(Scan *s) {
  return &s->frames[s->depth - 1];
}

/* `ModelProto.graph.node: WHAT at byte N`. */
static bool fault(Scan *s, DiagKind kind, const char *what) {
  char path[160];
  size_t used = (size_t)snprintf(path, sizeof path, "%s", s->frames[0].message->short_name);
  int shown = s->depth < 6 ? s->depth : 6;
  for (int i = 1; i < shown && used < sizeof path; i++) {
    used += (size_t)snprintf(path + used, sizeof path - used, ".%s", s->frames[i].via->name);
  }
  return diag_error(s->diag, kind, (DiagSite){0}, "%s%s: %s at byte %zu", path,
                    shown < s->depth ? "..." : "", what, (size_t)(s->at - s->start));
}

static bool spend(Scan *s, uint64_t bytes) {
  s->memory += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return s->memory <= s->budget || fault(s, DIAG_LIMIT, "too many small messages");
}

static bool varint(Scan *s, const uint8_t *end, int max_bytes, uint64_t *value) {
  *value = 0;
  for (int i = 0; i < max_bytes; i++) {
    if (s->at == end) return fault(s, DIAG_INVALID, "truncated number");
    uint8_t byte = *s->at++;
    *value |= (uint64_t)(byte & 0x7f) << (7 * i);
    if (byte < 0x80) return true;
  }
  return fault(s, DIAG_INVALID, "overlong number");
}

static bool skip(Scan *s, uint64_t bytes) {
  if (bytes > (uint64_t)(top(s)->end - s->at)) return fault(s, DIAG_INVALID, "truncated field");
  s->at += bytes;
  return true;
}

/* Length of a UTF-8 sequence by its first byte, and the range of its second, which excludes
 * overlong forms, surrogates and what lies past U+10FFFF. */
static const struct Utf8 {
  uint8_t first, last, length, low, high;
} utf8_forms[] = {
    {0x01, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* Bytes of the well-formed sequence at `data`; 0 for none. */
static size_t utf8_sequence(const uint8_t *data, size_t size) {
  const struct Utf8 *form = utf8_forms, *end = form + sizeof utf8_forms / sizeof *utf8_forms;
  while (form < end && (data[0] < form->first || data[0] > form->last)) form++;
  if (form == end || form->length > size) return 0;
  if (form->length > 1 && (data[1] < form->low || data[1] > form->high)) return 0;
  for (size_t i = 2; i < form->length; i++) {
    if ((data[i] & 0xc0) != 0x80) return 0;
  }
  return form->length;
}

bool scan_utf8(const uint8_t *data, size_t size) {
  for (size_t at = 0, step; at < size; at += step) {
    step = utf8_sequence(data + at, size - at);
    if (step == 0) return false;
  }
  return true;
}

static bool is_rank_field(const Frame *frame, const ProtobufCFieldDescriptor *field) {
  for (size_t i = 0; i < sizeof rank_fields / sizeof *rank_fields; i++) {
    if (rank_fields[i].message == frame->message) {
      return strcmp(rank_fields[i].field, field->name) == 0;
    }
  }
  return false;
}

/* `n` further elements of a repeated field. */
static bool count_elements(Scan *s, const ProtobufCFieldDescriptor *field, size_t n) {
  Frame *frame = top(s);
  if (is_rank_field(frame, field)) {
    frame->rank += n;
    if (frame->rank > MAX_RANK) return fault(s, DIAG_LIMIT, "more axes than supported");
  }
  return spend(s, n * encodings[field->type].size);
}

static bool packed(Scan *s, const ProtobufCFieldDescriptor *field, size_t length) {
  const struct Encoding *encoding = &encodings[field->type];
  const uint8_t *end = s->at + length;
  if (encoding->wire != WIRE_VARINT) {
    if (length % encoding->size != 0) return fault(s, DIAG_INVALID, "truncated packed values");
    return skip(s, length) && count_elements(s, field, length / encoding->size);
  }
  size_t n = 0;
  for (uint64_t value; s->at < end; n++) {
    if (!varint(s, end, MAX_VARINT, &value)) return false;
  }
  return count_elements(s, field, n);
}

/* A second occurrence of a singular message, or of another member of its oneof: the unpacker would
 * merge it, once for every repetition. */
static bool repeats(const Frame *frame, const ProtobufCFieldDescriptor *field) {
  bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
  for (unsigned i = 0; i < frame->message->n_fields; i++) {
    const ProtobufCFieldDescriptor *other = &frame->message->fields[i];
    bool same = other == field || (oneof && other->quantifier_offset == field->quantifier_offset);
    if (same && (frame->seen >> i & 1) != 0) return true;
  }
  return false;
}

static bool nests(const ProtobufCMessageDescriptor *message) {
  static const ProtobufCMessageDescriptor *const nesting[] = {
      &onnx__graph_proto__descriptor, &onnx__type_proto__descriptor,
      &onnx__sequence_proto__descriptor, &onnx__optional_proto__descriptor};
  for (size_t i = 0; i < sizeof nesting / sizeof *nesting; i++) {
    if (nesting[i] == message) return true;
  }
  return false;
}

static bool push(Scan *s, const ProtobufCMessageDescriptor *message,
                 const ProtobufCFieldDescriptor *via, size_t length) {
  if (nests(message) && ++s->nesting > SCAN_MAX_NESTING) {
    return fault(s, DIAG_LIMIT, "nested more than 64 deep");
  }
  s->frames[s->depth++] = (Frame){.message = message, .via = via, .end = s->at + length};
  if (message == &onnx__node_proto__descriptor && length >= NODE_BYTES) s->budget += NODE_CREDIT;
  return spend(s, message->sizeof_message);
}

static void pop(Scan *s) {
  if (nests(top(s)->message)) s->nesting--;
  if (top(s)->fields > TABLE_KEPT) {
    s->memory -= (uint64_t)(top(s)->fields - TABLE_KEPT) * TABLE_ENTRY;
  }
  s->depth--;
}

static bool submessage(Scan *s, const ProtobufCFieldDescriptor *field, size_t length) {
  Frame *frame = top(s);
  if (field->label != PROTOBUF_C_LABEL_REPEATED) {
    if (repeats(frame, field)) return fault(s, DIAG_INVALID, "repeated singular message");
    frame->seen |= UINT64_C(1) << (field - frame->message->fields);
  }
  return push(s, field->descriptor, field, length);
}

static bool text(Scan *s, const ProtobufCFieldDescriptor *field, size_t length) {
  if (field->type == PROTOBUF_C_TYPE_STRING && !scan_utf8(s->at, length)) {
    return fault(s, DIAG_INVALID, "text with NUL or malformed UTF-8");
  }
  return skip(s, length) && spend(s, length + 1);
}

static bool delimited(Scan *s, const ProtobufCFieldDescriptor *field) {
  uint64_t length;
  if (!varint(s, top(s)->end, MAX_SHORT_VARINT, &length)) return false;
  if (length > MAX_LENGTH || length > (uint64_t)(top(s)->end - s->at)) {
    return fault(s, DIAG_INVALID, "length past the end");
  }
  if (field == NULL) return skip(s, length) && spend(s, length);
  bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
  if (encodings[field->type].wire != WIRE_LENGTH) return packed(s, field, length);
  if (repeated && !count_elements(s, field, 1)) return false;
  if (field->type == PROTOBUF_C_TYPE_MESSAGE) return submessage(s, field, length);
  return text(s, field, length);
}

static bool accepts(const ProtobufCFieldDescriptor *field, int wire) {
  int own = encodings[field->type].wire;
  return wire == own || (wire == WIRE_LENGTH && field->label == PROTOBUF_C_LABEL_REPEATED);
}

/* A number outside packed values; `field` is NULL when unknown. */
static bool number(Scan *s, const ProtobufCFieldDescriptor *field, int wire) {
  uint64_t value;
  bool there = wire == WIRE_VARINT ? varint(s, top(s)->end, MAX_VARINT, &value)
                                   : skip(s, wire == WIRE_32 ? 4 : 8);
  if (!there || field == NULL || field->label != PROTOBUF_C_LABEL_REPEATED) return there;
  return count_elements(s, field, 1);
}

static bool scan_field(Scan *s) {
  Frame *frame = top(s);
  uint64_t tag;
  if (!varint(s, frame->end, MAX_SHORT_VARINT, &tag)) return false;
  int wire = (int)(tag & 7);
  if (tag >> 3 == 0 || tag > UINT32_MAX) return fault(s, DIAG_INVALID, "impossible field number");
  if (wire == WIRE_GROUP || wire == WIRE_GROUP_END || wire >= WIRE_UNKNOWN) {
    return fault(s, DIAG_INVALID, "group or unknown wire type");
  }
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field(frame->message, (unsigned)(tag >> 3));
  if (field != NULL && !accepts(field, wire)) {
    return fault(s, DIAG_INVALID, "value of another type than its field");
  }
  bool needs_entry = ++frame->fields > TABLE_FREE || field == NULL;
  if (needs_entry && !spend(s, TABLE_ENTRY)) return false;
  return wire == WIRE_LENGTH ? delimited(s, field) : number(s, field, wire);
}

bool scan_message(Diag *diag, const ProtobufCMessageDescriptor *message, const uint8_t *data,
                  size_t size) {
  Scan s = {.diag = diag, .start = data, .at = data};
  s.budget = SCAN_BUDGET_BASE + (uint64_t)size * SCAN_BUDGET_FACTOR;
  if (!push(&s, message, NULL, size)) return false;
  while (s.depth > 0) {
    if (s.at == top(&s)->end) {
      pop(&s);
    } else if (!scan_field(&s)) {
      return false;
    }
  }
  return true;
}
