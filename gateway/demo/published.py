"""What the pilot published about its first three months: the figures to come out at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MonthFigures:
    """One month of service, net of reversals."""

    month: str
    """`YYYY-MM`."""
    citizens: int
    """Distinct persons with an aided visit."""
    visits: int
    """Visits with aid above 0."""
    aid_fen: int


PUBLISHED = (
    MonthFigures("2014-06", citizens=359, visits=922, aid_fen=5_527_978),
    MonthFigures("2014-07", citizens=610, visits=1_712, aid_fen=12_277_947),
    MonthFigures("2014-08", citizens=857, visits=2_648, aid_fen=18_296_496),
)
