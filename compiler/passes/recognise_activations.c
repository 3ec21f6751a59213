/* recognise-activations: an activation function spelled out -> its operator: Gelu (both kinds),
 * Swish, HardSwish, HardSigmoid, Sigmoid, Mish.
 *
 * Most of them are, in some x, a polynomial of x and of t = f(p(x)), with f one of Erf, Tanh,
 * Sigmoid, ..., and p a polynomial too. So they are recognised by algebra and not by spelling: the
 * arithmetic around t is multiplied out, and its coefficients are compared with the table below.
 * Right because equal polynomials are equal functions; only rounding differs. All intermediate
 * values that contain t must have no other use. */
#include "passes/facts.h"
#include "passes/pass.h"

#include <math.h>
#include <string.h>

/* ---- polynomials ------------------------------------------------------------------------------
 */

enum { DEGREE = 3, T_DEGREE = 1, MAX_VISITS = 64, MAX_CLIMB = 6, MAX_CANDIDATES = 12 };

/* The sum of c[i][j] x^i t^j. */
typedef struct Poly {
  double c[DEGREE + 1][T_DEGREE + 1];
} Poly;

/* What the polynomials are over, and the arithmetic that was gone through. */
typedef struct Terms {
  const Value *x, *t;
  int visits;
} Terms;

/* sum += factor * x^dx * t^dt * a; false when that leaves the degrees. */
static bool accumulate(Poly *sum, double factor, int dx, int dt, const Poly *a) {
  for (int i = 0; i <= DEGREE; i++) {
    for (int j = 0; j <= T_DEGREE; j++) {
      double term = factor * a->c[i][j];
      if (term == 0) continue;
      if (i + dx > DEGREE || j + dt > T_DEGREE) return false;
      sum->c[i + dx][j + dt] += term;
    }
  }
  return true;
}

static bool multiply(const Poly *a, const Poly *b, Poly *product) {
  *product = (Poly){0};
  for (int i = 0; i <= DEGREE; i++) {
    for (int j = 0; j <= T_DEGREE; j++) {
      if (!accumulate(product, b->c[i][j], i, j, a)) return false;
    }
  }
  return true;
}

static bool scale(double factor, const Poly *a, Poly *result) {
  *result = (Poly){0};
  return accumulate(result, factor, 0, 0, a);
}

static bool is_number(const Poly *p) {
  Poly rest = *p;
  rest.c[0][0] = 0;
  for (int i = 0; i <= DEGREE; i++) {
    if (rest.c[i][0] != 0 || rest.c[i][1] != 0) return false;
  }
  return true;
}

static bool divide(const Poly *a, const Poly *b, Poly *quotient) {
  if (!is_number(b) || b->c[0][0] == 0) return false;
  return scale(1 / b->c[0][0], a, quotient);
}

static bool power(const Poly *a, const Poly *b, Poly *result) {
  double exponent = b->c[0][0];
  if (!is_number(b) || exponent != floor(exponent) || exponent < 1 || exponent > DEGREE) {
    return false;
  }
  *result = *a;
  for (int i = 1; i < (int)exponent; i++) {
    Poly before = *result;
    if (!multiply(&before, a, result)) return false;
  }
  return true;
}

static bool add(const Poly *a, const Poly *b, Poly *sum) {
  *sum = *a;
  return accumulate(sum, 1, 0, 0, b);
}

static bool subtract(const Poly *a, const Poly *b, Poly *difference) {
  *difference = *a;
  return accumulate(difference, -1, 0, 0, b);
}

static bool negate(const Poly *a, const Poly *b, Poly *result) {
  (void)b;
  return scale(-1, a, result);
}

/* The operators that polynomials are closed under. */
typedef struct Arithmetic {
  const char *op;
  uint32_t operands;
  bool (*apply)(const Poly *a, const Poly *b, Poly *result);
} Arithmetic;

static const Arithmetic arithmetic[] = {
    {"Add", 2, add},    {"Sub", 2, subtract}, {"Mul", 2, multiply},
    {"Div", 2, divide}, {"Pow", 2, power},    {"Neg", 1, negate},
};

static const Arithmetic *find_arithmetic(const Value *value) {
  const Node *node = value->producer;
  if (node == NULL || *node->op->domain != '\0' || !is_float(value)) return NULL;
  for (size_t i = 0; i < sizeof arithmetic / sizeof *arithmetic; i++) {
    if (strcmp(node->op->name, arithmetic[i].op) == 0) return &arithmetic[i];
  }
  return NULL;
}

/* The value as a polynomial; false when it is none. */
static bool expand(Terms *terms, const Value *value, Poly *p) {
  *p = (Poly){0};
  if (terms->visits++ == MAX_VISITS) return false;
  if (value == terms->x) {
    p->c[1][0] = 1;
    return true;
  }
  if (value == terms->t) {
    p->c[0][1] = 1;
    return true;
  }
  if (value_splat(value, &p->c[0][0])) return isfinite(p->c[0][0]);
  const Arithmetic *op = find_arithmetic(value);
  if (op == NULL) return false;
  Poly operands[2] = {{{{0}}}};
  for (uint32_t i = 0; i < op->operands; i++) {
    if (!expand(terms, value->producer->in[i].value, &operands[i])) return false;
  }
  return op->apply(&operands[0], &operands[1], p);
}

/* Coefficients are products of a few constants, each rounded to the type. */
static bool near(const Value *value, const Poly *a, const Poly *b) {
  for (int i = 0; i <= DEGREE; i++) {
    for (int j = 0; j <= T_DEGREE; j++) {
      double x = a->c[i][j], y = b->c[i][j];
      if (!splat_near(value, y + (x - y) / 3, y)) return false;
    }
  }
  return true;
}

/* ---- the table --------------------------------------------------------------------------------
 */

#define SQRT_1_2 0.70710678118654752
#define SQRT_2_PI 0.79788456080286536 /* sqrt(2 / pi) */
#define CUBE 0.044715
#define SIXTH (1.0 / 6)

/* t = atom(argument), activation = result; in both, [i][j] is the coefficient of x^i t^j. `free`:
 * the argument is any multiple of the one given here, and that number is the parameter. */
typedef struct Form {
  const char *rule, *atom;
  double low, high; /* of Clip; alpha and beta of HardSigmoid */
  Poly argument;
  bool free;
  Poly result;
  const char *op, *param, *text; /* what it becomes, with a number or a string as parameter */
  double number;                 /* what the parameter is, or is times the multiple */
} Form;

#define X_TIMES(k)                                                                                 \
  {                                                                                                \
    {                                                                                              \
      [1] = { [1] = k }                                                                            \
    }                                                                                              \
  }
#define X_PLUS_X_TIMES_T                                                                           \
  {                                                                                                \
    {                                                                                              \
      [1] = { 0.5, 0.5 }                                                                           \
    }                                                                                              \
  }
#define TANH_ARGUMENT(k)                                                                           \
  {                                                                                                \
    {                                                                                              \
      [1] = {(k)*SQRT_2_PI}, [3] = {(k)*SQRT_2_PI * CUBE }                                         \
    }                                                                                              \
  }

static const Form forms[] = {
    {.rule = "gelu-erf",
     .atom = "Erf",
     .argument = {{[1] = {SQRT_1_2}}},
     .result = X_PLUS_X_TIMES_T,
     .op = "Gelu"},
    {.rule = "gelu-tanh",
     .atom = "Tanh",
     .argument = TANH_ARGUMENT(1),
     .result = X_PLUS_X_TIMES_T,
     .op = "Gelu",
     .param = "approximate",
     .text = "tanh"},
    {.rule = "gelu-tanh-sigmoid",
     .atom = "Sigmoid",
     .argument = TANH_ARGUMENT(2),
     .result = X_TIMES(1),
     .op = "Gelu",
     .param = "approximate",
     .text = "tanh"},
    {.rule = "swish",
     .atom = "Sigmoid",
     .argument = {{[1] = {1}}},
     .free = true,
     .result = X_TIMES(1),
     .op = "Swish",
     .param = "alpha",
     .number = 1},
    {.rule = "swish-tanh",
     .atom = "Tanh",
     .argument = {{[1] = {1}}},
     .free = true,
     .result = X_PLUS_X_TIMES_T,
     .op = "Swish",
     .param = "alpha",
     .number = 2},
    {.rule = "sigmoid-tanh",
     .atom = "Tanh",
     .argument = {{[1] = {0.5}}},
     .result = {{[0] = {0.5, 0.5}}},
     .op = "Sigmoid"},
    {.rule = "hard-swish",
     .atom = "HardSigmoid",
     .low = SIXTH,
     .high = 0.5,
     .argument = {{[1] = {1}}},
     .result = X_TIMES(1),
     .op = "HardSwish"},
    {.rule = "hard-swish-clip",
     .atom = "Clip",
     .high = 6,
     .argument = {{[0] = {3}, [1] = {1}}},
     .result = X_TIMES(SIXTH),
     .op = "HardSwish"},
    {.rule = "hard-swish-clip",
     .atom = "Clip",
     .high = 1,
     .argument = {{[0] = {0.5}, [1] = {SIXTH}}},
     .result = X_TIMES(1),
     .op = "HardSwish"},
    {.rule = "hard-sigmoid-clip",
     .atom = "Clip",
     .high = 6,
     .argument = {{[0] = {3}, [1] = {1}}},
     .result = {{[0] = {[1] = SIXTH}}},
     .op = "HardSigmoid",
     .param = "alpha",
     .number = SIXTH},
};

enum { N_FORMS = sizeof forms / sizeof *forms };

/* ---- matching ---------------------------------------------------------------------------------
 */

static bool input_is(const Node *node, uint32_t i, double number) {
  double value;
  return node_in(node, i) != NULL && value_splat(node_in(node, i), &value) && value == number;
}

/* The atom's own parameters. */
static bool is_atom(const Node *node, const Form *form) {
  if (*node->op->domain != '\0' || strcmp(node->op->name, form->atom) != 0) return false;
  if (strcmp(form->atom, "Clip") == 0) {
    return input_is(node, 1, form->low) && input_is(node, 2, form->high);
  }
  if (strcmp(form->atom, "HardSigmoid") != 0) return true;
  return (float)form->low == op_param_f(node, "alpha") &&
         (float)form->high == op_param_f(node, "beta");
}

/* The argument of the atom fits the form with `x` for x; `*multiple` of it. */
static bool argument_fits(const Form *form, const Value *x, const Value *argument,
                          double *multiple) {
  Terms terms = {.x = x};
  Poly p, scaled;
  if (!expand(&terms, argument, &p)) return false;
  *multiple = form->free ? p.c[1][0] : 1;
  if (*multiple == 0 || !attribute_holds(x, form->number * *multiple)) return false;
  return scale(*multiple, &form->argument, &scaled) && near(x, &p, &scaled);
}

/* The only node that uses `value`; NULL when there are more, or the graph itself uses it. */
static Node *only_user(const Value *value) {
  if (value->uses == NULL || value->uses->next != NULL || value_is_output(value)) return NULL;
  return value->uses->user;
}

/* The node, up from the atom, whose result is that of the form. */
static Node *climb(const Form *form, const Value *x, Node *atom) {
  const Value *value = atom->out[0];
  for (int i = 0; i < MAX_CLIMB; i++) {
    Node *user = only_user(value);
    Terms terms = {.x = x, .t = atom->out[0]};
    Poly p;
    if (user == NULL || node_out(user, 0) == NULL) return NULL;
    value = user->out[0];
    if (!expand(&terms, value, &p)) return NULL;
    if (near(x, &p, &form->result)) return same_type(x, value) ? user : NULL;
  }
  return NULL;
}

/* The argument and all that it is computed from by arithmetic: any of them may be x. */
static size_t list_candidates(Value *argument, Value **candidates) {
  size_t n = 0;
  candidates[n++] = argument;
  for (size_t i = 0; i < n; i++) {
    const Arithmetic *op = find_arithmetic(candidates[i]);
    for (uint32_t k = 0; op != NULL && k < op->operands; k++) {
      Value *operand = candidates[i]->producer->in[k].value;
      if (n < MAX_CANDIDATES && operand->constant == NULL) candidates[n++] = operand;
    }
  }
  return n;
}

/* ---- rewriting --------------------------------------------------------------------------------
 */

/* Every node between x and the root. */
static void add_origins(Node *to, const Node *from, const Value *x, int depth) {
  if (from == NULL || depth == 0) return;
  for (uint32_t i = 0; i < from->n_in; i++) {
    const Value *value = from->in[i].value;
    if (value != NULL && value != x) add_origins(to, value->producer, x, depth - 1);
  }
  node_add_origins(to, from);
}

static void rewrite(PassRun *run, const Form *form, Value *x, Node *root, double multiple) {
  Builder builder = builder_at(root);
  Node *node = build_node(&builder, "", form->op, &x, 1, 1);
  if (form->text != NULL) {
    node_set_string(node, form->param, form->text);
  } else if (form->param != NULL) {
    node_set_float(node, form->param, (float)(form->number * multiple));
  }
  add_origins(node, root, x, MAX_CLIMB + DEGREE);
  build_replace(&builder, root, build_done(&builder, node));
  pass_prune(run, root);
}

static bool try_form(PassRun *run, const Form *form, Node *atom) {
  Value *candidates[MAX_CANDIDATES], *argument = atom->in[0].value;
  size_t n = list_candidates(argument, candidates);
  for (size_t i = 0; i < n; i++) {
    double multiple;
    if (!argument_fits(form, candidates[i], argument, &multiple)) continue;
    Node *root = climb(form, candidates[i], atom);
    if (root == NULL) continue;
    if (pass_hit(run, form->rule)) rewrite(run, form, candidates[i], root, multiple);
    return true;
  }
  return false;
}

static bool is_any_atom(const Node *node) {
  if (node_in(node, 0) == NULL || node_out(node, 0) == NULL) return false;
  if (!is_float(node->out[0])) return false;
  for (size_t i = 0; i < N_FORMS; i++) {
    if (is_atom(node, &forms[i])) return true;
  }
  return false;
}

/* Atoms are listed first, since a rewrite removes nodes behind its own. */
static bool run_recognise_activations(PassRun *run, Graph *graph) {
  Vec(Node *) atoms = {0};
  for (Node *node = graph->first; node != NULL; node = node->next) {
    if (is_any_atom(node)) vec_push(pass_scratch(run), &atoms, node);
  }
  VEC_EACH(Node *, atom, &atoms) {
    for (size_t i = 0; i < N_FORMS; i++) {
      if (is_atom(*atom, &forms[i]) && try_form(run, &forms[i], *atom)) break;
    }
  }
  return true;
}

/* ---- other forms ------------------------------------------------------------------------------
 */

static Value *unary(Match *m, const char *op) {
  Value *x = match_value(m, "x");
  return is_float(x) && same_type(x, m->root->out[0]) ? BUILD(&m->builder, op, x) : NULL;
}

/* 1 / (1 + e^-y), or 1 / (1 + e^z) */
static Value *build_sigmoid(Match *m) {
  Builder *b = &m->builder;
  Value *x = match_value(m, "y"), *z = match_value(m, "z"), *over = match_value(m, "over");
  const Value *argument = x != NULL ? x : z;
  if (!is_float(argument) || !same_type(argument, m->root->out[0])) return NULL;
  if (x == NULL) x = BUILD(b, "Neg", z);
  Value *sigmoid = BUILD(b, "Sigmoid", x);
  return over == NULL ? sigmoid : BUILD(b, "Mul", over, sigmoid);
}

static Value *build_mish(Match *m) {
  return unary(m, "Mish");
}

#define ONE_PLUS_EXP P("Add", P("Exp", OR(P("Neg", ANY("y")), ANY("z"))), SCALAR(1))

static const Rule rules[] = {
    RULE("sigmoid-exp",
         OR(P("Reciprocal", ONE_PLUS_EXP), P("Div", SCALAR(1), ONE_PLUS_EXP),
            P("Pow", ONE_PLUS_EXP, SCALAR(-1)), P("Div", ANY("over"), ONE_PLUS_EXP)),
         build_sigmoid),
    RULE("mish", P("Mul", ANY("x"), P("Tanh", P("Softplus", ANY("x")))), build_mish),
};

const PassDef pass_recognise_activations = {
    .name = "recognise-activations",
    .what = "Activation functions spelled out become Gelu, Swish, HardSwish, ...",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .changes = (const char *const[]){"gelu-erf", "gelu-tanh", "gelu-tanh-sigmoid", "swish",
                                     "swish-tanh", "sigmoid-tanh", "hard-swish", "hard-swish-clip",
                                     "hard-sigmoid-clip", NULL},
    .run = run_recognise_activations,
    .rounds = true,
};
