"""`medaid serve` with a certificate of its own: who gets a connection, and who not."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from crypto.key_files import parse_private_key_file
from crypto.keys import SharedSecret
from gateway.client import GatewayClient, Line, OutcomeUnknownError, Patience
from tests.acceptance.gateway_process import must
from tests.gateway.test_serve import line, refusal, serving
from tests.security.certificates import Authority


@dataclass(frozen=True, slots=True)
class Secured:
    """A gateway that terminates TLS, and the authority behind its certificate."""

    url: str
    trusted: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def context(self, **options: object) -> ssl.SSLContext:
        """A client that verifies the chain, down to old versions."""
        context = ssl.create_default_context(cafile=self.trusted)
        context.set_ciphers("ALL:@SECLEVEL=0")
        for name, value in options.items():
            setattr(context, name, value)
        return context

    def shake(self, context: ssl.SSLContext) -> tuple[str, str]:
        """Version and cipher of a connection; raises `OSError` without one."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            cipher = secured.cipher()
            assert cipher is not None
            # In TLS 1.3 a refusal comes after the client's own part is done.
            secured.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert secured.recv(12) == b"HTTP/1.1 200"
            return str(secured.version()), cipher[0]


@asynccontextmanager
async def secured(
    place: list[str], folder: Path, *options: str, days: int = 10
) -> AsyncIterator[Secured]:
    """Serve with a new certificate as long as the block runs."""
    authority = Authority.new()
    cert, key = authority.issue(folder / "tls", days=days)
    files = ("--tls-cert", str(cert), "--tls-key", str(key))
    async with serving(*place, "--port", "0", *files, *options) as process:
        url = await line(process, "ready ")
        assert url.startswith("https://")
        yield Secured(url, authority.save(folder / "ca.pem"))


#: CBC, no forward secrecy, no authentication, no encryption.
WEAK = (
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA256",
    "AES256-SHA",
    "AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "aNULL",
    "eNULL",
)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_versions_and_ciphers(place: list[str], tmp_path: Path) -> None:
    """TLS 1.2 and 1.3 with fresh keys and authenticated encryption; nothing older."""
    version = ssl.TLSVersion
    async with secured(place, tmp_path) as gateway:
        shake = gateway.shake
        for accepted in (version.TLSv1_2, version.TLSv1_3):
            context = gateway.context(
                minimum_version=accepted, maximum_version=accepted
            )
            spoken, cipher = await asyncio.to_thread(shake, context)
            assert spoken == accepted.name.replace("_", ".")
            assert "GCM" in cipher or "CHACHA20" in cipher
        for old in (version.TLSv1, version.TLSv1_1):
            context = gateway.context(minimum_version=old, maximum_version=old)
            with pytest.raises(OSError, match=r"(?i)alert|version|eof|reset"):
                await asyncio.to_thread(shake, context)
        for weak in WEAK:
            context = gateway.context(maximum_version=version.TLSv1_2)
            context.set_ciphers(f"{weak}:@SECLEVEL=0")
            with pytest.raises(OSError, match=r"(?i)handshake|alert|eof|reset"):
                await asyncio.to_thread(shake, context)


async def test_plain_http_gets_no_answer(place: list[str], tmp_path: Path) -> None:
    """A request in clear on the TLS port ends the connection, and tells nothing."""
    async with secured(place, tmp_path) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET /v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()

        assert b"HTTP" not in answer
        assert b"origin" not in answer


async def test_stalled_handshake_is_cut(place: list[str], tmp_path: Path) -> None:
    """Who connects and says nothing, or half a hello, does not hold the line."""
    config = tmp_path / "gateway.toml"
    config.write_text("head_s = 1\n", encoding="utf-8")
    async with secured(place, tmp_path, "--config", str(config)) as gateway:
        for said in (b"", b"\x16\x03\x01\x02\x00\x01\x00"):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(said)
            began = time.monotonic()
            async with asyncio.timeout(30):
                assert await reader.read() == b""
            writer.close()
            assert time.monotonic() - began < 20


async def test_client_library_verifies_the_chain(
    place: list[str], tmp_path: Path
) -> None:
    """With the authority it settles in; without, it sends nothing that is secret."""
    key_file = tmp_path / "H001.key.json"
    must("facility", "add", "H001", "--key-out", str(key_file), *place)
    key = parse_private_key_file(key_file.read_bytes())
    assert isinstance(key, SharedSecret)
    async with secured(place, tmp_path) as gateway:
        stranger = Authority.new("another authority").save(tmp_path / "other.pem")
        good = ssl.create_default_context(cafile=gateway.trusted)
        bad = ssl.create_default_context(cafile=stranger)
        for context, is_trusted in ((good, True), (bad, False)):
            connector = aiohttp.TCPConnector(ssl=context)
            async with aiohttp.ClientSession(connector=connector) as http:
                line_ = Line(
                    http=http,
                    base_url=gateway.url,
                    clock=time.time,
                    nonce=lambda: os.urandom(16).hex(),
                    patience=Patience(attempts=2, first_pause_s=0.01),
                )
                client = GatewayClient(line_, key, "win-01")
                if is_trusted:
                    assert len(await client.token()) == 43
                else:
                    with pytest.raises(OutcomeUnknownError):
                        await client.token()


async def test_expired_certificate_is_for_the_client_to_refuse(
    place: list[str], tmp_path: Path
) -> None:
    """It serves, and measures when the certificate ended: clients refuse it."""
    async with secured(place, tmp_path, days=-1) as gateway:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await asyncio.to_thread(gateway.shake, gateway.context())
        unverified = gateway.context(check_hostname=False)
        unverified.verify_mode = ssl.CERT_NONE
        assert (await asyncio.to_thread(gateway.shake, unverified))[0] == "TLSv1.3"


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_files_that_cannot_be_used_are_one_sentence(
    place: list[str], tmp_path: Path, workers: str
) -> None:
    """Another key, a key open to others, a passphrase, no PEM, not there."""
    authority = Authority.new()
    cert, key = authority.issue(tmp_path / "one")
    _, other_key = authority.issue(tmp_path / "two")
    _, locked = authority.issue(tmp_path / "three", passphrase=b"a passphrase")
    lax = tmp_path / "lax.pem"
    lax.write_bytes(key.read_bytes())
    lax.chmod(0o640)
    junk = tmp_path / "junk.pem"
    junk.touch(mode=0o600)
    junk.write_text("no PEM at all", encoding="utf-8")
    environment = {"MEDAID_TLS_CERT": str(cert), "MEDAID_WORKERS": workers}
    for wrong, part in (
        (other_key, "mismatch"),
        (lax, "can be read by others"),
        (locked, "without a passphrase"),
        (junk, "PEM"),
        (tmp_path / "gone.pem", "cannot be read"),
    ):
        said = await refusal(
            *place, "--port", "0", **environment, MEDAID_TLS_KEY=str(wrong)
        )
        assert part in said, said
        assert str(wrong) in said
    said = await refusal(
        *place, MEDAID_TLS_CERT=str(junk), MEDAID_TLS_KEY=str(key)
    )  # fmt: skip
    assert "PEM" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example"])  # noqa: S104  # must be refused
async def test_no_clear_text_beyond_this_machine(place: list[str], host: str) -> None:
    """Another address than loopback needs TLS or a proxy that is said to do it."""
    said = await refusal(*place, "--host", host, "--port", "0")

    assert "loopback only" in said
    assert "--behind-proxy" in said
