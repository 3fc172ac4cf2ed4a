"""Settings: three sources, one winner, one sentence for each fault."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import ServeSettings, SettingsFault, is_loopback, read_settings


def test_option_beats_environment_beats_file(tmp_path: Path) -> None:
    """The nearer source wins; what nobody sets has its default."""
    config = tmp_path / "gateway.toml"
    config.write_text("port = 1\nworkers = 2\ndrain_s = 3\n", encoding="utf-8")

    settings = read_settings(
        {"port": 9, "workers": None},
        {"MEDAID_WORKERS": "5", "MEDAID_PORT": "8"},
        config,
    )

    assert (settings.port, settings.workers, settings.drain_s) == (9, 5, 3)
    assert settings.host == "127.0.0.1"


def test_settings_of_the_location_are_not_unknown() -> None:
    """`MEDAID_DATA_DIR`, `MEDAID_DSN` and `MEDAID_CONFIG` belong to all commands."""
    environment = {"MEDAID_DATA_DIR": "x", "MEDAID_DSN": "y", "MEDAID_CONFIG": "z"}

    assert read_settings({}, environment, None) == ServeSettings()


@pytest.mark.parametrize(
    ("options", "environment", "part"),
    [
        ({"port": 70000}, {}, "'port'"),
        ({}, {"MEDAID_PORT": "http"}, "'port'"),
        ({}, {"MEDAID_WORKERS": "0"}, "'workers'"),
        ({}, {"MEDAID_COLOUR": "red"}, "no setting 'colour'"),
        ({}, {"MEDAID_SESSION_HOURS": "13"}, "'session_hours'"),
        ({"host": "0.0.0.0"}, {}, "loopback only"),  # noqa: S104  # must be refused
        ({"host": "gateway.example"}, {}, "loopback only"),
        ({"tls_cert": "a.pem"}, {}, "go together"),
        ({"tls_cert": "a.pem", "tls_key": "b.pem"}, {}, "no such file"),
    ],
)
def test_impossible_setting_is_one_sentence(
    options: dict[str, Any], environment: dict[str, str], part: str
) -> None:
    """The fault names the setting, in one line, without the value of a secret."""
    with pytest.raises(SettingsFault) as caught:
        read_settings(options, environment, None)

    assert part in str(caught.value).replace("No such", "no such")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["port = ", "colour = 1", "\x00", "[port]\na = 1"])
def test_malformed_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    """A file that is no TOML, or says something unknown."""
    config = tmp_path / "gateway.toml"
    config.write_text(text, encoding="utf-8")

    with pytest.raises(SettingsFault) as caught:
        read_settings({}, {}, config)

    assert "\n" not in str(caught.value)


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(SettingsFault, match="cannot be read"):
        read_settings({}, {}, tmp_path / "gone.toml")


def test_behind_a_proxy_any_address_is_allowed() -> None:
    """The proxy terminates TLS."""
    settings = read_settings({"host": "0.0.0.0", "behind_proxy": True}, {}, None)  # noqa: S104  # that is the point

    assert settings.host == "0.0.0.0"  # noqa: S104  # as above


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True),
        ("10.0.0.1", False), ("::", False), ("example", False), ("", False),
    ],
)  # fmt: skip
def test_loopback_is_recognised(host: str, is_local: bool) -> None:
    """Names other than localhost are not looked up."""
    assert is_loopback(host) is is_local
