"""Hospitals with what they need to be let in: the `--clients` file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


class ClientsFault(ValueError):
    """The file says something else than hospitals."""


@dataclass(frozen=True, slots=True, repr=False)
class Client:
    """One hospital; `repr` shows no secret."""

    fixmedins_code: str
    name: str
    paasid: str
    """Account of the `x-tif` headers."""
    secret: str

    def __repr__(self) -> str:
        return f"Client({self.fixmedins_code})"


def read_clients(path: Path) -> tuple[Client, ...]:
    """`[{"fixmedins_code", "name", "paasid", "secret"}, ...]`.

    Raises `ClientsFault` with one sentence for a file that is none.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        clients = tuple(
            Client(
                str(row["fixmedins_code"]),
                str(row.get("name") or row["fixmedins_code"]),
                str(row["paasid"]),
                str(row["secret"]),
            )
            for row in rows
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as fault:
        raise ClientsFault(
            f"{path} is no file of clients: a JSON array of objects with"
            " fixmedins_code, name, paasid and secret"
        ) from fault
    if not clients:
        raise ClientsFault(f"{path} names no hospital")
    return clients
