"""A package as it is read: its parts, each with what the signed manifest says of it."""

from __future__ import annotations

import errno
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from crypto.checkpoint import Checkpoint, verify_checkpoint
from crypto.encoding import canonical_json, parse_object
from crypto.errors import CryptoError, MalformedPackageError, PackageMismatchError
from crypto.month_manifest import MonthManifest, verify_month_manifest
from crypto.trust import Trust
from gateway.month_package import layout
from gateway.month_package.container import (
    BLOCK_BYTES,
    ContainerFault,
    Member,
    Written,
    blocks,
    read_members,
)
from gateway.offline_verify import Finding

WHOLE_BYTES_MAX = 64 << 20
"""A part that is read whole is never longer: a scattered month's proofs."""
DOCUMENT_BYTES_MAX = 16 << 20
"""Nor is JSON or a policy: some thousands of hospitals take 2 MB."""

CONTAINER = "container"
"""Where a finding is that lies in the zip around the parts."""


@dataclass(frozen=True, slots=True)
class Package:
    """An open package; what is in it is not verified yet."""

    path: Path
    file: BinaryIO
    members: dict[str, Member]

    def read(self, name: str, most: int = WHOLE_BYTES_MAX) -> bytes:
        """A part whole, of at most so many bytes; raises `MalformedPackageError`."""
        member = self.members.get(name)
        if member is None:
            raise MalformedPackageError("the package has no such part")
        if member.size > most:
            raise MalformedPackageError(f"longer than {most} bytes")
        return b"".join(blocks(self.file, member))

    def text(self, name: str) -> str:
        """A part as text; raises `MalformedPackageError`."""
        return self.read(name, DOCUMENT_BYTES_MAX).decode("utf-8", errors="replace")

    def document(self, name: str) -> dict[str, Any]:
        """A part that is canonical JSON; raises `MalformedPackageError`."""
        octets = self.read(name, DOCUMENT_BYTES_MAX)
        document: dict[str, Any] = parse_object(
            octets, what="it", error=MalformedPackageError
        )
        if canonical_json(document) != octets:
            raise MalformedPackageError("it is no canonical JSON")
        return document

    def part(self, name: str) -> BinaryIO:
        """A part as a file of its own, read piece by piece; the caller's to drop."""
        raw = _PartFile(self.path, self.members[name])
        return cast("BinaryIO", io.BufferedReader(raw, BLOCK_BYTES))


class _PartFile(io.RawIOBase):
    """The bytes of one part, as though they were a file."""

    def __init__(self, path: Path, member: Member) -> None:
        self._file = path.open("rb", buffering=0)
        self._begin, self._size, self._at = member.offset, member.size, 0

    def readable(self) -> bool:
        """It is read."""
        return True

    def seekable(self) -> bool:
        """Any place of it can be read."""
        return True

    def readinto(self, target: Any) -> int:
        """Read into a buffer, never beyond the part's end."""
        view = memoryview(target)[: max(0, self._size - self._at)]
        self._file.seek(self._begin + self._at)
        count = self._file.readinto(view) or 0
        self._at += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place of the part."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "a place before the part's beginning")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Where it stands."""
        return self._at

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
        super().close()


def open_package(path: Path, file: BinaryIO) -> Package:
    """Read the container; raises `ContainerFault`."""
    members = read_members(file)
    by_name = {member.name: member for member in members}
    if len(by_name) != len(members):
        raise ContainerFault("a part stands twice in it")
    return Package(path, file, by_name)


def manifest_of(package: Package, trust: Trust) -> MonthManifest:
    """The signed manifest, and the list of parts that it vouches for.

    Raises `CryptoError`.
    """
    manifest = verify_month_manifest(package.text(layout.MANIFEST), trust)
    members = package.read(layout.MEMBERS)
    if (sha256(members).hexdigest(), len(members)) != (
        manifest.members_sha256,
        manifest.members_size,
    ):
        raise PackageMismatchError(
            "the list of parts is not the one that the manifest vouches for"
        )
    return manifest


def part_findings(package: Package) -> Iterator[Finding]:
    """Whether the parts are those listed, byte for byte, and their checksums right."""
    try:
        listed = layout.parse_members(package.read(layout.MEMBERS))
    except CryptoError as error:
        yield Finding.of(layout.MEMBERS, error)
        listed = []
    names = [each.name for each in listed] + [layout.MEMBERS, layout.MANIFEST]
    if listed and names != list(package.members):
        yield from _misplaced(names, list(package.members))
    by_name = {each.name: each for each in listed}
    for member in package.members.values():
        yield from _content_findings(package, member, by_name.get(member.name))
        if not layout.is_known(member.name):
            yield _finding(member.name, "the part does not belong into a package")
    for name in layout.ALWAYS:
        if name not in package.members:
            yield _finding(name, "the package has no such part")


def _misplaced(listed: list[str], found: list[str]) -> Iterator[Finding]:
    for name in listed:
        if name not in found:
            yield _finding(name, "the part is listed, and is not here")
    for name in found:
        if name not in listed:
            yield _finding(name, "the part is here, and is not listed")
    if sorted(listed) == sorted(found):
        yield _finding(CONTAINER, "the parts stand in another order than listed")


def _content_findings(
    package: Package, member: Member, listed: Written | None
) -> Iterator[Finding]:
    digest, crc = sha256(), 0
    for block in blocks(package.file, member):
        digest.update(block)
        crc = zlib.crc32(block, crc)
    if crc != member.crc:
        yield _finding(member.name, "its bytes do not have the checksum of its header")
    if listed is None:
        return
    if (member.size, digest.hexdigest()) != (listed.size, listed.sha256):
        yield _finding(member.name, "its bytes are not those that were signed")


def checkpoint_of(package: Package, trust: Trust, name: str) -> Checkpoint:
    """A signed checkpoint of the log; raises `CryptoError`."""
    return verify_checkpoint(package.text(name), trust)


def _finding(where: str, sentence: str) -> Finding:
    return Finding.of(where, PackageMismatchError(sentence))
