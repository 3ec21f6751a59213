"""Compiles every model of hostile.py and checks what the project promises of bad input.

    check_hostile.py [--sanitized]

The exit code is one of the row's; a failure says why, one fault a line, and writes nothing;
success gives C that compiles without a warning and holds no text of the model outside comments
and strings but as part of an identifier. At most 2 s of processor time, and on failure 64 MB plus
four times the model's file (a build with sanitizers has its own needs and is held to neither).
"""
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import C_FLAGS, SOURCE, check_each, measure, run  # noqa: E402

import hostile  # noqa: E402

SECONDS, BYTES = 2, 64 << 20
SANITIZED = "--sanitized" in sys.argv


def tokens_only(code):
    """C without comments and string literals, as a compiler reads it."""
    return re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', " ", code, flags=re.DOTALL)


def check_code(out):
    """Faults of generated C: warnings, or text of the model that became code."""
    result = run("gcc", *C_FLAGS, "-fsyntax-only", f"-I{SOURCE / 'runtime'}", out / "model.c")
    if result.returncode:
        yield f"generated C: {result.stderr[:2000]}"
    for path in (out / "model.c", out / "model.h"):
        if re.search(r"\b(pwned|passwd)\b", tokens_only(path.read_text())):
            yield f"{path.name}: text of the model became code"


def check_failure(folder, outcome):
    allowed = BYTES + 4 * (folder / "model.onnx").stat().st_size
    if outcome.bytes > allowed and not SANITIZED:
        yield f"{outcome.bytes >> 20} MB, {allowed >> 20} MB are allowed"
    if (folder / "out").exists() and any((folder / "out").iterdir()):
        yield "wrote files although it failed"
    lines = outcome.errors.splitlines()
    if not lines or not all(line.startswith(bytes(folder / "model.onnx") + b": ")
                            for line in lines):
        yield f"not one `FILE: what is wrong` a line: {outcome.errors[:400]}"
    if re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", outcome.errors):
        yield "raw control characters in a diagnostic"


def faults(case, folder):
    case.write(folder)
    outcome = measure("compile", folder / "model.onnx", "-o", folder / "out", "--name", "model")
    if outcome.exit not in case.exits:
        yield f"exit {outcome.exit}, expected {case.exits}: {outcome.errors[:400]}"
        return
    yield from check_failure(folder, outcome) if outcome.exit else check_code(folder / "out")
    if outcome.seconds > SECONDS and not SANITIZED:
        yield f"{outcome.seconds:.1f} s"


def check(case):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "model")
        folder.mkdir()
        return [f"{case.name}: {fault}" for fault in faults(case, folder)]


if __name__ == "__main__":
    check_each("hostile models", hostile.CASES, check)
