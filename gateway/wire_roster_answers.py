"""What answers about roster files look like, for `/openapi.json`."""

from __future__ import annotations

from typing import Literal

from gateway.wire_answers import Instant
from gateway.wire_described import Answer as _Answer
from gateway.wire_described import say as _say


class ProgressOut(_Answer):
    """How far an import is."""

    step: Literal["waiting", "checking", "reading", "merging"] = _say(
        "步骤", "what is being done"
    )
    done: int = _say("已完成，单位依步骤而定", "so much of it, in the step's unit")
    total: int = _say("总量", "of so much")


class FileReasonOut(_Answer):
    """Why a file was not taken in."""

    code: str = _say("原因代码", "stable code", examples=["MA-6106"])
    zh: str = _say("中文说明", "in Chinese")
    en: str = _say("英文说明", "in English")


class RosterFileOut(_Answer):
    """What became of a version of the roster."""

    version: int = _say("版本号", "of the manifest")
    state: Literal["taken", "importing", "refused", "failed"] = _say(
        "状态；failed 可用同一文件重试",
        "after `failed` the same file may be sent again",
    )
    kind: Literal["full", "delta"] = _say("全量或增量（已导入时）", "once taken")
    as_of: Instant = _say("数据时点（已导入时）", "once taken")
    taken_at: Instant = _say("导入时间（已导入时）", "once taken")
    rows: int = _say("数据行数（已导入时）", "rows of the file, once taken")
    refused: int = _say("被拒绝的行数（已导入时）", "rows refused, once taken")
    persons_changed: int = _say("状态有变的人数", "persons changed, once taken")
    windows_upserted: int = _say("新增或变更的资格", "windows new or changed")
    windows_ended: int = _say("终止的资格", "windows ended")
    progress: ProgressOut = _say("进度（未导入时）", "while it is not in")
    reason: FileReasonOut | None = _say("拒绝原因", "why it was refused")
    current_version: int | None = _say(
        "当前版本（因版本被拒绝时）", "on which the next file rests, where that is why"
    )
    refused_rows: str | None = _say(
        "被拒绝行清单（CSV）的地址", "where the refused rows are, as CSV"
    )
