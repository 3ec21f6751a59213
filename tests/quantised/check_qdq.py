"""Networks quantised by ONNX Runtime's tools in the QDQ format run on integers, and give what ONNX
Runtime gives.

    check_qdq.py [--figures]    with the memory of each network, and its time beside ONNX Runtime's

Each is compared twice. ONNX Runtime that optimises computes QLinear operators, as the generated code
does: their results are the same bit for bit. (On x86 without VNNI its products of u8 and s8
saturate in 16 bits, which would be its error; activations and weights here are such that they
could.) ONNX Runtime that does not optimise computes in f32 between the quantisations; there a
number at the middle between two steps may be rounded to the other one, which none of the numbers
here are. Softmax is computed in f32 here and by a table there, which is less exact, so with it
only the second comparison is close: as close as products with the scale of f32 are.

Every product of the network is one step, which reads and writes bytes, and nothing is quantised or
dequantised by itself but the input and the output. Where the scales are found while it runs, the
input of products takes one step to quantise, and the product with all that rescales it another.
"""
import argparse
import json
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                      quantize_dynamic, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))
from support import onnxc, passed  # noqa: E402
from tiny import TINY, Encoder  # noqa: E402

U8, S8 = QuantType.QUInt8, QuantType.QInt8
WAYS = {"u8_s8_channels": (U8, S8, True), "s8_s8": (S8, S8, False),
        "s8_s8_channels": (S8, S8, True), "u8_u8": (U8, U8, False)}
# Products of each network, and bytes of the arena at most. What MLPerf Tiny's sizes need is two
# tensors at once, and what is gathered from them.
STEPS = {"resnet8": 10, "dscnn": 10, "mobilenet": 28, "autoencoder": 10}
ARENA = {"resnet8": 39 * 1024, "dscnn": 11 * 1024, "mobilenet": 55 * 1024, "autoencoder": 768}
# The same at -Os, which computes the first layers in strips.
SMALL_ARENA = {"resnet8": 25 * 1024, "dscnn": 8704, "mobilenet": 14336, "autoencoder": 768}
PRODUCTS = {"ConvInteger", "MatMulInteger"}


class Calibration(CalibrationDataReader):
    def __init__(self, shape):
        self.batches = iter(np.random.default_rng(0).normal(size=(8, 1, *shape)).astype("f4"))

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"x": batch}


def export(network, path):
    torch.onnx.export(network.eval(), torch.zeros(1, *network.shape), path, input_names=["x"],
                      output_names=["y"], opset_version=17, dynamo=False)
    quant_pre_process(path, path, skip_symbolic_shape=True)


def session(model, optimised, threads=1):
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = (level.ORT_ENABLE_ALL if optimised else
                                        level.ORT_DISABLE_ALL)
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def inputs(shape):
    return np.random.default_rng(1).normal(size=(1, *shape)).astype(np.float32)


def compare(folder, expected, steps):
    """Faults of the model beside results that may differ by so many steps of the output."""
    data = folder / "test_data_set_0"
    data.mkdir(exist_ok=True)
    onnx.save_tensor(numpy_helper.from_array(inputs(expected["shape"])), data / "input_0.pb")
    onnx.save_tensor(numpy_helper.from_array(expected["y"]), data / "output_0.pb")
    atol = steps * np.ptp(expected["y"]) / 200
    results = [onnxc("test", level, "--rtol", "0", "--atol", repr(float(atol)), folder, "-v")
               for level in ("-O2", "-Os")]
    return [f"{folder.name}: {r.stdout}{r.stderr}" for r in results if not passed(r)]


def inspect(folder, level="-O2"):
    return json.loads(onnxc("inspect", level, folder / "model.onnx", "--format", "json").stdout)


def shape_faults(name, folder):
    """What is wrong with the steps and the memory of a network without attention."""
    report = inspect(folder)
    steps, faults = report["steps"], []
    products = [step for step in steps if PRODUCTS & set(step["ops"])]
    if len(products) != STEPS[name]:
        faults.append(f"{len(products)} products instead of {STEPS[name]}")
    allowed = [("row", {"QuantizeLinear"})]
    others = [step for step in steps if step not in products]
    for step in others:
        row = step["kind"] == "row" and "ReduceSum" in step["ops"]
        if not row and (step["kind"], set(step["ops"])) not in allowed:
            faults.append(f"step {step['id']} is {step['kind']} of {step['ops']}")
    for step in products[:-1]:
        if "DequantizeLinear" in step["ops"]:
            faults.append(f"step {step['id']} dequantises")
    for level, limits in (("-O2", ARENA), ("-Os", SMALL_ARENA)):
        arena = inspect(folder, level)["memory"]["arena_bytes"]
        if arena > limits[name]:
            faults.append(f"the arena has {arena} bytes at {level}")
    return [f"{folder.name}: {fault}" for fault in faults]


def dynamic_faults(folder):
    """The same of a network that finds its scales while it runs."""
    steps, faults = inspect(folder)["steps"], []
    for step in steps:
        ops = step["ops"]
        if PRODUCTS & set(ops):
            if step["kind"] != "contraction" or not {"Cast", "Mul", "Add"} <= set(ops):
                faults.append(f"step {step['id']} is a product without its scale")
        elif "QuantizeLinear" in ops:
            if not {"ReduceMin", "ReduceMax", "Div"} <= set(ops):
                faults.append(f"step {step['id']} quantises without its range")
        elif {"ReduceMin", "Cast"} & set(ops) or ops == ["Mul"]:
            faults.append(f"step {step['id']} is {ops}")
    return [f"{folder.name}: {fault}" for fault in faults]


def check(root, name, network, way, quantise, tolerances):
    """Faults of one network, quantised in one way."""
    folder = root / f"{name}-{way}"
    folder.mkdir()
    quantise(root / f"{name}.onnx", folder / "model.onnx")
    faults = []
    for optimised, steps in zip((True, False), tolerances):
        y = session(folder / "model.onnx", optimised).run(None, {"x": inputs(network.shape)})[0]
        found = compare(folder, {"shape": network.shape, "y": y}, steps)
        faults += [f"optimised={optimised}: {fault}" for fault in found]
    if way.startswith("dynamic"):
        return faults + dynamic_faults(folder)
    return faults + (shape_faults(name, folder) if name in TINY else [])


def static(way, shape):
    activations, weights, per_channel = WAYS[way]

    def quantise(model, path):
        quantize_static(model, path, Calibration(shape), quant_format=QuantFormat.QDQ,
                        activation_type=activations, weight_type=weights, per_channel=per_channel)
    return quantise


def dynamic(weights, per_channel):
    def quantise(model, path):
        quantize_dynamic(model, path, weight_type=weights, per_channel=per_channel)
    return quantise


def median_us(function, repeats=30):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e6 * sorted(times)[repeats // 2]


def figures(root, name, network):
    """Memory, and time beside that of ONNX Runtime, both measured in turns."""
    folder = root / f"{name}-s8_s8_channels"
    model, x = folder / "model.onnx", inputs(network.shape)
    peer, ours, theirs = session(model, True), [], []
    for _ in range(3):
        theirs.append(median_us(lambda: peer.run(None, {"x": x}), 60))
        ours.append(json.loads(onnxc("bench", model, "--json").stdout)["median_us"])
    memory, small = (inspect(folder, level)["memory"] for level in ("-O2", "-Os"))
    return (f"{name}: arena {memory['arena_bytes']:,} bytes, {small['arena_bytes']:,} at -Os, "
            f"weights {memory['weight_bytes']:,}; "
            f"{min(ours):.0f} us, ONNX Runtime {min(theirs):.0f} us, "
            f"ratio {min(ours) / min(theirs):.2f}")


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    onnxruntime.set_default_logger_severity(4)
    parser = argparse.ArgumentParser()
    parser.add_argument("--figures", action="store_true")
    wanted = parser.parse_args()
    torch.manual_seed(0)
    faults, count = [], 0
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        for name, network in (TINY | {"encoder": Encoder}).items():
            export(network(), root / f"{name}.onnx")
            tolerances = (0, 0) if name in TINY else (12, 1)
            for way in WAYS:
                faults += check(root, name, network, way, static(way, network.shape), tolerances)
                count += 1
            if wanted.figures:
                print(figures(root, name, network), flush=True)
        for way, quantise in {"dynamic_u8": dynamic(U8, False),
                              "dynamic_s8_channels": dynamic(S8, True)}.items():
            faults += check(root, "encoder", Encoder, way, quantise, (1, 1))
            count += 1
    print(*faults, f"{count} quantised networks, {len(faults)} faults", sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
