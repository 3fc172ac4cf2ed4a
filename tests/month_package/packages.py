"""Months that were settled, closed and packaged for real, and altered packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from crypto.keys import SigningKey
from crypto.month_manifest import MonthManifest, sign_month_manifest
from crypto.trust import Trust, TrustedKey
from gateway.month_package import layout
from gateway.month_package.container import ContainerWriter, Written, blocks
from gateway.month_package.opened import manifest_of, open_package
from gateway.month_package.verifier import Means, PackageOutcome, verify_package
from gateway.month_package.writer import PackageMade, make_package
from tests.reconcile.months import JANUARY, Months
from tests.settlement.house import NOW, ORIGIN

Parts = dict[str, bytes]


async def close(months: Months, month: int = JANUARY) -> None:
    """Open the month, and have both hospitals close it."""
    await months.open(month)
    for code in ("H001", "H002"):
        await months.match(month=month, code=code)
        await months.close(month=month, code=code)


async def package(months: Months, out: Path, month: int = JANUARY) -> PackageMade:
    """Make the month's package."""
    return await make_package(
        months.database,
        month,
        out,
        months.house.keys.checkpoint_sign,
        origin=ORIGIN,
        made_at=NOW,
    )


def trust_of(months: Months) -> Trust:
    """What a verifier was told to believe: the log's keys, and the officers'."""
    officers = [
        TrustedKey(key.public, name=code) for code, key in months.officers.items()
    ]
    return Trust(ORIGIN, [*months.house.trust.keys, *officers])


def check(
    months: Months,
    path: Path,
    *,
    previous: Path | None = None,
    with_key: bool = True,
    cores: int = 1,
) -> PackageOutcome:
    """Verify a package."""
    means = Means(
        trust=trust_of(months),
        opening_key=months.house.opening if with_key else None,
        previous=previous,
        cores=cores,
    )
    return verify_package(path, means)


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
    path: Path, out: Path, change: Callable[[Parts], None], signer: SigningKey
) -> Path:
    """The package with other parts, listed and signed anew by the log's own key."""
    parts = parts_of(path)
    month, tree_size = parts[layout.MANIFEST].decode().split("\n")[2:4]
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
            tree_size=int(tree_size),
            members_sha256=sha256(members).hexdigest(),
            members_size=len(members),
        )
        writer.add(layout.MEMBERS, members)
        note = sign_month_manifest(manifest, signer)
        writer.add(layout.MANIFEST, note.encode())
        writer.finish()
    return out


def edges(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, begin of the header and end of each part."""
    with path.open("rb") as file:
        for member in open_package(path, file).members.values():
            yield member.name, member.header_offset, member.end


def manifest(path: Path, trust: Trust) -> MonthManifest:
    """The signed manifest."""
    with path.open("rb") as file:
        return manifest_of(open_package(path, file), trust)
