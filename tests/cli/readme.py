"""The README's table of operators is what `onnxc ops --format markdown` prints.

    readme.py check
    readme.py refresh
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import SOURCE, onnxc  # noqa: E402

README = SOURCE / "README.md"
BEGIN, END = "<!-- operators -->\n\n", "\n<!-- end of operators -->\n"


def refreshed(text):
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + onnxc("ops", "--format", "markdown").stdout + END + after


def main():
    text = README.read_text()
    new = refreshed(text)
    if sys.argv[1] == "refresh":
        README.write_text(new)
    elif new != text:
        sys.exit("README.md: the table of operators is not what the compiler supports: "
                 "tests/cli/readme.py refresh")


if __name__ == "__main__":
    main()
