import msgspec

from windlass import Context, Handler, Outcome, Rejected, Success, hookimpl


class GreetPayload(msgspec.Struct):
    name: str


class Greet(Handler[GreetPayload]):
    kind = "Greet"

    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        if not payload.name:
            raise Rejected("name is empty: say whom to greet")
        await ctx.stage("greeting")
        await ctx.step(f"hello {payload.name}")
        return Success({"greeted": payload.name})


@hookimpl
def windlass_register_handlers(settings):
    return [Greet()]
