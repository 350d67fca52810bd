"""Bytes that prove themselves: a mark that says what they are, and the hash of the rest.

Coverages, memberships and the atlas's cache are kept in files that a crash may tear and a hand may replace.  What was
not written whole by `seal` under the same mark is refused, so nothing is ever computed from half a file.
"""

from __future__ import annotations

import hashlib

_HASH = hashlib.sha256().digest_size


def seal(mark: bytes, body: bytes) -> bytes:
    """`body` behind its mark and hash.  The same body is always the same bytes."""
    return mark + hashlib.sha256(mark + body).digest() + body


def unseal(mark: bytes, data: bytes) -> bytes:
    """The body of what `seal` made.  Raises ValueError for anything else."""
    if not data.startswith(mark):
        raise ValueError(f"does not begin with {mark!r}: it is something else")
    digest, body = data[len(mark) : len(mark) + _HASH], data[len(mark) + _HASH :]
    if hashlib.sha256(mark + body).digest() != digest:
        raise ValueError("its hash does not fit: it is torn or was changed")
    return body
