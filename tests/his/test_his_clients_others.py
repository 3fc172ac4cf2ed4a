"""The clients in other languages: run where they can be, held to rules elsewhere."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

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
    subprocess.run(
        ["javac", "-encoding", "UTF-8", "-d", folder, _CLIENTS / "Client.java", probe],  # noqa: S607
        check=True, timeout=120,
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


@_needs_java
async def test_java_settles_through_the_real_door(
    guarded: GuardedRoom, classes: Path, tmp_path: Path
) -> None:
    """Once, by signed headers; what is decided comes back as it is."""
    paasid = await guarded.allowed()
    message = tmp_path / "message.json"

    async def sent(body: dict[str, object]) -> dict[str, object]:
        message.write_text(dumped(body), encoding="utf-8")
        run = await asyncio.create_subprocess_exec(
            "java", "-Dfile.encoding=UTF-8", "-cp", str(classes), "Client",
            f"{guarded.url}/his", paasid, str(message),
            env={"MEDAID_HIS_SECRET": TIF_SECRET, "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
        )  # fmt: skip
        out, _ = await run.communicate()
        assert run.returncode == 0
        answer: dict[str, object] = json.loads(out)
        return answer

    await guarded.house.enrol("C00000001")
    given = charge()
    # Without the header of sandboxes this is settled now: the day is today's.
    day = f"{guarded.house.gateway.now():%Y-%m-%d}"
    given["setlinfo"]["setl_time"] = f"{day} 00:00:01"
    told = await sent(envelope("2207", given))
    assert told["infcode"] == 0, told["err_msg"]
    assert await guarded.house.database.pool.fetchval("SELECT size FROM log_head") == 1
    refused = await sent(envelope("2207", charge(psn_part_amt="95.00")))
    assert refused["infcode"] == -2
    assert str(refused["err_msg"]).startswith("[MA-1205]")


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
