#!/usr/bin/env python3
"""Makes rust/core/data/gpt2_merges.bin from OpenAI's encoder.json (vocab.json) and vocab.bpe (merges.txt).

    python scripts/make_embedded_vocabulary.py vocab.json merges.txt

GPT-2 numbers its tokens in a fixed way: 256 bytes in the order of the byte-level alphabet, then the product of merge
i as id 256 + i, then <|endoftext|>. So the merges alone are the vocabulary, and a merge is two 16-bit ids. This
script checks both files against OpenAI's published sha256 sums, checks that numbering, and writes 50,000 pairs of
little-endian 16-bit ids. tests/test_embedded_vocabulary.py goes the other way: both files, byte for byte.

Provenance: the files are GPT-2's (modified MIT licence, OpenAI), rebuilt from the rank table in the
openai-whisper package (MIT) and byte-identical to the published ones.
"""

import hashlib
import json
import struct
import sys
from pathlib import Path

VOCAB_SHA256 = "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"
MERGES_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
OUTPUT = Path(__file__).resolve().parent.parent / "rust" / "core" / "data" / "gpt2_merges.bin"


def read_checked(path: str, sha256: str) -> bytes:
    data = Path(path).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit(f"{path} is not OpenAI's file: its sha256 is {found}, not {sha256}")
    return data


def main(vocab_path: str, merges_path: str) -> None:
    vocab = json.loads(read_checked(vocab_path, VOCAB_SHA256))
    lines = read_checked(merges_path, MERGES_SHA256).decode("utf-8").splitlines()[1:]
    pairs = []
    for rank, line in enumerate(lines):
        left, right = line.split(" ")
        if vocab[left + right] != 256 + rank:
            sys.exit(f"merge {rank} makes id {vocab[left + right]}, not {256 + rank}")
        pairs.append(struct.pack("<HH", vocab[left], vocab[right]))
    OUTPUT.write_bytes(b"".join(pairs))
    print(f"{OUTPUT}: {len(pairs)} merges, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
