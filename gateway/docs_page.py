"""`/docs`: the OpenAPI document, its style and its script in one page.

Nothing is loaded from elsewhere, and the page's policy forbids it: hospital networks
have no way out, and a page that describes an interface to money must not run what
others serve.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

import orjson

from gateway.openapi import document


@cache
def docs_page() -> tuple[bytes, str]:
    """The page and its Content-Security-Policy."""
    static = files("gateway").joinpath("static")
    style, script, page = (
        static.joinpath(name).read_text(encoding="utf-8")
        for name in ("docs.css", "docs.js", "docs.html")
    )
    # `<` cannot end the script element that way, and means the same in JSON.
    openapi = orjson.dumps(document()).decode().replace("<", "\\u003c")
    for name, text in (("style", style), ("openapi", openapi), ("script", script)):
        page = page.replace("{{" + name + "}}", text)
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)};"
        " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page.encode(), policy


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
