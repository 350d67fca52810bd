"""An error's words are bounded: a client can always read them, whatever the request held."""

from __future__ import annotations

import grpc
import msgspec
import pytest
from google.rpc import status_pb2
from windlass import Context, Handler, Outcome, Success
from windlass.control.status import details_of
from windlass.errors import InvalidArgument
from windlass.host.admission import Admission
from windlass.host.plugins import Kind

from tests.control.calling import Calling, refused

MEGABYTE = 1_000_000


class Narrow(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""


class Strict(Handler[Narrow]):
    kind = "Strict"

    async def run(self, ctx: Context, payload: Narrow) -> Outcome:
        return Success()


def test_the_words_of_an_error_are_cut_to_what_a_trailer_holds() -> None:
    error = InvalidArgument("😀" * MEGABYTE, field="x" * MEGABYTE, fact="y" * MEGABYTE)
    details = details_of(error)
    assert len(details) < 4_000
    assert status_pb2.Status.FromString(details).message.startswith("😀")


async def test_a_payload_with_a_giant_key_is_refused_readably(server: Calling) -> None:
    kind = Kind(Strict(), msgspec.json.Decoder(Narrow).decode, has_cleanup=False)
    server.kernel.admission = Admission({"Strict": kind}, ["default"])
    refusal = await refused(server.enqueue("Strict", {"k" * 900_000: 1}))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PAYLOAD_INVALID")
    assert refusal.field == "task.payload"
    assert refusal.message.startswith("the payload does not fit Strict")


@pytest.mark.parametrize(
    "task", [{"kind": "k" * MEGABYTE}, {"labels": {"k" * MEGABYTE: ""}}, {"title": "t" * MEGABYTE}]
)
async def test_giant_words_are_refused_readably(server: Calling, task: dict[str, object]) -> None:
    refusal = await refused(server.enqueue(**task))  # type: ignore[arg-type]
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.field.startswith("task.")
