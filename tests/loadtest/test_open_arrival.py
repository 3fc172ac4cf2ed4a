"""Requests start at their time, whatever became of those before them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from statistics import median

import pytest

from loadtests.dispatch import Dispatcher
from loadtests.mix import arrivals, share_of
from loadtests.notes import FileSink
from loadtests.plan import Phase
from loadtests.samples import (
    Latest,
    Samples,
    SampleWriter,
    Tally,
    read_samples,
    upper_ms,
)
from tests.loadtest.made import plan


class Time:
    """A clock that stands still unless somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.000_1)


class Server:
    """Answers in 5 ms; from 3 s to 5 s it answers nobody, and then all at once."""

    def answered_at(self, sent_s: float) -> float:
        return 5.005 if 3 <= sent_s < 5 else sent_s + 0.005


def _every(seconds: float, until_s: float) -> Iterator[tuple[float, object]]:
    return ((n * seconds, n) for n in range(int(until_s / seconds)))


def _load(step_s: float, until_s: float) -> Tally:
    time, server, tally = Time(), Server(), Tally()

    def start(due_s: float, _: object) -> None:
        tally.add((server.answered_at(time.now) - due_s) * 1000, "200")

    dispatcher = Dispatcher(
        clock=lambda: time.now, sleep=time.sleep, start=start, late=lambda *_: None
    )
    dispatcher.run(_every(step_s, until_s))
    return tally


def test_a_stalled_server_shows_in_the_latency() -> None:
    """Two seconds of silence in ten cost every fifth request, not one."""
    tally = _load(0.01, 10)

    assert tally.count == 1000
    assert (tally.percentile_ms(50) or 0) < 10
    assert (tally.percentile_ms(85) or 0) > 400
    assert (tally.percentile_ms(99) or 0) > 1800


def test_the_schedule_does_not_know_the_server() -> None:
    """As many requests start during the stall as at any other time."""
    time = Time()
    starts: list[float] = []
    dispatcher = Dispatcher(
        clock=lambda: time.now,
        sleep=time.sleep,
        start=lambda due_s, _: starts.append(due_s),
        late=lambda *_: None,
    )

    dispatcher.run(_every(0.01, 10))

    assert sum(3 <= at < 5 for at in starts) == 200


def test_a_start_that_is_late_is_noted_and_counts() -> None:
    """What the generator itself holds up is told apart, and is in the latency."""
    time = Time()
    late: list[float] = []

    def start(due_s: float, task: object) -> None:
        if task == 5:
            time.now += 0.2

    dispatcher = Dispatcher(
        clock=lambda: time.now,
        sleep=time.sleep,
        start=start,
        late=lambda _, seconds: late.append(seconds),
    )
    dispatcher.run(_every(0.01, 1))

    assert max(late) == pytest.approx(0.19, abs=0.005)
    assert sum(seconds > 0.05 for seconds in late) >= 10


def test_what_is_added_meanwhile_starts_at_its_own_time() -> None:
    """A retry comes between arrivals, in the order of time."""
    time = Time()
    order: list[object] = []
    dispatcher = Dispatcher(
        clock=lambda: time.now,
        sleep=time.sleep,
        start=lambda _, task: order.append(task),
        late=lambda *_: None,
    )
    dispatcher.agenda.add(0.025, "again")
    dispatcher.agenda.add(0.5, "last")

    dispatcher.run(_every(0.01, 0.05))

    assert order == [0, 1, 2, "again", 3, 4, "last"]


def test_arrivals_follow_the_plan() -> None:
    """A ramp brings what lies under its line, and the holding what it says."""
    ramp = plan(phases=(Phase(100, 0.0, 2.0), Phase(100, 2.0, 2.0)))

    times = [at for _, at in arrivals(ramp, seed=3)]
    settled = ramp.settlements_per_visit

    assert sum(at < 100 for at in times) * settled == pytest.approx(1000, rel=0.08)
    assert sum(at >= 100 for at in times) * settled == pytest.approx(2000, rel=0.06)
    assert times == sorted(times)


def test_processes_share_the_visits() -> None:
    """Two processes together do each visit once, whoever draws them."""
    whole = list(arrivals(plan(), seed=1))
    halves = [list(share_of(arrivals(plan(), seed=1), n, 2)) for n in (0, 1)]

    assert sorted(halves[0] + halves[1]) == whole
    assert abs(len(halves[0]) - len(halves[1])) <= 1


def test_latencies_are_kept_to_two_percent(tmp_path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Percentiles from the file are those of the latencies themselves."""
    draw = random.Random(5)
    latencies = [draw.lognormvariate(2, 1) for _ in range(5000)]
    writer = SampleWriter(FileSink(tmp_path / "samples-0.jsonl"))
    for place, ms in enumerate(latencies):
        writer.add(place / 100, "settle", ms, "201")
        if place % 1000 == 0:
            writer.flush()
    writer.close()

    tally = read_samples(tmp_path).by_call()["settle"]

    exact = sorted(latencies)
    assert tally.count == 5000
    assert tally.percentile_ms(50) == pytest.approx(median(latencies), rel=0.025)
    assert tally.percentile_ms(99) == pytest.approx(exact[4949], rel=0.025)


def test_lateness_is_counted_beyond_its_limit() -> None:
    """Just below the limit is not late, just above is."""
    samples = Samples(latest={0: Latest(51.5, 0, 0)})
    for ms, count in ((48.0, 900), (51.5, 100)):
        tally = Tally()
        tally.add(ms, "")
        (bucket,) = tally.buckets
        samples.late.setdefault(0, tally.buckets.__class__())[bucket] += count
        assert upper_ms(bucket) >= ms

    assert samples.late_beyond(50) == 100
    assert samples.latest_start() == (0, Latest(51.5, 0, 0))
    assert samples.latest_start(until_s=0) is None
    assert samples.started() == 1000
