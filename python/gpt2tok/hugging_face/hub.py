"""How do a model's files come from the Hugging Face hub?

Owns the only use of the network in this package, through huggingface_hub, an optional dependency that is
imported here when a hub id is asked for and not before. Refuses to interpret the files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def fetch(model_id: str, names: Iterable[str], *, subfolder: str | None, **options: Any) -> dict[str, str]:
    """Downloads those of the named files that a model has, or takes them from the cache.

    Args:
        model_id: "owner/name".
        names: the files wanted.
        subfolder: where in the model they are.
        options: passed to `huggingface_hub.hf_hub_download`: `revision`, `cache_dir`, `token`, ...

    Returns:
        Name to local path.

    Raises:
        ImportError: huggingface_hub is not installed.
        OSError: the hub cannot be reached, has no such model, or the model has none of the files.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HFValidationError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise ImportError(
            f"{model_id!r} is neither a directory here nor a name of GPT-2's own vocabulary, and fetching it from the"
            " Hugging Face hub needs huggingface_hub: pip install 'gpt2tok[hub]'"
        ) from error
    found: dict[str, str] = {}
    reason: Exception | None = None
    for name in names:
        try:
            found[name] = hf_hub_download(model_id, name, subfolder=subfolder or None, **options)
        except LocalEntryNotFoundError as error:  # noqa: PERF203 - a download each
            # No answer from the hub and nothing in the cache: whether the model has the file is not known, and going on
            # without it could silently change the tokenizer.
            raise OSError(
                f"cannot tell whether {model_id!r} has {name}: the Hugging Face hub cannot be reached and the file is"
                " not in the cache; check the connection, or give the path of a directory"
            ) from error
        except EntryNotFoundError as error:
            reason = error  # The model has no such file.
        except (OSError, HFValidationError) as error:
            raise OSError(
                f"cannot fetch {name} of {model_id!r} from the Hugging Face hub ({error}): check the name and the"
                " connection, or give the path of a directory"
            ) from error
    if not found:
        raise OSError(
            f"{model_id!r} has no tokenizer's files ({', '.join(names)}) on the Hugging Face hub, or the hub cannot be"
            f" reached and they are not in the cache: {reason}"
        ) from reason
    return found
