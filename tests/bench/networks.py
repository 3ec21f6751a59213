"""The networks that are measured at full size, with random weights: those of tests/transformers and
examples/pytorch with the sizes of their publications. NETWORKS lists them, one row each.

    networks.py OUT NAME    exports one to OUT/model.onnx, with static sizes and batch 1 where it
                            keeps no cache, and one data set without expected outputs
"""
import logging
import sys
import warnings
from collections import namedtuple
from pathlib import Path

import torch
import transformers
from torch import nn

HERE = Path(__file__).resolve().parent
for folder in ("transformers", "state"):
    sys.path.insert(0, str(HERE.parent / folder))
import zoo  # noqa: E402, before what else calls itself `models`
import check_generation  # noqa: E402
import convnets  # noqa: E402
import models  # noqa: E402
from export import write_tensors  # noqa: E402
from models import Input  # noqa: E402

BERT = dict(vocab_size=30522, hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
            intermediate_size=3072, max_position_embeddings=512)
GPT2 = dict(vocab_size=50257, n_embd=768, n_layer=12, n_head=12, n_positions=1024)
LLAMA = dict(vocab_size=32000, hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
             num_key_value_heads=4, head_dim=64, intermediate_size=2048,
             max_position_embeddings=1024, tie_word_embeddings=True)
VIT = dict(image_size=224, patch_size=16, hidden_size=768, num_hidden_layers=12,
           num_attention_heads=12, intermediate_size=3072)
CONVNEXT = dict(depths=[3, 3, 9, 3], hidden_sizes=[96, 192, 384, 768])
IMAGE = zoo.pixels(224)


def tokens(words, length):
    return Input("input_ids", (1, length), words)


def bert(length):
    inputs = (tokens(BERT["vocab_size"], length), Input("attention_mask", (1, length), "mask"),
              Input("token_type_ids", (1, length), 2))
    return zoo.encoder("Bert", BERT, inputs, ("last_hidden_state", "pooler_output"))


def recurrent(kind):
    return zoo.Model(lambda: models.Recurrent(kind, 256, 512, 128), (Input("x", (1, 100, 256)),))


def pictures(build, size=224):
    return zoo.Model(build, zoo.pixels(size))


# A decoder with its cache. The length that it has seen when it is measured is `history`.
Cached = namedtuple("Cached", "build heads size words history")

NETWORKS = dict(
    bert_base_128=bert(128),
    bert_base_384=bert(384),
    vit_b16=zoo.hf("ViT", "ForImageClassification", dict(VIT, num_labels=1000), IMAGE,
                   ("logits",)),
    gpt2_prefill_128=zoo.decoder("GPT2", GPT2, (tokens(50257, 128),), head="LMHeadModel"),
    gpt2_decode_128=Cached(lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2)),
                           12, 64, 50257, 128),
    llama_100m_128=zoo.decoder("Llama", LLAMA, (tokens(32000, 128),)),
    resnet50=pictures(lambda: models.ResNet50(64, 1000)),
    mobilenet_v2=pictures(lambda: convnets.MobileNetV2(1, 1000)),
    efficientnet_b0=pictures(lambda: convnets.EfficientNetB0(1, 1000)),
    convnext_t=zoo.hf("ConvNext", "ForImageClassification", dict(CONVNEXT, num_labels=1000), IMAGE,
                      ("logits",)),
    densenet121=pictures(lambda: models.DenseNet(32, (6, 12, 24, 16), 1000, 4, True)),
    unet_256=pictures(lambda: convnets.UNet(64), 256),
    lstm=recurrent(nn.LSTM),
    gru=recurrent(nn.GRU),
)


class Decoder(check_generation.Growing):
    sizes = {2: torch.export.Dim("past", max=1023)}


def build(network):
    """In eval mode, with seeded random weights."""
    torch.manual_seed(0)
    module = network.build().eval()
    with torch.no_grad():
        zoo.randomise(module)
    return module


def export_cached(network, folder):
    """Inputs are the words of the history and one more."""
    check_generation.export(Decoder(build(network)), network.heads, network.size,
                            folder / "model.onnx")
    words = torch.randint(network.words, (1, network.history + 1))
    write_tensors(folder / "test_data_set_0", "input", ["words"], (words,))


def export_static(network, folder):
    generator = torch.Generator().manual_seed(0)
    names = [spec.name for spec in network.inputs]
    inputs = tuple(zoo.random_input(spec, {"batch": 1}, generator) for spec in network.inputs)
    with torch.no_grad():
        torch.onnx.export(build(network), inputs, folder / "model.onnx", dynamo=True,
                          external_data=False, verbose=False, input_names=names,
                          output_names=list(network.outputs))
    write_tensors(folder / "test_data_set_0", "input", names, inputs)


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()
    folder, network = Path(sys.argv[1]), NETWORKS[sys.argv[2]]
    folder.mkdir(parents=True, exist_ok=True)
    (export_cached if isinstance(network, Cached) else export_static)(network, folder)


if __name__ == "__main__":
    main()
