"""A hospital's side of the envelope, and a door that believes every institution."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
from aiohttp import web

from gateway.access import Door
from gateway.app import build_server
from gateway.edge import Edge
from gateway.his.admission import Admitted, HisClient, Opened, SignedIn
from gateway.his.answers import Manner
from gateway.his.desk import HisDesk
from gateway.his.envelope import Envelope
from gateway.his.file_shelf import FileShelf
from gateway.his.money import yuan_of
from gateway.metrics import Metrics
from gateway.wiring import Gateway
from settlement.domain.errors import RequestRefused
from settlement.service.access import Admission, Sessions
from settlement.service.signatures import Signatures
from settlement.store.access import AccessStore
from tests.settlement.house import NOW, House, caller

#: Institutions by their national number, and the party that each is.
HOSPITALS = {"H99010000001": 1, "H99010000002": 2}
_numbers = itertools.count(1)
SANDBOX_TIME = "2026-01-05T02:14:09Z"


@dataclass
class BelievingDoor:
    """Every institution that it knows comes in; what a request shows is not read."""

    manner: Manner = field(default_factory=Manner)

    async def open(
        self, _request: web.BaseRequest, body: Mapping[str, Any], _encoding: str
    ) -> Opened:
        """Nothing is wrapped."""
        return Opened(body, bytes)

    async def admit(
        self,
        _request: web.BaseRequest,
        _raw: bytes,
        envelope: Envelope,
        _opened: Opened,
    ) -> Admitted:
        """By the institution's number alone."""
        number = HOSPITALS.get(envelope.fixmedins_code)
        if number is None:
            raise RequestRefused("MA-3102")
        who = caller(number)
        client = HisClient(
            party_code=who.party_code,
            fixmedins_code=envelope.fixmedins_code,
            profile="none",
            manner=self.manner,
        )
        expires_at = NOW + timedelta(hours=1)
        return Admitted(Admission(who, expires_at, must_sign=False), client)

    async def sign_in(self, _admitted: Admitted, _envelope: Envelope) -> SignedIn:
        """A number that nobody looks at."""
        return SignedIn("SIGN", NOW)

    async def require_signature(
        self, _request: web.BaseRequest, _raw: bytes, _admitted: Admitted
    ) -> None:
        """Nobody has to sign."""

    async def sign_out(self, _admitted: Admitted, _sign_no: str) -> datetime:
        """Nothing ends."""
        return NOW


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as a HIS reads it."""

    status: int
    body: dict[str, Any]

    @property
    def infcode(self) -> int:
        """0, -1 or -2."""
        return int(self.body["infcode"])

    @property
    def message(self) -> str:
        """What the cashier sees."""
        return str(self.body["err_msg"])

    @property
    def code(self) -> str:
        """Our stable code at the message's beginning; empty where there is none."""
        return self.message[1:8] if self.message.startswith("[MA-") else ""

    @property
    def output(self) -> Any:
        """The node."""
        return self.body["output"]

    @property
    def setlinfo(self) -> dict[str, Any]:
        """The settlement."""
        found: dict[str, Any] = self.output["setlinfo"]
        return found


@dataclass
class HisRoom:
    """The house, its edge, and a connection to it."""

    house: House
    edge: Edge
    door: BelievingDoor
    url: str
    http: aiohttp.ClientSession

    async def send(
        self,
        body: bytes | str | Mapping[str, Any],
        path: str = "/his",
        **headers: str,
    ) -> Told:
        """Send a body and read the answer; `_` in header names stands for `-`."""
        sent = {"Content-Type": "application/json", "Medaid-Sandbox-Time": SANDBOX_TIME}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, Mapping):
            body = dumped(body)
        if isinstance(body, str):
            body = body.encode()
        async with self.http.post(self.url + path, data=body, headers=sent) as answer:
            raw = await answer.read()
            charset = answer.charset or "utf-8"
            text = raw.decode(charset)
            return Told(answer.status, json.loads(text, parse_float=Decimal))

    async def ask(self, infno: str, given: Mapping[str, Any], **header: Any) -> Told:
        """Send a transaction with this `input`."""
        return await self.send(envelope(infno, given, **header))


def dumped(body: Mapping[str, Any]) -> str:
    """JSON, with decimals as numbers."""
    return json.dumps(body, ensure_ascii=False, default=str)


def new_msgid(institution: str = "H99010000001") -> str:
    """12 + 14 + 4, as the national text has it."""
    return f"{institution}20260105101409{next(_numbers):04d}"


def envelope(infno: str, given: Mapping[str, Any], **header: Any) -> dict[str, Any]:
    """A whole request with sound header fields; `header` replaces them."""
    institution = header.get("fixmedins_code", "H99010000001")
    return {
        "infno": infno,
        "msgid": new_msgid(institution),
        "mdtrtarea_admvs": "990100",
        "insuplc_admdvs": "990100",
        "recer_sys_code": "MBS_LOCAL",
        "dev_no": "",
        "dev_safe_info": "",
        "cainfo": "",
        "signtype": "",
        "infver": "V1.0",
        "opter_type": "1",
        "opter": "win-03",
        "opter_name": "窗口三",
        "inf_time": "2026-01-05 10:14:09",
        "fixmedins_code": institution,
        "fixmedins_name": "示范社区卫生服务中心",
        "sign_no": "",
        "input": dict(given),
    } | header


def charge(card: str = "C00000001", **changes: Any) -> dict[str, Any]:
    """`input` of 2206 and 2207: 250 yuan, of which insurance has paid 160.

    `changes` go to the node that has the field; unknown ones to `data`.
    """
    visit = f"MZ{next(_numbers):08d}"
    data = {
        "psn_no": "99010000000000000000000001",
        "mdtrt_cert_type": "03",
        "mdtrt_cert_no": card,
        "med_type": "11",
        "medfee_sumamt": "250.00",
        "psn_setlway": "01",
        "mdtrt_id": visit,
        "chrg_bchno": "1",
        "acct_used_flag": "0",
        "insutype": "390",
    }
    setlinfo = {
        "mdtrt_id": visit,
        "setl_id": f"N{next(_numbers):09d}",
        "psn_no": data["psn_no"],
        "psn_name": "张三",
        "psn_cert_type": "01",
        "insutype": "390",
        "setl_time": "2026-01-05 10:13:00",
        "medfee_sumamt": 250.00,
        "fulamt_ownpay_amt": 10,
        "overlmt_selfpay": "0",
        "preselfpay_amt": 8.00,
        "inscp_scp_amt": "232.00",
        "act_pay_dedc": 0,
        "hifp_pay": 160,
        "pool_prop_selfpay": 0.6897,
        "cvlserv_pay": 0,
        "hifes_pay": 0,
        "hifmi_pay": 0,
        "hifob_pay": 0,
        "maf_pay": 0,
        "oth_pay": 0,
        "fund_pay_sumamt": "160.00",
        "psn_part_amt": "90.00",
        "acct_pay": 0,
        "psn_cash_pay": "90.00",
        "hosp_part_amt": 0,
        "balc": 0,
        "acct_mulaid_pay": 0,
        "clr_optins": "990100",
        "clr_way": "01",
        "clr_type": "11",
    }
    setldetail = changes.pop("setldetail", [{
        "fund_pay_type": "390100",
        "inscp_scp_amt": "232.00",
        "crt_payb_lmt_amt": "3000.00",
        "fund_payamt": "160.00",
        "fund_pay_type_name": "居民统筹基金",
        "setl_proc_info": "",
    }])  # fmt: skip
    medaid = changes.pop("medaid", None)
    for name, value in changes.items():
        for node in (data, setlinfo):
            if name in node or (name not in setlinfo and node is data):
                node[name] = value
    given: dict[str, Any] = {
        "data": data, "setlinfo": setlinfo, "setldetail": setldetail
    }  # fmt: skip
    return given | ({"medaid": medaid} if medaid is not None else {})


def yuan(fen: int) -> Decimal:
    """The amount as an answer has it."""
    return Decimal(yuan_of(fen))


def shelf_of(gateway: Gateway) -> FileShelf:
    """Files on the gateway's database, under a key that is no secret."""
    return FileShelf(gateway.database, bytes(32), now=gateway.now, random=os.urandom)


@asynccontextmanager
async def open_room(house: House) -> AsyncIterator[HisRoom]:
    """Serve the house's gateway on a port of its own."""
    store = AccessStore(house.database)
    door = BelievingDoor()
    edge = Edge(
        gateway=house.gateway,
        door=Door(
            Sessions(store, random=bytes),
            Signatures(store, bytes(32)),
            house.gateway.now,
        ),
        metrics=Metrics(),
        his=HisDesk(door, shelf_of(house.gateway)),
    )
    runner = web.ServerRunner(build_server(edge))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        async with aiohttp.ClientSession() as http:
            yield HisRoom(house, edge, door, f"http://127.0.0.1:{port}", http)
    finally:
        await runner.cleanup()
