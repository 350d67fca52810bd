"""Servers with a name: what ~/.config/windlass/profiles.toml says, and when it counts."""

from pathlib import Path

import pytest
from windlass_client import InvalidArgument, Tls
from windlass_client.discovery import Server, find_server
from windlass_client.profiles import Profile, read_profiles

TWO = """
default = "near"

[near]
address = "127.0.0.1:1"
token_file = "near.token"

[far]
address = "windlass.example:7654"
token_file = "far.token"
tls_ca = "ca.pem"
tls_cert = "/etc/cert.pem"
tls_key = "/etc/key.pem"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "windlass").mkdir()
    for name in ("near", "far"):
        (tmp_path / f"windlass/{name}.token").write_text(f"{name}-token\n")
    write(tmp_path, TWO)
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "windlass/profiles.toml").write_text(text)


def environ(folder: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(folder), "WINDLASS_HOME": "/nowhere"} | more


def far(folder: Path, token: str = "far-token") -> Server:
    tls = Tls(str(folder / "windlass/ca.pem"), "/etc/cert.pem", "/etc/key.pem")
    return Server("windlass.example:7654", token, tls)


def test_a_profile_says_address_token_and_certificates(folder: Path):
    assert find_server(None, None, environ(folder), profile="far") == far(folder)
    assert find_server(None, None, environ(folder, WINDLASS_PROFILE="far")) == far(folder)


def test_the_default_profile_comes_before_the_servers_of_this_machine(folder: Path):
    assert find_server(None, None, environ(folder)) == Server("127.0.0.1:1", "near-token")
    said = read_profiles(environ(folder))
    assert (said.default, sorted(said.named)) == ("near", ["far", "near"])


def test_the_profile_that_the_caller_names_comes_before_the_environment(folder: Path):
    others = environ(folder, WINDLASS_ADDRESS="127.0.0.1:9", WINDLASS_TOKEN="other", WINDLASS_PROFILE="near")
    assert find_server(None, None, others, profile="far") == far(folder)
    assert find_server(None, "mine", others, profile="far") == far(folder, "mine")


def test_the_environment_comes_before_a_profile_nobody_named_in_the_call(folder: Path):
    assert find_server(None, None, environ(folder, WINDLASS_PROFILE="far", WINDLASS_TOKEN="other")) == far(
        folder, "other"
    )


def test_what_a_profile_knows_goes_to_no_other_server(folder: Path):
    others = environ(folder, WINDLASS_PROFILE="far", WINDLASS_ADDRESS="127.0.0.1:9")
    assert find_server(None, None, others) == Server("127.0.0.1:9", "")
    assert find_server("127.0.0.1:8", None, environ(folder)) == Server("127.0.0.1:8", "")


def test_the_certificates_of_the_environment_do_not_change_a_profile(folder: Path):
    found = find_server(None, None, environ(folder, WINDLASS_TLS_CA="/other.pem"), profile="near")
    assert found == Server("127.0.0.1:1", "near-token")


def test_tls_true_trusts_what_this_machine_trusts(folder: Path):
    write(folder, '[a]\naddress = "a.example:1"\ntls = true\n')
    assert read_profiles(environ(folder)).get("a") == Profile("a", "a.example:1", "", Tls())


def test_no_file_is_no_profile(tmp_path: Path):
    said = read_profiles(environ(tmp_path))
    assert (said.default, said.named) == ("", {})
    with pytest.raises(InvalidArgument, match=r'no profile "far" in .*profiles\.toml: there is none yet'):
        find_server(None, None, environ(tmp_path), profile="far")


def test_a_profile_that_there_is_not_is_named_with_those_there_are(folder: Path):
    with pytest.raises(InvalidArgument, match="there are far, near") as caught:
        find_server(None, None, environ(folder, WINDLASS_PROFILE="fra"))
    assert caught.value.reason == "PROFILE_NOT_FOUND"


def test_an_address_and_a_profile_are_one_too_many(folder: Path):
    with pytest.raises(InvalidArgument, match="give one of them"):
        find_server("127.0.0.1:1", None, environ(folder), profile="far")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]\nb", "cannot read .*toml: .*end of document"),
        ('[a]\naddress = "h:1"\ntokn_file = "x"', r"\[a\] has no tokn_file: it takes address, tls, token_file"),
        ("[a]\ntls = true", r"\[a\] lacks its address"),
        ("[a]\naddress = 7", r"\[a\] address is text"),
        ('[a]\naddress = "h:1"\ntls = "yes"', r"\[a\] tls is true or false"),
        ("default = 7", "default is the name of a profile"),
        ('address = "h:1"', r"address belongs into a \[profile\]"),
    ],
)
def test_a_file_that_cannot_be_understood_says_where(folder: Path, text: str, words: str):
    write(folder, text)
    with pytest.raises(InvalidArgument, match=words) as caught:
        read_profiles(environ(folder))
    assert caught.value.reason == "PROFILES_INVALID"
    assert "profiles.toml" in caught.value.message
