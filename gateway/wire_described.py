"""How a member of a request or an answer is described, in Chinese and in English."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def say(zh: str, en: str, **more: Any) -> Any:
    """A pydantic field with its words for `/openapi.json`; `more` is `Field`'s."""
    return Field(description=en, json_schema_extra={"x-zh": zh}, **more)


class Answer(BaseModel):
    """An answer has the members that are described, and no others."""

    model_config = ConfigDict(extra="forbid")
