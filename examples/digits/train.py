"""Trains the small vision Transformer of this example and writes everything main.c needs.

Run with the Python environment of the tests: build/venv/bin/python examples/digits/train.py
It writes next to itself:
  digits.onnx       the model: image [batch, 1, 8, 8], pixels 0 to 16 -> logits [batch, 10]
  images.bin        the held-out images, 64 bytes each, row by row, a pixel a byte (0 to 16)
  labels.bin        their digits, a byte each
  predictions.bin   what PyTorch says they are, a byte each
"""
import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "common"))
from export import export, write_bytes  # noqa: E402

HELD_OUT = 360
EPOCHS = 150
MAX_BATCH = 32


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A pre-norm Transformer block."""

    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        x = x + self.drop(self.attention(self.norm1(x)))
        return x + self.drop(self.mlp(self.norm2(x)))


class DigitTransformer(nn.Module):
    """Patches of 2x2 pixels, learned positions, mean over the tokens, linear classifier."""

    def __init__(self, dim=48, heads=4, depth=3, dropout=0.1):
        super().__init__()
        self.patches = nn.Conv2d(1, dim, kernel_size=2, stride=2)
        self.positions = nn.Parameter(0.02 * torch.randn(1, 16, dim))
        self.blocks = nn.Sequential(*(Block(dim, heads, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 10)

    def forward(self, image):
        x = self.patches(image / 16).flatten(2).transpose(1, 2) + self.positions
        return self.head(self.norm(self.blocks(x)).mean(1))


def shift(images):
    """Moves each image by up to one pixel each way, as a second writer would."""
    padded = F.pad(images, (1, 1, 1, 1))
    windows = padded.unfold(2, 8, 1).unfold(3, 8, 1)
    row, column = torch.randint(0, 3, (2, len(images)))
    return windows[torch.arange(len(images)), :, row, column]


def train(model, images, labels):
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 2e-3, epochs=EPOCHS, steps_per_epoch=len(images) // 64 + 1)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images)).split(64):
            loss = F.cross_entropy(model(shift(images[rows])), labels[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def main():
    torch.manual_seed(0)
    data = load_digits()
    splits = train_test_split(data.images, data.target, test_size=HELD_OUT, random_state=0,
                              stratify=data.target)
    train_x, test_x = (torch.tensor(x, dtype=torch.float32).unsqueeze(1) for x in splits[:2])
    train_y, test_y = map(torch.tensor, splits[2:])
    model = DigitTransformer()
    train(model, train_x, train_y)
    model.eval()
    with torch.no_grad():
        predictions = model(test_x).argmax(1)
    right = (predictions == test_y).sum().item()
    print(f"held-out accuracy: {right} of {HELD_OUT} ({100 * right / HELD_OUT:.1f} %)")
    write_bytes(HERE / "images.bin", test_x)
    write_bytes(HERE / "labels.bin", test_y)
    write_bytes(HERE / "predictions.bin", predictions)
    export(model, (test_x[:MAX_BATCH],), HERE / "digits.onnx", ["image"], ["logits"],
           {"image": {0: torch.export.Dim("batch", min=1, max=MAX_BATCH)}})


if __name__ == "__main__":
    main()
