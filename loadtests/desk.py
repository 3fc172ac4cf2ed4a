"""What a hospital's system does with one request, its answer, or the lack of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from loadtests.dispatch import Agenda
from loadtests.mix import Visit, body_of, broken
from loadtests.notes import Note
from loadtests.plan import Plan
from loadtests.wire import Answer, Sessions, SignInError, Transport
from loadtests.world import World

_SHANGHAI = timezone(timedelta(hours=8))
#: As the integration guide says: the same request, under the same key, so much later.
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_PATHS = {
    "eligibility": "/v1/eligibility",
    "quote": "/v1/quotes",
    "settle": "/v1/settlements",
    "repeat": "/v1/settlements",
    "malformed": "/v1/settlements",
    "reverse": "/v1/reversals",
    "flood": "/v1/eligibility",
}
_GOOD = {
    "eligibility": {200},
    "quote": {200},
    "settle": {201},
    "repeat": {201},
    "reverse": {201},
    "look_up": {200},
    "malformed": {400, 422},
    "flood": {200, 429},
}
#: After these the outcome is unknown or not yet: ask again under the same key.
_AGAIN = {401, 408, 409, 429, 500, 502, 503, 504}

Sample = Callable[[float, str, float, str, bool], None]
"""Due second, call, latency in ms, code, and whether it is an error."""


class Memory:
    """What the desk knows of one visit between its requests."""

    __slots__ = ("asked_s", "body", "key", "quoted", "settled", "sha", "steps_left")

    def __init__(self, key: str, steps: int) -> None:
        """Nothing has been asked yet."""
        self.key = key
        self.steps_left = steps
        self.quoted: int | None = None
        self.body = b""
        self.asked_s: float | None = None
        self.settled: dict[str, Any] | None = None
        self.sha = ""


@dataclass(slots=True)
class Task:
    """One request that is due."""

    visit: Visit
    call: str
    memory: Memory
    attempt: int = 0
    first_due_s: float = 0.0


class Desk:
    """All desks of one process: sends what is due, keeps notes, asks again."""

    def __init__(
        self,
        *,
        world: World,
        plan: Plan,
        run: str,
        send: Transport,
        lose: Callable[[str, bytes, dict[str, str]], None],
        sessions: Sessions,
        clock: Callable[[], float],
        began_at: Callable[[], float],
        agenda: Agenda,
        note: Note,
        sample: Sample,
        not_sent: Callable[[float], None],
        give_way: Callable[[], None],
    ) -> None:
        """`clock` counts seconds since the load began at `began_at()` of wall time.

        `lose` sends a request and hangs up without hearing the answer; `give_way` lets
        others run who are waiting.
        """
        self._world = world
        self._plan = plan
        self._run = run
        self._send = send
        self._lose = lose
        self._sessions = sessions
        self._clock = clock
        self._began_at = began_at
        self._agenda = agenda
        self._note = note
        self._sample = sample
        self._not_sent = not_sent
        self._give_way = give_way
        self.owed = 0
        """Money requests that were sent and have no answer yet."""

    def arrive(self, visit: Visit) -> Task:
        """A patient comes: give the first request, put the others on the agenda."""
        memory = Memory(f"{self._run}-{visit.number:07d}", len(visit.steps))
        tasks = [Task(visit, call, memory) for _, call in visit.steps]
        for (after_s, _), task in zip(visit.steps[1:], tasks[1:], strict=True):
            self._agenda.add(visit.at_s + after_s, task)
        return tasks[0]

    def flood_task(self, number: int) -> Task:
        """One question too many, of the hospital that floods."""
        last = len(self._world.hospitals) - 1
        visit = Visit(number, 0, last, 0, False, {}, 0, 0, ((0.0, "flood"),))
        return Task(visit, "flood", Memory(f"{self._run}-f{number}", 1))

    def perform(self, due_s: float, task: Task) -> None:
        """Send a request and treat its answer; latency counts from `due_s`."""
        request = self._request(due_s, task)
        if request is None:
            self._not_sent(due_s)
            return
        method, path, body, headers = request
        hospital = self._world.hospitals[task.visit.hospital]
        try:
            headers |= self._sessions.headers(hospital)
        except SignInError:
            self._treat(due_s, self._clock(), task, None)
            return
        if task.call == "settle" and self._is_lost(due_s, task):
            self._lose(path, body, headers)
            self._note("lost", k=task.memory.key)
            self._not_sent(due_s)
            self._lost(task)
            return
        answer = self._send(method, path, body, headers)
        now_s = self._clock()
        # When many answers come at once, what is due goes before their reading.
        self._give_way()
        if answer is not None and answer.status == 401:
            self._sessions.forget(hospital)
        self._treat(due_s, now_s, task, answer)

    def _request(
        self, due_s: float, task: Task
    ) -> tuple[str, str, bytes, dict[str, str]] | None:
        """Method, path, body and headers; `None` where there is nothing to ask."""
        visit, memory = task.visit, task.memory
        path = _PATHS.get(task.call, "")
        match task.call:
            case "eligibility" | "flood":
                return "POST", path, self._question(visit, task.call), {}
            case "quote":
                return "POST", path, json.dumps(self._bill(visit, memory)).encode(), {}
            case "malformed":
                body = broken(self._bill(visit, memory), visit.fault)
                return "POST", path, body, {"Idempotency-Key": memory.key}
            case "settle":
                if task.attempt == 0:
                    self._first_settle(due_s, task)
                return "POST", path, memory.body, {"Idempotency-Key": memory.key}
            case _:
                return self._afterwards(due_s, task, path)

    def _afterwards(
        self, due_s: float, task: Task, path: str
    ) -> tuple[str, str, bytes, dict[str, str]] | None:
        """What needs a settlement that was answered; else there is nothing to do."""
        memory = task.memory
        if memory.settled is None:
            self._note("skipped", k=memory.key, call=task.call)
            return None
        key = {"Idempotency-Key": memory.key}
        if task.call == "repeat":
            return "POST", path, memory.body, key
        if task.call == "look_up":
            query = f"/v1/settlements?idempotency_key={quote(memory.key)}"
            return "GET", query, b"", {}
        sid = memory.settled["settlement_id"]
        if task.attempt == 0:
            task.first_due_s = due_s
            self.owed += 1
            self._note("undo", k=memory.key, h=task.visit.hospital, sid=sid)
        body = json.dumps({"settlement_id": sid, "reason": "refund"}).encode()
        return "POST", path, body, key

    def _first_settle(self, due_s: float, task: Task) -> None:
        """Make the bill, and note it before it is sent."""
        visit, memory = task.visit, task.memory
        bill = self._bill(visit, memory)
        if visit.with_expected and memory.quoted is not None:
            bill["expected_aid_fen"] = memory.quoted
        memory.body = json.dumps(bill).encode()
        task.first_due_s = memory.asked_s = due_s
        self.owed += 1
        funds = (
            bill["basic_insurance_fen"]
            + bill["serious_illness_fen"]
            + bill["other_funds_fen"]
        )
        self._note(
            "send", k=memory.key, h=visit.hospital, c=visit.card, s=round(due_s, 3),
            care=bill["care_type"], year=int(bill["service_end"][:4]),
            total=bill["total_fen"], funds=funds,
        )  # fmt: skip

    def _question(self, visit: Visit, call: str) -> bytes:
        day = self._today() - timedelta(days=visit.back_days)
        # A struck person is asked about as of today: the past stays as it was.
        day = self._today() if visit.is_revoked else day
        document = {"card": self._card(visit), "service_date": day.isoformat()}
        # Half of the systems show what is left, half want the answer only.
        has_quota = call == "eligibility" and visit.number % 2 == 0
        return json.dumps(document | {"quota": has_quota}).encode()

    def _bill(self, visit: Visit, memory: Memory) -> dict[str, Any]:
        bill: dict[str, Any] = body_of(
            visit, visit_no=memory.key, card=self._card(visit), today=self._today()
        )
        return bill

    def _card(self, visit: Visit) -> dict[str, str]:
        world = self._world
        if visit.card < 0:
            number = f"ZZ{visit.number:07d}"
        else:
            cards = world.revoked_cards if visit.is_revoked else world.cards
            number = cards[visit.card]
        return {"kind": world.card_kind, "number": number}

    def _today(self) -> Any:
        now = datetime.fromtimestamp(self._began_at() + self._clock(), UTC)
        return now.astimezone(_SHANGHAI).date()

    def _is_lost(self, due_s: float, task: Task) -> bool:
        storm = self._plan.storm
        if storm is None or not storm.at_s <= due_s < storm.at_s + storm.seconds:
            return False
        return task.visit.number % 1000 < storm.share * 1000

    def _lost(self, task: Task) -> None:
        """Everybody asks again when the storm is over, in one second."""
        storm = self._plan.storm
        if storm is None:
            return
        over_s = storm.at_s + storm.seconds + (task.visit.number % 997) / 997
        # Never back in time: that start would be called late, and nobody held it up.
        self._again(task, max(over_s, self._clock()))

    def _again(self, task: Task, due_s: float) -> None:
        self._agenda.add(
            due_s,
            Task(
                task.visit, task.call, task.memory, task.attempt + 1, task.first_due_s
            ),
        )

    def _treat(
        self, due_s: float, now_s: float, task: Task, answer: Answer | None
    ) -> None:
        call = task.call
        code = answer.code if answer is not None else "no answer"
        is_good = answer is not None and answer.status in _GOOD[call]
        if is_good and answer is not None:
            complaint = self._take(due_s, now_s, task, answer)
            if complaint:
                code, is_good = complaint, False
                self._note("wrong", k=task.memory.key, call=call, what=complaint)
        elif call == "malformed" and answer is not None and answer.status < 400:
            self._note("wrong", k=task.memory.key, call=call, what="was taken")
        self._sample(due_s, call, (now_s - due_s) * 1000, code, not is_good)
        if is_good or call not in ("settle", "reverse"):
            return
        if answer is None or answer.status in _AGAIN:
            pause_s = PAUSES_S[min(task.attempt, len(PAUSES_S) - 1)]
            wait_s = answer.retry_after_s if answer is not None else 0.0
            self._again(task, now_s + max(pause_s, wait_s))
        else:
            self.owed -= 1
            self._note("refused", k=task.memory.key, call=call, code=code)

    def _take(self, due_s: float, now_s: float, task: Task, answer: Answer) -> str:
        """Use a good answer; return what is wrong with it, or nothing."""
        document = answer.document()
        match task.call:
            case "eligibility":
                return self._told(due_s, now_s, task.visit, document)
            case "quote":
                task.memory.quoted = document.get("aid_fen")
            case "settle":
                return self._settled(now_s, task, answer, document)
            case "repeat":
                return self._repeated(task, answer)
            case "reverse":
                self._undone(task, document)
            case "look_up":
                return _same_settlement(task, document)
            case "flood":
                is_mute = answer.status == 429 and answer.retry_after_s <= 0
                return "429 without Retry-After" if is_mute else ""
            case _:
                pass
        return ""

    def _told(
        self, due_s: float, now_s: float, visit: Visit, document: dict[str, Any]
    ) -> str:
        status = document.get("status")
        if status == "unknown":
            return "eligibility unknown"
        if visit.card < 0 and status != "not_eligible":
            return "an unknown card is eligible"
        if visit.is_revoked:
            self._note("told", s=round(due_s, 3), e=round(now_s, 3), status=status)
        return ""

    def _settled(
        self, now_s: float, task: Task, answer: Answer, document: dict[str, Any]
    ) -> str:
        memory = task.memory
        if "settlement_id" not in document:
            return "an answer without a settlement"
        self.owed -= 1
        memory.settled = {"settlement_id": document["settlement_id"]}
        memory.sha = hashlib.sha256(answer.body).hexdigest()
        self._note("ack", k=memory.key, sha=memory.sha, **_outcome(document))
        decided_ms = (now_s - task.first_due_s) * 1000
        self._sample(task.first_due_s, "decided", decided_ms, "201", False)
        return ""

    def _repeated(self, task: Task, answer: Answer) -> str:
        sha = hashlib.sha256(answer.body).hexdigest()
        self._note("again", k=task.memory.key, sha=sha)
        if answer.headers.get("idempotent-replayed") != "true":
            return "a repeated request was not recognised"
        return "" if sha == task.memory.sha else "a repeated request got other bytes"

    def _undone(self, task: Task, document: dict[str, Any]) -> None:
        self.owed -= 1
        names = ("reversal_id", "settlement_id", "aid_fen", "state", "receipt")
        self._note(
            "undone",
            k=task.memory.key,
            **{name: document.get(name) for name in names},
        )


def _same_settlement(task: Task, document: dict[str, Any]) -> str:
    settled = task.memory.settled or {}
    is_same = document.get("settlement_id") == settled.get("settlement_id")
    return "" if is_same else "a look-up shows another settlement"


def _outcome(document: dict[str, Any]) -> dict[str, Any]:
    """What the check needs of a decision; no texts, no explanation."""
    quota = document.get("quota") or []
    return {
        "decision": document.get("decision"),
        "reason": (document.get("reason") or {}).get("code"),
        "sid": document["settlement_id"],
        "settled_at": document.get("settled_at"),
        "aid": document.get("aid_fen"),
        "pays": document.get("patient_pays_fen"),
        "quota": [
            [one.get("pot"), one.get("year"), one.get("cap_fen"), one.get("used_fen")]
            for one in quota
        ],
        "receipt": document.get("receipt"),
    }
