"""From stored settlements to the steps of a replay: records opened, bills rebuilt.

Bills of what was settled come from the sealed records, bills of declines from the
canonical request; neither leaves this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from crypto.keys import OpeningKey
from crypto.record import verify_record
from crypto.trust import Trust
from settlement.domain.bill import Bill, Card, CardKind
from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import AccumulatorKey
from settlement.domain.eligibility import Window
from settlement.service.books_decisions import sealed_bill, sealed_content
from settlement.service.policy_replay import Event, LeftOut, Reversed, Step
from settlement.service.request import BILL_FIELDS, visit_identity
from settlement.store.past import PastSettlement, PersonPast

#: Declines that a pack decides: identity on the dates, aid paid before, referral,
#: filing limit. All others stay what they are under every pack.
OF_THE_PACK = frozenset({"MA-2102", "MA-2103", "MA-2201", "MA-2206", "MA-2207"})

_NOBODY = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number="")
#: Fields that are null in a request of a release that did not have them yet.
_ABSENT = {"commercial_fen": 0, "charity_fen": 0, "place": "local"}


@dataclass(frozen=True, slots=True)
class Reader:
    """What it takes to read sealed records."""

    trust: Trust
    key: OpeningKey

    def content(self, record: bytes) -> dict[str, Any]:
        """The sealed half of a record that verifies; raises `CryptoError`."""
        return sealed_content(verify_record(record, self.trust), self.key)


def steps_of(past: PersonPast, reader: Reader) -> list[Step]:
    """What happened to one person, in the order of the log.

    Declines have no place in the log: each stands where its instant of settling
    puts it. Raises `CryptoError` for a record that does not verify or open.
    """
    placed = list(_placed(past, reader))
    placed.sort(key=lambda each: each[0])
    return [step for _, step in placed]


def _placed(past: PersonPast, reader: Reader) -> Iterator[tuple[tuple[int, int], Step]]:
    """Steps with a place: the leaf after which they come, then what they are."""
    taken = {each.visit_identity for each in past.settlements if each.state == b"s"}
    for number, row in enumerate(past.settlements):
        if row.log_index is None:
            identity = visit_identity(
                row.facility_id, row.person, orjson.loads(row.request or b"[]")
            )
            event = _declined(row, past, is_taken=identity in taken)
            taken.add(identity)
            yield (_last_leaf(past, row.settled_at), 2 + number), event
            continue
        postings = past.postings.get(row.log_index, ())
        yield (row.log_index, 0), _settled(row, past, reader)
        if row.reversed_index is not None:
            yield (row.reversed_index, 1), Reversed(row.id, postings)


def _last_leaf(past: PersonPast, instant: datetime) -> int:
    """Index of the person's last leaf at an instant; -1 where there was none."""
    settled = [
        each.log_index
        for each in past.settlements
        if each.log_index is not None and each.settled_at <= instant
    ]
    taken_back = [
        each.reversed_index
        for each in past.settlements
        if each.reversed_index is not None
        and each.reversed_at is not None
        and each.reversed_at <= instant
    ]
    return max([*settled, *taken_back], default=-1)


def _settled(row: PastSettlement, past: PersonPast, reader: Reader) -> Event:
    content = None if row.record is None else reader.content(row.record)
    if content is None:
        return _event(row, past, None, ())
    sealed = _sealed_window(content)
    known, changed = _windows(row, past)
    changed = [each for each in changed if each.category != content["category"]]
    if sealed is not None:
        same = (sealed.category, sealed.valid_from)
        known = [w for w in known if (w.category, w.valid_from) != same]
        known.append(sealed)
    return _event(
        row,
        past,
        sealed_bill(content["bill"]),
        known,
        changed_windows=changed,
        subdistrict="" if sealed is None else sealed.subdistrict,
        facility_level=content["facility_level"],
        settled_on=_settled_on(content),
        read=[
            AccumulatorKey(each["year"], each["pot"])
            for each in content["accumulators_before"]
        ],
    )


def _declined(row: PastSettlement, past: PersonPast, *, is_taken: bool) -> Event:
    left_out = None
    if row.reason not in OF_THE_PACK:
        left_out = LeftOut.OTHER_REASON
    elif is_taken:
        left_out = LeftOut.OTHER_KEY
    bill = requested_bill(row.request or b"[]")
    known, changed = _windows(row, past)
    on_the_dates = [w for w in known if w.covers(bill.service_end)] or known
    return _event(
        row,
        past,
        bill,
        known,
        left_out=left_out,
        changed_windows=changed,
        subdistrict=on_the_dates[0].subdistrict if on_the_dates else "",
        facility_level=row.facility_level,
        settled_on=shanghai_day(row.settled_at),
    )


def _windows(
    row: PastSettlement, past: PersonPast
) -> tuple[list[Window], list[Window]]:
    """Those that stood so when it was settled, and those changed since."""
    known: list[Window] = []
    changed: list[Window] = []
    for each in past.windows:
        is_known = each.version <= row.roster_version
        (known if is_known else changed).append(each.window)
    return known, changed


def _event(
    row: PastSettlement,
    past: PersonPast,
    bill: Bill | None,
    windows: Sequence[Window],
    **known: Any,
) -> Event:
    index = row.log_index
    return Event(
        id=row.id,
        month=row.month,
        log_index=index,
        in_force=row.state == b"s",
        aid_fen=row.aid_fen,
        reason=row.reason,
        category=row.category,
        care_type=row.care_type,
        postings=() if index is None else past.postings.get(index, ()),
        bill=bill,
        windows=windows,
        **known,
    )


def requested_bill(request: bytes) -> Bill:
    """The bill of a stored request, without card and diagnoses.

    Those it holds as digests only, and no rule looks at them.
    """
    values = dict(zip(BILL_FIELDS, orjson.loads(request), strict=False))
    plain = {name: values.get(name) for name in BILL_FIELDS}
    for name, absent in _ABSENT.items():
        if plain[name] is None:
            plain[name] = absent
    plain |= {"card": {"kind": _NOBODY.kind, "number": _NOBODY.number}}
    return sealed_bill(plain | {"diagnoses": ()})


def _sealed_window(content: dict[str, Any]) -> Window | None:
    window = content["window"]
    if window is None or content["category"] is None:
        return None
    until = window["valid_to"]
    return Window(
        content["category"],
        date.fromisoformat(window["valid_from"]),
        None if until is None else date.fromisoformat(until),
        window["subdistrict"],
    )


def _settled_on(content: dict[str, Any]) -> date:
    return shanghai_day(datetime.fromisoformat(content["settled_at"]))
