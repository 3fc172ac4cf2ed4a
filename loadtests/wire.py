"""The gateway's interface as its integration guide tells it, for any transport."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from loadtests.world import Hospital

_COMPONENTS = '("@method" "@authority" "@path" "content-type" "content-digest")'
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case."""

    def document(self) -> dict[str, Any]:
        """The body as JSON; empty where it is none, as a proxy's page."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def code(self) -> str:
        """The status where it went well, else the gateway's own code."""
        if self.status < 400:
            return str(self.status)
        return str(self.document().get("code", f"HTTP {self.status}"))

    @property
    def retry_after_s(self) -> float:
        """What `Retry-After` says; 0 without one."""
        try:
            return float(self.headers.get("retry-after", 0))
        except ValueError:
            return 0.0


class Transport(Protocol):
    """Sends one request; `None` where no whole answer came."""

    def __call__(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> Answer | None:
        """Send it once, and never again by itself."""


def authority_of(target: str) -> str:
    """`Host` as it is sent and signed: without the scheme's own port."""
    parts = urlsplit(target)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    own = {"http": 80, "https": 443}[parts.scheme]
    return host if parts.port in (None, own) else f"{host}:{parts.port}"


def session_request(
    hospital: Hospital, *, authority: str, operator: str, created: int, nonce: str
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of `POST /v1/sessions`, signed (RFC 9421, hmac-sha256)."""
    body = json.dumps({"operator": operator}).encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    parameters = (
        f'{_COMPONENTS};created={created};nonce="{nonce}"'
        f';keyid="{hospital.key_id}";tag="medaid"'
    )
    base = (
        '"@method": POST\n'
        f'"@authority": {authority}\n'
        '"@path": /v1/sessions\n'
        '"content-type": application/json\n'
        f'"content-digest": sha-256=:{digest}:\n'
        f'"@signature-params": {parameters}'
    )
    code = hmac.digest(base64.b64decode(hospital.secret), base.encode(), "sha256")
    return body, {
        **JSON,
        "Content-Digest": f"sha-256=:{digest}:",
        "Signature-Input": f"sig1={parameters}",
        "Signature": f"sig1=:{base64.b64encode(code).decode()}:",
    }


class SignInError(RuntimeError):
    """A hospital was not let in; the message holds the gateway's code."""


class Sessions:
    """One token for each hospital, opened when it is first wanted."""

    def __init__(
        self,
        send: Transport,
        *,
        authority: str,
        operator: str,
        clock: Callable[[], float],
        nonce: Callable[[], str],
    ) -> None:
        """Take the transport, wall clock and what makes nonces."""
        self._send = send
        self._authority = authority
        self._operator = operator
        self._clock = clock
        self._nonce = nonce
        self._tokens: dict[str, str] = {}

    def headers(self, hospital: Hospital) -> dict[str, str]:
        """Headers that carry the hospital's token; raises `SignInError`."""
        token = self._tokens.get(hospital.code)
        if token is None:
            token = self._tokens[hospital.code] = self._open(hospital)
        return {**JSON, "Authorization": f"Bearer {token}"}

    def forget(self, hospital: Hospital) -> None:
        """Sign in anew the next time."""
        self._tokens.pop(hospital.code, None)

    def _open(self, hospital: Hospital) -> str:
        body, headers = session_request(
            hospital,
            authority=self._authority,
            operator=self._operator,
            created=int(self._clock()),
            nonce=self._nonce(),
        )
        answer = self._send("POST", "/v1/sessions", body, headers)
        if answer is None:
            raise SignInError("no answer to the sign-in")
        token = answer.document().get("token")
        if not isinstance(token, str):
            raise SignInError(f"{hospital.code} was not let in: {answer.code}")
        return token
