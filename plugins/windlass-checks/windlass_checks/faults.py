"""Errors of libraries and of the system, in a few words for a verdict."""

from __future__ import annotations

import os
import ssl

from windlass_checks.text import one_line


def in_words(error: BaseException) -> str:
    """ "connection refused", "the certificate is not valid: …": what lies at the bottom of it."""
    chain = _chain(error)
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {each.verify_message}"
        if isinstance(each, ssl.SSLError):
            return f"TLS: {(each.reason or str(each)).lower().replace('_', ' ')}"
    for each in chain:
        if isinstance(each, OSError) and each.errno and each.errno > 0:
            return os.strerror(each.errno).lower()
    deepest = chain[-1]
    return one_line(str(deepest)) or type(deepest).__name__


def is_about_the_certificate(error: BaseException) -> bool:
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    """The error, and what caused it, and what caused that, …"""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        if isinstance(following, BaseExceptionGroup):
            following = following.exceptions[0]
        else:
            # httpcore raises anew "from None", which hides the context and keeps it.
            following = following.__cause__ or following.__context__
    return chain
