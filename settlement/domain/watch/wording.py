"""A signal as a sentence in two languages, Chinese first."""

from __future__ import annotations

from settlement.domain.decision import Text
from settlement.domain.watch.detectors import DETECTORS
from settlement.domain.watch.signal import Signal


def title_of(detector: str) -> Text:
    """The name of a detector as people read it; `KeyError` for none."""
    return DETECTORS[detector].title


def text_of(signal: Signal) -> Text:
    """What the bureau reads: counts, days and amounts; no names, no tokens."""
    return DETECTORS[signal.detector].sentence(dict(signal.facts))


def desk_text_of(signal: Signal) -> Text:
    """What the cashier reads: shorter, and nothing of other hospitals."""
    return DETECTORS[signal.detector].desk_sentence(dict(signal.facts))
