"""The room's front: from a body to an answer, whatever comes."""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gateway.direct import Head, direct
from gateway.edge import is_plain, refused_at, whole_body
from gateway.his.answers import Manner, Reply, Stamp, refused, rendered
from gateway.his.asked import Asked
from gateway.his.envelope import Envelope, read_envelope
from gateway.his.json_body import read_json
from gateway.his.paths import infno_of_path
from gateway.his.transactions import TRANSACTIONS
from gateway.limits import TURN, CallClass
from gateway.logs import REQUEST_ID
from gateway.problems import INTERNAL
from settlement.domain.calendar import shanghai_day
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aiohttp import web

    from gateway.edge import Edge
    from gateway.his.admission import Door
    from gateway.his.asked import Transaction
    from gateway.his.file_shelf import FileShelf

_UTF8, _GB = "utf-8", "gb18030"
#: What senders call the two encodings that are read.
_ENCODINGS = {
    "": _UTF8, "utf-8": _UTF8, "utf8": _UTF8,
    "gbk": _GB, "gb2312": _GB, "gb18030": _GB, "cp936": _GB,
}  # fmt: skip
_CHARSETS = {_UTF8: "utf-8", _GB: "gbk"}
_HEADS = {
    (encoding, status): Head(
        status,
        {
            "Content-Type": f"application/json; charset={charset}",
            "Cache-Control": "no-store",
            "Server": "medaid",
        },
    )
    for encoding, charset in _CHARSETS.items()
    for status in (200, 409)
}
_SERIALS = 10**10
_NO_PLACE = "000000"
#: Of a body that carries a file (9101), in base64.
MOST_FILE_BODY = 4 << 20
_AT_ONCE_BYTES = 64 << 10
_UPLOADS = frozenset({"9101"})
_UNKNOWN = "unknown"

_log = logging.getLogger(__name__)


class HisDesk:
    """One worker's; the same object serves every request."""

    def __init__(self, door: Door, files: FileShelf) -> None:
        """The door knows who calls; the shelf has the files of reconciliation."""
        self._door = door
        self._files = files

    async def answer(
        self, edge: Edge, request: web.BaseRequest, path: str
    ) -> web.StreamResponse:
        """HTTP 200 with an envelope: a HIS shows nothing of other answers.

        Only a message that is repeated with all its headers gets 409 around it.
        """
        exchange = _Exchange(edge, request, path)
        try:
            reply = await exchange.run(self._door, self._files)
        except RequestRefused as refusal:
            edge.metrics.refused("his", refusal.reason)
            reply = refused(refusal)
        except Exception as bug:  # noqa: BLE001  # the outcome may be any
            reply = _internal(edge, bug)
        return exchange.answered(reply)


class _Exchange:
    """One request and its answer: what is known of it so far."""

    def __init__(self, edge: Edge, request: web.BaseRequest, path: str) -> None:
        self._edge = edge
        self._request = request
        self._path = path
        self._received_at: datetime = edge.gateway.now()
        self._manner = Manner()
        self._close: Callable[[bytes], bytes] = bytes
        self._envelope: Envelope | None = None
        self._infno = _UNKNOWN

    async def run(self, door: Door, files: FileShelf) -> Reply:
        encoding = _encoding_of(self._request)
        self._manner = Manner(encoding=encoding)
        infno = infno_of_path(self._path)
        is_upload = infno in _UPLOADS
        most = MOST_FILE_BODY if is_upload else self._request.client_max_size
        raw = await whole_body(self._request, most)
        opened = await door.open(self._request, await _read(raw, encoding), encoding)
        self._close = opened.close
        envelope = self._envelope = read_envelope(opened.body)
        transaction = _transaction(envelope, infno)
        self._infno = transaction.infno
        admitted = await door.admit(self._request, raw, envelope, opened)
        manner = admitted.client.manner
        self._manner = Manner(
            output_as_text=manner.output_as_text,
            infcode_as_text=manner.infcode_as_text,
            encoding=encoding,
        )
        turn = self._request[TURN]
        turn.call_class = transaction.call_class
        self._edge.limits.admit(turn, admitted.admission.caller)
        if admitted.admission.must_sign and transaction.call_class is CallClass.MONEY:
            await door.require_signature(self._request, raw, admitted)
        when = self._edge.when(self._request)
        asked = Asked(
            edge=self._edge,
            door=door,
            files=files,
            request=self._request,
            envelope=envelope,
            admitted=admitted,
            when=when,
            today=shanghai_day(when.settled_at),
        )
        return await transaction.answer(asked)

    def answered(self, reply: Reply) -> web.StreamResponse:
        envelope = self._envelope
        place = _NO_PLACE if envelope is None else envelope.mdtrtarea_admvs
        stamp = Stamp(
            place=place,
            serial=int(REQUEST_ID.get(), 16) % _SERIALS,
            received_at=self._received_at,
            answered_at=self._edge.gateway.now(),
        )
        reply, body = self._wrapped(reply, stamp)
        self._edge.metrics.count(
            "medaid_his_transactions_total", self._infno, f"{reply.infcode}"
        )
        return direct(_HEADS[self._manner.encoding, reply.status], body)

    def _wrapped(self, reply: Reply, stamp: Stamp) -> tuple[Reply, bytes]:
        """The reply's bytes; of one that cannot be written, unwrapped, that it cannot.

        What was done stays done, so the outcome is one to be asked for again.
        """
        try:
            return reply, self._close(rendered(reply, stamp, self._manner))
        except Exception as bug:  # noqa: BLE001  # a HIS must be told something
            reply = _internal(self._edge, bug)
            return reply, rendered(reply, stamp, self._manner)


def _internal(edge: Edge, bug: Exception) -> Reply:
    """MA-5107, and what happened in the log."""
    _log.error("request.failed", extra={"call": "his"}, exc_info=bug)
    edge.metrics.refused("his", INTERNAL)
    return refused(RequestRefused(INTERNAL))


async def _read(raw: bytes, encoding: str) -> dict[str, Any]:
    """A body; one that carries a file is read beside the others' requests."""
    if len(raw) <= _AT_ONCE_BYTES:
        return read_json(raw, encoding)
    return await asyncio.to_thread(read_json, raw, encoding)


def _transaction(envelope: Envelope, path_infno: str) -> Transaction:
    """By the number in the body; an address that says another is a slip."""
    if path_infno and path_infno != envelope.infno:
        raise refused_at("MA-1202", "infno")
    transaction = TRANSACTIONS.get(envelope.infno)
    if transaction is None:
        raise refused_at("MA-1201", "infno")
    return transaction


def _encoding_of(request: web.BaseRequest) -> str:
    """As the Content-Type declares it; raises MA-1106 for what is not read here."""
    if "Content-Encoding" in request.headers and not is_plain(request):
        raise refused_at("MA-1106", "Content-Type")
    encoding = _encoding_named(request.headers.get("Content-Type", ""))
    if encoding is None:
        raise refused_at("MA-1106", "Content-Type")
    return encoding


@lru_cache(maxsize=64)
def _encoding_named(content_type: str) -> str | None:
    """Of a whole header; a program sends the same with each message."""
    _, _, parameters = content_type.partition(";")
    charset = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    return _ENCODINGS.get(charset)
