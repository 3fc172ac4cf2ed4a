"""Headers, signatures, paths and queries gone wrong."""

import random
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import strategies as st

from tests.fuzz.hostile_bodies import CARD_NUMBER
from tests.fuzz.hostile_values import CANARY, OTHER_RESIDENT_ID
from tests.gateway.desk import Key, RunningEdge

Signed = dict[str, bytes | None]

_KEYS = (
    None, b"", b"a b", b"k" * 65, b"k" * 4_000, b"a/b", b"a,b", b'"k"', b"k;v=1",
    b"%00", "键".encode(), "ｋ".encode(), b"\xff\xfe", b"a\tb", b"k\x85",
    CANARY.encode() + b" ~",
)  # fmt: skip
_HIDDEN = (
    CARD_NUMBER.encode(), CARD_NUMBER.lower().encode(), OTHER_RESIDENT_ID.encode(),
    OTHER_RESIDENT_ID.lower().encode(), f"k-{CARD_NUMBER}-1".encode(),
    f"9{OTHER_RESIDENT_ID}".encode(), "-".join(CARD_NUMBER).encode(),
)  # fmt: skip
_DEADLINES = (
    b"", b"0", b"-1", b"+5", b"1.5", b"1e3", b"NaN", b"0x10", b"600001", b"9" * 4_000,
    b"5 5", b"5,5", b"ten", "５００".encode(), "٣".encode(), b"1_000", b"\xff",
    CANARY.encode(),
)  # fmt: skip
_TIMES = (
    b"", b"now", b"2026-01-05", b"2026-01-05T02:14:09", b"2026-01-05T02:14:09+08:00",
    b"0000-01-01T00:00:00Z", b"0001-01-01T00:00:00Z", b"1999-12-31T23:59:59Z",
    b"9999-12-31T23:59:59Z", b"2151-01-01T00:00:00Z", b"2026-02-30T00:00:00Z",
    b"2016-12-31T23:59:60Z", b"2026-01-05T24:00:00Z", b"2026-W02-1T00:00:00Z",
    b"1767571200", "２０２６-01-05T02:14:09Z".encode(), b"\xff", CANARY.encode(),
)  # fmt: skip
_TYPES = (
    None, b"", b"text/plain", b"application/json; charset=utf-16", b"application/xml",
    b"application/json; charset=gbk", b"application/x-www-form-urlencoded", b"json",
    b"multipart/form-data; boundary=x", b"application/json, application/json",
    b"application/jsonp", b"\xff", b"a" * 4_000, CANARY.encode(),
)  # fmt: skip
_TOKENS = (
    None, b"", b"Bearer", b"Bearer ", b"Basic QTpC", b"Bearer " + b"A" * 43,
    b"Bearer " + b"A" * 42, b"Bearer " + b"A" * 4_000, b"bearer\t" + b"A" * 43,
    b"Bearer " + "令".encode() * 43, b"Bearer " + b"\xff" * 43, b"Bearer a, Bearer b",
    b"Bearer " + CANARY.encode(), b"Bearer null", b"Bearer ' OR 1=1 --",
)  # fmt: skip
#: Name, value (`None`: left out) and the code that the answer must have.
HEADERS: tuple[tuple[str, bytes | None, str], ...] = (
    *(("Idempotency_Key", value, "MA-1103") for value in _KEYS),
    *(("Idempotency_Key", value, "MA-1104") for value in _HIDDEN),
    *(("Medaid_Deadline_Ms", value, "MA-1107") for value in _DEADLINES),
    *(("Medaid_Sandbox_Time", value, "MA-1107") for value in _TIMES),
    *(("Content_Type", value, "MA-1106") for value in _TYPES),
    *(("Authorization", value, "MA-3101") for value in _TOKENS),
)


_CODES = {"Idempotency_Key": "MA-1103", "Medaid_Deadline_Ms": "MA-1107",
          "Medaid_Sandbox_Time": "MA-1107", "Content_Type": "MA-1106",
          "Authorization": "MA-3101"}  # fmt: skip
#: What a header line can hold: no NUL, no line end.
_NOISE = st.binary(max_size=60).map(
    lambda noise: b"~" + bytes(each for each in noise if each not in b"\0\r\n")
)


def headers() -> st.SearchStrategy[tuple[str, bytes | None, str]]:
    """A header from the list, or one of noise."""
    noisy = st.builds(
        lambda name, noise: (name, noise, _CODES[name]),
        st.sampled_from(sorted(_CODES)),
        _NOISE,
    )
    return st.sampled_from(HEADERS) | noisy


def signed_headers(edge: RunningEdge, key: Key, body: bytes) -> Signed:
    """The headers of a sound signature, by names with `_` for `-`."""
    headers = edge.signed(key, "/v1/sessions", body)
    return {
        name.title().replace("-", "_"): value.encode()
        for name, value in headers.items()
    }


def _set(name: str, *values: bytes | None) -> Callable[[Signed, random.Random], None]:
    def change(headers: Signed, rng: random.Random) -> None:
        headers[name] = rng.choice(values)

    return change


def _edited(name: str) -> Callable[[Signed, random.Random], None]:
    """One byte of the value replaced, dropped or doubled."""

    def change(headers: Signed, rng: random.Random) -> None:
        old = headers[name] or b""
        place = rng.randrange(len(old))
        letter = bytes([rng.choice([*range(0x21, 0x7F), 0x80, 0xFF])])
        put = rng.choice((letter, b"", old[place : place + 1] * 2))
        new = old[:place] + put + old[place + 1 :]
        headers[name] = new if new != old else old + b"x"

    return change


#: What makes a sound signature one that must not open a session.
SIGNATURE_CHANGES: dict[str, Callable[[Signed, random.Random], None]] = {
    "digest edited": _edited("Content_Digest"),
    "input edited": _edited("Signature_Input"),
    "signature edited": _edited("Signature"),
    "digest": _set("Content_Digest", None, b"", b"sha-256=::", b"md5=:AAAA:", b"\xff",
                   b"sha-256=:" + b"A" * 4_000 + b":", CANARY.encode()),
    "input": _set("Signature_Input", None, b"", b"sig1=()", b"sig1=", b"sig2=()",
                  b'sig1=("@method");created=1', b'sig1=("@method" "@method")',
                  b"sig1=(" + b'"a" ' * 900 + b")", b'sig1=("' + b"-" * 4_000 + b'")',
                  b"sig1=(" + b"(" * 500, "sig1=（）".encode(), CANARY.encode()),
    "signature": _set("Signature", None, b"", b"sig1=::", b"sig1=:=:", b"sig1=:AAAA:",
                      b"sig1=:" + b"A" * 4_000 + b":", b"\xff", CANARY.encode()),
}  # fmt: skip

_IDS = (
    "0", "-1", "a" * 65, "a" * 3_000, "..", ".", "%00", "%2e%2e%2f", "%ff", "%ed%a0%80",
    "%", "%zz", "'", "1%20OR%201=1", "*", "null", "a:b", "%E5%BC%A0%E4%B8%89",
    CARD_NUMBER, OTHER_RESIDENT_ID, CANARY, "0" * 32, "f" * 32, "9" * 400,
)  # fmt: skip
_TILES = (
    "0/001", "0/999", "63/000", "64/000", "0/x999/x999/x999/x999/x999/999", "0/000.p/0",
    "0/000.p/256", "0/000.p/257", "0/000.p/9999999999", "-1/000", "entries/999",
    "entries/x001/000", "0//000", "../../keys", "0/%2e%2e", "0/0000", "9/999.p/255",
    "0/000/", "x", "%00", "0/x000/000", "62/x999/x999/x999/x999/x999/999.p/1",
)  # fmt: skip
_QUERIES = (
    "", "?", "?a=1", "?idempotency_key=", "?visit_no=", "?idempotency_key=a&visit_no=b",
    "?idempotency_key=a&idempotency_key=b", "?visit_no=%00", "?visit_no=%ff",
    "?visit_no=%ed%a0%80", "?visit_no=a%20b", "?visit_no=" + "a" * 65,
    "?visit_no=" + "a" * 3_000, "?idempotency_key=%E9%94%AE", "?" + "&" * 900,
    "?" + "a=1&" * 400, "?idempotency_key=a/b", f"?{CARD_NUMBER}=1", f"?{CANARY}",
    f"?{OTHER_RESIDENT_ID}=x", "?Idempotency_Key=a", "?visit_no=a%0d%0aX:1", "?%",
    "?idempotency_key[]=a", "?visit_no=%EF%BC%A1",
)  # fmt: skip
_PATHS = (
    "/", "//", "/v1", "/v1/", "/v2/settlements", "/V1/settlements", "/v1/settlements/",
    "/v1//settlements", "/v1/settlements/../keys", "/v1/%73ettlements", "/.git/config",
    "/v1/quotes/1", "/v1/settlements/a/b", "/openapi.json/", "/docs/..%2f..%2f",
    "/v1/settlements;a=b", "/" + "a" * 3_000, f"/{CARD_NUMBER}", f"/{CANARY}", "/%00",
)  # fmt: skip
_METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, str]:
    """A method and an address that names nothing that there is."""
    what = draw(st.sampled_from(["id", "tile", "query", "path", "method", "noise"]))
    if what == "id":
        below = draw(st.sampled_from(["", "/record", "/proof"]))
        return "GET", f"/v1/settlements/{draw(st.sampled_from(_IDS))}{below}"
    if what == "tile":
        return "GET", f"/v1/log/tile/{draw(st.sampled_from(_TILES))}"
    if what == "query":
        return "GET", f"/v1/settlements{draw(st.sampled_from(_QUERIES))}"
    if what == "path":
        return "GET", draw(st.sampled_from(_PATHS))
    if what == "method":
        path = draw(st.sampled_from(["/v1/settlements", "/v1/keys", "/v1/reversals"]))
        return draw(st.sampled_from(_METHODS)), path
    noise = quote(draw(st.binary(min_size=1, max_size=40)), safe="/?&=;")
    return "GET", f"/v1/settlements/{noise}-"
