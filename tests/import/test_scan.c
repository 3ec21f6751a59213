#include "import/scan.h"

#include "onnx.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MODEL (&onnx__model_proto__descriptor)
#define NESTED_TEST_BYTES (1 << 16)

typedef struct Fixture {
  Escape escape;
  Arena *arena;
} Fixture;

static int setup(void **state) {
  static Fixture fixture;
  fixture = (Fixture){0};
  fixture.arena = arena_new(&fixture.escape);
  *state = &fixture;
  return fixture.arena == NULL;
}

static int teardown(void **state) {
  arena_drop(((Fixture *)*state)->arena);
  return 0;
}

static int exit_code(void **state, const ProtobufCMessageDescriptor *message, const void *bytes,
                     size_t size) {
  Diag *diag = diag_new(((Fixture *)*state)->arena, "m.onnx");
  bool good = scan_message(diag, message, bytes, size);
  assert_true(good == (diag_errors(diag) == 0));
  return diag_exit_code(diag);
}

/* `inner` bytes of 'inner' wrapped into a field with the one-byte tag `tag`, in place. */
static size_t wrap(uint8_t *bytes, size_t inner, uint8_t tag) {
  uint8_t head[6] = {tag};
  size_t n = 1, length = inner;
  for (; length >= 0x80; length >>= 7) head[n++] = (uint8_t)(length | 0x80);
  head[n++] = (uint8_t)length;
  memmove(bytes + n, bytes, inner);
  memcpy(bytes, head, n);
  return n + inner;
}

static void accepts_what_protobuf_packs(void **state) {
  Onnx__NodeProto node = ONNX__NODE_PROTO__INIT, *nodes[] = {&node};
  char *names[] = {"x", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"};
  node.input = names;
  node.n_input = 2;
  Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
  graph.node = nodes;
  graph.n_node = 1;
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  model.graph = &graph;
  uint8_t bytes[256];
  size_t size = onnx__model_proto__pack(&model, bytes);
  assert_int_equal(exit_code(state, MODEL, bytes, size), 0);
  assert_int_equal(exit_code(state, MODEL, bytes, 0), 0);
  for (size_t cut = 1; cut < size; cut++) {
    assert_int_equal(exit_code(state, MODEL, bytes, cut), 2);
  }
}

static void refuses_malformed_bytes(void **state) {
  static const struct {
    const char *bytes;
    size_t size;
  } cases[] = {
#define BYTES(text) {text, sizeof text - 1}
      BYTES("\x08"),                                             /* no value */
      BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* 11 byte number */
      BYTES("\x00\x01"),                                         /* field 0 */
      BYTES("\x0b\x0c"),                                         /* group */
      BYTES("\x0c"),                                             /* end of a group */
      BYTES("\x0f\x01"),                                         /* wire type 7 */
      BYTES("\x12\x05"                                           /* length past the end */
            "ab"),
      BYTES("\x12\xff\xff\xff\xff\x0f"),     /* length over 2^31 */
      BYTES("\x12\xff\xff\xff\xff\xff\x01"), /* length of 6 bytes */
      BYTES("\x12\x02\x61\x00"),             /* NUL in producer_name */
      BYTES("\x12\x01\x80"),                 /* stray continuation */
      BYTES("\x12\x02\xc0\xaf"),             /* overlong UTF-8 */
      BYTES("\x12\x03\xed\xa0\x80"),         /* surrogate */
      BYTES("\x12\x04\xf4\x90\x80\x80"),     /* past U+10FFFF */
      BYTES("\x12\x03\xf0\x9f\x98"),         /* cut sequence */
      BYTES("\x10\x01"),                     /* producer_name as a number */
      BYTES("\x3a\x00\x3a\x00"),             /* graph twice */
      BYTES("\x0d\x01"),                     /* cut fixed 32 bits */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(exit_code(state, MODEL, cases[i].bytes, cases[i].size), 2);
  }
}

static void skips_unknown_fields(void **state) {
  static const char bytes[] = "\xf8\x06\x01\xf2\x06\x02zz";
  assert_int_equal(exit_code(state, MODEL, bytes, sizeof bytes - 1), 0);
}

static void refuses_two_members_of_a_oneof(void **state) {
  static const char types[] = "\x0a\x00\x22\x00";
  assert_int_equal(exit_code(state, &onnx__type_proto__descriptor, types, sizeof types - 1), 2);
}

/* Graphs inside one another through the attributes of nodes. */
static size_t nested_graphs(uint8_t *bytes, int depth) {
  size_t size = 0;
  for (int i = 1; i < depth; i++) {
    size = wrap(bytes, size, 0x32); /* AttributeProto.g */
    size = wrap(bytes, size, 0x2a); /* NodeProto.attribute */
    size = wrap(bytes, size, 0x0a); /* GraphProto.node */
  }
  return wrap(bytes, size, 0x3a); /* ModelProto.graph */
}

static void limits_nesting(void **state) {
  static uint8_t bytes[NESTED_TEST_BYTES];
  assert_int_equal(exit_code(state, MODEL, bytes, nested_graphs(bytes, SCAN_MAX_NESTING)), 0);
  assert_int_equal(exit_code(state, MODEL, bytes, nested_graphs(bytes, SCAN_MAX_NESTING + 1)), 4);
  assert_int_equal(exit_code(state, MODEL, bytes, nested_graphs(bytes, 3000)), 4);
}

static void limits_rank_packed_or_not(void **state) {
  uint8_t bytes[2048];
  memset(bytes, 1, 1000);
  const ProtobufCMessageDescriptor *tensor = &onnx__tensor_proto__descriptor;
  assert_int_equal(exit_code(state, tensor, bytes, wrap(bytes, 1000, 0x0a)), 4);
  for (size_t i = 0; i < 2000; i += 2) memcpy(bytes + i, "\x08\x01", 2);
  assert_int_equal(exit_code(state, tensor, bytes, 2000), 4);
  assert_int_equal(exit_code(state, tensor, bytes, 16), 0);
}

static void limits_memory(void **state) {
  Fixture *f = *state;
  size_t n = 1000000;
  uint8_t *bytes = arena_array(f->arena, n, 2);
  for (size_t i = 0; i < n; i++) memcpy(bytes + 2 * i, "\x2a\x00", 2); /* initializers */
  assert_int_equal(exit_code(state, &onnx__graph_proto__descriptor, bytes, 2 * n), 4);
  assert_int_equal(exit_code(state, &onnx__graph_proto__descriptor, bytes, n / 10), 0);
}

static void allows_a_million_nodes(void **state) {
  Fixture *f = *state;
  static const char node[] = "\x0a\x18\x0a\x07v123456\x12\x07v123457\x22\x04Relu";
  size_t n = 1000000, size = sizeof node - 1;
  uint8_t *bytes = arena_array(f->arena, n, size);
  for (size_t i = 0; i < n; i++) memcpy(bytes + size * i, node, size);
  assert_int_equal(exit_code(state, &onnx__graph_proto__descriptor, bytes, size * n), 0);
}

/* The table of one list is gone when the next one is unpacked. */
static void allows_long_lists(void **state) {
  Fixture *f = *state;
  enum { LISTS = 8, ELEMENTS = 200000, HEADER = 5 };
  uint8_t *bytes = arena_array(f->arena, LISTS, 2 * ELEMENTS + HEADER), *at = bytes;
  for (int list = 0; list < LISTS; list++) {
    memcpy(at, "\x2a\x80\xb5\x18", HEADER - 1); /* attribute of 400,000 bytes */
    at += HEADER - 1;
    for (int i = 0; i < ELEMENTS; i++, at += 2) memcpy(at, "\x40\x01", 2); /* ints */
  }
  const ProtobufCMessageDescriptor *node = &onnx__node_proto__descriptor;
  assert_int_equal(exit_code(state, node, bytes, (size_t)(at - bytes)), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(accepts_what_protobuf_packs, setup, teardown),
      cmocka_unit_test_setup_teardown(refuses_malformed_bytes, setup, teardown),
      cmocka_unit_test_setup_teardown(skips_unknown_fields, setup, teardown),
      cmocka_unit_test_setup_teardown(refuses_two_members_of_a_oneof, setup, teardown),
      cmocka_unit_test_setup_teardown(limits_nesting, setup, teardown),
      cmocka_unit_test_setup_teardown(limits_rank_packed_or_not, setup, teardown),
      cmocka_unit_test_setup_teardown(limits_memory, setup, teardown),
      cmocka_unit_test_setup_teardown(allows_long_lists, setup, teardown),
      cmocka_unit_test_setup_teardown(allows_a_million_nodes, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
