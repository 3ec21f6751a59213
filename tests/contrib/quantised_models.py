"""Small networks for handwritten digits, quantised by ONNX Runtime's tools in each of their ways,
give what ONNX Runtime computes without optimising the graph.

In the operator-oriented format (QOperator) results are the same bit for bit. Elsewhere float
products lie between the quantisations, and another order of their sums can move a number by a step.
Some are also taken as ONNX Runtime's optimiser leaves them, with contributed operators in them.
"""
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                      matmul_nbits_quantizer, quantize_dynamic, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent.parent))
import peer  # noqa: E402
from support import onnxc, passed  # noqa: E402

DIGITS = load_digits()
IMAGES = (DIGITS.images[:, None] / 16).astype(np.float32)
TRAINED, TESTED = slice(0, 1400), slice(1400, 1464)


# ---- networks ------------------------------------------------------------------------------------

class Perceptron(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 32),
                                    nn.Sigmoid(), nn.Linear(32, 10))

    def forward(self, x):
        return self.layers(x)


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.last = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.first(x))
        x = F.max_pool2d(x + F.leaky_relu(self.grouped(x), 0.1), 2)
        return self.head(F.adaptive_avg_pool2d(torch.relu(self.last(x)), 1).flatten(1))


class Transformer(nn.Module):
    """Rows of the image are tokens."""
    def __init__(self):
        super().__init__()
        self.embedding, self.places = nn.Linear(8, 32), nn.Parameter(torch.randn(8, 32) / 10)
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(2))
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
        self.up, self.down, self.head = nn.Linear(32, 64), nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, x):
        x = self.embedding(x[:, 0]) + self.places
        q, k, v = self.qkv(self.norms[0](x)).reshape(-1, 8, 3, 4, 8).permute(2, 0, 3, 1, 4)
        scores = torch.softmax(q @ k.transpose(-1, -2) / 8 ** 0.5, -1)
        x = x + self.out((scores @ v).transpose(1, 2).reshape(-1, 8, 32))
        x = x + self.down(F.gelu(self.up(self.norms[1](x))))
        return self.head(x.mean(1))


def trained(network):
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    x, y = torch.tensor(IMAGES[TRAINED]), torch.tensor(DIGITS.target[TRAINED])
    for _ in range(60):
        some = torch.randint(0, len(x), (128,))
        optimizer.zero_grad()
        F.cross_entropy(network(x[some]), y[some]).backward()
        optimizer.step()
    return network.eval()


def export(network, path):
    torch.onnx.export(trained(network), torch.tensor(IMAGES[:4]), path, input_names=["x"],
                      output_names=["y"], opset_version=18, dynamo=False,
                      dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})
    quant_pre_process(path, path, skip_symbolic_shape=True)


# ---- ways to quantise ----------------------------------------------------------------------------

class Calibration(CalibrationDataReader):
    def __init__(self):
        self.batches = iter(np.split(IMAGES[:256], 8))

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"x": batch}


def static(form, activations, weights, per_channel=False):
    contributed = activations.name.endswith("16") or weights.name.endswith("4")

    def quantise(model, path):
        quantize_static(model, path, Calibration(), quant_format=form, activation_type=activations,
                        weight_type=weights, per_channel=per_channel,
                        extra_options={"UseQDQContribOps": contributed})
    return quantise


def dynamic(weights, per_channel):
    def quantise(model, path):
        quantize_dynamic(model, path, weight_type=weights, per_channel=per_channel)
    return quantise


def low_bit(form, bits, symmetric):
    def quantise(model, path):
        quantizer = matmul_nbits_quantizer.MatMulNBitsQuantizer(
            onnx.load(model), bits=bits, block_size=16, is_symmetric=symmetric, quant_format=form)
        quantizer.process()
        quantizer.model.save_model_to_file(path)
    return quantise


QDQ, OPERATORS = QuantFormat.QDQ, QuantFormat.QOperator
U8, S8, U16, S4 = QuantType.QUInt8, QuantType.QInt8, QuantType.QUInt16, QuantType.QInt4
WAYS = {
    "qdq_u8_u8": static(QDQ, U8, U8),
    "qdq_u8_s8_channels": static(QDQ, U8, S8, True),
    "qdq_s8_s8_channels": static(QDQ, S8, S8, True),
    "qdq_u16_s8": static(QDQ, U16, S8),
    "qdq_u8_s4": static(QDQ, U8, S4),
    "operators_u8_u8": static(OPERATORS, U8, U8),
    "operators_u8_u8_channels": static(OPERATORS, U8, U8, True),
    "operators_u8_s8_channels": static(OPERATORS, U8, S8, True),
    "operators_s8_s8": static(OPERATORS, S8, S8),
    "operators_s8_s8_channels": static(OPERATORS, S8, S8, True),
    "dynamic_u8": dynamic(U8, False),
    "dynamic_s8_channels": dynamic(S8, True),
    "operators_4": low_bit(OPERATORS, 4, False),
    "operators_8": low_bit(OPERATORS, 8, True),
    "qdq_4": low_bit(QDQ, 4, True),
}
OPTIMISED = ("qdq_u8_s8_channels", "qdq_u8_u8", "operators_s8_s8", "dynamic_u8")
# Gemm is no MatMul, so the tools leave the other networks as they are.
LOW_BIT = [name for name in WAYS if name[-2:] in ("_4", "_8") and name.count("_") == 1]


# ---- comparison ----------------------------------------------------------------------------------

def optimised(quantise):
    """Quantises, and has ONNX Runtime optimise the result."""
    def both(model, path):
        quantise(model, path)
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(onnx.load(path).SerializeToString(), options,
                                     providers=["CPUExecutionProvider"])
    return both


def write(folder, quantise, model):
    """A case for `onnxc test`, and how exact it is."""
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    quantise(model, folder / "model.onnx")
    x = IMAGES[TESTED]
    y = peer.run_peer(onnx.load(folder / "model.onnx"), {"x": x})[0]
    for name, array in (("input_0", x), ("output_0", y)):
        onnx.save_tensor(numpy_helper.from_array(array), data / f"{name}.pb")
    right = np.mean(y.argmax(1) == DIGITS.target[TESTED])
    assert right > 0.5, f"{folder.name}: quantised to nonsense, {right:.0%} right"
    if folder.name.split("-")[1].startswith("operators_") and folder.name[-2:] not in ("_4", "_8"):
        return 0
    return np.ptp(y) / 100 if "qdq" in folder.name or "dynamic" in folder.name else 1e-4


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    torch.manual_seed(0)
    wrong, count = [], 0
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        for network in (Perceptron, Convolutions, Transformer):
            name = network.__name__.lower()
            model = root / f"{name}.onnx"
            export(network(), model)
            some = {f"{way}_optimised": optimised(WAYS[way]) for way in OPTIMISED}
            for way, quantise in (WAYS | some).items():
                if way in LOW_BIT and network is not Transformer:
                    continue
                folder = root / f"{name}-{way}"
                atol = write(folder, quantise, model)
                result = onnxc("test", "--rtol", "0", "--atol", atol, folder, "-v")
                count += 1
                if not passed(result):
                    wrong.append(result.stdout + result.stderr)
    print(*wrong, f"{count} quantised models, {len(wrong)} wrong", sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
