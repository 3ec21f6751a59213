/* One pass, in one file.
 *
 * A file in passes/ defines `const PassDef pass_NAME`; a row in passes.def gives its place in the
 * order and the lowest -O level that runs it. The driver runs it, verifies the graph, counts the
 * hits of each rule, and with --verify-passes compares the interpreter's results around it. */
#ifndef ONNXC_PASSES_PASS_H
#define ONNXC_PASSES_PASS_H

#include "ops/builder.h"

typedef struct PassRun PassRun; /* state of one run: scratch arena, counts, the rewrite budget */

/* One pattern: a tree of operators. Built with the macros below; children in the order of inputs,
 * missing ones match anything. Operands of commutative operators match in either order. */
typedef struct Pattern Pattern;
struct Pattern {
  enum { PATTERN_OP, PATTERN_ANY, PATTERN_CONST, PATTERN_SCALAR, PATTERN_SAME } kind;
  const char *op;     /* PATTERN_OP: the operator's name; `A|B` for either */
  const char *domain; /* NULL: ai.onnx */
  const char *bind;   /* the name under which the callback finds the value; NULL: none */
  double scalar;      /* PATTERN_SCALAR: a constant, every element this (relative 1e-6) */
  bool single_use;    /* PATTERN_OP below the root: its output has no other use */
  bool optional;      /* PATTERN_OP with one child: may be missing, then the child stands there */
  const Pattern *children[6];
};

/* P: an inner operator used only here. PM: one that may have other uses. O: an optional unary. */
#define P(op_, ...)                                                                                \
  (&(const Pattern){.kind = PATTERN_OP, .op = op_, .single_use = true, .children = {__VA_ARGS__}})
#define PM(op_, bind_, ...)                                                                        \
  (&(const Pattern){.kind = PATTERN_OP, .op = op_, .bind = bind_, .children = {__VA_ARGS__}})
#define PB(op_, bind_, ...)                                                                        \
  (&(const Pattern){.kind = PATTERN_OP,                                                            \
                    .op = op_,                                                                     \
                    .bind = bind_,                                                                 \
                    .single_use = true,                                                            \
                    .children = {__VA_ARGS__}})
#define MAYBE(op_, child_)                                                                         \
  (&(const Pattern){                                                                               \
      .kind = PATTERN_OP, .op = op_, .single_use = true, .optional = true, .children = {child_}})
#define ANY(bind_) (&(const Pattern){.kind = PATTERN_ANY, .bind = bind_})
#define CONST(bind_) (&(const Pattern){.kind = PATTERN_CONST, .bind = bind_})
#define SCALAR(value_) (&(const Pattern){.kind = PATTERN_SCALAR, .scalar = value_})
#define SAME(bind_) (&(const Pattern){.kind = PATTERN_SAME, .bind = bind_}) /* bound before */

/* What a pattern found. */
typedef struct Match {
  PassRun *run;
  Node *root;
  Builder builder; /* in front of the root, with the origins of all matched nodes */
  enum { MATCH_MAX = 32 } limits_;
  uint32_t n_bound, n_nodes;
  const char *names[MATCH_MAX];
  Value *values[MATCH_MAX];
  Node *nodes[MATCH_MAX]; /* all matched nodes */
} Match;

Value *match_value(const Match *m, const char *bind); /* NULL: the optional part was missing */
Node *match_node(const Match *m, const char *bind);   /* producer of that value */

typedef struct Rule {
  const char *name;       /* shown with its hits */
  const Pattern *pattern; /* its root matches a node through output 0 */
  /* Builds the replacement with m->builder and returns the value that takes the place of the root's
   * output 0; NULL when the match is declined (nothing may have been built then). */
  Value *(*rewrite)(Match *m);
} Rule;

#define RULE(name_, pattern_, rewrite_)                                                            \
  { .name = name_, .pattern = pattern_, .rewrite = rewrite_ }

typedef struct PassDef {
  const char *name; /* as in -fNAME */
  const char *what; /* one line for `onnxc passes` */
  const Rule *rules;
  size_t n_rules;
  /* A pass that is no set of rules does its work here; it reports each change with pass_hit and
   * stops changing when that returns false (the --max-rewrites budget is spent). False: an error
   * was reported. */
  bool (*run)(PassRun *run, Graph *graph);
  bool once; /* the driver runs rules to a fixed point unless this is set */
} PassDef;

Arena *pass_scratch(const PassRun *run);
/* May `rule` change the graph once more? Counts it if so. Call before changing. */
bool pass_hit(PassRun *run, const char *rule);

/* Counts for --time-report and inspect. */
typedef struct PassCount {
  const char *pass, *rule; /* rule NULL: the whole pass */
  size_t hits;
} PassCount;

typedef struct PassReport {
  Vec(PassCount) counts;
  size_t rewrites; /* all hits: what --max-rewrites limits */
} PassReport;

size_t pass_count(void);
const PassDef *pass_at(size_t i);
/* Runs what the options enable, in the order of passes.def. False: reported. */
bool passes_run(Graph *graph, PassReport *report);

#endif
