/* One pass, in one file.
 *
 * A file in passes/ defines `const PassDef pass_NAME`; a row in passes.def gives its place in the
 * order and the lowest -O level that runs it. The driver runs it, verifies the graph, counts the
 * hits of each rule, and with --verify-passes compares the interpreter's results around it. */
#ifndef ONNXC_PASSES_PASS_H
#define ONNXC_PASSES_PASS_H

#include "ops/builder.h"

typedef struct PassRun PassRun; /* state of one run: scratch arena, counts, the rewrite budget */

/* One pattern: a tree over the operators that compute a value. Built with the macros below;
 * children in the order of inputs, missing ones match anything. Operands of commutative operators
 * match in either order. A name that is bound twice must be the same value both times. */
typedef struct Pattern Pattern;
struct Pattern {
  enum { PATTERN_OP, PATTERN_OR, PATTERN_ANY, PATTERN_CONST, PATTERN_SCALAR } kind;
  const char *op;     /* PATTERN_OP: the operator's name; `A|B` for either */
  const char *domain; /* NULL: ai.onnx */
  const char *bind;   /* the name under which the callback finds the value; NULL: none */
  double scalar;      /* PATTERN_SCALAR: a constant, every element this up to rounding */
  bool single_use;    /* PATTERN_OP below the root: nothing outside the match uses its output */
  bool optional;      /* PATTERN_OP with one child: may be missing, then the child stands there;
                         PATTERN_ANY: the input may be absent */
  const Pattern *children[6]; /* PATTERN_OR: the alternatives, tried in order */
};

/* P: an inner operator used only here. PB: the same, bound. PM: bound, may have other uses. */
#define P(op_, ...)                                                                                \
  (&(const Pattern){.kind = PATTERN_OP, .op = op_, .single_use = true, .children = {__VA_ARGS__}})
#define PB(op_, bind_, ...)                                                                        \
  (&(const Pattern){.kind = PATTERN_OP,                                                            \
                    .op = op_,                                                                     \
                    .bind = bind_,                                                                 \
                    .single_use = true,                                                            \
                    .children = {__VA_ARGS__}})
#define PM(op_, bind_, ...)                                                                        \
  (&(const Pattern){.kind = PATTERN_OP, .op = op_, .bind = bind_, .children = {__VA_ARGS__}})
/* An operator with one input that may be missing. */
#define MAYBE(op_, child_)                                                                         \
  (&(const Pattern){                                                                               \
      .kind = PATTERN_OP, .op = op_, .single_use = true, .optional = true, .children = {child_}})
#define OR(...) (&(const Pattern){.kind = PATTERN_OR, .children = {__VA_ARGS__}})
#define ORB(bind_, ...)                                                                            \
  (&(const Pattern){.kind = PATTERN_OR, .bind = bind_, .children = {__VA_ARGS__}})
#define ANY(bind_) (&(const Pattern){.kind = PATTERN_ANY, .bind = bind_})
#define OPT(bind_) (&(const Pattern){.kind = PATTERN_ANY, .bind = bind_, .optional = true})
#define CONST(bind_) (&(const Pattern){.kind = PATTERN_CONST, .bind = bind_})
#define SCALAR(value_) (&(const Pattern){.kind = PATTERN_SCALAR, .scalar = value_})

/* What a pattern found. */
typedef struct Match {
  PassRun *run;
  Node *root;
  Builder builder; /* in front of the root */
  enum { MATCH_MAX = 32 } limits_;
  uint32_t n_bound, n_nodes;
  const char *names[MATCH_MAX];
  Value *values[MATCH_MAX];
  Node *nodes[MATCH_MAX]; /* all matched nodes */
  bool single[MATCH_MAX]; /* which of them nothing else may use */
} Match;

/* Whether the pattern matches `root` through output 0; fills all but the match's run. */
bool pattern_match(const Pattern *pattern, Node *root, Match *m);
/* Whether a pattern's root can be such an operator. */
bool pattern_roots(const Pattern *pattern, const OpDef *op);

Value *match_value(const Match *m, const char *bind); /* NULL: the optional part was missing */
Node *match_node(const Match *m, const char *bind);   /* producer of that value */
/* The bound value is a constant whose elements are all the same number. */
bool match_scalar(const Match *m, const char *bind, double *value);
/* For rules that look further than their pattern: the node belongs to the match; with `single_use`
 * nothing outside may use its output 0. False: there are too many. */
bool match_add(Match *m, Node *node, bool single_use);
/* Nothing outside uses what only the match may use. */
bool match_closed(const Match *m);

typedef struct Rule {
  const char *name;       /* shown with its hits */
  const Pattern *pattern; /* its root matches a node through output 0 */
  /* Builds the replacement with m->builder and returns the value that takes the place of the root's
   * output 0; NULL when the match is declined (nothing may have been built then). New nodes get the
   * origins of all matched ones; those that nothing uses any more are removed by the driver. */
  Value *(*rewrite)(Match *m);
} Rule;

#define RULE(name_, pattern_, rewrite_)                                                            \
  { .name = name_, .pattern = pattern_, .rewrite = rewrite_ }

typedef struct PassDef {
  const char *name; /* as in -fNAME */
  const char *what; /* one line for `onnxc passes` */
  const Rule *rules;
  size_t n_rules;
  const char *const
      *changes; /* what `run` calls its changes, with NULL at the end; NULL: no rules */
  /* What is no rule is done here, after the rules; it reports each change with pass_hit and stops
   * changing when that returns false (the --max-rewrites budget is spent). False: an error was
   * reported. */
  bool (*run)(PassRun *run, Graph *graph);
  bool rounds;   /* results may round differently, so --strict-fp leaves it out */
  bool required; /* lowering relies on it, so no flag switches it off */
} PassDef;

Arena *pass_scratch(const PassRun *run);
/* May `rule` change the graph once more? Counts it if so. Call before changing. False when it is
 * switched off, too. */
bool pass_hit(PassRun *run, const char *rule);
/* The change costs multiply-accumulates, or other operations, which the report says. */
void pass_adds(PassRun *run, int64_t macs, int64_t operations);
/* The same question without counting, for changes that may still be declined. */
bool pass_may(const PassRun *run);
/* Removes `node` if nothing uses its outputs, and then the producers that only it used. */
void pass_prune(PassRun *run, Node *node);

/* Counts for --time-report and inspect. */
typedef struct PassCount {
  const char *pass, *rule; /* rule NULL: the whole pass */
  size_t hits;
  int64_t macs, operations; /* multiply-accumulates, and others, that it adds for memory */
} PassCount;

typedef struct PassReport {
  Vec(PassCount) counts;
  size_t rewrites; /* all hits: what --max-rewrites limits */
  /* Called around each run of a pass; NULL: nobody watches. */
  void (*observe)(void *observer, const PassDef *pass, bool after);
  void *observer;
} PassReport;

/* The names of the rules that a pass has, each once: those of `rules`, then those of `changes`.
 * They are switched like passes. NULL past the last. */
const char *pass_rule(const PassDef *pass, size_t i);

size_t pass_count(void);
const PassDef *pass_at(size_t i); /* in the order in which they first run */
int pass_level(size_t i);         /* the lowest -O level that runs it */
/* Runs what the options enable, in the order of passes.def. False: reported. */
bool passes_run(Graph *graph, PassReport *report);

#endif
