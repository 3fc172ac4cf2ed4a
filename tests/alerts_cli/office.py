"""A bureau's office: real settlements, the watch, and the commands over them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from crypto.key_files import private_key_file
from crypto.keys import OpeningKey
from crypto.trust import trust_file
from gateway.cli.alerts import alerts
from gateway.installation import Installation
from gateway.wiring import wall_clock
from settlement import alert_rules
from settlement.domain.bill import Bill
from settlement.domain.watch.rules import read_rules
from settlement.service.watch.shelf import read_rules_shelf
from settlement.service.watch.watcher import catch_up
from settlement.store.alert_rules import put_rules
from settlement.store.database import Database
from tests.settlement.house import NOW, ORIGIN, House, bill, body, open_house

HOSPITALS = ("H001", "H002", "H003")
_RULES_SINCE = datetime(2000, 1, 1, tzinfo=NOW.tzinfo)


@dataclass
class Office:
    """A house whose claims are watched, and who works the alerts off."""

    house: House
    database: Database
    folder: Path
    _enrolled: set[str] = field(default_factory=set)

    async def settle(self, card: str, facility: int = 1, **changes: Any) -> str:
        """Settle a bill of a card on the roster; the settlement's id."""
        if card not in self._enrolled:
            self._enrolled.add(card)
            await self.house.enrol(card)
        made: Bill = replace(bill(card), **{"diagnoses": ("I10",)} | changes)
        at = datetime.combine(made.service_end, NOW.timetz()) + timedelta(hours=1)
        answer = body(await self.house.settle(made, facility=facility, settled_at=at))
        assert answer["decision"] == "approved", answer
        return str(answer["settlement_id"])

    async def repeat(
        self, card: str, day: date = date(2026, 1, 5), times: int = 2, **changes: Any
    ) -> list[str]:
        """The same bill under so many visit numbers: one exact repeat."""
        return [
            await self.settle(card, service_start=day, service_end=day, **changes)
            for _ in range(times)
        ]

    async def look(self) -> None:
        """Let the watch look at everything."""
        shelf = await read_rules_shelf(self.database)
        # The watch's own clock: cases of one subject are told apart by their instants.
        await catch_up(self.database, shelf, wall_clock)

    async def run(self, *arguments: str, status: int = 0) -> Result:
        """Run `medaid alerts ARGUMENTS` on this database, as a command of its own."""
        where: tuple[str, ...] = (
            "--dsn",
            self.database.dsn,
            "--data-dir",
            str(self.folder),
        )
        if arguments[:2] == ("rules", "check"):
            where = ()
        done = await asyncio.to_thread(
            CliRunner(env={"COLUMNS": "80"}).invoke, alerts, [*arguments, *where]
        )
        assert done.exit_code == status, done.output + repr(done.exception)
        return done

    async def ask(self, *arguments: str) -> Any:
        """The same with `--json`."""
        return json.loads((await self.run(*arguments, "--json")).stdout)

    async def refused(self, *arguments: str) -> str:
        """What a command says that ends with status 1: one sentence."""
        done = await self.run(*arguments, status=1)
        assert done.stdout == ""
        assert done.stderr.startswith("Error: "), done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        return done.stderr

    async def the_case(self) -> str:
        """The id of the only case that is open."""
        (case,) = await self.ask("cases")
        return str(case["case_id"])

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database holds."""
        async with self.database.pool.acquire() as session:
            return [tuple(row) for row in await session.fetch(query, *values)]

    async def counts(self) -> Sequence[tuple[Any, ...]]:
        """How many rows each table of the watch has, and its cursor."""
        return await self.rows(
            "SELECT (SELECT count(*) FROM alert), (SELECT count(*) FROM alert_event),"
            " (SELECT count(*) FROM alert_case),"
            " (SELECT count(*) FROM alert_case_event),"
            " (SELECT count(*) FROM alert_claim), (SELECT max(changed_at) FROM alert),"
            " (SELECT log_index FROM watch_cursor), (SELECT count(*) FROM alert_rules)"
        )

    def write_key(self, key: OpeningKey, name: str = "bureau-key.json") -> str:
        """The bureau's private key as a file that nobody else may read."""
        path = self.folder / name
        path.write_bytes(private_key_file(key))
        path.chmod(0o600)
        return str(path)


@asynccontextmanager
async def open_office(database: Database, folder: Path) -> AsyncIterator[Office]:
    """A gateway with three hospitals and the alert rules that come with the program."""
    async with database.pool.acquire() as session:
        for code in HOSPITALS:
            await session.execute(
                "INSERT INTO party (code, role, name, level, subdistrict, created_at)"
                " VALUES ($1, 'facility', $1, 1, '990101001', now())",
                code,
            )
        document = alert_rules.read(alert_rules.DEFAULT)
        rules = read_rules(document)
        async with session.transaction():
            await put_rules(session, rules, document, _RULES_SINCE, "medaid")
    async with open_house(database, folder / "var") as house:
        office = Office(house, database, folder / "var")
        (folder / "var" / "trust.json").write_bytes(trust_file(house.trust))
        Installation(ORIGIN, sandbox=False).save(folder / "var")
        yield office
