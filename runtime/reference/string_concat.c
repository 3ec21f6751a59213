#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/text.h"

/* One beside nothing stays where it is. */
static int join(onnxc_rt_text *text, const onnxc_rt_string *a, const onnxc_rt_string *b,
                onnxc_rt_string *joined) {
  const ptrdiff_t used = text->used;
  *joined = a->size == 0 ? *b : *a;
  if (a->size == 0 || b->size == 0) return 1;
  const int fits =
      onnxc_rt_text_put(text, a->bytes, a->size) && onnxc_rt_text_put(text, b->bytes, b->size);
  *joined = onnxc_rt_text_since(text, used);
  return fits;
}

int onnxc_rt_ref_string_concat(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->in[1], *z = &call->out[0];
  const onnxc_rt_string *a = (const onnxc_rt_string *)x->data;
  const onnxc_rt_string *b = (const onnxc_rt_string *)y->data;
  onnxc_rt_string *joined = (onnxc_rt_string *)z->data;
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, z->dims, z->rank);
  onnxc_rt_walk_broadcast(&walk, x->dims, x->rank);
  onnxc_rt_walk_broadcast(&walk, y->dims, y->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    if (!join(call->text, &a[walk.at[0]], &b[walk.at[1]], &joined[i])) return ONNXC_RT_ERROR_TEXT;
  }
  return ONNXC_RT_OK;
}
