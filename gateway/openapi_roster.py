"""The words of the calls about roster files, for `/openapi.json` and `/docs`."""

from __future__ import annotations

from gateway import wire_roster_answers as out
from gateway.openapi_words import CallText, Parameter
from gateway.upload import ROSTER_TYPES

_VERSION = Parameter(
    "version", "path", "名册版本", "version of the roster", r"^[1-9][0-9]{0,15}$",
    is_required=True, example="7",
)  # fmt: skip
_MANIFEST = Parameter(
    "Medaid-Roster-Manifest", "header", "清单文件的 Base64",
    "the manifest file in base64", r"^[A-Za-z0-9+/]+=*$", is_required=True,
)  # fmt: skip
_FILE = ("MA-1105", "MA-1106", "MA-1107", "MA-1140",
         *(f"MA-{n}" for n in (*range(6101, 6110), *range(6111, 6115))))  # fmt: skip

ROSTER_TEXTS: dict[str, CallText] = {
    "take_roster_file": CallText(
        group="roster", zh="上传名册文件", en="Send a roster file",
        detail_zh="请求体就是数据文件（CSV 或 gzip，最大 2 GiB，一小时内送完），"
        "清单以 Base64 放在请求头。规则与 medaid roster import 相同，"
        "整份导入或全不导入；同一时间一份。20 秒内未完成为 202，"
        "按 Location 查询。已导入的同一文件再次上传为 200。"
        "GBK 文件须在 Content-Type 写明 charset=gb18030。",
        detail_en="The body is the data file (CSV or gzip, at most 2 GiB, within an"
        " hour), the manifest a header in base64. By the rules of `medaid roster"
        " import`, all of it or nothing, one file at a time. What is not in after 20"
        " seconds is 202: ask at Location. The same file again is 200. A file in GBK"
        " says charset=gb18030 in Content-Type. A refusal by version names"
        " `current_version`, one for its rows `refused_rows`.",
        takes_file=True, file_types=ROSTER_TYPES, gives=out.RosterFileOut, status=201,
        parameters=(_MANIFEST,), problems=_FILE,
    ),
    "roster_file": CallText(
        group="roster", zh="查询名册文件", en="What became of a roster file",
        detail_zh="进行中、已导入、被拒绝或失败；不论由上传还是命令导入。",
        detail_en="Under way, taken, refused or failed; by call or command alike.",
        gives=out.RosterFileOut, parameters=(_VERSION,), problems=("MA-4101",),
    ),
    "roster_refused": CallText(
        group="roster", zh="被拒绝的行", en="The refused rows",
        detail_zh="CSV：行号、列名、值的类型、原因；没有任何值。"
        "最多 20000 行；只有上传的文件才有。",
        detail_en="CSV: line, column, class of the value, reason; no value. At most"
        " 20,000 lines; of files that came by this call.",
        media_type="text/csv", parameters=(_VERSION,), problems=("MA-4101",),
    ),
}  # fmt: skip
