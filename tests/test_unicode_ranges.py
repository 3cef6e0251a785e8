r"""The Unicode classes the core hands to Python, over every scalar, judged by tables that are not their source.

The core's tables are generated from regex-syntax, and `rust/core/tests/unicode_tables.rs` holds them to it. Here
the judges are Oniguruma, the engine with tables of its own that cuts text inside tokenizers, and Python's
`unicodedata` where it is of the same Unicode version. For `\w`, where Oniguruma means something else, it is what
tokenizers itself does beside an added token.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from gpt2tok._core import unicode_ranges

SCALARS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
Name = Literal["letter", "number", "space", "word"]


def ours(name: Name) -> set[int]:
    """The scalars of a class; that its ranges are in order and apart is a law of its own."""
    ranges = unicode_ranges(name)
    edges = [edge for first, last in ranges for edge in (first, last + 1)]
    assert edges == sorted(set(edges)), "ranges overlap, touch, or are out of order"
    return {code for first, last in ranges for code in range(first, last + 1)}


@pytest.mark.parametrize("name, pattern", [("letter", r"\p{L}+"), ("number", r"\p{N}+"), ("space", r"\s+")])
def test_every_scalar_has_the_class_that_oniguruma_gives_it(name: Name, pattern: str) -> None:
    found = Split(Regex(pattern), "removed", invert=True).pre_tokenize_str("".join(map(chr, SCALARS)))
    assert ours(name) == {ord(character) for run, _ in found for character in run}


@pytest.mark.skipif(unicodedata.unidata_version != "16.0.0", reason="this Python has another Unicode version")
def test_every_scalar_has_the_class_that_unicodedata_gives_it() -> None:
    for name, major in (("letter", "L"), ("number", "N")):
        assert ours(name) == {code for code in SCALARS if unicodedata.category(chr(code))[0] == major}  # type: ignore[arg-type]


def test_white_space_is_unicode_s_own_property() -> None:
    # PropList.txt, White_Space: 25 code points since Unicode 6.3. Python also counts U+001C to U+001F.
    assert ours("space") == {code for code in SCALARS if chr(code).isspace()} - {0x1C, 0x1D, 0x1E, 0x1F}
    assert len(ours("space")) == 25


def test_every_scalar_is_of_a_word_where_tokenizers_sees_one() -> None:
    """A single-word added token is not found right after a character of a word."""
    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([AddedToken("<x>", single_word=True, normalized=False)])
    found = set()
    for start in range(0, len(SCALARS), 2000):  # tokenizers is slower the longer the text
        block = SCALARS[start : start + 2000]
        encoding = tokenizer.encode("".join(f"{chr(code)}<x>\n" for code in block))
        places = {
            first for (first, _), token in zip(encoding.offsets, encoding.ids, strict=True) if token == 1
        }
        found |= {code for place, code in enumerate(block) if 5 * place + 1 not in places}
    assert ours("word") - set(range(0xD800, 0xE000)) == found


def test_a_name_that_is_none() -> None:
    with pytest.raises(ValueError, match="'letter', 'number', 'space' or 'word'"):
        unicode_ranges("emoji")  # type: ignore[arg-type]
