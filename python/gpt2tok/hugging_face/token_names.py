"""What is a token called, and which id has that name?

Owns the look-up over base vocabulary and added tokens as they stood at one moment; it never changes
afterwards, so results of earlier calls keep their names. Refuses to fall back on unk (`vocabulary_surface.py` does).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._core import UnknownTokenError
from .added_tokens import AddedVocabulary
from .arguments import shown
from .base_vocabulary import BaseVocabulary


class TokenNames:
    """Ids to names and back. Immutable. Final.

    A token is named as `vocab.json` spells it (`Ġworld`), an added token by its text.
    """

    def __init__(self, base: BaseVocabulary, added: AddedVocabulary) -> None:
        self._base = base
        self._added = {token_id: token.content for token_id, token in added}
        self._ids = {content: token_id for token_id, content in self._added.items()}

    def find(self, token: str) -> int | None:
        """The id of a token, or None."""
        token_id = self._ids.get(token)
        return self._base.token_to_id(token) if token_id is None else token_id

    def name(self, token_id: int, place: int | None = None, of: str = "") -> str:
        """The token of an id.

        Args:
            token_id: the id.
            place: where among other ids it stands, for messages.
            of: where those ids are, for messages.

        Raises:
            UnknownTokenError: no token has it.
        """
        token = self._added.get(token_id)
        if token is None:
            token = self._base.id_to_token(token_id)
        if token is None:
            where = "" if place is None else f" at position {place}{of}"
            mend = "; labels of -100 must be taken out first" if token_id == -100 else ""
            raise UnknownTokenError(
                f"id {shown(token_id)}{where} is not in the vocabulary of {self.count} tokens; were these ids made by"
                f" another vocabulary?{mend}"
            )
        return token

    def names(self, ids: Iterable[int], of: str = "") -> list[str]:
        """The tokens of several ids; `of` says in messages where the ids are."""
        return [self.name(token_id, place, of) for place, token_id in enumerate(ids)]

    @property
    def count(self) -> int:
        """How many tokens there are."""
        return self._base.size + sum(self._base.token_to_id(token) is None for token in self._ids)

    def __deepcopy__(self, memo: dict[int, Any]) -> TokenNames:
        return self
