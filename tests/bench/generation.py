"""Greedy decoding with GPT-2 of 124 million parameters, random ones, whose cache is a state: beside
PyTorch word by word, and how long a word takes behind how much history.

    generation.py MODEL.onnx [--words 1000]

MODEL is what `networks.py OUT gpt2_decode_128` exports. Times are processor time of one thread, the
least of several runs. What steps copy for a word is told, too: its own keys and values, no cache.
"""
import argparse
import ctypes
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

sys.path.insert(0, str(Path(__file__).resolve().parent))
import networks  # noqa: E402
from engines import CompiledDecoder  # noqa: E402
from measure import CACHE, PAST  # noqa: E402

NETWORK = networks.NETWORKS["gpt2_decode_128"]
HISTORIES, MOST = (1, 128, 900), 1023
RUNS = 9


def compiled(model, folder):
    flags = [f"--state={CACHE}*=present.*", "--dim=seq=1", f"--dim={PAST}=0..{MOST}"]
    engine = CompiledDecoder(folder, model, flags, 1)
    engine.bind([np.zeros((1, 1), np.int64)], [np.zeros((1, 1, NETWORK.words), np.float32)])
    return engine


def least(run):
    times = []
    for _ in range(RUNS):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times) * 1e3


def ours_behind(engine, words):
    engine.remember(words)
    took = least(engine.run)
    del engine.restore
    return took


def torch_behind(model, words):
    with torch.no_grad():
        cache = model(words[:, :-1], past_key_values=DynamicCache(), use_cache=True).past_key_values

        def step():
            model(words[:, -1:], past_key_values=cache, use_cache=True)
            cache.crop(-1)
        return least(step)


def ours_words(engine, word, count):
    engine.library.model_reset(ctypes.c_void_p(engine.state.ctypes.data))
    for _ in range(count):
        engine.bound[0][...] = word
        engine.run()
        word = int(engine.outputs()[0][0, 0].argmax())
        yield word


def torch_words(model, word, count):
    cache = DynamicCache()
    for _ in range(count):
        with torch.no_grad():
            logits = model(torch.tensor([[word]]), past_key_values=cache, use_cache=True).logits
        word = int(logits[0, -1].argmax())
        yield word


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--words", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = networks.build(NETWORK)
    words = torch.randint(NETWORK.words, (1, max(HISTORIES) + 1))
    with tempfile.TemporaryDirectory() as folder:
        engine = compiled(options.model, Path(folder))
        print("| history | onnxc, ms a word | PyTorch, ms a word | words a second, onnxc |\n"
              "| ---: | ---: | ---: | ---: |")
        for history in HISTORIES:
            part = words[:, :history + 1]
            ours, theirs = ours_behind(engine, part.numpy()), torch_behind(model, part)
            print(f"| {history} | {ours:.1f} | {theirs:.1f} | {1e3 / ours:.1f} |", flush=True)
        copies = [step for step in engine.view["steps"] if step["kind"] == "copy"]
        print(f"\nstate of {len(engine.state):,} bytes; steps that copy: {len(copies)}, "
              f"{sum(step['bytes'] for step in copies):,} bytes a word")
        pairs = zip(ours_words(engine, 464, options.words), torch_words(model, 464, options.words))
        same = 0
        for ours, theirs in pairs:
            if ours != theirs:
                break
            same += 1
    print(f"{same} of {options.words} words as PyTorch decodes them")
    return 0 if same == options.words else 1


if __name__ == "__main__":
    sys.exit(main())
