"""Statistics as CSV: a row for each month, and one for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from gateway.cli.stats_words import Line, Shown, lines
from gateway.hospital_lists.spreadsheets import Cell, Yuan, write_csv

_FIGURES = (
    "救助人数 citizens", "人数环比‰ growth", "救助人次 visits", "人次环比‰ growth",
    "结算笔数 settlements", "救助金额（元） aid", "金额环比‰ growth",
    "其中倾斜救助（元） tilt", "医疗费总额（元） total", "各项基金支付（元） funds",
    "患者负担（元） patient pays", "次均救助（元） mean aid",
    "次均费用（元） mean total", "次均患者负担（元） mean patient pays",
    "节省工作人员分钟（估算） minutes saved", "减少群众往返（估算） trips saved",
)  # fmt: skip


def write_table(path: Path, shown: Shown) -> None:
    """Write it; raises `click.ClickException`."""
    try:
        with path.open("wb") as file:
            write_csv(file, _headers(shown), _rows(shown))
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror}"
        ) from error


def _headers(shown: Shown) -> Sequence[str]:
    zh, en = shown.dimension
    groups = (f"{zh} {en}", "名称 name") if zh else ()
    return (*groups, "月份 month", *_FIGURES)


def _rows(shown: Shown) -> Iterator[Sequence[Cell]]:
    groups = shown.found.groups
    if groups is None:
        for line in lines(shown.found.whole):
            yield _row(line)
        return
    for group in groups:
        for line in lines(group):
            yield (group.key, shown.name(group), *_row(line))


def _row(line: Line) -> Sequence[Cell]:
    figures, growth = line.figures, line.growth
    return (
        line.month,
        figures.citizens,
        growth.citizens,
        figures.visits,
        growth.visits,
        figures.settlements,
        Yuan(figures.aid_fen),
        growth.aid,
        Yuan(figures.tilt_fen),
        Yuan(figures.total_fen),
        Yuan(figures.funds_fen),
        Yuan(figures.patient_pays_fen),
        _mean(figures.mean_aid_fen),
        _mean(figures.mean_total_fen),
        _mean(figures.mean_patient_pays_fen),
        figures.minutes_saved,
        figures.trips_saved,
    )


def _mean(fen: int | None) -> Yuan | None:
    return None if fen is None else Yuan(fen)
