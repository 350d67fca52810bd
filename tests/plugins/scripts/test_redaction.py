"""Secrets are found in every form programs write them in, however the stream is cut, and nothing else is touched."""

import base64
import binascii
import json
import random
import tracemalloc
from urllib.parse import quote, quote_plus

import pytest
from windlass_scripts.redaction import Redaction

SECRET = b"p@ss w0rd/+'\"\\\xc3\xa9~#1"
MARK = b"[secret DB]"
TEXT = SECRET.decode()

FORMS = {
    "raw": SECRET,
    "base64": base64.b64encode(SECRET),
    "base64 in the middle": base64.b64encode(b"user:" + SECRET + b"@host"),
    "base64 one off": base64.b64encode(b"x" + SECRET + b"yz"),
    "base64 two off": base64.b64encode(b"xx" + SECRET + b"z"),
    "base64 url-safe": base64.urlsafe_b64encode(b"x" + SECRET + b"yz"),
    "url": quote(TEXT).encode(),
    "url, nothing safe": quote(TEXT, safe="").encode(),
    "url, lower case": quote(TEXT, safe="")
    .replace("%2F", "%2f")
    .replace("%2B", "%2b")
    .replace("%C3%A9", "%c3%a9")
    .lower()
    .encode(),
    "form": quote_plus(TEXT).encode(),
    "JavaScript": quote(TEXT, safe="!'()*").encode(),
    "every byte": "".join(f"%{byte:02x}" for byte in SECRET).encode(),
    "hex": binascii.hexlify(SECRET),
    "JSON": json.dumps(TEXT).encode(),
    "JSON, not ASCII": json.dumps(TEXT, ensure_ascii=False).encode(),
    "bash -x": TEXT.replace("'", "'\\''").encode(),
}

KEPT = {
    "base64 in the middle": (b"dXNlcjp", b"QGhvc3Q="),
    "base64 one off": (b"eH", b"F5eg=="),
    "base64 two off": (b"eHh", b"eg=="),
    "base64 url-safe": (b"eH", b"F5eg=="),
    "JSON": (b'"', b'"'),
    "JSON, not ASCII": (b'"', b'"'),
}
"""What of a form is the surroundings': in base64 a character at either side holds some bits of both."""


def split(data: bytes, *sizes: int) -> list[bytes]:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(data[start : start + size])
        start += size
    return [*pieces, data[start:]]


def through(redaction: Redaction, pieces: list[bytes]) -> bytes:
    stream = redaction.stream()
    assert stream
    return b"".join([*(stream.feed(piece) for piece in pieces), stream.feed(b"", last=True)])


@pytest.mark.parametrize("name", FORMS)
def test_a_secret_is_found_in_every_form_and_at_every_cut(name):
    redaction = Redaction({"DB": SECRET})
    before, after = b"<before ", b" after>"
    data = before + FORMS[name] + after
    first, last = KEPT.get(name, (b"", b""))
    expected = before + first + MARK + last + after
    for cut in range(len(data)):
        assert through(redaction, split(data, cut)) == expected, (name, cut)
    assert through(redaction, [bytes([byte]) for byte in data]) == expected


@pytest.mark.parametrize("width", [64, 76])
def test_a_long_secret_is_found_in_wrapped_base64_and_line_by_line(width):
    key = "\n".join(["-----BEGIN KEY-----", *(f"line{n}" * 10 for n in range(5)), "-----END KEY-----", ""]).encode()
    redaction = Redaction({"KEY": key})
    encoded = base64.b64encode(key).decode()
    wrapped = "\n".join(encoded[at : at + width] for at in range(0, len(encoded), width)).encode()
    assert len(through(redaction, [wrapped])) < 20
    assert b"line3" not in through(redaction, [b"  | " + key.replace(b"\n", b"\n  | ")])


def test_what_is_no_secret_passes_unchanged_and_at_once():
    redaction = Redaction({"DB": b"sesame-open"})
    stream = redaction.stream()
    assert stream
    assert stream.feed(b"ready: \xff\x00 ses") == b"ready: \xff\x00 "
    assert stream.feed(b"sion\n") == b"session\n"
    assert stream.feed(b"> ") == b"> "


def test_of_two_secrets_the_longer_one_is_taken_whole():
    redaction = Redaction({"A": b"pass", "B": b"password-long"})
    for cut in range(13):
        assert through(redaction, split(b"password-long!", cut)) in (b"[secret B]!", b"[secret A]!")


def test_secrets_that_overlap_or_repeat_leave_nothing_between():
    redaction = Redaction({"A": b"abcdef", "B": b"defghi"})
    for cut in range(9):
        assert through(redaction, split(b"<abcdefghi>", cut)) == b"<[secret A]>"
    for pieces in ([b"a"] * 1001 + [b"b"], [b"a" * 1001 + b"b"]):
        assert through(Redaction({"A": b"aaaa"}), pieces) == b"[secret A]b"


def test_random_streams_cut_at_random_never_leak_and_keep_the_rest():
    chance = random.Random(7)
    for _ in range(300):
        alphabet = b"ab" if chance.random() < 0.5 else b"abc%2F=+"
        secrets = {
            f"S{n}": bytes(chance.choices(alphabet, k=chance.randint(4, 9))) for n in range(chance.randint(1, 3))
        }
        data = bytes(chance.choices(alphabet + b"xyz\n", k=200))
        redaction = Redaction(secrets)
        clean = through(redaction, split(data, *[chance.randint(0, 12) for _ in range(30)]))
        assert clean == through(redaction, [data])
        assert not any(secret in clean.replace(b"[secret ", b"") for secret in secrets.values())
        kept = b"".join(data[at : at + 1] for at in range(len(data)) if not covered(redaction, data, at))
        assert kept == without_marks(clean)


def covered(redaction: Redaction, data: bytes, at: int) -> bool:
    return any(start <= at < end for start, end, _ in redaction.spans(data))


def without_marks(clean: bytes) -> bytes:
    for n in range(3):
        clean = clean.replace(b"[secret S%d]" % n, b"")
    return clean


def test_the_memory_it_holds_is_bounded_by_the_secret_not_the_stream():
    redaction = Redaction({"A": b"x" * 1000})
    stream = redaction.stream()
    assert stream
    tracemalloc.start()
    for _ in range(50):
        stream.feed(b"x" * 999)
        stream.feed(b"y" * 65536)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_texts_and_values_of_any_shape_are_cleaned_keys_included():
    redaction = Redaction({"DB": b"sesame"})
    value = {"a": ["x sesame", 1, None, True], "sesame": {"b": "c2VzYW1l"}}
    assert redaction.value(value) == {"a": ["x [secret DB]", 1, None, True], "[secret DB]": {"b": "[secret DB]"}}
    assert redaction.text("half \ud800 sesame").endswith(" [secret DB]")
    assert Redaction({}).value(value) is value
    assert Redaction({}).stream() is None
