"""SQL statements, each in a file of its own name, all read when the program starts."""

from __future__ import annotations

from pathlib import Path


def _read(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line.split("--", 1)[0].rstrip() for line in lines]
    return "\n".join(line for line in kept if line)


# Not on first use: that would be within a request, and block the loop for all.
_STATEMENTS = {
    path.stem: _read(path) for path in (Path(__file__).parent / "sql").glob("*.sql")
}


def statement(name: str) -> str:
    """The text of `sql/<name>.sql` without its comments."""
    return _STATEMENTS[name]
