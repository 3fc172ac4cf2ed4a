"""`medaid policy explain`: one settlement recomputed, line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gateway.cli.policy_desk import bureau_key_option, need_reader, run_desk
from gateway.cli.policy_figures import reason_words
from gateway.location import json_option, location_options, open_database
from settlement.domain.calendar import rfc3339
from settlement.domain.decision import ExplanationLine
from settlement.domain.money import yuan_text
from settlement.domain.reasons import REASONS
from settlement.service.policy_explaining import (
    Explained,
    GivenBack,
    Refused,
    explain,
)

_Found = Explained | GivenBack | Refused
_ID_BYTES = 16


@click.command(
    "explain",
    epilog="Example: medaid policy explain 25b3e6f0c1d24a58a90c7fd1e2b3c4d5",
)
@click.argument("settlement_id", metavar="SETTLEMENT")
@bureau_key_option
@json_option
@location_options
def explain_settlement(
    settlement_id: str,
    bureau_key: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    as_json: bool,
) -> None:
    """Recompute one settlement under the pack that it names, to the fen.

    SETTLEMENT is the id of a settlement, decline or reversal. Its record is verified
    and opened with the bureau's key, and decided again by the pack with the hash that
    stands in it. Ends with status 1 where anything comes out differently.
    """
    id_ = _id_of(settlement_id)
    reader = need_reader(data_dir, bureau_key)

    async def work() -> _Found | None:
        async with open_database(data_dir, dsn, max_size=2) as database:
            return await explain(database, reader, id_)

    found = run_desk(work())
    if found is None:
        raise click.ClickException(f"there is no settlement {settlement_id}")
    if as_json:
        click.echo(json.dumps(_document(settlement_id, found), ensure_ascii=False))
    elif isinstance(found, Explained):
        _print_explained(settlement_id, found)
    elif isinstance(found, GivenBack):
        _print_given_back(settlement_id, found)
    else:
        _print_refused(settlement_id, found)
    if not isinstance(found, Refused) and found.differences:
        raise SystemExit(1)


def _id_of(text: str) -> bytes:
    try:
        id_ = bytes.fromhex(text)
    except ValueError:
        id_ = b""
    if len(id_) != _ID_BYTES:
        raise click.ClickException(
            f"{text} is no settlement's id; it has 32 hexadecimal digits"
        )
    return id_


def _print_explained(settlement_id: str, found: Explained) -> None:
    policy = found.policy
    click.echo(f"{settlement_id}  {found.settled_at}")
    click.echo(f"政策 pack {policy.id}@{policy.version} sha256 {policy.sha256}")
    if found.is_reversed:
        click.echo("此后已冲正 / reversed since")
    again = found.again
    if again is not None:
        click.echo(f"{reason_words(again.reason)} / {REASONS[again.reason].text.en}")
        for line in again.explanation:
            click.echo(f"  {line.text.zh}")
            click.echo(f"    {line.text.en}")
            click.echo(f"    {line.source}")
    click.echo(
        f"已结算 settled: 救助 aid {yuan_text(found.aid_fen)} 元，"
        f"个人负担 patient pays {yuan_text(found.patient_pays_fen)} 元"
    )
    if again is not None:
        click.echo(
            f"重算 again:   救助 aid {yuan_text(again.aid_fen)} 元，"
            f"个人负担 patient pays {yuan_text(again.patient_pays_fen)} 元"
        )
    _print_verdict(found.differences)


def _print_given_back(reversal_id: str, found: GivenBack) -> None:
    click.echo(f"{reversal_id}  {found.reversed_at}  {found.reason}")
    if found.settlement is None:
        click.echo("预冲正，未退回任何金额 / a tombstone: it gave nothing back")
    else:
        click.echo(f"冲正 reversal of {found.settlement}")
        click.echo(f"退回救助 aid given back: {yuan_text(found.aid_fen)} 元")
    for row in found.postings:
        click.echo(f"  {row['year']} {row['pot']}: -{yuan_text(row['amount_fen'])} 元")
    _print_verdict(found.differences)


def _print_refused(settlement_id: str, found: Refused) -> None:
    click.echo(f"{settlement_id}  {rfc3339(found.settled_at)}")
    english = REASONS[found.reason].text.en
    click.echo(f"不予救助 declined: {reason_words(found.reason)} / {english}")
    click.echo("没有加密记录，不能重算 / no record exists, so nothing to recompute")


def _print_verdict(differences: tuple[str, ...]) -> None:
    if not differences:
        click.echo("分毫不差 / same to the fen")
    for difference in differences:
        click.echo(f"不一致 DIFFERENT: {difference}")


def _document(id_: str, found: _Found) -> dict[str, Any]:
    if isinstance(found, Refused):
        return {
            "id": id_,
            "state": "declined",
            "reason": found.reason,
            "settled_at": rfc3339(found.settled_at),
        }
    verdict = {"same": not found.differences, "differences": list(found.differences)}
    if isinstance(found, GivenBack):
        return verdict | {
            "id": id_,
            "state": "reversal" if found.settlement else "tombstone",
            "settlement_id": found.settlement,
            "aid_fen": found.aid_fen,
            "postings": list(found.postings),
        }
    again, policy = found.again, found.policy
    return verdict | {
        "id": id_,
        "state": "reversed" if found.is_reversed else "settled",
        "policy": {
            "id": policy.id,
            "version": policy.version,
            "sha256": policy.sha256,
        },
        "category": found.category,
        "aid_fen": found.aid_fen,
        "patient_pays_fen": found.patient_pays_fen,
        "aid_again_fen": None if again is None else again.aid_fen,
        "patient_pays_again_fen": None if again is None else again.patient_pays_fen,
        "explanation": [] if again is None else [_line(e) for e in again.explanation],
    }


def _line(line: ExplanationLine) -> dict[str, Any]:
    return {
        "rule": line.rule,
        "text": {"zh": line.text.zh, "en": line.text.en},
        "input_fen": line.input_fen,
        "result_fen": line.result_fen,
        "source": line.source,
    }
