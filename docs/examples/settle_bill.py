"""Settle one bill exactly once, whatever fails on the way: a model to write again.

Usage: python3 settle_bill.py http://127.0.0.1:8080 KEY_FILE OPERATOR BILL_FILE

Prints the answer: a decision, or the reversal where no answer came in time. Status 1:
refused, correct the bill. Status 4: still unknown. After 4, and after a crash, run it
again: the request lies in BILL_FILE.db and goes on under the same key.
"""

# One page of example, and no part of a package:
# ruff: noqa: ANN001, ANN201, INP001, PLR2004, S310, T201, TID251

import json
import os
import sqlite3
import sys
import time
import uuid
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from open_session import open_session

PAUSES_S = [float(s) for s in os.environ.get("PAUSES_S", "1 2 4 8 15 30").split()]
REFUSED = (400, 403, 404, 405, 413, 415, 422)
ADD = "INSERT INTO request (path, body, key) VALUES (?, ?, ?)"
LAST = "SELECT path, body, key FROM request ORDER BY rowid DESC LIMIT 1"
REASON = "timeout"
session = {"token": ""}


def send(path, body, key):
    """Try once. Without an answer nobody knows what became of the request."""
    try:
        session["token"] = session["token"] or open_session(gateway, party, operator)
        head = {"Authorization": f"Bearer {session['token']}", "Idempotency-Key": key}
        head["Content-Type"] = "application/json"
        with urlopen(Request(gateway + path, body.encode(), head), timeout=30) as ok:
            return json.load(ok), 0
    except HTTPError as no:
        if no.code in REFUSED:
            sys.exit(no.read().decode())
        session["token"] = "" if no.code == 401 else session["token"]
        return None, int(no.headers["Retry-After"] or 0)
    except (OSError, HTTPException, ValueError):
        return None, 0


def ask(path, body, key):
    """Send the same under the same key until it is answered; None: still unknown."""
    for pause_s in PAUSES_S:
        answer, wait_s = send(path, body, key)
        if answer is not None:
            return answer
        time.sleep(max(pause_s, wait_s))
    return None


def settle(bill):
    """Go on with what was kept last; the first time quote, and keep before sending."""
    if not store.execute(LAST).fetchone():
        quote = ask("/v1/quotes", json.dumps(bill), "") or sys.exit(4)
        body = json.dumps(bill | {"expected_aid_fen": quote["aid_fen"]})
        store.execute(ADD, ("/v1/settlements", body, str(uuid.uuid4())))
    path, body, key = store.execute(LAST).fetchone()
    answer = ask(path, body, key)
    if answer is None and path == "/v1/settlements":
        undo = {"original_idempotency_key": key, "card": bill["card"], "reason": REASON}
        # From here on the settle key is given up, also by the next run.
        store.execute(ADD, ("/v1/reversals", json.dumps(undo), key))
        return settle(bill)
    return answer


gateway, key_file, operator, bill_file = sys.argv[1:]
party, bill = (json.loads(Path(name).read_bytes()) for name in (key_file, bill_file))
# Without isolation level each statement is on disk when it returns.
store = sqlite3.connect(f"{bill_file}.db", isolation_level=None)
store.execute("CREATE TABLE IF NOT EXISTS request (path, body, key)")
print(json.dumps(answer := settle(bill), ensure_ascii=False))
sys.exit(4 if answer is None else 0)
