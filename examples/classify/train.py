"""Trains the BERT of this example and writes everything main.c needs.

Run with the Python environment of the tests: build/venv/bin/python examples/classify/train.py
It learns to tell what a line of this repository is written in. The model is transformers'
BertForSequenceClassification with random weights at first. It writes:
  classify.onnx   tokens and mask [batch, length] -> logits [batch, 4]; the mask is 0 at padding
  pairs.bin       the byte pairs of the tokens (see ../common/bpe.py)
  held_out.tsv    lines that it did not see: what they are, and what PyTorch says, then the line
"""
import random
import re
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertForSequenceClassification

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "common"))
import bpe  # noqa: E402
from export import export  # noqa: E402

KINDS = {"c": ["compiler/*/*.c", "runtime/*/*.c"], "python": ["tests/*/*.py", "tests/*.py"],
         "graph": ["tests/passes/*.txt"], "prose": ["README.md", "tests/bench/README.md"]}
TOKENS = 512
START, CLASSES = TOKENS, len(KINDS)
MAX_LENGTH, MAX_BATCH = 64, 8
A_KIND, HELD_OUT = 1500, 50
EPOCHS = 12


def is_prose(line):
    return line[:1].isalpha() and line.count(" ") > 4


def lines_of(kind):
    """Different lines of some length; comments, which are prose, only of C and Python."""
    lines = {}
    for pattern in KINDS[kind]:
        for path in sorted(ROOT.glob(pattern)):
            for line in path.read_text().splitlines():
                line = line.strip()
                comment = re.match(r"(/\*|\*|#(?!include|define|if|endif)) ?", line)
                if kind == "prose" and not is_prose(line) or kind != "prose" and comment:
                    continue
                if 12 <= len(line.encode()) < MAX_LENGTH and "\t" not in line:
                    lines[line] = None
    return list(lines)


def comments():
    """Prose: the lines of block comments of C."""
    text = "\n".join(path.read_text() for path in sorted(ROOT.glob("compiler/*/*.[ch]")))
    lines = [line.strip(" */") for comment in re.findall(r"/\*.*?\*/", text, re.S)
             for line in comment.splitlines()]
    return [line for line in dict.fromkeys(lines)
            if is_prose(line) and 12 <= len(line.encode()) < MAX_LENGTH and "\t" not in line]


def examples():
    train, held_out = [], []
    for label, kind in enumerate(KINDS):
        lines = lines_of(kind) + (comments() if kind == "prose" else [])
        random.shuffle(lines)
        held_out += [(line, label) for line in lines[:HELD_OUT]]
        train += [(line, label) for line in lines[HELD_OUT:HELD_OUT + A_KIND]]
    random.shuffle(train)
    return train, held_out


def batch_of(pairs, lines):
    """Tokens, padded to the longest line, and the mask."""
    rows = [torch.tensor([START, *bpe.encode(pairs, line)]) for line in lines]
    mask = [torch.ones_like(row) for row in rows]
    pad = nn.utils.rnn.pad_sequence
    return pad(rows, batch_first=True), pad(mask, batch_first=True)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.bert = BertForSequenceClassification(BertConfig(
            vocab_size=TOKENS + 1, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=128, max_position_embeddings=MAX_LENGTH, num_labels=CLASSES))

    def forward(self, tokens, mask):
        return self.bert(input_ids=tokens, attention_mask=mask).logits


def train(model, pairs, lines):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batches = [lines[i:i + 32] for i in range(0, len(lines), 32)]
    encoded = [(*batch_of(pairs, [line for line, _ in batch]),
                torch.tensor([label for _, label in batch])) for batch in batches]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, epochs=EPOCHS,
                                                   steps_per_epoch=len(encoded))
    for _ in range(EPOCHS):
        random.shuffle(encoded)
        for tokens, mask, labels in encoded:
            loss = F.cross_entropy(model(tokens, mask), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    print(f"loss: {loss.item():.4f}")


def main():
    random.seed(0)
    torch.manual_seed(0)
    lines, held_out = examples()
    pairs = bpe.learn([word for line, _ in lines for word in re.findall(r" ?\w+|\W", line)], TOKENS)
    model = Classifier()
    train(model, pairs, lines)
    model.eval()
    batch = batch_of(pairs, [line for line, _ in held_out])
    with torch.no_grad():
        said = model(*batch).argmax(1).tolist()
    right = sum(answer == label for answer, (_, label) in zip(said, held_out))
    print(f"held-out lines: {right} of {len(held_out)} right")
    with (HERE / "held_out.tsv").open("w") as file:
        for answer, (line, label) in zip(said, held_out):
            print(label, answer, line, sep="\t", file=file)
    bpe.save(pairs, HERE / "pairs.bin")
    sizes = {0: torch.export.Dim("batch", min=1, max=MAX_BATCH),
             1: torch.export.Dim("length", min=1, max=MAX_LENGTH)}
    tokens, mask = (tensor[:MAX_BATCH] for tensor in batch)
    export(model, (tokens, mask), HERE / "classify.onnx", ["tokens", "mask"], ["logits"],
           (sizes, sizes))


if __name__ == "__main__":
    main()
