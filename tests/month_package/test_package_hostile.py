"""A gateway that signs whatever it likes: nothing passes, and nothing raises."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crypto.approval import Purpose, approve
from crypto.checkpoint import CheckpointSigner
from crypto.encoding import canonical_json
from crypto.keys import Role, SigningKey
from crypto.merkle import RightEdge, consistency_proof, inclusion_proof
from crypto.range_proof import gap_nodes
from crypto.record import open_record, record_hash, verify_record
from crypto.sealer import Sealer
from crypto.trust import Trust, TrustedKey
from gateway.month_package import layout
from gateway.month_package.checking import Checker
from gateway.month_package.container import ContainerFault, ContainerWriter
from gateway.month_package.opened import open_package
from settlement.domain.bill import RepeatReason
from tests.month_package.packages import (
    Bureau,
    Parts,
    TwoMonths,
    altered,
    parts_of,
    told,
)
from tests.month_package.test_package_altered import forged
from tests.settlement.house import ORIGIN

Json = Any
Place = tuple[Any, ...]
OTHERS: tuple[Json, ...] = (
    None, -1, 10**15, "", "\x1b[2J=1+1", [], {}, [[]], {"": []}, ["x"],
)  # fmt: skip


def places(value: Json, path: Place = ()) -> Iterator[Place]:
    """Every place of a document but the whole."""
    if path:
        yield path
    steps: list[Any] = list(value) if isinstance(value, dict) else []
    if isinstance(value, list):
        steps = list(range(len(value)))
    for step in steps:
        yield from places(value[step], (*path, step))


def put(document: Json, path: Place, value: Json) -> None:
    """Put another value into a document."""
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = value


def replaced(octets: bytes, path: Place, value: Json) -> bytes:
    """A document with another value at one place."""
    document = json.loads(octets)
    put(document, path, value)
    return canonical_json(document)


def places_of(value: Json) -> list[Place]:
    """Places, without those that lie below an amount's name."""
    return [path for path in places(value) if path[-1] != "tilt_fen"]


#: What of a month statement rests on the gateway's word: see docs.
GATEWAYS_WORD = {"name", "level", "subdistrict"}


@pytest.mark.parametrize(
    "name", [layout.STATEMENT, "hospitals/H001.json", "hospitals/H001.signatures.json"]
)
def test_every_value_of_the_signed_documents_counts(
    alone: TwoMonths, tmp_path: Path, name: str
) -> None:
    """Whatever stands in its place is found, and nothing raises."""
    octets = parts_of(alone.january)[name]
    for number, path in enumerate(places_of(json.loads(octets))):
        if path[-1] in GATEWAYS_WORD:
            continue
        for other in (OTHERS[number % len(OTHERS)], OTHERS[(number + 5) % len(OTHERS)]):
            changed = replaced(octets, path, other)
            if changed == octets:
                continue
            file = altered(
                alone.january,
                tmp_path / "m.zip",
                alone.bureau.signer,
                lambda parts, changed=changed: parts.update({name: changed}),  # type: ignore[misc]
            )
            found = told(alone.bureau.check(file, with_key=False))
            assert found, (path, other)


def test_no_sealed_content_breaks_the_verifier(
    alone: TwoMonths, tmp_path: Path
) -> None:
    """Every value of a settlement's and of a reversal's content, replaced."""
    bureau = alone.bureau
    records = parts_of(alone.january)[layout.RECORDS].splitlines()
    for at in (1, 3):
        verified = verify_record(records[at].split(b" ")[1], bureau.trust)
        content = json.loads(open_record(verified, bureau.opening))
        for number, path in enumerate(places(content)):
            if path[0] == "claims":
                continue
            other = OTHERS[number % len(OTHERS)]
            file = altered(
                alone.january,
                tmp_path / "m.zip",
                bureau.signer,
                partial(
                    forged, bureau, at=at, forge=partial(put, path=path, value=other)
                ),
            )
            bureau.check(file)


def without_totals(content: Json) -> None:
    """Leave the running totals out, so that they count as nothing used."""
    content["accumulators_before"] = []


def renamed_total(content: Json) -> None:
    """Give the total that the decision reads another pot's name."""
    content["accumulators_before"][1]["pot"] = "outpatient "


def negative_total(content: Json) -> None:
    """Less than nothing used: room for more aid."""
    content["accumulators_before"][1]["used_fen"] = -100


def nobody(content: Json) -> None:
    """Count it to nobody's totals."""
    content["person"] = None


def other_year(content: Json) -> None:
    """Decide it as though it were settled in the year before."""
    content["settled_at"] = "2025-12-31T02:14:09.000Z"


def larger_bill(content: Json) -> None:
    """Claim a larger total than the bill has, paid by other funds."""
    content["claims"]["total_fen"] += 100
    content["claims"]["funds_fen"] += 100


def impossible_bill(content: Json) -> None:
    """Charity that takes away."""
    content["bill"]["charity_fen"] = -5


def before_the_policy(content: Json) -> None:
    """A bill of a day on which the policy was not in force yet."""
    content["bill"] |= {"service_start": "1999-12-30", "service_end": "1999-12-30"}


def end_of_time(content: Json) -> None:
    """An instant that no calendar in Shanghai has."""
    content["settled_at"] = "9999-12-31T23:59:59.000Z"


@pytest.mark.parametrize(
    ("forge", "sentence"),
    [
        (before_the_policy, "was not in force for the sealed bill"),
        (end_of_time, "the sealed content lacks a member, or one is wrong"),
        (without_totals, "a running total that the decision rests on"),
        (renamed_total, "a running total that the decision rests on"),
        (negative_total, "a running total that the decision rests on"),
        (nobody, "whose running totals"),
        (other_year, "the sealed instant is not of its day"),
        (larger_bill, "its total is not that of the sealed bill"),
        (impossible_bill, "the sealed bill is one that cannot be"),
    ],
)
def test_caps_cannot_be_passed_by_what_is_sealed(
    alone: TwoMonths, tmp_path: Path, forge: Callable[[Json], None], sentence: str
) -> None:
    """The decision is the pack's, and rests on what cannot be."""
    change = partial(forged, alone.bureau, at=1, forge=forge)
    path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, change)
    found = told(alone.bureau.check(path))

    assert any(where == "records[1]" and sentence in text for where, text in found)


def test_a_sandbox_record_among_others_is_found(
    alone: TwoMonths, tmp_path: Path
) -> None:
    """What no money moves on is never added to what is paid."""

    def as_real(content: Json) -> None:
        del content["claims"]["sandbox"]

    change = partial(forged, alone.bureau, at=2, forge=as_real)
    path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, change)
    found = told(alone.bureau.check(path, with_key=False))

    assert any("are a sandbox's" in text for _, text in found)


def test_another_person_behind_a_card_is_noted(
    alone: TwoMonths, tmp_path: Path
) -> None:
    """A corrected roster does that too, so it is said, and no finding."""

    def other_person(content: Json) -> None:
        content["person"] = "ab" * 16

    change = partial(forged, alone.bureau, at=1, forge=other_person)
    path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, change)

    notes = alone.bureau.check(path).notes
    assert any("another person" in note and "index 1, 2" in note for note in notes)
    assert alone.bureau.check(alone.january).notes == []


def test_one_bill_is_paid_once(alone: TwoMonths, tmp_path: Path) -> None:
    """Again only for a reason, or when the first was taken back."""
    bureau = alone.bureau
    records = parts_of(alone.january)[layout.RECORDS].splitlines()
    contents = [
        json.loads(open_record(verify_record(line.split(b" ")[1], bureau.trust), key))
        for key in [bureau.opening]
        for line in records[:4]
    ]
    first, last = contents[0]["bill"], contents[2]["bill"]
    assert contents[3]["claims"]["ref"] == contents[0]["claims"]["sid"]

    def check(at: int, numbers: Json, reason: str | None) -> list[tuple[str, str]]:
        def forge(content: Json) -> None:
            content["bill"] |= {"visit_no": numbers["visit_no"]}
            content["bill"] |= {"repeat_reason": reason}

        change = partial(forged, bureau, at=at, forge=forge)
        return told(bureau.check(altered(
            alone.january, tmp_path / "m.zip", bureau.signer, change
        )))  # fmt: skip

    assert check(2, first, None) == [
        ("records[2]", "its bill is paid at index 0 already")
    ]
    assert check(2, first, next(iter(RepeatReason)).value) == []
    assert check(0, last, None)


def test_a_policy_that_no_record_names_is_found(
    alone: TwoMonths, tmp_path: Path
) -> None:
    """Nobody can slip a rule in for people to read."""

    def add(parts: Parts) -> None:
        name = next(name for name in parts if layout.is_policy(name))
        text = parts[name].replace(b"2000.1", b"2000.2")
        parts[name.replace("2000.1", "2000.2")] = text

    path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, add)
    found = told(alone.bureau.check(path, with_key=False))

    assert (
        "policies/demo-district@2000.2.yaml",
        "no record names this policy",
    ) in found


def test_only_the_bureaus_own_policies_count(alone: TwoMonths) -> None:
    """A gateway's own rules, signed by nobody else, are not the decree."""
    sha256 = next(iter(alone.bureau.check(alone.january).packs.values()))
    known = alone.bureau.check(alone.january, policies=frozenset({sha256}))
    other = alone.bureau.check(alone.january, policies=frozenset({"0" * 64}))

    assert (told(known), known.unchecked) == ([], [])
    assert ["--policy" in text for _, text in told(other)] == [True]


# Keys that are no longer in use, and whose they are.


def believing(bureau: Bureau, *keys: TrustedKey) -> Bureau:
    """The same with other keys in place of those with their ids."""
    others = {key.kid: key for key in keys}
    trust = Trust(
        bureau.trust.origin,
        [others.pop(key.kid, key) for key in bureau.trust.keys] + list(others.values()),
    )
    return Bureau(trust, bureau.opening, bureau.signer, bureau.record_signer)


def named(bureau: Bureau, name: str) -> TrustedKey:
    """An officer's key."""
    return next(key for key in bureau.trust.keys if key.name == name)


@pytest.mark.parametrize(
    ("last", "holds"), [("2025-12-31", False), ("2026-01-31", True)]
)
def test_a_retired_key_of_the_log_signs_no_later_month(
    alone: TwoMonths, last: str, holds: bool
) -> None:
    """Whoever stole it makes no package of a month that it never saw."""
    key = TrustedKey(alone.bureau.signer.public, not_after=date.fromisoformat(last))
    outcome = believing(alone.bureau, key).check(alone.january, with_key=False)

    assert [each.code for each in outcome.findings] == ([] if holds else ["MA-8203"])


@pytest.mark.parametrize("last", ["2025-12-31", "2026-02-01"])
def test_an_officer_signs_while_the_key_is_valid(alone: TwoMonths, last: str) -> None:
    """On the day of signing, and never for a month that began after it was retired."""
    key = named(alone.bureau, "li").key
    retired = TrustedKey(key, name="li", not_after=date.fromisoformat(last))
    outcome = believing(alone.bureau, retired).check(alone.january, with_key=False)

    assert {each.code for each in outcome.findings} == {"MA-8203"}


def test_a_retired_officer_cannot_date_back(alone: TwoMonths, tmp_path: Path) -> None:
    """The day that a signature names is the gateway's word."""
    key = named(alone.bureau, "li").key
    retired = TrustedKey(key, name="li", not_after=date(2025, 12, 31))

    def earlier(parts: Parts) -> None:
        for code in ("H001", "H002"):
            name = layout.signatures_name(code)
            path = ("signatures", 0, "signed_at")
            parts[name] = replaced(parts[name], path, "2025-12-30T00:00:00.000Z")

    path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, earlier)
    outcome = believing(alone.bureau, retired).check(path, with_key=False)

    assert {each.code for each in outcome.findings} == {"MA-8203"}


def test_a_hospital_is_no_officer(alone: TwoMonths, tmp_path: Path) -> None:
    """A facility's key in the trust file, with its code, signs no statement."""
    key = SigningKey.generate(Role.PARTY, lambda count: b"\5" * count)
    trusted = TrustedKey(key.public, name="H002")

    def signs(parts: Parts) -> None:
        statement = parts[layout.statement_name("H001")]
        document = json.loads(parts[layout.signatures_name("H001")])
        document["signatures"][1] |= {
            "officer": "H002",
            "key_id": key.public.kid,
            "signature": approve(statement, key, Purpose.MONTH_STATEMENT).hex(),
        }
        parts[layout.signatures_name("H001")] = canonical_json(document)

    path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, signs)
    found = told(believing(alone.bureau, trusted).check(path, with_key=False))

    assert [where for where, _ in found] == [layout.signatures_name("H001")]
    assert "hospital" in found[0][1]


# Two months: what one left, the next takes up.


def forged_february(
    made: TwoMonths, parts: Parts, at: int, forge: Callable[[Json], None]
) -> None:
    """Seal one of February's contents anew, and log both months anew."""
    bureau = made.bureau
    given = parts_of(made.january)[layout.RECORDS] + parts[layout.RECORDS]
    found = dict(line.split(b" ") for line in given.splitlines())
    records = [found[b"%d" % index] for index in range(len(found))]
    content = json.loads(
        open_record(verify_record(records[at], bureau.trust), bureau.opening)
    )
    forge(content)
    sealer = Sealer(bureau.record_signer, bureau.opening.public)
    octets = json.dumps(content).encode()
    records[at] = sealer.seal(content["claims"], octets, lambda count: b"\7" * count)

    def node(level: int, index: int) -> bytes:
        covered = records[index << level : (index + 1) << level]
        return RightEdge().extend([record_hash(record) for record in covered]).root

    size, old = len(records), int(parts[layout.PREVIOUS_CHECKPOINT].split(b"\n")[1])
    root = RightEdge().extend([record_hash(record) for record in records]).root
    parts[layout.CHECKPOINT] = (
        CheckpointSigner(ORIGIN, bureau.signer).sign(size, root).encode()
    )
    path = consistency_proof(old, size, node)
    parts[layout.CONSISTENCY] = layout.hash_lines(path)
    here = [int(line.split(b" ")[0]) for line in parts[layout.RECORDS].splitlines()]
    parts[layout.RECORDS] = b"".join(layout.record_line(i, records[i]) for i in here)
    gaps = layout.gaps([(index, index) for index in here], size)
    parts[layout.PROOFS] = layout.hash_lines(
        node(*place) for begin, end in gaps for place in gap_nodes(begin, end)
    )
    parts[layout.ORIGINALS] = b"".join(
        layout.Original(
            each.reversal_index,
            each.index,
            records[each.index],
            inclusion_proof(each.index, size, node),
        ).line()
        for each in map(layout.parse_original, parts[layout.ORIGINALS].splitlines())
    )


def test_what_the_month_before_has_settled_is_not_settled_again(
    two_months: TwoMonths, tmp_path: Path
) -> None:
    """One id in two months is paid twice."""
    bureau = two_months.bureau
    first = parts_of(two_months.january)[layout.RECORDS].splitlines()[1]
    claims = verify_record(first.split(b" ")[1], bureau.trust).claims

    def again(content: Json) -> None:
        content["claims"]["sid"] = claims["sid"]

    path = altered(
        two_months.february,
        tmp_path / "m.zip",
        bureau.signer,
        lambda parts: forged_february(two_months, parts, 7, again),
    )
    found = told(bureau.check(path, previous=two_months.january, with_key=False))

    assert ("records[7]", "its id stands at index 1 too") in found


def test_a_rewritten_past_is_proved_by_two_packages(
    two_months: TwoMonths, tmp_path: Path
) -> None:
    """The gateway signed January's cut once more, with another root."""

    def rewrite(parts: Parts) -> None:
        size = int(parts[layout.PREVIOUS_CHECKPOINT].split(b"\n")[1])
        signer = CheckpointSigner(ORIGIN, two_months.bureau.signer)
        parts[layout.PREVIOUS_CHECKPOINT] = signer.sign(size, b"\1" * 32).encode()

    bureau, january = two_months.bureau, two_months.january
    path = altered(two_months.february, tmp_path / "m.zip", bureau.signer, rewrite)
    outcome = bureau.check(path, previous=january, with_key=False)

    assert ("previous", "MA-8305") in {(e.where, e.code) for e in outcome.findings}


def test_a_month_follows_an_earlier_month(
    two_months: TwoMonths, tmp_path: Path
) -> None:
    """Not itself, and none that leaves a gap."""
    bureau = two_months.bureau
    for month in ("2026-02", "2025-12", "2027-01"):

        def follows(parts: Parts, month: str = month) -> None:
            path = ("previous", "month")
            parts[layout.STATEMENT] = replaced(parts[layout.STATEMENT], path, month)

        path = altered(two_months.february, tmp_path / "m.zip", bureau.signer, follows)
        found = told(bureau.check(path, with_key=False))

        assert (
            layout.STATEMENT,
            "the package that it follows is not of the month before",
        ) in found


def test_a_first_package_holds_no_earlier_months(
    alone: TwoMonths, tmp_path: Path
) -> None:
    """It would pay once more what a package that it hides has paid."""
    path = altered(
        alone.january, tmp_path / "m.zip", alone.bureau.signer, list, month="2026-02"
    )
    found = told(alone.bureau.check(path, with_key=False))

    assert any("first package" in text for _, text in found)


# What fills memory.


def test_many_empty_lines_and_many_parts_stay_small(
    alone: TwoMonths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Findings are counted; parts beyond any package's are not read on."""

    def empty_lines(parts: Parts) -> None:
        parts[layout.RECORDS] = b"\n" * 30_000

    path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, empty_lines)
    outcome = alone.bureau.check(path, with_key=False)
    assert len(outcome.findings) == 10_000
    assert outcome.further_findings > 20_000

    monkeypatch.setattr("gateway.month_package.container.MEMBERS_MAX", 10)
    many = tmp_path / "many.zip"
    with many.open("wb") as file:
        writer = ContainerWriter(file)
        for number in range(11):
            writer.add(f"p{number}", b"")
        writer.finish()
    with many.open("rb") as made, pytest.raises(ContainerFault, match="more than 10"):
        open_package(many, made)


def test_what_nobody_has_signed_is_not_looked_into(
    alone: TwoMonths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A courier's bytes are named, and no reader is tried on them."""
    octets = bytearray(alone.january.read_bytes())
    with alone.january.open("rb") as file:
        member = open_package(alone.january, file).members[layout.STAFF_XLSX]
    octets[member.offset + 100] ^= 1
    path = tmp_path / "m.zip"
    path.write_bytes(octets)
    monkeypatch.setattr("gateway.month_package.verifier.read_head", None)
    outcome = alone.bureau.check(path)

    assert {where for where, _ in told(outcome)} == {layout.STAFF_XLSX}
    assert ["not those that were signed" in each for each in outcome.unchecked] == [
        True
    ]


def test_originals_that_nobody_needs_are_read_in_pieces(
    alone: TwoMonths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, no piece is longer than it may be."""

    def many(parts: Parts) -> None:
        parts[layout.ORIGINALS] *= 10

    longest = len(parts_of(alone.january)[layout.ORIGINALS])
    stretches = "gateway.month_package.stretches"
    monkeypatch.setattr(f"{stretches}._ORIGINALS_BYTES_MAX", longest)
    read: list[int] = []
    whole = Checker._read

    def counted(checker: Checker, offset: int, size: int) -> bytes:
        read.append(size)
        return whole(checker, offset, size)

    monkeypatch.setattr(Checker, "_read", counted)
    path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, many)
    found = told(alone.bureau.check(path, with_key=False))

    assert any("no reversal here undoes it" in text for _, text in found)
    size = len(parts_of(alone.january)[layout.RECORDS])
    assert max(read) <= max(size, longest)


def test_a_document_that_is_too_long_is_not_read(
    alone: TwoMonths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON takes many times its size in memory."""
    monkeypatch.setattr("gateway.month_package.opened.DOCUMENT_BYTES_MAX", 1_000)
    found = told(alone.bureau.check(alone.january, with_key=False))

    assert (layout.STATEMENT, "longer than 1000 bytes") in found
