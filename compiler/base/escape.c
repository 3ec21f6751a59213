#include "base/escape.h"

_Noreturn void escape_raise(Escape *escape, int exit_code, const char *reason) {
  escape->reason = reason;
  longjmp(escape->target, exit_code);
}
