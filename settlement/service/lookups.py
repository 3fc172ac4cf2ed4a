"""What became of it: settlements and records as they were answered, by any name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from settlement.domain.bill import Card
from settlement.domain.errors import RequestRefused
from settlement.domain.reasons import reason
from settlement.service.ids import parse_id
from settlement.service.ports import Answer, Caller
from settlement.service.request import Tokenizer
from settlement.store import find
from settlement.store.database import Database
from settlement.store.find import Wanted

_STATES = {b"s": "settled", b"r": "reversed", b"d": "declined"}
_LETTERS = {name: letter for letter, name in _STATES.items()}
#: Settlements in one answer.
_MOST = 100
#: Roles that see every facility; a facility sees its own alone.
_SEE_ALL = frozenset({"bureau", "officer", "auditor"})


class Lookups:
    """Read-only; every look-up is narrowed to what the caller may see."""

    def __init__(self, database: Database, tokenizer: Tokenizer) -> None:
        """Reads use the pool."""
        self._database = database
        self._tokenizer = tokenizer

    async def by_id(self, caller: Caller, settlement_id: str) -> Answer:
        """One settlement; MA-4101 for an unknown id and another facility's alike."""
        return await self._one(_scope(caller), parse_id(settlement_id))

    async def by_key(self, caller: Caller, key: str) -> Answer:
        """The facility's settlement under a key; MA-4101 means not yet."""
        if caller.role != "facility":
            raise RequestRefused("MA-3104")
        identity = await find.id_of_key(self._database, caller.party_id, key)
        if identity is None:
            raise RequestRefused("MA-4101")
        stopped = await find.tombstone(self._database, caller.party_id, identity)
        if stopped is not None:
            return Answer(200, _stopped_body(stopped))
        return await self._one(caller.party_id, identity)

    async def _one(self, facility_id: int | None, identity: bytes) -> Answer:
        found = await find.settlements(
            self._database, Wanted(facility_id=facility_id, id=identity)
        )
        if not found:
            raise RequestRefused("MA-4101")
        return Answer(200, _body(found[0]))

    async def by_visit(self, caller: Caller, visit_no: str) -> Answer:
        """All settlements of a visit, newest first; an empty list is an answer."""
        wanted = Wanted(facility_id=_scope(caller), visit_no=visit_no)
        return _items(await find.settlements(self._database, wanted))

    async def search(self, caller: Caller, query: Mapping[str, Any]) -> Answer:
        """Settlements that match everything given, newest first, 100 at most."""
        state = query.get("state")
        wanted = Wanted(
            facility_id=_scope(caller),
            person=await self._person(query.get("card")),
            key=query.get("idempotency_key"),
            visit_no=query.get("visit_no"),
            service_from=query.get("service_from"),
            service_to=query.get("service_to"),
            state=None if state is None else _LETTERS[state],
            limit=min(query.get("limit") or _MOST, _MOST),
        )
        return _items(await find.settlements(self._database, wanted))

    async def _person(self, card: Card | None) -> bytes | None:
        if card is None:
            return None
        token = self._tokenizer.card(card.kind, card.number)
        return await find.person_of_card(self._database, token)

    async def record(self, caller: Caller, record_id: str) -> bytes:
        """The record of a settlement or reversal; MA-4101 where there is none."""
        leaf = await find.leaf(self._database, _scope(caller), parse_id(record_id))
        if leaf is None:
            raise RequestRefused("MA-4101")
        return leaf.record

    async def log_index(self, caller: Caller, record_id: str) -> int:
        """The place of that record in the log."""
        leaf = await find.leaf(self._database, _scope(caller), parse_id(record_id))
        if leaf is None:
            raise RequestRefused("MA-4101")
        return leaf.log_index


def _scope(caller: Caller) -> int | None:
    """The facility to narrow to, or `None` for those who see all."""
    return None if caller.role in _SEE_ALL else caller.party_id


def _body(row: find.FoundSettlement) -> bytes:
    """The stored answer with the present state, and the reversal where there is one."""
    state = _STATES[row.state].encode("ascii")
    body = b'{"state":"' + state + b'",' + row.answer[1:]
    if row.reversal is not None:
        body = body[:-1] + b',"reversal":' + row.reversal + b"}"
    return body


def _stopped_body(reversal: bytes) -> bytes:
    """A key that was stopped, and whose settlement has not arrived."""
    stopped = reason("MA-2205")
    return orjson.dumps(
        {
            "state": "declined",
            "decision": "declined",
            "reason": {
                "code": stopped.code,
                "text": {"zh": stopped.text.zh, "en": stopped.text.en},
            },
            "next_step": {"zh": stopped.next_step.zh, "en": stopped.next_step.en},
            "settlement_id": None,
            "aid_fen": 0,
            "reversal": orjson.Fragment(reversal),
        }
    )


def _items(found: list[find.FoundSettlement]) -> Answer:
    return Answer(200, b'{"items":[' + b",".join(map(_body, found)) + b"]}")
