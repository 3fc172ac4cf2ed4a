"""The bad line does to each message what its switch says, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.his_simulator.bad_line import BadLine
from gateway.his_simulator.clients import Client
from gateway.his_simulator.faults import Fault, Strike, Weather, weather
from gateway.his_simulator.line import Line, OutcomeUnknown
from gateway.his_simulator.messages import Window, request_body
from gateway.his_simulator.run import listening
from settlement.domain.calendar import SHANGHAI

CODE = "H99010000001"
AT = datetime(2026, 1, 5, 10, 14, 9, tzinfo=SHANGHAI)
WINDOW = Window(CODE, "示范社区卫生服务中心", "win-01")


@dataclass
class Gateway:
    """Notes what comes, and answers done."""

    came: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def server(self) -> web.Server:
        return web.Server(self._handle, access_log=None)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.bodies.append(body)
        self.kinds.append(request.headers["Content-Type"])
        self.headers.append(dict(request.headers))
        try:
            self.came.append(json.loads(body))
        except ValueError:
            self.came.append(json.loads(body.decode("gb18030")))
        answer = {
            "infcode": 0,
            "err_msg": "",
            "respond_time": f"{len(self.bodies)}",
            "output": {"path": request.path, "amount": 12.30},
        }
        return web.json_response(answer)

    @property
    def numbers(self) -> list[str]:
        return [message["infno"] for message in self.came]


@dataclass
class Hospital:
    """One window at the line."""

    line: Line
    raw_answers: list[bytes] = field(default_factory=list)

    async def send(self, infno: str, msgid: str = "M1", **data: str) -> Any:
        given = {"data": {"psn_no": "1", "mdtrt_id": "V1"} | data}
        body = request_body(WINDOW, infno, msgid, AT, given)
        return await self.line.send(infno, body)


@dataclass(frozen=True)
class Sure(Weather):
    """Every visit meets the one strike."""

    sure: Strike

    def strike(self, fixmedins_code: str, mdtrt_id: str) -> Strike | None:
        assert fixmedins_code == CODE
        return self.sure if mdtrt_id == "V1" else None


Open = Callable[..., Any]


@pytest.fixture
async def gateway() -> Gateway:
    """Behind the line."""
    return Gateway()


@pytest.fixture
async def opened(gateway: Gateway) -> AsyncIterator[Open]:
    """Opens a line with one sure fault, and a hospital at it."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        url = await stack.enter_async_context(listening(gateway.server()))

        async def open_line(
            fault: Fault, variant: int = 0, times: int = 1, infno: str = "2207"
        ) -> tuple[Hospital, BadLine]:
            sure = Strike(fault, infno, times, variant)
            bad = BadLine(Sure(0, (fault,), sure), url, http, patience_s=0.2)
            own = await stack.enter_async_context(listening(bad.server()))
            line = Line(
                http, own, "/his/{infno}", Client(CODE, "", "a", "b"),
                lambda: 1_700_000_000, lambda: "n", 0.2, {"Medaid-Sandbox-Time": "t"},
            )  # fmt: skip
            return Hospital(line), bad

        yield open_line


async def test_lost_answer_was_done(gateway: Gateway, opened: Open) -> None:
    """The gateway has it, the HIS hears nothing; so many times in a row."""
    hospital, bad = await opened(Fault.ANSWER_LOST, times=2)
    with pytest.raises(OutcomeUnknown):
        await hospital.send("2207")
    with pytest.raises(OutcomeUnknown):
        await hospital.send("5203")
    assert (await hospital.send("2207")).is_done
    assert gateway.numbers == ["2207", "5203", "2207"]
    assert bad.struck[Fault.ANSWER_LOST] == 2


async def test_lost_request_never_came(gateway: Gateway, opened: Open) -> None:
    """The gateway hears nothing."""
    hospital, _ = await opened(Fault.REQUEST_LOST)
    with pytest.raises(OutcomeUnknown):
        await hospital.send("2207")
    assert gateway.numbers == []
    assert (await hospital.send("2207")).is_done


async def test_loss_strikes_its_transaction_only(
    gateway: Gateway, opened: Open
) -> None:
    """A fault of 2208 leaves 2207 alone, and other visits always."""
    hospital, _ = await opened(Fault.REQUEST_LOST, infno="2208")
    assert (await hospital.send("2207")).is_done
    assert (await hospital.send("2208", mdtrt_id="V2")).is_done
    with pytest.raises(OutcomeUnknown):
        await hospital.send("2208")
    assert gateway.numbers == ["2207", "2208"]


async def test_slow_answer_comes_or_comes_too_late(
    gateway: Gateway, opened: Open
) -> None:
    """Mild: late, yet in time. Worse: later than the HIS waits, and done."""
    mild, _ = await opened(Fault.SLOW, 0)
    assert (await mild.send("2207")).is_done
    worse, _ = await opened(Fault.SLOW, 1)
    with pytest.raises(OutcomeUnknown):
        await worse.send("2207")
    assert gateway.numbers == ["2207", "2207"]


@pytest.mark.parametrize("variant", [0, 1])
async def test_doubled_is_the_same_bytes_twice(
    gateway: Gateway, opened: Open, variant: int
) -> None:
    """Body and headers alike; the HIS gets one answer, the first or the last."""
    hospital, _ = await opened(Fault.DOUBLED, variant)
    answer = await hospital.send("2207")
    assert answer.answered_at == ("1", "2")[variant]
    assert gateway.bodies[0] == gateway.bodies[1]
    assert len(gateway.bodies) == 2
    signed = [
        {name: value for name, value in headers.items() if name.startswith("x-")}
        for headers in gateway.headers
    ]
    assert signed[0] == signed[1]
    assert len(signed[0]) == 4


@pytest.mark.parametrize("variant", [0, 1])
async def test_reversal_overtakes_its_original(
    gateway: Gateway, opened: Open, variant: int
) -> None:
    """The 2207 is held, its repetition lost, and both come after the 2601."""
    hospital, bad = await opened(Fault.OUT_OF_ORDER, variant)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await hospital.send("2207", "M1")
    assert (await hospital.send("2601", "M2", mdtrt_id="", omsgid="M1")).is_done
    await bad.settle_down()
    assert gateway.numbers == ["2601", "2207"]
    assert bad.late == [("V1", "")]
    assert (await hospital.send("2207", "M3")).is_done


@pytest.mark.parametrize("fault", [Fault.INFCODE_TYPE, Fault.OUTPUT_TEXT])
async def test_habits_of_answers_are_read_alike(opened: Open, fault: Fault) -> None:
    """`infcode` as string, `output` as text: the HIS reads the same of either."""
    hospital, bad = await opened(fault)
    answer = await hospital.send("2207")
    assert answer.is_done
    assert answer.output["amount"].text == "12.3"
    assert bad.struck[fault] == 1


async def test_rewritten_answer_says_what_it_is_to_say(opened: Open) -> None:
    """Seen on the wire: the number is a string, the object is a text."""
    texts = {}
    for fault in (Fault.INFCODE_TYPE, Fault.OUTPUT_TEXT):
        hospital, _ = await opened(fault)
        given = {"data": {"mdtrt_id": "V1"}}
        body = request_body(WINDOW, "2207", "M1", AT, given)
        url = hospital.line.url + "/his"
        headers = {"Content-Type": "application/json"}
        async with hospital.line.http.post(url, data=body, headers=headers) as came:
            texts[fault] = await came.json()
    assert texts[Fault.INFCODE_TYPE]["infcode"] == "0"
    assert isinstance(texts[Fault.OUTPUT_TEXT]["output"], str)


@pytest.mark.parametrize("variant", [0, 1])
async def test_wrong_encoding_is_gbk(
    gateway: Gateway, opened: Open, variant: int
) -> None:
    """Declared as what it is, or not; once, then the program is right again."""
    hospital, _ = await opened(Fault.WRONG_ENCODING, variant)
    await hospital.send("2207")
    await hospital.send("2207")
    assert "charset=gbk" in gateway.kinds[0] or variant
    assert ("charset" in gateway.kinds[0]) is (variant == 0)
    with pytest.raises(UnicodeDecodeError):
        gateway.bodies[0].decode()
    assert gateway.came[0]["fixmedins_name"] == WINDOW.fixmedins_name
    assert gateway.bodies[1].decode()


async def test_message_of_a_changed_number_is_done_and_unheard(
    gateway: Gateway, opened: Open
) -> None:
    """The first answer is lost; which number it had is the HIS's affair."""
    hospital, _ = await opened(Fault.MSGID_CHANGED)
    with pytest.raises(OutcomeUnknown):
        await hospital.send("2207", "SENT")
    assert (await hospital.send("2207", "LOGGED")).is_done
    assert [message["msgid"] for message in gateway.came] == ["SENT", "LOGGED"]


async def test_what_the_line_cannot_read_is_passed_on(
    gateway: Gateway, opened: Open
) -> None:
    """A proxy that refuses would hide what the gateway says of it."""
    hospital, _ = await opened(Fault.REQUEST_LOST)
    answer = await hospital.line.send("2207", b'{"infno": "2207"}')
    assert answer.output["path"] == "/his/2207"
    assert len(gateway.bodies) == 1


async def test_gateway_that_is_away_is_a_lost_connection(opened: Open) -> None:
    """The HIS must not read the proxy's own words as the gateway's."""
    hospital, bad = await opened(Fault.SLOW)
    bad.target = "http://127.0.0.1:9"
    with pytest.raises(OutcomeUnknown):
        await hospital.send("2206")


def test_weather_is_the_same_for_the_same_seed() -> None:
    """HIS, line and report ask by themselves and must hear the same."""
    one, other = weather(7, Fault), weather(7, reversed(Fault))
    visits = [f"V{number}" for number in range(300)]
    drawn = [one.strike(CODE, visit) for visit in visits]
    assert drawn == [other.strike(CODE, visit) for visit in visits]
    assert drawn != [weather(8, Fault).strike(CODE, visit) for visit in visits]
    assert {strike.fault for strike in drawn if strike} == set(Fault)
    assert weather(7, []).strike(CODE, "V1") is None


@pytest.mark.parametrize("fault", Fault)
def test_each_switch_alone_is_alone(fault: Fault) -> None:
    """Nothing else strikes."""
    drawn = [weather(7, [fault]).strike(CODE, f"V{number}") for number in range(60)]
    assert {strike.fault for strike in drawn if strike} == {fault}


async def test_lines_are_independent(gateway: Gateway, opened: Open) -> None:
    """Messages of many visits at once do not take each other's faults."""
    hospital, bad = await opened(Fault.ANSWER_LOST)
    others = [
        hospital.send("2207", f"O{number}", mdtrt_id=f"W{number}")
        for number in range(20)
    ]
    answers = await asyncio.gather(*others)
    assert all(answer.is_done for answer in answers)
    assert not bad.struck
    assert len(gateway.came) == 20
