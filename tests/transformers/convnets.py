"""Convolutional networks with residual connections, written from their published architectures at
full depth and small width. ResNet-50 and what DenseNet-121 is made of are in examples/pytorch."""
import torch
from torch import nn

from models import InvertedResidual, conv_norm


class MobileNetV2(nn.Module):
    """Sandler et al. 2018, table 2, with `scale` times its widths: 17 inverted residuals."""

    def __init__(self, scale=0.25, classes=10):
        super().__init__()
        width = lambda channels: max(8, int(channels * scale) // 4 * 4)
        stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                  (6, 160, 3, 2), (6, 320, 1, 1))
        layers, inputs = [conv_norm(3, width(32), 3, 2, activation=nn.ReLU6)], width(32)
        for expand, channels, depth, stride in stages:
            for i in range(depth):
                layers.append(InvertedResidual(inputs, width(channels), 1 if i else stride, expand))
                inputs = width(channels)
        layers.append(conv_norm(inputs, width(1280), activation=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width(1280), classes))

    def forward(self, image):
        return self.head(self.features(image).mean((2, 3)))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.f = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeezed, 1), nn.SiLU(),
                               nn.Conv2d(squeezed, channels, 1), nn.Sigmoid())

    def forward(self, x):
        return x * self.f(x)


class MBConv(nn.Module):
    """Inverted residual with squeeze and excitation; the squeeze is a quarter of the inputs."""

    def __init__(self, inputs, outputs, kernel, stride, expand):
        super().__init__()
        hidden = inputs * expand
        self.residual = stride == 1 and inputs == outputs
        self.f = nn.Sequential(
            *[conv_norm(inputs, hidden, activation=nn.SiLU)] * (expand > 1),
            conv_norm(hidden, hidden, kernel, stride, hidden, nn.SiLU),
            SqueezeExcitation(hidden, max(1, inputs // 4)), conv_norm(hidden, outputs))

    def forward(self, x):
        return x + self.f(x) if self.residual else self.f(x)


class EfficientNetB0(nn.Module):
    """Tan and Le 2019, table 1, with `scale` times its widths: 16 blocks."""

    def __init__(self, scale=0.25, classes=10):
        super().__init__()
        width = lambda channels: max(4, int(channels * scale) // 4 * 4)
        stages = ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2),
                  (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1))
        layers, inputs = [conv_norm(3, width(32), 3, 2, activation=nn.SiLU)], width(32)
        for expand, kernel, channels, depth, stride in stages:
            for i in range(depth):
                layers.append(MBConv(inputs, width(channels), kernel, 1 if i else stride, expand))
                inputs = width(channels)
        layers.append(conv_norm(inputs, width(1280), activation=nn.SiLU))
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width(1280), classes))

    def forward(self, image):
        return self.head(self.features(image))


class UNet(nn.Module):
    """Ronneberger et al. 2015 with padded convolutions and BatchNorm: four levels down and up."""

    def __init__(self, width=8, levels=4, classes=2):
        super().__init__()
        double = lambda inputs, outputs: nn.Sequential(
            conv_norm(inputs, outputs, 3, activation=nn.ReLU),
            conv_norm(outputs, outputs, 3, activation=nn.ReLU))
        widths = [width << level for level in range(levels + 1)]
        self.down = nn.ModuleList(double(a, b) for a, b in zip([3] + widths, widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * a, a, 2, 2) for a in widths[-2::-1])
        self.merge = nn.ModuleList(double(2 * a, a) for a in widths[-2::-1])
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image):
        x, skips = self.down[0](image), []
        for down in self.down[1:]:
            skips.append(x)
            x = down(self.pool(x))
        for up, merge in zip(self.up, self.merge):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)
