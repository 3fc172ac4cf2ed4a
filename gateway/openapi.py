"""`/openapi.json`: OpenAPI 3.1 from the parsing models, the calls and their words."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.calls import CALLS, METRICS_CALL, Call
from gateway.openapi_calls import GROUPS, TEXTS
from gateway.openapi_examples import EXAMPLES
from gateway.openapi_words import CallText, Parameter
from gateway.problems import CONTENT_TYPE as PROBLEM_TYPE
from gateway.problems import STATUS
from gateway.upload import LIST_TYPES
from gateway.wire_answers import ItemsOut, ProblemOut, ReadyOut
from settlement.domain.reasons import REASONS

_REF = "#/components/schemas/{model}"
#: In every answer; 64 random bits.
_REQUEST_ID = {
    "description": "Of this attempt; our logs know it. 供排查用，请记入贵方日志。",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
}
_UNAVAILABLE = 503
_VERSION = "1"
#: Codes from here on belong to files and commands, but for those with a status.
_NOT_HTTP = "MA-6"


@cache
def openapi_document() -> bytes:
    """The document as it is served."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2)


def document() -> dict[str, Any]:
    """The document as a value."""
    calls = (*CALLS, METRICS_CALL)
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Medical aid settlement gateway",
            "x-zh": "医疗救助一站式结算网关",
            "version": _VERSION,
            "summary": "Settle medical aid at the hospital's checkout: exactly once,"
            " provably.",
            "description": "Amounts are integers of fen in fields ending in _fen. Dates"
            " are days in Asia/Shanghai, instants RFC 3339 in UTC. Unknown fields are"
            " refused.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name, "description": en, "x-zh": zh}
            for name, (zh, en) in GROUPS.items()
        ],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "headers": {"RequestId": _REQUEST_ID},
            "securitySchemes": {
                "session": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of POST /v1/sessions.",
                }
            },
        },
        "x-reasons": _reasons(),
    }


def _schemas() -> dict[str, Any]:
    models: set[type[BaseModel]] = {ProblemOut, ItemsOut}
    for text in TEXTS.values():
        models |= {model for model in (text.takes, text.gives) if model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=_REF
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return dict(sorted(schemas.items()))


def _operation(call: Call) -> dict[str, Any]:
    text = TEXTS[call.name]
    operation: dict[str, Any] = {
        "operationId": call.name,
        "tags": [text.group],
        "summary": text.en,
        "x-zh": text.zh,
        "description": text.detail_en,
        "x-detail-zh": text.detail_zh,
        "parameters": [_parameter(parameter) for parameter in text.parameters],
        "responses": _responses(call, text),
        "security": [{"session": []}] if text.needs_session else [],
    }
    if text.takes is not None:
        content: dict[str, Any] = {"schema": _ref(text.takes.__name__)}
        if call.name in EXAMPLES:
            content["example"] = EXAMPLES[call.name].request
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": content},
        }
    elif text.takes_file:
        types = text.file_types or LIST_TYPES
        schema = {"type": "string", "contentMediaType": "application/octet-stream"}
        operation["requestBody"] = {
            "required": True,
            "content": {media_type: {"schema": schema} for media_type in types},
        }
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "description": parameter.en,
        "x-zh": parameter.zh,
        "schema": {"type": "string", "pattern": parameter.pattern},
    }
    if parameter.example:
        described["example"] = parameter.example
    return described


def _responses(call: Call, text: CallText) -> dict[str, Any]:
    responses: dict[str, Any] = {str(text.status): _success(call, text)}
    if text.gives is ReadyOut:
        responses[str(_UNAVAILABLE)] = _json_response("Not able to settle", "ReadyOut")
    by_status: dict[int, list[str]] = {}
    for code in text.codes:
        by_status.setdefault(STATUS[code], []).append(code)
    for status, codes in sorted(by_status.items()):
        responses.setdefault(str(status), _problem(status, codes))
    for response in responses.values():
        headers = response.setdefault("headers", {})
        headers["Medaid-Request-Id"] = {"$ref": "#/components/headers/RequestId"}
    return responses


def _success(call: Call, text: CallText) -> dict[str, Any]:
    if text.gives is None:
        schema: dict[str, Any] = {"type": "string"}
        if text.media_type == "application/json":
            schema = {"type": "object"}
        response: dict[str, Any] = {
            "description": text.en,
            "content": {text.media_type: {"schema": schema}},
        }
    else:
        response = _json_response(text.en, text.gives.__name__)
        content = response["content"]["application/json"]
        if call.name == "find_settlements":
            content["schema"] = {"oneOf": [_ref("FoundOut"), _ref("ItemsOut")]}
        if call.name in EXAMPLES:
            content["example"] = EXAMPLES[call.name].answer
    if text.may_replay:
        response["headers"] = {
            "Idempotent-Replayed": {
                "description": "`true` when this answer was given before",
                "schema": {"type": "string", "const": "true"},
            }
        }
    return response


def _json_response(description: str, model: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": _ref(model)}},
    }


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
        "content": {PROBLEM_TYPE: {"schema": _ref("ProblemOut")}},
        "x-codes": codes,
    }
    if any(REASONS[code].retry_allowed for code in codes):
        response["headers"] = {
            "Retry-After": {
                "description": "seconds, where trying again can help",
                "schema": {"type": "integer"},
            }
        }
    return response


def _reasons() -> list[dict[str, Any]]:
    """Every code with its sentence, for people who look one up."""
    return [
        {
            "code": reason.code,
            "status": STATUS.get(reason.code),
            "text": {"zh": reason.text.zh, "en": reason.text.en},
            "next_step": {"zh": reason.next_step.zh, "en": reason.next_step.en},
            "retry": {"allowed": reason.retry_allowed, "same_key": reason.same_key},
        }
        for reason in REASONS.values()
        if reason.code < _NOT_HTTP or reason.code in STATUS
    ]


def _ref(model: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=model)}
