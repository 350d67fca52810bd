"""What the console refuses before a page sees it: foreign hosts, foreign pages, old forms, who has not signed in."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import pytest
from windlass_client import Role

from tests.console.browsing import Console

FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


class Caller:
    """A program that speaks HTTP as it likes, which a browser would not."""

    def __init__(self, console: Console) -> None:
        self.host = urlsplit(console.url).netloc
        self.origin = console.url
        self.cookie = ""

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"cookie": self.cookie, "host": self.host} | given
        connection.request(method, path, body.encode(), sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)

    def sign_in(self, token: str) -> str:
        """Signed in afterwards; the CSRF token of the session."""
        answer = self.ask("POST", "/sign-in", urlencode({"token": token}), origin=self.origin, **FORM)
        assert answer.status == 303
        self.cookie = answer.headers["set-cookie"].split(";")[0]
        page = self.ask("GET", "/tokens").text
        return page.split('name="csrf" value="')[1].split('"')[0]


@pytest.fixture
def caller(console: Console) -> Caller:
    return Caller(console)


@pytest.fixture
def csrf(caller: Caller, console: Console) -> str:
    return caller.sign_in(console.token)


MADE = urlencode({"subject": "forged", "role": "ADMIN"})


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(caller: Caller, console: Console) -> None:
    body = urlencode({"token": console.token})
    cookie = caller.ask("POST", "/sign-in", body, origin=caller.origin, **FORM).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert console.token not in cookie


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "SAME", "sec_fetch_site": "cross-site"},
        {"origin": "SAME", "sec_fetch_site": "same-site"},
    ],
)
def test_a_change_that_no_page_of_ours_sent_is_refused(caller: Caller, csrf: str, headers: dict[str, str]) -> None:
    sent = {name: value.replace("SAME", caller.origin) for name, value in headers.items()}
    answer = caller.ask("POST", "/tokens", f"{MADE}&csrf={csrf}", **sent, **FORM)
    assert (answer.status, "nothing was done" in answer.text) == (403, True)


@pytest.mark.parametrize("given", ["", "csrf=", "csrf=wrong", "csrf=%ff", "CSRF=x"])
@pytest.mark.usefixtures("csrf")
def test_a_form_without_the_word_of_this_session_is_refused(caller: Caller, given: str) -> None:
    answer = caller.ask("POST", "/tokens", f"{MADE}&{given}", origin=caller.origin, **FORM)
    assert (answer.status, "Nothing was done" in answer.text) == (403, True)
    assert caller.ask("POST", "/tokens", MADE, origin=caller.origin, x_csrf_token="wrong", **FORM).status == 403
    assert "forged" not in caller.ask("GET", "/tokens").text


def test_the_same_form_with_it_is_taken(caller: Caller, csrf: str) -> None:
    made = urlencode({"subject": "by-a-form", "role": "VIEWER"})
    assert caller.ask("POST", "/tokens", f"{made}&csrf={csrf}", origin=caller.origin, **FORM).status == 200
    by_header = caller.ask("POST", "/tokens", made, origin=caller.origin, x_csrf_token=csrf, **FORM)
    assert by_header.status == 200
    many = "&".join(f"f{number}=" for number in range(1001))
    too_many = caller.ask("POST", "/tokens", many, origin=caller.origin, **FORM)
    assert (too_many.status, "nothing was done" in too_many.text) == (413, True)
    too_much = caller.ask("POST", "/tokens", "x" * (4 * 1024 * 1024 + 1), origin=caller.origin, **FORM)
    assert too_much.status == 413


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", ""])
@pytest.mark.usefixtures("csrf")
def test_a_name_that_is_not_ours_is_not_answered(caller: Caller, host: str) -> None:
    answer = caller.ask("GET", "/", host=host)
    assert answer.status in (400, 421)
    assert "Windlass" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]", "[::1]:7655"])
def test_the_names_of_this_machine_are_answered(caller: Caller, host: str) -> None:
    assert caller.ask("GET", "/sign-in", host=host).status == 200


def test_who_has_not_signed_in_gets_no_page_no_stream_and_no_change(caller: Caller) -> None:
    # Without scheme and host: before a proxy that ends TLS they would be wrong.
    assert caller.ask("GET", "/active?x=1").headers["location"] == "/sign-in?to=%2Factive%3Fx%3D1"
    assert caller.ask("GET", "/live").status == 303
    refused = caller.ask("GET", "/active", hx_request="true")
    assert (refused.status, refused.headers["hx-redirect"]) == (401, "/sign-in")
    assert caller.ask("POST", "/tokens", MADE, origin=caller.origin, **FORM).status == 401


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(caller: Caller, console: Console, to: str) -> None:
    body = urlencode({"token": console.token, "to": to})
    assert caller.ask("POST", "/sign-in", body, origin=caller.origin, **FORM).headers["location"] == "/"


@pytest.mark.usefixtures("csrf")
def test_every_answer_keeps_itself_to_itself(caller: Caller) -> None:
    for path in ("/", "/sign-in", "/no/such/page", "/static/app.css"):
        headers = caller.ask("GET", path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert caller.ask("GET", "/").headers["cache-control"] == "no-store"


def test_a_link_signs_in_once_and_needs_a_token_to_be_made(caller: Caller, console: Console) -> None:
    assert caller.ask("POST", "/links", authorization="Bearer wrong").status == 401
    made = caller.ask("POST", "/links", authorization=f"Bearer {console.token}")
    path = made.text.split('"')[3]
    elsewhere = caller.ask("GET", path, sec_fetch_site="cross-site")
    assert (elsewhere.status, "set-cookie" in elsewhere.headers) == (401, False), "another site signs nobody in"
    first = caller.ask("GET", path)
    assert (first.status, "set-cookie" in first.headers) == (303, True)
    again = caller.ask("GET", path)
    assert (again.status, "set-cookie" in again.headers) == (401, False)


def test_signing_in_again_ends_the_session_that_this_browser_had(caller: Caller, csrf: str, console: Console) -> None:
    before = caller.cookie
    assert caller.sign_in(console.token) != csrf
    assert caller.cookie != before
    assert caller.ask("GET", "/").status == 200
    caller.cookie = before
    assert caller.ask("GET", "/").status == 303


async def test_a_role_that_may_not_is_refused_by_the_server_itself(caller: Caller, console: Console) -> None:
    csrf = Caller(console).sign_in(console.token)
    caller.cookie = ""
    token = await console.token_for(Role.VIEWER)
    answer = caller.ask("POST", "/sign-in", urlencode({"token": token}), origin=caller.origin, **FORM)
    caller.cookie = answer.headers["set-cookie"].split(";")[0]
    page = caller.ask("GET", "/").text
    own = page.split('name="csrf" value="')[1].split('"')[0]
    assert own != csrf
    assert caller.ask("POST", "/tokens", f"{MADE}&csrf={csrf}", origin=caller.origin, **FORM).status == 403
    assert caller.ask("POST", "/tokens", f"{MADE}&csrf={own}", origin=caller.origin, **FORM).status == 403
