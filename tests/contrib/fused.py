"""Products, norms and activations that ONNX Runtime's optimizer fuses."""
import numpy as np

import peer
from peer import Draw, maybe, normal, pick

FLOATS = (np.float32, np.float32, np.float16)


def fused_matmul(random):
    m, n, k = random.integers(1, 7, size=3)
    rank = int(random.integers(1, 4))
    batch = list(random.integers(1, 4, size=rank - 1))
    flags = {name: int(random.integers(2)) for name in ("transA", "transB")}
    # Both or none: the batch axis then goes in front of the last but one.
    if rank > 1:
        flags |= {name: int(random.integers(2)) for name in ("transBatchA", "transBatchB")}

    def operand(rows, columns, name):
        matrix = [columns, rows] if flags["trans" + name] else [rows, columns]
        if flags.get("transBatch" + name):
            return [matrix[0], *batch, matrix[1]]
        return [*batch, *matrix]
    inputs = [normal(random, *operand(m, k, "A")), normal(random, *operand(k, n, "B"))]
    return Draw("FusedMatMul", inputs, {"alpha": float(random.normal()), **flags},
                constant=(1,) if random.random() < 0.5 else ())


def skip_norm(random):
    dtype = pick(random, *FLOATS)
    shape = list(random.integers(1, 6, size=3))
    hidden = shape[-1]
    skip = pick(random, shape, [1, *shape[1:]], shape[1:])
    inputs = [normal(random, *shape, dtype=dtype), normal(random, *skip, dtype=dtype),
              normal(random, hidden, dtype=dtype)]
    inputs += [maybe(random, normal(random, hidden, dtype=dtype)) for _ in range(2)]
    return Draw("SkipLayerNormalization", inputs, {"epsilon": pick(random, 1e-12, 1e-5, 0.5)},
                outputs=pick(random, 1, [True, False, False, True]),
                symbols=pick(random, {}, {(0, 0): "batch"}))


FAMILIES = {
    "FusedMatMul": fused_matmul,
    "SkipLayerNormalization": skip_norm,
}

if __name__ == "__main__":
    peer.main(FAMILIES)
