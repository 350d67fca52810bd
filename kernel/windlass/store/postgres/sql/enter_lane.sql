-- Takes a lane, or a place in its line: at most one live holder, gapless fences, first come first served (see the function).
select runs, fence, "position", holder
from windlass.enter_lane(%(lane)s::text, %(task)s::bigint, %(attempt)s::integer, %(node)s::bigint)
