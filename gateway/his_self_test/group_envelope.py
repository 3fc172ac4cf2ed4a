"""What is no sound envelope is refused clearly; what is merely unknown is let be."""

from __future__ import annotations

from urllib.parse import urlsplit

from gateway.his_self_test.lines import Line, NotRun, Unkept
from gateway.his_self_test.trial import Trial
from gateway.his_self_test.wire import Came
from settlement.domain.decision import Text

_DEPTH, _HUGE_CHARS = 200, 2 << 20
_TOO_LARGE = (413, 400)
_GB_NAMES = frozenset({"gbk", "gb2312", "gb18030"})
_ASCII = 0x80
#: No transaction of the national interface.
_NONE_SUCH = "9999"


async def _unknown_field(trial: Trial) -> None:
    more = {"serv_code": "x", "medins_code": "x", "enc_type": ""}
    trial.done(await trial.wire.send(trial.probing(**more)))


async def _without(trial: Trial, name: str) -> None:
    document = trial.probing()
    # The address names the transaction all the same, where it does.
    url = trial.wire.caller.url.replace("{infno}", str(document["infno"]))
    del document[name]
    trial.refused(await trial.wire.send(document, url=url))


async def _no_infno(trial: Trial) -> None:
    await _without(trial, "infno")


async def _no_msgid(trial: Trial) -> None:
    await _without(trial, "msgid")


async def _no_input(trial: Trial) -> None:
    await _without(trial, "input")


async def _misspelt(trial: Trial) -> None:
    document = trial.probing()
    document["mdtrtarea_admdvs"] = document.pop("mdtrtarea_admvs")
    trial.refused(await trial.wire.send(document), "MA-1211")


async def _address(trial: Trial) -> None:
    url, document = trial.wire.caller.url, trial.probing()
    if "{infno}" in url:
        other = url.replace("{infno}", "5203")
    elif urlsplit(url).path.rstrip("/").endswith("/his"):
        other = url.rstrip("/") + "/5203"
    else:
        raise NotRun("地址中没有交易编号", "the address names no transaction")
    trial.refused(await trial.wire.send(document, url=other), "MA-1202")


async def _unknown_transaction(trial: Trial) -> None:
    trial.refused(await trial.ask(_NONE_SUCH, {"data": {}}), "MA-1201")


async def _no_json(trial: Trial) -> None:
    trial.probing()
    came = await trial.wire.post(
        b'{"infno": "1901", "msgid": ',
        infno="1901",
        shown='{"infno": "1901", "msgid": ',
    )
    trial.refused(came, "MA-1101", "MA-1102")


async def _utf8(trial: Trial) -> None:
    _must_be_in(await _chinese(trial, "utf-8"), is_gb=False)


async def _gbk(trial: Trial) -> None:
    _must_be_in(await _chinese(trial, "gbk"), is_gb=True)


async def _chinese(trial: Trial, encoding: str) -> Came:
    """A refusal, because it is in Chinese."""
    trial.probing()
    document = trial.wire.envelope(_NONE_SUCH, {"data": {}}, opter_name="收费窗口")
    came = await trial.wire.send(document, encoding=encoding)
    if came.answer is None:
        raise Unkept(
            f"按应答声明的 {came.charset} 无法读取",
            f"cannot be read in {came.charset}, as the answer declares",
        )
    return came


def _must_be_in(came: Came, *, is_gb: bool) -> None:
    if max(came.raw, default=0) < _ASCII:
        return
    # Chinese in GBK is, but by a rare chance, no sound UTF-8, and the reverse.
    try:
        came.raw.decode("utf-8")
        is_utf8 = True
    except UnicodeDecodeError:
        is_utf8 = False
    told_gb = came.charset in _GB_NAMES
    if is_utf8 is is_gb or told_gb is not is_gb:
        real = "UTF-8" if is_utf8 else "GBK"
        raise Unkept(
            f"应答实为 {real}，声明为 {came.charset}",
            f"the answer is {real} and declared as {came.charset}",
        )


async def _nested(trial: Trial) -> None:
    nested: object = "x"
    for _ in range(_DEPTH):
        nested = [nested]
    trial.refused(await trial.wire.send(trial.probing(exp_content=nested)))


async def _huge(trial: Trial) -> None:
    document = trial.probing(exp_content="x" * _HUGE_CHARS)
    came = await trial.wire.send(document)
    if came.answer is None and (not came.status or came.status in _TOO_LARGE):
        trial.note(
            "中间设备直接断开或答 413，可以接受",
            "what stands between cut it off, or answered 413: that will do",
        )
        return
    trial.refused(came)


_PASS_ON = Text(
    "中间件须把报文原样转给网关，由网关判断。",
    "What stands between must pass the message on and let the gateway judge.",
)
_SPELLING = Text(
    "核对接口程序与中间件所用的字段名：就医地是 mdtrtarea_admvs。",
    "Check the names that sender and proxy use: it is mdtrtarea_admvs.",
)
_CHARSET = Text(
    "Content-Type 的 charset 须与内容一致，中间件不得转码。",
    "charset in Content-Type must be that of the bytes; nothing between may recode.",
)
LINES = (
    Line("envelope.unknown-field",
         Text("未知的报文头字段被忽略", "unknown header fields are ignored"),
         Text("infcode 0", "infcode 0"), _PASS_ON, _unknown_field),
    Line("envelope.no-infno",
         Text("缺少 infno 被拒绝", "no infno is refused"),
         Text("-2，有代码", "-2 with a code"), _PASS_ON, _no_infno),
    Line("envelope.no-msgid",
         Text("缺少 msgid 被拒绝", "no msgid is refused"),
         Text("-2，有代码", "-2 with a code"), _PASS_ON, _no_msgid),
    Line("envelope.no-input",
         Text("缺少 input 被拒绝", "no input is refused"),
         Text("-2，有代码", "-2 with a code"), _PASS_ON, _no_input),
    Line("envelope.misspelt",
         Text("就医地字段名写错被拒绝", "mdtrtarea_admdvs is refused"),
         Text("-2，MA-1211", "-2, MA-1211"), _SPELLING, _misspelt),
    Line("envelope.address",
         Text("交易编号与地址不一致被拒绝", "an infno against the address is refused"),
         Text("-2，MA-1202", "-2, MA-1202"), _PASS_ON, _address),
    Line("envelope.unknown-transaction",
         Text("未知的交易编号被拒绝", "an unknown transaction is refused"),
         Text("-2，MA-1201", "-2, MA-1201"), _PASS_ON, _unknown_transaction),
    Line("envelope.no-json",
         Text("不是 JSON 的报文被拒绝", "what is no JSON is refused"),
         Text("-2，MA-1101", "-2, MA-1101"), _PASS_ON, _no_json),
    Line("envelope.utf-8",
         Text("UTF-8 来，UTF-8 答", "declared UTF-8 is answered in UTF-8"),
         Text("声明与内容一致", "declared as it is"), _CHARSET, _utf8),
    Line("envelope.gbk",
         Text("GBK 来，GBK 答", "declared GBK is answered in GBK"),
         Text("charset=gbk，内容为 GBK", "charset=gbk, and GBK it is"), _CHARSET, _gbk),
    Line("envelope.nested",
         Text("层层嵌套的报文被拒绝", "a deeply nested message is refused"),
         Text("-2，有代码", "-2 with a code"), _PASS_ON, _nested),
    Line("envelope.huge",
         Text("过大的报文被拒绝", "too large a message is refused"),
         Text("-2，有代码；或被中间设备拦下", "-2 with a code, or cut off before"),
         _PASS_ON, _huge),
)  # fmt: skip
