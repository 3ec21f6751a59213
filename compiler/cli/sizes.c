/* Symbolic sizes from the shapes of data. */
#include "cli/compare.h"
#include "cli/program.h"

#include <string.h>

static onnxc_dim *find_dim(DimList *dims, const char *name) {
  VEC_EACH(onnxc_dim, dim, dims) {
    if (strcmp(dim->name, name) == 0) return dim;
  }
  return NULL;
}

/* One more size of a symbol that was seen: its range widens. */
static void note_size(Arena *arena, DimList *found, const char *name, int64_t size) {
  onnxc_dim *dim = find_dim(found, name);
  if (dim == NULL) {
    onnxc_dim fresh = {name, size, size};
    vec_push(arena, found, fresh);
    return;
  }
  if (size < dim->lo) dim->lo = size;
  if (size > dim->hi) dim->hi = size;
}

static const char *mismatch(const Value *input, const Tensor *data) {
  Arena *arena = input->graph->ctx->arena;
  return arena_printf(arena, "input '%s' is %s, but the data is %s",
                      text_escape(arena, input->name), type_text(arena, &input->type),
                      tensor_type_text(arena, data));
}

static const char *note_input(const Value *input, const Tensor *data, DimList *found) {
  const Type *type = &input->type;
  if (type->kind != TYPE_TENSOR || data == NULL) return NULL;
  if (type->dtype != data->dtype) return mismatch(input, data);
  if (type->rank >= 0 && type->rank != data->rank) return mismatch(input, data);
  for (int axis = 0; axis < type->rank; axis++) {
    int64_t size = data->dims[axis], fixed;
    const DimAtom *symbol = dim_as_symbol(type->dims[axis]);
    if (symbol != NULL) note_size(input->graph->ctx->arena, found, symbol->name, size);
    if (dim_is_const(type->dims[axis], &fixed) && fixed != size) return mismatch(input, data);
  }
  return NULL;
}

const char *sizes_from_data(const Graph *graph, const Tensor *const *const *sets, size_t n_sets,
                            DimList *dims) {
  DimList found = {0};
  for (size_t set = 0; set < n_sets; set++) {
    for (size_t i = 0; i < graph->inputs.len; i++) {
      const char *wrong = note_input(graph->inputs.data[i], sets[set][i], &found);
      if (wrong != NULL) return wrong;
    }
  }
  VEC_EACH(onnxc_dim, dim, &found) {
    if (find_dim(dims, dim->name) == NULL) vec_push(graph->ctx->arena, dims, *dim);
  }
  return NULL;
}
