"""Settings of `medaid serve`: options, then `MEDAID_*`, then a TOML file.

An earlier source wins. Anything unknown or impossible is a `SettingsFault` whose
text is one sentence for the operator.
"""

from __future__ import annotations

import ipaddress
import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from gateway.limit_settings import LimitSettings
from gateway.tls import TlsFault, server_context
from settlement.service.freshness import FreshnessLimits

PREFIX = "MEDAID_"
#: Set for other commands or by the location options, so no setting of serve.
_NOT_OURS = frozenset({"MEDAID_DATA_DIR", "MEDAID_DSN", "MEDAID_CONFIG"})
#: Three looks: with less a worker that is well would call its answers stale.
_LEAST_UNCONFIRMED_S = 15
_LOOPBACK_NAMES = frozenset({"localhost"})

Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsFault(Exception):
    """A setting is unknown, impossible or missing; the text is one sentence."""


class ServeSettings(LimitSettings):
    """How the gateway listens and how much it takes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Port = 8080
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """Authorities whose certificates hospitals may show (docs/his/access.md)."""
    behind_proxy: bool = False
    metrics_port: Port | None = None
    """Loopback only; 0 lets the system choose."""
    log_level: Literal["debug", "info", "warning"] = "info"
    access_log: bool = False
    """A line for each request."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024)] = 64 * 1024
    session_hours: Annotated[int, Field(ge=1, le=12)] = 12
    drain_s: Annotated[int, Field(ge=1, le=600)] = 30
    """How long requests under way may take after SIGTERM."""
    database_connections: Annotated[int, Field(ge=2, le=64)] = 8
    """Per worker."""
    roster_stale_after_s: Annotated[int, Field(ge=0, le=315_360_000)] = 3_456_000
    """From what age of the file's `as_of` on the roster is stale; 0: never."""
    roster_unconfirmed_s: Annotated[int, Field(ge=0, le=315_360_000)] = 60
    """How long a worker's cache may go without having been found equal to the
    database, before its answers are stale; 0: for ever. At least 15 otherwise."""
    roster_when_stale: Literal["serve", "refuse"] = "serve"
    """Answer by a stale roster and mark it, or give no answer."""

    def freshness(self) -> FreshnessLimits:
        """When the roster is stale, and what is done then."""
        return FreshnessLimits(
            age_s=self.roster_stale_after_s,
            unconfirmed_s=self.roster_unconfirmed_s,
            refuses=self.roster_when_stale == "refuse",
        )

    @property
    def scheme(self) -> str:
        """`https` when the gateway itself terminates TLS."""
        return "http" if self.tls_cert is None else "https"

    def tls_context(self) -> ssl.SSLContext | None:
        """TLS 1.2 and newer with the given certificate; `None` without one.

        Raises `SettingsFault` when the files cannot be used.
        """
        if self.tls_cert is None:
            return None
        try:
            return server_context(
                self.tls_cert, self.tls_key or self.tls_cert, self.tls_client_ca
            )
        except TlsFault as fault:
            raise SettingsFault(str(fault)) from None


def read_settings(
    options: Mapping[str, Any],
    environment: Mapping[str, str],
    config: Path | None,
) -> ServeSettings:
    """Merge the three sources and check them together; raises `SettingsFault`.

    `options` are those of the command line; `None` means not given.
    """
    values = _from_file(config) | _from_environment(environment)
    values |= {name: value for name, value in options.items() if value is not None}
    try:
        settings = ServeSettings.model_validate(values)
    except ValidationError as invalid:
        raise SettingsFault(_sentence(invalid)) from None
    _check_together(settings)
    return settings


def _from_file(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsFault(
            f"the settings file {config} cannot be read ({error.strerror})"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFault(
            f"the settings file {config} is not TOML: {error}"
        ) from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in _NOT_OURS
    }


def _sentence(invalid: ValidationError) -> str:
    """The first fault as one sentence, without the value: it may be a secret."""
    error = invalid.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        known = ", ".join(ServeSettings.model_fields)
        return f"there is no setting {name!r}; the settings are {known}"
    return f"the setting {name!r} cannot be used: {error['msg']}"


def _check_together(settings: ServeSettings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsFault("--tls-cert and --tls-key go together: give both or none")
    if settings.tls_client_ca is not None and settings.tls_cert is None:
        raise SettingsFault(
            "--tls-client-ca needs --tls-cert: a proxy that terminates TLS keeps the"
            " certificates of clients to itself"
        )
    settings.tls_context()
    if 0 < settings.roster_unconfirmed_s < _LEAST_UNCONFIRMED_S:
        raise SettingsFault(
            f"roster_unconfirmed_s must be 0 or at least {_LEAST_UNCONFIRMED_S}: a"
            " worker compares its cache with the database every 5 seconds"
        )
    is_protected = settings.tls_cert is not None or settings.behind_proxy
    if not is_protected and not is_loopback(settings.host):
        raise SettingsFault(
            f"without TLS the gateway listens on loopback only, and {settings.host!r}"
            " is not; give --tls-cert and --tls-key, or --behind-proxy where a proxy"
            " terminates TLS"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
