"""Webhooks as the operator keeps them: added, paused, let go on, removed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from settlement.service.party_secrets import open_secret, seal_secret
from settlement.service.watch.webhook_signing import new_secret
from settlement.store import alert_delivery as rows
from settlement.store.access import AccessStore
from settlement.store.alert_delivery import Webhook
from settlement.store.transaction import our_errors

if TYPE_CHECKING:
    from settlement.store.database import Database

__all__ = [
    "NewHook",
    "Webhook",
    "WebhookFault",
    "add_hook",
    "hooks",
    "open_hook_secret",
    "remove_hook",
    "switch_hook",
    "url_fault",
]

_MOST_CHARACTERS = 1_000


class WebhookFault(Exception):
    """A webhook cannot be had; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class NewHook:
    """A hook that was added, with the secret that is shown this once."""

    id: int
    secret: bytes


def url_fault(url: str, *, sandbox: bool) -> str | None:
    """Why alerts may not be sent to an address; `None` where they may."""
    if len(url) > _MOST_CHARACTERS or not url.isascii() or not url.isprintable():
        return f"an address has at most {_MOST_CHARACTERS} plain characters"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "that is no address"
    if " " in url or not host:
        return "that is no address"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "an address has no user, password or fragment"
    if parts.scheme == "https":
        return None
    if parts.scheme == "http" and sandbox and _is_loopback(host):
        return None
    return "an address is https; http only to this very machine, in a sandbox"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def add_hook(
    database: Database,
    *,
    party: str,
    url: str,
    sandbox: bool,
    sealing_key: bytes,
    random: Callable[[int], bytes],
    now: datetime,
) -> NewHook:
    """Tell a bureau of every event from now on; raises `WebhookFault`."""
    fault = url_fault(url, sandbox=sandbox)
    if fault is not None:
        raise WebhookFault(fault)
    found = await AccessStore(database).party(party)
    if found is None or found.role != "bureau":
        raise WebhookFault(f"there is no bureau {party}; medaid party list shows them")
    secret = new_secret(random)
    sealed = seal_secret(
        sealing_key, key_id=_bound_to(party, url), secret=secret, random=random
    )
    with our_errors():
        async with database.pool.acquire() as session:
            number = await rows.add_webhook(session, found.id, url, sealed, now)
    return NewHook(number, secret)


def open_hook_secret(sealing_key: bytes, hook: Webhook) -> bytes:
    """The secret; raises `crypto.errors.NotAuthenticError`, also for another address.

    Whoever can write to the database alone cannot have our signature sent elsewhere.
    """
    bound_to = _bound_to(hook.party, hook.url)
    return open_secret(sealing_key, key_id=bound_to, sealed=hook.sealed_secret)


def _bound_to(party: str, url: str) -> str:
    return f"webhook {party} {url}"


async def hooks(database: Database) -> list[Webhook]:
    """All of them, by id."""
    with our_errors():
        async with database.pool.acquire() as session:
            return await rows.webhooks(session)


async def switch_hook(
    database: Database, number: int, *, is_on: bool, now: datetime
) -> None:
    """Pause it, or let it go on where it stopped; raises `WebhookFault`."""
    with our_errors():
        async with database.pool.acquire() as session:
            done = await rows.switch_webhook(session, number, is_on=is_on, now=now)
    _require(number, done=done)


async def remove_hook(database: Database, number: int) -> None:
    """Forget it; raises `WebhookFault`."""
    with our_errors():
        async with database.pool.acquire() as session:
            done = await rows.remove_webhook(session, number)
    _require(number, done=done)


def _require(number: int, *, done: bool) -> None:
    if not done:
        raise WebhookFault(
            f"there is no webhook {number}; medaid alerts webhook list shows them"
        )
