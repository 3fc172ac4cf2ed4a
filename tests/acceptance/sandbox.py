"""A sandbox made by the operator's own commands, with persons for every test."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crypto.key_files import parse_private_key_file
from crypto.keys import OpeningKey
from crypto.trust import Trust, parse_trust_file
from settlement.store.embedded import EmbeddedPostgres
from tests.acceptance.desk import PartyKey
from tests.acceptance.gateway_process import must
from tests.roster import bureau

#: Persons of each kind on the roster; tests take new ones and never share.
_DIBAO, _TEKUN = range(1, 401), range(401, 451)
EXPIRED, FUTURE, NOBODY = 451, 452, 999


@dataclass(slots=True)
class Sandbox:
    """A data folder after `medaid init --sandbox`, its server kept running."""

    data_dir: Path
    server: EmbeddedPostgres
    keys: dict[str, PartyKey] = field(default_factory=dict)
    """Of the parties, by code."""
    tokens: dict[str, str] = field(default_factory=dict)
    # The first one is for requests that settle nothing, and for the key that was
    # refused before there was a roster.
    _dibao: Iterator[int] = field(default_factory=lambda: iter(_DIBAO[1:]))
    _tekun: Iterator[int] = field(default_factory=lambda: iter(_TEKUN))

    @property
    def trust(self) -> Trust:
        """What a verifier got out of band."""
        return parse_trust_file((self.data_dir / "trust.json").read_bytes())

    @property
    def opening_key(self) -> OpeningKey:
        """The bureau's private key."""
        path = self.data_dir / "bureau" / "bureau-key.json"
        key = parse_private_key_file(path.read_bytes())
        assert isinstance(key, OpeningKey)
        return key

    def dibao(self) -> int:
        """A person with outpatient aid of 80 %, 500 a visit, 6,000 a year."""
        return next(self._dibao)

    def tekun(self) -> int:
        """A person with aid of 100 % without any cap."""
        return next(self._tekun)

    def command(self, *arguments: str) -> str:
        """Run `medaid ARGUMENTS` on this sandbox and return what it printed."""
        return must(*arguments, "--data-dir", str(self.data_dir)).out

    def add_party(self, code: str, *options: str) -> None:
        """Register a party by command and keep its key."""
        path = self.data_dir.parent / f"{code}.key.json"
        verb = ("party", "add") if "--role" in options else ("facility", "add")
        self.command(*verb, code, "--key-out", str(path), *options)
        key = parse_private_key_file(path.read_bytes())
        assert not isinstance(key, OpeningKey)
        self.keys[code] = key

    def add_parties(self, *parties: tuple[str, ...]) -> None:
        """Register several side by side: each is a process of its own."""
        with ThreadPoolExecutor(len(parties)) as pool:
            list(pool.map(lambda party: self.add_party(*party), parties))

    def import_roster(self) -> None:
        """Sign and take in version 1 of the roster."""
        folder = self.data_dir.parent / "roster"
        folder.mkdir()
        data, manifest = folder / "roster.csv", folder / "manifest.json"
        write_roster(data)
        key = self.data_dir / "bureau" / "roster-key.json"
        must(
            *("roster", "sign", str(data), "--kind", "full", "--version", "1"),
            *("--key", str(key), "--out", str(manifest), "--as-of", "2026-01-02"),
        )
        self.command("roster", "import", str(manifest))


def write_roster(path: Path) -> None:
    """Write the roster that all acceptance tests live by."""
    rows = [bureau.row(n, valid_from="2020-01-01") for n in _DIBAO]
    rows += [
        bureau.row(n, category="特困人员", valid_from="2020-01-01") for n in _TEKUN
    ]
    rows.append(bureau.row(EXPIRED, valid_from="2020-01-01", valid_to="2025-12-31"))
    rows.append(bureau.row(FUTURE, valid_from="2026-02-01"))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def open_sandbox(data_dir: Path) -> Iterator[Sandbox]:
    """Make a sandbox; the embedded server runs until the block ends.

    Held here, so that each command finds it running and need not start its own.
    """
    with EmbeddedPostgres(data_dir, shared_buffers="32MB") as server:
        sandbox = Sandbox(data_dir, server)
        sandbox.command("init", "--sandbox")
        yield sandbox
