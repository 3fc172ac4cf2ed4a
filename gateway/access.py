"""The door: from headers to a caller that the use cases may trust."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from crypto.http_signature import HttpRequest
from gateway.attempts import Attempts, any_number
from gateway.in_time import in_time
from settlement.domain.errors import RequestRefused
from settlement.service.access import OpenedSession, token_hash

if TYPE_CHECKING:
    from aiohttp import web

    from settlement.service.access import Admission, Sessions
    from settlement.service.ports import Caller
    from settlement.service.signatures import Signatures

FACILITY = frozenset({"facility"})
ANY_ROLE = frozenset({"facility", "bureau", "officer", "auditor"})
#: Who may look at alerts, and who works them off.
OVERSEERS = frozenset({"bureau", "officer", "auditor"})
#: Who hands rosters over.
BUREAU = frozenset({"bureau"})
STAFF = frozenset({"bureau", "officer"})
_SCHEME = "Bearer "
#: 32 bytes in base64url without padding.
_TOKEN_LENGTH = 43


class Door:
    """Recognises callers. One for each worker."""

    def __init__(
        self,
        sessions: Sessions,
        signatures: Signatures,
        now: Callable[[], datetime],
        attempts: Attempts | None = None,
    ) -> None:
        """`now` is the wall clock; sandbox time plays no part in access."""
        self._attempts = attempts or any_number()
        self._sessions = sessions
        self._signatures = signatures
        self._now = now

    async def sign_in(
        self, request: web.BaseRequest, body: bytes, operator: str
    ) -> OpenedSession:
        """Open a session for a signed request.

        Raises MA-3102, MA-3103, MA-3105, MA-5101, MA-5105.
        """
        now = self._now()
        with self._attempts.by(request):
            signer, signature = await self._signatures.verify(
                as_signed(request, body), now=now, covers_idempotency_key=False
            )
            self._attempts.opens_session(signer.key_id)
            return await self._sessions.open(
                key_id=signer.key_id,
                nonce=signature.nonce,
                party=signer.code,
                operator=operator,
                now=now,
            )

    async def admission(
        self, request: web.BaseRequest, roles: frozenset[str]
    ) -> Admission:
        """Who calls, if their role may, and whether they must sign what they settle.

        Raises MA-3101, MA-3104, MA-3105, MA-5101, MA-5105.
        """
        hashed = token_of(request)
        now = self._now()
        admission = self._sessions.remembered(hashed, now)
        if admission is None:
            with self._attempts.by(request):
                admission = await in_time(self._sessions.look_up(hashed, now))
        if admission.caller.role not in roles:
            raise RequestRefused("MA-3104")
        return admission

    def remembers(self, hashed: bytes) -> Admission | None:
        """What this worker knows of a session without asking; `None`: ask."""
        return self._sessions.remembered(hashed, self._now())

    async def look_up(self, hashed: bytes) -> Admission:
        """What the database says of it; raises MA-3101, MA-5101, MA-5105."""
        return await in_time(self._sessions.look_up(hashed, self._now()))

    async def require_signature(
        self, request: web.BaseRequest, body: bytes, caller: Caller
    ) -> None:
        """Check the message signature of a settlement or reversal.

        It must be by the key of the caller's session and cover the idempotency key.
        Raises as `sign_in` does, and MA-5101 when the database does not answer in
        time. The nonce may be used then: the caller signs anew.
        """
        now = self._now()
        signer, signature = await in_time(
            self._signatures.verify(
                as_signed(request, body), now=now, covers_idempotency_key=True
            )
        )
        if signer.key_id != caller.key_id:
            raise RequestRefused("MA-3102")
        await in_time(self._sessions.take_nonce(signer.key_id, signature.nonce, now))


def token_of(request: web.BaseRequest) -> bytes:
    """The hash under which the request's session is known; raises MA-3101."""
    given = request.headers.getall("Authorization", ())
    value = given[0] if len(given) == 1 else None
    if (
        value is None
        or len(value) != len(_SCHEME) + _TOKEN_LENGTH
        or value[: len(_SCHEME)].lower() != "bearer "
        or not value.isascii()
    ):
        raise RequestRefused("MA-3101")
    return token_hash(value[len(_SCHEME) :])


def as_signed(request: web.BaseRequest, body: bytes) -> HttpRequest:
    """The parts that a signature can cover, as they stood on the wire."""
    names = {name.lower() for name in request.headers}
    return HttpRequest(
        method=request.method,
        authority=request.headers.get("Host", ""),
        path=request.raw_path.partition("?")[0],
        headers={name: ", ".join(request.headers.getall(name)) for name in names},
        body=body,
    )
