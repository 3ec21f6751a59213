#include "import/schema.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void picks_the_newest_version_not_after_the_opset(void **state) {
  (void)state;
  static const struct {
    int64_t opset;
    int since;
  } cases[] = {{1, 1}, {5, 1}, {6, 6}, {12, 7}, {13, 13}, {14, 14}, {INT64_MAX, 14}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const OperatorSchema *add = schema_find("ai.onnx", "Add", cases[i].opset);
    assert_non_null(add);
    assert_int_equal(add->since, cases[i].since);
  }
}

static void unknown_operators_have_no_schema(void **state) {
  (void)state;
  assert_null(schema_find("", "Add", 0));
  assert_null(schema_find("", "Adder", 20));
  assert_null(schema_find("", "", 20));
  assert_null(schema_find("ai.onnx.ml", "Add", 20));
  assert_null(schema_find("", "GridSample", 15));
  assert_int_equal(schema_newest("com.acme"), 0);
  assert_true(schema_newest("") >= 28);
}

static void describes_formals_attributes_and_types(void **state) {
  (void)state;
  const OperatorSchema *clip = schema_find("", "Clip", 13);
  assert_int_equal(clip->min_inputs, 1);
  assert_int_equal(clip->max_inputs, 3);
  assert_int_equal(schema_input(clip, 1)->option, SCHEMA_OPTIONAL);
  assert_null(schema_input(clip, 3));
  assert_int_equal(clip->flags & SCHEMA_FUNCTION, SCHEMA_FUNCTION);
  assert_true(clip->types[0].tensors >> 1 & 1);  /* float */
  assert_false(clip->types[0].tensors >> 8 & 1); /* string */
  const OperatorSchema *concat = schema_find("", "Concat", 13);
  assert_int_equal(concat->max_inputs, INT_MAX);
  assert_string_equal(schema_input(concat, 1000)->name, "inputs");
  assert_true(schema_attr(concat, "axis")->required);
  assert_null(schema_attr(concat, "axes"));
}

static void keeps_defaults_of_every_kind(void **state) {
  (void)state;
  const SchemaAttr *alpha = schema_attr(schema_find("", "LeakyRelu", 16), "alpha");
  assert_true(alpha->has_default && alpha->kind == SCHEMA_FLOAT && alpha->f == 0.01f);
  const SchemaAttr *mode = schema_attr(schema_find("", "Pad", 2), "mode");
  assert_string_equal(mode->s, "constant");
  const SchemaAttr *axes = schema_attr(schema_find("", "MeanVarianceNormalization", 13), "axes");
  assert_int_equal(axes->count, 3);
  assert_int_equal(axes->ints[1], 2);
  const SchemaAttr *activations = schema_attr(schema_find("", "RNN", 14), "activations");
  assert_int_equal(activations->count, 2);
  assert_string_equal(activations->strings[1], "Tanh");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(picks_the_newest_version_not_after_the_opset),
      cmocka_unit_test(unknown_operators_have_no_schema),
      cmocka_unit_test(describes_formals_attributes_and_types),
      cmocka_unit_test(keeps_defaults_of_every_kind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
