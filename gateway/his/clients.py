"""Which hospitals may speak the envelope, as this worker knows them."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from gateway.his.admission import HisClient
from gateway.his.answers import Manner
from gateway.in_time import in_time
from settlement.service.access import not_now
from settlement.service.party_secrets import opened_secret
from settlement.service.ports import Caller
from settlement.store.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from settlement.store.his_clients import HisClientRow, HisClientStore

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A client in force, its secrets opened."""

    row: HisClientRow
    client: HisClient
    secrets: Mapping[str, Any]

    def caller(self, operator: str) -> Caller:
        """The hospital, and who works there."""
        row = self.row
        return Caller(
            party_id=row.party_id,
            party_code=row.code,
            role=row.role,
            operator=operator,
            key_id=row.key_id,
            facility_level=row.level,
            subdistrict=row.subdistrict,
        )


class _InForce:
    """All clients, found without a search: a district has hundreds of hospitals."""

    def __init__(self, clients: Iterable[Known]) -> None:
        self.by_key: dict[str, Known] = {}
        self.by_institution: dict[tuple[str, str], list[Known]] = {}
        for known in clients:
            self.by_key[known.row.key_id] = known
            named = known.client.fixmedins_code, known.client.profile
            self.by_institution.setdefault(named, []).append(known)


class Clients:
    """Read when first asked for, and again after every change of access."""

    def __init__(self, store: HisClientStore, secret_key: bytes) -> None:
        """`secret_key` opens the sealed secrets."""
        self._store = store
        self._secret_key = secret_key
        self._in_force: _InForce | None = None
        self._generation = 0
        self._said: set[str] = set()
        #: How many are in force by profile and weakness, for metrics.
        self.counts: Counter[tuple[str, bool]] = Counter()

    def forget(self) -> None:
        """Read them again, because parties or clients have changed."""
        self._generation += 1
        self._in_force = None

    async def by_key(self, key_id: str) -> Known | None:
        """The client with this account; raises MA-5101 and MA-5105."""
        return (await self._all()).by_key.get(key_id)

    async def of_institution(
        self, fixmedins_code: str, profile: str
    ) -> Sequence[Known]:
        """Those of an institution's clients that show who they are in one way."""
        in_force = await self._all()
        return in_force.by_institution.get((fixmedins_code, profile), ())

    async def _all(self) -> _InForce:
        if self._in_force is not None:
            return self._in_force
        return await in_time(self._read())

    async def _read(self) -> _InForce:
        """All clients from the database; raises MA-5101, MA-5104 and MA-5105."""
        generation = self._generation
        try:
            rows = await self._store.clients()
        except StoreUnavailableError as gone:
            raise not_now(gone) from None
        in_force = _InForce([self._opened(row) for row in rows])
        # What changed during the query may have ended one of these.
        if generation == self._generation:
            self._in_force = in_force
        self.counts = Counter((row.profile, row.is_weak) for row in rows)
        self._warn_of_weak(rows)
        return in_force

    def _opened(self, row: HisClientRow) -> Known:
        client = HisClient(
            party_code=row.code,
            fixmedins_code=row.fixmedins_code,
            profile=row.profile,
            manner=Manner(
                output_as_text=row.output_as_text, infcode_as_text=row.infcode_as_text
            ),
        )
        if row.sealed_secret is None:
            return Known(row, client, {})
        secrets = opened_secret(
            self._secret_key, key_id=row.key_id, sealed=row.sealed_secret
        )
        return Known(row, client, orjson.loads(secrets))

    def _warn_of_weak(self, rows: Iterable[HisClientRow]) -> None:
        """Once for each, as long as this worker lives."""
        for row in rows:
            if row.is_weak and row.key_id not in self._said:
                self._said.add(row.key_id)
                _log.warning(
                    "his.weak_profile",
                    extra={"party": row.code, "profile": row.profile},
                )
