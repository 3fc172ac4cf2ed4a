"""`medaid alerts assign`, `confirm`, `dismiss`, `muted` and `unmute`."""

from __future__ import annotations

from datetime import date

import pytest

from settlement.service.watch.shelf import read_rules_shelf
from tests.alerts_cli.office import Office
from tests.roster.bureau import id_number

AID = 3_720 * 2


async def _case_of(office: Office, card: str = "C1", **changes: object) -> str:
    await office.repeat(card, **changes)  # type: ignore[arg-type]  # a day, or a hospital
    await office.look()
    return await office.the_case()


async def test_a_case_from_new_to_confirmed(office: Office) -> None:
    """Each step is a line of the history, with who and why."""
    settled = await office.repeat("C1")
    await office.look()
    case = await office.the_case()

    await office.run("assign", case, "--to", "li", "--by", "zhao")
    (shown,) = await office.ask("cases", "--state", "assigned")
    assert (shown["assignee"], shown["state"]) == ("li", "assigned")
    done = await office.run(
        *("confirm", case[:8], "--recover", settled[1], "--note", "twice"),
        *("--by", "li"),
    )

    assert settled[1] in done.stdout
    assert settled[0] not in done.stdout
    opened = await office.ask("show", case)
    assert opened["state"] == "confirmed"
    assert [(e["who"], e["action"]) for e in opened["history"]] == [
        ("medaid", "opened"),
        ("zhao", "assigned"),
        ("li", "confirmed"),
        ("li", "recovery ordered"),
    ]
    assert opened["history"][2]["note"] == "twice"
    ordered = {
        each["settlement_id"]: each["recovery_ordered_at"] is not None
        for each in opened["claims"]
    }
    assert ordered == {settled[0]: False, settled[1]: True}
    assert await office.ask("cases") == []


async def test_all_asks_back_what_stands(office: Office) -> None:
    """A claim that was reversed has nothing to give back."""
    settled = await office.repeat("C1", times=3)
    await office.look()
    case = await office.the_case()
    await office.house.reverse(settlement_id=settled[2], reason="refund")

    done = await office.run("confirm", case, "--recover", "all", "--note", "x")

    ordered = await office.rows("SELECT encode(settlement_id, 'hex') FROM aid_recovery")
    assert {each for (each,) in ordered} == set(settled[:2])
    assert settled[2] not in done.stdout


@pytest.mark.parametrize("wrong", ["0" * 32, "", "reversed", "twice"])
async def test_what_cannot_be_asked_back_confirms_nothing(
    office: Office, wrong: str
) -> None:
    """A settlement of another case, none, one without aid in force, a vague id."""
    settled = await office.repeat("C1", times=3)
    await office.look()
    case = await office.the_case()
    await office.house.reverse(settlement_id=settled[2], reason="refund")
    others = {"reversed": settled[2], "twice": settled[0][:4]}

    told = await office.refused(
        "confirm", case, "--recover", others.get(wrong, wrong), "--note", "x"
    )

    assert "--recover" in told
    assert (await office.ask("show", case))["state"] == "new"
    assert await office.rows("SELECT 1 FROM aid_recovery") == []


async def test_a_closed_case_changes_no_more(office: Office) -> None:
    """One sentence with the code, and nothing written."""
    case = await _case_of(office)
    await office.run("confirm", case, "--note", "x")
    before = await office.counts()

    for arguments in (
        ("confirm", case, "--note", "x"),
        ("dismiss", case, "--note", "x"),
        ("assign", case, "--to", "li"),
    ):
        assert "MA-4109" in await office.refused(*arguments)
    assert await office.counts() == before


@pytest.mark.parametrize(
    ("note", "code"),
    [("  ", "MA-4214"), ("x" * 501, "MA-4214"), (f"of {id_number(7)}", "MA-4210")],
    ids=["empty", "long", "names"],
)
async def test_notes_say_something_and_name_nobody(
    office: Office, note: str, code: str
) -> None:
    """Refused before anything is written, and the number is not repeated."""
    case = await _case_of(office)

    for verb in ("confirm", "dismiss"):
        told = await office.refused(verb, case, "--note", note)
        assert code in told
        assert id_number(7) not in told
    assert (await office.ask("show", case))["state"] == "new"


async def test_dismissed_twice_is_silent_and_says_so(office: Office) -> None:
    """The first time it says what the next one will do; then the pair is listed."""
    case = await _case_of(office)
    first = await office.run("dismiss", case, "--note", "honest", "--by", "li")
    assert "再驳回 1 次即静默" in first.stdout
    assert await office.ask("muted") == []

    again = await _case_of(office, day=date(2026, 3, 9))
    second = await office.run("dismiss", again, "--note", "honest", "--by", "li")

    assert "exact-repeat was dismissed 2 times and is silent" in second.stdout
    told = (await office.ask("show", again))["history"]
    silent = {e["note"] for e in told if e["action"] == "muted"}
    assert "exact-repeat" in silent
    first_case = await office.ask("show", case)
    told = first_case["history"]
    assert [e["action"] for e in told] == ["opened", "dismissed"]
    assert first_case["closed_at"] == told[-1]["at"]
    muted = {each["detector"]: each for each in await office.ask("muted")}
    pair = muted["exact-repeat"]
    assert (pair["dismissals"], pair["alerts_since"]) == (2, 0)
    (alert,) = await office.ask("list", "--case", again, "--detector", "exact-repeat")
    assert pair["person_token"] == alert["person_token"]
    await office.repeat("C1", date(2026, 5, 9))
    await office.look()
    assert await office.ask("cases") == []
    muted = {each["detector"]: each for each in await office.ask("muted")}
    assert muted["exact-repeat"]["alerts_since"] == 1
    table = (await office.run("muted")).stdout
    assert pair["mute_id"][:8] in table


async def test_what_was_withdrawn_before_is_not_dismissed(office: Office) -> None:
    """Nobody has judged it: the hospital had reversed the claim by then."""
    settled = await office.repeat("C1")
    await office.look()
    case = await office.the_case()
    await office.house.reverse(settlement_id=settled[1], reason="refund")
    await office.look()

    await office.run("dismiss", case, "--note", "reversed")

    assert await office.rows("SELECT detector FROM alert_mute") == []


async def test_unmuted_speaks_again_and_the_history_tells(office: Office) -> None:
    """The desk's rules too: what running gateways follow is another state."""
    first = await _case_of(office)
    await office.run("dismiss", first, "--note", "honest")
    case = await _case_of(office, day=date(2026, 3, 9))
    await office.run("dismiss", case, "--note", "honest")
    pairs = await office.ask("muted")
    (pair,) = [each for each in pairs if each["detector"] == "exact-repeat"]

    done = await office.run("unmute", pair["mute_id"][:8], "--by", "zhao")

    assert "speaks again" in done.stdout
    assert pair["mute_id"] not in {e["mute_id"] for e in await office.ask("muted")}
    history = (await office.ask("show", case))["history"]
    assert (history[-1]["who"], history[-1]["action"]) == ("zhao", "unmuted")
    assert history[-1]["note"] == "exact-repeat"
    await office.repeat("C1", date(2026, 5, 9))
    await office.look()
    (found,) = await office.ask("list", "--detector", "exact-repeat", "--state", "new")
    assert found["state"] == "raised"
    desk = await read_rules_shelf(office.database)
    assert len(desk._muted) == len(pairs) - 1
    for wrong in (pair["mute_id"], "0" * 8, "ab"):
        assert "medaid alerts muted" in await office.refused("unmute", wrong)
