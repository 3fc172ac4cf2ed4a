"""`medaid serve` itself: settings arrive, handshakes end, the parser is checked."""

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.cli.main import main
from gateway.endings import NEEDS_REPAIR
from gateway.listening import Site
from gateway.protocol import parser_is_compiled
from tests.limits.raw import connected, request

READY_WITHIN_S = 60


@pytest.fixture
def place(data_dir: Path, database_dsn: str) -> list[str]:
    """Where a sandbox lies."""
    place = ["--data-dir", str(data_dir), "--dsn", database_dsn]
    made = CliRunner().invoke(main, ["init", "--sandbox", *place])
    assert made.exit_code == 0, made.output
    return place


@asynccontextmanager
async def serving(
    place: list[str], **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`medaid serve` as long as the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli.main", "serve", "--port", "0", *place,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def address_of(process: asyncio.subprocess.Process) -> str:
    """Host and port that it says it is ready on."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), READY_WITHIN_S)
    return line.decode().strip().removeprefix("ready http://")


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_settings_reach_the_workers(place: list[str], workers: str) -> None:
    """A rate and a number of connections, from the environment to each process."""
    async with serving(
        [*place, "--workers", workers],
        MEDAID_PUBLIC_PER_S="1",
        MEDAID_PUBLIC_BURST="3",
        MEDAID_HEAD_S="1",
    ) as process:
        authority = await address_of(process)
        async with connected(authority) as raw, connected(authority) as slow:
            await slow.send(b"GET /healthz HTTP/1.1\r\n")
            statuses = []
            # One connection stays with one worker, which counts for itself. All at
            # once, for a second later it would have one more to give.
            await raw.send(request("/v1/keys") * 5)
            for _ in range(5):
                answer = await raw.answer()
                assert answer is not None
                statuses.append(answer.status)
            late = await slow.answer()

    assert statuses == [200] * 3 + [429] * 2
    assert late is not None
    assert late.status == 408


async def test_lenient_parser_does_not_serve(place: list[str], data_dir: Path) -> None:
    """In production it is one sentence; a sandbox says so and goes on."""
    async with serving(place, AIOHTTP_NO_EXTENSIONS="1") as process:
        assert await address_of(process)
        process.terminate()
        _, said = await asyncio.wait_for(process.communicate(), READY_WITHIN_S)
        assert b"parser.not_compiled" in said

    installation = data_dir / "installation.json"
    text = installation.read_text(encoding="utf-8")
    installation.write_text(text.replace("true", "false"), encoding="utf-8")
    async with serving(place, AIOHTTP_NO_EXTENSIONS="1") as process:
        printed, said = await asyncio.wait_for(process.communicate(), READY_WITHIN_S)
        assert process.returncode == NEEDS_REPAIR
        assert printed == b""
        assert b"no compiled parser" in said


def test_this_parser_is_compiled() -> None:
    """All tests of raw requests are about the parser that production uses."""
    assert parser_is_compiled()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of nobody's, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begins = datetime.now(UTC) - timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


async def test_handshake_that_is_not_finished_is_cut(tmp_path: Path) -> None:
    """A caller who connects and says nothing is no TLS client."""

    async def serve(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="well")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    bound = socket.create_server(("127.0.0.1", 0))
    runner = web.ServerRunner(web.Server(serve))
    await runner.setup()
    await Site(runner, bound, context, handshake_s=0.5).start()
    try:
        host, port = bound.getsockname()
        async with connected(f"{host}:{port}") as silent:
            assert await silent.is_closed(3.0)
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        trusting.check_hostname = False
        reader, writer = await asyncio.open_connection(host, port, ssl=trusting)
        writer.write(request())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
    finally:
        await runner.cleanup()
