"""SQL statements, each in a file of its own name, read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_SQL = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql` without its comments."""
    text = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    lines = [line.split("--", 1)[0].rstrip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line)
