"""What callers who have not shown yet who they are may cost.

Guessing a token of 32 bytes or a signature is hopeless; asking the database about
each guess is not free. So an attempt takes a token of the address's bucket first
and gets it back when it was a good one. There is no limit for failures of a key:
key ids are no secret, and a stranger could lock a hospital out with its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gateway.limits import NO_RATE, Buckets, Rate
from gateway.peer import address_of, caller_address
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from aiohttp import web

#: What shows that a caller is not who they say; all else is no failure of theirs.
_NOT_WHO_THEY_SAY = frozenset({"MA-3101", "MA-3102", "MA-3103"})


class Attempts:
    """Counts unsuccessful attempts by address, and sessions opened by key."""

    def __init__(
        self,
        *,
        failed: Rate,
        sessions: Rate,
        clock: Callable[[], int],
        behind_proxy: bool = False,
    ) -> None:
        """`clock` gives nanoseconds and never goes back."""
        self.failed = Buckets(failed)
        self.sessions = Buckets(sessions)
        self._clock = clock
        self._behind_proxy = behind_proxy

    @contextlib.contextmanager
    def by(self, request: web.BaseRequest) -> Iterator[None]:
        """Let the block find out who calls; raises MA-3105 after too many failures."""
        address = address_of(request, behind_proxy=self._behind_proxy)
        self.failed.take(address, self._clock())
        try:
            yield
        except RequestRefused as refused:
            if refused.reason not in _NOT_WHO_THEY_SAY:
                self.failed.give_back(address)
            raise
        except BaseException:
            self.failed.give_back(address)
            raise
        self.failed.give_back(address)

    def failed_by(self, request: web.BaseRequest) -> None:
        """Count a failure that cost nothing to find; raises MA-3105 after too many.

        Who signs well is never held up by others at the same address.
        """
        address = address_of(request, behind_proxy=self._behind_proxy)
        self.failed.take(address, self._clock())

    def caller_address(self, request: web.BaseRequest) -> str:
        """Where a request comes from, as far as that can be believed."""
        return caller_address(request, behind_proxy=self._behind_proxy)

    def opens_session(self, key_id: str) -> None:
        """A key has signed well and wants a session; raises MA-3105."""
        self.sessions.take(key_id, self._clock())


def any_number() -> Attempts:
    """No limit."""
    return Attempts(failed=NO_RATE, sessions=NO_RATE, clock=lambda: 0)
