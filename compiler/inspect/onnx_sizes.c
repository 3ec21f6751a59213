/* Symbolic sizes as ONNX nodes. All intermediate results are int64 tensors of shape [1]. */
#include "inspect/onnx.h"

#include <string.h>

void export_note_sizes(Exporter *x, const Value *value, const char *name) {
  if (value->type.kind != TYPE_TENSOR) return;
  for (int axis = 0; axis < value->type.rank; axis++) {
    const DimAtom *symbol = dim_as_symbol(value->type.dims[axis]);
    if (symbol == NULL || x->sources[symbol->symbol].value != NULL) continue;
    x->sources[symbol->symbol] = (SizeSource){name, axis};
  }
}

typedef struct Arithmetic {
  ExportGraph *graph;
  const Node *node; /* for messages */
} Arithmetic;

static char *constant(Arithmetic *a, int64_t value) {
  return export_ints(a->graph, &value, 1);
}

static char *binary(Arithmetic *a, const char *op, char *left, char *right) {
  return export_op(a->graph, op, (char *[]){left, right}, 2);
}

/* NULL: reported, here and below. */
static char *symbol_size(Arithmetic *a, const DimAtom *symbol) {
  SizeSource source = a->graph->exporter->sources[symbol->symbol];
  if (source.value == NULL) {
    node_error(a->node, DIAG_UNSUPPORTED, "size '%s' is not the size of any tensor before it",
               symbol->name);
    return NULL;
  }
  char *size = export_op(a->graph, "Shape", (char *[]){(char *)(uintptr_t)source.value}, 1);
  Onnx__NodeProto *shape = a->graph->nodes.data[a->graph->nodes.len - 1];
  export_int_attr(a->graph, shape, "start", source.axis);
  export_int_attr(a->graph, shape, "end", source.axis + 1);
  return size;
}

static char *expression(Arithmetic *a, const Dim *dim);

/* floordiv is (a - a mod b) / b with the mod of ONNX, which has the sign of the divisor. */
static char *atom(Arithmetic *a, const DimAtom *atom_) {
  if (atom_->kind == DIM_SYMBOL) return symbol_size(a, atom_);
  char *left = expression(a, atom_->a), *right = left == NULL ? NULL : expression(a, atom_->b);
  if (right == NULL) return NULL;
  if (atom_->kind == DIM_MIN) return binary(a, "Min", left, right);
  if (atom_->kind == DIM_MAX) return binary(a, "Max", left, right);
  char *whole = binary(a, "Sub", left, binary(a, "Mod", left, right));
  return binary(a, "Div", whole, right);
}

static char *term(Arithmetic *a, const DimTerm *t) {
  char *product = t->coefficient == 1 && t->n_atoms != 0 ? NULL : constant(a, t->coefficient);
  for (uint32_t i = 0; i < t->n_atoms; i++) {
    char *factor = atom(a, t->atoms[i]);
    if (factor == NULL) return NULL;
    product = product == NULL ? factor : binary(a, "Mul", product, factor);
  }
  return product;
}

static char *expression(Arithmetic *a, const Dim *dim) {
  char *sum = NULL;
  for (uint32_t i = 0; i < dim->n_terms; i++) {
    char *next = term(a, &dim->terms[i]);
    if (next == NULL) return NULL;
    sum = sum == NULL ? next : binary(a, "Add", sum, next);
  }
  return sum == NULL ? constant(a, 0) : sum;
}

/* All elements one after the other; none of them is an empty constant. */
static char *elements(Arithmetic *a, const Attr *dims) {
  if (dims->count == 0) return export_ints(a->graph, NULL, 0);
  char **parts = ARENA_ARRAY(a->graph->exporter->arena, dims->count, char *);
  for (size_t i = 0; i < dims->count; i++) {
    parts[i] = expression(a, dims->dims[i]);
    if (parts[i] == NULL) return NULL;
  }
  char *all = export_op(a->graph, "Concat", parts, dims->count);
  export_int_attr(a->graph, a->graph->nodes.data[a->graph->nodes.len - 1], "axis", 0);
  return all;
}

/* The last node that was made gets the name that the rest of the graph knows. */
static void name_result(ExportGraph *g, const Value *value) {
  Exporter *x = g->exporter;
  char *known = map_get(&x->names, map_key(value));
  if (known == NULL) known = export_unique(x, value->name);
  map_set(&x->names, map_key(value), known);
  g->nodes.data[g->nodes.len - 1]->output[0] = known;
}

bool export_dims(ExportGraph *g, const Node *node) {
  Arithmetic a = {g, node};
  const Attr *shape = op_param_list(node, "shape");
  char *flat = elements(&a, op_param_list(node, "dims"));
  if (flat == NULL) return false;
  char *shaped = binary(&a, "Reshape", flat, export_ints(g, shape->ints, shape->count));
  export_op(g, "Cast", (char *[]){shaped}, 1);
  export_int_attr(g, g->nodes.data[g->nodes.len - 1], "to", op_param_i(node, "dtype"));
  name_result(g, node_out(node, 0));
  return true;
}
