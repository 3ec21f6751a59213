"""A model compiled with --state as a program that keeps one state over many runs.

Program writes around the generated function a main() that takes commands from a file: `reset`, or
a run on these inputs. Memory is of exactly the sizes that the header says, so that sanitizers see
what is outside.
"""
import re
import struct
from pathlib import Path

import numpy as np

from support import C_FLAGS, SOURCE, onnxc, run

TYPES = {"float": np.float32, "double": np.float64, "int64_t": np.int64, "int32_t": np.int32,
         "uint16_t": np.float16, "uint8_t": np.bool_}
OK, DIM, ALIGN, INDEX, STATE, FULL = 0, 2, 3, 4, 8, 9
END, RUN, RESET, SPOIL = range(4)

MAIN = """#include "{name}.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *in, *out;

static int64_t number(void) {{
  int64_t n;
  if (fread(&n, sizeof n, 1, in) != 1) exit(3);
  return n;
}}

static void *data(int64_t *bytes) {{
  *bytes = number();
  void *memory = malloc((size_t)*bytes + (*bytes == 0));
  if (memory == NULL || fread(memory, 1, (size_t)*bytes, in) != (size_t)*bytes) exit(3);
  return memory;
}}

static void answer(int64_t n) {{
  fwrite(&n, sizeof n, 1, out);
}}

static int run(void *state, void *arena) {{
  struct {name}_inputs inputs = {{0}};
  struct {name}_outputs outputs = {{0}};
  int64_t bytes[{n_tensors} + 1];
  void *memory[{n_tensors} + 1];
  int n = 0;
{fill}
  inputs.state = state;
  const int code = {name}_run(&inputs, &outputs, arena, NULL);
  answer(code);
  for (int i = {n_inputs}; i < n && code == 0; i++) {{
    answer(bytes[i]);
    fwrite(memory[i], 1, (size_t)bytes[i], out);
  }}
  for (int i = 0; i < n; i++) free(memory[i]);
  return code;
}}

int main(int argc, char **argv) {{
  if (argc != 3) return 3;
  in = fopen(argv[1], "rb");
  out = fopen(argv[2], "wb");
  void *state = aligned_alloc({upper}_STATE_ALIGN, {upper}_STATE_BYTES);
  void *arena = aligned_alloc({upper}_ARENA_ALIGN, {upper}_ARENA_BYTES + {upper}_ARENA_ALIGN -
                                                   {upper}_ARENA_BYTES % {upper}_ARENA_ALIGN);
  memset(state, 0xA5, {upper}_STATE_BYTES);
  for (int64_t command = number(); command != {end}; command = number()) {{
    if (command == {run}) run(state, arena);
    if (command == {reset}) answer({name}_reset(state));
    if (command == {spoil}) ((unsigned char *)state)[number()] ^= 0xFF;
  }}
  free(state);
  free(arena);
  return fclose(out);
}}
"""


def members(header, kind):
    """(type, name, whether it points) of a generated struct."""
    body = re.search(rf"typedef struct \w+_{kind} {{(.*?)}}", header, re.S).group(1)
    return [(m[1], m[3], bool(m[2])) for m in
            re.finditer(r"^\s*(?:const )?(\w+) (\*?)(\w+);", body, re.M) if m[3] != "state"]


class Program:
    """`options` go to onnxc, `compiler` is a command line."""

    def __init__(self, folder, model, options, compiler, library):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        result = onnxc("compile", model, "-o", folder, "--name", "model", *options)
        if result.returncode:
            raise RuntimeError(f"onnxc exits {result.returncode}: {result.stderr}")
        header = (self.folder / "model.h").read_text()
        self.inputs = members(header, "inputs")
        self.outputs = [member for member in members(header, "outputs") if member[2]]
        self.state_bytes = int(re.search(r"STATE_BYTES (\d+)", header)[1])
        self.build(compiler, library)
        self.log, self.wanted = b"", []

    def build(self, compiler, library):
        """The generated code under every warning; the program around it is C11."""
        tensor = '  memory[n] = data(&bytes[n]);\n  {0}.{1} = memory[n++];'
        fill = [tensor.format("inputs", name) if points else f"  inputs.{name} = number();"
                for _, name, points in self.inputs]
        fill += [tensor.format("outputs", name) for _, name, _ in self.outputs]
        n_inputs = sum(points for *_, points in self.inputs)
        (self.folder / "main.c").write_text(MAIN.format(
            name="model", upper="MODEL", fill="\n".join(fill), n_inputs=n_inputs,
            n_tensors=n_inputs + len(self.outputs), end=END, run=RUN, reset=RESET, spoil=SPOIL))
        include = f"-I{self.folder}", f"-I{SOURCE / 'runtime'}"
        objects = self.folder / "model.o", self.folder / "main.o"
        for words in ((*C_FLAGS, self.folder / "model.c", "-c", "-o", objects[0]),
                      ("-std=c11", self.folder / "main.c", "-c", "-o", objects[1]),
                      (*objects, library, "-lm", "-o", self.folder / "program")):
            built = run(*compiler, *include, *words)
            if built.returncode:
                raise RuntimeError(built.stderr)

    def put(self, *numbers):
        self.log += struct.pack(f"{len(numbers)}q", *numbers)

    def put_array(self, array):
        self.put(array.nbytes)
        self.log += array.tobytes()

    def reset(self):
        self.put(RESET)
        self.wanted.append(None)

    def spoil(self, byte):
        """Changes the state behind the model's back."""
        self.put(SPOIL, byte)

    def run(self, values, shapes):
        """`values` has the sizes and the arrays by member; `shapes` those of the outputs."""
        self.put(RUN)
        for kind, name, points in self.inputs:
            if points:
                self.put_array(np.ascontiguousarray(values[name], TYPES[kind]))
            else:
                self.put(values[name])
        results = [(name, TYPES[kind], shapes[name]) for kind, name, _ in self.outputs]
        for _, dtype, shape in results:
            self.put_array(np.full(shape, 77).astype(dtype))
        self.wanted.append(results)

    def finish(self):
        """What the commands gave, in order: codes, with outputs by name behind a run."""
        self.put(END)
        (self.folder / "commands").write_bytes(self.log)
        result = run(self.folder / "program", self.folder / "commands", self.folder / "answers")
        if result.returncode:
            raise RuntimeError(f"the program exits {result.returncode}: {result.stderr}")
        answers, at = (self.folder / "answers").read_bytes(), 0
        given = []

        def number():
            nonlocal at
            at += 8
            return struct.unpack_from("q", answers, at - 8)[0]
        for results in self.wanted:
            code, outputs = number(), {}
            for name, dtype, shape in results or [] if code == 0 else []:
                size = number()
                outputs[name] = np.frombuffer(answers, dtype, size // np.dtype(dtype).itemsize,
                                              at).reshape(shape)
                at += size
            given.append((code, outputs))
        return given
