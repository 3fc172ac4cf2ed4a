"""A billing terminal's raw HTTP: what stands on the wire and nothing cleverer.

Nothing of the gateway's own client is used, so that a test sees statuses, headers
and bytes as any hospital's system does.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from multidict import CIMultiDictProxy

from crypto.http_signature import HttpRequest, sign_request
from crypto.keys import SharedSecret, SigningKey
from tests.roster.bureau import card_number

PartyKey = SharedSecret | SigningKey

JSON = "application/json"
#: The instant of settling of every bill below, in the sandbox.
AT = "2026-01-05T02:14:09Z"
DAY = "2026-01-05"
_numbers = itertools.count(1)
_RUN = os.urandom(4).hex()


@dataclass(frozen=True, slots=True)
class Answer:
    """One response as it came."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return orjson.loads(self.body)

    @property
    def replayed(self) -> bool:
        """Whether the gateway says that it gave this answer before."""
        return self.headers.get("Idempotent-Replayed") == "true"

    @property
    def code(self) -> str:
        """The reason's code, of a decision or of a problem."""
        document = self.json()
        reason = document.get("reason")
        return str(reason["code"] if reason else document.get("code", ""))


class Desk:
    """One party with a key, over a connection that the test owns."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        key: PartyKey,
        tokens: dict[str, str] | None = None,
        operator: str = "win-01",
    ) -> None:
        """`tokens`: sessions by key id, so that tests need not each sign in."""
        self.http = http
        self.url = url
        self.key = key
        self.operator = operator
        self.tokens: dict[str, str] = {} if tokens is None else tokens

    def signed_session(self, body: bytes | None = None, **changes: Any) -> SignedCall:
        """A signed `POST /v1/sessions`, not sent yet."""
        if body is None:
            body = orjson.dumps({"operator": self.operator})
        return self.signed("/v1/sessions", body, **changes)

    def signed(
        self,
        path: str,
        body: bytes,
        *,
        key: str | None = None,
        created: int | None = None,
        nonce: str | None = None,
    ) -> SignedCall:
        """A signed POST (RFC 9421), not sent yet."""
        headers = {"content-type": JSON}
        if key is not None:
            headers["idempotency-key"] = key
        request = HttpRequest("POST", urlsplit(self.url).netloc, path, headers, body)
        signature = sign_request(
            request,
            self.key,
            created=int(time.time()) if created is None else created,
            nonce=nonce or os.urandom(16).hex(),
        )
        return SignedCall(path, headers | signature, body)

    async def send(self, call: SignedCall, **headers: str) -> Answer:
        """Send a signed call, with further headers."""
        return await self.raw("POST", call.path, call.body, call.headers | headers)

    async def sign_in(self) -> str:
        """Open a session and return its token, which is kept from now on."""
        answer = await self.send(self.signed_session())
        assert answer.status == HTTPStatus.CREATED, answer.body
        self.tokens[self.key.kid] = answer.json()["token"]
        return self.tokens[self.key.kid]

    async def token(self) -> str:
        """The token of the session, opened when first needed."""
        return self.tokens.get(self.key.kid) or await self.sign_in()

    async def raw(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send exactly this and nothing that is not said."""
        async with self.http.request(
            method,
            self.url + path,
            data=body,
            headers=headers,
            skip_auto_headers=("Content-Type", "User-Agent"),
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        at: str | None = AT,
        **headers: str,
    ) -> Answer:
        """An authorised call; header names are written with underscores."""
        sent = {"Authorization": f"Bearer {await self.token()}"}
        if at is not None:
            sent["Medaid-Sandbox-Time"] = at
        if body is not None:
            sent["Content-Type"] = JSON
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes | None) else orjson.dumps(body)
        return await self.raw(method, path, content, sent)

    async def get(self, path: str) -> Answer:
        """Read an address with the session's token."""
        return await self.ask("GET", path, at=None)

    async def settle(self, key: str, bill: object, **headers: str) -> Answer:
        """`POST /v1/settlements` under a key."""
        headers["Idempotency_Key"] = key
        return await self.ask("POST", "/v1/settlements", bill, **headers)

    async def reverse(self, key: str, order: object, **headers: str) -> Answer:
        """`POST /v1/reversals` under a key."""
        headers["Idempotency_Key"] = key
        return await self.ask("POST", "/v1/reversals", order, **headers)

    async def eligibility(self, person: int, day: str = DAY) -> Answer:
        """`POST /v1/eligibility` for one of the roster's made-up persons."""
        body = {"card": card(person), "service_date": day}
        return await self.ask("POST", "/v1/eligibility", body)

    async def quote(self, bill: object) -> Answer:
        """`POST /v1/quotes`."""
        return await self.ask("POST", "/v1/quotes", bill)


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A signed request that can be sent, changed, and sent again."""

    path: str
    headers: dict[str, str]
    body: bytes


def card(person: int) -> dict[str, str]:
    """The social security card of a made-up person."""
    return {"kind": "social_security_card", "number": card_number(person)}


def new_name(prefix: str = "k") -> str:
    """A key or number that nothing has used, also in an earlier run."""
    return f"{prefix}-{_RUN}-{next(_numbers)}"


def bill(person: int, **changes: Any) -> dict[str, Any]:
    """The BILL of the contract's page, of a new visit.

    Owed 9,000, base 7,200; of a dibao outpatient: aid 5,760, patient pays 3,240.
    """
    return {
        "card": card(person),
        "visit_no": new_name("MZ"),
        "bill_no": "1",
        "care_type": "outpatient",
        "service_start": DAY,
        "service_end": DAY,
        "occurred_at": AT,
        "diagnoses": ["I10"],
        "referred": True,
        "total_fen": 25_000,
        "self_funded_fen": 1_000,
        "over_limit_fen": 0,
        "pre_selfpay_fen": 800,
        "in_policy_fen": 23_200,
        "basic_insurance_fen": 16_000,
        "serious_illness_fen": 0,
        "other_funds_fen": 0,
        "medical_aid_fen": 0,
        "personal_account_fen": 0,
    } | changes


def bill_of(person: int, in_policy_fen: int, **changes: Any) -> dict[str, Any]:
    """A bill of which everything is within the policy and nothing is paid yet."""
    amounts = dict.fromkeys(
        ("self_funded_fen", "pre_selfpay_fen", "basic_insurance_fen"), 0
    )
    amounts |= {"total_fen": in_policy_fen, "in_policy_fen": in_policy_fen}
    return bill(person, **amounts | changes)
