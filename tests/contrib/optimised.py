"""Models as ONNX Runtime optimises them, whose results onnxc must agree with.

    optimised.py CORPUS     every *_dynamic model in the folder

A model is optimised by the runtime itself when it loads it, and transformers also by the package's
optimizer of these, once as each type of model. What is expected is what the runtime computes with
the optimised file: the optimizer takes a mask for padding at the end, which it may not be.
"""
import logging
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import onnxruntime
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, onnxc, passed  # noqa: E402

TRANSFORMERS = ("bert", "gpt2", "vit", "encoder", "decoder")
TYPES = ("bert", "gpt2")
# Width and heads of the corpus.
HIDDEN_SIZE, HEADS = 32, 4
# What the optimizers must have written, or the test shows nothing.
EXPECTED = {"Attention", "BiasGelu", "FastGelu", "FusedConv", "FusedGemm", "FusedMatMul", "Gelu",
            "QuickGelu", "SkipLayerNormalization"}


def by_runtime(source, target):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def by_optimizer(source, target, model_type):
    from onnxruntime.transformers import optimizer
    model = optimizer.optimize_model(str(source), model_type=model_type, num_heads=HEADS,
                                     hidden_size=HIDDEN_SIZE, opt_level=0)
    model.save_model_to_file(str(target))


def load(path):
    return numpy_helper.to_array(onnx.load_tensor(path))


def write_data(source, out):
    """The inputs of all data sets with what the runtime makes of them."""
    session = onnxruntime.InferenceSession(out / "model.onnx", providers=["CPUExecutionProvider"])
    for data in source.glob("test_data_set_*"):
        (out / data.name).mkdir()
        feeds = {}
        for i, value in enumerate(session.get_inputs()):
            shutil.copy(data / f"input_{i}.pb", out / data.name)
            feeds[value.name] = load(data / f"input_{i}.pb")
        for i, array in enumerate(session.run(None, feeds)):
            onnx.save_tensor(numpy_helper.from_array(array), out / data.name / f"output_{i}.pb")


def write_one(source, out, how):
    """In a process of its own, since some models make the runtime crash."""
    logging.disable(logging.CRITICAL)
    onnxruntime.set_default_logger_severity(4)
    out.mkdir(parents=True)
    if how == "runtime":
        by_runtime(source / "model.onnx", out / "model.onnx")
    else:
        by_optimizer(source / "model.onnx", out / "model.onnx", how)
    write_data(source, out)


def operators(folder):
    nodes = onnx.load(folder / "model.onnx").graph.node
    return Counter(node.op_type for node in nodes if node.domain == "com.microsoft")


def main(corpus):
    sources = sorted(path.parent for path in Path(corpus).glob("*_dynamic/model.onnx"))
    tasks = [(source, how) for source in sources for how in ("runtime", *TYPES)
             if how == "runtime" or source.name.startswith(TRANSFORMERS)]
    with tempfile.TemporaryDirectory() as root, ThreadPoolExecutor(JOBS) as pool:
        folders = [Path(root) / f"{source.name}_{how}" for source, how in tasks]

        def write(task):
            (source, how), folder = task
            return subprocess.run([sys.executable, __file__, source, folder, how], check=False,
                                  capture_output=True).returncode
        codes = list(pool.map(write, zip(tasks, folders)))
        good = [folder for folder, code in zip(folders, codes) if code == 0]
        print(f"{len(good)} of {len(folders)} models optimised; not:",
              *(folder.name for folder, code in zip(folders, codes) if code != 0))
        found = sum((operators(folder) for folder in good), Counter())
        print(*(f"{name} {n}," for name, n in sorted(found.items())))
        result = onnxc("test", "--jobs", JOBS, *good, timeout=None)
        print(result.stdout, result.stderr)
        if EXPECTED - set(found):
            print("never written:", *(EXPECTED - set(found)))
        sys.exit(not passed(result) or bool(EXPECTED - set(found)) or len(good) < len(folders) // 2)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        write_one(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
