"""What a desk notes of an answer, and when it asks again."""

from __future__ import annotations

import time
from typing import Any

from loadtests.desk import Desk, Memory, Task
from loadtests.dispatch import Agenda
from loadtests.ledger import Ledger
from loadtests.mix import District
from loadtests.plan import Mix, Plan, Storm
from loadtests.proving import receipts_found
from loadtests.wire import Answer, Sessions
from loadtests.world import Hospital, World
from tests.loadtest.made import plan


class _Site:
    """A desk whose every request gets one answer, at one instant."""

    def __init__(self, of: Plan, answer: Answer, now_s: float) -> None:
        self.of, self.answer, self.now_s = of, answer, now_s
        self.agenda = Agenda()
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[str] = []

    def _send(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> Answer:
        del method, body, headers
        return Answer(201, b'{"token": "t"}') if "sessions" in path else self.answer

    def _note(self, kind: str, /, **values: Any) -> None:
        self.notes.append((kind, values))

    def desk(self) -> Desk:
        world = World((Hospital("H1", "k", "c2VjcmV0"),), ("F1",))
        sessions = Sessions(
            self._send, authority="h", operator="o", clock=time.time, nonce=lambda: "n"
        )
        return Desk(
            world=world, plan=self.of, run="LT", send=self._send,
            lose=lambda *_: None, sessions=sessions, clock=lambda: self.now_s,
            began_at=time.time, agenda=self.agenda,
            note=self._note,
            sample=lambda _due, _call, _ms, code, bad: self.errors.extend([code] * bad),
            not_sent=lambda _: None, give_way=lambda: None,
        )  # fmt: skip

    def task(self, call: str) -> Task:
        district = District(self.of, hospitals=1, cards=1, revoked=0, seed=1)
        return Task(district.visit(0, 0.0), call, Memory("LT-1", 1))


def test_a_malformed_bill_that_is_taken_is_wrong() -> None:
    """It is a settlement that no bill stands behind, and not only an odd answer."""
    for status, wrong in ((422, []), (201, ["wrong"])):
        site = _Site(plan(mix=Mix(malformed=1.0)), Answer(status, b"{}"), 1.0)

        site.desk().perform(0.0, site.task("malformed"))

        assert [what for what, _ in site.notes] == wrong
        assert len(site.errors) == len(wrong)


def test_nothing_is_due_before_it_is_known() -> None:
    """Who was lost as a storm ended asks again now: what is past would be late."""
    storm = Storm(at_s=1, seconds=1)
    site = _Site(plan(storm=storm), Answer(201, b"{}"), now_s=3.5)

    site.desk().perform(1.999, site.task("settle"))

    assert site.agenda.next_due() == 3.5


def test_a_run_in_which_nothing_settled_proves_nothing() -> None:
    """A gateway that declines everybody is quick and adds up."""
    assert not receipts_found(Ledger()).holds
    ledger = Ledger()
    ledger.add("proven", 0, b"leaf", "LT-1")
    assert receipts_found(ledger).holds
