"""A national platform on loopback: it answers what an outpatients' desk asks.

Its settlements are its own, and know nothing of our aid. What it promises: the same
msgid is settled once, amounts conserve, and a settlement that was undone is so.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from gateway.his_simulator.messages import (
    FINAL,
    NoEnvelope,
    answer_body,
    read_object,
)
from gateway.his_simulator.national_books import (
    Charged,
    NationalBooks,
    PlatformRefusal,
    charged_of,
)
from gateway.his_simulator.national_shape import (
    baseinfo,
    insuinfo,
    setldetail,
    setlinfo,
    stated,
)
from gateway.his_simulator.people import Person
from gateway.his_simulator.statement import FLAT, compared, read_sums

_JSON = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
_Output = dict[str, Any]


class NationalPlatform:
    """One platform; its books live as long as it does."""

    def __init__(self, people: Sequence[Person], clock: Callable[[], datetime]) -> None:
        """`clock` gives Shanghai's wall clock."""
        self.books = NationalBooks(people)
        self._clock = clock
        self._serials = itertools.count(1)
        self._answers = {
            "9001": self._sign_in,
            "9002": self._sign_in,
            "1101": self._person,
            "2206": self._quote,
            "2207": self._settle,
            "2208": self._cancel,
            "2601": self._reverse,
            "3201": self._sums,
            "3202": self._details,
            "5203": self._settlement,
        }

    def server(self) -> web.Server:
        """Serves every address alike: the number in the body decides."""
        return web.Server(self._handle, access_log=None)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        return web.Response(body=self.answer(raw, request.charset), headers=_JSON)

    def answer(self, raw: bytes, charset: str | None = None) -> bytes:
        """The answer to a message."""
        at, serial = self._clock(), next(self._serials)
        try:
            body = read_object(raw, charset or "utf-8")
            output = self._output(body)
        except (PlatformRefusal, NoEnvelope) as refusal:
            return answer_body(
                {}, at=at, serial=serial, infcode=FINAL, err_msg=f"{refusal}"
            )
        return answer_body(output, at=at, serial=serial)

    def _output(self, body: Mapping[str, Any]) -> _Output:
        answer = self._answers.get(f"{body.get('infno')}"[:4])
        if answer is None:
            raise PlatformRefusal("不支持的交易编号")
        given = body.get("input")
        if not isinstance(given, Mapping):
            raise PlatformRefusal("缺少交易输入 input")
        return answer(given, body)

    def _sign_in(self, _given: Mapping[str, Any], _body: Mapping[str, Any]) -> _Output:
        at = self._clock()
        return {
            "signinoutb": {
                "sign_time": f"{at:%Y-%m-%d %H:%M:%S}",
                "sign_no": f"{at:%Y%m%d}{next(self._serials):010d}",
            }
        }

    def _person(self, given: Mapping[str, Any], _body: Mapping[str, Any]) -> _Output:
        person = self.books.person_shown(stated(given, "data"))
        return {
            "baseinfo": baseinfo(person, self._clock().date()),
            "insuinfo": [insuinfo(person, self.books.balance_fen(person))],
            # Identities of aid are the aid gateway's to say, not this platform's.
            "idetinfo": [],
        }

    def _quote(self, given: Mapping[str, Any], _body: Mapping[str, Any]) -> _Output:
        charged = self._charged(given)
        return self._told(charged)

    def _settle(self, given: Mapping[str, Any], body: Mapping[str, Any]) -> _Output:
        settled = self.books.settle(
            f"{body.get('msgid')}",
            self._charged(given),
            f"{body.get('fixmedins_code')}",
        )
        return self._told(settled)

    def _charged(self, given: Mapping[str, Any]) -> Charged:
        data = stated(given, "data")
        person = self.books.person_shown(data)
        return charged_of(
            data, person, self._clock(), balance_fen=self.books.balance_fen(person)
        )

    def _told(self, charged: Charged) -> _Output:
        balance = self.books.balance_fen(charged.person)
        return {
            "setlinfo": setlinfo(charged, balance),
            "setldetail": setldetail(charged),
        }

    def _cancel(self, given: Mapping[str, Any], _body: Mapping[str, Any]) -> _Output:
        data = stated(given, "data")
        undone = self.books.cancel(f"{data.get('setl_id')}", f"{data.get('psn_no')}")
        balance = self.books.balance_fen(undone.person)
        info = setlinfo(undone, balance, sign=-1) | {"setl_type": "2"}
        # A misprint of the national text that every client has copied.
        info["pdn_cash_pay"] = info["psn_cash_pay"]
        return {"setlinfo": info, "setldetail": setldetail(undone, sign=-1)}

    def _reverse(self, given: Mapping[str, Any], _body: Mapping[str, Any]) -> _Output:
        self.books.reverse(f"{stated(given, 'data').get('omsgid')}")
        return {}

    def _settlement(
        self, given: Mapping[str, Any], _body: Mapping[str, Any]
    ) -> _Output:
        data = stated(given, "data")
        found = self.books.find(
            f"{data.get('setl_id') or ''}", f"{data.get('medins_setl_id') or ''}"
        )
        balance = self.books.balance_fen(found.person)
        return {
            "setlinfo": setlinfo(found, balance)
            | {"refd_setl_flag": "0" if found.is_in_force else "1"},
            "setldetail": setldetail(found),
        }

    def _sums(self, given: Mapping[str, Any], body: Mapping[str, Any]) -> _Output:
        data = stated(given, "data")
        asked = read_sums(data)
        code = f"{body.get('fixmedins_code')}"
        own = self.books.sums(code, asked.insutype, asked.clr_type, asked.first)
        result = compared(own, asked.sums)
        return {
            "stmtinfo": {
                "setl_optins": f"{data.get('setl_optins') or ''}",
                "stmt_rslt": result,
                "stmt_rslt_dscr": "平" if result == FLAT else "不平",
            }
        }

    def _details(self, given: Mapping[str, Any], _body: Mapping[str, Any]) -> _Output:
        """The file of differences has a number; 9102 is the aid gateway's only."""
        data = stated(given, "data")
        number = f"{data.get('file_qury_no') or ''}"
        if not number:
            raise PlatformRefusal("缺少 file_qury_no")
        end = self._clock() + timedelta(days=1)
        return {
            "fileinfo": {
                "file_qury_no": f"R{number}"[:30],
                "filename": f"{number}.zip",
                "dld_endtime": f"{end:%Y-%m-%d %H:%M:%S}",
            }
        }
