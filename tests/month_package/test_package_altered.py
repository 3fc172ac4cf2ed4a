import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto.checkpoint import CheckpointSigner
from crypto.encoding import canonical_json
from crypto.merkle import RightEdge, inclusion_proof
from crypto.record import open_record, record_hash, verify_record
from crypto.sealer import Sealer
from crypto.trust import trust_file
from gateway.cli.verify import verify
from gateway.month_package import layout
from gateway.month_package.container import ContainerFault
from gateway.month_package.opened import CONTAINER, open_package
from tests.month_package.packages import (
    Bureau,
    Parts,
    TwoMonths,
    altered,
    parts_of,
    told,
)
from tests.settlement.house import ORIGIN


def spans(path: Path) -> list[tuple[str, int, int, int]]:
    """Name, begin of header, begin and end of content of each part."""
    with path.open("rb") as file:
        members = open_package(path, file).members.values()
        return [(m.name, m.header_offset, m.offset, m.end) for m in members]


def flipped(path: Path, out: Path, at: int, by: int) -> Path:
    """The file with one byte changed."""
    octets = bytearray(path.read_bytes())
    octets[at] ^= by
    out.write_bytes(octets)
    return out


def is_found(bureau: Bureau, path: Path, where: str) -> bool:
    """Whether something is found, and the part named."""
    try:
        outcome = bureau.check(path, with_key=False)
    except ContainerFault:
        return where == CONTAINER
    return any(part.split("[")[0] == where for part, _ in told(outcome))


def test_any_byte_around_the_parts_is_found(alone: TwoMonths, tmp_path: Path) -> None:
    """Every byte of every header and of the directory, each by itself."""
    path, bureau = alone.january, alone.bureau
    contents = spans(path)
    places = [at for _, begin, offset, _ in contents for at in range(begin, offset)]
    places += range(contents[-1][3], path.stat().st_size)

    for at in places:
        changed = flipped(path, tmp_path / "m.zip", at, 1 + at % 255)
        assert is_found(bureau, changed, CONTAINER), at


def test_any_byte_of_the_signed_page_is_found(alone: TwoMonths, tmp_path: Path) -> None:
    """Every byte of the manifest and of the list of parts."""
    path, bureau = alone.january, alone.bureau
    for name, _, offset, end in spans(path):
        if name not in {layout.MANIFEST, layout.MEMBERS}:
            continue
        for at in range(offset, end):
            changed = flipped(path, tmp_path / "m.zip", at, 1 + at % 255)
            assert is_found(bureau, changed, name), (name, at)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_byte_of_a_part_is_found(
    two_months: TwoMonths, tmp_path: Path, data: st.DataObject
) -> None:
    """Parts are drawn evenly, so that short ones are met as often as long ones."""
    path = two_months.february
    filled = [span for span in spans(path) if span[3] > span[2]]
    name, _, offset, end = data.draw(st.sampled_from(filled))
    at = data.draw(st.integers(offset, end - 1))
    changed = flipped(path, tmp_path / "m.zip", at, data.draw(st.integers(1, 255)))

    assert is_found(two_months.bureau, changed, name)


def test_a_file_that_is_none_is_told_in_one_sentence(
    alone: TwoMonths, tmp_path: Path
) -> None:
    """No zip, half a package, a compressed one, a bomb, an empty file, a folder's."""
    whole = alone.january.read_bytes()
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("records", bytes(50_000_000))
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as file:
        file.writestr("records", b"")
    (tmp_path / "trust.json").write_bytes(trust_file(alone.bureau.trust))
    half = whole[: len(whole) // 2]
    cuts = [whole[:3], whole[:20], half, whole[:-1], whole[: -len(whole) // 50]]
    others = [b"", b"PK\3\4", bomb.getvalue(), plain.getvalue(), b"{}", whole + b"x"]
    for octets in cuts + others:
        path = tmp_path / "m.zip"
        path.write_bytes(octets)
        result = CliRunner().invoke(
            verify, [str(path), "--trust", str(tmp_path / "trust.json")]
        )

        assert result.exit_code == 1
        assert len(result.output.strip().splitlines()) <= 3
        assert isinstance(result.exception, SystemExit)


# What the log's own key has signed, and the records contradict.


def lines(parts: Parts, name: str) -> list[bytes]:
    """The lines of a part."""
    return parts[name].splitlines(keepends=True)


def drop_record(parts: Parts) -> None:
    """Leave out the third record."""
    every = lines(parts, layout.RECORDS)
    parts[layout.RECORDS] = b"".join(every[:2] + every[3:])


def repeat_record(parts: Parts) -> None:
    """Give the second record twice."""
    every = lines(parts, layout.RECORDS)
    parts[layout.RECORDS] = b"".join([*every[:2], *every[1:]])


def rename_record(parts: Parts) -> None:
    """Give a record the index behind the cut."""
    every = lines(parts, layout.RECORDS)
    size = int(parts[layout.CHECKPOINT].split(b"\n")[1])
    last = every[-1].split(b" ", 1)[1]
    parts[layout.RECORDS] = b"".join([*every, b"%d %b" % (size, last)])


def drop_original(parts: Parts) -> None:
    """Leave out what the reversal undoes."""
    parts[layout.ORIGINALS] = b""


def more_originals(parts: Parts) -> None:
    """Give an original to a record that is no reversal."""
    text = parts[layout.ORIGINALS]
    parts[layout.ORIGINALS] = b"1 " + text.split(b" ", 1)[1] + text


def other_original(parts: Parts) -> None:
    """Give another settlement for the one that the reversal undoes."""
    reversal, _index, _record, path = parts[layout.ORIGINALS].rstrip().split(b" ")
    index, record = lines(parts, layout.RECORDS)[1].rstrip().split(b" ")
    line = b" ".join([reversal, index, record, path]) + b"\n"
    parts[layout.ORIGINALS] = line


def drop_policy(parts: Parts) -> None:
    """Leave out the policy."""
    del parts[next(name for name in parts if layout.is_policy(name))]


def other_policy(parts: Parts) -> None:
    """Give a policy of the same name with another text."""
    name = next(name for name in parts if layout.is_policy(name))
    parts[name] = parts[name] + b"# another text\n"


def stray(parts: Parts) -> None:
    """Add a part."""
    parts["notes.txt"] = b"hello"


def change_json(
    name: str, parts: Parts, change: Callable[[dict[str, object]], None]
) -> None:
    """Change a document."""
    document = json.loads(parts[name])
    change(document)
    parts[name] = canonical_json(document)


def pay_more(parts: Parts) -> None:
    """State more than the records add up to."""

    def change(document: dict[str, object]) -> None:
        document["payment_total_fen"] = 1

    change_json(layout.STATEMENT, parts, change)


def miscount(parts: Parts) -> None:
    """State another number of records."""

    def change(document: dict[str, object]) -> None:
        document["records"] = 1

    change_json(layout.STATEMENT, parts, change)


def defer(parts: Parts) -> None:
    """Call a record deferred that is here."""

    def change(document: dict[str, object]) -> None:
        document["deferred"] = [[2, 2]]

    change_json(layout.STATEMENT, parts, change)


def other_payment(parts: Parts) -> None:
    """Pay a hospital more."""
    text = parts[layout.PAYMENTS]
    parts[layout.PAYMENTS] = text.replace(b"H002", b"H001")


def other_line(parts: Parts) -> None:
    """Change a total in the staff's list."""
    text = parts[layout.STAFF_CSV]
    parts[layout.STAFF_CSV] = text.replace(b",250.00,", b",251.00,", 1)


def shorter_list(parts: Parts) -> None:
    """Leave out the last line of the staff's list."""
    parts[layout.STAFF_CSV] = b"".join(lines(parts, layout.STAFF_CSV)[:-1])


def longer_list(parts: Parts) -> None:
    """Give the last line of the staff's list twice."""
    parts[layout.STAFF_CSV] += lines(parts, layout.STAFF_CSV)[-1]


def other_columns(parts: Parts) -> None:
    """Name a column otherwise."""
    parts[layout.STAFF_CSV] = parts[layout.STAFF_CSV].replace(b"id", b"ID", 1)


def other_statement(parts: Parts) -> None:
    """Change a hospital's figures after they were signed."""
    name = layout.statement_name("H001")

    def change(document: dict[str, object]) -> None:
        document["list_sha256"] = "0" * 64

    change_json(name, parts, change)


def one_signature(parts: Parts) -> None:
    """Let one officer sign twice."""

    def change(document: dict[str, object]) -> None:
        signatures = document["signatures"]
        assert isinstance(signatures, list)
        document["signatures"] = [signatures[0], signatures[0]]

    change_json(layout.signatures_name("H001"), parts, change)


def other_officer(parts: Parts) -> None:
    """Say that another officer has signed."""

    def change(document: dict[str, object]) -> None:
        signatures = document["signatures"]
        assert isinstance(signatures, list)
        signatures[0]["officer"] = "zhao"

    change_json(layout.signatures_name("H001"), parts, change)


def short_proof(parts: Parts) -> None:
    """Add a node to the proof."""
    parts[layout.PROOFS] += layout.hash_lines([bytes(32)])


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (drop_record, layout.STATEMENT),
        (repeat_record, layout.RECORDS),
        (rename_record, layout.RECORDS),
        (drop_original, layout.RECORDS),
        (other_original, layout.RECORDS),
        (more_originals, layout.ORIGINALS),
        (drop_policy, layout.RECORDS),
        (other_policy, layout.RECORDS),
        (stray, "notes.txt"),
        (pay_more, layout.STATEMENT),
        (miscount, layout.STATEMENT),
        (defer, layout.STATEMENT),
        (other_payment, layout.PAYMENTS),
        (other_line, layout.STAFF_CSV),
        (shorter_list, layout.STAFF_CSV),
        (longer_list, layout.STAFF_CSV),
        (other_columns, layout.STAFF_CSV),
        (other_statement, layout.STATEMENT),
        (one_signature, layout.signatures_name("H001")),
        (other_officer, layout.signatures_name("H001")),
        (short_proof, layout.PROOFS),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_the_log_signs_and_records_deny_is_found(
    alone: TwoMonths, tmp_path: Path, change: Callable[[Parts], None], where: str
) -> None:
    """A valid signature over wrong parts helps nobody, with the key or without."""
    bureau = alone.bureau
    path = altered(alone.january, tmp_path / "m.zip", bureau.signer, change)

    for with_key in (True, False):
        found = told(bureau.check(path, with_key=with_key))
        assert where in {part.split("[")[0] for part, _ in found}, found


def test_a_sheet_that_differs_from_the_list_is_found(
    alone: TwoMonths, two_months: TwoMonths, tmp_path: Path
) -> None:
    """The spreadsheet is looked into where the contents can be opened."""
    other = parts_of(two_months.january)[layout.STAFF_XLSX]
    for octets in (other, b"no zip", other * 30):

        def change(parts: Parts, octets: bytes = octets) -> None:
            parts[layout.STAFF_XLSX] = octets

        path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, change)
        found = told(alone.bureau.check(path))
        assert [where for where, _ in found] == [layout.STAFF_XLSX] * len(found) != []


# What a gateway would have to forge: records of its own, in a log of its own.


Forge = Callable[[dict[str, object]], None]


def forged(bureau: Bureau, parts: Parts, at: int, forge: Forge) -> None:
    """Seal one content anew and log everything anew, all with the gateway's keys."""
    records = [line.rstrip().split(b" ")[1] for line in lines(parts, layout.RECORDS)]
    verified = verify_record(records[at], bureau.trust)
    content = json.loads(open_record(verified, bureau.opening))
    forge(content)
    sealer = Sealer(bureau.record_signer, bureau.opening.public)
    records[at] = sealer.seal(
        content["claims"], json.dumps(content).encode(), lambda count: b"\7" * count
    )
    tree = RightEdge().extend([record_hash(record) for record in records])
    signer = CheckpointSigner(ORIGIN, bureau.signer)
    parts[layout.CHECKPOINT] = signer.sign(len(records), tree.root).encode()
    parts[layout.RECORDS] = b"".join(
        layout.record_line(index, record) for index, record in enumerate(records)
    )

    def node(level: int, index: int) -> bytes:
        covered = records[index << level : (index + 1) << level]
        return RightEdge().extend([record_hash(record) for record in covered]).root

    parts[layout.ORIGINALS] = b"".join(
        layout.Original(
            given.reversal_index,
            given.index,
            records[given.index],
            inclusion_proof(given.index, len(records), node),
        ).line()
        for given in map(layout.parse_original, parts[layout.ORIGINALS].splitlines())
    )


def more_aid(content: dict[str, object]) -> None:
    """One fen more of aid, told alike everywhere in the record."""
    claims = content["claims"]
    assert isinstance(claims, dict)
    claims["aid_fen"] += 1
    claims["patient_pays_fen"] -= 1


def more_before(content: dict[str, object]) -> None:
    """Another running total than the person's entry before left."""
    totals = content["accumulators_before"]
    assert isinstance(totals, list)
    totals[0]["used_fen"] += 1


def other_category(content: dict[str, object]) -> None:
    """Another category than the one that was decided by."""
    content["category"] = "tekun"


def without_bill(content: dict[str, object]) -> None:
    """A content that is none."""
    del content["bill"]


def nothing(content: dict[str, object]) -> None:
    """Leave it as it is."""


@pytest.mark.parametrize(
    ("forge", "sentence"),
    [
        (more_aid, "gives another decision"),
        (more_before, "a running total"),
        (other_category, "gives another decision"),
        (without_bill, "lacks a member"),
    ],
)
def test_what_only_the_content_tells_is_found_with_the_key(
    alone: TwoMonths, tmp_path: Path, forge: Forge, sentence: str
) -> None:
    """All signatures hold, and the decision is not the policy's."""
    bureau = alone.bureau
    path = altered(
        alone.january,
        tmp_path / "m.zip",
        bureau.signer,
        lambda parts: forged(bureau, parts, 2, forge),
    )

    found = told(bureau.check(path))
    assert any(part == "records[2]" and sentence in text for part, text in found), found
    without = told(bureau.check(path, with_key=False))
    assert not any(part.startswith("records") for part, _ in without)


def test_the_forger_of_these_tests_is_believed(
    alone: TwoMonths, tmp_path: Path
) -> None:
    """Sealed and logged anew without a change, the month is flat again."""
    bureau = alone.bureau
    change = partial(forged, bureau, at=2, forge=nothing)
    path = altered(alone.january, tmp_path / "m.zip", bureau.signer, change)

    assert told(bureau.check(path)) == []


@pytest.mark.parametrize("member", ["sid", "ref"])
def test_one_id_twice_and_one_undone_twice_are_found(
    alone: TwoMonths, tmp_path: Path, member: str
) -> None:
    """What the log holds twice is paid once."""
    bureau = alone.bureau
    parts = parts_of(alone.january)
    records = [line.rstrip().split(b" ")[1] for line in lines(parts, layout.RECORDS)]
    claims = [verify_record(record, bureau.trust).claims for record in records]
    reversal = next(at for at, each in enumerate(claims) if each["op"] == "reverse")

    def forge(content: dict[str, object]) -> None:
        told_claims = content["claims"]
        assert isinstance(told_claims, dict)
        told_claims["sid"] = claims[1]["sid"]

    def twice(parts: Parts) -> None:
        if member == "sid":
            forged(bureau, parts, 2, forge)
            return
        every, originals = lines(parts, layout.RECORDS), parts[layout.ORIGINALS]
        index = len(every)
        again = every[reversal].split(b" ", 1)[1]
        parts[layout.RECORDS] += b"%d %b" % (index, again)
        parts[layout.ORIGINALS] += b"%d %b" % (index, originals.split(b" ", 1)[1])
        forged(bureau, parts, 2, nothing)

    path = altered(alone.january, tmp_path / "m.zip", bureau.signer, twice)
    sentences = [text for _, text in told(bureau.check(path, with_key=False))]

    expected = {
        "sid": "its id stands at index 1 too",
        "ref": f"it undoes what index {reversal} has undone already",
    }
    assert expected[member] in sentences


def test_a_package_of_another_log_is_refused(
    alone: TwoMonths, two_months: TwoMonths
) -> None:
    """Another log's keys sign nothing here."""
    outcome = two_months.bureau.check(alone.january)

    assert [where for where, _ in told(outcome)] == [layout.MANIFEST]
