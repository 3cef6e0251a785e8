"""Loading good files: the three formats, in all the forms that other programs write, judged by tokenizers and tiktoken.

Owns vocabularies made by hand for one trap each. Chance is `test_load_random_vocabularies.py`'s, bad files are
`test_load_bad_files.py`'s.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from gpt2tok import Encoding, formats
from gpt2tok._core import gpt2_vocabulary
from small_vocabularies import BYTES, Small, spell

END = "<|endoftext|>"
BASE = {spell(token): number for number, token in enumerate(BYTES)}
TEXTS = [
    "abc",
    "ab",
    "abcabc",
    "aabbcc",
    "c",
    "",
    "ab abc  ca\nb",
    "abc" * 40,
    "bc" * 33,
    "'s abc",
    "\u00e9 ab \U0001f600",
]


def small(merges: list[str], ids: dict[str, int] | None = None, characters: str = "abc") -> Small:
    """Merges spelled "a b", products numbered as they come, unless other ids are given."""
    pairs = [(left.encode(), right.encode()) for left, right in (merge.split(" ") for merge in merges)]
    numbers = {token: number for number, token in enumerate(BYTES)}
    for pair in pairs:
        numbers.setdefault(b"".join(pair), len(numbers))
    numbers.update({token.encode(): number for token, number in (ids or {}).items()})
    return Small(numbers, pairs, characters)


def written(directory: Path, vocabulary: Small) -> tuple[Path, Path]:
    vocab_file, merges_file = directory / "vocab.json", directory / "merges.txt"
    vocab_file.write_text(json.dumps(vocabulary.vocab, ensure_ascii=False), "utf-8")
    lines = "".join(f"{left} {right}\n" for left, right in vocabulary.spelled_merges)
    merges_file.write_text("#version: 0.2\n" + lines, "utf-8")
    return vocab_file, merges_file


HAND_MADE = {
    "in order": small(["a b", "ab c"]),
    "ids backwards": small(["a b", "ab c", "b c"], {"ab": 900, "abc": 400, "bc": 300}),
    "products before bytes": small(["a b", "ab c"], {"ab": 97, "abc": 98, "a": 256, "b": 257}),
    "byte ids that are other bytes": small(["a b"], {"a": 98, "b": 97, "c": 100, "d": 99}),
    "an entry that no merge makes": small(["a b"], {"abc": 300, "bca": 301, "aa": 302, "ab abc": 303}),
    "an entry that the merges miss": small(["b c", "ab c", "a b"], {"abc": 300}),
    "a product of two merges": small(["b c", "a b", "a bc", "ab c"]),
    "the same product, the other way first": small(["a b", "b c", "ab c", "a bc"]),
    "a merge of a later product": small(["ab c", "a b"]),
    "a merge of a later product, both ways": small(["ab c", "bc a", "b c", "a b", "a bc"]),
    "a merge of what no merge makes": small(["ab c", "b c"], {"ab": 300}),
    "doubling": small(["a a", "aa aa", "aaaa aaaa", "aaaaaaaa aaaaaaaa"], characters="a"),
    "counting up": small(["a a", "aa a", "aaa a", "aaaa a"], characters="a"),
    "counting up on the left": small(["a a", "a aa", "a aaa"], characters="a"),
    "spaces and line ends": Small(
        {**{token: number for number, token in enumerate(BYTES)}, b"  ": 256, b"\n\n": 257, b" a": 258, b"    ": 259},
        [(b" ", b" "), (b"\n", b"\n"), (b" ", b"a"), (b"  ", b"  ")],
        " \na",
    ),
    "no merges": small([]),
}  # fmt: skip


@pytest.mark.parametrize("vocabulary", HAND_MADE.values(), ids=HAND_MADE.keys())
def test_hand_made_vocabularies(tmp_path: Path, vocabulary: Small) -> None:
    oracle = vocabulary.by_tokenizers()
    oracle.save(str(tmp_path / "tokenizer.json"))
    loaded = [
        vocabulary.loaded(),
        Encoding.from_files(*written(tmp_path, vocabulary)),
        Encoding.from_tokenizer_json(tmp_path / "tokenizer.json"),
    ]
    (tmp_path / "ranks.tiktoken").write_bytes(vocabulary.tiktoken_file())
    ranks, by_tiktoken = Encoding.from_tiktoken(tmp_path / "ranks.tiktoken"), vocabulary.by_tiktoken()
    for text in [*TEXTS, *vocabulary.texts(0, 300)]:
        right = oracle.encode(text).ids
        assert [encoding.encode_ordinary(text) for encoding in loaded] == [right] * 3, text
        assert ranks.encode_ordinary(text) == by_tiktoken.encode_ordinary(text), text
    assert loaded[1].token_bytes() == sorted((number, token) for token, number in vocabulary.ids.items())


def test_a_whole_pretoken_is_not_an_entry_that_no_merge_makes(tmp_path: Path) -> None:
    """By hand, as the oracles might share a mistake: "abc" is in the vocabulary, and out of the merges' reach."""
    vocabulary = HAND_MADE["an entry that no merge makes"]
    assert vocabulary.loaded().encode_ordinary("abc") == [256, 99]
    assert vocabulary.loaded().encode_single_token("abc") == 300
    (tmp_path / "ranks.tiktoken").write_bytes(vocabulary.tiktoken_file())
    ranks = Encoding.from_tiktoken(tmp_path / "ranks.tiktoken")
    # tiktoken takes a pretoken whole, and merges ab first where "abc" is only a part of one.
    assert ranks.encode_ordinary("bca") == [301]
    assert ranks.encode_ordinary("abca") == [300, 97]


def shuffled_gpt2() -> Small:
    """GPT-2's tokens under other ids, as RoBERTa and OPT number them: by frequency, from 4 on, with gaps."""
    vocab, merges = gpt2_vocabulary()
    back = {symbol: bytes([byte]) for byte, symbol in formats.byte_alphabet().items()}
    tokens = [b"".join(back[symbol] for symbol in token) for token in vocab if token != END]
    numbers = list(range(4, len(tokens) + 4))
    random.Random(0).shuffle(numbers)
    pairs = [tuple(b"".join(back[symbol] for symbol in side) for side in pair) for pair in merges]
    return Small(dict(zip(tokens, numbers, strict=True)), pairs, "")  # type: ignore[arg-type]


def test_gpt2_renumbered_as_roberta_and_opt_are(
    tmp_path: Path, gpt2: Encoding, multilingual: list[str]
) -> None:
    """Extra entries are spelled as in RoBERTa's files: <s> and its kind stand in vocab.json, and are text here."""
    vocabulary = shuffled_gpt2()
    extra = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "madeupword0000": 50_400, "<mask>": 50_401}
    (tmp_path / "vocab.json").write_text(json.dumps({**vocabulary.vocab, **extra}), "utf-8")
    (tmp_path / "merges.txt").write_bytes(formats.merges_txt_bytes(vocabulary.spelled_merges))
    files = (tmp_path / "vocab.json", tmp_path / "merges.txt")
    text = "<s> madeupword0000</s><mask>"
    ours = Encoding.from_files(*files, special_tokens=list(extra))
    renumbered = {number: vocabulary.ids[token] for number, token in gpt2.token_bytes()}
    for real in [*multilingual, text, "x" * 500, " \n" * 99]:
        right = [renumbered[number] for number in gpt2.encode_ordinary(real)]
        assert ours.encode_ordinary(real) == right
        assert Encoding.decode(ours, right) == real
    assert ours.encode(text, allowed_special="all")[:1] == [0]
    # Not named special, they are entries that no merge makes.
    plain = Encoding.from_files(*files)
    assert plain.encode(text) == ours.encode_ordinary(text)
    assert (plain.encode_single_token("<mask>"), plain.n_vocab) == (50_401, 50_402)


@pytest.mark.parametrize("entry", [" ", "\n", "\t", "  ", "\u4e2d", "\x00"], ids=ascii)
@pytest.mark.parametrize("first", [True, False])
def test_entries_outside_the_byte_alphabet_are_never_bytes(tmp_path: Path, entry: str, first: bool) -> None:
    """Added tokens that some programs write into vocab.json, in their own spelling: no text makes them by merging."""
    vocab = {entry: 300, **BASE, "ab": 256} if first else {**BASE, "ab": 256, entry: 300}
    oracle = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, [("a", "b")]))
    oracle.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    ours = Encoding.from_vocab_and_merges(vocab, [("a", "b")])
    text = f"ab{entry}ab{entry}{entry} a\nb\tc "
    assert ours.encode_ordinary(text) == oracle.encode(text).ids
    assert ours.decode(ours.encode_ordinary(text)) == text
    assert ours.decode([300]) == entry


MERGES = b"a b\nab c\n"


@pytest.mark.parametrize(
    "merges",
    [
        MERGES, MERGES[:-1], b"#version: 0.2\n" + MERGES, b"#version: 0.2\r\n" + MERGES.replace(b"\n", b"\r\n"),
        MERGES.replace(b"\n", b"\r\n"), MERGES[:-1].replace(b"\n", b"\r\n"), MERGES + b"\n\n\n", MERGES + b"\r\n\r\n",
        b"\xef\xbb\xbf" + MERGES, b"\xef\xbb\xbf#version: 0.2\n" + MERGES, b"#version 1.0 - by someone\n" + MERGES,
    ],
    ids=repr,
)  # fmt: skip
def test_forms_of_merges_txt(tmp_path: Path, merges: bytes) -> None:
    vocabulary = HAND_MADE["in order"]
    vocab_file, merges_file = written(tmp_path, vocabulary)
    merges_file.write_bytes(merges)
    ours = Encoding.from_files(vocab_file, merges_file)
    assert ours.merges() == vocabulary.merges
    assert ours.encode_ordinary("abc ab") == [257, 32, 256]


@pytest.mark.parametrize(
    "merges", [b"", b"\n", b"#version: 0.2", b"#version: 0.2\n", b"\xef\xbb\xbf", b"\r\n\r\n"], ids=repr
)
def test_merges_txt_without_merges(tmp_path: Path, merges: bytes) -> None:
    vocab_file, merges_file = written(tmp_path, HAND_MADE["no merges"])
    merges_file.write_bytes(merges)
    ours = Encoding.from_files(vocab_file, merges_file)
    assert ours.merges() == [] and ours.encode_ordinary("ab") == [97, 98]


def test_a_merge_that_begins_with_the_header_s_word(tmp_path: Path) -> None:
    """Past the first line `#version` is a token as good as any."""
    merges = [
        "# v",
        "#v e",
        "#ve r",
        "#ver s",
        "#vers i",
        "#versi o",
        "#versio n",
        "#version s",
        "#versions :",
        "#version :",
    ]
    vocabulary = small(merges)
    vocab_file, merges_file = written(tmp_path, vocabulary)
    ours = Encoding.from_files(vocab_file, merges_file)
    assert ours.merges() == vocabulary.merges
    oracle = vocabulary.by_tokenizers()
    for text in ("#version", "versions", "#versions", "#" * 40 + "versions"):
        assert ours.encode_ordinary(text) == oracle.encode(text).ids
    # Such tokens span classes, so only a vocabulary's own bytes reach them; the merges are what counts.
    merges_file.write_text("".join(f"{merge}\n" for merge in merges), "utf-8")
    assert Encoding.from_files(vocab_file, merges_file).merges() == vocabulary.merges


@pytest.mark.parametrize(
    "change", [lambda text: text, lambda text: "\ufeff" + text, lambda text: f"\r\n \t{text}\n\n"]
)
def test_forms_of_vocab_json(tmp_path: Path, change: Any) -> None:
    vocabulary = HAND_MADE["ids backwards"]
    vocab_file, merges_file = written(tmp_path, vocabulary)
    for text in (json.dumps(vocabulary.vocab), json.dumps(vocabulary.vocab, ensure_ascii=False, indent=1)):
        vocab_file.write_text(change(text), "utf-8")
        ours = Encoding.from_files(str(vocab_file), merges_file)
        assert ours.encode_ordinary("abc") == vocabulary.loaded().encode_ordinary("abc") == [400]


def test_forms_of_tokenizer_json(tmp_path: Path) -> None:
    """As tokenizers writes it, as it wrote it before 0.20, and with what other programs leave out."""
    vocabulary = HAND_MADE["a product of two merges"]
    oracle = vocabulary.by_tokenizers()
    oracle.add_special_tokens([END])
    new = json.loads(oracle.to_str())
    assert isinstance(new["model"]["merges"][0], list), "tokenizers writes pairs"
    old = json.loads(oracle.to_str())
    old["model"]["merges"] = [" ".join(pair) for pair in old["model"]["merges"]]
    bare = {
        "model": {"vocab": old["model"]["vocab"], "merges": old["model"]["merges"]},
        "pre_tokenizer": new["pre_tokenizer"],
    }
    bare["added_tokens"] = new["added_tokens"]
    sequence = {**new, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [new["pre_tokenizer"]]}}
    extra = {**new, "comment": {"deep": [{}]}, "version": None, "truncation": {"max_length": 3}}
    path = tmp_path / "tokenizer.json"
    for content in (new, old, bare, sequence, extra):
        for text in (json.dumps(content), "\ufeff" + json.dumps(content, indent=2, ensure_ascii=False)):
            path.write_text(text, "utf-8")
            ours = Encoding.from_tokenizer_json(path)
            for sample in vocabulary.texts(1, 50):
                assert ours.encode_ordinary(sample) == oracle.encode(sample).ids
            assert ours.special_tokens == {END: oracle.token_to_id(END)}
            assert ours.encode(f"ab{END}c", allowed_special="all") == oracle.encode(f"ab{END}c").ids


def test_a_prefix_space_is_honoured_or_refused(tmp_path: Path) -> None:
    """tokenizers puts a space before the text then; other ids without a word would be a silent wrong answer."""
    oracle = HAND_MADE["in order"].by_tokenizers()
    oracle.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    oracle.save(str(tmp_path / "tokenizer.json"))
    try:
        ours = Encoding.from_tokenizer_json(tmp_path / "tokenizer.json")
    except ValueError as error:
        assert re.search("add_prefix_space", str(error))
        return
    for text in ("abc", " abc", "a b"):
        assert ours.encode_ordinary(text) == oracle.encode(text).ids


def test_gpt2_as_every_format(
    tmp_path: Path, gpt2: Encoding, tokenizers_gpt2: Any, multilingual: list[str]
) -> None:
    tokenizers_gpt2.save(str(tmp_path / "tokenizer.json"))
    lines = (b"%s %d" % (base64.b64encode(token), number) for number, token in gpt2.token_bytes())
    (tmp_path / "gpt2.tiktoken").write_bytes(b"\n".join(lines))
    from_json = Encoding.from_tokenizer_json(tmp_path / "tokenizer.json")
    ranks = Encoding.from_tiktoken(tmp_path / "gpt2.tiktoken", special_tokens={END: 50_256})
    assert from_json.merges() == ranks.merges() == gpt2.merges()
    assert ranks.token_bytes() == gpt2.token_bytes()
    assert ranks.special_tokens == gpt2.special_tokens
    assert (from_json.name, ranks.name) == ("tokenizer", "gpt2")
    texts = [*multilingual, "e" * 1000, " " * 1000, "qwertzuiop" * 50, "\u4e2d\u6587" * 99]
    right = gpt2.encode_ordinary_batch(texts)
    assert from_json.encode_ordinary_batch(texts) == ranks.encode_ordinary_batch(texts) == right


def test_names_and_special_tokens(tmp_path: Path) -> None:
    vocabulary = HAND_MADE["in order"]
    vocab_file, merges_file = written(tmp_path, vocabulary)
    vocab_file.write_text(json.dumps({**vocabulary.vocab, END: 700, "<x>": 800}), "utf-8")

    def load(special: Any, **more: Any) -> Encoding:
        return Encoding.from_files(vocab_file, merges_file, special_tokens=special, **more)

    assert load(None).special_tokens == {END: 700} and load(None).eot_token == 700
    assert load([]).special_tokens == {}
    for names in (
        ["<x>"],
        ("<x>",),
        {"<x>"},
        frozenset(["<x>"]),
        iter(["<x>"]),
        {"<x>": 800},
        {"<x>": 0}.keys(),
    ):
        assert load(names).special_tokens == {"<x>": 800}
    assert load({"<y>": 5000, END: 700}).special_tokens == {"<y>": 5000, END: 700}
    assert load({"<y>": 5000}).n_vocab == 5001
    assert load(None).name == "vocab" and load(None, name="mine").name == "mine"
    assert "<x>" not in [token.decode("latin-1") for _, token in load(["<x>"]).token_bytes()]


@pytest.mark.parametrize(
    "kind", [str, Path, os.fspath, lambda path: type("P", (), {"__fspath__": lambda self: str(path)})()]
)
def test_paths_of_all_kinds(tmp_path: Path, kind: Any) -> None:
    directory = tmp_path / "na\u00efve \u4e2d"
    directory.mkdir()
    vocab_file, merges_file = written(directory, HAND_MADE["in order"])
    assert Encoding.from_files(kind(vocab_file), kind(merges_file)).encode_ordinary("abc") == [257]


def test_large_ids(tmp_path: Path) -> None:
    vocabulary = small(["a b"], {"ab": 2**24 - 1})
    ours = Encoding.from_files(*written(tmp_path, vocabulary))
    assert ours.encode_ordinary("ab") == [2**24 - 1] and ours.n_vocab == 2**24
    assert ours.decode([2**24 - 1]) == "ab"
