"""One transaction on its way: what every handler of `transactions/` is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.limits import CallClass

if TYPE_CHECKING:
    from datetime import date

    from aiohttp import web

    from gateway.edge import Edge
    from gateway.his.admission import Admitted, Door, HisClient
    from gateway.his.answers import Reply
    from gateway.his.envelope import Envelope
    from gateway.his.file_shelf import FileShelf
    from gateway.wiring import Gateway
    from settlement.service.ports import Caller, When


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks what, and when."""

    edge: Edge
    door: Door
    files: FileShelf
    request: web.BaseRequest
    envelope: Envelope
    admitted: Admitted
    when: When
    today: date
    """The Shanghai day of the instant of settling."""

    @property
    def gateway(self) -> Gateway:
        """The use cases."""
        return self.edge.gateway

    @property
    def caller(self) -> Caller:
        """The hospital and its operator."""
        return self.admitted.admission.caller

    @property
    def client(self) -> HisClient:
        """How the hospital speaks."""
        return self.admitted.client


@dataclass(frozen=True, slots=True)
class Transaction:
    """A numbered transaction: its name, whose limit it takes from, who answers it."""

    infno: str
    name: str
    call_class: CallClass
    answer: Callable[[Asked], Awaitable[Reply]]
