"""The application: its engine, its one route, and how refusals are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import orjson
from fastapi import Depends, FastAPI, Header, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from loadtests.peers.access import Caller, Sessions, caller_of
from loadtests.peers.bill import read_bill
from loadtests.peers.office import open_office
from loadtests.peers.settling import settle
from settlement.domain.bill import Bill
from settlement.domain.errors import RequestRefused
from settlement.domain.reasons import REASONS

#: Connections. From 2 to 32 of them settle the same: with fewer the processor waits for
#: the disk, with more it costs PostgreSQL more that all wait for the log's head.
#: `python -m tests.bench.beside_fastapi --tune` tries others.
POOL = 8
_PREPARED_STATEMENTS = 500
_SETTINGS = {
    "application_name": "fastapi-peer",
    "timezone": "UTC",
    "jit": "off",
    "default_transaction_isolation": "read committed",
}
#: By the first digit of a reason; the others are the request's.
_STATUS = {"2": 503, "4": 409, "5": 503}
_STATUS_OF = {"MA-3101": 401, "MA-3104": 403, "MA-4103": 422}


def make_engine(dsn: str, pool: int = POOL) -> AsyncEngine:
    """The pool of connections to one database."""

    async def connect(**_options: Any) -> Any:
        return await asyncpg.connect(dsn, server_settings=_SETTINGS)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        connect_args={"prepared_statement_cache_size": _PREPARED_STATEMENTS},
        pool_size=pool,
        max_overflow=0,
        pool_use_lifo=True,
    )


def make_app(data_dir: Path, dsn: str, pool: int = POOL) -> FastAPI:
    """The gateway of a data folder that `medaid init` made, on a database."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = make_engine(dsn, pool)
        office = await open_office(engine, data_dir)
        sessions = Sessions(engine)
        app.state.office, app.state.sessions = office, sessions
        following = asyncio.create_task(sessions.follow())
        yield
        following.cancel()
        office.close()
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.add_exception_handler(RequestRefused, _refused)
    app.add_api_route("/v1/settlements", post_settlement, methods=["POST"])
    return app


async def post_settlement(
    request: Request,
    caller: Annotated[Caller, Depends(caller_of)],
    bill: Annotated[Bill, Depends(read_bill)],
    key: Annotated[
        str, Header(alias="Idempotency-Key", pattern=r"^[A-Za-z0-9._:-]{1,64}$")
    ],
) -> Response:
    """Settle the bill, exactly once for the key."""
    body = await settle(request.app.state.office, caller, key, bill)
    return Response(body, status_code=201, media_type="application/json")


async def _refused(_request: Request, refused: Exception) -> Response:
    """What was refused and why, and no value that was sent."""
    assert isinstance(refused, RequestRefused)  # noqa: S101  # registered for it
    reason = REASONS[refused.reason]
    status = _STATUS_OF.get(reason.code) or _STATUS.get(reason.code[3], 422)
    problem = {
        "code": reason.code,
        "text": {"zh": reason.text.zh, "en": reason.text.en},
        "errors": [{"path": f.path, "code": f.reason} for f in refused.faults],
    }
    headers = {}
    if refused.retry_after_s is not None:
        headers["Retry-After"] = str(refused.retry_after_s)
    return Response(
        orjson.dumps(problem), status, headers, media_type="application/problem+json"
    )
