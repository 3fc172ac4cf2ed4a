"""Is the gateway able to settle, and if not, why: sentences for the operator."""

from __future__ import annotations

from settlement.service.policy_shelf import PolicyShelf
from settlement.service.ports import EligibilitySource
from settlement.service.publish import Publisher
from settlement.service.sequencer import Sequencer
from settlement.store.database import Database

_PROBE_TIMEOUT_S = 2.0


class Health:
    """Asked by `/readyz`; never on the settle path."""

    def __init__(
        self,
        *,
        database: Database,
        sequencer: Sequencer,
        publisher: Publisher,
        shelf: PolicyShelf,
        cache: EligibilitySource,
    ) -> None:
        """Everything comes from outside."""
        self._database = database
        self._sequencer = sequencer
        self._publisher = publisher
        self._shelf = shelf
        self._cache = cache

    async def reasons(self) -> list[str]:
        """Why settling is not possible now; empty when it is."""
        found = []
        if self._sequencer.stopped is not None:
            found.append(f"settlement stopped: {self._sequencer.stopped}")
        if self._publisher.fault is not None:
            found.append(self._publisher.fault)
        if self._shelf.is_empty:
            found.append("no policy pack is installed")
        if self._cache.roster_version() is None:
            found.append("no roster has been imported")
        if not await self._database.answers(within_s=_PROBE_TIMEOUT_S):
            found.append("PostgreSQL does not answer")
        return found
