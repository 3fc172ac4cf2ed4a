"""After the play: every record verified offline, and the books checked.

Done by the commands that the bureau and the operator have; the trust file and the
bureau's key are the only things believed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.demo.sandbox import CommandFailedError, Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthAudit:
    """One month of record, exported and verified."""

    month: str
    checked: int
    """Records verified: signature, inclusion in the log, checkpoint."""
    opened: int
    """Of these, contents opened with the bureau's key and compared."""
    settlements: int
    reversals: int
    tombstones: int
    aid_fen: int
    """Net of the month's own reversals."""
    findings: tuple[str, ...]
    """What did not hold; empty when everything did."""


@dataclass(frozen=True, slots=True)
class BooksAudit:
    """What `medaid check-books` found."""

    leaves: int
    """Entries of the log."""
    violations: tuple[str, ...]


async def audit_months(
    sandbox: Sandbox, months: Sequence[str]
) -> AsyncIterator[MonthAudit]:
    """Export each month of record and verify what was exported."""
    for month in months:
        folder = sandbox.data_dir / "export" / month
        await sandbox.command(
            "settlements", "export", "--month", month, "--out", str(folder)
        )
        document = await _report(
            sandbox,
            "verify", str(folder),
            "--trust", str(sandbox.data_dir / "trust.json"),
            "--bureau-key", str(sandbox.data_dir / "bureau" / "bureau-key.json"),
            "--json",
        )  # fmt: skip
        yield MonthAudit(
            month=month,
            checked=document["checked"],
            opened=document["opened"],
            settlements=document["settlements"],
            reversals=document["reversals"],
            tombstones=document["tombstones"],
            aid_fen=document["aid_fen"],
            findings=tuple(
                f"{each['where']}: {each['code']} {each['sentence']}"
                for each in document["findings"]
            ),
        )


async def audit_books(sandbox: Sandbox) -> BooksAudit:
    """Check every invariant over the whole database."""
    document = await _report(sandbox, "check-books", "--json")
    violations = tuple(
        f"{each['rule']}: {each['place']}" for each in document["violations"]
    )
    return BooksAudit(document["leaves"], violations)


async def _report(sandbox: Sandbox, *arguments: str) -> dict[str, Any]:
    """The JSON of a command that ends non-zero when it found something."""
    try:
        printed = await sandbox.command(*arguments)
    except CommandFailedError as failed:
        if not failed.printed:
            raise
        printed = failed.printed
    document: dict[str, Any] = orjson.loads(printed)
    return document
