"""DFT in all its forms against NumPy in double precision; STFT, windows and MelWeightMatrix with
drawn attributes against ONNX's reference evaluator.

    transforms.py FOLDER
"""
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, node_model, onnxc, passed, tensor_info, write_case  # noqa: E402

RANDOM = np.random.default_rng(5)
ROOT = Path(sys.argv[1])
# The largest error of results of size 1: some roundings in the type.
TOLERANCES = {np.float32: 5e-7, np.float64: 2e-15, np.float16: 1e-3, ml_dtypes.bfloat16: 8e-3}
# Powers, products of small primes, primes in mixed radix, and those of Bluestein.
LENGTHS = [1, 2, 3, 4, 5, 8, 30, 49, 61, 64, 67, 97, 122, 134, 360, 1000, 1009, 1024]


def scalar(value):
    return np.asarray(value, np.int64)


def parts(z):
    return np.stack([z.real, z.imag], -1)


def dft(x, length, axis, inverse, onesided):
    z = x[..., 0] + 1j * x[..., 1] if x.shape[-1] == 2 else x[..., 0]
    if inverse and onesided:
        return np.fft.irfft(z, length, axis)[..., None]
    transform = np.fft.ifft if inverse else np.fft.rfft if onesided else np.fft.fft
    return parts(transform(z, length, axis))


def dft_case(dtype, opset, shape, axis, length, inverse, onesided, number):
    """`axis` counts from 0; `length` None: that of the signal."""
    n = length or (2 * (shape[axis] - 1) if inverse and onesided else shape[axis])
    x = (RANDOM.normal(size=shape) * n ** (0.5 if inverse else -0.5)).astype(dtype)
    y = dft(x.astype(np.float64), length, axis, inverse, onesided).astype(dtype)
    attributes = dict(inverse=int(inverse), onesided=int(onesided))
    constants = [scalar(length)] if length else [None]
    if opset >= 20:
        constants.append(scalar(axis - (number % 2) * len(shape)))
    else:
        attributes["axis"] = axis
    model = node_model("DFT", [x], [y], opset=opset, constants=constants, **attributes)
    write_case(ROOT / np.dtype(dtype).name / f"{number}", model, [x], [y])


def dft_cases():
    number = 0
    for dtype in TOLERANCES:
        for length in LENGTHS if dtype in (np.float32, np.float64) else (6, 67):
            for inverse, onesided in ((False, False), (True, False), (False, True), (True, True)):
                opset = 20 if inverse and onesided else (17, 20)[number % 2]
                size = length // 2 + 1 if inverse and onesided else length
                real = onesided and not inverse or not onesided and number % 3 == 0
                shape = ((size, 2), (2, size, 3), (3, 2, size), (size, 4))[number % 4] + (1 if real else 2,)
                axis = (0, 1, 2, 0)[number % 4]
                # Longer and shorter than the signal, and as it is.
                wanted = (None, length, length + 3, length - length // 3)[number % 4 if length > 1 else 0]
                if inverse and onesided and wanted is None:
                    wanted = length
                dft_case(dtype, opset, shape, axis, wanted, inverse, onesided, number)
                number += 1


def reference_case(name, model, inputs):
    names = [value.name for value in model.graph.input]
    outputs = ReferenceEvaluator(model).run(None, dict(zip(names, inputs)))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    for size in outputs[0].shape:
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = size
    write_case(ROOT / "reference" / name, model, inputs, outputs)


def stft_cases():
    for number in range(12):
        dtype = (np.float32, np.float64)[number % 2]
        length, frame, step = RANDOM.integers(20, 60), RANDOM.integers(1, 20), RANDOM.integers(1, 9)
        onesided = number % 3 == 0
        x = RANDOM.normal(size=(2, length, 1 if onesided else 1 + number % 2)).astype(dtype)
        window = RANDOM.uniform(size=frame).astype(dtype)
        constants = ([scalar(step), window], [scalar(step), None, scalar(frame)],
                     [scalar(step), window, scalar(frame)])[number % 3]
        y = np.zeros((1,) * 4, dtype)
        model = node_model("STFT", [x], [y], constants=constants, onesided=int(onesided))
        reference_case(f"stft_{number}", model, [x])


def window_cases():
    # In float16 the reference rounds on the way.
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        for number, size in enumerate((2, 5, 16, 33, 64)):
            kind = kinds[number % 2]
            y = np.zeros(size, onnx.helper.tensor_dtype_to_np_dtype(kind))
            model = node_model(op, [], [y], constants=[scalar(size)], periodic=number // 2 % 2, output_datatype=kind)
            reference_case(f"{op}_{number}", model, [])


def mel_cases():
    for number in range(8):
        bands, length = RANDOM.integers(2, 12), 2 * RANDOM.integers(16, 200)
        rate = int(RANDOM.choice([8000, 16000, 22050]))
        low, high = np.float32(RANDOM.uniform(0, 200)), np.float32(RANDOM.uniform(rate / 4, rate / 2))
        kind = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)[number % 2]
        y = np.zeros((1, 1), onnx.helper.tensor_dtype_to_np_dtype(kind))
        constants = [scalar(bands), scalar(length), scalar(rate), low.reshape(()), high.reshape(())]
        reference_case(f"mel_{number}", node_model("MelWeightMatrix", [], [y], constants=constants,
                                                   output_datatype=kind), [])


def symbolic_cases():
    """Lengths that only the run knows."""
    for name, dims, axis, inverse, onesided in (("forward", ["n", 3, 2], 0, False, False), ("inverse", [3, "n", 2], 1, True, False),
                                                ("half", [2, "n", 1], 1, False, True), ("real", ["n", 2, 2], 0, True, True)):
        x = RANDOM.normal(size=[17 if size == "n" else size for size in dims]).astype(np.float32)
        y = dft(x.astype(np.float64), None, axis, inverse, onesided).astype(np.float32)
        model = node_model("DFT", [x], [y], constants=[None, scalar(axis)], inverse=int(inverse), onesided=int(onesided))
        model.graph.input[0].CopyFrom(tensor_info("x0", x, dims))
        model.graph.output[0].CopyFrom(tensor_info("y0", y, [f"size_{i}" for i in range(3)]))
        write_case(ROOT / "symbolic" / name, model, [x], [y])
    result = onnxc("test", "--dim", "n=1..70", "--atol", "1e-5", ROOT / "symbolic")
    print(result.stdout, result.stderr)
    return passed(result)


def accuracy():
    """Errors of long transforms, in units of the result's norm, are no larger than NumPy's."""
    faults = 0
    for n in (1000, 4096, 10007, 2 ** 16):
        for inverse in (False, True):
            x = RANDOM.normal(size=(1, n, 2)).astype(np.float32)
            z = (x[..., 0] + 1j * x[..., 1]).astype(np.complex64)
            transform = np.fft.ifft if inverse else np.fft.fft
            right = transform(z.astype(np.complex128))
            model = node_model("DFT", [x], [x], constants=[None, scalar(1)], inverse=int(inverse))
            onnx.save(model, ROOT / "long.onnx")
            np.save(ROOT / "x.npy", x)
            result = onnxc("run", ROOT / "long.onnx", "--input", f"x0={ROOT / 'x.npy'}", "--output-dir", ROOT)
            assert result.returncode == 0, result.stderr
            y = np.load(ROOT / "y0.npy").astype(np.float64)
            ours = np.linalg.norm(y[..., 0] + 1j * y[..., 1] - right) / np.linalg.norm(right)
            numpys = np.linalg.norm(transform(z) - right) / np.linalg.norm(right)
            print(f"length {n}, inverse {inverse}: {ours:.3g}, NumPy {numpys:.3g}")
            faults += not ours <= 1.2 * numpys
    return faults


def main():
    dft_cases()
    stft_cases()
    window_cases()
    mel_cases()
    good = True
    roots = {np.dtype(dtype).name: tolerance for dtype, tolerance in TOLERANCES.items()} | {"reference": 2e-5}
    for name, tolerance in roots.items():
        result = onnxc("test", "--jobs", JOBS, "--rtol", tolerance, "--atol", 8 * tolerance, ROOT / name)
        print("".join(line + "\n" for line in result.stdout.splitlines() if not line.startswith("PASS")), result.stderr)
        good = passed(result) and good
    good = symbolic_cases() and good
    sys.exit(accuracy() != 0 or not good)


if __name__ == "__main__":
    main()
