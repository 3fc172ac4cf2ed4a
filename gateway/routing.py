"""Which call a request is for: one dictionary look-up for those without parameter.

aiohttp's own dispatcher matches regular expressions and builds a match object for
each request, which costs more than parsing the eligibility body does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.calls import Call
from settlement.domain.errors import RequestRefused


@dataclass(frozen=True, slots=True)
class _Pattern:
    prefix: str
    suffix: str
    spans_segments: bool

    def match(self, path: str) -> str | None:
        """What stands for the parameter; `None` where the path is another."""
        end = len(path) - len(self.suffix)
        if not (path.startswith(self.prefix) and path.endswith(self.suffix)):
            return None
        found = path[len(self.prefix) : end] if end > len(self.prefix) else ""
        if not found or ("/" in found and not self.spans_segments):
            return None
        return found


class MethodRefused(RequestRefused):
    """The address exists, but not for this method."""

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__("MA-4106")
        self.allowed = ", ".join(sorted(allowed))


class Router:
    """The calls of one listener."""

    def __init__(self, calls: Iterable[Call]) -> None:
        """Exact paths win over patterns."""
        self._exact: dict[str, dict[str, Call]] = {}
        self._patterns: dict[_Pattern, dict[str, Call]] = {}
        for call in calls:
            self._methods_of(call.path)[call.method] = call

    def _methods_of(self, path: str) -> dict[str, Call]:
        if "{" not in path:
            return self._exact.setdefault(path, {})
        prefix, _, rest = path.partition("{")
        parameter, _, suffix = rest.partition("}")
        pattern = _Pattern(prefix, suffix, parameter == "path")
        return self._patterns.setdefault(pattern, {})

    def resolve(self, method: str, target: str) -> tuple[Call, str]:
        """The call and its parameter, for a request target as sent.

        Raises `RequestRefused` MA-4105 for no such path, `MethodRefused` for a path
        that has other methods.
        """
        methods = self._exact.get(target)
        parameter = ""
        if methods is None:
            methods, parameter = self._search(target.partition("?")[0])
        call = methods.get(method)
        if call is None:
            raise MethodRefused(methods)
        return call, parameter

    def _search(self, path: str) -> tuple[dict[str, Call], str]:
        if path in self._exact:
            return self._exact[path], ""
        for pattern, methods in self._patterns.items():
            parameter = pattern.match(path)
            if parameter is not None:
                return methods, parameter
        raise RequestRefused("MA-4105")
