"""What an operator sees of a real gateway: two workers, one of them killed."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metric_list import METRICS, SUPERVISOR_METRICS
from tests.acceptance.desk import Desk, bill, new_name
from tests.acceptance.gateway_process import GatewayProcess, wait_for
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres
from tests.support.sources import PROJECT

_WITHIN_S = 30.0
_SETTLEMENTS = 3
#: Known only where the gateway itself terminates TLS.
_WITH_TLS = {"medaid_tls_certificate_expires_timestamp_seconds"}
_METRIC = re.compile(r"^\| `(medaid_\w+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)

Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


@dataclass
class Run:
    """What was done and seen; gathered once, looked at by every test."""

    before: Samples
    after: Samples
    request_ids: list[str]
    log: list[dict[str, object]]
    cards: list[str]
    killed: int
    types: dict[str, str] = field(default_factory=dict)


def _parse(text: str) -> tuple[Samples, dict[str, str]]:
    samples: Samples = {}
    types: dict[str, str] = {}
    for family in text_string_to_metric_families(text):
        # The parser takes `_total` off a counter's name.
        name = family.name + ("_total" if family.type == "counter" else "")
        types[name] = family.type
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            samples.setdefault(sample.name, {})[labels] = sample.value
    return samples, types


async def _fetch(url: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return await answer.text()


async def _seen(url: str, is_so: Callable[[Samples], bool]) -> Samples:
    """Scrape until it is so; what is looked at rarely comes after some seconds."""
    samples: Samples = {}
    try:
        async with asyncio.timeout(_WITHIN_S):
            while not (samples and is_so(samples)):
                samples, _ = _parse(await _fetch(url))
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"not seen within {_WITHIN_S} s; last: {sorted(samples.items())}")
    return samples


def _value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get(name, {}).get(frozenset(labels.items()))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Make a folder that the embedded server's account can reach."""
    folder = postgres.make_folder()
    yield folder
    postgres.remove_folder(folder)


@contextmanager
def _gateway(sandbox: Sandbox) -> Iterator[GatewayProcess]:
    config = sandbox.data_dir.parent / "serve.toml"
    config.write_text('access_log = true\nlog_level = "debug"\n', encoding="utf-8")
    options = ("--metrics-port", "0", "--config", str(config))
    gateway = GatewayProcess(sandbox.data_dir, workers=2, options=options)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


async def _work(gateway: GatewayProcess, sandbox: Sandbox) -> list[str]:
    """Settle, be refused, ask for nothing; the ids of the requests."""
    ids = []
    async with aiohttp.ClientSession() as http:
        desk = Desk(http, gateway.url, sandbox.keys["H001"])
        for _ in range(_SETTLEMENTS):
            answer = await desk.settle(new_name(), bill(sandbox.dibao()))
            assert answer.status == 201, answer.body
            ids.append(answer.headers["Medaid-Request-Id"])
        forged = desk.signed_session()
        refused = await desk.send(forged, signature="sig1=:AAAA:")
        unknown = await desk.raw("GET", "/A12345678?card=A12345678")
        not_http = await desk.raw("GET", "/v1/settlements/none")
        await desk.raw("POST", "/his")
    assert (refused.status, unknown.status, not_http.status) == (401, 404, 401)
    return ids + [a.headers["Medaid-Request-Id"] for a in (refused, unknown, not_http)]


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Run the gateway once: work, kill a worker, look again, end."""
    with open_sandbox(folder / "var") as sandbox:
        sandbox.add_party("H001", "--level", "2", "--subdistrict", "990100001")
        sandbox.import_roster()
        sandbox.command("check-books")
        with _gateway(sandbox) as gateway:
            url = gateway.said("metrics ")
            ids = asyncio.run(_work(gateway, sandbox))
            before = asyncio.run(_seen(url, _everything_arrived))
            killed = min(gateway.worker_pids())
            os.kill(killed, signal.SIGKILL)
            wait_for(lambda: _started(gateway) == 4, 60)
            after = asyncio.run(_seen(url, _worker_is_back))
            types = _parse(asyncio.run(_fetch(url)))[1]
        lines = gateway.log.read_text(encoding="utf-8").splitlines()
    log = [json.loads(line) for line in lines]
    cards = [str(bill(n)["card"]["number"]) for n in range(1, 10)]
    return Run(before, after, ids, log, cards, killed, types)


def _started(gateway: GatewayProcess) -> int:
    return gateway.log.read_text(encoding="utf-8").count('"worker.started"')


def _everything_arrived(seen: Samples) -> bool:
    return (
        _value(seen, "medaid_log_entries") == _SETTLEMENTS
        and _value(seen, "medaid_settle_batch_claims_sum") == _SETTLEMENTS
        and _value(seen, "medaid_workers") == 2
        and _value(seen, "medaid_ready") == 1
        and _value(seen, "medaid_mark_written_timestamp_seconds") is not None
        and _value(seen, "medaid_settle_last_commit_timestamp_seconds") is not None
        and bool(
            _value(
                seen, "medaid_access_signatures_refused_total", reason="not_authentic"
            )
        )
    )


def _worker_is_back(seen: Samples) -> bool:
    return (
        _value(seen, "medaid_worker_deaths_total") == 1
        and _value(seen, "medaid_workers") == 2
        # Each worker's own values come with its next report, not all at one moment.
        and _value(seen, "medaid_settle_waiting_limit") == 2 * 2_000
        and _value(seen, "medaid_roster_version") == 1
    )


def _documented() -> dict[str, tuple[str, set[str]]]:
    text = (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8")
    return {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in _METRIC.findall(text)
    }


def test_table_of_metrics_is_what_the_gateway_shows(run: Run) -> None:
    """Both ways: nothing is undocumented, nothing is promised in vain."""
    documented = {name: kind for name, (kind, _) in _documented().items()}

    assert run.types == {k: v for k, v in documented.items() if k not in _WITH_TLS}


def test_table_of_metrics_is_what_the_code_lists() -> None:
    """Types and labels too, also of metrics that are rarely shown."""
    listed = {m.name: (m.kind, set(m.labels)) for m in METRICS + SUPERVISOR_METRICS}

    assert _documented() == listed


def test_values_add_up_over_workers(run: Run) -> None:
    """Sums, the largest, the smallest: as the table says."""
    seen = run.before

    assert _value(seen, "medaid_workers") == _value(seen, "medaid_workers_wanted") == 2
    assert _value(seen, "medaid_settle_waiting_limit") == 2 * 2_000
    assert _value(seen, "medaid_roster_version") == 1
    assert _value(seen, "medaid_roster_lag_versions") == 0
    assert _value(seen, "medaid_database_months_ahead") == 1
    assert _value(seen, "medaid_database_pool_limit") == 2 * 8
    assert _value(seen, "medaid_settle_stopped") == 0
    assert _value(seen, "medaid_books_violations") == 0
    assert _value(seen, "medaid_worker_deaths_total") == 0
    assert _value(seen, "medaid_finding", code="no_roster", stops="true") == 0
    assert _value(seen, "medaid_settle_commit_duration_seconds_count") in (1, 2, 3)
    versions = next(iter(seen["medaid_build_info"]))
    assert {name for name, _ in versions} == {"version", "python", "postgresql"}


def test_killed_worker_leaves_its_counters_and_takes_its_gauges(run: Run) -> None:
    """What was settled stays counted; what no longer waits does not wait."""
    seen = run.after

    assert _value(seen, "medaid_worker_deaths_total") == 1
    assert _value(seen, "medaid_settle_batch_claims_sum") == _SETTLEMENTS
    assert _value(seen, "medaid_settle_waiting_limit") == 2 * 2_000
    assert _value(seen, "medaid_log_entries") == _SETTLEMENTS
    since = _value(seen, "medaid_settle_last_commit_timestamp_seconds")
    assert since == _value(run.before, "medaid_settle_last_commit_timestamp_seconds")


def test_labels_tell_nothing_of_a_caller(run: Run) -> None:
    """No party, person, path or address in any label of any metric."""
    values = {
        value
        for by_labels in run.after.values()
        for labels in by_labels
        for _, value in labels
    }

    assert not any("H001" in v or "A12345678" in v or "/" in v for v in values)


def test_each_answer_has_an_id_that_its_log_lines_name(run: Run) -> None:
    """Drawn anew for each request, and found again in the log."""
    answered = [line for line in run.log if line["event"] == "request.answered"]
    by_id = {line.get("request"): line for line in answered}

    assert len(set(run.request_ids)) == len(run.request_ids)
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in run.request_ids)
    assert [by_id[each]["status"] for each in run.request_ids] == [
        201, 201, 201, 401, 404, 401,
    ]  # fmt: skip
    refused = [x for x in run.log if x["event"] == "access.signature_refused"]
    assert [x.get("request") for x in refused] == [run.request_ids[3]]


def test_log_tells_the_life_of_the_workers(run: Run) -> None:
    """Started, died, replaced, drained; each line says which of the two."""
    deaths = [line for line in run.log if line["event"] == "worker.died"]
    drained = [line for line in run.log if line["event"] == "worker.drained"]

    assert [(d["pid"], d["status"]) for d in deaths] == [(run.killed, -9)]
    assert sum(line["event"] == "worker.started" for line in run.log) == 4
    assert sorted(str(line["worker"]) for line in drained) == ["1", "2"]
    assert sum(line["event"] == "settle.batch_committed" for line in run.log) >= 1


def test_log_holds_documented_events_and_nothing_of_a_person(run: Run) -> None:
    """The whole log of the run, the access log included."""
    text = (PROJECT / "docs" / "log-events.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `([a-z._]+)` \|", text, re.MULTILINE))
    written = json.dumps(run.log, ensure_ascii=False)

    assert {str(line["event"]) for line in run.log} <= known
    assert "A12345678" not in written
    assert not any(card in written for card in run.cards)
    assert all(str(line["time"]).endswith("Z") for line in run.log)
