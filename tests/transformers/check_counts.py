"""Checks which steps onnxc makes of the models of the corpus.

    check_counts.py check|refresh CORPUS

Each block of attention is one step, each norm is one step and takes in the residual sum that it
norms, and no transposition is a step of its own. deviations.txt lists what is not so yet, exactly:
what is listed and holds is a fault as well. `refresh` rewrites it.
"""
import sys
from collections import Counter, namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import cases, check_each, steps_of  # noqa: E402

DEVIATIONS = Path(__file__).parent / "deviations.txt"
NORMS = {"LayerNormalization", "RMSNormalization"}

# Steps of attention, norms, norms of a sum, and steps that only transpose.
Counts = namedtuple("Counts", "attention norms sums transposes", defaults=(0,))
ENCODER = Counts(2, 5, 5)  # post-norm, and one norm of summed embeddings
PRE_NORM = Counts(2, 5, 4)  # the first norm is that of embeddings
PRE_NORM_OF_SUM = Counts(2, 5, 5)  # which are a sum of tokens and positions
SEQ2SEQ = Counts(6, 10, 10)
MLA = Counts(2, 9, 4)  # with two norms of low-rank projections in each layer

COUNTS = dict(
    bert=ENCODER, bert_eager=ENCODER, roberta=ENCODER, distilbert=ENCODER, albert=ENCODER,
    deberta_v2=ENCODER, electra=ENCODER, mpnet=ENCODER,
    gpt2=PRE_NORM_OF_SUM, gpt2_eager=PRE_NORM_OF_SUM, opt=PRE_NORM_OF_SUM,
    gpt_neox=Counts(2, 5, 2),  # two norms of one sum in each layer
    bloom=Counts(2, 6, 4),  # also embeddings are normed
    llama=PRE_NORM, llama_unmasked=PRE_NORM, llama_eager=PRE_NORM, mistral=PRE_NORM, qwen2=PRE_NORM,
    gemma2=Counts(2, 9, 4),  # a norm in front of and behind every half of a layer
    phi=Counts(2, 7, 2),  # one norm in front of both halves of a layer, norms of queries and keys
    falcon=Counts(2, 3, 2),
    deepseek_v3_batched=MLA, deepseek_v3_dense=MLA,
    t5=Counts(6, 12, 10), bart=Counts(6, 12, 12), marian=SEQ2SEQ, whisper=Counts(6, 12, 12),
    torch_transformer=Counts(6, 12, 10), torch_transformer_pre=Counts(6, 12, 10),
    vit=PRE_NORM_OF_SUM, deit=PRE_NORM_OF_SUM,
    swin=Counts(4, 11, 7),
    convnext=Counts(0, 10, 3),
    segformer=Counts(4, 17, 8),
    clip=Counts(4, 11, 9),
    wav2vec2=Counts(2, 7, 5),
)


def count(steps):
    norms = [step["ops"] for step in steps if NORMS & set(step["ops"])]
    spelled = Counter(op for ops in norms for op in ops)
    return Counts(sum(step["kind"] == "attention" for step in steps),
                  sum(spelled[op] for op in NORMS),
                  sum("Add" in ops for ops in norms),
                  sum(step["kind"] == "copy" and "Transpose" in step["ops"] for step in steps))


def deviations(folder):
    """{"attention": "0 instead of 2"} and so on: what is not as COUNTS says."""
    name = folder.name.rsplit("_", 1)[0]
    if name not in COUNTS:
        return {}
    found, expected = count(steps_of(folder)[1]), COUNTS[name]
    return {fact: f"{a} instead of {b}" for fact, a, b in zip(Counts._fields, found, expected)
            if a != b}


def known():
    rows = [line.split() for line in DEVIATIONS.read_text().splitlines()]
    return {name: set(facts) for name, *facts in rows}


def check(corpus):
    listed, folders = known(), cases(corpus)
    if unknown := set(listed) - {folder.name for folder in folders}:
        sys.exit(f"{DEVIATIONS.name}: no such models: {', '.join(sorted(unknown))}")

    def faults(folder):
        found, expected = deviations(folder), listed.get(folder.name, set())
        return [f"{folder.name}: {fact}: {found[fact]}" for fact in found if fact not in expected] + [
            f"{folder.name}: {fact} is as it should be: take it from {DEVIATIONS.name}"
            for fact in expected if fact not in found]

    check_each("steps of transformers", folders, faults)


def refresh(corpus):
    found = {folder.name: deviations(folder) for folder in cases(corpus)}
    DEVIATIONS.write_text("".join(f"{name} {' '.join(facts)}\n"
                                  for name, facts in found.items() if facts))
    for name, facts in found.items():
        print(name, ", ".join(f"{fact}: {what}" for fact, what in facts.items()) or "as expected")


if __name__ == "__main__":
    {"check": check, "refresh": refresh}[sys.argv[1]](Path(sys.argv[2]))
