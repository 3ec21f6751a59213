#include "onnxc_rt_reference.h"
#include "reference/automaton.h"
#include "reference/element.h"

enum { STATES, RANGES, BEGINS };

int onnxc_rt_ref_full_match(const onnxc_rt_call *call) {
  const onnxc_rt_string *texts = (const onnxc_rt_string *)call->in[0].data;
  onnxc_rt_automaton m =
      onnxc_rt_automaton_of(&call->attr[STATES], &call->attr[RANGES], call->scratch);
  const int64_t first = call->attr[BEGINS].ints[0];
  for (int64_t i = 0; i < onnxc_rt_count(&call->in[0]); i++) {
    onnxc_rt_match match;
    const int found = onnxc_rt_automaton_search(&m, first, texts[i], 0, 1, &match);
    onnxc_rt_store_i64(&call->out[0], i, found && match.end == texts[i].size);
  }
  return ONNXC_RT_OK;
}
