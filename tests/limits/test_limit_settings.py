"""Limits as settings: names, sources, defaults, and where they come from."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from multidict import CIMultiDict

from gateway.calls import CALLS, HIS_CALLS, METRICS_CALL
from gateway.config import ServeSettings, SettingsFault, read_settings
from gateway.limit_settings import DEFAULTS, Allowed, LimitSettings, PartyLimits
from gateway.limits import CLASS_OF, PARTY_CLASSES, CallClass, Limits, Turn
from gateway.listening import connection_limits
from gateway.peer import address_of, network_of
from settlement.domain.errors import RequestRefused
from settlement.service.ports import Caller
from tests.support.sources import PROJECT


def caller(code: str, party_id: int = 1) -> Caller:
    """Somebody who was recognised."""
    return Caller(
        party_id=party_id,
        party_code=code,
        role="facility",
        operator="win-01",
        key_id="k",
        facility_level=1,
        subdistrict="110101001",
    )


def at_once(limits: Limits, code: str, call_class: CallClass, tries: int) -> int:
    """How many of so many calls are let in while none of them ends."""
    let_in = 0
    for _ in range(tries):
        try:
            limits.admit(Turn(call_class), caller(code, hash(code)))
        except RequestRefused:
            break
        let_in += 1
    return let_in


def test_every_call_is_of_a_class() -> None:
    """A call that is added later cannot be forgotten here."""
    assert set(CLASS_OF) == {call.name for call in (*CALLS, *HIS_CALLS, METRICS_CALL)}


def test_every_default_is_a_setting_and_is_documented() -> None:
    """The table of the operator's page names every limit with its default."""
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+)", page, flags=re.MULTILINE))
    given = {
        name: DEFAULTS.get(name, field.default)
        for name, field in LimitSettings.model_fields.items()
        if name != "parties"
    }
    settings = ServeSettings()
    given |= {
        name: getattr(settings, name)
        for name in ("max_body_bytes", "roster_stale_after_s", "roster_unconfirmed_s")
    }

    assert {name: int(text.replace(",", "")) for name, text in rows.items()} == given
    assert set(DEFAULTS) < set(LimitSettings.model_fields)


async def test_file_and_environment_set_limits(tmp_path: Path) -> None:
    """Everybody's, and one party's own; the rest keeps its default."""
    config = tmp_path / "gateway.toml"
    config.write_text(
        "money_at_once = 3\n[parties.H001]\nmoney_at_once = 7\n", encoding="utf-8"
    )
    settings = read_settings({}, {"MEDAID_LOOKUP_AT_ONCE": "2"}, config)
    limits = Allowed(settings, sandbox=False).limits()

    assert at_once(limits, "H002", CallClass.MONEY, 100) == 3
    assert at_once(limits, "H001", CallClass.MONEY, 100) == 7
    assert at_once(limits, "H001", CallClass.LOOKUP, 100) == 2
    assert at_once(limits, "H001", CallClass.DESK, 1_000) == 500


async def test_settings_survive_the_way_to_a_worker() -> None:
    """Workers get them as JSON; what nobody set stays unset."""
    settings = ServeSettings(money_burst=9, parties={"H1": PartyLimits(desk_burst=4)})

    assert ServeSettings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize("sandbox", [True, False])
async def test_sandbox_has_no_rates_but_the_same_places(sandbox: bool) -> None:
    """Demo and replay ask as one party what a city asks; set ones hold there too."""
    limits = Allowed(ServeSettings(desk_per_s=1), sandbox=sandbox).limits()
    somebody = caller("H1")
    refused = 0
    for _ in range(2_000):
        turn = Turn(CallClass.MONEY)
        try:
            limits.admit(turn, somebody)
        except RequestRefused:
            refused += 1
        turn.leave()

    assert (refused == 0) == sandbox
    assert at_once(limits, "H2", CallClass.MONEY, 1_000) == 500
    assert at_once(limits, "H3", CallClass.LOOKUP, 1_000) == 64


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        ({"MEDAID_MONEY_PER_S": "-1"}, "'money_per_s'"),
        ({"MEDAID_MONEY_AT_ONCE": "0"}, "'money_at_once'"),
        ({"MEDAID_HEAD_S": "soon"}, "'head_s'"),
        ({"MEDAID_CONNECTIONS": "3"}, "'connections'"),
    ],
)
def test_impossible_limit_is_one_sentence(
    environment: dict[str, str], part: str
) -> None:
    """As every other setting."""
    with pytest.raises(SettingsFault, match=part):
        read_settings({}, environment, None)


def test_unknown_limit_of_a_party_is_one_sentence(tmp_path: Path) -> None:
    """A slip of the pen does not leave a party unlimited."""
    config = tmp_path / "gateway.toml"
    config.write_text("[parties.H001]\nmoney_per_second = 7\n", encoding="utf-8")

    with pytest.raises(SettingsFault, match=r"parties\.H001\.money_per_second"):
        read_settings({}, {}, config)


def test_behind_a_proxy_its_address_is_nobodys() -> None:
    """All connections are the proxy's: only the listener's bound holds."""
    direct = connection_limits(ServeSettings())
    proxied = connection_limits(ServeSettings(behind_proxy=True))

    assert direct.per_address == direct.connections // 2 == 2_048
    assert proxied.per_address == proxied.connections


@dataclass
class Request:
    """What the address is found from."""

    headers: Any
    remote: str | None


@pytest.mark.parametrize(
    ("forwarded", "behind_proxy", "address"),
    [
        ((), True, "198.51.100.9"),
        (("203.0.113.7",), False, "198.51.100.9"),
        (("203.0.113.7",), True, "203.0.113.7"),
        (("192.0.2.66, 203.0.113.7",), True, "203.0.113.7"),
        (("203.0.113.7", "192.0.2.66"), True, "192.0.2.66"),
        (("203.0.113.7, nonsense",), True, "198.51.100.9"),
        (("2001:db8:1:2:3:4:5:6",), True, "20010db800010002::"),
    ],
)
def test_only_the_proxys_own_hop_is_believed(
    forwarded: tuple[str, ...], behind_proxy: bool, address: str
) -> None:
    """Whatever a caller writes there stands before it."""
    headers = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    request = cast("web.BaseRequest", Request(headers, "198.51.100.9"))

    assert address_of(request, behind_proxy=behind_proxy) == address


def test_addresses_of_one_network_are_one() -> None:
    """A customer's IPv6 network has more addresses than any table."""
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("<script>") == ""


def test_party_classes_have_all_three_settings() -> None:
    """Rate, burst and places for each."""
    names = {
        f"{each.value}_{what}"
        for each in PARTY_CLASSES
        for what in ("per_s", "burst", "at_once")
    }

    assert names == set(PartyLimits.model_fields)
