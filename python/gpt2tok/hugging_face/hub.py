"""How do a model's files come from the Hugging Face hub?

Owns the talk with the network in this package, through huggingface_hub, an optional dependency that is imported when
a hub id is asked for and not before: one request lists a model's files, and without an answer the cache is all there
is. `gpt2model` asks here too. Refuses to interpret the files.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# How long the hub may take to list a model's files.
_SECONDS = 10.0


def failures() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises where the hub cannot be reached or knows no such model.

    Errors of transport are those of requests, httpx or httpx2, by the library's version; its own are of both kinds.

    Raises:
        ImportError: huggingface_hub is not installed.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    return (OSError, HFValidationError, *HfHubHTTPError.__bases__)


def list_files(model_id: str, *, subfolder: str | None = None, options: Mapping[str, Any]) -> set[str]:
    """The files of a model, or of a directory in it, in one request and without a second try.

    Args:
        model_id: "owner/name", or a name alone.
        subfolder: where in the model to look.
        options: `revision` and `token` count.

    Raises:
        ImportError: huggingface_hub is not installed.
        Exception: one of `failures()`.
    """
    from huggingface_hub import HfApi

    info = HfApi().model_info(
        model_id, revision=options.get("revision"), token=options.get("token"), timeout=_SECONDS
    )
    prefix = f"{subfolder.strip('/')}/" if subfolder else ""
    every = [sibling.rfilename for sibling in info.siblings or ()]
    return {name.removeprefix(prefix) for name in every if name.startswith(prefix)}


def first_line(error: Exception) -> str:
    """The first line that says something, or the error's name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def unreachable(model_id: str, reason: Exception) -> OSError:
    """The error to raise where `list_files` raised `reason`, and the cache has nothing."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    why = first_line(reason)
    if isinstance(reason, HFValidationError):
        return OSError(
            f"cannot fetch {model_id!r} from the Hugging Face hub: that is no name there ({why}), and no directory here"
        )
    if isinstance(reason, RepositoryNotFoundError | RevisionNotFoundError):
        return OSError(
            f"cannot fetch {model_id!r} from the Hugging Face hub, and it is no directory here ({why}): check"
            " the name and the revision; a private or gated model needs token=, or `hf auth login`"
        )
    return OSError(
        f"cannot fetch {model_id!r}: it is no directory here, it is not in the cache ({constants.HF_HUB_CACHE})"
        f" and {constants.ENDPOINT} gives no answer ({why}). Check the connection, or download it where there"
        f" is one (hf download {model_id} --local-dir DIR) and give the path of that directory."
        " HF_HUB_OFFLINE=1 asks the cache alone."
    )


def fetch(
    model_id: str,
    names: Iterable[str],
    *,
    enough: Callable[[dict[str, str]], bool],
    subfolder: str | None = None,
    **options: Any,
) -> dict[str, str]:
    """Downloads those of the named files that a model has; where the hub gives no answer, takes what the cache has.

    Args:
        model_id: "owner/name", or a name alone.
        names: the files wanted.
        enough: whether files (name to path) suffice where it is unknown if the model has the others.
        subfolder: where in the model they are.
        options: passed to `huggingface_hub.hf_hub_download`: `revision`, `cache_dir`, `token`, ...

    Returns:
        Name to local path.

    Raises:
        ImportError: huggingface_hub is not installed.
        OSError: the hub cannot be reached and the cache has not enough, there is no such model, or it has none of the
            files.

    Warns:
        UserWarning: the hub was not asked, or gave no answer, and the cache does not know whether the model has a file.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise ImportError(
            f"{model_id!r} is neither a directory here nor a name of GPT-2's own vocabulary, and fetching it from the"
            " Hugging Face hub needs huggingface_hub: pip install 'gpt2tok[hub]'"
        ) from error
    names = list(names)
    if not options.get("local_files_only"):
        try:
            there = list_files(model_id, subfolder=subfolder, options=options)
        except failures() as error:
            reason: Exception | None = error
        else:
            return _download(
                hf_hub_download, model_id, names, there=there, subfolder=subfolder, options=options
            )
    else:
        reason = None
    if reason is not None and options.get("force_download"):
        raise unreachable(model_id, reason) from reason
    return _cached(model_id, names, enough=enough, subfolder=subfolder, reason=reason, options=options)


def _download(
    get: Callable[..., str],
    model_id: str,
    names: list[str],
    *,
    there: set[str],
    subfolder: str | None,
    options: Mapping[str, Any],
) -> dict[str, str]:
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if there.isdisjoint(names):
        raise OSError(
            f"{model_id!r} has no tokenizer's files on the Hugging Face hub: none of {', '.join(names)} is among its"
            f" {len(there)} files; check the name, revision= and subfolder="
        )
    failed: tuple[type[Exception], ...] = (EntryNotFoundError, *failures())
    found: dict[str, str] = {}
    for name in names:  # Those it lacks are asked for, too: the cache then remembers that it lacks them.
        try:
            found[name] = get(model_id, name, subfolder=subfolder or None, **options)
        except failed as error:  # noqa: PERF203 - a download each
            if (
                isinstance(error, EntryNotFoundError)
                and not isinstance(error, LocalEntryNotFoundError)
                and name not in there
            ):
                continue
            raise OSError(
                f"cannot fetch {name} of {model_id!r} from the Hugging Face hub ({first_line(error)}): check the name"
                " and the connection, or give the path of a directory"
            ) from error
    return found


def _cached(
    model_id: str,
    names: list[str],
    *,
    enough: Callable[[dict[str, str]], bool],
    subfolder: str | None,
    reason: Exception | None,
    options: Mapping[str, Any],
) -> dict[str, str]:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    found: dict[str, str] = {}
    unknown: list[str] = []
    for name in names:
        inside = f"{subfolder.strip('/')}/{name}" if subfolder else name
        try:
            path = try_to_load_from_cache(
                model_id, inside, cache_dir=options.get("cache_dir"), revision=options.get("revision")
            )
        except HFValidationError as error:
            raise unreachable(model_id, reason or error) from error
        if isinstance(path, str):
            found[name] = path
        elif path is None:  # And else the cache knows that the model has no such file.
            unknown.append(name)
    if unknown and not enough(found):
        if reason is not None and not found:
            raise unreachable(model_id, reason) from reason
        raise OSError(
            f"{model_id!r} is no directory here, and the Hugging Face hub's cache has {', '.join(found) or 'nothing'}"
            f" of it, which makes no tokenizer; whether it has {', '.join(unknown)} is not known, for the hub"
            f" {_silence(reason)}: load it once with a connection, or give the path of a directory"
        ) from reason
    if not found:
        raise OSError(
            f"{model_id!r} has no tokenizer's files ({', '.join(names)}), says the Hugging Face hub's cache"
        )
    if unknown:
        warnings.warn(
            f"{model_id!r} is loaded from the Hugging Face hub's cache without {', '.join(unknown)}: the cache does not"
            f" know whether it has them, and the hub {_silence(reason)}. Load it once with a connection to be sure",
            UserWarning,
            stacklevel=4,
        )
    return found


def _silence(reason: Exception | None) -> str:
    return (
        "was not to be asked (local_files_only=True)"
        if reason is None
        else f"gives no answer ({first_line(reason)})"
    )
