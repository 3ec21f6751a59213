/* One self-contained page: page.html with the json view's document inside. */
#include "inspect/inspect.h"

#include <string.h>

extern const char inspect_page[]; /* page.html, from the build */

/* The document as the content of a script element: nothing in it can end that. */
static void write_data(Out *w, const char *json) {
  while (*json != '\0') {
    size_t plain = strcspn(json, "<");
    out_bytes(w, json, plain);
    json += plain;
    if (*json == '<') {
      out(w, "\\u003c");
      json++;
    }
  }
}

bool view_html(Compilation *c, Out *w) {
  static const char mark[] = "@DATA@";
  const char *data = strstr(inspect_page, mark);
  Out *json = out_memory(c->arena);
  inspect_json(c, json);
  out_bytes(w, inspect_page, (size_t)(data - inspect_page));
  write_data(w, out_text(json, NULL));
  out_bytes(w, data + sizeof mark - 1, strlen(data + sizeof mark - 1));
  return true;
}
