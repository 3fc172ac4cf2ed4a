"""Alert rules, their pages, the board: what they name exists, and they work."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.sources import PROJECT

DEPLOY = PROJECT / "deploy"
RULES = DEPLOY / "prometheus" / "medaid.rules.yml"
_METRIC = re.compile(r"\bmedaid_\w+")
_SERIES = re.compile(r"_(?:bucket|count|sum)$")
_SECTIONS = (
    "这意味着什么", "怎样看", "现在做什么", "绝不要做", "怎样算结束",
    "What it means for patients", "How to see it", "What to do now",
    "What never to do", "How to know it is over",
)  # fmt: skip


@pytest.fixture(scope="module")
def promtool() -> str:
    """Find promtool; its absence is an error only where CI=true."""
    program = shutil.which("promtool")
    if program is None and os.environ.get("CI") == "true":
        pytest.fail("no promtool, and CI=true demands the tests of the alert rules")
    if program is None:
        pytest.skip("no promtool: it is in Debian's package prometheus")
    return program


def _passes(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _board() -> dict[str, Any]:
    text = (DEPLOY / "grafana" / "medaid.json").read_text(encoding="utf-8")
    board: dict[str, Any] = json.loads(text)
    return board


def _exprs() -> list[str]:
    return [
        target["expr"]
        for panel in _board()["panels"]
        for target in panel.get("targets", [])
    ]


def _documented() -> set[str]:
    text = (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(medaid_\w+)` \|", text, re.MULTILINE))


def _metrics_in(text: str) -> set[str]:
    known = _documented()
    found = set(_METRIC.findall(text))
    # A histogram's series are named after it.
    return {n if n in known else _SERIES.sub("", n) for n in found}


def test_rules_are_sound(promtool: str) -> None:
    """PromQL parses, templates too."""
    _passes(promtool, "check", "rules", str(RULES))


def test_each_alert_fires_in_time_and_none_on_a_gateway_that_is_well(
    promtool: str,
) -> None:
    """The rules' own tests."""
    _passes(
        promtool, "test", "rules", "medaid.rules.test.yml", cwd=DEPLOY / "prometheus"
    )


def test_scrape_configuration_is_sound(promtool: str) -> None:
    """Prometheus would start with it."""
    _passes(promtool, "check", "config", str(DEPLOY / "prometheus" / "scrape.yml"))


def test_each_alert_has_a_test_that_sees_it_fire_and_not_fire() -> None:
    """No alert is trusted that was never seen to fire."""
    text = (DEPLOY / "prometheus" / "medaid.rules.test.yml").read_text(encoding="utf-8")
    tests = yaml.safe_load(text)["tests"]
    seen: dict[str, set[bool]] = {}
    for test in tests:
        for case in test["promql_expr_test"]:
            for name in re.findall(r'alertname="(\w+)"', case["expr"]):
                seen.setdefault(name, set()).add(bool(case["exp_samples"]))

    assert seen == {alert["alert"]: {True, False} for alert in _alerts()}


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    """The page lies where the alert says, with every section in both languages."""
    pages = {f"deploy/runbooks/{path.name}" for path in (DEPLOY / "runbooks").iterdir()}

    assert {alert["annotations"]["runbook"] for alert in _alerts()} == pages
    assert all(
        alert["annotations"]["runbook"] == f"deploy/runbooks/{alert['alert']}.md"
        for alert in _alerts()
    )
    for page in pages:
        text = (PROJECT / page).read_text(encoding="utf-8")
        places = [text.find(f"**{section}**") for section in _SECTIONS]
        assert -1 not in places, page
        assert places == sorted(places), page


def test_each_alert_says_in_both_languages_what_is_wrong() -> None:
    """Chinese first; somebody is paged, or it waits for the morning."""
    for alert in _alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}
        for name in ("summary", "description"):
            text = re.sub(r"\{\{.*?\}\}", "", alert["annotations"][name])
            assert re.search(r"[一-鿿]", text[:30]), text
            # After the last Chinese character an English sentence.
            assert re.search(r"[a-z]+ [a-z]+[^一-鿿]*$", text), text


def test_pages_name_metrics_events_and_codes_that_exist() -> None:
    """A page that sends somebody after a name that is none is worse than no page."""
    events = set(
        re.findall(
            r"^\| `([a-z._]+)` \|",
            (PROJECT / "docs" / "log-events.md").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    reasons = (PROJECT / "docs" / "integration.md").read_text(encoding="utf-8")
    for path in (DEPLOY / "runbooks").iterdir():
        text = path.read_text(encoding="utf-8")
        assert _metrics_in(text) <= _documented(), path.name
        named = re.findall(r"\.event == \"([a-z._]+)\"", text)
        assert set(named) <= events, path.name
        for code in re.findall(r"MA-\d{4}", text):
            assert code in reasons, f"{path.name}: {code}"
        for other in re.findall(r"\bMedaid[A-Z]\w+", text):
            assert (DEPLOY / "runbooks" / f"{other}.md").is_file(), path.name


def test_rules_and_board_ask_for_metrics_that_exist() -> None:
    """By the table, which another test holds against the gateway itself."""
    assert _metrics_in(RULES.read_text(encoding="utf-8")) <= _documented()
    assert _metrics_in(" ".join(_exprs())) <= _documented()


def test_board_shows_every_metric() -> None:
    """What is measured can be seen."""
    assert _documented() - _metrics_in(" ".join(_exprs())) == set()


def test_board_is_one_that_grafana_can_import() -> None:
    """No plugin from outside, the data source a variable, nothing overlaps."""
    board = _board()
    panels = board["panels"]
    boxes = [panel["gridPos"] for panel in panels]

    assert {panel["type"] for panel in panels} <= {"row", "stat", "timeseries", "table"}
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert board["schemaVersion"] >= 36
    assert "__inputs" not in board
    assert [v["name"] for v in board["templating"]["list"]] == [
        "datasource", "instance",
    ]  # fmt: skip
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert re.search(r"[一-鿿].* / [A-Z/]", panel["title"]), panel["title"]
    for n, a in enumerate(boxes):
        assert a["x"] + a["w"] <= 24
        for b in boxes[n + 1 :]:
            apart = (
                a["x"] + a["w"] <= b["x"]
                or b["x"] + b["w"] <= a["x"]
                or a["y"] + a["h"] <= b["y"]
                or b["y"] + b["h"] <= a["y"]
            )
            assert apart, (a, b)


def test_board_asks_in_sound_promql(promtool: str, tmp_path: Path) -> None:
    """Every expression parses, with Grafana's variables filled in."""
    rules = [
        {
            "record": f"board:{number}",
            "expr": expr.replace("$__rate_interval", "1m").replace("$instance", ".*"),
        }
        for number, expr in enumerate(_exprs())
    ]
    path = tmp_path / "board.rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))

    _passes(promtool, "check", "rules", str(path))
