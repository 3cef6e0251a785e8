"""The merges that training learns are those of tokenizers' BpeTrainer and of the plain trainer, on any threads."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from training_oracle import SIZES, corpus, oracle, small_corpus, spelled, trained

from gpt2tok.training.plain import count_pretokens, learn_merges

CORPORA = ("english", "chinese", "multilingual", "python")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CORPORA)
def test_real_text(name: str, size: int) -> None:
    texts = corpus(name)
    wanted = oracle(texts, size)
    assert len(wanted) > min(size - 256, 7000) * 0.5
    for threads in (1, 2):
        assert spelled(trained(texts, size, num_threads=threads)) == wanted


def test_thousands_of_small_corpora_full_of_ties() -> None:
    generator = random.Random(20)
    for _ in range(4000):
        texts = small_corpus(generator)
        if not any(texts):
            continue
        size = 256 + generator.randint(0, 60)
        options = {
            "min_frequency": generator.choice([0, 0, 0, 1, 2, 3]),
            "max_token_length": generator.choice([None, None, None, 0, 1, 2, 3, 4, 7]),
        }
        wanted = oracle(texts, size, **options)
        found = spelled(trained(texts, size, num_threads=1, **options))
        assert found == wanted, (texts, size, options)


def test_special_tokens_that_are_spelled_like_tokens_take_part_in_ties() -> None:
    generator = random.Random(21)
    shared = 0
    many = [f"<{number}>" for number in range(300)]  # past the core's table of all pairs of bytes
    for _ in range(600):
        texts = small_corpus(generator)
        special = generator.choice(
            [["ab"], ["b", "<|x|>"], ["ba", "a"], ["abab", "ab", "日"], ["<|endoftext|>"], many]
        )
        if not any(texts):
            continue
        size = 256 + len(special) + generator.randint(0, 40)
        wanted = oracle(texts, size, special)
        encoding = trained(texts, size, special_tokens=special, num_threads=1)
        assert spelled(encoding) == wanted, (texts, size, special)
        assert set(special) == encoding.special_tokens_set
        products = {left + right for left, right in wanted}
        shared += not products.isdisjoint(special)
        for token in special:
            if token in products:
                assert encoding.special_tokens[token] == encoding.encode_single_token(token.encode())
    assert shared > 50


def test_the_plain_trainer_agrees() -> None:
    generator = random.Random(22)
    for _ in range(800):
        texts = small_corpus(generator)
        if not any(texts):
            continue
        size, special = 256 + generator.randint(0, 50), generator.choice([[], ["ab"], ["<|x|>", "b"]])
        size += len(special)
        longest, least = generator.choice([None, None, 3, 5]), generator.choice([0, 0, 2])
        options = {"max_token_length": longest, "min_frequency": least}
        found = spelled(trained(texts, size, special_tokens=special, num_threads=1, **options))
        assert found == learn_merges(count_pretokens(texts), size, special, least, longest), (
            texts,
            size,
            special,
        )
    texts = [text[:4000] for text in corpus("english")[:3]]
    assert spelled(trained(texts, 400)) == learn_merges(count_pretokens(texts), 400)


@pytest.mark.parametrize("longest", [5, 16])
def test_long_tokens_can_be_kept_away(longest: int) -> None:
    texts = corpus("english")[:4]
    encoding = trained(texts, 3000, max_token_length=longest, min_frequency=2)
    assert spelled(encoding) == oracle(texts, 3000, max_token_length=longest, min_frequency=2)
    assert max(len(token) for _, token in encoding.token_bytes()) == longest - 1


def test_files_are_read_as_tokenizers_reads_them(tmp_path: Path) -> None:
    texts = [*corpus("python")[:6], "a\r\nb\r\n\r\n  c", "last line\n\n\n", "日\u2028本\x0bx\x85y \n"]
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / f"{number}.txt")
        paths[-1].write_bytes(text.encode())
    assert spelled(trained(paths, 2000)) == oracle(None, 2000, files=paths)
    whole = spelled(trained(paths, 2000, whole_files=True))
    assert whole == oracle([path.read_bytes().decode() for path in paths], 2000)
    assert whole != spelled(trained(paths, 2000))


def test_a_file_larger_than_any_block_and_a_batch(tmp_path: Path) -> None:
    generator = random.Random(23)
    lines = [line for text in corpus("multilingual") for line in text.splitlines(keepends=True)]
    text = "".join(generator.choices(lines, k=40_000))
    path = tmp_path / "large.txt"
    path.write_text(text, encoding="utf-8", newline="")
    assert path.stat().st_size > 3 << 19
    assert spelled(trained(path, 1200, num_threads=2)) == oracle(None, 1200, files=[path])
    assert spelled(trained([path], 1200, whole_files=True, num_threads=2)) == oracle([text], 1200)
