"""What a limit costs each request: `python -m tests.limits.cost`."""

from timeit import repeat
from typing import cast

import uvloop
from aiohttp import web

from gateway.config import ServeSettings
from gateway.limit_settings import Allowed
from settlement.service.ports import Caller

_TIMES = 200_000
_CALLER = Caller(
    party_id=1,
    party_code="H001",
    role="facility",
    operator="win-01",
    key_id="k",
    facility_level=1,
    subdistrict="110101001",
)
_NO_REQUEST = cast("web.BaseRequest", None)


async def _measure() -> float:
    settings = ServeSettings(money_per_s=1_000_000, money_burst=1_000_000)
    limits = Allowed(settings, sandbox=False).limits()

    def pass_by() -> None:
        turn = limits.turn("settle", _NO_REQUEST)
        limits.admit(turn, _CALLER)
        turn.leave()

    def nothing() -> None:
        pass

    alone = min(repeat(nothing, number=_TIMES, repeat=7))
    return (min(repeat(pass_by, number=_TIMES, repeat=7)) - alone) / _TIMES * 1e6


if __name__ == "__main__":
    print(f"{uvloop.run(_measure()):.2f} microseconds for each request")  # noqa: T201  # what it is for
