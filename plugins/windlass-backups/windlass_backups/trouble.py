"""What goes wrong, sorted by what is to be done about it.  (Wrong names and settings are `windlass.Rejected`.)"""

from __future__ import annotations


class Trouble(Exception):
    """It may work later: another try.  The message holds no secret."""


class NoRoom(Exception):
    """The target is full: another try would fill it again."""


class Damaged(Exception):
    """What is stored is not what was written; the message says where they differ."""


class Stopped(Exception):
    """Somebody interrupted the task."""
