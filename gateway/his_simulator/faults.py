"""What goes wrong, and where: the same for the same seed, whoever asks first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """A switch; docs/his/simulator.md says what a sound HIS does about each."""

    ANSWER_LOST = "answer-lost"
    """The gateway has done it, and nobody hears of it."""
    REQUEST_LOST = "request-lost"
    """The gateway never hears of it."""
    SLOW = "slow"
    """The answer comes late, or later than anybody waits."""
    DOUBLED = "doubled"
    """The same bytes twice at once."""
    OUT_OF_ORDER = "out-of-order"
    """A 2601 overtakes the 2207 that it undoes."""
    CLOCK_SKEW = "clock-skew"
    """The hospital's clock is wrong: a little, or by a quarter of an hour."""
    INFCODE_TYPE = "infcode-type"
    """`infcode` changes between number and string."""
    WRONG_ENCODING = "wrong-encoding"
    """The body is GBK: declared so, or not declared at all."""
    MSGID_REPEATED = "msgid-repeated"
    """The msgid of an earlier charge is used for another one."""
    MSGID_CHANGED = "msgid-changed"
    """The log holds another msgid than was sent, and the answer is lost."""
    OUTPUT_TEXT = "output-text"
    """`output` is a string that holds JSON."""


#: What the line does; the rest is done by the HIS itself.
OF_THE_LINE = frozenset({
    Fault.ANSWER_LOST, Fault.REQUEST_LOST, Fault.SLOW, Fault.DOUBLED,
    Fault.OUT_OF_ORDER, Fault.INFCODE_TYPE, Fault.WRONG_ENCODING, Fault.MSGID_CHANGED,
    Fault.OUTPUT_TEXT,
})  # fmt: skip
_ONLY_SETTLING = frozenset({
    Fault.OUT_OF_ORDER, Fault.MSGID_REPEATED, Fault.MSGID_CHANGED,
})  # fmt: skip
#: Where a fault strikes that may strike anywhere: settling most often.
_STRUCK = ("2207", "2207", "2207", "2207", "2208", "2208", "2206")
#: Of a hundred visits so many meet a fault.
_STRUCK_OF_100 = 65
#: Of 2207: past both repetitions and two tries of the 2601.
_MOST_LOST = {"2207": 7, "2208": 3, "2206": 2}


@dataclass(frozen=True, slots=True)
class Strike:
    """The one fault that a visit meets."""

    fault: Fault
    infno: str
    """The transaction that it strikes first."""
    times: int
    """Messages in a row that are lost, where the fault is a loss."""
    variant: int
    """0 or 1: the milder and the worse form of the fault."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Which visit meets which fault: a function of the seed and the visit alone.

    HIS, line and report ask the same question, so that none has to tell the other.
    """

    seed: int
    faults: tuple[Fault, ...]

    def strike(self, fixmedins_code: str, mdtrt_id: str) -> Strike | None:
        """The fault of the visit; `None` for fair weather."""
        if not self.faults:
            return None
        draw = drawing(self.seed, "weather", fixmedins_code, mdtrt_id)
        if draw.randrange(100) >= _STRUCK_OF_100:
            return None
        fault = draw.choice(self.faults)
        infno = "2207" if fault in _ONLY_SETTLING else draw.choice(_STRUCK)
        times = draw.randint(1, _MOST_LOST[infno])
        return Strike(fault, infno, times, draw.randrange(2))


def weather(seed: int, faults: Iterable[Fault]) -> Weather:
    """Faults in the order of their list, whatever the order they were named in."""
    wanted = set(faults)
    return Weather(seed, tuple(fault for fault in Fault if fault in wanted))


def drawing(seed: int, *about: object) -> Random:
    """Draws that hang on the seed and on what they are about, and on nothing else."""
    text = "|".join(map(str, (seed, *about)))
    digest = hashlib.sha256(text.encode()).digest()
    # The day must repeat; nothing here is a secret.
    return Random(int.from_bytes(digest[:16]))  # noqa: S311
