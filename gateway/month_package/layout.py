"""Which members a month package has, in which order, and how their lines look."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crypto.encoding import b64, b64_decode
from crypto.errors import MalformedPackageError
from crypto.merkle import HASH_BYTES, Path, split_hashes
from gateway.month_package.container import Written

RECORDS, ORIGINALS, PROOFS = "records", "originals", "proofs"
CHECKPOINT, PREVIOUS_CHECKPOINT = "checkpoint", "previous-checkpoint"
CONSISTENCY = "consistency"
STAFF_CSV, STAFF_XLSX, PAYMENTS = "statement.csv", "statement.xlsx", "payments.csv"
STATEMENT, MEMBERS, MANIFEST = "statement.json", "members", "manifest"
#: Room for the statement on paper, which no version makes yet; nothing is read in it.
STAFF_PDF = "statement.pdf"
_POLICIES, _POLICY_SUFFIX = "policies/", ".yaml"
_HOSPITALS, _STATEMENT_SUFFIX = "hospitals/", ".json"
_SIGNATURES_SUFFIX = ".signatures.json"

#: What each package has; the earlier checkpoint and what belongs to it may be absent.
ALWAYS = (
    RECORDS, ORIGINALS, PROOFS, CHECKPOINT, STAFF_CSV, STAFF_XLSX, PAYMENTS, STATEMENT,
    MEMBERS, MANIFEST,
)  # fmt: skip
_SOMETIMES = frozenset({*ALWAYS, PREVIOUS_CHECKPOINT, CONSISTENCY, STAFF_PDF})
_NO_PATH = b"-"
_INDEX = re.compile(rb"0|[1-9][0-9]{0,18}")
_LISTED = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,18}) ([!-~]{1,255})")
_ORIGINAL_PARTS = 4


def policy_name(policy: str) -> str:
    """The member of a policy document, from `id@version`."""
    return f"{_POLICIES}{policy}{_POLICY_SUFFIX}"


def statement_name(facility: str) -> str:
    """The member of a hospital's signed statement."""
    return f"{_HOSPITALS}{facility}{_STATEMENT_SUFFIX}"


def signatures_name(facility: str) -> str:
    """The member of the signatures over it."""
    return f"{_HOSPITALS}{facility}{_SIGNATURES_SUFFIX}"


def is_policy(name: str) -> bool:
    """Whether a member is a policy document."""
    return name.startswith(_POLICIES) and name.endswith(_POLICY_SUFFIX)


def is_hospital(name: str) -> bool:
    """Whether a member is a hospital's statement, or the signatures over one."""
    return name.startswith(_HOSPITALS)


def is_known(name: str) -> bool:
    """Whether a member of this name may stand in a package."""
    return name in _SOMETIMES or is_policy(name) or is_hospital(name)


def members_text(written: Iterable[Written]) -> bytes:
    """The list of parts: `sha256 size name`, a line each, in the container's order."""
    lines = [f"{each.sha256} {each.size} {each.name}\n" for each in written]
    return "".join(lines).encode("ascii")


def parse_members(text: bytes) -> list[Written]:
    """Read the list of parts; raises `MalformedPackageError`."""
    found: list[Written] = []
    for line in text.decode("ascii", errors="replace").splitlines():
        match = _LISTED.fullmatch(line)
        if match is None:
            raise MalformedPackageError("a line of the list of parts has another form")
        found.append(Written(match[3], int(match[2]), match[1]))
    if members_text(found) != text or len({each.name for each in found}) != len(found):
        raise MalformedPackageError("the list of parts names a part twice")
    return found


def record_line(index: int, record: bytes) -> bytes:
    """One line of `records`."""
    return b"%d %b\n" % (index, record)


def parse_record_line(line: bytes) -> tuple[int | None, bytes]:
    """Index and record of a line; `None` where it has no index."""
    head, _separator, record = line.partition(b" ")
    if _INDEX.fullmatch(head) is None:
        return None, record
    return int(head), record


@dataclass(frozen=True, slots=True)
class Original:
    """The settlement that a reversal of the month undoes, with its proof."""

    reversal_index: int
    index: int
    record: bytes
    path: Path

    def line(self) -> bytes:
        """One line of `originals`."""
        path = b64(b"".join(self.path)).encode("ascii") or _NO_PATH
        return b"%d %d %b %b\n" % (self.reversal_index, self.index, self.record, path)


def parse_original(line: bytes) -> Original:
    """Read a line of `originals`; raises `MalformedPackageError`."""
    parts = line.split(b" ")
    if len(parts) != _ORIGINAL_PARTS or not all(
        _INDEX.fullmatch(part) for part in parts[:2]
    ):
        raise MalformedPackageError("the line is not that of an original")
    octets = b""
    if parts[3] != _NO_PATH:
        octets = _octets(parts[3])
    if len(octets) % HASH_BYTES or (parts[3] != _NO_PATH and not octets):
        raise MalformedPackageError("the path of an original is no row of hashes")
    return Original(int(parts[0]), int(parts[1]), parts[2], split_hashes(octets))


def hash_lines(hashes: Iterable[bytes]) -> bytes:
    """Hashes, a line each, in base64."""
    return "".join(f"{b64(each)}\n" for each in hashes).encode("ascii")


def parse_hash_lines(text: bytes) -> list[bytes]:
    """Read lines of hashes; raises `MalformedPackageError`."""
    hashes = [_octets(line) for line in text.splitlines()]
    if any(len(each) != HASH_BYTES for each in hashes) or hash_lines(hashes) != text:
        raise MalformedPackageError("a line is not a hash of 32 bytes")
    return hashes


def gaps(indexes: Sequence[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """Begin and end of what lies between runs of indexes, and behind the last one."""
    at = 0
    for first, last in indexes:
        if first > at:
            yield at, first
        at = last + 1
    if at < end:
        yield at, end


def _octets(text: bytes) -> bytes:
    return b64_decode(
        text.decode("ascii", errors="replace"),
        what="a hash",
        error=MalformedPackageError,
    )
