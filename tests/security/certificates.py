"""A certificate authority of a test's own, and certificates good and bad."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates for 127.0.0.1."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, name: str = "A test's own authority") -> Authority:
        """One that nobody else has ever trusted."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, name, key, datetime.now(UTC) + 30 * _DAY)
        ca = x509.BasicConstraints(ca=True, path_length=0)
        return cls(key, builder.add_extension(ca, critical=True).sign(key, _HASH))

    def save(self, path: Path) -> Path:
        """Write the certificate that clients trust."""
        path.write_bytes(self.certificate.public_bytes(_PEM))
        return path

    def issue(
        self, folder: Path, *, days: int = 10, passphrase: bytes | None = None
    ) -> tuple[Path, Path]:
        """Certificate and key, in files; `days` below 0 has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject.rfc4514_string().removeprefix("CN=")
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        ends = datetime.now(UTC) + days * _DAY
        certificate = (
            _builder("gateway", issuer, key, ends)
            .add_extension(names, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    self.key.public_key()
                ),
                critical=False,
            )
            .sign(self.key, _HASH)
        )
        folder.mkdir(exist_ok=True)
        cert, private = folder / "cert.pem", folder / "key.pem"
        cert.write_bytes(certificate.public_bytes(_PEM))
        locked = (
            serialization.NoEncryption()
            if passphrase is None
            else serialization.BestAvailableEncryption(passphrase)
        )
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, locked)
        )
        return cert, private


_HASH = hashes.SHA256()


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - 60 * _DAY)
        .not_valid_after(ends)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
