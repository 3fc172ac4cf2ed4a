"""Roster files: a bureau sends one, and asks what became of it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import orjson
from aiohttp import web

from gateway.access import BUREAU, OVERSEERS
from gateway.answers import JSON_HEADERS, json_bytes, private, refusal
from gateway.edge import Edge, refused_at
from gateway.roster_intake import Told, declared_encoding
from gateway.upload import ROSTER, received
from gateway.wire_faults import MAX_FAULTS
from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused
from settlement.domain.roster import RosterRefusedError
from settlement.service.roster import MANIFEST_BYTES_MAX

MANIFEST_HEADER = "Medaid-Roster-Manifest"
_NAME = "take_roster_file"
_VERSION = re.compile(r"[1-9][0-9]{0,15}")
_NOT_FOUND = "MA-4101"
_ASK_AGAIN_S = 10
_WITH_A_REFUSAL = ("current_version", "refused_rows")


async def take(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """A roster file, taken in by the rules of `medaid roster import`."""
    caller = await edge.caller(request, BUREAU)
    text, encoding = _manifest(request), _encoding(request)
    intake = edge.gateway.roster
    try:
        manifest = await intake.check(caller, text)
        if manifest is None:
            known = await intake.find(orjson.loads(text)["version"])
            return json_bytes(orjson.dumps(known.document))
        with intake.turn():
            async with received(request, intake.folder, ROSTER) as file:
                told = await intake.take(manifest, text, file.fileno(), encoding)
    except RosterRefusedError as refused:
        return _refuse(
            edge,
            request,
            refused.reason,
            [{"line": row.line, "column": row.column, "reason": {"code": row.reason}}
             for row in refused.refused],
            {"current_version": refused.current_version},
        )  # fmt: skip
    return _answer(edge, request, told)


async def find(
    edge: Edge, request: web.BaseRequest, parameter: str
) -> web.StreamResponse:
    """What became of a version."""
    await edge.caller(request, OVERSEERS)
    told = await edge.gateway.roster.find(_version(parameter))
    if told.state is None:
        raise RequestRefused(_NOT_FOUND)
    return json_bytes(orjson.dumps(told.document))


async def refused(
    edge: Edge, request: web.BaseRequest, parameter: str
) -> web.StreamResponse:
    """The rows that were refused, as CSV."""
    await edge.caller(request, OVERSEERS)
    rows = await edge.gateway.roster.refused(_version(parameter))
    if rows is None:
        raise RequestRefused(_NOT_FOUND)
    return private(rows, "text/csv; charset=utf-8")


def _manifest(request: web.BaseRequest) -> bytes:
    given = request.headers.getall(MANIFEST_HEADER, ())
    try:
        text = base64.b64decode(
            given[0] or "!" if len(given) == 1 else "!", validate=True
        )
        text.decode()
    except (binascii.Error, ValueError):
        raise refused_at("MA-1107", MANIFEST_HEADER) from None
    if len(text) > MANIFEST_BYTES_MAX:
        raise refused_at("MA-1107", MANIFEST_HEADER)
    return text


def _encoding(request: web.BaseRequest) -> str:
    encoding = declared_encoding(request.headers.get("Content-Type", ""))
    if encoding is None:
        raise refused_at("MA-1106", "Content-Type")
    return encoding


def _version(parameter: str) -> int:
    if not _VERSION.fullmatch(parameter):
        raise RequestRefused(_NOT_FOUND)
    return int(parameter)


def _answer(edge: Edge, request: web.BaseRequest, told: Told) -> web.StreamResponse:
    body = orjson.dumps(told.document)
    if told.state == "taken":
        return json_bytes(body, 201)
    if told.state == "refused" and told.refusal is not None:
        why = told.refusal
        more = {name: told.document[name] for name in _WITH_A_REFUSAL}
        return _refuse(edge, request, why["code"], why["rows"], more)
    headers = JSON_HEADERS | {
        "Location": f"/v1/roster/files/{told.document['version']}",
        "Retry-After": str(_ASK_AGAIN_S),
    }
    return web.Response(body=body, status=202, headers=headers)


def _refuse(
    edge: Edge,
    request: web.BaseRequest,
    code: str,
    rows: list[dict[str, Any]],
    more: dict[str, Any],
) -> web.Response:
    """The problem, with the rows at fault and the version that the next one needs."""
    faults = tuple(
        BillFault(
            f"line[{row['line']}]" + (f".{row['column']}" if row["column"] else ""),
            row["reason"]["code"],
        )
        for row in rows[:MAX_FAULTS]
    )
    edge.metrics.refused(_NAME, code)
    response = refusal(request, RequestRefused(code, faults=faults))
    body = orjson.loads(response.body)  # type: ignore[arg-type]  # `refusal` gives bytes
    response.body = orjson.dumps(
        body | {name: value for name, value in more.items() if value is not None}
    )
    return response
