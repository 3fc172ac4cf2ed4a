"""Each safeguard taken away is seen: the checker names what no longer holds.

The safeguard is taken out of the simulated store, or patched out of the product for
the length of the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import pytest

from crypto.merkle import RightEdge
from settlement.domain import adjudicate
from settlement.service import totals
from settlement.service.claims import Claim
from settlement.service.lanes import Lane
from settlement.service.publish import Publisher
from settlement.service.sequencer import Sequencer
from settlement.service.settling import Settling
from settlement.store import line, transaction
from settlement.store.errors import BatchRefusedError
from settlement.store.rows import LeafRow, NewHead, StoredAnswer
from tests.simulation import batch_statements
from tests.simulation.faults import Fault
from tests.simulation.loop import StuckError
from tests.simulation.run import Run
from tests.simulation.server import Server
from tests.simulation.transactions import Transaction

_SEEDS = 40
Patch = pytest.MonkeyPatch


def _lose_commits(patch: Patch) -> None:
    """The store acknowledges some commits that it does not keep."""
    unpatched, counted = Transaction.commit, [0]

    def commit(self: Transaction) -> None:
        counted[0] += "answer" in self._writes
        if "answer" in self._writes and counted[0] % 25 == 0:
            self.end()
        else:
            unpatched(self)

    patch.setattr(Transaction, "commit", commit)


def _ignore_unique(table: str) -> Callable[[Patch], None]:
    """INSERT finds no conflict in this table."""

    def take_away(patch: Patch) -> None:
        unpatched = Transaction.claim

        async def claim(self: Transaction, into: str, key: Any, row: Any) -> bool:
            if into != table:
                return await unpatched(self, into, key, row)
            self._write(into, key, row)
            return True

        patch.setattr(Transaction, "claim", claim)

    return take_away


def _ignore_row_locks(patch: Patch) -> None:
    """SELECT ... FOR UPDATE of accumulators locks nothing."""
    unpatched = Transaction.lock

    async def lock(self: Transaction, table: str, key: Any) -> Any:
        if table == "accumulator":
            return self.get(table, key)
        return await unpatched(self, table, key)

    patch.setattr(Transaction, "lock", lock)


def _ignore_commit_tag(patch: Patch) -> None:
    """COMMIT answered ROLLBACK counts as committed (reliability H1)."""

    async def commit(connection: Any) -> None:
        await connection.execute("COMMIT")

    patch.setattr(transaction, "_commit", commit)


def _do_not_wait_for_the_old_backend(patch: Patch) -> None:
    """An unknown COMMIT is resolved while the old backend may still commit."""

    async def wait(connection: Any, backend: Any) -> None:
        """Not at all."""

    patch.setattr(line, "_wait_for_end", wait)


def _alter_replays(patch: Patch) -> None:
    """A repeated answer is not what was stored."""
    unpatched: Any = StoredAnswer.body
    patch.setattr(
        StoredAnswer,
        "body",
        property(lambda self: unpatched.fget(self).replace(b'"zh-', b'"zh_') + b" "),
    )


def _ignore_the_mark(patch: Patch) -> None:
    """Neither the mark nor what this process has shown is asked."""
    patch.setattr("tests.simulation.machine.Mark.load", lambda _self: None)
    patch.setattr(Publisher, "guard", lambda _self, _head: None)


def _log_a_leaf_twice(patch: Patch) -> None:
    """Now and then the store appends a leaf again, head and all."""
    unpatched, counted = Transaction.commit, [0]

    def commit(self: Transaction) -> None:
        unpatched(self)
        counted[0] += "log_leaf" in self._writes
        if "log_leaf" in self._writes and counted[0] % 20 == 0:
            rows = self._tables.rows
            head: NewHead = rows["log_head"][True]
            leaf: LeafRow = rows["log_leaf"][head.size - 1]
            edge = RightEdge.from_bytes(head.edge).extend([leaf.entry]).edge
            rows["log_leaf"][head.size] = leaf._replace(log_index=head.size)
            rows["log_head"][True] = NewHead(
                head.size + 1, edge.root, edge.to_bytes(), head.checkpoint, head.size
            )

    patch.setattr(Transaction, "commit", commit)


def _leave_caps_unchecked(patch: Patch) -> None:
    """Neither the policy, nor the totals, nor the CHECK know a cap."""
    patch.setattr(adjudicate, "within", lambda amount, _cap, _used: amount)
    patch.setattr(totals, "require", lambda _condition, _message: None)
    patch.setattr(batch_statements, "_check_accumulator", lambda _row: None)


def _trust_a_stale_cache(patch: Patch) -> None:
    """A cache older than the roster decides."""

    async def refresh(self: Settling) -> None:
        """Not at all."""

    patch.setattr(Settling, "refresh_persons", refresh)


def _flip_a_record(patch: Patch) -> None:
    """One bit of a stored record changes."""
    unpatched = Transaction.commit

    def commit(self: Transaction) -> None:
        unpatched(self)
        rows = self._tables.rows["sealed_record"]
        for place, row in list(rows.items())[5:6]:
            altered = bytes([row.record[0] ^ 1]) + row.record[1:]
            if sha256(row.record).digest() == self._tables.rows["log_leaf"][5].entry:
                rows[place] = row._replace(record=altered)

    patch.setattr(Transaction, "commit", commit)


def _fail_all_for_one(patch: Patch) -> None:
    """A refused batch is given up whole instead of being halved."""
    unpatched = Sequencer._settle

    async def settle(self: Sequencer, lane: Lane, claims: Sequence[Claim]) -> None:
        try:
            await self._attempt(lane, claims)
        except BatchRefusedError as refused:
            for claim in claims:
                self._give_up(claim, refused)
        except Exception:  # noqa: BLE001  # as it is otherwise dealt with
            await unpatched(self, lane, claims)

    patch.setattr(Sequencer, "_settle", settle)


#: By name: how it is taken away, and the invariants of which one must be named.
_SAFEGUARDS: dict[str, tuple[Callable[[Patch], None], set[str]]] = {
    "durable commit": (_lose_commits, {"D1 lost"}),
    "unique settle key": (_ignore_unique("settle_key"), {"E1 once", "E2 same bytes"}),
    "unique visit": (_ignore_unique("visit"), {"model: settled"}),
    "row locks": (_ignore_row_locks, {"M2 caps"}),
    "tag of COMMIT": (_ignore_commit_tag, {"D1 lost"}),
    "end of the old backend": (_do_not_wait_for_the_old_backend, {"D3 unknown"}),
    "stored answer": (_alter_replays, {"E2 same bytes"}),
    "mark": (_ignore_the_mark, {"T3 went back"}),
    "one leaf each": (_log_a_leaf_twice, {"T1 gapless"}),
    "caps": (_leave_caps_unchecked, {"model: settled"}),
    "roster in the batch": (_trust_a_stale_cache, {"roster"}),
    "halving of batches": (_fail_all_for_one, {"model: refused"}),
    "record's bytes": (_flip_a_record, {"T4 leaf is the record"}),
}


#: The fault without which a safeguard is not needed.
_FAULTS = {
    "tag of COMMIT": (Fault.ROLLED_BACK, "commit"),
    "end of the old backend": (Fault.LIMBO, "commit"),
    "halving of batches": (Fault.SLOW, "commit"),
}


@pytest.mark.parametrize("name", _SAFEGUARDS)
def test_safeguard_taken_away_is_seen(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Within a few seeds, and by its name."""
    take_away, invariants = _SAFEGUARDS[name]
    take_away(monkeypatch)
    found: set[str] = set()
    for seed in range(_SEEDS):
        run = Run(seed)
        if name in _FAULTS:
            run.plan.only(*_FAULTS[name])
        found |= {invariant for invariant, _ in run.go().violations}
        if found & invariants:
            return
    pytest.fail(f"nobody saw it; found {sorted(found)}")


def test_run_that_never_heals_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never comes back leaves requests open."""
    monkeypatch.setattr(Server, "start", lambda _self: None)
    monkeypatch.setattr(Run, "_heal", _only_faults_off)
    run = Run(1)
    run.plan.only(Fault.CRASH, "commit")

    assert "D4 liveness" in {invariant for invariant, _ in run.go().violations}


async def _only_faults_off(run: Run) -> None:
    run.plan.is_on = False


def test_loop_that_nothing_can_wake_is_seen() -> None:
    """At rest with work pending is a failure, not an end."""
    loop = Run(1).loop

    async def wait_for_nobody() -> None:
        await loop.create_future()

    with pytest.raises(StuckError, match="nothing can wake it"):
        loop.run(wait_for_nobody(), until=10.0)


def test_loop_that_never_rests_is_seen() -> None:
    """Neither is a run that goes on for ever."""

    async def go_on() -> None:
        await asyncio.sleep(1.0)
        await go_on()

    with pytest.raises(StuckError, match="not at rest"):
        Run(1).loop.run(go_on(), until=10.0)
