"""The architectures that the project is tested on, each as small as it can be and still be itself.

MODELS is the one place that lists them. Works with PyTorch 1.13 (the last in Debian with the
TorchScript exporter) and with current releases. Blocks are written as users write them, so some
sit on torch.nn's own layers and some are spelled out.
"""
import math
from collections import OrderedDict, namedtuple

import torch
from torch import nn
from torch.nn import functional as F

DIM, HEADS, VOCABULARY = 32, 4, 100


# --- Residual blocks ---------------------------------------------------------------------------

class FeedForward(nn.Sequential):
    def __init__(self, dim=DIM, activation=nn.GELU):
        super().__init__(nn.Linear(dim, 2 * dim), activation(), nn.Dropout(0.1),
                         nn.Linear(2 * dim, dim))


class PostNorm(nn.Module):
    """norm(x + f(x)), twice."""

    def __init__(self):
        super().__init__()
        self.f = nn.ModuleList([FeedForward(), FeedForward(activation=nn.ReLU)])
        self.norm = nn.ModuleList([nn.LayerNorm(DIM), nn.LayerNorm(DIM)])

    def forward(self, x):
        for f, norm in zip(self.f, self.norm):
            x = norm(x + F.dropout(f(x), 0.1, self.training))
        return x


class PreNorm(nn.Module):
    """x + f(norm(x)), twice: the sum and its norm are both used."""

    def __init__(self):
        super().__init__()
        self.f = nn.ModuleList([FeedForward(), FeedForward(activation=nn.SiLU)])
        self.norm = nn.ModuleList([nn.LayerNorm(DIM), nn.LayerNorm(DIM)])
        self.last = nn.LayerNorm(DIM)

    def forward(self, x):
        for f, norm in zip(self.f, self.norm):
            x = x + f(norm(x))
        return self.last(x)


class Weighted(nn.Module):
    """norm(alpha x + (1 - alpha) f(x)) with a fixed alpha, then with a learned one."""

    def __init__(self):
        super().__init__()
        self.f = nn.ModuleList([FeedForward(), FeedForward()])
        self.norm = nn.ModuleList([nn.LayerNorm(DIM), nn.LayerNorm(DIM)])
        self.alpha = nn.Parameter(torch.tensor(0.3))

    def forward(self, x):
        x = self.norm[0](0.7 * x + (1 - 0.7) * self.f[0](x))
        return self.norm[1](self.alpha * x + (1 - self.alpha) * self.f[1](x))


class ScaledNorm(nn.Module):
    """LayerNorm with a scale and no bias."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(1 + 0.2 * torch.randn(DIM))

    def forward(self, x):
        return F.layer_norm(x, (DIM,), self.weight)


class PlainNorm(nn.Module):
    """LayerNorm without scale and bias, spelled out by its user."""

    def forward(self, x):
        x = x - x.mean(-1, keepdim=True)
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)


class Sandwich(nn.Module):
    """x + norm(f(norm(x))), twice, with norms that lack their bias or scale."""

    def __init__(self):
        super().__init__()
        self.f = nn.ModuleList([FeedForward(), FeedForward()])
        self.before = nn.ModuleList([nn.LayerNorm(DIM), nn.LayerNorm(DIM)])
        self.after = nn.ModuleList([ScaledNorm(), PlainNorm()])

    def forward(self, x):
        for f, before, after in zip(self.f, self.before, self.after):
            x = x + after(f(before(x)))
        return x


class Highway(nn.Module):
    """t h(x) + (1 - t) x, with a transform gate t in each layer."""

    def __init__(self, layers=3):
        super().__init__()
        self.transform = nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(layers))
        self.gate = nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(layers))

    def forward(self, x):
        for transform, gate in zip(self.transform, self.gate):
            t = torch.sigmoid(gate(x))
            x = t * torch.relu(transform(x)) + (1 - t) * x
        return x


class RmsNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class RmsSwiglu(nn.Module):
    """The feed-forward half of a LLaMA block, twice."""

    def __init__(self):
        super().__init__()
        layers = range(2)
        self.norm = nn.ModuleList(RmsNorm(DIM) for _ in layers)
        self.gate = nn.ModuleList(nn.Linear(DIM, 2 * DIM, bias=False) for _ in layers)
        self.up = nn.ModuleList(nn.Linear(DIM, 2 * DIM, bias=False) for _ in layers)
        self.down = nn.ModuleList(nn.Linear(2 * DIM, DIM, bias=False) for _ in layers)

    def forward(self, x):
        for norm, gate, up, down in zip(self.norm, self.gate, self.up, self.down):
            y = norm(x)
            x = x + down(F.silu(gate(y)) * up(y))
        return x


# --- Transformers ------------------------------------------------------------------------------

class Attention(nn.Module):
    """Multi-head attention, spelled out; `mask` is added to the scores."""

    def __init__(self, dim=DIM, heads=HEADS):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x, memory, mask=None):
        q, k, v = self.split(self.query(x)), self.split(self.key(memory)), \
            self.split(self.value(memory))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores + mask
        y = (torch.softmax(scores, -1) @ v).transpose(1, 2).contiguous()
        return self.out(y.view(x.shape[0], x.shape[1], -1))


class EncoderLayer(nn.Module):
    """Post-norm encoder layer."""

    def __init__(self, dim=DIM, activation=nn.GELU):
        super().__init__()
        self.attention = Attention(dim)
        self.feed_forward = FeedForward(dim, activation)
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-12), nn.LayerNorm(dim, eps=1e-12)

    def forward(self, x, mask=None):
        x = self.norm1(x + self.attention(x, x, mask))
        return self.norm2(x + self.feed_forward(x))


class TorchEncoderLayer(nn.Module):
    """torch.nn's own, in post-norm and then in pre-norm form."""

    def __init__(self):
        super().__init__()
        self.post = nn.TransformerEncoderLayer(DIM, HEADS, 2 * DIM, activation="gelu")
        self.pre = nn.TransformerEncoderLayer(DIM, HEADS, 2 * DIM, norm_first=True)

    def forward(self, x):
        return self.pre(self.post(x.transpose(0, 1))).transpose(0, 1)


def causal_mask(x):
    """0 up to the diagonal, -inf above: [seq, seq] from x [batch, seq, ...]."""
    seq = x.shape[1]
    position = torch.arange(seq, device=x.device)
    return torch.zeros(seq, seq).masked_fill(position[None, :] > position[:, None], -math.inf)


class DecoderLayer(nn.Module):
    """Masked self-attention, cross attention, feed-forward; post-norm."""

    def __init__(self):
        super().__init__()
        self.self_attention, self.cross_attention = Attention(), Attention()
        self.feed_forward = FeedForward(activation=nn.ReLU)
        self.norm = nn.ModuleList(nn.LayerNorm(DIM) for _ in range(3))

    def forward(self, x, memory):
        x = self.norm[0](x + self.self_attention(x, x, causal_mask(x)))
        x = self.norm[1](x + self.cross_attention(x, memory))
        return self.norm[2](x + self.feed_forward(x))


class Bert(nn.Module):
    """Four layers, token, position and type embeddings, padding mask, pooler."""

    def __init__(self, layers=4, positions=64):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, DIM)
        self.positions = nn.Embedding(positions, DIM)
        self.types = nn.Embedding(2, DIM)
        self.norm = nn.LayerNorm(DIM, eps=1e-12)
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(layers))
        self.pooler = nn.Linear(DIM, DIM)

    def forward(self, tokens, types, keep):
        position = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.norm(self.tokens(tokens) + self.types(types) + self.positions(position))
        mask = (1.0 - keep[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, mask)
        return x, torch.tanh(self.pooler(x[:, 0]))


class TanhGelu(nn.Module):
    def forward(self, x):
        return 0.5 * x * (1.0 + torch.tanh(
            math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


class Gpt2Block(nn.Module):
    """Pre-norm, causal, fused query-key-value projection, GELU in its tanh form."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv, self.out = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.feed_forward = FeedForward(activation=TanhGelu)

    def attention(self, x):
        batch, seq = x.shape[:2]
        q, k, v = (y.view(batch, seq, HEADS, DIM // HEADS).transpose(1, 2)
                   for y in self.qkv(x).split(DIM, 2))
        weights = torch.softmax(q @ k.transpose(-2, -1) * (DIM // HEADS) ** -0.5
                                + causal_mask(x), -1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, seq, DIM))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class Vit(nn.Module):
    """Patches by convolution, class token, learned positions, pre-norm blocks, classifier."""

    def __init__(self, size=16, patch=4, layers=2, classes=10):
        super().__init__()
        self.patches = nn.Conv2d(3, DIM, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, DIM))
        self.positions = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, DIM))
        self.attention = nn.ModuleList(Attention() for _ in range(layers))
        self.feed_forward = nn.ModuleList(FeedForward() for _ in range(layers))
        self.norm1 = nn.ModuleList(nn.LayerNorm(DIM) for _ in range(layers))
        self.norm2 = nn.ModuleList(nn.LayerNorm(DIM) for _ in range(layers))
        self.norm = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, classes)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for attention, feed_forward, norm1, norm2 in zip(
                self.attention, self.feed_forward, self.norm1, self.norm2):
            y = norm1(x)
            x = x + attention(y, y)
            x = x + feed_forward(norm2(x))
        return self.head(self.norm(x)[:, 0])


# --- Convolutional networks --------------------------------------------------------------------

def conv_norm(inputs, outputs, kernel=1, stride=1, groups=1, activation=None):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers + ([activation()] if activation else []))


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = 4 * width
        self.f = nn.Sequential(conv_norm(inputs, width, activation=nn.ReLU),
                               conv_norm(width, width, 3, stride, activation=nn.ReLU),
                               conv_norm(width, outputs))
        same = stride == 1 and inputs == outputs
        self.skip = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.skip(x) + self.f(x))


class ResNet50(nn.Module):
    """ResNet-50 with its 3, 4, 6, 3 bottlenecks, from `width` channels instead of 64."""

    def __init__(self, width=8, classes=10):
        super().__init__()
        self.stem = nn.Sequential(conv_norm(3, width, 7, 2, activation=nn.ReLU),
                                  nn.MaxPool2d(3, 2, 1))
        blocks, inputs = [], width
        for stage, depth in enumerate((3, 4, 6, 3)):
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(Bottleneck(inputs, width << stage, stride))
                inputs = 4 * (width << stage)
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)

    def forward(self, image):
        return self.head(self.pool(self.blocks(self.stem(image))).flatten(1))


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth, squeezed):
        super().__init__()
        self.f = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), conv_norm(
            inputs, squeezed, activation=nn.ReLU), nn.Conv2d(squeezed, growth, 3, padding=1))

    def forward(self, x):
        return torch.cat([x, self.f(x)], 1)


class DenseNet(nn.Module):
    """`squeeze` times the growth is what each layer reduces its inputs to; `pooled` is the stem for
    large images."""

    def __init__(self, growth=8, depths=(3, 4, 3), classes=10, squeeze=2, pooled=False):
        super().__init__()
        channels = 2 * growth
        layers = [conv_norm(3, channels, 7 if pooled else 3, 2, activation=nn.ReLU)]
        if pooled:
            layers.append(nn.MaxPool2d(3, 2, 1))
        for block, depth in enumerate(depths):
            for _ in range(depth):
                layers.append(DenseLayer(channels, growth, squeeze * growth))
                channels += growth
            if block + 1 < len(depths):
                layers += [nn.BatchNorm2d(channels), nn.ReLU(),
                           nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
                channels //= 2
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Linear(channels, classes)

    def forward(self, image):
        return self.head(F.adaptive_avg_pool2d(self.features(image), (1, 1)).flatten(1))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        hidden = inputs * expand
        self.residual = stride == 1 and inputs == outputs
        self.f = nn.Sequential(conv_norm(inputs, hidden, activation=nn.ReLU6),
                               conv_norm(hidden, hidden, 3, stride, hidden, nn.ReLU6),
                               conv_norm(hidden, outputs))

    def forward(self, x):
        return x + self.f(x) if self.residual else self.f(x)


class MobileNetV2(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            conv_norm(3, 8, 3, 2, activation=nn.ReLU6), InvertedResidual(8, 8, 1, 1),
            InvertedResidual(8, 12, 2, 6), InvertedResidual(12, 12, 1, 6),
            InvertedResidual(12, 16, 2, 6), InvertedResidual(16, 16, 1, 6),
            conv_norm(16, 64, activation=nn.ReLU6))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(64, classes))

    def forward(self, image):
        return self.head(self.features(image).mean((2, 3)))


class Norms(nn.Module):
    """Every normalisation, some behind a convolution, some alone, with a residual connection."""

    def __init__(self, channels=16):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.batch = nn.BatchNorm2d(channels)
        self.group = nn.GroupNorm(4, channels)
        self.instance = nn.InstanceNorm2d(channels, affine=True)
        self.plain = nn.InstanceNorm2d(channels)
        self.layer = nn.LayerNorm(channels)

    def forward(self, image):
        x = torch.relu(self.batch(self.conv(image)))
        x = x + self.group(x)
        x = self.plain(F.silu(self.instance(x))) + x
        x = self.batch(x)
        return self.layer((x + torch.sigmoid(x)).permute(0, 2, 3, 1))


# --- Recurrent networks ------------------------------------------------------------------------

class Recurrent(nn.Module):
    """`kind` (nn.LSTM or nn.GRU), two layers, the second reading both directions of the first."""

    def __init__(self, kind, dim=DIM, hidden=16, classes=8):
        super().__init__()
        self.rnn = kind(dim, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


# --- The list ----------------------------------------------------------------------------------

# An input: its dims (a number, or the name of a dimension that may be dynamic) and what it holds:
# "normal" (float), or the exclusive upper bound of integers.
Input = namedtuple("Input", "name dims values")
Input.__new__.__defaults__ = ("normal",)

# A model: how to build it, its inputs and outputs, how many LayerNormalizations onnxc finds in it
# (a GroupNorm or an InstanceNorm is one on a reshaped tensor), how many of those norm a sum, and
# which primitives of a norm it also uses for something else.
Model = namedtuple("Model", "build inputs outputs norms sums keeps")
Model.__new__.__defaults__ = (("y",), 0, 0, ())

SEQUENCE = (Input("x", ("batch", "seq", DIM)),)


def image(size):
    return (Input("image", ("batch", 3, size, size)),)


MODELS = OrderedDict(
    post_norm=Model(PostNorm, SEQUENCE, norms=2, sums=2),
    pre_norm=Model(PreNorm, SEQUENCE, norms=3, sums=2),
    weighted=Model(Weighted, SEQUENCE, norms=2, sums=2),
    sandwich=Model(Sandwich, SEQUENCE, norms=4, sums=1),
    highway=Model(Highway, SEQUENCE),
    rms_swiglu=Model(RmsSwiglu, SEQUENCE),
    encoder_layer=Model(EncoderLayer, SEQUENCE, norms=2, sums=2),
    torch_encoder_layer=Model(TorchEncoderLayer, SEQUENCE, norms=4, sums=3),
    decoder_layer=Model(
        DecoderLayer, SEQUENCE + (Input("memory", ("batch", "memory_seq", DIM)),),
        norms=3, sums=3),
    bert=Model(
        Bert, (Input("tokens", ("batch", "seq"), VOCABULARY), Input("types", ("batch", "seq"), 2),
               Input("keep", ("batch", "seq"), 2)),
        outputs=("hidden", "pooled"), norms=9, sums=9, keeps=("Tanh",)),
    gpt2_block=Model(Gpt2Block, SEQUENCE, norms=2, sums=1),
    vit=Model(Vit, image(16), outputs=("logits",), norms=5, sums=4),
    resnet50=Model(ResNet50, image(32), outputs=("logits",), keeps=("ReduceMean",)),
    densenet=Model(DenseNet, image(16), outputs=("logits",), keeps=("ReduceMean",)),
    mobilenet_v2=Model(MobileNetV2, image(32), outputs=("logits",), keeps=("ReduceMean",)),
    norms=Model(Norms, image(4), norms=4),
    # The dynamo exporter fixes the length of a recurrent layer's sequence: only batch has a name.
    lstm=Model(lambda: Recurrent(nn.LSTM), (Input("x", ("batch", 6, DIM)),), keeps=("Tanh",)),
    gru=Model(lambda: Recurrent(nn.GRU), (Input("x", ("batch", 6, DIM)),), keeps=("Tanh",)),
)


def build(name):
    """The model in eval mode, seeded, with norms that have been away from their initial values."""
    torch.manual_seed(0)
    module = MODELS[name].build().eval()
    norms = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d, nn.InstanceNorm2d)
    with torch.no_grad():
        for norm in (m for m in module.modules() if isinstance(m, norms)):
            for tensor in (norm.weight, norm.bias):
                if tensor is not None:
                    tensor.add_(0.2 * torch.randn_like(tensor))
            if isinstance(norm, nn.BatchNorm2d):
                norm.running_mean.normal_(0, 0.5)
                norm.running_var.uniform_(0.5, 1.5)
    return module


def make_inputs(name, sizes, seed):
    """Random inputs of a model, with sizes for its named dimensions."""
    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for spec in MODELS[name].inputs:
        dims = [sizes.get(dim, dim) for dim in spec.dims]
        tensors.append(torch.randn(dims, generator=generator) if spec.values == "normal"
                       else torch.randint(spec.values, dims, generator=generator))
    return tuple(tensors)
