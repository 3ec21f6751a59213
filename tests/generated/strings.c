/* Calls a generated function on strings with all that it must take, and all that it must refuse.
 * The model puts an ending behind each of its words [count], count from 0 to 4, and picks constant
 * strings by index: see check_errors.py. Built with the sanitizers, and in memory of exactly the
 * size that is needed, so touching memory outside is an error too. */
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 4, PICKED = 3, LONG = 5000 };

static int faults;

static void expect(const char *what, int actual, int expected) {
  if (actual == expected) return;
  printf("%s: returned %d, expected %d\n", what, actual, expected);
  faults++;
}

static int is(onnxc_rt_string string, const char *bytes, ptrdiff_t size) {
  return string.size == size && (size == 0 || memcmp(string.bytes, bytes, (size_t)size) == 0);
}

/* The results of a run on these words and the ending "\0-". */
static void check_results(const onnxc_rt_string *words, int64_t count, const words_outputs *out) {
  for (int64_t i = 0; i < count; i++) {
    char joined[64];
    if (words[i].size != 0) memcpy(joined, words[i].bytes, (size_t)words[i].size);
    memcpy(joined + words[i].size, "\0-", 2);
    expect("a joined word", is(out->joined[i], joined, words[i].size + 2), 1);
  }
  expect("a constant with a NUL", is(out->picked[0], "a\0\"?\?/", 6), 1);
  expect("the empty constant", is(out->picked[1], "", 0), 1);
  expect("a long constant", out->picked[2].size == LONG && out->picked[2].bytes[LONG - 1] == '\'',
         1);
}

/* Runs with so much memory for text. */
static int run(const onnxc_rt_string *words, int64_t count, ptrdiff_t text_bytes) {
  const onnxc_rt_string ending = {"\0-", 2};
  const int64_t index[PICKED] = {1, 0, 2};
  size_t n = count > 0 ? (size_t)count : 0;
  onnxc_rt_string *given = malloc(n * sizeof *given + 1);
  char *text = malloc(text_bytes > 0 ? (size_t)text_bytes : 1);
  if (n != 0) memcpy(given, words, n * sizeof *given);
  words_outputs out = {.joined = malloc(n * sizeof *given + 1),
                       .picked = malloc(PICKED * sizeof *given),
                       .text = text,
                       .text_bytes = text_bytes};
  const words_inputs in = {.count = count, .words = given, .ending = &ending, .index = index};
  int error = words_run(&in, &out, NULL, NULL);
  if (error == ONNXC_RT_OK) check_results(words, count, &out);
  free(given);
  free(text);
  free(out.joined);
  free(out.picked);
  return error;
}

static void check_text(void) {
  static const onnxc_rt_string words[MAX + 1] = {{"two", 3}, {"a\0b", 3}, {NULL, 0}, {"\xff", 1}};
  expect("text of 13 bytes", run(words, MAX, 13), ONNXC_RT_OK);
  for (ptrdiff_t bytes = -1; bytes < 13; bytes++) {
    expect("too little text", run(words, MAX, bytes), ONNXC_RT_ERROR_TEXT);
  }
  expect("the least negative text", run(words, MAX, PTRDIFF_MIN), ONNXC_RT_ERROR_TEXT);
  expect("no words", run(words, 0, 0), ONNXC_RT_OK);
  expect("a word that is the ending", run(&words[2], 1, 0), ONNXC_RT_OK);
  expect("five words", run(words, MAX + 1, 0), ONNXC_RT_ERROR_DIM);
}

static void check_strings(void) {
  static const onnxc_rt_string negative[] = {{"x", 1}, {"y", -1}};
  static const onnxc_rt_string null[] = {{"x", 1}, {NULL, 1}};
  static const onnxc_rt_string huge[] = {{"x", PTRDIFF_MAX}};
  expect("a negative size", run(negative, 2, 64), ONNXC_RT_ERROR_VALUE);
  expect("bytes that are null", run(null, 2, 64), ONNXC_RT_ERROR_NULL);
  expect("a size of 2^63 - 1", run(huge, 1, 64), ONNXC_RT_ERROR_TEXT);
}

static void check_pointers(void) {
  onnxc_rt_string string = {"x", 1}, results[PICKED];
  const int64_t index[PICKED] = {0};
  const words_inputs in = {.count = 1, .words = &string, .ending = &string, .index = index};
  words_outputs out = {.joined = &string, .picked = results, .text = NULL, .text_bytes = 64};
  expect("text null", words_run(&in, &out, NULL, NULL), ONNXC_RT_ERROR_NULL);
}

int main(void) {
  check_text();
  check_strings();
  check_pointers();
  return faults != 0;
}
