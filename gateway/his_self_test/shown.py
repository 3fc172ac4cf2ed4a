"""What of a message is shown: the fields that matter, and of no one's person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.his_self_test.masking import masked
from gateway.his_simulator.messages import Answer, Number

_SENT = (
    "type", "mdtrt_id", "med_type", "insutype", "clr_type", "medfee_sumamt",
    "hifp_pay", "maf_pay", "fund_pay_sumamt", "acct_pay", "psn_cash_pay", "setl_id",
    "medins_setl_id", "omsgid", "oinfno", "setl_optins", "stmt_begndate",
    "stmt_enddate", "fixmedins_setl_cnt", "file_qury_no", "filename",
)  # fmt: skip
#: Who somebody is; shown so that one can be told from another.
_PERSONAL = ("mdtrt_cert_no", "psn_no")
_CAME = (
    "setl_id", "medfee_sumamt", "maf_pay", "fund_pay_sumamt", "psn_part_amt",
    "acct_pay", "psn_cash_pay", "pdn_cash_pay", "refd_setl_flag", "setl_type",
    "medins_setl_id", "stmt_rslt", "sign_time", "file_qury_no", "filename",
)  # fmt: skip
_NODES = ("data", "setlinfo", "signIn", "fsUploadIn", "fsDownloadIn")
_ARRAYS = ("idetinfo", "insuinfo", "setldetail", "list")
_MOST_CHARS = 60


def shown_request(document: Mapping[str, Any]) -> str:
    """`infno msgid=…` and what `input` says."""
    said = [f"{document.get('infno', '(no infno)')}"]
    said.append(f"msgid={_text(document['msgid'])}" if "msgid" in document else "")
    given = document.get("input")
    if isinstance(given, Mapping):
        for node in _NODES:
            said += _fields(given.get(node), _SENT, set(said))
            said += _people(given.get(node), set(said))
    else:
        said.append("(no input)")
    return " ".join(each for each in said if each)


def shown_answer(answer: Answer) -> str:
    """infcode, err_msg, and what `output` says."""
    said = [f"infcode {answer.infcode}", answer.err_msg]
    # 9101 and 9102 answer without a node.
    said += _fields(answer.output, _CAME, set())
    for node in ("setlinfo", "stmtinfo", "signinoutb", "fileinfo"):
        said += _fields(answer.output.get(node), _CAME, set())
    for array in _ARRAYS:
        if isinstance(rows := answer.output.get(array), list):
            said.append(f"{array}[{len(rows)}]")
    return " ".join(each for each in said if each)


def _fields(node: object, names: tuple[str, ...], told: set[str]) -> Iterator[str]:
    if not isinstance(node, Mapping):
        return
    for name in names:
        value = node.get(name)
        if value not in (None, "") and (text := f"{name}={_text(value)}") not in told:
            yield text


def _people(node: object, told: set[str]) -> Iterator[str]:
    for each in _fields(node, _PERSONAL, set()):
        name, _, value = each.partition("=")
        if (text := f"{name}={masked(value)}") not in told:
            yield text


def _text(value: object) -> str:
    text = value.text if isinstance(value, Number) else f"{value}"
    return text if len(text) <= _MOST_CHARS else text[:_MOST_CHARS] + "…"
