"""The report of one worker: what is absent until it is known, and what files say."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.books_stamp import BooksStamp, read_stamp, write_stamp
from gateway.edge import Edge
from gateway.metrics import Metrics
from gateway.report import Report
from gateway.tls import certificate_ends
from settlement.service.access import Sessions
from settlement.service.signatures import Signatures
from settlement.service.tally import CommittedBatch
from settlement.store.database import Database
from tests.operations.certificates import ENDS, write_certificate
from tests.settlement.house import House, bill, open_house


def _values(metrics: Metrics) -> dict[str, float]:
    text = metrics.exposition().decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }


def _report(house: House, folder: Path, certificate: Path | None = None) -> Report:
    edge = Edge(
        gateway=house.gateway, door=cast("Any", SimpleNamespace()), metrics=Metrics()
    )
    return Report(
        edge=edge,
        sessions=Sessions(cast("Any", None), random=os.urandom),
        signatures=Signatures(cast("Any", None), b""),
        envelope=cast("Any", None),
        data_dir=folder,
        certificate=certificate,
    )


def test_gauge_without_a_value_is_absent() -> None:
    """0 would be a certificate that ended in 1970, and an alert about it."""
    metrics = Metrics()

    assert "medaid_tls_certificate_expires_timestamp_seconds" not in _values(metrics)
    metrics.say("medaid_roster_version", 7)
    assert _values(metrics)["medaid_roster_version"] == 7


def test_name_that_is_not_in_the_list_is_a_bug() -> None:
    """No metric comes to be by a slip of the pen."""
    with pytest.raises(KeyError):
        Metrics().say("medaid_rooster_version", 1)


def test_counter_follows_its_owner() -> None:
    """Saying the same total twice adds nothing."""
    metrics = Metrics()

    for total in (2, 2, 5):
        metrics.total("medaid_settle_conflicts_total", total)

    assert _values(metrics)["medaid_settle_conflicts_total"] == 5


async def test_report_copies_what_settling_has_counted(
    database: Database, tmp_path: Path
) -> None:
    """Two settlements, and what the parts have noted meanwhile."""
    async with open_house(database, tmp_path / "var") as house:
        await house.enrol("C1")
        await house.settle(bill("C1"))
        await house.settle(bill("C1"))
        tally = house.gateway.sequencer.tally
        assert [type(each) for each in tally.committed] == [CommittedBatch] * 2
        assert all(0 < b.sealing_s < b.seconds for b in tally.committed)
        tally.unknown = tally.unknown_kept = 1
        report = _report(house, tmp_path / "var")
        report._settling()
        report._settled()
        report._database()
        report._seen(await house.gateway.health.look())

    values = _values(report.metrics)
    assert values["medaid_settle_batch_claims_count"] == 2
    assert values["medaid_settle_batch_claims_sum"] == 2
    assert values["medaid_settle_commits_unknown_total"] == 1
    assert values["medaid_settle_oldest_waiting_seconds"] == 0
    assert values["medaid_settle_batch_age_seconds"] == 0
    assert values["medaid_database_connects_total"] == 2
    assert values["medaid_database_pool_limit"] == 8
    assert values["medaid_log_entries"] == 2
    assert values["medaid_database_up"] == 1
    assert not tally.committed


async def test_hanging_commit_shows_in_the_ages(
    database: Database, tmp_path: Path
) -> None:
    """A lock held by somebody else: the batch ages, and so does who waits for it."""
    async with open_house(database, tmp_path / "var") as house:
        await house.enrol("C1")
        for _ in house.gateway.lines:
            await house.settle(bill("C1"))
        sequencer = house.gateway.sequencer
        report = _report(house, tmp_path / "var")
        async with database.pool.acquire() as other:
            lock = other.transaction()
            await lock.start()
            await other.execute("SELECT 1 FROM log_head FOR UPDATE")
            first = asyncio.create_task(house.settle(bill("C1")))
            while sequencer.batch_began is None:  # noqa: ASYNC110  # another task
                await asyncio.sleep(0.01)
            second = asyncio.create_task(house.settle(bill("C1")))
            await asyncio.sleep(0.1)
            third = asyncio.create_task(house.settle(bill("C1")))
            await asyncio.sleep(0.2)
            report._settling()
            hanging = _values(report.metrics)
            await lock.rollback()
        await asyncio.gather(first, second, third)
        report._settling()
        over = _values(report.metrics)

    assert hanging["medaid_settle_batch_age_seconds"] >= 0.2
    assert 0.1 < hanging["medaid_settle_oldest_waiting_seconds"] < 5
    assert hanging["medaid_settle_waiting"] == 1
    assert over["medaid_settle_batch_age_seconds"] == 0
    assert over["medaid_settle_oldest_waiting_seconds"] == 0


async def test_certificate_and_stamp_are_read_from_their_files(
    database: Database, tmp_path: Path
) -> None:
    """The alert knows the day before the hospitals do."""
    certificate = write_certificate(tmp_path) / "chain.pem"
    ended_at = datetime(2026, 1, 5, 3, 30, tzinfo=UTC)
    async with open_house(database, tmp_path / "var") as house:
        write_stamp(tmp_path / "var", BooksStamp(ended_at, 3))
        report = _report(house, tmp_path / "var", certificate)
        report._read_files()

    values = _values(report.metrics)
    assert certificate_ends(certificate) == ENDS
    assert values["medaid_tls_certificate_expires_timestamp_seconds"] == (
        ENDS.timestamp()
    )
    assert values["medaid_books_checked_timestamp_seconds"] == ended_at.timestamp()
    assert values["medaid_books_violations"] == 3
    assert values["medaid_process_open_files"] > 0
    assert values["medaid_process_resident_bytes"] > 10_000_000


@pytest.mark.parametrize("text", ["", "{}", '{"ended_at": 1}', "[]", "\udcff"])
def test_stamp_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    """A file that somebody edited is as good as none."""
    (tmp_path / "books-checked.json").write_bytes(text.encode(errors="surrogateescape"))

    assert read_stamp(tmp_path) is None


def test_stamp_that_cannot_be_written_does_not_spoil_the_check(tmp_path: Path) -> None:
    """An auditor may check with read access alone."""
    write_stamp(tmp_path / "none", BooksStamp(datetime(2026, 1, 5, tzinfo=UTC), 0))

    assert read_stamp(tmp_path / "none") is None
