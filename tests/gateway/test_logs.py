"""Logs that cannot quote a request."""

import json
import logging

from gateway.logs import JsonLines


def test_exception_is_logged_without_its_message() -> None:
    """Types and places of the whole chain; no message, no value."""
    try:
        try:
            raise KeyError("A12345678")  # noqa: TRY301  # the chain is the point
        except KeyError as error:
            raise ValueError("card A12345678 of 张三") from error
    except ValueError as error:
        record = logging.LogRecord(
            "gateway", logging.ERROR, "x.py", 1, "bug in %s", ("settle",),
            (ValueError, error, error.__traceback__),
        )  # fmt: skip

    text = JsonLines().format(record)
    line = json.loads(text)

    assert "A12345678" not in text
    assert line["message"] == "bug in settle"
    assert [each["type"] for each in line["exceptions"]] == ["ValueError", "KeyError"]
    assert "test_logs.py" in line["exceptions"][0]["at"][0]


def test_line_is_one_json_object() -> None:
    """Line breaks in a message cannot forge a second line."""
    record = logging.LogRecord("a", logging.INFO, "x", 1, "one\ntwo", (), None)

    text = JsonLines().format(record)

    assert "\n" not in text
    assert json.loads(text)["message"] == "one\ntwo"
