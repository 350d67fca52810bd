"""The store as an agent reaches it: what a worker asks, as questions to the kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from windlass.errors import AttemptSuperseded, RequestIdReused
from windlass.host.children import checked, child_request, named_twice
from windlass.host.patience import patiently
from windlass.store.facts import Asked, Claimed, Ended, JoinedFacts, Parent, Said, Settled
from windlass.store.lanes import Entrances, Entrant, Turn
from windlass.store.port import Work
from windlass_proto.v1 import workers_pb2

from windlass_agent import convert
from windlass_agent.session import Session

LARGEST_ASK = 1_500_000
"""Bytes; one of its parts may be larger.  Servers take messages of 4 MiB."""


class RemoteWork(Work):
    """Tasks are sent to us: `assigned` takes them in, and a claim is a look at what came."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._came: defaultdict[str, list[tuple[int, Claimed]]] = defaultdict(list)
        self._asked: dict[int, tuple[int, Asked]] = {}

    def assigned(self, epoch: int, pool: str, claimed: Claimed) -> None:
        self._came[pool].append((epoch, claimed))

    def interrupted(self, epoch: int, asked: Asked) -> None:
        self._asked[asked.task] = epoch, asked

    def give_up(self) -> list[Claimed]:
        """What came and nobody has taken yet; it is the caller's to hand back."""
        came, self._came = self._came, defaultdict(list)
        return [claimed for of_one in came.values() for epoch, claimed in of_one if epoch == self._session.epoch]

    async def claim(self, node: int, pool: str, kinds: Sequence[str], limit: int) -> list[Claimed]:
        # All of it, whatever the limit: it is ours already.
        return [claimed for epoch, claimed in self._came.pop(pool, ()) if epoch == node]

    async def reclaim(self, node: int, pool: str, known: Sequence[int]) -> list[Claimed]:
        """Nothing: what did not arrive is found by the kernel, and sent again."""
        return []

    async def joined(self, tasks: Sequence[int]) -> dict[int, list[JoinedFacts]]:
        """Nothing: it came with the task."""
        return {}

    async def say(self, node: int, said: Sequence[Said]) -> set[int]:
        told = [convert.words(one) for one in said]
        accepted: set[int] = set()
        for part in convert.batches([one.ByteSize() for one in told], LARGEST_ASK):
            try:
                answer = await self._session.ask(node, words=workers_pb2.Words(attempts=told[part]))
            except AttemptSuperseded:
                return accepted
            accepted |= {convert.id_of(name) for name in answer.words.names}
        return accepted

    async def finish(self, node: int, ended: Sequence[Ended]) -> list[Settled]:
        ends = [convert.end(one) for one in ended]
        settled: list[Settled] = []
        for part in convert.batches([one.ByteSize() for one in ends], LARGEST_ASK):
            tasks = tuple(one.task for one in ended[part])
            try:
                answer = await self._session.ask(node, tasks, ends=workers_pb2.Ends(ends=ends[part]))
            except AttemptSuperseded:
                break
            for task in tasks:
                self._asked.pop(task, None)
            settled += convert.settled(answer.ends.ends)
        return settled

    async def interrupts(self, node: int) -> list[Asked]:
        return [asked for epoch, asked in self._asked.values() if epoch == node]

    def forget(self) -> None:
        """The epoch is over."""
        self._came.clear()
        self._asked.clear()


class RemoteEntrances(Entrances):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def enter(self, entrant: Entrant) -> Turn:
        answer = await self._session.ask(entrant.node, enter_lane=convert.visit(entrant))
        turn = answer.enter_lane
        return Turn(turn.fence or None, turn.position, convert.id_of(turn.holder) if turn.holder else None)

    async def leave(self, entrant: Entrant) -> None:
        try:
            await self._session.ask(entrant.node, leave_lane=convert.visit(entrant))
        except AttemptSuperseded:
            return  # who holds no task holds no lane

    async def holds(self, entrant: Entrant, fence: int) -> bool:
        try:
            answer = await self._session.ask(entrant.node, check_lane=convert.visit(entrant, fence))
        except AttemptSuperseded:
            return False
        return answer.check_lane.is_held

    async def called(self, waiting: Collection[Entrant]) -> set[Entrant]:
        called: set[Entrant] = set()
        for epoch in {one.node for one in waiting}:
            mine = [one for one in waiting if one.node == epoch]
            try:
                visits = workers_pb2.LaneVisits(visits=map(convert.visit, mine))
                answer = await self._session.ask(epoch, called=visits)
            except AttemptSuperseded:
                called |= set(mine)  # they hear it when they ask
            else:
                called |= convert.entrants(answer.called.visits, epoch)
        return called


class RemoteChildren:
    """Makes children through the kernel, which admits them (host/context.py: Maker)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def make(self, parent: Claimed, node: int, kind: str, payload: object, wishes: Mapping[str, Any]) -> int:
        """The child's id; see `Context.enqueue` for what is raised."""
        request = child_request(parent, kind, payload, checked(wishes))
        asked = convert.child(Parent(parent.id, parent.attempt, node), request)
        try:
            answer = await patiently(lambda: self._session.ask(node, child=asked), "a child", parent=parent.id)
        except RequestIdReused as error:
            raise named_twice(parent, wishes, error) from error
        return convert.id_of(answer.child.task)
