"""Trains the residual network of this example and writes everything main.c needs.

Run with the Python environment of the tests: build/venv/bin/python examples/resnet/train.py
It learns from the left of a photograph to double the size of images, and is tried on the right:
  resnet.onnx       the model: image [1, 3, 64, 64] -> image [1, 3, 128, 128], colours 0 to 1
  small.ppm         part of the photograph's right, at half its size
  original.ppm      the same part at full size
  expected.ppm      what PyTorch makes of small.ppm
The photograph is china.jpg of scikit-learn's sample images, by danielbuechele on Flickr, CC BY 2.0
(https://creativecommons.org/licenses/by/2.0/); small.ppm and original.ppm are cut from it.
"""
import sys
from pathlib import Path

import torch
from sklearn.datasets import load_sample_image
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "common"))
from export import export  # noqa: E402

CHANNELS, BLOCKS = 24, 4
PATCH, BATCH, STEPS = 24, 16, 1000
SMALL = 64
LEFT, CORNER = 420, (180, 470)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS))

    def forward(self, x):
        return x + self.body(x)


class ResNet(nn.Module):
    """What is to be added to the image enlarged by linear interpolation."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.last = nn.Sequential(nn.Conv2d(CHANNELS, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, image):
        x = self.first(image).relu()
        added = self.last(x + self.blocks(x))
        return (enlarge(image) + added).clamp(0, 1)


def enlarge(image):
    return F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)


def halve(image):
    return F.avg_pool2d(image, 2)


def photograph(name):
    return torch.tensor(load_sample_image(name)).permute(2, 0, 1).float() / 255


def patches(image):
    """A batch of parts of the photograph, turned and mirrored."""
    size = 2 * PATCH
    rows = torch.randint(image.shape[1] - size, (BATCH,)).tolist()
    columns = torch.randint(image.shape[2] - size, (BATCH,)).tolist()
    parts = [image[:, i:i + size, j:j + size] for i, j in zip(rows, columns)]
    return torch.stack([part.rot90(k % 4, (1, 2)) for k, part in enumerate(parts)])


def train(model, image):
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step in range(STEPS):
        model.train(step < STEPS // 2)  # then with the statistics that the model will be used with
        whole = patches(image)
        loss = F.l1_loss(model(halve(whole)), whole)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"loss: {loss.item():.4f}")


def to_bytes(image):
    return (image.clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8)


def write_ppm(name, image):
    _, height, width = image.shape
    data = image.permute(1, 2, 0).contiguous().numpy().tobytes()
    (HERE / name).write_bytes(b"P6\n%d %d\n255\n" % (width, height) + data)


def psnr(a, b):
    return -10 * torch.log10(F.mse_loss(a.float() / 255, b.float() / 255)).item()


def main():
    torch.manual_seed(0)
    model = ResNet()
    image = photograph("china.jpg")
    train(model, image[:, :, :LEFT])
    model.eval()
    row, column = CORNER
    original = to_bytes(image)[:, row:row + 2 * SMALL, column:column + 2 * SMALL]
    small = to_bytes(halve(original.float().unsqueeze(0) / 255))
    with torch.no_grad():
        result = to_bytes(model(small.float() / 255)[0])
        linear = to_bytes(enlarge(small.float() / 255)[0])
    print(f"linear: {psnr(linear, original):.2f} dB, network: {psnr(result, original):.2f} dB")
    write_ppm("original.ppm", original)
    write_ppm("small.ppm", small[0])
    write_ppm("expected.ppm", result)
    export(model, (small.float() / 255,), HERE / "resnet.onnx", ["image"], ["enlarged"], None)


if __name__ == "__main__":
    main()
