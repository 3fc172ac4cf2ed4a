"""How one category is spelled in rosters, and how spellings are compared."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from settlement.domain.policy.document import Category


def normal_spelling(text: str) -> str:
    """The form in which spellings are compared: width, case and spaces ignored."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def spellings(category: Category) -> Iterator[str]:
    """Everything that names the category: id, titles, aliases, national codes."""
    yield category.id
    yield category.title.zh
    yield category.short.zh
    yield from category.aliases
    yield from category.national_codes
