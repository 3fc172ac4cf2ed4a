"""Who may speak the envelope to one worker: the parts of its door, put together."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from gateway.his.clients import Clients
from gateway.his.door import HisDoor
from gateway.his.file_shelf import FileShelf
from gateway.his.nonces import Nonces
from gateway.his.recognition import WINDOW_S, Recognition
from gateway.his.wrapping import Wrapping
from gateway.in_time import in_time
from settlement.domain.errors import RequestRefused
from settlement.service.his_clients import PROFILES
from settlement.store.his_clients import HisClientStore

if TYPE_CHECKING:
    from gateway.attempts import Attempts
    from gateway.wiring import Gateway
    from settlement.service.access import Sessions
    from settlement.service.signatures import Signatures


@dataclass(frozen=True, slots=True)
class EnvelopeAccess:
    """The door, and what keeps it going beside the requests."""

    clients: Clients
    nonces: Nonces
    door: HisDoor
    files: FileShelf

    @classmethod
    def of(
        cls,
        gateway: Gateway,
        secret_key: bytes,
        *,
        sessions: Sessions,
        signatures: Signatures,
        attempts: Attempts,
    ) -> EnvelopeAccess:
        """Built on the gateway's database; `nonces.run` must run beside it.

        `secret_key` opens the sealed secrets.
        """
        store = HisClientStore(gateway.database)
        clients = Clients(store, secret_key)
        nonces = Nonces(store, gateway.now)
        recognition = Recognition(
            clients=clients,
            nonces=nonces,
            sessions=sessions,
            signatures=signatures,
            attempts=attempts,
            now=gateway.now,
        )
        door = HisDoor(
            recognition,
            Wrapping(clients, nonces, now=gateway.now, window_s=WINDOW_S),
            nonces,
            store=store,
            sessions=sessions,
            attempts=attempts,
            now=gateway.now,
            random=os.urandom,
        )
        files = FileShelf(
            gateway.database, secret_key, now=gateway.now, random=os.urandom
        )
        return cls(clients, nonces, door, files)

    async def look(self) -> None:
        """Read the clients where they have changed, for the log and the metrics.

        And forget files whose time is over. A database that is away is told elsewhere.
        """
        with contextlib.suppress(RequestRefused):
            await self.clients.by_key("")
            await in_time(self.files.tidy())

    def counts(self) -> dict[tuple[str, str], int]:
        """How many are in force, by profile and whether weak."""
        return {
            (profile, "yes" if is_weak else "no"): self.clients.counts[profile, is_weak]
            for profile, is_weak in product(PROFILES, (False, True))
        }
