"""Trains the encoder-decoder Transformer of this example and writes everything main.c needs.

Run with the Python environment of the tests: build/venv/bin/python examples/translate/train.py
phrases.tsv has the phrases to learn, held_out.tsv others made of the same words. It writes:
  encoder.onnx    source tokens [1, source] -> memory [1, source, 64]
  decoder.onnx    target tokens so far [1, target] and memory -> probabilities of the next
                  token [1, 514]
  pairs.bin       the byte pairs of the tokens (see ../common/bpe.py)
  expected.txt    every phrase of both tables with the translation that PyTorch gives
"""
import math
import re
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "common"))
import bpe  # noqa: E402
from export import export  # noqa: E402

TOKENS = 512
START, END, CLASSES = TOKENS, TOKENS + 1, TOKENS + 2
PADDING = -1
MAX_LENGTH = 64
WIDTH, HEADS, LAYERS = 64, 4, 2
EPOCHS = 100


def positions(length):
    """Sines and cosines of wave lengths from 2 pi to 10000 * 2 pi."""
    rate = torch.exp(torch.arange(0, WIDTH, 2) * (-math.log(10000.0) / WIDTH))
    angle = torch.arange(length).unsqueeze(1) * rate
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1)


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(CLASSES, WIDTH)
        self.register_buffer("places", positions(MAX_LENGTH))

    def forward(self, tokens):
        return self.tokens(tokens) * math.sqrt(WIDTH) + self.places[:tokens.shape[1]]


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = Embedding()
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)

    def forward(self, source, padding=None):
        return self.layers(self.embed(source), src_key_padding_mask=padding)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = Embedding()
        layer = nn.TransformerDecoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.1, batch_first=True)
        self.layers = nn.TransformerDecoder(layer, LAYERS)
        self.head = nn.Linear(WIDTH, CLASSES)

    def states(self, target, memory, padding=None):
        length = target.shape[1]
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        return self.layers(self.embed(target), memory, tgt_mask=later, tgt_is_causal=True,
                           memory_key_padding_mask=padding)

    def forward(self, target, memory):
        return self.head(self.states(target, memory)[:, -1]).softmax(-1)


def read_table(name):
    return [line.split("\t") for line in (HERE / name).read_text().splitlines()]


def learn_pairs(table):
    words = [source for source, _ in table]
    for _, target in table:
        words += re.findall(" ?[^ ]+", target)
    return bpe.learn(words, TOKENS)


def pad(rows):
    tensors = [torch.tensor(row) for row in rows]
    return nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=PADDING)


def loss_of(encoder, decoder, source, target):
    padding = source == PADDING
    memory = encoder(source.clamp(min=0), padding)
    states = decoder.states(target[:, :-1].clamp(min=0), memory, padding)
    return F.cross_entropy(decoder.head(states).flatten(0, 1), target[:, 1:].flatten(),
                           ignore_index=PADDING, label_smoothing=0.1)


def train(encoder, decoder, source, target):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, epochs=EPOCHS,
                                                   steps_per_epoch=(len(source) + 31) // 32)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(source)).split(32):
            loss = loss_of(encoder, decoder, source[rows], target[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    print(f"loss: {loss.item():.3f}")


@torch.no_grad()
def translate(encoder, decoder, pairs, text):
    memory = encoder(torch.tensor([bpe.encode(pairs, text)]))
    target = [START]
    while len(target) < MAX_LENGTH:
        token = decoder(torch.tensor([target]), memory).argmax().item()
        if token == END:
            break
        target.append(token)
    return bpe.decode(pairs, target[1:])


def write_models(encoder, decoder):
    source = torch.export.Dim("source", min=1, max=MAX_LENGTH)
    target = torch.export.Dim("target", min=1, max=MAX_LENGTH)
    tokens = torch.zeros(1, 7, dtype=torch.int64)
    export(encoder, (tokens,), HERE / "encoder.onnx", ["tokens"], ["memory"],
           ({1: source}, None)[:1])
    export(decoder, (tokens[:, :5], encoder(tokens)), HERE / "decoder.onnx",
           ["tokens", "memory"], ["probabilities"], ({1: target}, {1: source}))


def main():
    torch.manual_seed(0)
    phrases, held_out = read_table("phrases.tsv"), read_table("held_out.tsv")
    pairs = learn_pairs(phrases)
    source = pad([bpe.encode(pairs, text) for text, _ in phrases])
    target = pad([[START, *bpe.encode(pairs, text), END] for _, text in phrases])
    encoder, decoder = Encoder(), Decoder()
    train(encoder, decoder, source, target)
    encoder.eval()
    decoder.eval()
    for name, table in (("phrases", phrases), ("held out", held_out)):
        right = sum(translate(encoder, decoder, pairs, a) == b for a, b in table)
        print(f"{name}: {right} of {len(table)} right")
    with (HERE / "expected.txt").open("w") as file:
        for text, _ in held_out + phrases[:60]:
            print(f"{text} -> {translate(encoder, decoder, pairs, text)}", file=file)
    bpe.save(pairs, HERE / "pairs.bin")
    write_models(encoder, decoder)


if __name__ == "__main__":
    main()
