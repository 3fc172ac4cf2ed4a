"""2207 in the national envelope beside `POST /v1/settlements`, for the same bills.

Both say nothing of when they were made, because the envelope cannot.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from zlib import crc32

import click

from crypto.tif import tif_signature
from gateway.his.recognition import SIGN_NO_BYTES
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock
from settlement.service.access import Sessions
from settlement.service.his_clients import NewHisClient, allow
from settlement.store.access import AccessStore
from tests.bench.ground import (
    CONNECTIONS,
    DESKS_OF_EACH,
    HOSPITALS,
    Bench,
    Desks,
    console,
    gateway,
    require_all,
    settle,
)
from tests.bench.measures import Measure
from tests.bench.raw_client import Load, request, run_load

_SECRET = "of-the-bench-alone"
#: Of the length of a round: there are four of these in each.
_SHARE = 1 / 4
_DAYS = 300
#: Of one desk: more than come to it in a round.
_PATIENTS = 400
_VISIT, _DAY, _DISEASE, _MSGID = "@visit", "@day", "@disease", "@msgid"
_MARKS = re.compile("(@visit|@day|@disease|@msgid)")


async def measure(bench: Bench, desks: Desks, rounds: int) -> list[Measure]:
    """The throughput of each profile over version 1's, in turn on one gateway.

    `sign-in` shows who calls as version 1 does, by a session; with `x-tif` each message
    is signed anew, and its nonce kept.
    """
    crowd = f"{CONNECTIONS} connections"
    found = {
        profile: Measure(
            f"envelope_{profile.replace('-', '_')}", 0.85, at_least=True, scale=crowd,
            title=f"settle by 2207, profile {profile}, to POST /v1/settlements",
        )
        for profile in ("sign-in", "x-tif")
    }  # fmt: skip
    hospitals = [await _allowed(bench, number) for number in range(HOSPITALS)]
    async with gateway(bench) as port:
        for number in range(rounds):
            before = await _theirs(bench, port, desks, f"eva{number}")
            rates = {}
            for profile in found:
                messages = _messages(bench, hospitals, f"e{profile[0]}{number}")
                rates[profile] = (await _settle(bench, port, messages)).rate
            # On both sides, so that a machine that slows down weighs on both alike.
            theirs = (before + await _theirs(bench, port, desks, f"evb{number}")) / 2
            for profile, each in found.items():
                each.ratios.append(rates[profile] / theirs)
                each.note = f"{rates[profile]:,.0f}/s against {theirs:,.0f}/s"
                console.print(f"{each.name}: {each.ratios[-1]:.2f} ({each.note})")
    return list(found.values())


async def _theirs(bench: Bench, port: int, desks: Desks, run: str) -> float:
    """Version 1's rate."""
    bills = desks.bills(run, timed=False)
    return (await settle(bench, port, bills, bench.seconds * _SHARE)).rate


@dataclass(frozen=True, slots=True)
class _Hospital:
    """How one shows itself by either profile."""

    institution: str
    paasid: str
    sign_no: str


async def _allowed(bench: Bench, number: int) -> _Hospital:
    """One that `open_desks` has registered, let in by both profiles."""
    database, code = bench.sandbox.database, f"BENCH{number:02d}"
    ways = {
        f"bench{number:02d}": ("x-tif", {"secret": _SECRET}),
        f"{code}:session": ("sign-in", {}),
    }
    for key_id, (profile, secrets) in ways.items():
        await allow(
            database,
            NewHisClient(
                code=code,
                fixmedins_code=_institution(number),
                profile=profile,
                key_id=key_id,
                secrets=secrets,
                accepts_weak=True,
            ),
            sealing_key=load_party_secret_key(bench.sandbox.data_dir),
            random=os.urandom,
            now=wall_clock(),
        )
    return _Hospital(
        _institution(number), f"bench{number:02d}", await _session(bench, code)
    )


async def _session(bench: Bench, code: str) -> str:
    """As a signed 9001 would open it."""
    store = AccessStore(bench.sandbox.database)
    party = await store.party(code)
    keys = await store.keys()
    (key,) = [each for each in keys if party and each.party_id == party.id]
    opened = await Sessions(store, random=os.urandom).open(
        key_id=key.key_id,
        nonce=os.urandom(16).hex(),
        party=code,
        operator="desk",
        now=wall_clock(),
        token_bytes=SIGN_NO_BYTES,
    )
    return opened.token


def _institution(number: int) -> str:
    return f"H9901{number:07d}"


async def _settle(bench: Bench, port: int, messages: Iterator[bytes]) -> Load:
    """Raises unless each was approved and logged: every answer has status 200."""
    before = await bench.begin()
    load = await run_load(
        port, messages, connections=CONNECTIONS, seconds=bench.seconds * _SHARE
    )
    require_all(load, b"200")
    added = await bench.entries() - before
    if added != load.answers:
        raise click.ClickException(
            f"{load.answers} answers, but {added} entries in the log"
        )
    return load


def _messages(
    bench: Bench, hospitals: Sequence[_Hospital], run: str
) -> Iterator[bytes]:
    """2207 of all desks in turn, each with patients of its own."""
    first = crc32(run.encode()) % len(bench.cards)
    cards = bench.cards[first:] + bench.cards[:first]
    count = len(hospitals) * DESKS_OF_EACH
    desks = [
        _desk(
            cards[n::count][:_PATIENTS],
            bench.day,
            hospitals[n % len(hospitals)],
            f"{run}x{n:02d}",
        )
        for n in range(count)
    ]
    return chain.from_iterable(zip(*desks, strict=True))


def _desk(
    cards: Sequence[str], day: str, hospital: _Hospital, run: str
) -> Iterator[bytes]:
    """One desk's, endless; each visit on another day, as in a year.

    All that can be is prepared by now, so that no load pays for it while it is
    measured.
    """
    last = date.fromisoformat(day)
    days = [f"{last - timedelta(days=n)}".encode() for n in range(_DAYS)]
    parts = [_split(_template(card, hospital, run)) for card in cards]
    is_signed = run[1] == "x"
    shown = {"x-tif-paasid": hospital.paasid} if is_signed else {}
    lines = request("POST", "/his/2207", b"", shown)
    head = lines.replace(b"Content-Length: 0\r\n", b"").removesuffix(b"\r\n\r\n")
    return _numbered(parts, days, head, run)


_Parts = list[bytes]


def _split(template: str) -> _Parts:
    """Texts, and between them the marks, which begin with @."""
    return [each.encode() for each in _MARKS.split(template)]


def _numbered(
    parts: list[_Parts], days: list[bytes], head: bytes, run: str
) -> Iterator[bytes]:
    salt, is_signed = crc32(run.encode()), run[1] == "x"
    for number in itertools.count():
        nth = number // len(parts)
        disease = f"{chr(65 + (number + nth * 13 + salt) % 20)}{number % 90:02d}"
        values = {
            b"@visit": b"%s%09d" % (run.encode(), number),
            b"@msgid": b"%s-%09d" % (run.encode(), number),
            b"@day": days[(number * 7 + nth * 97 + salt) % _DAYS],
            b"@disease": disease.encode(),
        }
        body = b"".join(
            values[part] if part[:1] == b"@" else part
            for part in parts[number % len(parts)]
        )
        signature = _signature(f"{run}{number:09d}") if is_signed else b""
        yield b"%s\r\nContent-Length: %d\r\n%s\r\n%s" % (
            head,
            len(body),
            signature,
            body,
        )


def _signature(nonce: str) -> bytes:
    """Header lines of now."""
    timestamp = f"{time.time():.0f}"
    signature = tif_signature(_SECRET, timestamp=timestamp, nonce=nonce)
    return (
        f"x-tif-timestamp: {timestamp}\r\nx-tif-nonce: {nonce}\r\n"
        f"x-tif-signature: {signature}\r\n".encode()
    )


def _template(card: str, hospital: _Hospital, run: str) -> str:
    """The bill of `bodies`, as a hospital's program has it after the national 2207."""
    data = {
        "psn_no": f"9901{crc32(card.encode()):020d}", "mdtrt_cert_type": "03",
        "mdtrt_cert_no": card, "med_type": "11", "medfee_sumamt": "250.00",
        "psn_setlway": "01", "mdtrt_id": _VISIT, "chrg_bchno": "1",
        "acct_used_flag": "0", "insutype": "390", "invono": "",
        "begntime": _DAY, "endtime": _DAY, "dise_codg": _DISEASE,
        "fulamt_ownpay_amt": "10.00", "overlmt_selfpay": "0.00",
        "preselfpay_amt": "8.00", "inscp_scp_amt": "232.00",
    }  # fmt: skip
    setlinfo = {
        "mdtrt_id": _VISIT, "setl_id": "N000000001", "psn_no": data["psn_no"],
        "psn_name": "某某", "psn_cert_type": "01", "certno": "", "gend": "1",
        "naty": "01", "brdy": "1960-01-01", "age": 66.0, "insutype": "390",
        "psn_type": "1501", "cvlserv_flag": "0", "setl_time": f"{_DAY} 10:13:00",
        "mdtrt_cert_type": "03", "med_type": "11", "medfee_sumamt": 250.00,
        "fulamt_ownpay_amt": 10.00, "overlmt_selfpay": 0.00, "preselfpay_amt": 8.00,
        "inscp_scp_amt": 232.00, "act_pay_dedc": 0.00, "hifp_pay": 160.00,
        "pool_prop_selfpay": 0.6897, "cvlserv_pay": 0.00, "hifes_pay": 0.00,
        "hifmi_pay": 0.00, "hifob_pay": 0.00, "maf_pay": 0.00, "oth_pay": 0.00,
        "fund_pay_sumamt": 160.00, "psn_part_amt": 90.00, "acct_pay": 0.00,
        "psn_cash_pay": 90.00, "hosp_part_amt": 0.00, "balc": 0.00,
        "acct_mulaid_pay": 0.00, "medins_setl_id": _MSGID, "clr_optins": "990100",
        "clr_way": "01", "clr_type": "11",
    }  # fmt: skip
    setldetail = {
        "fund_pay_type": "390100", "inscp_scp_amt": 232.00,
        "crt_payb_lmt_amt": 3000.00, "fund_payamt": 160.00,
        "fund_pay_type_name": "居民统筹基金", "setl_proc_info": "",
    }  # fmt: skip
    header = {
        "infno": "2207", "msgid": _MSGID, "mdtrtarea_admvs": "990100",
        "insuplc_admdvs": "990100", "recer_sys_code": "MBS_LOCAL", "dev_no": "",
        "dev_safe_info": "", "cainfo": "", "signtype": "", "infver": "V1.0",
        "opter_type": "1", "opter": f"desk{run[-2:]}", "opter_name": "收费窗口",
        "inf_time": f"{_DAY} 10:14:09", "fixmedins_code": hospital.institution,
        "fixmedins_name": "示范社区卫生服务中心", "sign_no": hospital.sign_no,
    }  # fmt: skip
    given = {"data": data, "setlinfo": setlinfo, "setldetail": [setldetail]}
    return json.dumps(header | {"input": given}, ensure_ascii=False)
