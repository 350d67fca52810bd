"""A form that is sent twice is done once: it carries the id of its request."""

from __future__ import annotations

from uuid import UUID, uuid4

from starlette.datastructures import FormData


def request_id_of(form: FormData) -> str:
    """That of the form; a new one when it has none that the server could take."""
    try:
        return str(UUID(str(form.get("request_id", ""))))
    except ValueError:
        return str(uuid4())
