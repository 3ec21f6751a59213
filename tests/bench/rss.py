"""Prints the peak memory of processes that run BERT-base and ResNet-50 once, weights and all.

    rss.py [bert] [resnet]

The weights are random. The generated code runs in a program of its own, with the weights in the
executable, of which the system loads what is read: not the rows of embeddings that nobody looks up.
ONNX Runtime runs in Python; what Python takes that has loaded it, and runs nothing, is subtracted.
Both with one thread.
"""
import sys
import tempfile
from pathlib import Path

import onnx
import torch
from onnx import helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import ONNXC, SOURCE, onnxc, run  # noqa: E402

IDLE = "import numpy, onnxruntime, sys"
RUNS = IDLE + """
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
types = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64}
session.run(None, {x.name: numpy.zeros(x.shape, types[x.type]) for x in session.get_inputs()})
"""
# A process begins with what the one that starts it has in memory, and so does its peak: a small one
# has to.
LAUNCH = """
import os, sys
child = os.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
PROGRAM = """#include "model.h"
#include <stdlib.h>
int main(void) {{
  struct model_inputs inputs = {{0}};
  struct model_outputs outputs = {{0}};
  void *arena = aligned_alloc(MODEL_ARENA_ALIGN, MODEL_ARENA_BYTES);
{members}
  return model_run(&inputs, &outputs, arena, NULL);
}}
"""


def bert():
    from transformers import BertConfig, BertModel
    ids = torch.zeros(1, 128, dtype=torch.int64)
    return BertModel(BertConfig(attn_implementation="eager")), {
        "input_ids": ids, "attention_mask": torch.ones_like(ids)}


def resnet():
    from transformers import ResNetConfig, ResNetModel
    return ResNetModel(ResNetConfig()), {"pixel_values": torch.zeros(1, 3, 224, 224)}


def export(make, path):
    network, inputs = make()
    torch.onnx.export(network.eval(), (), path, kwargs=inputs, dynamo=True, external_data=False,
                      verbose=False)


def peak_kib(*command):
    result = run(sys.executable, "-S", "-c", LAUNCH, *command)
    if result.returncode:
        sys.exit(f"{command[0]} fails: {result.stderr}")
    return int(result.stdout)


def members(model):
    for kind, values in (("inputs", model.graph.input), ("outputs", model.graph.output)):
        for value in values:
            kind_of = value.type.tensor_type
            count = helper.tensor_dtype_to_np_dtype(kind_of.elem_type).itemsize
            for dim in kind_of.shape.dim:
                count *= dim.dim_value
            yield f"  {kind}.{value.name} = calloc({count}, 1);"


def build(path, folder):
    """The program, and the bytes of its arena and weights."""
    made = onnxc("compile", path, "-o", folder, "--name", "model", "--weights", "incbin")
    if made.returncode:
        sys.exit(made.stderr)
    model = onnx.load(path)
    (folder / "main.c").write_text(PROGRAM.format(members="\n".join(members(model))))
    built = run("cc", "-O2", f"-I{SOURCE / 'runtime'}", "main.c", "model.c",
                ONNXC.parent / "libonnxc_rt.a", "-lm", "-o", "main", cwd=folder)
    if built.returncode:
        sys.exit(built.stderr)
    arena = next(int(line.split()[2]) for line in (folder / "model.h").read_text().splitlines()
                 if line.startswith("#define MODEL_ARENA_BYTES"))
    return folder / "main", arena, (folder / "model.weights.bin").stat().st_size


def row(name):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = folder / "model.onnx"
        # a process of its own: what it takes is not to be inherited
        run(sys.executable, __file__, "--export", name, path)
        if not path.exists():
            sys.exit(f"{name}: no model")
        program, arena, weights = build(path, folder)
        ours = peak_kib(program)
        theirs = peak_kib(sys.executable, "-c", RUNS, path) - peak_kib(sys.executable, "-c", IDLE)
    mib = lambda count: f"{count / 2**20:.1f}"
    return (f"| {name} | {mib(weights)} | {mib(arena)} | {mib(ours * 1024)} | {mib(theirs * 1024)} | "
            f"{ours / theirs:.2f} |")


def main():
    makers = {"bert": bert, "resnet": resnet}
    if sys.argv[1:2] == ["--export"]:
        export(makers[sys.argv[2]], sys.argv[3])
        return
    print("| model | weights, MiB | arena | peak of the process | ONNX Runtime | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in sys.argv[1:] or makers:
        print(row(name), flush=True)


if __name__ == "__main__":
    main()
