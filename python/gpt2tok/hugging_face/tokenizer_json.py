"""What does a `tokenizer.json` say?

Owns the reading of that file into the parts of a tokenizer. Refuses, by name, everything in it that GPT-2's
algorithm does not do (normalizers, other pre-tokenizers, dropout, ...), rather than load a tokenizer that
gives other ids.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._core import VocabError
from .added_tokens import AddedToken
from .offsets import Trimming
from .template import Part, Parts, Template

# No vocabulary's file is larger.
_LARGEST_FILE = 1 << 30

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class TokenizerFile:
    """The parts of a `tokenizer.json`.

    Args:
        vocab: token to id.
        merges: in rank order.
        added: id to added token.
        unk_token: the model's, or None.
        add_prefix_space: the pre-tokenizer's.
        template: what stands around sequences, or None if nothing does.
        trimming: what offsets leave out, or None.
        defaults: arguments that the file's padding and truncation stand for.
    """

    vocab: dict[str, int]
    merges: list[tuple[str, str]]
    added: dict[int, AddedToken]
    unk_token: str | None
    add_prefix_space: bool
    template: Template | None
    trimming: Trimming | None
    defaults: dict[str, Any]


def read_json(path: AnyPath) -> Any:
    """The content of a JSON file.

    Raises:
        VocabError: it is no JSON, or no UTF-8: the message says where.
        OSError: it cannot be read.
    """
    return parse_json(read_bounded(path), os.fspath(path))


def read_bounded(path: AnyPath) -> bytes:
    """The content of a vocabulary's file, never more of it than one can have.

    Raises:
        VocabError: it has more than 1 GiB, so it is another kind of file.
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > _LARGEST_FILE else file.read(_LARGEST_FILE + 1)
    size = max(size, len(data))
    if size > _LARGEST_FILE:
        raise VocabError(
            f"{os.fspath(path)} has {size} bytes; vocabulary files have at most {_LARGEST_FILE} bytes. Is this the"
            " right file?"
        )
    return data


def parse_json(data: bytes, what: str) -> Any:
    """The content of JSON; `what` names it in messages.

    Raises:
        VocabError: as for `read_json`.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_without_duplicates)
    except UnicodeDecodeError as error:
        raise VocabError(
            f"{what} is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}; save it as UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        raise VocabError(
            f"{what} is not JSON at line {error.lineno}, column {error.colno} ({error.msg}): is it complete?"
        ) from None
    except ValueError as error:  # Python's own limit on the digits of a number
        if isinstance(error, VocabError):
            raise
        raise VocabError(f"{what} holds a number that is no id ({error}): is it the right file?") from None
    except RecursionError:
        raise VocabError(f"{what} nests too deeply to be a tokenizer's file") from None


def read_tokenizer_json(path: AnyPath) -> TokenizerFile:
    """Reads a `tokenizer.json` of a GPT-2 tokenizer.

    Raises:
        VocabError: the file is broken, or asks for what GPT-2's algorithm does not do.
        OSError: it cannot be read.
    """
    return parse_tokenizer_json(read_bounded(path), os.fspath(path))


def parse_tokenizer_json(data: str | bytes, what: str) -> TokenizerFile:
    """The same of its content; `what` names it in messages.

    Raises:
        VocabError: as for `read_tokenizer_json`.
    """
    content = parse_json(data.encode() if isinstance(data, str) else data, what)
    try:
        return _read(content)
    except VocabError as error:
        raise VocabError(f"{what}: {error}") from None


def _read(content: Any) -> TokenizerFile:
    root = _object(content, "the file")
    model = _object(root.get("model"), "model")
    _require(model.get("type", "BPE"), "model.type", ("BPE",))
    for name in (
        "dropout",
        "continuing_subword_prefix",
        "end_of_word_suffix",
        "byte_fallback",
        "ignore_merges",
        "fuse_unk",
    ):
        # A dropout of 0 and an empty prefix say nothing, like their absence.
        if model.get(name):
            raise VocabError(
                f"model.{name} is {model[name]!r}, which GPT-2's algorithm does not know: it must be unset"
            )
    if root.get("normalizer") is not None:
        raise VocabError("there is a normalizer, and GPT-2 has none: its ids would differ")
    pre_tokenizer = _only_byte_level(root.get("pre_tokenizer"))
    if not pre_tokenizer.get("use_regex", True):
        raise VocabError("pre_tokenizer.use_regex is false, but GPT-2 splits by its pattern")
    template, trimming = _post_processor(root.get("post_processor"))
    unk_token = model.get("unk_token")
    if unk_token is not None and not isinstance(unk_token, str):
        raise VocabError(f"model.unk_token is {unk_token!r}, not a string")
    return TokenizerFile(
        vocab=checked_vocab(model.get("vocab"), "model.vocab"),
        merges=list(_merges(model.get("merges"))),
        added=_added(root.get("added_tokens") or []),
        unk_token=unk_token,
        add_prefix_space=bool(pre_tokenizer.get("add_prefix_space", True)),
        template=template,
        trimming=trimming,
        defaults=_defaults(root.get("padding"), root.get("truncation")),
    )


def checked_vocab(vocab: Any, what: str) -> dict[str, int]:
    """A vocabulary as `vocab.json` holds it.

    Raises:
        VocabError: it is no object of whole numbers.
    """
    for token, token_id in _object(vocab, what).items():
        if type(token_id) is not int:
            raise VocabError(f"{what}[{token!r}] is {token_id!r}, not a whole number")
    return dict(vocab)


def _merges(merges: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(merges, list):
        raise VocabError(f"model.merges is {type(merges).__name__}, not a list")
    for rank, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(side, str) for side in pair):
            raise VocabError(f"model.merges[{rank}] is {merge!r}, not a pair of tokens")
        yield pair[0], pair[1]


def _added(tokens: Any) -> dict[int, AddedToken]:
    added: dict[int, AddedToken] = {}
    if not isinstance(tokens, list):
        raise VocabError(f"added_tokens is {type(tokens).__name__}, not a list")
    for i, token in enumerate(tokens):
        token_id = _object(token, f"added_tokens[{i}]").get("id")
        if type(token_id) is not int or token_id in added:
            raise VocabError(
                f"added_tokens[{i}] has the id {token_id!r}: each needs a whole number of its own"
            )
        added[token_id] = AddedToken.from_dict(token)
    return added


def _only_byte_level(pre_tokenizer: Any) -> dict[str, Any]:
    """The settings of the byte-level pre-tokenizer, which must be the only one."""
    parts = _flat(pre_tokenizer, "pretokenizers")
    if len(parts) != 1 or parts[0].get("type") != "ByteLevel":
        found = ", ".join(str(part.get("type")) for part in parts) or "nothing"
        raise VocabError(f"pre_tokenizer is {found}, but GPT-2's is ByteLevel and nothing else")
    return parts[0]


def _post_processor(post_processor: Any) -> tuple[Template | None, Trimming | None]:
    template: Template | None = None
    trimming: Trimming | None = None
    for part in _flat(post_processor, "processors"):
        kind = part.get("type")
        if kind == "ByteLevel":
            if part.get("trim_offsets", True):
                trimming = Trimming(bool(part.get("add_prefix_space", True)))
        elif kind == "TemplateProcessing":
            template = _template(part)
        else:
            raise VocabError(f"post_processor is {kind}, but GPT-2's are ByteLevel and TemplateProcessing")
    return template, trimming


def _template(processor: Mapping[str, Any]) -> Template:
    special = _object(processor.get("special_tokens") or {}, "post_processor.special_tokens")

    def part(piece: Any) -> Part:
        match piece:
            case {"Sequence": {"id": "A" | "B" as which, "type_id": int(type_id)}}:
                return Part("AB".index(which), type_id)
            case {"SpecialToken": {"id": str(name), "type_id": int(type_id)}} if name in special:
                match special[name]:
                    case {"ids": [*ids], "tokens": [*tokens]} if all(type(i) is int for i in ids):
                        return Part(None, type_id, tuple(ids), tuple(map(str, tokens)))
        raise VocabError(f"post_processor holds {piece!r}, which is no piece of a template")

    def parts(name: str) -> Parts:
        pieces = processor.get(name)
        if not isinstance(pieces, list):
            raise VocabError(f"post_processor.{name} is {type(pieces).__name__}, not a list of pieces")
        return tuple(part(piece) for piece in pieces)

    return Template(parts("single"), parts("pair"))


def template_json(template: Template) -> dict[str, Any]:
    """A template as `tokenizer.json` writes it."""

    def pieces(parts: Parts) -> list[dict[str, Any]]:
        return [
            {"SpecialToken": {"id": " ".join(part.tokens), "type_id": part.type_id}}
            if part.sequence is None
            else {"Sequence": {"id": "AB"[part.sequence], "type_id": part.type_id}}
            for part in parts
        ]

    special = {
        " ".join(part.tokens): {
            "id": " ".join(part.tokens),
            "ids": list(part.ids),
            "tokens": list(part.tokens),
        }
        for part in (*template.single, *template.pair)
        if part.sequence is None
    }
    return {
        "type": "TemplateProcessing",
        "single": pieces(template.single),
        "pair": pieces(template.pair),
        "special_tokens": special,
    }


def _defaults(padding: Any, truncation: Any) -> dict[str, Any]:
    """What transformers takes from a file's own padding and truncation: the sides and the pad token."""
    defaults: dict[str, Any] = {}
    if isinstance(padding, dict):
        defaults["pad_token"] = padding.get("pad_token")
        defaults["padding_side"] = str(padding.get("direction", "Right")).lower()
    if isinstance(truncation, dict):
        defaults["truncation_side"] = str(truncation.get("direction", "Right")).lower()
    return defaults


def _flat(part: Any, inner: str) -> list[dict[str, Any]]:
    """A pre-tokenizer or post-processor as a list: a Sequence is the list of its parts."""
    if part is None:
        return []
    found = _object(part, "a part of the pipeline")
    if found.get("type") != "Sequence":
        return [found]
    parts = found.get(inner)
    if not isinstance(parts, list):
        raise VocabError(f"a Sequence without its list of {inner}")
    return [flat for item in parts for flat in _flat(item, inner)]


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise VocabError(
            f"{what} is {'missing' if value is None else type(value).__name__}, not a JSON object"
        )
    return value


def _require(value: object, what: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise VocabError(f"{what} is {value!r}, but must be {' or '.join(allowed)}")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise VocabError(f"key {key!r} comes twice in one object: keep one")
            seen.add(key)
    return content
