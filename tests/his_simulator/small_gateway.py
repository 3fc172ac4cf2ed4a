"""A gateway of two hundred lines that keeps the promises, and can break each.

The simulator must find a gateway that breaks one; ours breaks none, so this one does.
"""

from __future__ import annotations

import base64
import io
import itertools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from aiohttp import web

from gateway.his.money import amount, yuan_of
from gateway.his_simulator.messages import (
    NoEnvelope,
    dumped,
    fen,
    read_object,
)
from gateway.his_simulator.people import Person
from gateway.his_simulator.statement import Sums, compared, read_sums


class Bug(StrEnum):
    """A promise that is broken."""

    A_FEN_TOO_MUCH = "2207 answers a fen more than is stored, and it adds up"
    A_FEN_FROM_NOWHERE = "2207 answers aid that nobody pays"
    STORES_NOTHING = "2207 answers done and stores nothing"
    SETTLES_TWICE = "the same charge under another msgid is settled again"
    BELIEVES_MSGIDS = "a msgid is answered with what it was answered before"
    FORGETS_STOPS = "a 2601 that comes first stops nothing"
    FORGETS_REVERSALS = "2601 answers done and undoes nothing"
    FORGETS_CANCELS = "2208 answers done and undoes nothing"
    AIDS_EVERYBODY = "1101 names an identity for everybody"
    REPLAYS = "the same bytes are settled as often as they come"


class Refusal(Exception):
    """-2 with a code."""


@dataclass(frozen=True)
class Stored:
    """One settlement."""

    code: str
    msgid: str
    content: bytes
    answer: dict[str, Any]
    amounts: dict[str, int]
    kind: tuple[str, str]
    mdtrt_id: str
    psn_no: str
    is_in_force: bool = True

    @property
    def setl_id(self) -> str:
        return str(self.answer["setlinfo"]["setl_id"])


@dataclass
class SmallGateway:
    """In memory, one thread, no time of its own."""

    people: tuple[Person, ...]
    now: int
    bugs: frozenset[Bug] = frozenset()
    stored: list[Stored] = field(default_factory=list)
    _stopped: set[tuple[str, str]] = field(default_factory=set)
    _declined: dict[tuple[str, str], bytes] = field(default_factory=dict)
    _nonces: set[str] = field(default_factory=set)
    _rows: dict[str, tuple[str, str, list[list[str]]]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def server(self) -> web.Server:
        return web.Server(self._handle, access_log=None)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        try:
            self._admit(request)
            body = read_object(raw, request.charset or "utf-8")
            answer: dict[str, Any] = {"infcode": 0, "output": self._answer(body)}
        except NoEnvelope:
            answer = {"infcode": -2, "err_msg": "[MA-1101] unreadable", "output": {}}
        except Refusal as refusal:
            # What is repeated with all its headers is no decision.
            infcode = -1 if f"{refusal}" == "MA-3109" else -2
            answer = {
                "infcode": infcode,
                "err_msg": f"[{refusal}] refused",
                "output": {},
            }
        headers = {"Content-Type": "application/json"}
        return web.Response(body=dumped(answer), headers=headers)

    def _admit(self, request: web.BaseRequest) -> None:
        nonce, stamp = (
            request.headers["x-tif-nonce"],
            request.headers["x-tif-timestamp"],
        )
        if abs(int(stamp) - self.now) > 60:
            raise Refusal("MA-3103")
        if nonce in self._nonces and Bug.REPLAYS not in self.bugs:
            raise Refusal("MA-3109")
        self._nonces.add(nonce)

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        answers: dict[str, Callable[..., dict[str, Any]]] = {
            "9001": lambda *_: {"signinoutb": {"sign_no": "S1"}},
            "1101": self._person, "2206": self._quote, "2207": self._settle,
            "2208": self._cancel, "2601": self._reverse, "5203": self._look_up,
            "3201": self._totals, "9101": self._upload, "3202": self._details,
            "9102": self._download,
        }  # fmt: skip
        code, msgid = body["fixmedins_code"], body["msgid"]
        return answers[body["infno"]](code, body["input"], msgid)

    def _aided(self, data: dict[str, Any], certno: str = "") -> bool:
        shown = {data.get("mdtrt_cert_no"), certno}
        return any(
            person.category and {person.card, person.id_number} & shown
            for person in self.people
        )

    def _person(self, _code: str, given: dict[str, Any], _msgid: str) -> dict[str, Any]:
        aided = self._aided(given["data"]) or Bug.AIDS_EVERYBODY in self.bugs
        return {"idetinfo": [{"psn_idet_type": "7019"}] if aided else []}

    def _quote(self, _code: str, given: dict[str, Any], _msgid: str) -> dict[str, Any]:
        info = given["setlinfo"]
        if not self._aided(given["data"], info["certno"]):
            raise Refusal("MA-2101")
        part, cash = fen(info["psn_part_amt"]), fen(info["psn_cash_pay"])
        aid = cash // 2
        changed = {
            "maf_pay": fen(info["maf_pay"]) + aid,
            "fund_pay_sumamt": fen(info["fund_pay_sumamt"]) + aid,
            "psn_part_amt": part - aid,
            "psn_cash_pay": cash - aid,
        }
        told = {name: amount(value) for name, value in changed.items()}
        row = {"fund_pay_type": "610100", "fund_payamt": amount(aid)}
        rows = [*(given.get("setldetail") or []), row]
        return {"setlinfo": info | told, "setldetail": rows, "amounts": changed}

    def _settle(self, code: str, given: dict[str, Any], msgid: str) -> dict[str, Any]:
        content, data = dumped(given), given["data"]
        if (code, msgid) in self._stopped:
            raise Refusal("MA-2205")
        told = self._told_before(code, msgid, content)
        if told is None and Bug.SETTLES_TWICE not in self.bugs:
            told = self._settled_before(code, data["mdtrt_id"])
        if told is not None:
            return told
        if not self._aided(data, given["setlinfo"]["certno"]):
            self._declined[code, msgid] = content
        answer = self._quote(code, given, msgid)
        answer["setlinfo"]["setl_id"] = f"SETL{next(self._numbers):022d}"
        amounts = answer.pop("amounts")
        info = given["setlinfo"]
        for name in ("medfee_sumamt", "acct_pay"):
            amounts[name] = fen(info[name])
        if Bug.STORES_NOTHING not in self.bugs:
            self.stored.append(
                Stored(
                    code, msgid, content, answer, amounts,
                    (info["insutype"], info["clr_type"]), data["mdtrt_id"],
                    data["psn_no"],
                )
            )  # fmt: skip
        return {**answer, "setlinfo": answer["setlinfo"] | self._wrong(amounts)}

    def _told_before(
        self, code: str, msgid: str, content: bytes
    ) -> dict[str, Any] | None:
        """What stands under the message's key."""
        believes = Bug.BELIEVES_MSGIDS in self.bugs
        if self._declined.get((code, msgid), content) != content and not believes:
            raise Refusal("MA-4103")
        for each in self.stored:
            if (each.code, each.msgid) != (code, msgid) or self._repeats(each):
                continue
            if each.content != content and not believes:
                raise Refusal("MA-4103")
            if not each.is_in_force:
                raise Refusal("MA-4111")
            return each.answer
        return None

    def _repeats(self, stored: Stored) -> bool:
        return Bug.REPLAYS in self.bugs and stored.is_in_force

    def _settled_before(self, code: str, mdtrt_id: str) -> dict[str, Any] | None:
        """The settlement that holds the visit's charge already."""
        for each in self.stored:
            is_same = (each.code, each.mdtrt_id) == (code, mdtrt_id)
            if is_same and each.is_in_force and not self._repeats(each):
                return each.answer
        return None

    def _wrong(self, amounts: dict[str, int]) -> dict[str, Any]:
        """What a broken promise changes of the answer."""
        changes: dict[str, int] = {}
        if Bug.A_FEN_TOO_MUCH in self.bugs:
            changes = {
                "maf_pay": 1, "fund_pay_sumamt": 1, "psn_part_amt": -1,
                "psn_cash_pay": -1,
            }  # fmt: skip
        if Bug.A_FEN_FROM_NOWHERE in self.bugs:
            changes = {"maf_pay": 1}
        return {name: amount(amounts[name] + by) for name, by in changes.items()}

    def _undo(self, found: Stored) -> None:
        place = self.stored.index(found)
        self.stored[place] = replace(found, is_in_force=False)

    def _cancel(self, code: str, given: dict[str, Any], _msgid: str) -> dict[str, Any]:
        found = self._by(code, setl_id=given["data"]["setl_id"])
        if Bug.FORGETS_CANCELS not in self.bugs:
            self._undo(found)
        return {"setlinfo": {"medfee_sumamt": amount(-found.amounts["medfee_sumamt"])}}

    def _reverse(self, code: str, given: dict[str, Any], _msgid: str) -> dict[str, Any]:
        omsgid = given["data"]["omsgid"]
        known = [s for s in self.stored if (s.code, s.msgid) == (code, omsgid)]
        if Bug.FORGETS_REVERSALS not in self.bugs:
            for each in known:
                self._undo(each)
        if not known and Bug.FORGETS_STOPS not in self.bugs:
            self._stopped.add((code, omsgid))
        return {}

    def _by(self, code: str, **named: str) -> Stored:
        for each in self.stored:
            own = {"setl_id": each.setl_id, "msgid": each.msgid}
            if each.code == code and all(own[name] == named[name] for name in named):
                return each
        raise Refusal("MA-4101")

    def _look_up(self, code: str, given: dict[str, Any], _msgid: str) -> dict[str, Any]:
        data = given["data"]
        if data.get("setl_id"):
            found = self._by(code, setl_id=data["setl_id"])
        else:
            found = self._by(code, msgid=data["medins_setl_id"])
        flag = {"refd_setl_flag": "0" if found.is_in_force else "1"}
        return {**found.answer, "setlinfo": found.answer["setlinfo"] | flag}

    def _of(self, code: str, kind: tuple[str, str] | None = None) -> list[Stored]:
        return [
            each for each in self.stored
            if each.code == code and kind in (None, each.kind) and each.is_in_force
        ]  # fmt: skip

    def _totals(self, code: str, given: dict[str, Any], _msgid: str) -> dict[str, Any]:
        asked, sums = read_sums(given["data"]), Sums()
        for each in self._of(code, (asked.insutype, asked.clr_type)):
            sums = sums.plus(
                each.amounts["medfee_sumamt"], each.amounts["fund_pay_sumamt"],
                each.amounts["acct_pay"],
            )  # fmt: skip
        return {"stmtinfo": {"stmt_rslt": compared(sums, asked.sums)}}

    def _upload(self, code: str, given: dict[str, Any], _msgid: str) -> dict[str, Any]:
        packed = base64.b64decode(given["fsUploadIn"]["in"])
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            text = archive.read(archive.namelist()[0]).decode()
        number = f"F{next(self._numbers)}"
        rows = [line.split("\t") for line in text.splitlines()]
        self._rows[number] = (code, "", rows)
        return {"file_qury_no": number, "filename": "up.zip", "fixmedins_code": code}

    def _details(self, code: str, given: dict[str, Any], _msgid: str) -> dict[str, Any]:
        data = given["data"]
        _, _, rows = self._rows[data["file_qury_no"]]
        undone = {row[0] for row in rows if row[6] == "1"}
        own = {row[0]: row for row in rows if row[0] not in undone}
        differences = []
        for each in self._of(code):
            row = own.pop(each.setl_id, None)
            head = [each.psn_no, each.mdtrt_id, each.setl_id, each.msgid]
            if row is None:
                differences.append([*head, "000101", "0", "null"])
            elif row[4] != yuan_of(each.amounts["fund_pay_sumamt"]):
                differences.append([*head, "000103", "0", "null"])
        differences += [
            [row[2], row[1], row[0], "null", "000102", "0", "null"]
            for row in own.values()
        ]
        number = f"D{next(self._numbers)}"
        self._rows[number] = (code, "", differences)
        return {"fileinfo": {"file_qury_no": number, "filename": "down.zip"}}

    def _download(self, _code: str, given: dict[str, Any], _: str) -> dict[str, Any]:
        _, _, rows = self._rows[given["fsDownloadIn"]["file_qury_no"]]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            text = "".join("\t".join(row) + "\n" for row in rows)
            archive.writestr("down.txt", text)
        return {"out": base64.b64encode(packed.getvalue()).decode()}
