"""A gateway built the usual way, to be measured beside ours. No part of the kit.

What a good team would write today with FastAPI, SQLAlchemy 2 (async, on asyncpg) and
uvicorn (uvloop, httptools): `POST /v1/settlements`, one database transaction for each
request. It works on our schema, with our constraints, keeps what ours keeps, and gives
the same decision with a receipt that verifies.

What is compared is the architecture. So the rules, the detectors, the encryption, the
signatures, the Merkle tree and the roster's cache are the very same code here:
`settlement.domain`, `crypto`, `eligibility_cache`, and `gateway.identity` for numbers
that have no business in a bill. All else is its own: HTTP, parsing, access, SQL, the
order of locks, the text of records and of answers.

It leaves out what ours does beside: reversals, rate limits, deadlines, metrics, packs
and rules that change while it runs, and the watch that looks at every settlement once
more. That is in its favour.

Tuned, each by measuring:
- Core statements, built once and compiled once, in place of the ORM;
- a pool that never grows or shrinks, connections that keep prepared statements;
- everything that a settlement writes in as few statements as the tables allow;
- orjson for answers, pydantic straight from the body's bytes, no access log;
- sessions remembered for a second, the roster in memory, packs compiled at start;
- what start-up made is kept out of garbage collection, as in ours.
"""
