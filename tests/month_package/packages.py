"""Months that were settled, closed and packaged for real, and altered packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from crypto.keys import OpeningKey, SigningKey
from crypto.month_manifest import MonthManifest, sign_month_manifest
from crypto.trust import Trust, TrustedKey
from gateway.month_package import layout
from gateway.month_package.container import ContainerWriter, Written, blocks
from gateway.month_package.opened import open_package
from gateway.month_package.outcome import Means, PackageOutcome
from gateway.month_package.verifier import verify_package
from gateway.month_package.writer import PackageMade, make_package
from settlement.store.database import Database
from tests.reconcile.months import FEBRUARY, FIRST, JANUARY, LAST, Months
from tests.settlement.house import NOW, ORIGIN

Parts = dict[str, bytes]


@dataclass(frozen=True)
class Bureau:
    """What the bureau verifies with, and the log's key for those who forge."""

    trust: Trust
    opening: OpeningKey
    signer: SigningKey
    record_signer: SigningKey

    def check(
        self,
        path: Path,
        *,
        previous: Path | None = None,
        with_key: bool = True,
        cores: int = 1,
        policies: frozenset[str] | None = None,
    ) -> PackageOutcome:
        """Verify a package."""
        means = Means(
            trust=self.trust,
            opening_key=self.opening if with_key else None,
            previous=previous,
            cores=cores,
            policies=policies,
        )
        return verify_package(path, means)


@dataclass(frozen=True)
class TwoMonths:
    """January and February of two hospitals, packaged."""

    bureau: Bureau
    january: Path
    february: Path


def bureau_of(months: Months) -> Bureau:
    """What a verifier was told to believe: the log's keys, and the officers'."""
    house = months.house
    officers = [
        TrustedKey(key.public, name=code) for code, key in months.officers.items()
    ]
    return Bureau(
        Trust(ORIGIN, [*house.trust.keys, *officers]),
        house.opening,
        house.keys.checkpoint_sign,
        house.keys.record_sign,
    )


async def close(months: Months, month: int = JANUARY) -> None:
    """Open the month, and have both hospitals close it."""
    await months.open(month)
    for code in ("H001", "H002"):
        await months.match(month=month, code=code)
        await months.close(month=month, code=code)


async def package(
    database: Database, signer: SigningKey, out: Path, month: int = JANUARY
) -> PackageMade:
    """Make the month's package."""
    return await make_package(database, month, out, signer, origin=ORIGIN, made_at=NOW)


async def settle_january(months: Months) -> None:
    """Two hospitals in two districts, a reversal, a stopped key, a resident's card."""
    async with months.database.pool.acquire() as session:
        await session.execute(
            "UPDATE party SET subdistrict = '110101001' WHERE code = 'H002'"
        )
    first = await months.settle()
    await months.settle(facility=2)
    await months.settle(LAST)
    await months.reverse(first)
    await months.house.reverse(original_key="never-came", card=None)


async def package_two_months(months: Months, folder: Path) -> TwoMonths:
    """Package January, deferring one, and February with late ones and reversals."""
    january, february = folder / "january.zip", folder / "february.zip"
    bureau = bureau_of(months)
    await settle_january(months)
    kept = await months.settle()
    await months.settle(FIRST, facility=2)
    await close(months)
    await months.settle(LAST)
    await months.reverse(kept, FIRST)
    await months.settle(FIRST)
    await package(months.database, bureau.signer, january)
    await close(months, FEBRUARY)
    await package(months.database, bureau.signer, february, FEBRUARY)
    return TwoMonths(bureau, january, february)


def told(outcome: PackageOutcome) -> list[tuple[str, str]]:
    """Part and sentence of each finding."""
    return [(finding.where, finding.sentence) for finding in outcome.findings]


def parts_of(path: Path) -> Parts:
    """Every part, in order."""
    with path.open("rb") as file:
        opened = open_package(path, file)
        return {
            name: b"".join(blocks(file, member))
            for name, member in opened.members.items()
        }


def altered(
    path: Path,
    out: Path,
    signer: SigningKey,
    change: Callable[[Parts], object],
    month: str | None = None,
) -> Path:
    """The package with other parts, listed and signed anew by the log's own key."""
    parts = parts_of(path)
    month = month or parts[layout.MANIFEST].decode().split("\n")[2]
    del parts[layout.MEMBERS], parts[layout.MANIFEST]
    change(parts)
    with out.open("wb") as file:
        writer = ContainerWriter(file)
        written: list[Written] = [
            writer.add(name, octets) for name, octets in parts.items()
        ]
        members = layout.members_text(written)
        manifest = MonthManifest(
            origin=ORIGIN,
            month=month,
            tree_size=int(parts[layout.CHECKPOINT].split(b"\n")[1]),
            members_sha256=sha256(members).hexdigest(),
            members_size=len(members),
        )
        writer.add(layout.MEMBERS, members)
        note = sign_month_manifest(manifest, signer)
        writer.add(layout.MANIFEST, note.encode())
        writer.finish()
    return out
