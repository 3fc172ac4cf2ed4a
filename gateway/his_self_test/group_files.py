"""9101, 3202, 9102: the file of differences names what differs, and nothing else.

The office of the statement is the run's own, so the differences are of this run alone.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.his_self_test.charges import fen_at
from gateway.his_self_test.group_reconcile import standing, stretch
from gateway.his_self_test.lines import Line, NotRun, Unkept
from gateway.his_self_test.trial import Settled, Trial
from gateway.his_simulator.messages import Answer, NoEnvelope
from gateway.his_simulator.statement import (
    DIFFERS,
    PLATFORM_MORE,
    SETTLED,
    Difference,
    Row,
    Sums,
    file_number,
    packed_file,
    read_differences,
    rows_file,
)
from settlement.domain.decision import Text

#: The least of which one can be left out of a file that still has a line.
_LEAST = 2
_NO_FILE = "MA-6304"
_TOO_MANY_FILES = "MA-1222"


async def _flat(trial: Trial) -> None:
    settled = await _standing(trial)
    found = await _differences(trial, settled, _rows(settled))
    if found:
        told = _told(found)
        raise Unkept(f"无差异却列出 {told}", f"nothing differs, and it lists {told}")


async def _another_amount(trial: Trial) -> None:
    settled = await _standing(trial)
    first, *rest = _rows(settled)
    wrong = replace(first, fund_fen=first.fund_fen + 1)
    found = await _differences(trial, settled, [wrong, *rest])
    _must_be_one(found, wrong.setl_id, DIFFERS)


async def _left_out(trial: Trial) -> None:
    settled = await _standing(trial)
    missing, *rest = settled
    found = await _differences(trial, settled, _rows(rest))
    _must_be_one(found, missing.setl_id, PLATFORM_MORE)
    if found[0].msgid != missing.msgid:
        raise Unkept(
            "差异行的 msgid 不是原报文的，无法据以冲正",
            "its msgid is not the message's, and no 2601 could be made of it",
        )


async def _no_file(trial: Trial) -> None:
    _require_ours(trial)
    trial.refused(await trial.ask("9101", _upload(trial, b"no zip")), _NO_FILE)


def _must_be_one(found: Sequence[Difference], setl_id: str, result: str) -> None:
    if [(each.setl_id, each.stmt_rslt) for each in found] != [(setl_id, result)]:
        told = _told(found) or "null"
        raise Unkept(
            f"应只列出 {setl_id} {result}，却是 {told}",
            f"{told} instead of {setl_id} {result} alone",
        )


def _told(found: Sequence[Difference]) -> str:
    return ", ".join(f"{each.setl_id} {each.stmt_rslt}" for each in found)


def _require_ours(trial: Trial) -> None:
    if not trial.is_ours:
        raise NotRun(
            "对方不是本网关，不测其对账文件", "not our gateway: its files are not tried"
        )


async def _standing(trial: Trial) -> list[Settled]:
    _require_ours(trial)
    return await standing(trial, _LEAST)


def _rows(settled: Sequence[Settled]) -> list[Row]:
    return [
        Row(
            setl_id=each.setl_id,
            mdtrt_id=f"{each.info.get('mdtrt_id') or ''}",
            psn_no=f"{each.info.get('psn_no') or ''}",
            medfee_fen=fen_at(each.info, "medfee_sumamt"),
            fund_fen=fen_at(each.info, "fund_pay_sumamt"),
            acct_fen=fen_at(each.info, "acct_pay"),
            refd_setl_flag=SETTLED,
        )
        for each in settled
    ]


def _upload(trial: Trial, content: bytes) -> dict[str, dict[str, str]]:
    return {
        "fsUploadIn": {
            "in": base64.b64encode(content).decode(),
            "filename": "self-test.zip",
            "fixmedins_code": trial.wire.caller.fixmedins_code,
        }
    }


async def _differences(
    trial: Trial, settled: Sequence[Settled], rows: Sequence[Row]
) -> list[Difference]:
    """The rows up, 3202 of what was settled, the file of differences down."""
    packed = rows_file("self-test", rows)
    sent = await _kept(trial, "9101", _upload(trial, packed))
    sums = Sums()
    for row in rows:
        sums = sums.plus(row.medfee_fen, row.fund_fen, row.acct_fen)
    data = {
        "file_qury_no": file_number(sent),
        **stretch(trial, settled),
        **sums.fields(),
    }
    made = (await _kept(trial, "3202", {"data": data})).node("fileinfo")
    download = {
        "file_qury_no": f"{made.get('file_qury_no') or ''}",
        "filename": f"{made.get('filename') or ''}",
        "fixmedins_code": trial.wire.caller.fixmedins_code,
    }
    got = trial.done(await trial.ask("9102", {"fsDownloadIn": download}))
    try:
        return read_differences(packed_file(got))
    except NoEnvelope as fault:
        raise Unkept(f"9102 的文件无法读取：{fault}", f"9102: {fault}") from fault


async def _kept(trial: Trial, infno: str, given: Mapping[str, Any]) -> Answer:
    """What leaves a file there; raises `NotRun` where no more is taken."""
    came = await trial.ask(infno, given)
    if came.answer is not None and came.answer.code == _TOO_MANY_FILES:
        raise NotRun(
            "对账文件已达上限，两天后再测", "it keeps no more files for two days"
        )
    return trial.done(came)


_FILES = Text(
    "核对文件格式：zip 内一个 UTF-8 文本，TAB 分隔，空值写 null；中间件须原样转发。",
    "Check the file: a zip with one text in UTF-8, TAB between columns, null for what"
    " is empty; it must be passed on as it is.",
)
LINES = (
    Line("files.flat",
         Text("明细对账无差异", "3202 of what was settled finds nothing"),
         Text("差异文件为空", "a file of differences without a line"), _FILES, _flat),
    Line("files.amount",
         Text("金额差一分，列出该笔", "a fen more is named"),
         Text("一行，000103", "one line, 000103"), _FILES, _another_amount),
    Line("files.left-out",
         Text("漏报一笔，列出该笔", "a settlement left out is named"),
         Text("一行，000101，含原 msgid", "one line, 000101, with its msgid"),
         _FILES, _left_out),
    Line("files.no-file",
         Text("不是 zip 的文件被拒绝", "what is no zip is refused"),
         Text("-2，MA-6304", "-2, MA-6304"), _FILES, _no_file),
)  # fmt: skip
