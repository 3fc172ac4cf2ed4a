"""A good proof is taken; a bad, a stale and a repeated one are not."""

from __future__ import annotations

from typing import Any

from gateway.his_self_test.lines import Line, NotRun
from gateway.his_self_test.proof import Proving
from gateway.his_self_test.trial import Trial
from settlement.domain.decision import Text

_NOT_WHO_THEY_SAY, _STALE, _USED = "MA-3102", "MA-3103", "MA-3109"
_NOTHING_SHOWN = ("MA-3101", "MA-3102", "MA-3107")
_SIGN_IN = ("9001", {"signIn": {"opter_no": "self-test", "mac": "", "ip": ""}})
_ASKED = ("1901", {"data": {"type": "FUND_PAY_TYPE"}})
_NONCE_BYTES = 16


def _document(trial: Trial) -> dict[str, Any]:
    """The message whose proof is tried: of a session it is the one that opens it."""
    profile = trial.wire.proof.profile
    if profile == "none":
        raise NotRun(
            "未使用签名（--profile none）", "nothing is signed: --profile none"
        )
    if profile == "sign-in":
        return trial.wire.envelope(*_SIGN_IN)
    return trial.probing()


async def _good(trial: Trial) -> None:
    trial.done(await trial.ask(*(trial.probe or _ASKED)))


async def _bad(trial: Trial) -> None:
    proving = Proving(is_forged=True)
    came = await trial.wire.send(_document(trial), proving=proving)
    trial.refused(came, _NOT_WHO_THEY_SAY)


async def _stale(trial: Trial) -> None:
    proving = Proving(is_stale=True)
    came = await trial.wire.send(_document(trial), proving=proving)
    trial.refused(came, _STALE)


async def _replayed(trial: Trial) -> None:
    document = _document(trial)
    proving = Proving(nonce=trial.wire.means.random(_NONCE_BYTES).hex())
    trial.done(await trial.wire.send(document, proving=proving))
    came = await trial.wire.send(document, proving=proving)
    if trial.wire.proof.profile == "sign-in":
        trial.refused(came, _STALE)
    else:
        trial.left_open(came, _USED)


async def _missing(trial: Trial) -> None:
    document = _document(trial)
    if trial.wire.proof.profile == "sign-in":
        document = trial.probing(sign_no="")
    came = await trial.wire.send(document, proving=Proving(is_left_out=True))
    trial.refused(came, *_NOTHING_SHOWN)


_OPEN_DOOR = Text(
    "连接未核对签名：任何人都能冒用本机构。停止上线，通知网关值班人员。",
    "The proof is not checked: anybody can pose as the hospital. Do not go live.",
)
LINES = (
    Line(
        "signature.good",
        Text("本机构的报文被接受", "a sound message of the hospital is taken"),
        Text("infcode 0", "infcode 0"),
        Text(
            "核对账户、密钥、机构编号与接入方式是否为网关所开通；核对本机时钟。",
            "Check account, secret, institution and profile with the gateway's staff;"
            " check the clock.",
        ),
        _good,
    ),
    Line(
        "signature.bad",
        Text("错误的签名被拒绝", "a wrong signature is refused"),
        Text("-2，MA-3102", "-2, MA-3102"),
        _OPEN_DOOR,
        _bad,
    ),
    Line(
        "signature.stale",
        Text("过期的签名被拒绝", "a stale signature is refused"),
        Text("一小时前的时间戳：-2，MA-3103", "of an hour ago: -2, MA-3103"),
        _OPEN_DOOR,
        _stale,
    ),
    Line(
        "signature.replayed",
        Text("重放的报文被拒绝", "a replayed nonce is refused"),
        Text(
            "第一次 0，第二次 -1，MA-3109（签到为 -2，MA-3103）",
            "0 first, then -1, MA-3109 (of 9001 -2, MA-3103)",
        ),
        _OPEN_DOOR,
        _replayed,
    ),
    Line(
        "signature.missing",
        Text("没有签名的报文被拒绝", "a message that shows nothing is refused"),
        Text("-2，MA-3107、3101 或 3102", "-2, MA-3107, 3101 or 3102"),
        _OPEN_DOOR,
        _missing,
    ),
)
