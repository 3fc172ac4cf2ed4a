"""What may be wrong with a gateway: a stable code and a sentence in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from settlement.domain.decision import Text


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that may be wrong."""

    stops: bool
    """Whether the gateway cannot settle, so that others should be asked."""
    text: Text
    """May have one place for what was seen: `{}`."""


#: Every finding by its code, in the order in which they are said.
KINDS: Mapping[str, Kind] = {
    "draining": Kind(
        stops=True, text=Text("本进程正在停止服务", "this process is shutting down")
    ),
    "settlement_stopped": Kind(
        stops=True, text=Text("结算已停止：{}", "settlement stopped: {}")
    ),
    "mark_not_written": Kind(
        stops=True,
        text=Text(
            "检查点文件无法读写：{}",
            "the checkpoint file cannot be read or written: {}",
        ),
    ),
    "no_policy_pack": Kind(
        stops=True, text=Text("尚未安装政策包", "no policy pack is installed")
    ),
    "no_roster": Kind(
        stops=True, text=Text("尚未导入救助对象名册", "no roster has been imported")
    ),
    "roster_refused": Kind(
        stops=True,
        text=Text(
            "名册已过时，按设置不予答复",
            "the roster is too old, and the settings let nobody answer by it",
        ),
    ),
    "database_away": Kind(
        stops=True, text=Text("PostgreSQL 没有应答", "PostgreSQL does not answer")
    ),
    "cache_behind": Kind(
        stops=False,
        text=Text(
            "名册缓存落后于数据库 {} 个版本",
            "the roster cache is {} versions behind the database",
        ),
    ),
    "roster_old": Kind(
        stops=False,
        text=Text(
            "名册已有 {} 天没有更新", "the roster describes the state of {} days ago"
        ),
    ),
    "month_missing": Kind(
        stops=False,
        text=Text("月份 {} 的分区尚未建立", "month {} has no partition yet"),
    ),
    "pack_refused": Kind(
        stops=False,
        text=Text(
            "政策包没有采用，仍按原有政策结算：{}",
            "a policy pack was not taken over, the former ones hold: {}",
        ),
    ),
    "watch_behind": Kind(
        stops=False,
        text=Text(
            "重复结算提示落后 {} 秒，请查看 watch 进程",
            "alerts are {} seconds late: look at the process watch",
        ),
    ),
    "claims_skipped": Kind(
        stops=False,
        text=Text(
            "{} 笔结算未能检查重复，已留待下次启动",
            "{} claims could not be looked at for alerts; the next start tries again",
        ),
    ),
    "clock_far": Kind(
        stops=False,
        text=Text(
            "本机时钟与数据库时钟相差 {} 秒",
            "this machine's clock and the database's are {} seconds apart",
        ),
    ),
    "disk_nearly_full": Kind(
        stops=False,
        text=Text(
            "数据目录所在磁盘只剩 {} MB",
            "only {} MB are free on the data folder's disk",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong now."""

    code: str
    seen: str = ""
    """What stands in the sentence's place."""

    @property
    def stops(self) -> bool:
        """Whether the gateway cannot settle because of it."""
        return KINDS[self.code].stops

    @property
    def text(self) -> Text:
        """The sentence."""
        text = KINDS[self.code].text
        return Text(text.zh.format(self.seen), text.en.format(self.seen))
