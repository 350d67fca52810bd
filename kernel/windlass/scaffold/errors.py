"""Why no plugin was written."""

from windlass.errors import WindlassError


class BadName(WindlassError):
    reason = "BAD_NAME"


class NotWritten(WindlassError):
    reason = "NOT_WRITTEN"
