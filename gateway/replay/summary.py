"""What became of a replayed file: counts by code, aid, throughput, the books."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from gateway.client import Reply
from gateway.demo.report import yuan
from settlement.domain.reasons import REASONS

_DECLINED = "declined"


def is_settled(reply: Reply) -> bool:
    """Whether the visit was settled: neither declined nor refused."""
    return str(reply.json().get("decision", _DECLINED)) != _DECLINED


@dataclass(slots=True)
class Summary:
    """Counts of one replay. Owned by the tasks that replay, one thread."""

    visits: int = 0
    settled: int = 0
    declined: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reversed: int = 0
    """Of those settled, what the file says was undone."""
    aid_fen: int = 0
    """Of what stands."""
    alerts: int = 0
    """That hold once everything was looked at."""
    seconds: float = 0.0
    violations: tuple[str, ...] = ()
    """What check-books found."""

    def note(self, reply: Reply) -> None:
        """Count the answer to one visit."""
        self.visits += 1
        document = reply.json()
        if is_settled(reply):
            self.settled += 1
            self.aid_fen += document["aid_fen"]
        elif "decision" in document:
            self.declined[reply.code] += 1
        else:
            self.refused[reply.code] += 1

    def note_reversal(self, reply: Reply) -> None:
        """Count the answer to the reversal of a visit that was settled."""
        document = reply.json()
        if "reversal_id" in document:
            self.reversed += 1
            self.aid_fen -= document["aid_fen"]
        else:
            self.refused[reply.code] += 1

    @property
    def holds(self) -> bool:
        """Whether the books are clean."""
        return not self.violations

    def document(self) -> dict[str, Any]:
        """The members of `--json`."""
        return {
            "visits": self.visits,
            "settled": self.settled,
            "reversed": self.reversed,
            "declined": dict(sorted(self.declined.items())),
            "refused": dict(sorted(self.refused.items())),
            "aid_fen": self.aid_fen,
            "alerts": self.alerts,
            "seconds": round(self.seconds, 3),
            "check_books": (
                "ok" if self.holds else f"{len(self.violations)} violations"
            ),
        }

    def table(self, data_dir: Path) -> Table:
        """The same for people; `data_dir` is where the alerts can be listed."""
        table = Table(title="What became of the visits", title_justify="left")
        table.add_column("")
        table.add_column("code")
        table.add_column("visits", justify="right")
        table.add_column("reason")
        table.add_row("settled", "", f"{self.settled:,}", f"{yuan(self.aid_fen)} CNY")
        if self.reversed:
            table.add_row("of these reversed", "", f"{self.reversed:,}", "")
        for what, counts in (("declined", self.declined), ("refused", self.refused)):
            for code, count in sorted(counts.items()):
                known = REASONS.get(code)
                table.add_row(what, code, f"{count:,}", known.text.en if known else "")
        table.add_row(
            "alerts",
            "",
            f"{self.alerts:,}",
            f"medaid alerts list --data-dir {data_dir}",
        )
        table.add_section()
        table.add_row("all", "", f"{self.visits:,}", self._pace())
        return table

    def _pace(self) -> str:
        if self.seconds <= 0:
            return ""
        return f"{self.seconds:,.1f} s, {self.visits / self.seconds:,.0f} a second"
