"""The kind PushFile."""

from __future__ import annotations

import binascii
import errno
import grp
import hashlib
import pwd
import re
from base64 import b64decode
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from windlass import BlockingContext, Failed, Handler, Outcome, Rejected, Retry, RetryPolicy, Role, Success

from windlass_hosts.host_facts import size
from windlass_hosts.paths import parts_of
from windlass_hosts.placing import Placed, Wanted, place
from windlass_hosts.settings import HostsSettings

LARGEST_CONTENT = 512 * 1024
SECRET = {"writeOnly": True}
"""The audit log keeps who put which file where: not what stands in it."""
OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,63})?")
MAY_PASS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EINTR, errno.ENFILE, errno.EMFILE}


class PushFilePayload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Either `content` or `content_base64`, up to 512 KiB."""

    path: Annotated[str, Meta(description="Absolute, below a directory that the host allows.")]
    content: Annotated[str | None, Meta(description="The file's text.", extra_json_schema=SECRET)] = None
    content_base64: Annotated[str | None, Meta(description="Its bytes, as base64.", extra_json_schema=SECRET)] = None
    sha256: Annotated[str, Meta(description="Of the content, in hex: it must agree, when it is given.")] = ""
    mode: Annotated[str, Meta(description='Permissions, such as "0644"; default: as it was, or 0644.')] = ""
    owner: Annotated[str, Meta(description='"user" or "user:group"; default: as it was, or the process\'s.')] = ""
    backup: Annotated[bool, Meta(description="Keep the old file beside the new one.")] = False

    def __post_init__(self) -> None:
        if parts_of("path", self.path)[-1].startswith(TEMPORARY):
            raise ValueError(f"path: names that begin with {TEMPORARY} are for files on their way; take another")
        content = content_of(self)
        if len(content) > LARGEST_CONTENT:
            raise ValueError(f"content: {len(content)} bytes, more than the {LARGEST_CONTENT} that are taken")
        digest = hashlib.sha256(content).hexdigest()
        if self.sha256 and self.sha256.lower() != digest:
            raise ValueError(f"sha256: the content has {digest}; it was changed on its way, or the sum is another's")
        if self.mode and not re.fullmatch(r"0?[0-7]{3}", self.mode):
            raise ValueError(f'mode: {self.mode[:20]!r} is not taken; give three digits of 0 to 7, such as "0644"')
        if self.owner and not OWNER.fullmatch(self.owner):
            raise ValueError(f'owner: {self.owner[:100]!r} is not taken; give "user" or "user:group"')


TEMPORARY = ".windlass-"


def content_of(payload: PushFilePayload) -> bytes:
    """The bytes to be written.  Raises `ValueError`, naming the field."""
    if (payload.content is None) == (payload.content_base64 is None):
        raise ValueError("content, content_base64: give exactly one of them; an empty file is content = ''")
    if payload.content is not None:
        try:
            return payload.content.encode()
        except UnicodeEncodeError:
            raise ValueError("content: holds half of a surrogate pair; send valid Unicode, or base64") from None
    try:
        return b64decode(payload.content_base64 or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"content_base64: is no base64: {error}") from None


class PushFile(Handler[PushFilePayload]):
    """Puts a file below a directory that this host allows: whole or not at all, following no symbolic link."""

    kind = "PushFile"
    role = Role.OPERATOR
    executor = "thread"
    retry = RetryPolicy(attempts=3, pause=10.0)

    def __init__(self, settings: HostsSettings) -> None:
        self._settings = settings

    def title(self, payload: PushFilePayload) -> str:
        return f"push {payload.path}"

    def run(self, ctx: BlockingContext, payload: PushFilePayload) -> Outcome:
        parts = parts_of("path", payload.path)
        self._check_directory(parts, payload.path)
        content = content_of(payload)
        user, group = _owner(payload.owner)
        mode = int(payload.mode, 8) if payload.mode else None
        wanted = Wanted(parts, content, f"{TEMPORARY}{ctx.task.id}", mode, user, group, payload.backup)
        if ctx.cancelled.is_set():
            return Failed("ended before anything was written")
        ctx.stage(f"writing {payload.path}")
        try:
            placed = place(wanted, datetime.now(UTC))
        except OSError as error:
            return _refused(payload.path, error)
        return _told(ctx, payload.path, content, placed)

    def _check_directory(self, parts: tuple[str, ...], path: str) -> None:
        for directory in self._settings.directories:
            allowed = parts_of("directories", directory)
            if len(parts) > len(allowed) and parts[: len(allowed)] == allowed:
                return
        named = ", ".join(self._settings.directories) or "none at all"
        raise Rejected(
            f"path: {path} is below no directory of plugins.hosts.directories on this host; allowed: {named}"
        )


def _owner(owner: str) -> tuple[int | None, int | None]:
    """Their numbers.  Raises `Rejected` for names that this host does not know."""
    user, _, group = owner.partition(":")
    try:
        number = pwd.getpwnam(user).pw_uid if user else None
    except KeyError:
        raise Rejected(f"owner: this host has no user {user!r}") from None
    try:
        return number, grp.getgrnam(group).gr_gid if group else None
    except KeyError:
        raise Rejected(f"owner: this host has no group {group!r}") from None


def _refused(path: str, error: OSError) -> Outcome:
    why = f"{path} can't be written: {error.strerror or error}"
    if error.errno in MAY_PASS:
        return Retry(why)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        raise Rejected(f"{why}; the server (or agent) of this host needs the right to write there") from error
    return Failed(why)


def _told(ctx: BlockingContext, path: str, content: bytes, placed: Placed) -> Outcome:
    digest = hashlib.sha256(content).hexdigest()
    backup = f"{path.rpartition('/')[0]}/{placed.backup}" if placed.backup else None
    if placed.done == "unchanged":
        ctx.step(f"{path} is already as it should be")
    else:
        ctx.step(f"{placed.done} {path}: {size(len(content))}", sha256=digest)
    if backup:
        ctx.step(f"the old file is {backup}")
    return Success({"path": path, "done": placed.done, "bytes": len(content), "sha256": digest, "backup": backup})
