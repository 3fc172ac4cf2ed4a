"""mutual-tls: the certificate of the connection is the proof, and no other is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import SettingsFault, read_settings
from gateway.his.shown import fingerprint_of
from gateway.tls import TlsFault, server_context
from settlement.store.database import Database
from tests.his.desk import Told, envelope
from tests.his.doors import GuardedRoom, open_guarded_room
from tests.security.certificates import Authority
from tests.settlement.house import open_house

_Files = tuple[Path, Path]


@dataclass
class Lines:
    """A room behind TLS, and connections with certificates of one's choice."""

    room: GuardedRoom
    trusted: Path

    async def ask(self, shown: _Files | None) -> Told:
        """A message that stores nothing."""
        context = ssl.create_default_context(cafile=self.trusted)
        if shown is not None:
            context.load_cert_chain(*shown)
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as http:
            self.room.http = http
            return await self.room.send(
                envelope("1901", {"data": {"type": "PSN_IDET_TYPE"}})
            )


def fingerprint(files: _Files) -> str:
    """As the operator's command has it."""
    certificate = x509.load_pem_x509_certificate(files[0].read_bytes())
    return fingerprint_of(certificate.public_bytes(Encoding.DER))


async def test_certificate_is_the_proof(database: Database, tmp_path: Path) -> None:
    """The one that was allowed; another of the same authority, or none, is not."""
    own, authority = Authority.new("own"), Authority.new("hospitals")
    trusted = own.save(tmp_path / "own.pem")
    ca = authority.save(tmp_path / "ca.pem")
    first = authority.issue(tmp_path / "first")
    other = authority.issue(tmp_path / "other")
    stranger = Authority.new("strangers").issue(tmp_path / "stranger")
    tls = server_context(*own.issue(tmp_path / "server"), ca)
    async with (
        open_house(database, tmp_path / "var") as house,
        open_guarded_room(house, tls=tls) as room,
    ):
        line = Lines(room, trusted)
        await room.allowed("mutual-tls", key_id=fingerprint(first), accepts_weak=False)
        assert (await line.ask(first)).infcode == 0
        assert (await line.ask(other)).code == "MA-3107"
        assert (await line.ask(None)).code == "MA-3107"
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await line.ask(stranger)
        await room.revoked(fingerprint(first))
        assert (await line.ask(first)).code == "MA-3107"


def test_authorities_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """When the gateway starts, in one sentence."""
    files = Authority.new().issue(tmp_path / "server")
    odd = tmp_path / "odd.pem"
    odd.write_text("no PEM")
    with pytest.raises(TlsFault, match="authorities"):
        server_context(*files, odd)
    with pytest.raises(TlsFault, match="cannot be read"):
        server_context(*files, tmp_path / "none.pem")
    with pytest.raises(SettingsFault, match="--tls-client-ca needs --tls-cert"):
        read_settings({"tls_client_ca": odd}, {}, None)
