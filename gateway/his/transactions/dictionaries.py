"""1901 gives the dictionaries of the codes that this gateway answers and reads."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.his.answers import FINAL, Reply, message
from gateway.his.care import MED_TYPES
from gateway.his.json_body import encoded

if TYPE_CHECKING:
    from gateway.his.asked import Asked

_FOLDER = Path(__file__).resolve().parents[1] / "dictionaries"
_NO_SUCH = "MA-1232"
_IDENTITIES = "PSN_IDET_TYPE"
_VALID, _INVALID = "1", "0"
_MAKER = "medaid"
#: Of the tables below; a change of one changes both.
_VERSION, _MADE_ON = "1", "2026-11-23"
_NO_CODES = "现行政策没有规定国家身份代码，1101 的 psn_idet_type 为空，请看 memo。"


class _Row(NamedTuple):
    value: str
    label: str


def _read(path: Path) -> list[_Row]:
    """The rows of a table; lines that begin with `#` say what it is and whence."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_Row(*line.split(",", 1)) for line in lines if not line.startswith("#")]


# Not on first use: that would be within a request, and block the loop for all.
_TABLES = {path.stem: _read(path) for path in sorted(_FOLDER.glob("*.csv"))}
_TABLES["MED_TYPE"] = [_Row(code, label) for code, (_, label) in MED_TYPES.items()]
#: As a HIS asks for them, the most wanted first.
TYPES = (
    _IDENTITIES, "FUND_PAY_TYPE", "MED_TYPE", "INSUTYPE", "CLR_TYPE", "CLR_WAY",
    "MDTRT_CERT_TYPE", "PSN_CERT_TYPE", "PSN_SETLWAY", "STMT_RSLT", "TRIG_SCEN",
    "SEV_DEG", "SETL_TYPE", "REFD_SETL_FLAG",
)  # fmt: skip


async def dictionary(asked: Asked) -> Reply:
    """1901: one dictionary; all its rows are valid, and none has another above it.

    Of `PSN_IDET_TYPE` the rows are those of the policy in force on `date`.
    """
    data = asked.envelope.node("data")
    wanted = data.text("type", 30).upper()
    parent = data.text("parentValue", 30, required=False)
    flag = ""
    if data.has("vali_Flag"):
        flag = data.code("vali_Flag", {_VALID: "", _INVALID: ""}, 3)
    day = data.day("date", required=False) or asked.today
    asked.envelope.check()
    if wanted not in TYPES:
        return Reply(
            infcode=FINAL, err_msg=message(_NO_SUCH, "现有：" + "、".join(TYPES) + "。")
        )
    warning = ""
    if wanted == _IDENTITIES:
        rows, version = _identities(asked, day)
        warning = "" if rows else _NO_CODES
    else:
        rows, version = _TABLES[wanted], _VERSION
    if flag == _INVALID or parent:
        rows, warning = [], ""
    listed = [
        _listed(wanted, row, place, version) for place, row in enumerate(rows, start=1)
    ]
    return Reply(encoded({"list": listed}), warn_msg=warning)


def _identities(asked: Asked, day: date) -> tuple[list[_Row], str]:
    """National codes of the categories of the policy in force, the best first."""
    policy, categories = asked.gateway.identities.categories(day, asked.when)
    rows = [
        _Row(code, category.text.zh)
        for category in categories
        for code in category.national_codes
    ]
    return rows, policy.version


def _listed(name: str, row: _Row, place: int, version: str) -> dict[str, Any]:
    return {
        "type": name,
        "label": row.label,
        "value": row.value,
        "parent_value": "",
        "sort": place,
        "vali_flag": _VALID,
        "create_user": _MAKER,
        "create_date": "" if name == _IDENTITIES else _MADE_ON,
        "version": version,
    }
