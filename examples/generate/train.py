"""Trains the GPT of this example and writes everything main.c needs.

Run with the Python environment of the tests: build/venv/bin/python examples/generate/train.py
It learns from what this repository says about itself: README.md and the comments of the sources,
each a line. It writes:
  generate.onnx   tokens [1, sequence] and the keys and values of the layers so far, past.*
                  [1, 5, past, 16], -> logits of the next token [1, 512] and present.*, the keys
                  and values with those of the new tokens
  pairs.bin       the byte pairs of the tokens (see ../common/bpe.py)
  expected.tsv    beginnings and how PyTorch, without a cache, goes on with the most probable
                  tokens as far as there is room: a column a line
"""
import math
import re
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "common"))
import bpe  # noqa: E402
from export import export  # noqa: E402

SOURCES = {r"/\*(.*?)\*/": ("compiler/*/*.[ch]", "runtime/*.[ch]", "runtime/*/*.[ch]"),
           r'"""(.*?)"""': ("tests/*.py", "tests/*/*.py"),
           r"\n\n(\w.*?)(?=\n\n)": ("README.md",)}
TOKENS = 512
LENGTH = 128
WIDTH, HEADS, LAYERS = 80, 5, 3
SIZE = WIDTH // HEADS
STEPS, BATCH, RATE = 1000, 16, 4e-3
PROMPTS = ("The size of", "Returns the number of", "Writes the", "Whether the", "A pass",
           "An error that", "This model", "How many", "The sum of", "One row", "Every", "Without",
           "Reads from", "Memory that", "If the input")
CLEAR = 1e-3


def lines():
    """The comments, of five words and more, without their line breaks."""
    found = {}
    for pattern, globs in SOURCES.items():
        for path in sorted(path for glob in globs for path in ROOT.glob(glob)):
            for text in re.findall(pattern, path.read_text(), re.S):
                text = " ".join(re.sub(r"\n *\*+ ", "\n ", text).split())
                if text.count(" ") >= 4 and text[0].isalpha() and text.isascii():
                    found[text] = None
    return list(found)


class Rotary(nn.Module):
    """Turns the pairs (i, i + SIZE / 2) of each head by an angle that grows with the position."""

    def __init__(self):
        super().__init__()
        rate = torch.exp(torch.arange(0, SIZE, 2) * (-math.log(1000.0) / SIZE))
        angle = torch.arange(LENGTH).unsqueeze(1) * rate
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, x, positions):
        a, b = x.chunk(2, -1)
        cos, sin = self.cos[positions], self.sin[positions]
        return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.project = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.feed = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(),
                                  nn.Linear(4 * WIDTH, WIDTH))
        self.rotary = Rotary()
        self.drop = nn.Dropout(0.1)

    def forward(self, x, positions, mask, past_key, past_value):
        heads = self.project(self.norm(x)).unflatten(-1, (3 * HEADS, SIZE)).transpose(1, 2)
        query, key, value = heads.chunk(3, 1)
        key = torch.cat((past_key, self.rotary(key, positions)), 2)
        value = torch.cat((past_value, value), 2)
        seen = F.scaled_dot_product_attention(self.rotary(query, positions), key, value, mask)
        x = x + self.drop(self.out(seen.transpose(1, 2).flatten(2)))
        return x + self.drop(self.feed(x)), key, value


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(TOKENS, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, TOKENS, bias=False)

    def states(self, tokens, past):
        """What the head reads at each position, and the keys and values of every layer."""
        before = past[0].shape[2]
        positions = torch.arange(before, before + tokens.shape[1])
        mask = torch.arange(before + tokens.shape[1]) <= positions.unsqueeze(1)
        x, present = self.tokens(tokens), []
        for layer, key, value in zip(self.layers, past[::2], past[1::2]):
            x, *new = layer(x, positions, mask, key, value)
            present += new
        return self.norm(x), present

    def forward(self, tokens, *past):
        states, present = self.states(tokens, past)
        return self.head(states[:, -1]), *present


def no_past(batch):
    return [torch.zeros(batch, HEADS, 0, SIZE)] * (2 * LAYERS)


def loss_of(model, rows):
    states, _ = model.states(rows[:, :-1], no_past(len(rows)))
    return F.cross_entropy(model.head(states).flatten(0, 1), rows[:, 1:].flatten())


def rows_of(tokens, starts):
    return tokens[starts.unsqueeze(1) + torch.arange(LENGTH + 1)]


def train(model, tokens):
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for step in range(STEPS):
        loss = loss_of(model, rows_of(tokens, torch.randint(len(tokens) - LENGTH, (BATCH,))))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}, loss {loss.item():.3f}", flush=True)


@torch.no_grad()
def continued(model, pairs, text):
    """The most probable tokens behind `text`, each from all before it, and their least lead."""
    prompt = bpe.encode(pairs, text)
    tokens, lead = list(prompt), math.inf
    while len(tokens) <= LENGTH:
        logits, *_ = model(torch.tensor([tokens]), *no_past(1))
        best, second = logits[0].topk(2).values.tolist()
        lead = min(lead, best - second)
        tokens.append(logits.argmax().item())
    return bpe.decode(pairs, tokens[len(prompt):]), lead


def write_expected(model, pairs):
    """Where two tokens are nearly as probable, rounding decides: such texts are left out."""
    with (HERE / "expected.tsv").open("w") as file:
        for prompt in PROMPTS:
            further, lead = continued(model, pairs, prompt)
            print(f"{prompt}: the next token leads by {lead:.4f}")
            if lead > CLEAR:
                print(prompt, further.replace("\n", "\t"), sep="\t", file=file)


def write_model(model):
    names = [f"{i}.{kind}" for i in range(LAYERS) for kind in ("key", "value")]
    sequence = torch.export.Dim("sequence", min=1, max=LENGTH)
    before = torch.export.Dim("past", max=LENGTH)
    past = [torch.randn(1, HEADS, 5, SIZE) for _ in names]
    export(model, (torch.zeros(1, 3, dtype=torch.int64), *past), HERE / "generate.onnx",
           ["tokens", *(f"past.{name}" for name in names)],
           ["logits", *(f"present.{name}" for name in names)],
           ({1: sequence}, tuple({2: before} for _ in names)))


def main():
    torch.manual_seed(0)
    text = lines()
    pairs = bpe.learn([word for line in text for word in re.findall(" ?[^ ]+", line)], TOKENS)
    encoded = [bpe.encode(pairs, line + "\n") for line in text]
    order = torch.randperm(len(encoded)).tolist()
    held_out, learned = (torch.tensor([token for i in part for token in encoded[i]])
                         for part in (order[:200], order[200:]))
    print(f"{len(text)} lines, {len(learned)} tokens to learn, {len(held_out)} held out")
    model = Gpt()
    train(model, learned)
    model.eval()
    with torch.no_grad():
        starts = torch.arange(0, len(held_out) - LENGTH, LENGTH)
        print(f"held out: loss {loss_of(model, rows_of(held_out, starts)).item():.3f}")
    write_expected(model, pairs)
    bpe.save(pairs, HERE / "pairs.bin")
    write_model(model)


if __name__ == "__main__":
    main()
