"""Work that ends by itself is told: as an event, as a metric, to whoever asked."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.background import ENDED, running_beside
from gateway.edge import Edge
from gateway.metrics import Metrics
from gateway.report import Report
from settlement.service.access import Sessions
from settlement.service.signatures import Signatures


@pytest.fixture
def ended() -> Iterator[dict[str, bool]]:
    """The process's table, without the work of other tests."""
    before = dict(ENDED)
    ENDED.clear()
    yield ENDED
    ENDED.clear()
    ENDED.update(before)


def _shown(metrics: Metrics) -> dict[str, float]:
    return {
        sample.labels["work"]: sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if sample.name == "medaid_work_ended"
    }


def _report() -> Report:
    nobody = cast("Any", SimpleNamespace())
    return Report(
        edge=Edge(gateway=nobody, door=nobody, metrics=Metrics()),
        sessions=Sessions(nobody, random=os.urandom),
        signatures=Signatures(nobody, b""),
        envelope=nobody,
        data_dir=Path(),
        certificate=None,
    )


async def _breaks() -> None:
    raise IndexError


async def _lasts() -> None:
    await asyncio.Event().wait()


async def test_work_that_ended_shows_in_the_metrics(ended: dict[str, bool]) -> None:
    """And the work beside it does not."""
    report = _report()
    async with (
        running_beside(_lasts(), name="packs"),
        running_beside(_breaks(), name="watch"),
    ):
        await asyncio.sleep(0.01)
        report._work()
    assert _shown(report.metrics) == {"packs": 0, "watch": 1}


async def test_work_that_was_told_to_end_has_not_ended_by_itself(
    ended: dict[str, bool],
) -> None:
    """The end of a block is no fault."""
    async with running_beside(_lasts(), name="packs"):
        pass
    assert ended == {"packs": False}


async def test_the_same_work_begun_anew_is_well_again(ended: dict[str, bool]) -> None:
    """What is told is how it stands now."""
    for work in (_breaks, _lasts):
        async with running_beside(work(), name="packs"):
            await asyncio.sleep(0.01)
    assert ended == {"packs": False}
