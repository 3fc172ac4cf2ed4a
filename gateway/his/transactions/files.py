"""9101 takes a hospital's file, 9102 gives back what was found in it."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING

from gateway.his.answers import Reply
from gateway.his.file_shelf import DIFFERENCES, UPLOADED
from gateway.his.json_body import encoded
from gateway.his.setlinfo import local_time
from gateway.his.statement_rows import read_rows

if TYPE_CHECKING:
    from gateway.his.asked import Asked
    from gateway.his.node import Node

_NAME_CHARS, _INSTITUTION_CHARS, _NUMBER_CHARS = 200, 30, 30
_MISSING, _ANOTHER, _NO_FILE = "MA-1120", "MA-1209", "MA-1221"
_BYTE, _LOWEST = 255, -128


async def upload(asked: Asked) -> Reply:
    """9101: checked line by line before anything is kept."""
    node = asked.envelope.node("fsUploadIn")
    filename = node.text("filename", _NAME_CHARS)
    _must_be_own(asked, node)
    content = _content(node)
    asked.envelope.check()
    # Thousands of lines: others are served meanwhile.
    await asyncio.to_thread(read_rows, content)
    kept = await asked.files.put(
        asked.caller.party_id,
        f"9101:{asked.envelope.key}",
        kind=UPLOADED,
        filename=filename,
        content=content,
    )
    told = {
        "file_qury_no": kept.number,
        "filename": kept.filename,
        "fixmedins_code": asked.envelope.fixmedins_code,
        "dld_endtime": local_time(kept.ends_at),
    }
    return Reply(encoded(told))


async def download(asked: Asked) -> Reply:
    """9102: the file of differences, in base64."""
    node = asked.envelope.node("fsDownloadIn")
    number = node.text("file_qury_no", _NUMBER_CHARS)
    node.text("filename", _NAME_CHARS, required=False)
    _must_be_own(asked, node)
    asked.envelope.check()
    kept = await asked.files.get(asked.caller.party_id, number, DIFFERENCES)
    told = {
        "file_qury_no": kept.number,
        "filename": kept.filename,
        "fixmedins_code": asked.envelope.fixmedins_code,
        "out": base64.b64encode(kept.content).decode(),
    }
    return Reply(encoded(told))


def _must_be_own(asked: Asked, node: Node) -> None:
    code = node.text("fixmedins_code", _INSTITUTION_CHARS)
    if code and code != asked.envelope.fixmedins_code:
        node.refuse("fixmedins_code", _ANOTHER)


def _content(node: Node) -> bytes:
    """The file's bytes: base64, or an array of numbers as some programs write bytes."""
    value = node.raw("in")
    if value in (None, "", []):
        if node.is_there:
            node.refuse("in", _MISSING)
        return b""
    try:
        if isinstance(value, str):
            return base64.b64decode("".join(value.split()), validate=True)
        # Java's bytes are signed.
        if isinstance(value, list) and all(
            type(each) is int and _LOWEST <= each <= _BYTE for each in value
        ):
            return bytes(each & _BYTE for each in value)
    except (binascii.Error, ValueError):
        pass
    node.refuse("in", _NO_FILE)
    return b""
