"""The clients in other languages: run where they can be, held to rules elsewhere."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from settlement.domain.calendar import SHANGHAI
from tests.his.desk import charge, dumped, envelope
from tests.his.doors import TIF_SECRET, GuardedRoom

_CLIENTS = Path(__file__).resolve().parents[2] / "docs" / "his" / "clients"
_VECTOR = "9b0f71bab282c2a356fe66915312517c3ef26d16a967f294651a1ec5fd2cfe69"
_needs_java = pytest.mark.skipif(
    shutil.which("javac") is None, reason="there is no javac on this machine"
)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Java client, compiled, with a caller of its signature."""
    folder = tmp_path_factory.mktemp("java")
    probe = folder / "Probe.java"
    probe.write_text(
        "public class Probe { public static void main(String[] a) throws Exception {"
        " System.out.print(Client.signature(a[0], a[1], a[2])); } }"
    )
    compiling = "javac", "--release", "8", "-encoding", "UTF-8", "-d", folder
    subprocess.run(
        [*compiling, _CLIENTS / "Client.java", probe],
        check=True, timeout=120, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return folder


@_needs_java
def test_java_signs_the_published_vector(classes: Path) -> None:
    """Timestamp, secret, nonce and timestamp."""
    given = "1700000000", "demo-secret-not-real", "123456789012"
    made = subprocess.run(
        ["java", "-cp", classes, "Probe", *given],  # noqa: S607
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert made.stdout == _VECTOR


@dataclass
class LosingLine:
    """A way to the gateway that loses the answers to the first messages."""

    url: str
    losses: int
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One message there; back only when enough were lost."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: ([0-9]+)", head, re.IGNORECASE)
        assert length is not None
        body = await reader.readexactly(int(length[1]))
        self.heads.append(head)
        self.bodies.append(body)
        address = urlsplit(self.url)
        there, back = await asyncio.open_connection(address.hostname, address.port)
        closing = re.sub(
            rb"connection: [^\r]+", b"Connection: close", head, flags=re.IGNORECASE
        )
        back.write(closing + body)
        answer = await there.read()
        back.close()
        if len(self.bodies) > self.losses:
            writer.write(answer)
        writer.close()


async def _java(classes: Path, *given: str) -> tuple[int, bytes]:
    run = await asyncio.create_subprocess_exec(
        "java", "-cp", str(classes), "Client", *given,
        env={"MEDAID_HIS_SECRET": TIF_SECRET, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
    )  # fmt: skip
    out, _ = await run.communicate()
    return run.returncode or 0, out


@_needs_java
async def test_java_settles_once_when_the_answer_is_lost(
    guarded: GuardedRoom, classes: Path, tmp_path: Path
) -> None:
    """The very same message again, signed anew; what is decided comes back as it is."""
    paasid = await guarded.allowed()
    await guarded.house.enrol("C00000001")
    given = charge()
    # Without the header of sandboxes this is settled now: the day is today's.
    day = f"{guarded.house.gateway.now().astimezone(SHANGHAI):%Y-%m-%d}"
    given["setlinfo"]["setl_time"] = f"{day} 00:00:01"
    message = tmp_path / "message.json"
    message.write_text(dumped(envelope("2207", given)), encoding="utf-8")
    line = LosingLine(guarded.url, losses=1)
    server = await asyncio.start_server(line.carry, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/his"
        status, out = await _java(classes, url, paasid, str(message))
    told = json.loads(out)
    assert (status, told["infcode"]) == (0, 0), told["err_msg"]
    # Java repeats a POST by itself where a connection breaks, headers and all: that
    # one is told nothing that it could take for an answer.
    assert len(line.bodies) == 3
    assert len(set(line.bodies)) == 1
    nonces = [re.findall(rb"x-tif-nonce: (\S+)", head) for head in line.heads]
    assert nonces[0] == nonces[1] != nonces[2]
    assert await guarded.house.database.pool.fetchval("SELECT size FROM log_head") == 1
    bad = dumped(envelope("2207", charge(psn_part_amt="95.00")))
    message.write_text(bad, encoding="utf-8")
    _, out = await _java(classes, f"{guarded.url}/his", paasid, str(message))
    refused = json.loads(out)
    assert refused["infcode"] == -2
    assert refused["err_msg"].startswith("[MA-1205]")


@pytest.mark.parametrize(
    "name", ["client.py", "Client.java", "Client.cs", "client.pas"]
)
def test_each_client_keeps_the_rules(name: str) -> None:
    """The headers, what is signed, no float, and the same message again."""
    text = (_CLIENTS / name).read_text(encoding="utf-8")
    for header in ("paasid", "timestamp", "nonce", "signature"):
        assert f"x-tif-{header}" in text
    order = re.search(r"at ?\+ ?secret ?\+ ?nonce ?\+ ?at", text, re.IGNORECASE)
    assert order, "what is signed"
    assert re.search(r"-1", text), "unknown is sent again"
    assert "outcome unknown" in text
    code = re.sub(r"never floats|/\*.*?\*/", "", text, flags=re.DOTALL)
    assert not re.search(r"\b(double|float|parseDouble|StrToFloat)\b", code)
    assert len(text.splitlines()) <= 60
