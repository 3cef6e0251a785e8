"""The bytes of a saved vocabulary: `vocab.json` + `merges.txt`, `tokenizer.json`, `.tiktoken`.

Owns what each format looks like on disk, to the byte, and what each cannot say. Refuses to touch files
(`files.py` writes them, `Encoding` reads them) and to write what would load as another
tokenizer: that is a `VocabError`.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gpt2tok._core import VocabError

Merge = tuple[str, str]

_MERGES_HEADER = "#version: 0.2\n"
_ADDED_TOKEN_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def byte_alphabet() -> dict[int, str]:
    """The printable character that stands for each byte in `vocab.json`, `merges.txt` and `tokenizer.json`.

    Printable Latin-1 bytes stand for themselves; the other 68, in order, for the characters from U+0100 on.
    So no token of those files holds white space or a control character. Source: `bytes_to_unicode` of
    OpenAI's GPT-2 code.

    Example:
        >>> byte_alphabet()[ord("A")], byte_alphabet()[ord(" ")], byte_alphabet()[0]
        ('A', 'Ġ', 'Ā')
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return {byte: chr(byte if byte in printable else next(others)) for byte in range(256)}


def vocab_json_bytes(vocab: Mapping[str, int]) -> bytes:
    """A vocabulary as `vocab.json`: one ASCII line of JSON in id order, as OpenAI published `encoder.json`.

    Args:
        vocab: token (in the byte alphabet, or a special token's own text) to id.

    Raises:
        VocabError: two tokens have one id, or an id is negative.

    Example:
        >>> vocab_json_bytes({"b": 1, "a": 0})
        b'{"a": 0, "b": 1}'
    """
    return json.dumps(_in_id_order(vocab)).encode("ascii")


def merges_txt_bytes(merges: Iterable[Merge]) -> bytes:
    """Merges as `merges.txt`: a version line, then `left right` in rank order, as OpenAI's `vocab.bpe`.

    Args:
        merges: pairs of tokens in the byte alphabet, the first to be merged first.

    Raises:
        VocabError: a side is empty or holds white space, which separates the sides in this format.

    Example:
        >>> merges_txt_bytes([("Ġ", "t"), ("h", "e")]).decode()
        '#version: 0.2\\nĠ t\\nh e\\n'
    """
    lines = [_MERGES_HEADER]
    for rank, (left, right) in enumerate(merges):
        for side in (left, right):
            if side.split() != [side]:
                raise VocabError(
                    f"merge {rank} ({left!r}, {right!r}) has a side that is empty or holds white space, and"
                    " merges.txt separates the sides by a space: write the bytes in GPT-2's byte alphabet,"
                    " or save tokenizer.json"
                )
        lines.append(f"{left} {right}\n")
    return _utf8("".join(lines), "a merge")


def tokenizer_json_bytes(  # noqa: PLR0917 - what the format holds, all of it
    vocab: Mapping[str, int],
    merges: Iterable[Merge],
    added_tokens: Iterable[Mapping[str, Any]],
    add_prefix_space: bool,
    trim_offsets: bool,
    unk_token: str | None,
) -> bytes:
    """A whole tokenizer as `tokenizer.json`, laid out as the `tokenizers` library lays it out itself.

    Args:
        vocab: the model's vocabulary, as for `vocab_json_bytes`.
        merges: as for `merges_txt_bytes`; written as pairs, so a side may hold anything.
        added_tokens: `{"id": int, "content": str}` and the flags `single_word`, `lstrip`, `rstrip`,
            `normalized`, `special`; a flag left out is False (`normalized`: True unless special, the
            library's own default). The library gives ids of its own choice to those that `vocab` lacks, the
            next ones in a row; where these would be others, the tokens are written into the vocabulary too.
        add_prefix_space: whether encoding puts a space before the text.
        trim_offsets: whether offsets leave out the space that opens a token.
        unk_token: the token that stands for what the vocabulary cannot say, or None.

    Raises:
        VocabError: as for `vocab_json_bytes`; an added token without id or content, or two with one id or
            content, or one that `vocab` has under another id; text that is not Unicode (a lone surrogate).

    Example:
        >>> saved = tokenizer_json_bytes({"a": 0, "b": 1, "ab": 2}, [("a", "b")], [], False, True, None)
        >>> json.loads(saved)["model"]["merges"]
        [['a', 'b']]
    """
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": trim_offsets,
        "use_regex": True,
    }
    added = _added_tokens(added_tokens)
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": unk_token,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": _with_ids_of(added, vocab),
            "merges": [list(merge) for merge in merges],
        },
    }
    return _utf8(json.dumps(content, ensure_ascii=False, indent=2), "a token")


def tiktoken_bytes(
    token_bytes: Iterable[tuple[int, bytes]], merges: Sequence[tuple[bytes, bytes]] | None = None
) -> bytes:
    """A vocabulary as `.tiktoken`: a line `base64(token) rank` for each token, the rank being its id.

    The format has no merges: its reader merges two neighbours when their joined bytes are a token, the lowest
    id first, and takes a pretoken that is a token as it stands. That is the same tokenizer exactly when

    1. each of the 256 bytes is a token, and no token or id comes twice;
    2. each longer token is what those very rules make of its bytes, so that taking it whole changes nothing;
    3. the last merge of each token, in id order, gives the merges in rank order (checked if they are given).

    Why this is enough: neighbours x, y whose join is a token t stand where t's own bytes stood, and no merge
    has crossed their edge, so they are a stage of merging t alone. Such merging goes through one two-part
    stage only (2), which is t's merge (3): both readers see the same candidates, in the same order. Special
    tokens are no part of the file.

    Args:
        token_bytes: (id, bytes) of every token but the special ones, in any order (`Encoding.token_bytes()`).
        merges: the pairs in rank order (`Encoding.merges()`). Without them the file is right for the
            tokenizer whose merge ranks follow its ids.

    Raises:
        VocabError: the format cannot say this vocabulary. The message names the first token that it would
        change.

    Example:
        >>> tokens = [(byte, bytes([byte])) for byte in range(256)]
        >>> saved = tiktoken_bytes([*tokens, (256, b"ab")], [(b"a", b"b")])
        >>> saved.splitlines()[-1]
        b'YWI= 256'
    """
    tokens = sorted(token_bytes)
    ranks = {token: rank for rank, token in tokens}
    _refuse_what_tiktoken_cannot_say(tokens, ranks, merges)
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in tokens)


def _refuse_what_tiktoken_cannot_say(
    tokens: list[tuple[int, bytes]], ranks: dict[bytes, int], merges: Sequence[tuple[bytes, bytes]] | None
) -> None:
    mend = "save vocab.json and merges.txt, or tokenizer.json, instead"
    if len(ranks) < len(tokens) or len({rank for rank, _ in tokens}) < len(tokens):
        raise VocabError(f".tiktoken cannot say a vocabulary in which a token or an id comes twice: {mend}")
    if tokens and tokens[0][0] < 0:
        raise VocabError(f"id {tokens[0][0]} of token {tokens[0][1]!r} is negative: ids count from 0")
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise VocabError(
            f".tiktoken needs every single byte as a token, and {len(missing)} are missing, the first"
            f" 0x{missing[0]:02x}: {mend}"
        )
    made: list[tuple[bytes, bytes]] = []
    for rank, token in tokens:
        if len(token) == 1:
            continue
        pair = _last_merge(token, ranks)
        if pair is None:
            raise VocabError(
                f".tiktoken would change token {rank} ({token!r}): merging its bytes, lowest id first, does"
                f" not make it, yet the format's readers take it whole: {mend}"
            )
        made.append(pair)
    if merges is None or made == list(merges):
        return
    at = next(
        (i for i, (a, b) in enumerate(zip(made, merges, strict=False)) if a != b), min(len(made), len(merges))
    )
    here = (
        f"merge {at} is {tuple(merges[at])!r}" if at < len(merges) else f"there are only {len(merges)} merges"
    )
    there = f"ids would make it {made[at]!r}" if at < len(made) else f"ids make only {len(made)}"
    raise VocabError(
        f".tiktoken takes ids for merge ranks, and here they differ: {here}, but {there}: {mend}"
    )


def _last_merge(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes] | None:
    """The two tokens that merging by rank leaves just before it makes `token`; None if it never does."""
    none = 1 << 62
    parts = [token[i : i + 1] for i in range(len(token))]
    # pairs[i] is the rank of parts[i] + parts[i + 1]: kept, so that a long token costs one min() a merge.
    pairs = [ranks.get(a + b, none) for a, b in itertools.pairwise(parts)]
    while len(parts) > 2:
        best = min(pairs)
        if best == none:
            return None
        at = pairs.index(best)  # the leftmost of equals
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        del pairs[at]
        if at:
            pairs[at - 1] = ranks.get(parts[at - 1] + parts[at], none)
        if at < len(pairs):
            pairs[at] = ranks.get(parts[at] + parts[at + 1], none)
    return (parts[0], parts[1]) if len(parts) == 2 else None


def _in_id_order(vocab: Mapping[str, int]) -> dict[str, int]:
    ordered = sorted(vocab.items(), key=lambda item: item[1])
    if ordered and ordered[0][1] < 0:
        raise VocabError(f"token {ordered[0][0]!r} has the negative id {ordered[0][1]}: ids count from 0")
    for (one, first), (other, second) in itertools.pairwise(ordered):
        if first == second:
            raise VocabError(f"tokens {one!r} and {other!r} share the id {first}: give each its own")
    return dict(ordered)


def _added_tokens(added_tokens: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """In id order, each with every key, in the order in which the `tokenizers` library writes them."""
    complete: dict[str, dict[str, Any]] = {}
    for token in added_tokens:
        content, token_id = token.get("content"), token.get("id")
        if not isinstance(content, str) or not content or not isinstance(token_id, int):
            raise VocabError(
                f"added token {dict(token)!r} needs an id (int) and a content (str that is not empty)"
            )
        if content in complete:
            raise VocabError(f"added token {content!r} comes twice: leave one out")
        defaults = {"normalized": not token.get("special", False)}
        flags = {flag: bool(token.get(flag, defaults.get(flag, False))) for flag in _ADDED_TOKEN_FLAGS}
        complete[content] = {"id": token_id, "content": content, **flags}
    ids = _in_id_order({content: token["id"] for content, token in complete.items()})
    return [complete[content] for content in ids]


def _with_ids_of(added: Sequence[Mapping[str, Any]], vocab: Mapping[str, int]) -> dict[str, int]:
    """The vocabulary in id order, with the added tokens where the `tokenizers` library would renumber them."""
    new = [token["id"] for token in added if token["content"] not in vocab]
    everything = dict(vocab)
    for token in added:
        token_id = everything.setdefault(token["content"], token["id"])
        if token_id != token["id"]:
            raise VocabError(
                f"added token {token['content']!r} has the id {token['id']}, and the vocabulary has it as"
                f" {token_id}: give it one id"
            )
    ordered = _in_id_order(everything)
    return ordered if new != list(range(len(vocab), len(vocab) + len(new))) else _in_id_order(vocab)


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        found = text[error.start : error.end]
        raise VocabError(
            f"{what} holds {found!r}, half of a surrogate pair, which no file can hold: remove it"
        ) from error
