import hashlib
import json
import re
from pathlib import Path

import pytest

from crypto.add_checkpoint import parse_add_checkpoint
from crypto.checkpoint import verify_checkpoint
from crypto.cosignature import parse_witness_vkey, verify_cosignatures
from crypto.encoding import b64u, canonical_json
from crypto.http_signature import (
    HttpRequest,
    parse_request_signature,
    verify_request_signature,
)
from crypto.key_files import parse_private_key_file, parse_public_key_file
from crypto.keys import (
    OpeningKey,
    Role,
    SharedSecret,
    SigningKey,
    VerifyingKey,
    check_possession,
)
from crypto.manifest import verify_manifest
from crypto.merkle import RightEdge, leaf_hash, verify_consistency
from crypto.note import parse_vkey
from crypto.package import parse_package_manifest
from crypto.proof import parse_proof, verify_proof
from crypto.receipt import verify_receipt
from crypto.record import check_sealed_copies, open_record, verify_record
from crypto.tiles import parse_entry_bundle, parse_tile
from crypto.trust import Trust, parse_trust_file
from tests.crypto.fixed import jwe_of, unb64u
from tests.crypto.format_vectors import CREATED, codes, examples

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "formats"
_FENCE = re.compile(r"(?ms)^```[a-z]+ vector:([a-z0-9-]+)\n(.*?)\n```$")


def published() -> dict[str, str]:
    """Name and text of every example on the pages."""
    pages = [path.read_text() for path in sorted(FOLDER.glob("*.md"))]
    return dict(match for page in pages for match in _FENCE.findall(page))


EXAMPLES = published()


def octets(name: str) -> bytes:
    """An example as the file that it shows."""
    return EXAMPLES[name].encode()


def trust() -> Trust:
    """The trust file on its page."""
    return parse_trust_file(octets("trust-file"))


def test_every_vector_stands_on_a_page_and_only_once() -> None:
    """The pages show what the code makes, all of it."""
    names = [
        match[0]
        for path in FOLDER.glob("*.md")
        for match in _FENCE.findall(path.read_text())
    ]

    assert sorted(names) == sorted(examples())


@pytest.mark.parametrize("name", sorted(examples()))
def test_the_page_shows_what_the_code_makes(name: str) -> None:
    """Same keys, same randomness, same text."""
    assert EXAMPLES[name] == examples()[name].rstrip("\n")


def test_the_page_lists_every_code() -> None:
    """Codes are stable, so they are written down."""
    assert codes() in (FOLDER / "README.md").read_text()


def test_the_record_on_its_page_verifies_and_opens() -> None:
    """With nothing but the trust file and the bureau's key of the pages."""
    key = parse_private_key_file(octets("bureau-key"))
    assert isinstance(key, OpeningKey)
    verified = verify_record(octets("record"), trust())
    content = open_record(verified, key)
    check_sealed_copies(verified, content)
    steps = json.loads(EXAMPLES["record-steps"])
    header = json.loads(EXAMPLES["jwe-header"])
    committed = hashlib.sha256(b"masr-kc1" + bytes.fromhex(steps["content_key"]))

    assert content == octets("content")
    assert verified.record_hash.hex() == steps["record_sha256"]
    assert header["ck"] == b64u(committed.digest()).decode()
    assert unb64u(jwe_of(octets("record"))[2]).hex() == steps["iv"]
    assert verified.claims.items() <= header.items()


def test_receipt_and_proof_lead_to_the_checkpoint_on_its_page() -> None:
    """The three pages are about one log."""
    checkpoint = verify_checkpoint(EXAMPLES["checkpoint"] + "\n", trust())
    proof = parse_proof(EXAMPLES["proof"] + "\n")
    entries = parse_entry_bundle(bytes.fromhex(EXAMPLES["entries"]))
    grown = RightEdge().extend(entries)
    record = verify_receipt(octets("receipt"), trust())

    assert record.record == octets("record")
    assert entries[proof.index] == record.record_hash
    assert verify_proof(proof, record.record_hash, trust()) == checkpoint
    assert (grown.edge.size, grown.root) == (checkpoint.size, checkpoint.root)
    assert grown.edge.to_bytes().hex() == EXAMPLES["right-edge"]
    assert parse_tile(bytes.fromhex(EXAMPLES["tile"])) == tuple(
        leaf_hash(entry) for entry in entries
    )
    manifest = parse_package_manifest(octets("package-manifest"))
    assert (manifest.origin, manifest.tree_size) == (trust().origin, checkpoint.size)


def test_the_witness_on_its_page_countersigned_that_checkpoint() -> None:
    """And the request beside it proves what it must."""
    witness = parse_witness_vkey(EXAMPLES["witness-vkey"])
    note = EXAMPLES["cosigned"] + "\n"
    request = parse_add_checkpoint(octets("add-checkpoint") + b"\n")
    newer = verify_checkpoint(note, trust())
    entries = parse_entry_bundle(bytes.fromhex(EXAMPLES["entries"]))
    older = RightEdge().extend(entries[: request.old_size])

    assert verify_cosignatures(note, [witness])[0].time == CREATED
    assert verify_checkpoint(request.note, trust()) == newer
    verify_consistency(
        request.old_size, newer.size, request.path,
        old_root=older.root, new_root=newer.root,
    )  # fmt: skip


def test_the_verifier_key_is_the_trusted_one() -> None:
    """Other tools and our trust file name the same key."""
    key = parse_vkey(EXAMPLES["vkey"], Role.CHECKPOINT_SIGN).key

    assert [each.kid for each in trust().keys_of(Role.CHECKPOINT_SIGN)] == [key.kid]


@pytest.mark.parametrize("name", ["record-key", "checkpoint-key", "roster-key"])
def test_the_private_keys_are_those_of_the_trusted_ones(name: str) -> None:
    """Each private key file belongs to an entry of the trust file."""
    key = parse_private_key_file(octets(name))
    assert isinstance(key, SigningKey)

    trust().key(key.kid, key.public.role, key.public.suite)


def test_the_handed_in_key_proves_its_possession() -> None:
    """For the party code that the page names."""
    file = parse_public_key_file(octets("party-public-key"))
    assert isinstance(file.key, VerifyingKey)
    assert file.possession is not None

    check_possession(file.key, "H001", file.possession)


def test_the_manifest_on_its_page_verifies() -> None:
    """And what is signed is what the page says is signed."""
    verify_manifest(octets("manifest"), trust())
    document = json.loads(EXAMPLES["manifest"])
    document.pop("signature")

    assert canonical_json(document) == octets("manifest-signed")


def test_the_signed_request_on_its_page_verifies() -> None:
    """Read as it stands on the wire, with the shared secret of the pages."""
    head, body = EXAMPLES["http-request"].split("\n\n")
    request_line, *lines = head.split("\n") + EXAMPLES["http-signature"].split("\n")
    headers = {
        name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
    }
    method, path, _version = request_line.split(" ")
    request = HttpRequest(method, headers["host"], path, headers, body.encode())
    key = parse_private_key_file(octets("shared-secret"))
    assert isinstance(key, SharedSecret)
    signature = parse_request_signature(request)
    verify_request_signature(signature, key, now=CREATED)

    assert signature._base == octets("http-base")
