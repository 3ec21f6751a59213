/* The operator table is sorted, so that every operator is found. */
#include "ops/op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void each_operator_is_found(void **state) {
  (void)state;
  for (size_t i = 0; i < op_count(); i++) {
    const OpDef *op = op_at(i);
    if (op_find(op->domain, op->name) != op) fail_msg("%s is out of order in ops.def", op->name);
  }
  assert_null(op_find("", "NoSuchOperator"));
  assert_null(op_find("no.such.domain", "Identity"));
  assert_null(op_at(op_count()));
}

static void each_operator_is_complete(void **state) {
  (void)state;
  for (size_t i = 0; i < op_count(); i++) {
    const OpDef *op = op_at(i);
    if (op->infer == NULL) fail_msg("%s has no inference", op->name);
    if ((op->eval == NULL) != (op->kernel == NULL)) fail_msg("%s: kernel and name", op->name);
    bool goes = op->decompose != NULL || (op->flags & OP_COMPOSITE) != 0;
    if (op->eval == NULL && op->lower == NULL && !goes) {
      fail_msg("%s cannot run", op->name);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_operator_is_found),
      cmocka_unit_test(each_operator_is_complete),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
