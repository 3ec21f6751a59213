"""The networks of MLPerf Tiny with random weights, and a small encoder of text, as PyTorch modules:
the sizes are the benchmark's, which is what memory and steps depend on."""
import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs, outputs, kernel, stride=1, groups=1):
    padding = [k // 2 for k in kernel] if isinstance(kernel, tuple) else kernel // 2
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups),
                         nn.ReLU())


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = conv(inputs, outputs, 3, stride)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNet8(nn.Module):
    """Image classification, CIFAR-10."""
    shape = (3, 32, 32)

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv(3, 16, 3), Block(16, 16, 1), Block(16, 32, 2),
                                  Block(32, 64, 2))
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(F.adaptive_avg_pool2d(self.body(x), 1).flatten(1))


class DsCnn(nn.Module):
    """Keyword spotting."""
    shape = (1, 49, 10)

    def __init__(self):
        super().__init__()
        layers = [nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 64, (10, 4), 2), nn.ReLU()]
        for _ in range(4):
            layers += [conv(64, 64, 3, groups=64), conv(64, 64, 1)]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(64, 12)

    def forward(self, x):
        return self.head(F.adaptive_avg_pool2d(self.body(x), 1).flatten(1))


class MobileNet(nn.Module):
    """Visual wake words: MobileNetV1, a quarter as wide."""
    shape = (3, 96, 96)

    def __init__(self):
        super().__init__()
        widths = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2),
                  *[(128, 128, 1)] * 5, (128, 256, 2), (256, 256, 1)]
        layers = [conv(3, 8, 3, 2)]
        for inputs, outputs, stride in widths:
            layers += [conv(inputs, inputs, 3, stride, inputs), conv(inputs, outputs, 1)]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(256, 2)

    def forward(self, x):
        return self.head(F.adaptive_avg_pool2d(self.body(x), 1).flatten(1))


class Autoencoder(nn.Module):
    """Anomaly detection."""
    shape = (640,)

    def __init__(self):
        super().__init__()
        widths = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128]
        layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.body = nn.Sequential(*layers, nn.Linear(128, 640))

    def forward(self, x):
        return self.body(x)


class Encoder(nn.Module):
    """Two layers like those of BERT, of numbers instead of words."""
    shape = (24, 64)

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleList(
            [nn.Linear(64, 192), nn.Linear(64, 64), nn.Linear(64, 128), nn.Linear(128, 64),
             nn.LayerNorm(64), nn.LayerNorm(64)]) for _ in range(2))
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        for qkv, out, up, down, first, second in self.layers:
            q, k, v = qkv(x).reshape(-1, 24, 3, 4, 16).permute(2, 0, 3, 1, 4)
            scores = torch.softmax(q @ k.transpose(-1, -2) / 4, -1)
            x = first(x + out((scores @ v).transpose(1, 2).reshape(-1, 24, 64)))
            x = second(x + down(F.gelu(up(x))))
        return self.head(x[:, 0])


TINY = {"resnet8": ResNet8, "dscnn": DsCnn, "mobilenet": MobileNet, "autoencoder": Autoencoder}
