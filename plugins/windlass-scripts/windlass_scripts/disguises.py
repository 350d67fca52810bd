"""The forms in which a secret may come back: as it is, and as programs write it down."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_from_bytes, quote_plus

SHORTEST = 4
"""Bytes.  Anything shorter stands in every text by chance."""

_LINE = 8
"""Bytes from which a line of a longer secret (a key file) counts by itself."""

_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_WRAPPED = (64, 76)
"""Where openssl and base64 break their lines."""

_URL_SAFE = ("", "/", "!'()*", "!'()*/", "!'()*;/?:@&=+$,#")
"""What programs leave as it is in a URL, beside letters, digits and -._~."""


def disguises(secret: bytes) -> set[bytes]:
    """All forms of `secret`, each of at least 4 bytes: raw, base64, hex, URL-encoded, inside JSON, quoted for a shell.

    A line feed at its end is not looked for: programs drop it.
    """
    whole = secret.rstrip(b"\r\n")
    lines = {line for line in whole.splitlines() if len(line) >= _LINE}
    forms = {whole, whole.hex().encode(), whole.hex().upper().encode(), *lines}
    forms |= _base64(whole) | _in_urls(whole)
    for text in _texts(lines | {whole}):
        forms |= {json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode()}
        forms |= {text.replace("'", r"'\''").encode(), text.replace("'", "'\"'\"'").encode()}
    return {form for form in forms if len(form) >= SHORTEST}


def _base64(secret: bytes) -> set[bytes]:
    """What of it shows whatever stands around it: three alignments, in the usual and the URL-safe alphabet."""
    alone = {base64.b64encode(secret + end) for end in (b"", b"\n")}
    forms = set(alone)
    for before, unsure in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(before) + secret)
        sure = encoded[unsure : (before + len(secret)) * 8 // 6]
        forms.add(sure)
    forms |= {_wrapped(form, width) for form in alone for width in _WRAPPED}
    return forms | {form.translate(_TO_URL_SAFE) for form in forms}


def _wrapped(text: bytes, width: int) -> bytes:
    return b"\n".join(text[start : start + width] for start in range(0, len(text), width))


def _in_urls(secret: bytes) -> set[bytes]:
    spelled = {quote_from_bytes(secret, safe) for safe in _URL_SAFE}
    spelled |= {"".join(f"%{byte:02X}" for byte in secret), quote_from_bytes(secret, "").replace("%20", "+")}
    for text in _texts({secret}):
        spelled |= {quote(text), quote_plus(text)}
    return {form.encode() for spelling in spelled for form in (spelling, _lower_codes(spelling))}


def _lower_codes(spelling: str) -> str:
    first, *codes = spelling.split("%")
    return "%".join([first, *(code[:2].lower() + code[2:] for code in codes)])


def _texts(secrets: set[bytes]) -> list[str]:
    texts = []
    for secret in secrets:
        try:
            texts.append(secret.decode())
        except UnicodeDecodeError:  # no text, so nobody quotes it
            continue
    return texts
