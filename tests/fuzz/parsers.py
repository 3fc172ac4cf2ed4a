"""Every parser of bytes from outside: what it may raise, and how to write back.

The property of all: a value, or the parser's own documented exception; and where a
value can be written, reading what was written gives the same value.
"""

import atexit
import dataclasses
import gzip
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from multidict import MultiDict

from crypto.add_checkpoint import AddCheckpoint, parse_add_checkpoint
from crypto.checkpoint import parse_checkpoint, verify_checkpoint
from crypto.cosignature import WitnessKey, verify_cosignatures
from crypto.errors import CryptoError
from crypto.histories import TwoHistories, parse_two_histories
from crypto.http_signature import (
    HttpRequest,
    parse_request_signature,
    sign_request,
)
from crypto.key_files import (
    parse_private_key_file,
    parse_public_key_file,
    private_key_file,
    public_key_file,
)
from crypto.keys import Role
from crypto.manifest import sign_manifest, verify_manifest
from crypto.note import parse_note, parse_vkey
from crypto.package import PackageManifest, parse_package_manifest
from crypto.proof import parse_proof
from crypto.receipt import parse_receipt, verify_receipt
from crypto.record import verify_record
from crypto.tiles import (
    entry_bundle,
    parse_entry_bundle,
    parse_tile,
    parse_tile_path,
    tile_bytes,
)
from crypto.trust import parse_trust_file, trust_file
from eligibility_cache.roster_file import RosterFile
from gateway.calls import CALLS
from gateway.his.charge import read_charge
from gateway.his.envelope import read_envelope
from gateway.his.json_body import read_json
from gateway.offline_verify import verify_path
from gateway.problems import prefers_english
from gateway.replay.visits import REQUIRED_COLUMNS, VisitFileError, read_visits
from gateway.routing import Router
from gateway.wire import (
    parse_bill,
    parse_eligibility,
    parse_instant_header,
    parse_key_header,
    parse_reversal,
    parse_search,
    parse_session,
    parse_statistics,
    parse_totals,
)
from gateway.wire_alerts import (
    parse_assign,
    parse_confirm,
    parse_dismiss,
    parse_resume,
    parse_wanted_alerts,
    parse_wanted_cases,
)
from settlement.domain.bill import Bill, bill_faults
from settlement.domain.calendar import rfc3339
from settlement.domain.errors import RequestRefused
from settlement.domain.policy.faults import PolicyError
from settlement.domain.policy.reading import read_document
from settlement.domain.policy.tree import read_tree
from settlement.domain.roster import RosterRefusedError
from tests.crypto import fixed, format_vectors
from tests.fuzz.hostile_bodies import (
    ASSIGN,
    BILL,
    CONFIRM,
    DISMISS,
    ELIGIBILITY,
    REVERSAL,
    SEARCH,
    SESSION,
    STATISTICS,
    TOTALS,
    Shape,
    hostile_body,
    members_of,
    rendered,
)
from tests.his.desk import charge, dumped
from tests.his.desk import envelope as his_envelope
from tests.policy.small_pack import SMALL
from tests.roster.bureau import CATEGORIES, TOKENIZER, row

#: The day after the service of sound bodies.
TODAY = date(2026, 1, 6)
_PACKS = Path(__file__).resolve().parents[2] / "settlement" / "policies"
#: Bodies gone wrong that mutation starts from, beside the sound one.
_HOSTILE = 60
_SMALL_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Parser:
    """One way in."""

    name: str
    parse: Callable[[bytes], Any]
    raises: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]
    write: Callable[[Any], bytes] | None = None
    """What gives the same value when it is read."""
    weight: int = 1
    """Its share of the inputs."""

    def check(self, raw: bytes) -> bool:
        """Read the bytes; whether they held. Any other exception is a finding."""
        try:
            value = self.parse(raw)
        except self.raises:
            return False
        if self.write is not None:
            again = self.parse(self.write(value))
            assert again == value, "what was written is read as something else"
        return True


def _bill(raw: bytes) -> Bill:
    bill = parse_bill(raw, key="k-1", operator="w1")
    bill_faults(bill, today=TODAY)
    return bill


def _bill_text(bill: Bill) -> bytes:
    members = dataclasses.asdict(bill)
    # Of the national envelope alone.
    assert members.pop("national") is None
    if bill.occurred_at is not None:
        members["occurred_at"] = bill.occurred_at.isoformat().replace("+00:00", "Z")
        rfc3339(bill.occurred_at)
    return json.dumps(members, default=str).encode()


def _bodies(shape: Shape) -> list[bytes]:
    """A sound one first, then some that are not."""
    hostile = [
        hostile_body(shape, random.Random(number)).raw for number in range(_HOSTILE)
    ]
    small = [raw for raw in hostile if len(raw) < _SMALL_BYTES]
    return [rendered(members_of(shape.sound())), *small]


def _charge(raw: bytes) -> object:
    """2206 and 2207, as far as nobody is asked."""
    envelope = read_envelope(read_json(raw, "utf-8"))
    return read_charge(envelope, TODAY).bill


def _charges() -> list[bytes]:
    medaid = {"place": "local", "expected_aid": "57.60", "prescription_days": 7}
    return [
        dumped(his_envelope("2207", charge())).encode(),
        dumped(his_envelope("2207", charge(medaid=medaid))).encode(),
    ]


def _vectors(*names: str) -> list[bytes]:
    """Examples of docs/formats."""
    found = format_vectors.examples()
    return [found[name].encode() for name in names]


def _text(raw: bytes) -> str:
    """As `medaid verify` reads what should be text."""
    return raw.decode(errors="replace")


def _signature(raw: bytes) -> object:
    lines = raw.decode("latin-1").split("\n")
    names = ("content-digest", "signature-input", "signature", "idempotency-key")
    headers = dict(zip(names, lines, strict=False))
    request = HttpRequest(
        "POST",
        "gateway.example",
        "/v1/sessions",
        {"content-type": "application/json", **headers},
        b'{"operator":"op-7"}',
    )
    covers_key = "idempotency-key" in headers
    return parse_request_signature(request, covers_idempotency_key=covers_key)


def _signature_seeds() -> list[bytes]:
    sent = sign_request(
        format_vectors.REQUEST,
        fixed.PARTY_SECRET,
        created=format_vectors.CREATED,
        nonce=format_vectors.NONCE,
    )
    return ["\n".join(sent.values()).encode()]


def _receipt_text(receipt: Any) -> bytes:
    return json.dumps(receipt.to_document()).encode()


@cache
def _folder() -> Path:
    """In memory where there is some: every input is a file written anew."""
    memory = Path("/dev/shm")  # noqa: S108  # mkdtemp makes a folder of its own there
    base = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="medaid-fuzz-", dir=base))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _on_disk(name: str, raw: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(raw)
    return path


def _roster(raw: bytes) -> int:
    rows = RosterFile(_on_disk("roster.csv", raw)).rows(TOKENIZER, CATEGORIES)
    return sum(1 for _ in rows)


def _roster_seeds() -> list[bytes]:
    rows = [row(1), row(2, action="remove"), row(3, category="低保,特困")]
    lines = [",".join(rows[0]), *(",".join(each.values()) for each in rows)]
    quoted = [",".join(f'"{value}"' for value in row(4).values())]
    plain = "\r\n".join(lines + quoted).encode()
    return [plain, b"\xef\xbb\xbf" + plain, gzip.compress(plain, mtime=0)]


def _visits(raw: bytes) -> int:
    return sum(1 for _ in read_visits(_on_disk("visits.csv", raw)))


def _visit_seeds() -> list[bytes]:
    values = ("V1", "P1", "F1", "outpatient", "2009-03-02", "2009-03-04T10:00:00+08:00",
              "130.00", "100.00", "0.00")  # fmt: skip
    plain = (",".join(REQUIRED_COLUMNS) + "\n" + ",".join(values) + "\n").encode()
    return [plain, gzip.compress(plain, mtime=0)]


def _verified(raw: bytes) -> None:
    outcome = verify_path(_on_disk("given", raw), fixed.TRUST)
    assert outcome.checked == 1
    assert outcome.findings or outcome.record is not None


def _receipts() -> list[bytes]:
    return [json.dumps(fixed.receipt(fixed.seal())).encode(), *_vectors("receipt")]


def _headers(raw: bytes) -> object:
    text = raw.decode("latin-1")
    prefers_english(text)
    try:
        parse_instant_header("Medaid-Sandbox-Time", text)
    except RequestRefused:
        return parse_key_header(text)
    return text


def _route(raw: bytes) -> object:
    method, _, target = raw.decode("latin-1").partition(" ")
    return Router(CALLS).resolve(method, target)


def _wire(name: str, parse: Callable[[bytes], Any], shape: Shape) -> Parser:
    return Parser(name, parse, (RequestRefused,), partial(_bodies, shape), weight=3)


def _crypto(
    name: str,
    parse: Callable[[bytes], Any],
    seeds: Callable[[], list[bytes]],
    write: Callable[[Any], bytes] | None = None,
) -> Parser:
    return Parser(name, parse, (CryptoError,), seeds, write)


def _notes() -> list[bytes]:
    return [fixed.CHECKPOINTS.sign(7, b"\x01" * 32).encode(), *_vectors("checkpoint")]


def _cosigned(raw: bytes) -> object:
    name, key = format_vectors.WITNESS_NAME, format_vectors.WITNESS
    known = [WitnessKey(name, key.public)]
    return verify_cosignatures(raw.decode(errors="replace"), known)


def _two_histories() -> list[bytes]:
    older, newer = _notes()[0].decode(), fixed.CHECKPOINTS.sign(9, b"\2" * 32)
    hashes = (b"\3" * 32, b"\4" * 32)
    return [
        TwoHistories(older, newer, hashes[0], hashes).to_file(),
        TwoHistories(older, newer, None).to_file(),
    ]


def _alert_queries(raw: bytes) -> object:
    """What stands in the addresses of alerts, and the header of a stream."""
    text = raw.decode(errors="replace")
    query = MultiDict(parse_qsl(text, keep_blank_values=True))
    found: list[object] = []
    for parse in (parse_wanted_alerts, parse_wanted_cases, partial(parse_resume, text)):
        try:
            found.append(parse(query))
        except RequestRefused as refused:
            found.append(refused.reason)
    return found


PARSERS = (
    Parser("bill", _bill, (RequestRefused,), partial(_bodies, BILL), _bill_text, 8),
    _wire("eligibility", parse_eligibility, ELIGIBILITY),
    _wire("reversal", parse_reversal, REVERSAL),
    _wire("search", parse_search, SEARCH),
    _wire("statistics", parse_statistics, STATISTICS),
    _wire("totals", partial(parse_totals, today=date.max), TOTALS),
    _wire("session", parse_session, SESSION),
    _wire("assign", partial(parse_assign, today=date.max), ASSIGN),
    _wire("confirm", partial(parse_confirm, today=date.max), CONFIRM),
    _wire("dismiss", partial(parse_dismiss, today=date.max), DISMISS),
    Parser("charge", _charge, (RequestRefused,), _charges, weight=2),
    Parser("alert queries", _alert_queries, (RequestRefused,),
           lambda: [b"state=all&after=7&limit=10", b"detector=too-soon&case_id=" +
                    b"0f" * 16, b"after=12", b"17"]),
    Parser("headers", _headers, (RequestRefused,),
           lambda: [b"k-1", b"2026-01-05T02:14:09Z", b"zh-CN,en;q=0.9"]),
    Parser("route", _route, (RequestRefused,),
           lambda: [f"{call.method} {call.path}".encode() for call in CALLS]),
    _crypto("http signature", _signature, _signature_seeds),
    _crypto("note", lambda raw: parse_note(_text(raw)), _notes),
    _crypto("checkpoint", lambda raw: parse_checkpoint(_text(raw)), _notes,
            lambda found: (found.to_text() + "\n— x AAAAAAA=\n").encode()),
    _crypto("signed checkpoint", lambda raw: verify_checkpoint(_text(raw), fixed.TRUST),
            _notes),
    _crypto("vkey", lambda raw: parse_vkey(_text(raw), Role.CHECKPOINT_SIGN),
            lambda: [fixed.CHECKPOINTS.vkey.encode()]),
    _crypto("proof", lambda raw: parse_proof(_text(raw)),
            lambda: [b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + _notes()[0],
                     b"c2sp.org/tlog-proof@v1\nextra AA==\nindex 3\n" + b"A" * 43
                     + b"=\n\n" + _notes()[0]],
            lambda found: found.to_text().encode()),
    _crypto("receipt", parse_receipt, _receipts, _receipt_text),
    _crypto("signed receipt", lambda raw: verify_receipt(raw, fixed.TRUST), _receipts),
    _crypto("record", lambda raw: verify_record(raw, fixed.TRUST),
            lambda: [fixed.seal(), fixed.seal(**fixed.TOMBSTONE)],
            lambda found: found.record),
    _crypto("roster manifest", lambda raw: verify_manifest(raw, fixed.TRUST),
            lambda: [sign_manifest(format_vectors.MANIFEST,
                                                  fixed.ROSTER_KEY)]),
    _crypto("package manifest", parse_package_manifest,
            lambda: [PackageManifest(
                origin=fixed.ORIGIN, month="2026-01", facility=None, count=2,
                tree_size=7).to_bytes()],
            lambda found: found.to_bytes()),
    _crypto("trust file", lambda raw: trust_file(parse_trust_file(raw)),
            lambda: [trust_file(fixed.TRUST)], lambda written: written),
    _crypto("private key file", lambda raw: private_key_file(
        parse_private_key_file(raw)),
            lambda: [private_key_file(fixed.PARTY_KEY),
                     private_key_file(fixed.PARTY_SECRET),
                     private_key_file(fixed.BUREAU_KEY)], lambda written: written),
    _crypto("public key file", lambda raw: public_key_file(
        parse_public_key_file(raw).key),
            lambda: [public_key_file(fixed.PARTY_KEY.public),
                     public_key_file(fixed.BUREAU_KEY.public, b"p")],
            lambda written: written),
    _crypto("tile path", lambda raw: parse_tile_path(_text(raw)),
            lambda: [b"tile/0/x001/067", b"tile/entries/000.p/3"],
            lambda tile: tile.path.encode()),
    _crypto("tile", parse_tile, lambda: [b"\x01" * 64], tile_bytes),
    _crypto("entry bundle", parse_entry_bundle,
            lambda: [entry_bundle([b"a", b"", b"b" * 300])], entry_bundle),
    _crypto("witness request", parse_add_checkpoint,
            lambda: _vectors("add-checkpoint"), AddCheckpoint.to_body),
    _crypto("cosigned note", _cosigned, lambda: _vectors("cosigned")),
    _crypto("two histories", parse_two_histories, _two_histories,
            TwoHistories.to_file),
    Parser("offline verification", _verified, (), lambda: [*_receipts(), fixed.seal()]),
    Parser("policy tree", read_tree, (PolicyError,),
           lambda: [SMALL.encode()], weight=2),
    Parser("policy pack", read_document, (PolicyError,),
           lambda: [SMALL.encode(),
                    (_PACKS / "demo-district.yaml").read_bytes()]),
    Parser("roster", _roster, (RosterRefusedError,), _roster_seeds, weight=2),
    Parser("visits", _visits, (VisitFileError,), _visit_seeds, weight=2),
)  # fmt: skip
BY_NAME = {parser.name: parser for parser in PARSERS}
