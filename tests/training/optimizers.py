"""Adagrad, Adam and Momentum on random tensors against their formulas in double precision.

    optimizers.py FOLDER
"""
import itertools
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, node_model, onnxc, passed, write_case  # noqa: E402

DOMAIN = "ai.onnx.preview.training"
RANDOM = np.random.default_rng(11)
SHAPES = [(), (5,), (2, 1, 7)]


def adagrad(r, t, x, g, h, decay_factor, epsilon, norm_coefficient):
    g = g + norm_coefficient * x
    h = h + g * g
    return x - r / (1 + t * decay_factor) * g / (np.sqrt(h) + epsilon), h


def adam(r, t, x, g, v, h, alpha, beta, epsilon, norm_coefficient, norm_coefficient_post):
    g = g + norm_coefficient * x
    v = alpha * v + (1 - alpha) * g
    h = beta * h + (1 - beta) * g * g
    rate = r * np.sqrt(1 - beta ** float(t)) / (1 - alpha ** float(t)) if t > 0 else r
    return (1 - norm_coefficient_post) * (x - rate * v / (np.sqrt(h) + epsilon)), v, h


def momentum(r, t, x, g, v, alpha, beta, norm_coefficient, mode):
    g = g + norm_coefficient * x
    v = alpha * v + (beta if t > 0 else 1) * g
    return x - r * (g + alpha * v if mode == "nesterov" else v), v


def real(*choices):
    """Attributes are floats; the formulas see what is stored."""
    return [float(np.float32(value)) for value in choices]


NORMS = real(0, 0.01)
OPTIMIZERS = {
    "Adagrad": (adagrad, 1, dict(decay_factor=real(0, 0.1), epsilon=real(1e-6), norm_coefficient=NORMS)),
    "Adam": (adam, 2, dict(alpha=real(0.9, 0), beta=real(0.999), epsilon=real(1e-5),
                           norm_coefficient=NORMS, norm_coefficient_post=NORMS)),
    "Momentum": (momentum, 1, dict(alpha=real(0.95), beta=real(0.1), norm_coefficient=NORMS,
                                   mode=["standard", "nesterov"])),
}


def draw(shape, dtype, positive):
    return np.asarray(RANDOM.uniform(0 if positive else -2, 2, shape), dtype)


def case(root, op, number, attributes):
    """Three tensors of different shapes; types, the learning rate's rank and T differ from case to
    case."""
    formula, states, _ = OPTIMIZERS[op]
    x_type = (np.float32, np.float64)[number % 2]
    r = np.asarray(0.1, (np.float32, np.float64)[number // 2 % 2]).reshape((1,) * (number % 3 == 0))
    t = np.asarray((0, 1, 12)[number % 3], np.int64)
    kinds = [[draw(shape, x_type, kind == 1 + states) for shape in SHAPES] for kind in range(2 + states)]
    results = [formula(float(r.item()), int(t), *(a.astype(np.float64) for a in arrays), **attributes)
               for arrays in zip(*kinds)]
    inputs = [r, t] + [array for kind in kinds for array in kind]
    outputs = [np.asarray(array, x_type) for kind in zip(*results) for array in kind]
    model = node_model(op, inputs, outputs, DOMAIN, **attributes)
    write_case(root / f"{op.lower()}_{number}", model, inputs, outputs)


def check_refused():
    """A missing state, an output too many, other sizes, another type."""
    x = np.zeros(3, np.float32)
    r, t, y = np.float32(1).reshape(()), np.int64(1).reshape(()), np.zeros(2, np.float32)
    wrong = {"missing": ([r, t, x, x, x], [x, x, x]), "excess": ([r, t, x, x, x, x], [x] * 4),
             "sizes": ([r, t, x, y, x, x], [x, x, x]), "type": ([r, t, x, x, x, x.astype(float)], [x]),
             "rate": ([x, t, x, x, x, x], [x, x, x])}
    for name, (inputs, outputs) in wrong.items():
        path = Path(sys.argv[1]) / f"{name}.onnx"
        path.write_bytes(node_model("Adam", inputs, outputs, DOMAIN).SerializeToString())
        result = onnxc("compile", path, "--stop-after", "plan")
        assert result.returncode == 2, (name, result.stderr)


def main():
    root = Path(sys.argv[1])
    root.mkdir(parents=True, exist_ok=True)
    for op, (_, _, choices) in OPTIMIZERS.items():
        for number, values in enumerate(itertools.product(*choices.values())):
            case(root, op, number, dict(zip(choices, values)))
    result = onnxc("test", "--jobs", JOBS, "--rtol", "2e-6", "--atol", "2e-7", root)
    print(result.stdout, result.stderr)
    check_refused()
    sys.exit(not passed(result))


if __name__ == "__main__":
    main()
