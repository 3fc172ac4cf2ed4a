"""2207 in the national envelope beside `POST /v1/settlements`, for the same bills.

Both say nothing of when they were made, because the envelope cannot; each message is
signed with the `x-tif-*` headers, whose nonce the gateway keeps.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import chain
from zlib import crc32

import click

from crypto.tif import tif_signature
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock
from settlement.service.his_clients import NewHisClient, allow
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
_DAYS = 300
#: Of one desk: more than come to it in a round.
_PATIENTS = 400
_VISIT, _DAY, _DISEASE, _MSGID = "@visit", "@day", "@disease", "@msgid"
_MARKS = re.compile("(@visit|@day|@disease|@msgid)")


async def measure(bench: Bench, desks: Desks, rounds: int) -> Measure:
    """The highest throughput of one over the other's, in turn on one gateway."""
    found = Measure(
        "envelope", 0.85, at_least=True, scale=f"{CONNECTIONS} connections",
        title="settle by 2207 of the national envelope, to POST /v1/settlements",
    )  # fmt: skip
    accounts = [await _allowed(bench, number) for number in range(HOSPITALS)]
    async with gateway(bench) as port:
        for number in range(rounds):
            rates: dict[str, Load] = {}
            for which in ("v1", "his") if number % 2 else ("his", "v1"):
                run = f"e{which[0]}{number}"
                if which == "v1":
                    bills = desks.bills(run, timed=False)
                    rates[which] = await settle(bench, port, bills, bench.seconds)
                else:
                    messages = _messages(bench, accounts, run)
                    rates[which] = await _settle(bench, port, messages)
            ours, theirs = rates["his"], rates["v1"]
            found.ratios.append(ours.rate / theirs.rate)
            found.note = f"{ours.rate:,.0f}/s against {theirs.rate:,.0f}/s"
            console.print(f"{found.name}: {found.ratios[-1]:.2f} ({found.note})")
    return found


async def _allowed(bench: Bench, number: int) -> str:
    """The account of a hospital that `open_desks` has registered."""
    sandbox = bench.sandbox
    paasid = f"bench{number:02d}"
    await allow(
        sandbox.database,
        NewHisClient(
            code=f"BENCH{number:02d}",
            fixmedins_code=_institution(number),
            profile="x-tif",
            key_id=paasid,
            secrets={"secret": _SECRET},
            accepts_weak=True,
        ),
        sealing_key=load_party_secret_key(sandbox.data_dir),
        random=os.urandom,
        now=wall_clock(),
    )
    return paasid


def _institution(number: int) -> str:
    return f"H9901{number:07d}"


async def _settle(bench: Bench, port: int, messages: Iterator[bytes]) -> Load:
    """Raises unless each was approved and logged: every answer has status 200."""
    before = await bench.begin()
    load = await run_load(
        port, messages, connections=CONNECTIONS, seconds=bench.seconds
    )
    require_all(load, b"200")
    added = await bench.entries() - before
    if added != load.answers:
        raise click.ClickException(
            f"{load.answers} answers, but {added} entries in the log"
        )
    return load


def _messages(bench: Bench, accounts: Sequence[str], run: str) -> Iterator[bytes]:
    """2207 of all desks in turn, each with patients of its own."""
    first = crc32(run.encode()) % len(bench.cards)
    cards = bench.cards[first:] + bench.cards[:first]
    count = len(accounts) * DESKS_OF_EACH
    desks = [
        _desk(
            cards[n::count][:_PATIENTS],
            bench.day,
            n % len(accounts),
            accounts,
            f"{run}x{n:02d}",
        )
        for n in range(count)
    ]
    return chain.from_iterable(zip(*desks, strict=True))


def _desk(
    cards: Sequence[str], day: str, hospital: int, accounts: Sequence[str], run: str
) -> Iterator[bytes]:
    """One desk's, endless; each visit on another day, as in a year.

    All that can be is prepared by now, so that no load pays for it while it is
    measured.
    """
    last = date.fromisoformat(day)
    days = [f"{last - timedelta(days=n)}".encode() for n in range(_DAYS)]
    parts = [_split(_template(card, hospital, run)) for card in cards]
    lines = request("POST", "/his/2207", b"", {"x-tif-paasid": accounts[hospital]})
    head = lines.replace(b"Content-Length: 0\r\n", b"").removesuffix(b"\r\n\r\n")
    return _signed(parts, days, head, run)


_Parts = list[bytes]


def _split(template: str) -> _Parts:
    """Texts, and between them the marks, which begin with @."""
    return [each.encode() for each in _MARKS.split(template)]


def _signed(
    parts: list[_Parts], days: list[bytes], head: bytes, run: str
) -> Iterator[bytes]:
    salt = crc32(run.encode())
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
        timestamp, nonce = f"{time.time():.0f}", f"{run}{number:09d}"
        signature = tif_signature(_SECRET, timestamp=timestamp, nonce=nonce)
        yield b"%s\r\nContent-Length: %d\r\n%s\r\n\r\n%s" % (
            head,
            len(body),
            f"x-tif-timestamp: {timestamp}\r\nx-tif-nonce: {nonce}\r\n"
            f"x-tif-signature: {signature}".encode(),
            body,
        )


def _template(card: str, hospital: int, run: str) -> str:
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
        "inf_time": f"{_DAY} 10:14:09", "fixmedins_code": _institution(hospital),
        "fixmedins_name": "示范社区卫生服务中心", "sign_no": "",
    }  # fmt: skip
    given = {"data": data, "setlinfo": setlinfo, "setldetail": [setldetail]}
    return json.dumps(header | {"input": given}, ensure_ascii=False)
