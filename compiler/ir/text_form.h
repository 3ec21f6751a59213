/* The text form of a graph, shared by its printer and its parser.
 *
 *   file      = { "dim" symbol "=" int ".." [ int ] } graph
 *   graph     = "graph" string "{" { statement } "}"
 *   statement = "input" result
 *             | "capture" value [ ":" type ] "=" int          stands for that input of the holder
 *             | "output" value [ ":" type ]
 *             | "const" value "=" tensor
 *             | node
 *   node      = [ result { "," result } ] "=" operator "(" [ operands ] [ ";" operands ] ")"
 *               [ "{" [ attr { "," attr } ] "}" ] [ string ] [ "from" { string } ]
 *   result    = "_" | value [ ":" type [ "<" [ dims ] ">" ] ]  in < >: symbolic contents
 *   operands  = operand { "," operand }                        behind ";": what subgraphs capture
 *   operand   = "_" | value                                    "_" is absent
 *   operator  = [ domain "." ] name
 *   attr      = name "=" ( int | float | string | list | tensor | graph )
 *   list      = [ "ints" | "floats" | "strings" | "dims" ] "[" [ item { "," item } ] "]"
 *   type      = dtype "[" [ "?" | dims ] "]" | "seq" "(" type ")" | "optional" "(" type ")" | "?"
 *   tensor    = dtype "[" [ int { "," int } ] "]" data
 *   data      = "{" [ element { "," element } ] "}" | "bits" "{" { hex digits } "}"
 *   element   = int | float | string
 *   float     = decimal or hexadecimal | "inf" | "-inf" | "#" hex digits      (its bit pattern)
 *   value     = "%" ( word | string ) [ "#" int ]              #N: the Nth value of that name
 *   symbol    = word | string
 *
 * dims are as dim_parse reads them. Strings escape everything but plain ASCII as three octal
 * digits. The units of `bits` are stored elements, or their bytes where types are packed. The name
 * of a node comes in front of its origins, which are its name alone unless "from" says otherwise.
 * Comments begin with two slashes. */
#ifndef ONNXC_IR_TEXT_FORM_H
#define ONNXC_IR_TEXT_FORM_H

#include "ir/dtype.h"

#include <ctype.h>

/* Bytes that one unit of `bits` stands for. */
static inline size_t text_unit(DType dtype) {
  int bits = dtype_info(dtype)->bits;
  return bits <= 8 ? 1 : bits >= 64 ? 8 : (size_t)bits / 8;
}

/* May stand in a word, which begins with no digit, no minus and no comment. */
static inline bool text_in_word(char c) {
  return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '/' || c == '-';
}

#endif
