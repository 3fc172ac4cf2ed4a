"""When memory is flat, and what of a full database follows from figures alone."""

from __future__ import annotations

import os
import random
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench.memory_picture import picture
from tests.bench.soak import FLAT_MB, HOUR_S, growth, memory_of, steady_rate
from tests.bench.stored import per_million
from tests.bench.stored_database import on_disk, share_of
from tests.bench.stored_rows import Sizes

_GB = 1 << 30
_REAL = Sizes(record=4_400, request=300, head=2_000, tail=500)


def _hour(
    megabytes_an_hour: float = 0.0, *, noise: float = 0.4, step: float = 0.0
) -> list[tuple[float, float]]:
    """An hour of samples: 30 MB of caches fill at first, then this growth."""
    rng = random.Random(7)
    return [
        (
            at,
            80.0
            + 30 * min(1.0, at / 700)
            + megabytes_an_hour * at / HOUR_S
            + rng.uniform(-noise, noise)
            + (step if at > HOUR_S * 0.85 else 0.0),
        )
        for at in (10.0 * n for n in range(360))
    ]


def test_memory_that_only_fills_its_caches_is_flat() -> None:
    """The first quarter does not count."""
    flat = growth(_hour())
    assert flat.is_flat
    assert abs(flat.mb_an_hour) < 0.2
    assert 105 < flat.middle_mb < 115
    assert growth(_hour(-20.0)).is_flat


def test_worker_that_keeps_eight_bytes_of_each_settlement_is_not_flat() -> None:
    """400 a second for an hour: 11 MB."""
    kept = growth(_hour(400 * HOUR_S * 8 / 2**20))
    assert not kept.is_flat
    assert kept.mb_an_hour == pytest.approx(11, abs=0.3)
    assert not growth(_hour(1.5 * FLAT_MB)).is_flat
    assert growth(_hour(0.5 * FLAT_MB)).is_flat


def test_single_peaks_are_no_growth_but_a_step_is() -> None:
    """The collector's moment passes; what stays is kept."""
    peaks = _hour()
    for at in range(200, 360, 20):
        peaks[at] = (peaks[at][0], peaks[at][1] + 60)
    assert growth(peaks).is_flat
    step = growth(_hour(step=3.0, noise=0.1))
    assert step.step_mb == pytest.approx(3, abs=0.4)
    assert step.mb_an_hour < FLAT_MB
    assert not step.is_flat


def test_growth_of_a_few_samples_is_not_told() -> None:
    """Rather nothing than a number."""
    with pytest.raises(ValueError, match="too few samples"):
        growth([(float(n), 80.0) for n in range(7)])
    assert growth([(float(n), 80.0) for n in range(8)]).is_flat


def test_rate_is_half_of_the_highest_or_what_the_disk_can_hold() -> None:
    """Half of what is free stays free."""
    assert steady_rate(1_000, 1_000 * _GB, HOUR_S) == 500
    held = steady_rate(5_000, 30 * _GB, HOUR_S)
    assert held * HOUR_S * 16_000 == pytest.approx(15 * _GB)


def test_memory_of_this_process_is_read_and_of_none_is_none() -> None:
    """From the kernel's own sum."""
    own = memory_of(os.getpid())
    assert own is not None
    assert 5 < own < 5_000
    kept = bytearray(os.urandom(1 << 20) * 30)
    more = memory_of(os.getpid())
    assert more is not None
    assert more - own > 25
    assert len(kept) == 30 << 20
    assert memory_of(2**22 + 1) is None


def test_picture_shows_each_process_and_the_part_that_does_not_count() -> None:
    """A line with its name at its end, in one well-formed file."""
    samples = {"worker": _hour(), "watch <&>": _hour(5.0)}
    text = picture(samples, title="Memory & time", warm=0.25)
    root = ET.fromstring(text)  # noqa: S314  # our own
    space = "{http://www.w3.org/2000/svg}"
    lines = root.findall(f"{space}polyline")
    assert [len(str(line.get("points")).split()) for line in lines] == [360, 360]
    words = [element.text for element in root.findall(f"{space}text")]
    assert "watch <&> 115" in words
    shade = root.findall(f"{space}rect")[1]
    assert float(shade.get("width") or 0) == pytest.approx((760 - 64 - 120) / 4, abs=1)
    with pytest.raises(ValueError, match="no samples"):
        picture({}, title="none", warm=0.25)


def test_slope_is_the_loss_for_each_million() -> None:
    """As a part of the empty database's throughput."""
    assert per_million(0.94, 3_000_000) == pytest.approx(-0.02)
    assert per_million(1.0, 3_000_000) == 0


def test_records_shrink_until_a_third_of_the_disk_holds_them() -> None:
    """A record above half a page takes a whole one; without room there is no run."""
    assert on_disk(_REAL, 1, 100) == 8_192 + 2_800 + 1_900
    assert share_of(_REAL, 3_000_000, 200 * _GB) == 100
    assert share_of(_REAL, 3_000_000, 40 * _GB) == 25
    assert share_of(_REAL, 10_000_000, 36 * _GB) == 10
    assert share_of(_REAL, 10_000_000, 30 * _GB) == 0


def test_picture_is_a_file_of_its_own(tmp_path: Path) -> None:
    """No style sheet, no script, no address that a browser would ask."""
    path = tmp_path / "memory.svg"
    path.write_text(picture({"worker": _hour()}, title="t", warm=0.25), "utf-8")
    text = path.read_text(encoding="utf-8")
    assert "href" not in text
    assert "<script" not in text
