"""Greedy decoding with a state, of GPT-2 and Llama as the transformers package has them, at reduced
size and with random weights: exported with their caches, and compared with PyTorch word by word.

    check_generation.py RUNTIME_LIBRARY
"""
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.cache_utils import DynamicCache, StaticCache

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each  # noqa: E402
from stateful import FULL, INDEX, OK, Program  # noqa: E402

WORDS, PROMPT, LONGEST = 97, 7, 48
COMMON = {"vocab_size": WORDS, "initializer_range": 0.4, "attn_implementation": "sdpa",
          "bos_token_id": None, "eos_token_id": None}
MODELS = {
    "GPT-2": (GPT2LMHeadModel, 4, GPT2Config(n_positions=64, n_embd=32, n_layer=2, n_head=4,
                                             **COMMON)),
    "Llama": (LlamaForCausalLM, 2, LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, **COMMON))}


class Growing(torch.nn.Module):
    """The cache as inputs and outputs, K and V of each layer, which are appended to."""
    sizes = {2: torch.export.Dim("past", max=LONGEST)}
    options = ["--state=past_key_values.*=present.*", f"--dim=past=0..{LONGEST - 1}"]
    first, beyond, updated = 5, FULL, 0

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, words, *past):
        return self.run(words, past, DynamicCache(list(zip(past[::2], past[1::2]))))

    def run(self, words, past, cache):
        given = self.model(words, past_key_values=cache, use_cache=True)
        return given.logits, *(x for layer in cache.layers for x in (layer.keys, layer.values))


class Fixed(Growing):
    """Of the full size from the beginning; how much of it is in use is the last input."""
    sizes = {}
    options = ["--state=past_key_values.*=present.*", "--state=length=length_next"]
    first, beyond, updated = LONGEST, INDEX, 4

    def forward(self, words, *past):
        *past, length = past
        cache = StaticCache(config=self.model.config, max_cache_len=LONGEST)
        for layer, keys, values in zip(cache.layers, past[::2], past[1::2]):
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys.clone(), values.clone()
            layer.cumulative_length = length.clone()
        return *self.run(words, past, cache), cache.layers[0].cumulative_length


def export(module, heads, size, path):
    layers = module.model.config.num_hidden_layers
    names = [f"{i}.{kind}" for i in range(layers) for kind in ("key", "value")]
    past = [torch.randn(1, heads, module.first, size) for _ in names]
    sizes = [module.sizes for _ in past]
    inputs = [f"past_key_values.{name}" for name in names]
    outputs = [f"present.{name}" for name in names]
    if isinstance(module, Fixed):
        past.append(torch.tensor(5))
        sizes.append({})
        inputs.append("length")
        outputs.append("length_next")
    torch.onnx.export(
        module, (torch.ones(1, 3, dtype=torch.int64), *past), dynamo=True, verbose=False,
        dynamic_shapes=({1: torch.export.Dim("seq", max=LONGEST)}, tuple(sizes)),
        input_names=["words", *inputs], output_names=["logits", *outputs]).save(path)


def decode(model, prompt):
    """The logits of each step of PyTorch's own greedy decoding, up to LONGEST words."""
    cache, words, steps = DynamicCache(), torch.tensor([prompt]), []
    with torch.no_grad():
        while cache.get_seq_length() + words.shape[1] <= LONGEST:
            logits = model(words, past_key_values=cache, use_cache=True).logits[0]
            steps.append((words.numpy(), logits.numpy()))
            words = logits[-1:].argmax(1)[None]
    return steps


def prepare(folder, name, cached):
    """The exported model, and what PyTorch computes with it: None stands for a reset."""
    make, heads, config = MODELS[name]
    torch.manual_seed(3)
    model = make(config).eval()
    folder.mkdir()
    export(cached(model), heads, 8, folder / "model.onnx")
    prompts = np.random.default_rng(3).integers(0, WORDS, (2, PROMPT)).tolist()
    return [step for prompt in prompts for step in (None, *decode(model, prompt))]


def check(folder, library, name, cached, expected):
    program = Program(folder / "out", folder / "model.onnx",
                      [*cached.options, f"--dim=seq=1..{PROMPT}"], ("gcc", "-O2"), library)
    for step in expected:
        if step is None:
            program.reset()
        else:
            words, logits = step
            program.run({"words": words, "seq": words.shape[1]}, {"logits": logits[None].shape})
    program.run({"words": expected[-1][0], "seq": 1}, {"logits": (1, 1, WORDS)})
    *given, (last, _) = program.finish()
    if (folder / "out" / "model.h").read_text().count(", in place,") != cached.updated:
        return [f"{name}: caches are copied"]
    faults = [] if last == cached.beyond else [f"{name}: behind the last word: {last}"]
    for i, (step, (code, outputs)) in enumerate(zip(expected, given)):
        if code != OK:
            faults.append(f"{name}, step {i}: code {code}")
        elif step is not None and not np.allclose(outputs["logits"][0], step[1], 1e-4, 1e-4):
            worst = np.abs(outputs["logits"][0] - step[1]).max()
            faults.append(f"{name}, step {i}: differs by {worst}")
        elif step is not None and (outputs["logits"][0].argmax(1) != step[1].argmax(1)).any():
            faults.append(f"{name}, step {i}: another word")
    return faults


def main():
    library, = sys.argv[1:]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as root:
        jobs = []
        for name in MODELS:
            for cached in (Growing, Fixed):
                folder = Path(root) / f"{name}_{cached.__name__}"
                jobs.append((folder, library, f"{name}, {cached.__name__.lower()}", cached,
                             prepare(folder, name, cached)))
        check_each("generation", jobs, lambda job: check(*job))


if __name__ == "__main__":
    main()
