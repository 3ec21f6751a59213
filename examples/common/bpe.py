"""Byte-pair encoding for the examples: learned here, used by bpe.c.

A token is a byte (0 to 255) or a pair of earlier tokens (256 and above, in the order in which they
were learned), so any text can be encoded, whatever the pairs were learned from. A file of pairs has
two unsigned 16-bit numbers for each, low byte first.
"""
import struct
from collections import Counter

BYTES = 256


def merge(tokens, pair, new):
    merged = []
    for token in tokens:
        if merged and (merged[-1], token) == pair:
            merged[-1] = new
        else:
            merged.append(token)
    return tuple(merged)


def learn(words, size):
    """The pairs that make up `size` tokens with the bytes: the most frequent in `words` first, of
    equally frequent ones the smallest. No token crosses the border of a word."""
    counts = Counter(tuple(word.encode()) for word in words)
    pairs = []
    while len(pairs) < size - BYTES:
        seen = Counter()
        for word, count in counts.items():
            for pair in zip(word, word[1:]):
                seen[pair] += count
        best = min(seen, key=lambda pair: (-seen[pair], pair))
        pairs.append(best)
        merged = Counter()
        for word, count in counts.items():
            merged[merge(word, best, BYTES + len(pairs) - 1)] += count
        counts = merged
    return pairs


def encode(pairs, text):
    """Merges the earliest learned pair first, from left to right."""
    tokens = tuple(text.encode())
    for i, pair in enumerate(pairs):
        tokens = merge(tokens, pair, BYTES + i)
    return list(tokens)


def decode(pairs, tokens):
    def bytes_of(token):
        if token < BYTES:
            return bytes([token])
        return b"".join(map(bytes_of, pairs[token - BYTES]))
    return b"".join(map(bytes_of, tokens)).decode(errors="replace")


def save(pairs, path):
    path.write_bytes(b"".join(struct.pack("<HH", *pair) for pair in pairs))
