"""The tables that a settlement touches, as `settlement/store/migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

metadata = MetaData()


class OneByte(UserDefinedType[bytes]):
    """PostgreSQL's "char", a single byte, which no standard type stands for."""

    cache_ok = True

    def get_col_spec(self) -> str:
        """The type's name in DDL."""
        return '"char"'


_INSTANT = DateTime(timezone=True)

settle_key = Table(
    "settle_key",
    metadata,
    Column("facility_id", Integer, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("id", LargeBinary),
    Column("month", Integer),
    Column("tombstone", Boolean),
)

visit = Table(
    "visit",
    metadata,
    Column("identity", LargeBinary, primary_key=True),
    Column("ordinal", SmallInteger, primary_key=True),
    Column("id", LargeBinary),
)

accumulator = Table(
    "accumulator",
    metadata,
    Column("person", LargeBinary, primary_key=True),
    Column("year", SmallInteger, primary_key=True),
    Column("pot", Text, primary_key=True),
    Column("used_fen", BigInteger),
    Column("cap_fen", BigInteger),
)

settlement = Table(
    "settlement",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("month", Integer),
    Column("facility_id", Integer),
    Column("key", Text),
    Column("state", OneByte),
    Column("person", LargeBinary),
    Column("visit_no", Text),
    Column("visit_identity", LargeBinary),
    Column("care_type", Text),
    Column("service_start", Date),
    Column("service_end", Date),
    Column("occurred_at", _INSTANT),
    Column("settled_at", _INSTANT),
    Column("operator", Text),
    Column("sandbox", Boolean),
    Column("category", Text),
    Column("subdistrict", Text),
    Column("roster_version", BigInteger),
    Column("policy_no", Integer),
    Column("reason", Text),
    Column("repeat_reason", Text),
    Column("total_fen", BigInteger),
    Column("funds_fen", BigInteger),
    Column("base_fen", BigInteger),
    Column("aid_fen", BigInteger),
    Column("tilt_fen", BigInteger),
    Column("patient_pays_fen", BigInteger),
    Column("log_index", BigInteger),
    Column("confirm_reason", Text),
)

reversal = Table(
    "reversal",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("settlement_id", LargeBinary),
    Column("reason", Text),
    Column("reversed_at", _INSTANT),
)

diagnosis = Table(
    "diagnosis",
    metadata,
    Column("settlement_id", LargeBinary, primary_key=True),
    Column("codes", ARRAY(Text)),
    Column("prescription_days", SmallInteger),
    schema="clinical",
)

answer = Table(
    "answer",
    metadata,
    Column("month", Integer, primary_key=True),
    Column("id", LargeBinary, primary_key=True),
    Column("request", LargeBinary),
    Column("head", LargeBinary),
    Column("tail", LargeBinary),
    Column("digest", LargeBinary),
)

sealed_record = Table(
    "sealed_record",
    metadata,
    Column("month", Integer, primary_key=True),
    Column("log_index", BigInteger, primary_key=True),
    Column("record", LargeBinary),
)

posting = Table(
    "posting",
    metadata,
    Column("log_index", BigInteger, primary_key=True),
    Column("person", LargeBinary),
    Column("year", SmallInteger, primary_key=True),
    Column("pot", Text, primary_key=True),
    Column("amount_fen", BigInteger),
    Column("cap_fen", BigInteger),
)

log_leaf = Table(
    "log_leaf",
    metadata,
    Column("log_index", BigInteger, primary_key=True),
    Column("entry", LargeBinary),
    Column("id", LargeBinary),
    Column("month", Integer),
)

log_node = Table(
    "log_node",
    metadata,
    Column("level", SmallInteger, primary_key=True),
    Column("node_index", BigInteger, primary_key=True),
    Column("hash", LargeBinary),
)

log_head = Table(
    "log_head",
    metadata,
    Column("one", Boolean, primary_key=True),
    Column("size", BigInteger),
    Column("root", LargeBinary),
    Column("edge", LargeBinary),
    Column("checkpoint", Text),
)

watched_decline = Table(
    "watched_decline",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("id", LargeBinary),
)

roster_head = Table(
    "roster_head",
    metadata,
    Column("version", BigInteger),
)

policy_pack = Table(
    "policy_pack",
    metadata,
    Column("no", Integer, primary_key=True),
    Column("document", LargeBinary),
    Column("known_since", _INSTANT),
    Column("active", Boolean),
)

alert_rules = Table(
    "alert_rules",
    metadata,
    Column("no", Integer, primary_key=True),
    Column("document", LargeBinary),
    Column("known_since", _INSTANT),
    Column("active", Boolean),
)

alert_mute = Table(
    "alert_mute",
    metadata,
    Column("subject", LargeBinary, primary_key=True),
    Column("detector", Text, primary_key=True),
    Column("muted_at", _INSTANT),
)

party = Table(
    "party",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", Text),
    Column("role", Text),
    Column("level", SmallInteger),
    Column("subdistrict", Text),
    Column("settings", JSONB),
)

party_key = Table(
    "party_key",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("revoked_at", _INSTANT),
)

session = Table(
    "session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("party_id", Integer),
    Column("key_id", Text),
    Column("operator", Text),
    Column("expires_at", _INSTANT),
)

access_version = Table(
    "access_version",
    metadata,
    Column("version", BigInteger),
)
