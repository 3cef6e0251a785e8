"""What does a `tokenizer.json` say?

Owns the reading of that file into the parts of a tokenizer. Refuses, by name, everything in it that GPT-2's
algorithm does not do (normalizers, other pre-tokenizers, dropout, ...), rather than load a tokenizer that
gives other ids.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._core import VocabError
from ..formats import byte_alphabet
from .added_tokens import IDS_END, AddedToken
from .arguments import shown
from .offsets import Trimming
from .template import Part, Parts, Template
from .vocabulary_files import checked_merges, checked_vocab

_OTHER_LIBRARY = "load this file with the tokenizers library"
_SAVED_BY_TOKENIZERS = "give the file that the tokenizers library saves"
# No vocabulary's file is larger.
_LARGEST_FILE = 1 << 30

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class TokenizerFile:
    """The parts of a `tokenizer.json`.

    Args:
        what: the file's path, for messages.
        vocab: token to id.
        merges: in rank order.
        added: id to added token.
        unk_token: the model's, or None.
        add_prefix_space: the pre-tokenizer's.
        template: what stands around sequences, or None if nothing does.
        trimming: what offsets leave out, or None.
        defaults: arguments that the file's padding and truncation stand for.
    """

    what: str
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
    except VocabError as error:
        raise VocabError(f"{what}: {error}") from None
    except ValueError:  # Python's own limit on the digits of a number
        digits = re.search(rb"\d{4000}", data)
        line = 1 if digits is None else 1 + data.count(b"\n", 0, digits.start())
        raise VocabError(
            f"{what} holds a number of thousands of digits, at line {line}: no id is as large; is it the right file?"
        ) from None
    except RecursionError:
        raise VocabError(f"{what} nests too deeply to be a tokenizer's file: is it the right one?") from None


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
        return _read(content, what)
    except VocabError as error:
        raise VocabError(f"{what}: {error}") from None
    except RecursionError:
        raise VocabError(f"{what} nests too deeply to be a tokenizer's file: is it the right one?") from None


def _read(content: Any, what: str) -> TokenizerFile:
    root = _root(content)
    model = root["model"]
    _require(model.get("type", "BPE"), "model.type", ("BPE",))
    for name in ("byte_fallback", "ignore_merges", "fuse_unk"):
        if not isinstance(model.get(name), bool | None):
            raise VocabError(f"model.{name} is {shown(model[name])}: it must be true or false")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        # A dropout of 0 and an empty prefix say nothing, like their absence.
        if model.get(name):
            raise VocabError(
                f"model.{name} is {shown(model[name])}, which GPT-2's algorithm does not know; {_OTHER_LIBRARY}"
            )
    if model.get("ignore_merges"):
        raise VocabError(
            f"model.ignore_merges is {shown(model['ignore_merges'])}, which these tokenizers do not do: load this file"
            " with Encoding.from_tokenizer_json or the tokenizers library"
        )
    if root.get("normalizer") is not None:
        raise VocabError(f"there is a normalizer, and GPT-2 has none: its ids would differ; {_OTHER_LIBRARY}")
    pre_tokenizer = _only_byte_level(root.get("pre_tokenizer"))
    if not _flag(pre_tokenizer, "use_regex", "pre_tokenizer"):
        raise VocabError(
            f"pre_tokenizer.use_regex is false, but GPT-2 splits by its pattern; {_OTHER_LIBRARY}"
        )
    for part in _flat(root.get("decoder"), "decoder", "decoders"):
        if part.get("type") != "ByteLevel":
            raise VocabError(
                f"decoder is {shown(part.get('type'))}, but GPT-2's is ByteLevel; {_OTHER_LIBRARY}"
            )
    template, trimming = _post_processor(root.get("post_processor"))
    unk_token = model.get("unk_token")
    if unk_token is not None and not isinstance(unk_token, str):
        raise VocabError(f"model.unk_token is {shown(unk_token)}: it must be a token's text or null")
    merges = _list(model.get("merges"), "model.merges")
    vocab = checked_vocab(_object(model.get("vocab"), "model.vocab"), "model.vocab", VocabError)
    added = _added(root.get("added_tokens", []))
    _check_added_ids(vocab, added)
    if unk_token is not None and unk_token not in vocab and unk_token not in map(str, added.values()):
        raise VocabError(
            f"unk_token {quoted(unk_token)} is not in the vocabulary; add it, or leave unk_token out if all 256 bytes"
            " are there"
        )
    # Without a byte that is unknown there is nothing to fuse.
    if model.get("fuse_unk") and not vocab.keys() >= set(byte_alphabet().values()):
        raise VocabError(
            f"model.fuse_unk is {shown(model['fuse_unk'])}, and the vocabulary lacks bytes that it would join into one"
            f" token, which GPT-2's algorithm does not know; {_OTHER_LIBRARY}"
        )
    return TokenizerFile(
        what=what,
        vocab=vocab,
        merges=checked_merges(merges, "model.merges", VocabError),
        added=added,
        unk_token=unk_token,
        add_prefix_space=_flag(pre_tokenizer, "add_prefix_space", "pre_tokenizer"),
        template=template,
        trimming=trimming,
        defaults=_defaults(root.get("padding"), root.get("truncation")),
    )


def _root(content: Any) -> dict[str, Any]:
    """The file's own object, with a model in it; else what kind of file it is, in the words that the core uses."""
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        return content
    mend = _SAVED_BY_TOKENIZERS
    if isinstance(content, list):
        found = "it holds a list, not an object"
    elif not isinstance(content, dict):
        found = "it holds a single value, not an object"
    elif content and all(type(value) is int and value >= 0 for value in content.values()):
        found = "it is a vocab.json"
        mend = "load it with its merges.txt: pass vocab_file and merges_file, or give from_pretrained their directory"
    else:
        found = 'it has no "model" object'
    raise VocabError(f"this is no tokenizer.json: {found}; {mend}")


def counted_ids(vocab: Mapping[str, int], added: Iterable[str]) -> dict[str, int]:
    """The id that every reader gives each added token, whatever the file says: the vocabulary's, or the next.

    Example:
        >>> counted_ids({"a": 0, "b": 5}, ["<x>", "b", "<y>"])
        {'<x>': 2, 'b': 5, '<y>': 6}
    """
    ids: dict[str, int] = {}
    largest = -1
    for content in added:
        token_id = vocab.get(content)
        if token_id is None:
            token_id = max(largest + 1, len(vocab))
        ids[content] = token_id
        largest = max(largest, token_id)
    return ids


def _check_added_ids(vocab: Mapping[str, int], added: Mapping[int, AddedToken]) -> None:
    """The format states the ids of added tokens, but its other readers count them: refused where the two differ."""
    counted = counted_ids(vocab, (token.content for token in added.values()))
    for token_id, token in added.items():
        given = counted[token.content]
        if given == token_id or not token.content:
            continue
        # What another token has, or none may have, is told of where the token is placed.
        if 0 <= token_id < IDS_END and token_id not in vocab.values():
            raise VocabError(
                f"added token {quoted(token.content)} says it has id {token_id}, but readers of this format give it"
                f" {given}; write that id, or put the token into model.vocab"
            )


def quoted(token: str) -> str:
    """A token in the core's quotation marks."""
    return json.dumps(token, ensure_ascii=False)


def _added(tokens: Any) -> dict[int, AddedToken]:
    added: dict[int, AddedToken] = {}
    if tokens is None:
        raise VocabError("added_tokens is null, not a list: write [] if there are none")
    for i, token in enumerate(_list(tokens, "added_tokens")):
        where = f"added_tokens[{i}]"
        token_id = _object(token, where).get("id")
        if type(token_id) is not int or token_id in added:
            raise VocabError(f"{where} has the id {shown(token_id)}: each needs a whole number of its own")
        try:
            new = AddedToken.from_dict(token)
        except VocabError as error:
            raise VocabError(f"{where}: {error}") from None
        first = next((i for i, one in added.items() if one.content == new.content), None)
        if first is not None:
            raise VocabError(
                f"token {quoted(new.content)} stands twice, with ids {first} and {token_id}; remove one of the two"
                " entries"
            )
        added[token_id] = new
    return added


def _only_byte_level(pre_tokenizer: Any) -> dict[str, Any]:
    """The settings of the byte-level pre-tokenizer, which must be the only one."""
    parts = _flat(pre_tokenizer, "pre_tokenizer", "pretokenizers")
    if len(parts) != 1 or parts[0].get("type") != "ByteLevel":
        found = ", ".join(str(part.get("type")) for part in parts) or "nothing"
        raise VocabError(
            f"pre_tokenizer is {found}, but GPT-2's is ByteLevel and nothing else; {_OTHER_LIBRARY}"
        )
    return parts[0]


def _post_processor(post_processor: Any) -> tuple[Template | None, Trimming | None]:
    template: Template | None = None
    trimming: Trimming | None = None
    for part in _flat(post_processor, "post_processor", "processors"):
        kind = part.get("type")
        if kind == "ByteLevel":
            if _flag(part, "trim_offsets", "post_processor"):
                trimming = Trimming(_flag(part, "add_prefix_space", "post_processor"))
        elif kind == "TemplateProcessing":
            template = _template(part)
        else:
            raise VocabError(
                f"post_processor is {kind}, but GPT-2's are ByteLevel and TemplateProcessing; {_OTHER_LIBRARY}"
            )
    return template, trimming


def _template(processor: Mapping[str, Any]) -> Template:
    special = _object(processor.get("special_tokens") or {}, "post_processor.special_tokens")

    def part(place: Any, where: str) -> Part:
        match place:
            case {"Sequence": {"id": "A" | "B" as which, "type_id": int(type_id)}}:
                return Part("AB".index(which), type_id)
            case {"SpecialToken": {"id": str(name), "type_id": int(type_id)}} if name in special:
                match special[name]:
                    case {"ids": [*ids], "tokens": [*tokens]} if all(type(i) is int for i in ids):
                        return Part(None, type_id, tuple(ids), tuple(map(str, tokens)))
        raise VocabError(
            f"{where} is {shown(place)}, which is no place of a template: it must be a Sequence A or B, or a"
            " SpecialToken that special_tokens has, with its ids"
        )

    def parts(name: str) -> Parts:
        where = f"post_processor.{name}"
        places = _list(processor.get(name), where)
        return tuple(part(place, f"{where}[{i}]") for i, place in enumerate(places))

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
    if padding is not None:
        found = _object(padding, "padding")
        token = found.get("pad_token")
        if token is not None and not isinstance(token, str):
            raise VocabError(f"padding.pad_token is {shown(token)}: it must be a token's text or null")
        defaults["pad_token"] = token
        defaults["padding_side"] = _side(found, "padding")
    if truncation is not None:
        defaults["truncation_side"] = _side(_object(truncation, "truncation"), "truncation")
    return defaults


def _side(settings: Mapping[str, Any], what: str) -> str:
    found = settings.get("direction", "Right")
    if found not in ("Left", "Right"):
        raise VocabError(f"{what}.direction is {shown(found)}: it must be Left or Right")
    return str(found).lower()


def _flat(part: Any, what: str, inner: str) -> list[dict[str, Any]]:
    """A pre-tokenizer or post-processor as a list: a Sequence is the list of its parts."""
    if part is None:
        return []
    found = _object(part, what)
    if found.get("type") != "Sequence":
        return [found]
    parts = _list(found.get(inner), f"{what}.{inner}")
    return [flat for i, item in enumerate(parts) for flat in _flat(item, f"{what}.{inner}[{i}]", inner)]


def _flag(settings: Mapping[str, Any], name: str, what: str) -> bool:
    """A flag of the byte-level parts, true where the file leaves it out."""
    found = settings.get(name, True)
    if not isinstance(found, bool):
        raise VocabError(f"{what}.{name} is {shown(found)}: it must be true or false")
    return found


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise VocabError(
            f"{what} is {_kind(value)}, not a JSON object: is this a tokenizer's file, and complete?"
        )
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise VocabError(f"{what} is {_kind(value)}, not a list: is this a tokenizer's file, and complete?")
    return value


def _kind(value: object) -> str:
    return "missing" if value is None else type(value).__name__


def _require(value: object, what: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise VocabError(
            f"{what} is {shown(value)}, but must be {' or '.join(allowed)}: this is another kind of tokenizer"
        )


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise VocabError(f"key {shown(key)} comes twice in one object: keep one")
            seen.add(key)
    return content
