#include "cli/data.h"

#include "cli/compare.h"
#include "ops/bag.h"

#include <string.h>

/* ---- the model's view of the graph -------------------------------------------------------------
 */

static size_t count_all(size_t tensors, const Composite *composites, size_t n) {
  for (size_t i = 0; i < n; i++) tensors = tensors + 1 - composites[i].n;
  return tensors;
}

size_t data_inputs(const Graph *graph) {
  return count_all(graph->inputs.len, graph->composite_inputs.data, graph->composite_inputs.len);
}

size_t data_outputs(const Graph *graph) {
  return count_all(graph->outputs.len, graph->composite_outputs.data, graph->composite_outputs.len);
}

/* What stands for the model's input or output `i`: NULL for a tensor, which is that at `*first`. */
static const Composite *find(const Composite *composites, size_t n, size_t i, size_t *first) {
  *first = i;
  for (size_t k = 0; k < n && composites[k].index <= i; k++) {
    if (composites[k].index == i) {
      *first = composites[k].first;
      return &composites[k];
    }
    *first = *first + composites[k].n - 1;
  }
  return NULL;
}

const char *data_output_name(const Graph *graph, size_t i) {
  size_t first;
  const Composite *composite =
      find(graph->composite_outputs.data, graph->composite_outputs.len, i, &first);
  return composite != NULL ? composite->name : graph->outputs.data[first]->name;
}

void data_random_outputs(const Graph *graph, bool *random) {
  bool *tensors = ARENA_ARRAY(graph->ctx->arena, graph->outputs.len, bool);
  graph_random_outputs(graph, tensors);
  for (size_t i = 0; i < data_outputs(graph); i++) {
    size_t first;
    const Composite *composite =
        find(graph->composite_outputs.data, graph->composite_outputs.len, i, &first);
    random[i] = false;
    for (size_t k = 0; k < (composite == NULL ? 1 : composite->n); k++) {
      random[i] = random[i] || tensors[first + k];
    }
  }
}

/* Whether the type is an optional sequence; `*type` becomes that of the sequence. */
static bool unwrap(const Type **type) {
  bool nested = (*type)->kind == TYPE_OPTIONAL && (*type)->element->kind == TYPE_SEQUENCE;
  if (nested) *type = (*type)->element;
  return nested;
}

/* ---- to the graph ------------------------------------------------------------------------------
 */

typedef struct Packing {
  Context *ctx;
  const Tensor **to; /* the next tensor of the graph */
} Packing;

static void *writable(const Tensor *tensor) {
  return (void *)(uintptr_t)tensor->data;
}

static Tensor *add_tensor(Packing *p, DType dtype, int rank, const int64_t *dims) {
  Tensor *tensor = tensor_new(p->ctx, dtype, rank, dims);
  *p->to++ = tensor;
  return tensor;
}

static bool add_present(Packing *p, bool present) {
  Tensor *tensor = add_tensor(p, ONNXC_RT_BOOL, 0, NULL);
  tensor_set_i64(tensor, 0, present);
  return true;
}

/* Every tensor in a slot of `slot` elements. */
static bool fill_slots(const Datum *sequence, const Bag *bag, Tensor *data, size_t slot) {
  if (data == NULL) return false;
  size_t bits = (size_t)dtype_info(bag->dtype)->bits;
  size_t width = bag->dtype == ONNXC_RT_STRING ? sizeof(onnxc_rt_string) : bits / 8;
  if (width == 0) return false; /* packed elements */
  for (size_t i = 0; i < sequence->n; i++) {
    const Tensor *tensor = sequence->parts[i].tensor;
    if (tensor->dtype != bag->dtype || tensor->rank > bag->rank || tensor->count > slot) {
      return false;
    }
    if (tensor->bytes != 0) {
      memcpy((char *)writable(data) + i * slot * width, tensor->data, tensor->bytes);
    }
  }
  return true;
}

static bool add_uniform(Packing *p, const Datum *sequence, const Bag *bag) {
  int64_t dims[MAX_RANK] = {(int64_t)sequence->n};
  size_t slot = 1;
  if (bag->rank >= MAX_RANK) return false;
  for (int i = 0; i < bag->rank; i++) {
    if (!dim_is_const(bag->dims[i], &dims[1 + i])) return false;
    slot *= (size_t)dims[1 + i];
  }
  for (size_t i = 0; i < sequence->n; i++) {
    const Tensor *tensor = sequence->parts[i].tensor;
    if (tensor->rank != bag->rank || tensor->count != slot) return false;
  }
  return fill_slots(sequence, bag, add_tensor(p, bag->dtype, bag->rank + 1, dims), slot);
}

static bool add_ragged(Packing *p, const Datum *sequence, const Bag *bag) {
  int64_t n = (int64_t)sequence->n, slot;
  if (!dim_is_const(bag->items.slot, &slot)) return false;
  Tensor *data = add_tensor(p, bag->dtype, 2, (const int64_t[]){n, slot});
  Tensor *dims = add_tensor(p, ONNXC_RT_I64, 2, (const int64_t[]){n, bag->rank});
  if (!fill_slots(sequence, bag, data, (size_t)slot)) return false;
  for (size_t i = 0; i < sequence->n; i++) {
    const Tensor *tensor = sequence->parts[i].tensor;
    for (int k = 0; k < bag->rank; k++) {
      int64_t dim = k < tensor->rank ? tensor->dims[k] : -1;
      tensor_set_i64(dims, i * (size_t)bag->rank + (size_t)k, dim);
    }
  }
  return true;
}

static bool pack_sequence(Packing *p, const Datum *sequence, const Type *type) {
  const Bag bag = bag_of(p->ctx, type);
  if (dim_is(bag.items.capacity, 0)) return sequence->n == 0;
  return bag_uniform(&bag) ? add_uniform(p, sequence, &bag) : add_ragged(p, sequence, &bag);
}

/* Where there is none the tensor is one of zeros. */
static bool pack_optional(Packing *p, const Datum *optional, const Type *type) {
  const Bag bag = bag_of(p->ctx, type);
  int64_t dims[MAX_RANK];
  for (int i = 0; i < bag.rank; i++) dims[i] = bag.dims[i]->lo;
  if (optional->n == 0)
    add_tensor(p, bag.dtype, bag.rank, dims);
  else
    *p->to++ = optional->parts[0].tensor;
  return add_present(p, optional->n != 0);
}

static bool pack(Packing *p, const Datum *datum, const Type *type) {
  static const Datum none = {.kind = TYPE_SEQUENCE};
  if (type->kind == TYPE_MAP) {
    *p->to++ = datum->tensor;
    *p->to++ = datum->keys;
    return true;
  }
  if (unwrap(&type)) {
    const Datum *sequence = datum->n == 0 ? &none : &datum->parts[0];
    return pack_sequence(p, sequence, type) && add_present(p, datum->n != 0);
  }
  return type->kind == TYPE_OPTIONAL ? pack_optional(p, datum, type)
                                     : pack_sequence(p, datum, type);
}

const char *data_pack(const Graph *graph, const Datum *data, const Tensor **tensors) {
  Context *ctx = graph->ctx;
  for (size_t i = 0; i < data_inputs(graph); i++) {
    size_t first;
    const Composite *composite =
        find(graph->composite_inputs.data, graph->composite_inputs.len, i, &first);
    if (composite == NULL) {
      tensors[first] = data[i].tensor;
      continue;
    }
    Packing p = {ctx, tensors + first};
    if (pack(&p, &data[i], &composite->type)) continue;
    return arena_printf(ctx->arena, "the data of input '%s' does not fit %s",
                        text_escape(ctx->arena, composite->name),
                        type_text(ctx->arena, &composite->type));
  }
  return NULL;
}

/* ---- from the graph ----------------------------------------------------------------------------
 */

/* Elements [i * slot, ...) of `data` as a tensor of these sizes; NULL: they are no sizes of it. */
static const Tensor *slot_tensor(Context *ctx, const Tensor *data, size_t i, size_t slot, int rank,
                                 const int64_t *dims) {
  Tensor *tensor = tensor_new(ctx, data->dtype, rank, dims);
  if (tensor == NULL || tensor->count > slot) return NULL;
  size_t width = data->count == 0 ? 0 : data->bytes / data->count;
  if (data->dtype == ONNXC_RT_STRING) width = sizeof(onnxc_rt_string);
  if (tensor->count != 0) {
    memcpy(writable(tensor), (const char *)data->data + i * slot * width, tensor->bytes);
  }
  return tensor;
}

static size_t slot_size(const Tensor *data) {
  size_t slot = 1;
  for (int i = 1; i < data->rank; i++) slot *= (size_t)data->dims[i];
  return slot;
}

/* `dims` NULL: all are of the sizes that follow the first. */
static bool unpack_sequence(Context *ctx, const Tensor *data, const Tensor *dims, Datum *datum) {
  size_t n = (size_t)data->dims[0];
  Datum *parts = ARENA_ARRAY(ctx->arena, n, Datum);
  *datum = (Datum){.kind = TYPE_SEQUENCE, .parts = parts, .n = n};
  for (size_t i = 0; i < n; i++) {
    int64_t sizes[MAX_RANK];
    int rank = 0, most = dims == NULL ? data->rank - 1 : (int)dims->dims[1];
    for (int k = 0; k < most; k++) {
      int64_t size =
          dims == NULL ? data->dims[1 + k] : tensor_i64(dims, i * (size_t)most + (size_t)k);
      if (size < 0) break;
      sizes[rank++] = size;
    }
    parts[i] = (Datum){.kind = TYPE_TENSOR};
    parts[i].tensor = slot_tensor(ctx, data, i, slot_size(data), rank, sizes);
    if (parts[i].tensor == NULL) return false;
  }
  return true;
}

/* A row of values for each map. */
static bool unpack_maps(Context *ctx, const Tensor *values, const Tensor *keys, Datum *datum) {
  size_t n = (size_t)values->dims[0];
  Datum *parts = ARENA_ARRAY(ctx->arena, n, Datum);
  *datum = (Datum){.kind = TYPE_SEQUENCE, .parts = parts, .n = n};
  for (size_t i = 0; i < n; i++) {
    parts[i] = (Datum){.kind = TYPE_MAP, .keys = keys};
    parts[i].tensor = slot_tensor(ctx, values, i, slot_size(values), 1, &values->dims[1]);
    if (parts[i].tensor == NULL) return false;
  }
  return true;
}

static bool unpack(Context *ctx, const Tensor *const *tensors, uint32_t n, const Type *type,
                   Datum *datum) {
  Datum *part = ARENA_NEW(ctx->arena, Datum);
  if (type->kind == TYPE_MAP) {
    *datum = (Datum){.kind = TYPE_MAP, .tensor = tensors[0], .keys = tensors[1]};
    return true;
  }
  if (type->element->kind == TYPE_MAP) return unpack_maps(ctx, tensors[0], tensors[1], datum);
  bool optional = type->kind == TYPE_OPTIONAL, nested = unwrap(&type);
  bool good = true;
  if (optional && !nested)
    *part = (Datum){.kind = TYPE_TENSOR, .tensor = tensors[0]};
  else
    good = unpack_sequence(ctx, tensors[0], n - nested == 2 ? tensors[1] : NULL, part);
  *datum = *part;
  if (!optional) return good;
  bool present = tensor_i64(tensors[n - 1], 0) != 0;
  *datum = (Datum){.kind = TYPE_OPTIONAL, .parts = part, .n = present};
  return good;
}

const char *data_unpack(const Graph *graph, const Tensor *const *tensors, Datum *data) {
  Context *ctx = graph->ctx;
  for (size_t i = 0; i < data_outputs(graph); i++) {
    size_t first;
    const Composite *composite =
        find(graph->composite_outputs.data, graph->composite_outputs.len, i, &first);
    if (composite == NULL) {
      data[i] = (Datum){.kind = TYPE_TENSOR, .tensor = tensors[first]};
      continue;
    }
    if (unpack(ctx, tensors + first, composite->n, &composite->type, &data[i])) continue;
    return arena_printf(ctx->arena, "output '%s' has sizes that do not fit its data",
                        text_escape(ctx->arena, composite->name));
  }
  return NULL;
}
