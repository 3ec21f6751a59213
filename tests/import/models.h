/* Tiny models for tests, built in memory and imported through a file. */
#ifndef ONNXC_TESTS_IMPORT_MODELS_H
#define ONNXC_TESTS_IMPORT_MODELS_H

#include "base/text.h"
#include "import/import.h"
#include "onnx.pb-c.h"
#include "onnxc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct Fixture {
  Escape escape;
  Arena *arena;
  Context ctx;
  onnxc_options options;
  char folder[64];
  const char *path; /* of the model in that folder */
} Fixture;

static Fixture fixture;

static int setup(void **state) {
  (void)state;
  fixture = (Fixture){.folder = "/tmp/onnxc-import-XXXXXX"};
  fixture.arena = arena_new(&fixture.escape);
  if (fixture.arena == NULL || mkdtemp(fixture.folder) == NULL) return 1;
  fixture.path = arena_printf(fixture.arena, "%s/model.onnx", fixture.folder);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -r '%s'", fixture.folder);
  arena_drop(fixture.arena);
  return system(command);
}

#define NEW(type, init)                                                                            \
  __extension__({                                                                                  \
    type *made_ = ARENA_NEW(fixture.arena, type);                                                  \
    *made_ = (type)init;                                                                           \
    made_;                                                                                         \
  })

/* Appends to a repeated field. */
#define PUSH(message, field, value)                                                                \
  do {                                                                                             \
    void *wider_ = ARENA_ARRAY(fixture.arena, (message)->n_##field + 1, void *);                   \
    if ((message)->n_##field != 0)                                                                 \
      memcpy(wider_, (message)->field, (message)->n_##field * sizeof(void *));                     \
    (message)->field = wider_;                                                                     \
    (message)->field[(message)->n_##field++] = (value);                                            \
  } while (0)

static inline char *text(const char *s) {
  return arena_printf(fixture.arena, "%s", s);
}

static inline Onnx__ValueInfoProto *info(const char *name, int dtype, int rank,
                                         const int64_t *dims) {
  Onnx__ValueInfoProto *made = NEW(Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
  made->name = text(name);
  made->type = NEW(Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
  made->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  made->type->tensor_type = NEW(Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);
  made->type->tensor_type->has_elem_type = 1;
  made->type->tensor_type->elem_type = dtype;
  Onnx__TensorShapeProto *shape = NEW(Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
  made->type->tensor_type->shape = shape;
  for (int i = 0; i < rank; i++) {
    Onnx__TensorShapeProto__Dimension *dim =
        NEW(Onnx__TensorShapeProto__Dimension, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);
    dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    dim->dim_value = dims[i];
    PUSH(shape, dim, dim);
  }
  return made;
}

static inline Onnx__TensorShapeProto__Dimension *axis(Onnx__ValueInfoProto *of, int i) {
  return of->type->tensor_type->shape->dim[i];
}

static inline void name_axis(Onnx__ValueInfoProto *of, int i, const char *symbol) {
  axis(of, i)->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
  axis(of, i)->dim_param = text(symbol);
}

/* A node; `inputs` and `outputs` are names separated by spaces, `-` stands for an absent one. */
static inline Onnx__NodeProto *node(const char *op, const char *inputs, const char *outputs) {
  Onnx__NodeProto *made = NEW(Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
  made->op_type = text(op);
  char *rest = text(inputs);
  for (char *name; (name = strtok_r(NULL == rest ? NULL : rest, " ", &rest)) != NULL;) {
    PUSH(made, input, strcmp(name, "-") == 0 ? text("") : name);
  }
  rest = text(outputs);
  for (char *name; (name = strtok_r(NULL == rest ? NULL : rest, " ", &rest)) != NULL;) {
    PUSH(made, output, strcmp(name, "-") == 0 ? text("") : name);
  }
  return made;
}

static inline Onnx__AttributeProto *attribute(Onnx__NodeProto *of, const char *name,
                                              Onnx__AttributeProto__AttributeType type) {
  Onnx__AttributeProto *made = NEW(Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);
  made->name = text(name);
  made->has_type = 1;
  made->type = type;
  PUSH(of, attribute, made);
  return made;
}

#define ATTRIBUTE(of, name, type)                                                                  \
  attribute((of), (name), ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##type)

static inline void attribute_int(Onnx__NodeProto *of, const char *name, int64_t value) {
  Onnx__AttributeProto *made = ATTRIBUTE(of, name, INT);
  made->has_i = 1;
  made->i = value;
}

static inline void attribute_float(Onnx__NodeProto *of, const char *name, float value) {
  Onnx__AttributeProto *made = ATTRIBUTE(of, name, FLOAT);
  made->has_f = 1;
  made->f = value;
}

static inline void attribute_text(Onnx__NodeProto *of, const char *name, const char *value) {
  Onnx__AttributeProto *made = ATTRIBUTE(of, name, STRING);
  made->has_s = 1;
  made->s = (ProtobufCBinaryData){strlen(value), (uint8_t *)text(value)};
}

static inline void attribute_ints(Onnx__NodeProto *of, const char *name, size_t n,
                                  const int64_t *values) {
  Onnx__AttributeProto *made = ATTRIBUTE(of, name, INTS);
  made->ints = arena_copy(fixture.arena, values, n * sizeof *values);
  made->n_ints = n;
}

static inline void attribute_graph(Onnx__NodeProto *of, const char *name, Onnx__GraphProto *g) {
  ATTRIBUTE(of, name, GRAPH)->g = g;
}

static inline Onnx__TensorProto *tensor(const char *name, int dtype, int rank,
                                        const int64_t *dims) {
  Onnx__TensorProto *made = NEW(Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);
  made->name = text(name);
  made->has_data_type = 1;
  made->data_type = dtype;
  made->dims = arena_copy(fixture.arena, dims, (size_t)rank * sizeof *dims);
  made->n_dims = (size_t)rank;
  return made;
}

static inline void raw(Onnx__TensorProto *of, const void *bytes, size_t size) {
  of->has_raw_data = 1;
  of->raw_data.data = arena_copy(fixture.arena, bytes, size);
  of->raw_data.len = size;
}

static inline void external(Onnx__TensorProto *of, const char *key, const char *value) {
  Onnx__StringStringEntryProto *entry =
      NEW(Onnx__StringStringEntryProto, ONNX__STRING_STRING_ENTRY_PROTO__INIT);
  entry->key = text(key);
  entry->value = text(value);
  of->has_data_location = 1;
  of->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  PUSH(of, external_data, entry);
}

static inline Onnx__GraphProto *graph(const char *name) {
  Onnx__GraphProto *made = NEW(Onnx__GraphProto, ONNX__GRAPH_PROTO__INIT);
  made->name = text(name);
  return made;
}

static inline Onnx__OperatorSetIdProto *opset(const char *domain, int64_t version) {
  Onnx__OperatorSetIdProto *made = NEW(Onnx__OperatorSetIdProto, ONNX__OPERATOR_SET_ID_PROTO__INIT);
  made->domain = text(domain);
  made->has_version = 1;
  made->version = version;
  return made;
}

static inline Onnx__ModelProto *model(Onnx__GraphProto *g, int64_t version) {
  Onnx__ModelProto *made = NEW(Onnx__ModelProto, ONNX__MODEL_PROTO__INIT);
  made->has_ir_version = 1;
  made->ir_version = 8;
  made->graph = g;
  PUSH(made, opset_import, opset("", version));
  return made;
}

/* `x` of f32[2, 3] is the input and `y` the output, with no node yet. */
static inline Onnx__ModelProto *unary_model(int64_t version) {
  Onnx__GraphProto *g = graph("g");
  PUSH(g, input, info("x", 1, 2, (int64_t[]){2, 3}));
  PUSH(g, output, info("y", 1, 0, NULL));
  g->output[0]->type->tensor_type->shape = NULL;
  return model(g, version);
}

static inline void write_file(const char *name, const void *bytes, size_t size) {
  const char *path = arena_printf(fixture.arena, "%s/%s", fixture.folder, name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

/* The imported graph; NULL when that failed, with the diagnostics in fixture.ctx. */
static inline Graph *import(const Onnx__ModelProto *of) {
  size_t size = onnx__model_proto__get_packed_size(of);
  uint8_t *bytes = arena_alloc(fixture.arena, size);
  onnx__model_proto__pack(of, bytes);
  write_file("model.onnx", bytes, size);
  fixture.ctx = (Context){.arena = fixture.arena, .options = &fixture.options};
  fixture.ctx.diag = diag_new(fixture.arena, "model.onnx");
  fixture.ctx.strings = strings_new(fixture.arena);
  fixture.ctx.dims = dims_new(fixture.arena);
  Graph *made = import_model(&fixture.ctx, fixture.path);
  assert_true((made == NULL) == (diag_errors(fixture.ctx.diag) != 0));
  return made;
}

static inline int import_code(const Onnx__ModelProto *of) {
  (void)import(of);
  return diag_exit_code(fixture.ctx.diag);
}

/* The import fails with `code` and `n` diagnostics, the first of which contains `part`. */
static inline void expect_fault(const Onnx__ModelProto *of, int code, size_t n, const char *part) {
  assert_int_equal(import_code(of), code);
  const char *line = diag_text(fixture.ctx.diag, 0);
  if (strstr(line, part) == NULL) fail_msg("'%s' lacks '%s'", line, part);
  if (diag_errors(fixture.ctx.diag) != n) fail_msg("%zu errors", diag_errors(fixture.ctx.diag));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
