"""The roster's rules once more, over plain dictionaries: slow, small, separate."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from settlement.domain.eligibility import RosterPerson, Window
from tests.roster.bureau import TOKENIZER, person_token

Identity = tuple[int, str, date]


@dataclass(frozen=True)
class Line:
    """One line of a file, as the model sees it."""

    person: int
    action: str
    category: str | None
    valid_from: date | None
    valid_to: date | None
    card: str
    household: str
    is_broken: bool
    """Has a sub-district that no roster accepts."""

    @property
    def is_refused(self) -> bool:
        """Whether the line alone shows that it cannot be taken."""
        if self.action == "upsert" and (
            self.category is None or self.valid_from is None
        ):
            return True
        ends_early = (
            self.valid_from is not None
            and self.valid_to is not None
            and self.valid_to < self.valid_from
        )
        return self.is_broken or ends_early

    def names(self, identity: Identity) -> bool:
        """Whether the line is about this window."""
        person, category, valid_from = identity
        return (
            person == self.person
            and self.category in (None, category)
            and self.valid_from in (None, valid_from)
        )


@dataclass
class Held:
    """What the roster says of one window."""

    valid_to: date | None
    household: str

    def is_open(self, identity: Identity, day: date) -> bool:
        """Whether it covers the day or a later one."""
        return self.valid_to is None or self.valid_to >= max(day, identity[2])


@dataclass
class ModelRoster:
    """Windows and cards as they ought to be."""

    windows: dict[Identity, Held] = field(default_factory=dict)
    cards: dict[str, int] = field(default_factory=dict)

    def take(self, kind: str, lines: Sequence[Line], day: date) -> None:
        """Take a file in whose `as_of` falls on the day."""
        good = [line for line in lines if not line.is_refused]
        kept = {line.person for line in lines if line.is_refused}
        kept |= {
            self.cards[line.card]
            for line in lines
            if line.is_refused and line.card in self.cards
        }
        kept |= _contradicting(good) | _sharing_a_card(good)
        known = {identity[0] for identity in self.windows}
        kept |= {
            line.person
            for line in good
            if line.action == "remove"
            and line.person in known
            and not any(line.names(identity) for identity in self.windows)
        }
        while taken := self._taking_cards(kind, good, kept, day):
            kept |= taken
        self.windows = self._after(kind, good, kept, day)
        for line in good:
            if line.action == "upsert" and line.card and line.person not in kept:
                self.cards[line.card] = line.person

    def person(self, number: int) -> RosterPerson | None:
        """Return the person as a look-up should answer."""
        in_order = sorted(
            self.windows.items(), key=lambda item: (item[0][2], item[0][1])
        )
        found = [
            (identity[2], identity[1], held)
            for identity, held in in_order
            if identity[0] == number
            and (held.valid_to is None or held.valid_to >= identity[2])
        ]
        if not found:
            return None
        households = [held.household for _, _, held in found if held.household]
        return RosterPerson(
            person_token(number),
            TOKENIZER.household(households[-1]) if households else b"",
            tuple(
                Window(category, start, held.valid_to, "990100001")
                for start, category, held in found
            ),
        )

    def _after(
        self, kind: str, good: Sequence[Line], kept: set[int], day: date
    ) -> dict[Identity, Held]:
        after = {key: Held(held.valid_to, held.household)
                 for key, held in self.windows.items()}  # fmt: skip
        upserts = {
            (line.person, str(line.category), line.valid_from or day): line
            for line in good
            if line.action == "upsert" and line.person not in kept
        }
        for identity, held in after.items():
            removals = [
                line
                for line in good
                if line.action == "remove" and line.names(identity)
            ]
            is_absent = kind == "full" and identity not in upserts
            if identity[0] in kept or not held.is_open(identity, day):
                continue
            if removals or is_absent:
                named = [line.valid_to for line in removals if line.valid_to]
                end = min([day - timedelta(days=1), *named, held.valid_to or date.max])
                held.valid_to = max(end, identity[2] - timedelta(days=1))
        for identity, line in upserts.items():
            after[identity] = Held(line.valid_to, line.household)
        return after

    def _taking_cards(
        self, kind: str, good: Sequence[Line], kept: set[int], day: date
    ) -> set[int]:
        after = self._after(kind, good, kept, day)
        staying = {key[0] for key, held in after.items() if held.is_open(key, day)}
        return {
            line.person
            for line in good
            if line.action == "upsert"
            and line.person not in kept
            and self.cards.get(line.card, line.person) != line.person
            and self.cards[line.card] in staying
        }


def _contradicting(good: Sequence[Line]) -> set[int]:
    return {
        a.person
        for a in good
        for b in good
        if a.category is not None
        and a.valid_from is not None
        and (a.person, a.category, a.valid_from) == (b.person, b.category, b.valid_from)
        and (a.action, a.valid_to, a.household) != (b.action, b.valid_to, b.household)
    }


def _sharing_a_card(good: Sequence[Line]) -> set[int]:
    upserts = [line for line in good if line.action == "upsert" and line.card]
    return {
        a.person
        for a in upserts
        for b in upserts
        if a.card == b.card and a.person != b.person
    }
