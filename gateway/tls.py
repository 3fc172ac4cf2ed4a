"""TLS that the gateway terminates itself: which versions and ciphers, which files.

Only what is recommended without reserve (RFC 9325, section 4): TLS 1.2 and 1.3, fresh
keys for each connection, authenticated encryption. Terminals that speak nothing newer
than CBC belong behind a proxy that is looked after for them.
"""

from __future__ import annotations

import os
import ssl
import stat
from datetime import datetime
from pathlib import Path

from cryptography import x509

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_OTHERS_MAY = 0o077


class TlsFault(Exception):
    """Certificate or key cannot be used; the text is one sentence."""


def server_context(
    cert: Path, key: Path, client_ca: Path | None = None
) -> ssl.SSLContext:
    """What the listener needs; raises `TlsFault`.

    With `client_ca`, clients that have a certificate of these authorities may show it;
    one of others ends the handshake, and none is as good as before.

    An expired certificate is no fault: a gateway that was restarted must not stay away
    while the one beside it goes on serving. Clients refuse it, and
    `certificate_ends` says when.
    """
    check_key_file(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        # An empty passphrase, or OpenSSL would ask the terminal for one and wait.
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        reason = (error.reason or "no PEM").replace("_", " ").lower()
        raise TlsFault(
            f"the certificate {cert} with key {key} cannot be used ({reason}); give a"
            " PEM chain and its own PEM key without a passphrase"
        ) from None
    except OSError as error:
        raise _unreadable(cert, error) from None
    if client_ca is not None:
        _ask_for_certificates(context, client_ca)
    return context


def _ask_for_certificates(context: ssl.SSLContext, client_ca: Path) -> None:
    try:
        context.load_verify_locations(client_ca)
    except ssl.SSLError:
        raise TlsFault(f"the authorities in {client_ca} are no PEM") from None
    except OSError as error:
        raise _unreadable(client_ca, error) from None
    context.verify_mode = ssl.CERT_OPTIONAL


def certificate_ends(cert: Path) -> datetime:
    """When the certificate that is shown to clients expires; raises `TlsFault`."""
    try:
        return x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc
    except OSError as error:
        raise _unreadable(cert, error) from None
    except ValueError:
        raise TlsFault(f"the certificate {cert} cannot be read; give PEM") from None


def check_key_file(key: Path) -> None:
    """Raise `TlsFault` where the private key is missing or others may read it."""
    try:
        status = key.stat()
    except OSError as error:
        raise _unreadable(key, error) from None
    if stat.S_IMODE(status.st_mode) & _OTHERS_MAY:
        raise TlsFault(
            f"the TLS key {key} can be read by others; if nobody has, chmod 600 it,"
            " else get a new certificate with a new key"
        )
    if status.st_uid not in {0, os.geteuid()}:
        raise TlsFault(f"the TLS key {key} belongs to another user")


def _unreadable(path: Path, error: OSError) -> TlsFault:
    return TlsFault(f"the TLS file {path} cannot be read ({error.strerror})")
