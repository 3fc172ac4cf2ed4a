"""What the desk needs of whoever keeps its door; `gateway.his.door` is the one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from aiohttp import web

    from gateway.his.answers import Manner
    from gateway.his.envelope import Envelope
    from gateway.his.recognition import SignedBy
    from settlement.service.access import Admission


@dataclass(frozen=True, slots=True, kw_only=True)
class HisClient:
    """A hospital that speaks the envelope, as the operator has allowed it."""

    party_code: str
    fixmedins_code: str
    """The institution's national number, which its requests name."""
    profile: str
    """How it shows who it is: `x-tif`, `encdata`, `mutual-tls` or `sign-in`."""
    manner: Manner


@dataclass(frozen=True, slots=True)
class Opened:
    """A body without its wrapping, and how the answer is wrapped again."""

    body: Mapping[str, Any]
    close: Callable[[bytes], bytes]
    signer: str = ""
    """Key that has signed the wrapping; empty where there was none."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who calls."""

    admission: Admission
    client: HisClient
    signed_by: SignedBy | None = None
    """Of a 9001 that opens a session."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session of the envelope."""

    sign_no: str
    at: datetime


class Door(Protocol):
    """Recognises hospitals; every refusal is a `RequestRefused`."""

    async def open(
        self, request: web.BaseRequest, body: Mapping[str, Any], encoding: str
    ) -> Opened:
        """Verify and decrypt a wrapped body; a plain one comes back as it is."""
        ...

    async def admit(
        self, request: web.BaseRequest, raw: bytes, envelope: Envelope, opened: Opened
    ) -> Admitted:
        """Whose request it is, by the profile of the institution that it names."""
        ...

    async def sign_in(self, admitted: Admitted, envelope: Envelope) -> SignedIn:
        """Open a session (9001)."""
        ...

    async def require_signature(
        self, request: web.BaseRequest, raw: bytes, admitted: Admitted
    ) -> None:
        """Check the signature over the body of what settles or undoes."""
        ...

    async def sign_out(self, admitted: Admitted, sign_no: str) -> datetime:
        """End it (9002); a session that is none, or another's, ends nothing."""
        ...
