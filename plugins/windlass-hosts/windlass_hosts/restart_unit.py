"""The kind RestartUnit."""

from __future__ import annotations

import asyncio
import socket
from typing import Annotated

import msgspec
from msgspec import Meta
from windlass import Context, Failed, Handler, Outcome, Rejected, RetryPolicy, Role, Success

from windlass_hosts import systemd
from windlass_hosts.asked import Asked, unless_asked
from windlass_hosts.names import check_unit
from windlass_hosts.settings import HostsSettings

LOOK_EVERY = 0.2
ACTIVE, FAILED = "active", "failed"


class RestartUnitPayload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    unit: Annotated[str, Meta(description="The whole name, such as nginx.service; this host must allow it.")]
    timeout: Annotated[
        Annotated[float, Meta(gt=0, le=3600)] | None,
        Meta(description="Seconds until it must be active; default: the host's."),
    ] = None

    def __post_init__(self) -> None:
        check_unit("unit", self.unit)


class RestartUnit(Handler[RestartUnitPayload]):
    """Restarts a service unit that this host allows, and waits until it is active again."""

    kind = "RestartUnit"
    role = Role.OPERATOR
    # One that was restarted in vain is for people to look at.
    retry = RetryPolicy(attempts=3, pause=10.0)

    def __init__(self, settings: HostsSettings) -> None:
        self._settings = settings

    def title(self, payload: RestartUnitPayload) -> str:
        return f"restart {payload.unit}"

    async def run(self, ctx: Context, payload: RestartUnitPayload) -> Outcome:
        unit = payload.unit
        self._check(unit)
        program = systemd.find(self._settings.systemctl)
        limit = self._settings.unit_timeout if payload.timeout is None else payload.timeout
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(limit):
                return await self._restart(ctx, program, unit, began)
        except TimeoutError:
            state = await systemd.state_of(program, unit)
            return _failed(f"{unit} is not active after {limit:g} s: it is {state}", unit, state)
        except Asked:
            return Failed(f"ended while {unit} restarted: systemd goes on with it")

    def _check(self, unit: str) -> None:
        if unit not in self._settings.units:
            allowed = ", ".join(self._settings.units) or "none at all"
            raise Rejected(
                f"unit: {unit} is not in plugins.hosts.units on {socket.gethostname()}; allowed there: {allowed}"
            )

    async def _restart(self, ctx: Context, program: str, unit: str, began: float) -> Outcome:
        now = asyncio.get_running_loop().time
        await ctx.stage(f"restarting {unit}")
        said = await unless_asked(ctx, systemd.call(program, "--no-ask-password", "restart", "--", unit))
        if said.code != 0:
            await ctx.output(said.text.encode(), "stderr")
            state = await systemd.state_of(program, unit)
            return _failed(f"systemctl restart {unit} exited with code {said.code}: {said.last_line}", unit, state)
        await ctx.step(f"systemctl restart {unit} took {now() - began:.1f} s on {socket.gethostname()}")
        await ctx.stage(f"waiting until {unit} is active")
        state = await self._active(ctx, program, unit)
        seconds = round(now() - began, 3)
        if state.active != ACTIVE:
            return _failed(f"{unit} did not stay active: it is {state}", unit, state)
        await ctx.step(f"{unit} is {state} after {seconds:.1f} s", seconds=seconds)
        return Success({"unit": unit, "state": state.active, "sub_state": state.sub, "seconds": seconds})

    async def _active(self, ctx: Context, program: str, unit: str) -> systemd.UnitState:
        """Its state once it has been active for a while, or has failed."""
        while True:
            state = await unless_asked(ctx, systemd.state_of(program, unit))
            if state.active == FAILED:
                return state
            if state.active == ACTIVE:
                # One that dies at once is active for a moment.
                await unless_asked(ctx, asyncio.sleep(self._settings.steady))
                state = await unless_asked(ctx, systemd.state_of(program, unit))
                if state.active in (ACTIVE, FAILED):
                    return state
            await unless_asked(ctx, asyncio.sleep(LOOK_EVERY))


def _failed(message: str, unit: str, state: systemd.UnitState) -> Failed:
    return Failed(message, {"unit": unit, "state": state.active, "sub_state": state.sub, "result": state.result})
