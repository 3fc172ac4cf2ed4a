"""When the books were last checked on this machine, for metrics: one small file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_NAME = "books-checked.json"


@dataclass(frozen=True, slots=True)
class BooksStamp:
    """One run of check-books that came to its end."""

    ended_at: datetime
    violations: int


def write_stamp(data_dir: Path, stamp: BooksStamp) -> None:
    """Replace the stamp. A folder that cannot be written leaves the old one.

    The check counts, not its stamp: an auditor may run it with read access alone.
    """
    document = {
        "ended_at": stamp.ended_at.isoformat(),
        "violations": stamp.violations,
    }
    fresh = data_dir / f"{_NAME}.new"
    try:
        fresh.write_text(json.dumps(document) + "\n", encoding="utf-8")
        fresh.replace(data_dir / _NAME)
    except OSError:
        return


def read_stamp(data_dir: Path) -> BooksStamp | None:
    """The last stamp; `None` where there is none, or none that can be read."""
    try:
        document = json.loads((data_dir / _NAME).read_text(encoding="utf-8"))
        return BooksStamp(
            datetime.fromisoformat(document["ended_at"]), int(document["violations"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
