"""How a message shows whose it is: as it should be, and in each way that must fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from crypto.http_signature import HttpRequest, sign_request
from crypto.keys import SharedSecret, SigningKey
from gateway.his_simulator.clients import Client
from gateway.his_simulator.line import tif_headers

#: Beyond every window that the interface's users have.
STALE_S = 3_600
_NONCE_BYTES = 16
_SIGN_IN = "9001"


@dataclass(frozen=True, slots=True)
class Proving:
    """What is wrong with a proof; nothing, unless it is said."""

    is_forged: bool = False
    is_stale: bool = False
    is_left_out: bool = False
    nonce: str = ""
    """To be used again; empty for one of its own."""


AS_IT_SHOULD_BE = Proving()


class Proof(Protocol):
    """A profile of access."""

    profile: str

    def headers(
        self, url: str, infno: str, raw: bytes, content_type: str, proving: Proving
    ) -> dict[str, str]:
        """What is sent beside the body."""
        ...


class NoProof:
    """Nothing is shown: the connection knows its caller otherwise."""

    profile = "none"

    def headers(
        self, _url: str, _infno: str, _raw: bytes, _type: str, _proving: Proving
    ) -> dict[str, str]:
        """Nothing."""
        return {}


@dataclass(frozen=True, slots=True, repr=False)
class _Timed:
    clock: Callable[[], float]
    """Unix time."""
    random: Callable[[int], bytes]

    def at(self, proving: Proving) -> int:
        return int(self.clock()) - (STALE_S if proving.is_stale else 0)

    def nonce(self, proving: Proving) -> str:
        return proving.nonce or self.random(_NONCE_BYTES).hex()


class TifProof:
    """The four `x-tif-*` headers, with every message."""

    profile = "x-tif"

    def __init__(
        self,
        client: Client,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        self._client = client
        self._timed = _Timed(clock, random)

    def headers(
        self, _url: str, _infno: str, _raw: bytes, _type: str, proving: Proving
    ) -> dict[str, str]:
        """Signed, unless it is not to be."""
        if proving.is_left_out:
            return {}
        told = tif_headers(
            self._client, self._timed.at(proving), self._timed.nonce(proving)
        )
        if proving.is_forged:
            told["x-tif-signature"] = self._timed.random(32).hex()
        return told


class SignInProof:
    """A signature (RFC 9421) on 9001; all else shows the `sign_no` that it opened."""

    profile = "sign-in"

    def __init__(
        self,
        key: SharedSecret | SigningKey,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        self._key = key
        self._timed = _Timed(clock, random)

    def headers(
        self, url: str, infno: str, raw: bytes, content_type: str, proving: Proving
    ) -> dict[str, str]:
        """A signature over the message where it opens a session."""
        if infno != _SIGN_IN or proving.is_left_out:
            return {}
        parts = urlsplit(url)
        request = HttpRequest(
            method="POST",
            authority=parts.netloc,
            path=parts.path or "/",
            headers={"content-type": content_type},
            # Of other bytes, so that it is no signature of these.
            body=raw + b" " if proving.is_forged else raw,
        )
        return sign_request(
            request,
            self._key,
            created=self._timed.at(proving),
            nonce=self._timed.nonce(proving),
        )
