/* Row programs: the form of everything that is computed element by element or row by row.
 *
 * A program runs over an iteration space: outer axes, then row (inner) axes. For each outer index
 * its instructions work on the elements of the row; a reduction turns the row into one number that
 * later instructions use. That covers elementwise chains (no reduction), reductions, softmax,
 * every norm, Add+LayerNorm with both results kept, copies between strided views, and the
 * epilogue of a contraction, whose finished accumulators are one of its operands.
 *
 * Instructions are in SSA form, in dependency order. An instruction is at row level when its value
 * is the same for the whole row (constants, reductions, what is computed from those alone, loads
 * that do not move along the row), else at element level. */
#ifndef ONNXC_LOWER_ROW_H
#define ONNXC_LOWER_ROW_H

#include "ops/op.h"

typedef struct Operand Operand; /* lower/step.h */
typedef struct Buffer Buffer;

/* RI(NAME, arity, cost, C of f32, C of f64, C of integers and bool): the forms have $a $b $c for
 * the operands, $t for their C type and $n for its short name; NULL where the class has none.
 * `cost`: what one element takes, in additions; costly values that several phases need are kept
 * rather than computed again. ROUND is half to even; MOD has the sign of the divisor, FMOD that of
 * the dividend; a NaN wins in MIN and MAX; $a of SELECT is a bool; QUANTIZE rounds $a to a byte
 * with zero point $b. */
#define ROW_INSTRUCTIONS(RI)                                                                       \
  RI(NEG, 1, 1, "-$a", "-$a", "onnxc_rt_neg_$n($a)")                                               \
  RI(ABS, 1, 1, "fabsf($a)", "fabs($a)", "onnxc_rt_abs_$n($a)")                                    \
  RI(SQRT, 1, 6, "sqrtf($a)", "sqrt($a)", NULL)                                                    \
  RI(EXP, 1, 20, "onnxc_rt_exp_f32($a)", "exp($a)", NULL)                                          \
  RI(LOG, 1, 20, "onnxc_rt_log_f32($a)", "log($a)", NULL)                                          \
  RI(TANH, 1, 20, "onnxc_rt_tanh_f32($a)", "tanh($a)", NULL)                                       \
  RI(ERF, 1, 20, "onnxc_rt_erf_f32($a)", "erf($a)", NULL)                                          \
  RI(EXPM1, 1, 20, "onnxc_rt_expm1_f32($a)", "expm1($a)", NULL)                                    \
  RI(LOG1P, 1, 20, "onnxc_rt_log1p_f32($a)", "log1p($a)", NULL)                                    \
  RI(SIGMOID, 1, 20, "onnxc_rt_sigmoid_f32($a)", "onnxc_rt_sigmoid_f64($a)", NULL)                 \
  RI(SOFTPLUS, 1, 40, "onnxc_rt_softplus_f32($a)", "onnxc_rt_softplus_f64($a)", NULL)              \
  RI(GELU, 1, 40, "onnxc_rt_gelu_f32($a)", "onnxc_rt_gelu_f64($a)", NULL)                          \
  RI(GELU_TANH, 1, 50, "onnxc_rt_gelu_tanh_f32($a)", "onnxc_rt_gelu_tanh_f64($a)", NULL)           \
  RI(MISH, 1, 30, "onnxc_rt_mish_f32($a)", "onnxc_rt_mish_f64($a)", NULL)                          \
  RI(SIN, 1, 30, "sinf($a)", "sin($a)", NULL)                                                      \
  RI(COS, 1, 30, "cosf($a)", "cos($a)", NULL)                                                      \
  RI(TAN, 1, 30, "tanf($a)", "tan($a)", NULL)                                                      \
  RI(ASIN, 1, 30, "asinf($a)", "asin($a)", NULL)                                                   \
  RI(ACOS, 1, 30, "acosf($a)", "acos($a)", NULL)                                                   \
  RI(ATAN, 1, 30, "atanf($a)", "atan($a)", NULL)                                                   \
  RI(SINH, 1, 30, "sinhf($a)", "sinh($a)", NULL)                                                   \
  RI(COSH, 1, 30, "coshf($a)", "cosh($a)", NULL)                                                   \
  RI(ASINH, 1, 30, "asinhf($a)", "asinh($a)", NULL)                                                \
  RI(ACOSH, 1, 30, "acoshf($a)", "acosh($a)", NULL)                                                \
  RI(ATANH, 1, 30, "atanhf($a)", "atanh($a)", NULL)                                                \
  RI(FLOOR, 1, 2, "floorf($a)", "floor($a)", "$a")                                                 \
  RI(CEIL, 1, 2, "ceilf($a)", "ceil($a)", "$a")                                                    \
  RI(TRUNC, 1, 2, "truncf($a)", "trunc($a)", "$a")                                                 \
  RI(ROUND, 1, 2, "onnxc_rt_round_even_f32($a)", "onnxc_rt_round_even_f64($a)", "$a")              \
  RI(NOT, 1, 1, NULL, NULL, "($t)($a == 0)")                                                       \
  RI(BITNOT, 1, 1, NULL, NULL, "($t)~$a")                                                          \
  RI(ISNAN, 1, 1, "(uint8_t)($a != $a)", "(uint8_t)($a != $a)", NULL)                              \
  RI(ISINF, 1, 1, "(uint8_t)(isinf($a) != 0)", "(uint8_t)(isinf($a) != 0)", NULL)                  \
  RI(ADD, 2, 1, "$a + $b", "$a + $b", "onnxc_rt_add_$n($a, $b)")                                   \
  RI(SUB, 2, 1, "$a - $b", "$a - $b", "onnxc_rt_sub_$n($a, $b)")                                   \
  RI(MUL, 2, 1, "$a * $b", "$a * $b", "onnxc_rt_mul_$n($a, $b)")                                   \
  RI(DIV, 2, 4, "$a / $b", "$a / $b", "onnxc_rt_div_$n($a, $b)")                                   \
  RI(QUANTIZE_I8, 2, 8, "onnxc_rt_quantize_i8($a, $b)", NULL, NULL)                                \
  RI(QUANTIZE_U8, 2, 8, "onnxc_rt_quantize_u8($a, $b)", NULL, NULL)                                \
  RI(MOD, 2, 8, NULL, NULL, "onnxc_rt_mod_$n($a, $b)")                                             \
  RI(FMOD, 2, 20, "fmodf($a, $b)", "fmod($a, $b)", "onnxc_rt_rem_$n($a, $b)")                      \
  RI(POW, 2, 40, "powf($a, $b)", "pow($a, $b)", NULL)                                              \
  RI(SWISH, 2, 30, "onnxc_rt_swish_f32($a, $b)", "onnxc_rt_swish_f64($a, $b)", NULL)               \
  RI(MIN, 2, 1, "onnxc_rt_min_f32($a, $b)", "($a < $b || $a != $a ? $a : $b)",                     \
     "($a < $b ? $a : $b)")                                                                        \
  RI(MAX, 2, 1, "onnxc_rt_max_f32($a, $b)", "($a > $b || $a != $a ? $a : $b)",                     \
     "($a > $b ? $a : $b)")                                                                        \
  RI(BITAND, 2, 1, NULL, NULL, "($t)($a & $b)")                                                    \
  RI(BITOR, 2, 1, NULL, NULL, "($t)($a | $b)")                                                     \
  RI(BITXOR, 2, 1, NULL, NULL, "($t)($a ^ $b)")                                                    \
  RI(SHL, 2, 1, NULL, NULL, "onnxc_rt_shl_$n($a, $b)")                                             \
  RI(SHR, 2, 1, NULL, NULL, "onnxc_rt_shr_$n($a, $b)")                                             \
  RI(EQ, 2, 1, "(uint8_t)($a == $b)", "(uint8_t)($a == $b)", "(uint8_t)($a == $b)")                \
  RI(LT, 2, 1, "(uint8_t)($a < $b)", "(uint8_t)($a < $b)", "(uint8_t)($a < $b)")                   \
  RI(LE, 2, 1, "(uint8_t)($a <= $b)", "(uint8_t)($a <= $b)", "(uint8_t)($a <= $b)")                \
  RI(SELECT, 3, 1, "($a ? $b : $c)", "($a ? $b : $c)", "($a ? $b : $c)")

typedef enum RowOp {
  ROW_LOAD,     /* element of an operand, floats under 32 bits as f32 */
  ROW_GATHER,   /* the same, a[0] times `dim` elements further on */
  ROW_POSITION, /* where a load from an operand would be, as i64; the operand has no buffer */
  ROW_INDEX,    /* a[0] as an index into an axis of size `dim`: negative ones count from its end;
                   one outside of it ends the run with an error */
  ROW_CONST,    /* a number */
  ROW_DIM,      /* a symbolic size as i64 */
  ROW_CONVERT,  /* to another type, as ONNX's Cast does it */
  ROW_SUM,      /* reductions over the row */
  ROW_PROD,
  ROW_MAXIMUM,
  ROW_MINIMUM,
#define RI(name, arity, cost, f32_c, f64_c, int_c) ROW_##name,
  ROW_INSTRUCTIONS(RI)
#undef RI
      ROW_OP_COUNT
} RowOp;

typedef uint32_t RowRef; /* an instruction, by its index */
#define ROW_NONE UINT32_MAX

typedef struct RowInst {
  RowOp op;
  DType dtype; /* of the value: f32, f64, bool or an integer type of 8 bits or more */
  RowRef a[3];
  double number;    /* ROW_CONST of a float type */
  int64_t integer;  /* ROW_CONST of others */
  const Dim *dim;   /* ROW_DIM, ROW_GATHER, ROW_INDEX */
  uint32_t operand; /* ROW_LOAD, ROW_GATHER, ROW_POSITION: index into RowProgram.operands */
  /* Set by row_finish: */
  bool element;          /* element level */
  bool kept;             /* needed in later phases, and read back there instead of computed again */
  uint32_t phase;        /* pass over the row in which it can be computed first */
  uint32_t kept_operand; /* the operand it is stored to; ROW_NONE: in the row buffer, */
  uint32_t kept_slot;    /* as this row of it */
} RowInst;

typedef struct RowStore {
  RowRef value;
  uint32_t operand; /* index into RowProgram.operands */
  uint32_t phase;   /* set by row_finish: the pass over the row that stores it */
} RowStore;

enum { ROW_ACCUMULATORS = UINT32_MAX - 1 }; /* as RowInst.operand: a contraction's result */

typedef struct RowProgram {
  int n_outer, n_inner;             /* axes of the iteration space: outer ones first */
  const Dim *extents[2 * MAX_RANK]; /* of the axes */
  Vec(RowInst) insts;
  Vec(Operand) operands; /* each with n_outer + n_inner strides; 0: does not move */
  Vec(RowStore) stores;  /* a store of a row-level value happens once a row */
  /* Set by row_finish: */
  uint32_t n_phases;
  uint32_t n_slots; /* rows of f32 that the row buffer holds */
  Buffer *row_buffer;
} RowProgram;

/* ---- for OpRow.emit ---------------------------------------------------------------------------
 */

/* Input `i` of the node, broadcast to the iteration space from the right, as its type computes:
 * f16 and bf16 become f32. ROW_NONE when absent. */
RowRef row_input(RowBuilder *b, const Node *node, uint32_t i);
/* The same where axis k of the input is axis axes[k] of the node's space: its output, or input 0
 * for operators that reduce. */
RowRef row_input_at(RowBuilder *b, const Node *node, uint32_t i, const int *axes);
/* Input `i` where its axis `axis` is at `index` (i64, inside of it), and axis k of the others is
 * axis axes[k] of the output. */
RowRef row_gather(RowBuilder *b, const Node *node, uint32_t i, int axis, const int *axes,
                  RowRef index);
/* Input `i` where it is at indices[k] (i64, inside of it) along axis k, which is axis k of the
 * output, too; ROW_NONE: at the output's place. */
RowRef row_gather_all(RowBuilder *b, const Node *node, uint32_t i, const RowRef *indices);
/* An integer as an index into an axis of that size, checked and wrapped at run time. */
RowRef row_index(RowBuilder *b, RowRef index, const Dim *size);
/* start + k * step, k being the index along axis `axis` of the output, as i64. */
RowRef row_position(RowBuilder *b, const Node *node, int axis, const Dim *start, const Dim *step);
/* `value` is output `i` of the node; converted to the output's type when that differs. */
void row_output(RowBuilder *b, const Node *node, uint32_t i, RowRef value);

DType row_dtype(const RowBuilder *b, RowRef ref);
/* Operands are converted by nobody: they must have equal types (SELECT: b and c, a bool). */
RowRef row_op1(RowBuilder *b, RowOp op, RowRef a);
RowRef row_op2(RowBuilder *b, RowOp op, RowRef a, RowRef x);
RowRef row_op3(RowBuilder *b, RowOp op, RowRef a, RowRef x, RowRef y);
RowRef row_number(RowBuilder *b, DType dtype, double value); /* rounded to the type */
RowRef row_integer(RowBuilder *b, DType dtype, int64_t value);
RowRef row_convert(RowBuilder *b, DType dtype, RowRef a);
/* ROW_SUM, ROW_PROD, ROW_MAXIMUM or ROW_MINIMUM over the row. */
RowRef row_reduce(RowBuilder *b, RowOp op, RowRef a);
/* The mean over the row, rounded once: that of f32 is computed in double. */
RowRef row_mean(RowBuilder *b, RowRef a);
/* A size as i64. */
RowRef row_size(RowBuilder *b, const Dim *size);
/* Number of elements of a row, as `dtype`. */
RowRef row_count(RowBuilder *b, DType dtype);
/* Whether a type can be computed with: what emit asks before it emits. */
bool row_computes(DType dtype);

/* ---- for those who read programs ----------------------------------------------------------------
 */

int row_arity(RowOp op);
bool row_is_reduction(RowOp op);
bool row_reads(const RowInst *inst); /* elements of an operand in memory */

typedef enum RowNeed { ROW_UNUSED, ROW_COMPUTED, ROW_READ_BACK } RowNeed;
/* How the element-level instructions take part in the pass `phase` over the row; needs[] has one
 * entry for each instruction. Row-level ones are computed before the pass that is their phase,
 * reductions during it. */
void row_needs(const RowProgram *p, uint32_t phase, RowNeed *needs);

#endif
