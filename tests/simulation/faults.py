"""What goes wrong, and at which step: drawn by the seed, counted for the table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """Everything that is done to the core while it works."""

    LOST_BEFORE = "lost-before"
    """The connection is lost before the statement takes effect."""
    LOST_AFTER = "lost-after"
    """The statement takes effect, its answer does not come."""
    LIMBO = "limbo"
    """The connection is lost; the server goes on with the statement for a while."""
    CONFLICT = "conflict"
    """A deadlock or serialization failure."""
    REFUSED = "refused"
    """The server refuses the statement: the whole transaction is rolled back."""
    FULL = "disk-full"
    SLOW = "slow"
    """The statement takes seconds."""
    CRASH = "crash"
    """The server dies and is back after a while; uncommitted work is gone."""
    KILL = "kill"
    """SIGKILL for the worker while the statement is under way."""
    PAUSE = "pause"
    """SIGSTOP for the worker, CONT after up to twenty seconds."""
    ROLLED_BACK = "commit-rollback"
    """COMMIT is answered ROLLBACK (reliability H1)."""
    NO_STANDBY = "no-standby"
    """COMMIT's wait for a standby is cancelled (reliability H2)."""


#: Visits that the server refuses, whoever brings them, until it is healed.
POISON = "poison"
#: Faults that only COMMIT can meet.
_AT_COMMIT = frozenset({Fault.ROLLED_BACK, Fault.NO_STANDBY})
#: Steps that write nothing to disk, and therefore cannot find it full.
_READS = frozenset(
    {
        "stored_settlements", "stored_reversals", "persons", "visits_in_force",
        "lock_originals", "reversals_of", "postings_of", "tombstones", "lock_head",
        "known_key", "roster_head", "roster_changes", "begin", "connect",
    }
)  # fmt: skip
#: The steps of a batch, of opening a line, of resolving, and of the follower.
STEPS = (
    "connect", "begin", "claim_reversal_keys", "claim_settle_keys",
    "stored_settlements", "stored_reversals", "claim_late", "persons",
    "claim_visits", "visits_in_force", "release_keys", "tombstones",
    "lock_originals", "reversals_of", "postings_of", "lock_accumulators",
    "lock_head", "post_ledger", "post_reversals",
    "release_visits", "promote_visits", "fence", "commit",
    "resolve_wait", "resolve_fence", "resolve_kept", "ensure_head", "read_nodes",
    "ensure_month", "known_key", "roster_head", "roster_changes",
)  # fmt: skip
#: A row of the table that no statement stands for, with the faults that meet it.
ELSEWHERE = {
    "mark": ("write-fails", "kill"),
    "client": (
        "reply-lost", "retried", "doubled", "goes-away", "deadline", "other-content",
        "reverse-unseen", "reverse-twice", "not-theirs", "poisoned",
    ),
    "roster": ("changed", "changed-in-batch"),
    "database": ("goes-back",),
    "clock": ("back", "ahead", "month-turns", "year-turns"),
}  # fmt: skip


def reachable(fault: Fault, step: str) -> bool:
    """Whether the fault can meet the step at all."""
    if fault in _AT_COMMIT:
        return step == "commit"
    if fault is Fault.FULL:
        return step not in _READS
    if step == "connect":
        return fault not in {Fault.CONFLICT, Fault.REFUSED, Fault.LIMBO}
    if step == "begin":
        return fault not in {Fault.CONFLICT, Fault.REFUSED}
    if step == "commit":
        # A refused COMMIT is one answered ROLLBACK.
        return fault is not Fault.REFUSED
    return True


def cells() -> list[tuple[str, str]]:
    """Every fault and step that can meet."""
    met = [(f.value, s) for s in STEPS for f in Fault if reachable(f, s)]
    return met + [(f, s) for s, faults in ELSEWHERE.items() for f in faults]


Coverage = Counter[tuple[str, str]]

#: Steps that few batches come to: their faults are armed first, and strike surely.
_RARE = frozenset(
    {
        "stored_reversals", "claim_late", "release_keys", "reversals_of", "known_key",
        "fence", "resolve_wait", "resolve_fence", "resolve_kept", "persons",
        "visits_in_force", "tombstones", "lock_originals", "postings_of",
        "post_reversals", "release_visits", "promote_visits",
    }
)  # fmt: skip
#: One of these is each seed's own: all of its faults wait there.
_FOCUS = (
    "release_keys", "resolve_kept", "stored_reversals", "resolve_fence", "postings_of",
    "known_key", "resolve_wait", "claim_late", "read_nodes", "reversals_of",
    "ensure_month", "claim_reversal_keys",
)  # fmt: skip


@dataclass
class Plan:
    """Which faults wait for which steps in one run.

    Several are armed at once, each for one step, and strike when somebody comes
    there; so rare steps meet their faults too. After a fault some statements pass
    unharmed, or none: faults meet recovery from faults, and yet work gets done.
    """

    random: Random
    coverage: Coverage
    seed: int = 0
    armed_max: int = 40
    budget: int = 60
    """How many may strike."""

    def __post_init__(self) -> None:
        self._deck = [(f, s) for s in STEPS for f in Fault if reachable(f, s)]
        self.random.shuffle(self._deck)
        # The deck is drawn from its end.
        focus = _FOCUS[self.seed % len(_FOCUS)]
        rare = [cell for cell in self._deck if cell[1] in _RARE]
        self._deck += rare[: self.armed_max // 2]
        self._deck += [cell for cell in self._deck if cell[1] == focus]
        if focus.startswith("resolve"):
            # Only an unknown COMMIT leads there.
            self._deck += [(Fault.LOST_AFTER, "commit")] * 6
        self._armed: dict[str, list[Fault]] = {}
        self._count = 0
        self._spared = 0
        self.is_on = False
        self.struck = 0

    def only(self, fault: Fault, step: str) -> None:
        """Let this fault alone strike, again and again."""
        self._deck = [(fault, step)] * 1_000
        self._armed, self._count, self.armed_max = {}, 0, 1

    def strike(self, step: str) -> Fault | None:
        """The fault that meets this step now, or `None`."""
        if not self.is_on or self.budget <= 0:
            return None
        while self._count < self.armed_max and self._deck:
            fault, at = self._deck.pop()
            self._armed.setdefault(at, []).append(fault)
            self._count += 1
        waiting = self._armed.get(step)
        self._spared -= 1
        is_spared = self._spared > 0 and step not in _RARE
        if not waiting or is_spared or self.random.random() < 0.4:
            return None
        fault = waiting.pop()
        self._count -= 1
        self.budget -= 1
        self._spared = self.random.choice([0, 15, 60, 150])
        self.struck += 1
        self.coverage[fault.value, step] += 1
        return fault

    def note(self, fault: str, step: str) -> None:
        """Count what a client, the clock or the roster did."""
        self.struck += 1
        self.coverage[fault, step] += 1
