"""Secrets: fetched on the host from files nobody else can read, handed over by descriptor, seen nowhere."""

import asyncio
import base64
import os
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from windlass import Rejected, Retry, Success
from windlass.secret_files import LARGEST_SECRET
from windlass_scripts import ExecuteScript
from windlass_scripts.secret_files import read_secrets

SECRET = "tr0ub4dor & co/3"


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """The operator's directory, with the secret `prod/db`."""
    place = tmp_path / "vault"
    (place / "prod").mkdir(parents=True)
    place.chmod(0o700)
    (place / "prod").chmod(0o700)
    put(place / "prod" / "db", SECRET + "\n")
    return place


def put(file: Path, content: str, mode: int = 0o600) -> None:
    file.write_text(content)
    file.chmod(mode)


@pytest.fixture
def handler(settings, vault) -> ExecuteScript:
    return ExecuteScript(msgspec.structs.replace(settings, secrets_directory=str(vault)))


DB = {"DB_PASSWORD": "prod/db"}


async def test_a_script_reads_its_secret_from_its_descriptor(handler, ctx, asked, tmp_path):
    script = f'cat <&"$WINDLASS_SECRET_DB_PASSWORD_FD" > {tmp_path}/got; echo fd $WINDLASS_SECRET_DB_PASSWORD_FD'
    assert isinstance(await handler.run(ctx, asked(script, secrets=DB)), Success)
    assert (tmp_path / "got").read_text() == SECRET + "\n"
    assert ctx.text() == b"fd 7\n"
    assert "secrets handed over: DB_PASSWORD (prod/db)" in ctx.steps


async def test_it_can_be_read_once_and_by_its_path_too(handler, ctx, asked, tmp_path):
    script = f"cat /dev/fd/7 > {tmp_path}/first; cat /dev/fd/7 > {tmp_path}/second"
    await handler.run(ctx, asked(script, secrets=DB))
    assert (tmp_path / "first").read_text() == SECRET + "\n"
    assert (tmp_path / "second").read_text() == ""


async def test_many_secrets_keep_apart_whatever_numbers_they_get(handler, ctx, asked, vault, tmp_path):
    for n in range(16):
        put(vault / f"s{n}", f"secret number {n}")
    script = "\n".join(f"cat /dev/fd/$WINDLASS_SECRET_S{n}_FD; echo" for n in range(16))
    secrets = {f"S{n}": f"s{n}" for n in range(16)}
    await handler.run(ctx, asked(f"{{ {script}\n}} > {tmp_path}/got", secrets=secrets))
    assert (tmp_path / "got").read_text().splitlines() == [f"secret number {n}" for n in range(16)]


@pytest.mark.parametrize("first_free", [40, 48, 56, 64, 200])
async def test_they_keep_apart_however_many_descriptors_the_node_has_open(
    handler, ctx, asked, vault, tmp_path, first_free
):
    with ExitStack() as opened:
        while (null := os.open(os.devnull, os.O_RDONLY)) < first_free:
            opened.callback(os.close, null)
        os.close(null)
        await test_many_secrets_keep_apart_whatever_numbers_they_get(handler, ctx, asked, vault, tmp_path)


async def test_it_is_in_no_argument_no_variable_and_no_file(handler, ctx, asked, directory):
    script = (
        "cat /proc/$PPID/cmdline /proc/$PPID/environ /proc/$$/cmdline /proc/$$/environ; grep -r . $HOME/.. ; exit 0"
    )
    await handler.run(ctx, asked(script, secrets=DB))
    assert b"[secret" not in ctx.text()
    assert SECRET.encode() not in ctx.text()
    assert b"WINDLASS_SECRET_DB_PASSWORD_FD=7" in ctx.text()


BETRAY = f"""
S=$(cat /dev/fd/7)
echo "out $S"; echo "err $S" >&2
printf %s "$S" | base64
printf 'url %s\\n' '{quote(SECRET, safe="")}'
printf '{{"stage": "with %s", "step": "saying %s"}}\\n' "$S" "$S" >&3
printf '{{"step": "more", "data": {{"key": "%s"}}}}\\n' "$S" >&3
printf 'no json %s\\n' "$S" >&3
printf '{{"result": ["%s"]}}\\n' "$S" >&3
for c in t r 0 u b 4 d o r ' ' '&' ' ' c o / 3; do printf %s "$c"; sleep 0.01; done; echo
echo "cannot log in with $S" >&2
exit 3
"""


async def test_whatever_a_script_says_of_it_is_redacted(handler, ctx, asked):
    outcome = await handler.run(ctx, asked(BETRAY, secrets=DB))
    assert isinstance(outcome, Retry)
    assert outcome.message == "exit code 3: cannot log in with [secret DB_PASSWORD]"
    assert outcome.result["result"] == ["[secret DB_PASSWORD]"]
    assert ctx.stages == ["running", "with [secret DB_PASSWORD]"]
    assert "saying [secret DB_PASSWORD]" in ctx.steps
    assert {"key": "[secret DB_PASSWORD]"} in ctx.data
    mark = b"[secret DB_PASSWORD]"
    assert ctx.text() == b"out %s\n%s\nurl %s\n%s\n" % (mark, mark, mark, mark)
    everything = repr((ctx.stages, ctx.steps, ctx.data, ctx.chunks, outcome))
    for form in (SECRET, base64.b64encode(SECRET.encode()).decode().rstrip("="), quote(SECRET, safe="")):
        assert form not in everything


async def test_the_bytes_a_script_wrote_are_counted_as_it_wrote_them(handler, ctx, asked):
    outcome = await handler.run(ctx, asked("cat /dev/fd/7", secrets=DB))
    assert outcome.result["stdout_bytes"] == len(SECRET) + 1
    assert ctx.text() == b"[secret DB_PASSWORD]\n"


async def test_a_prompt_is_not_held_back_although_there_are_secrets(handler, ctx, asked, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    payload = asked(f"printf 'ready? '; read x < {gate}", secrets=DB)
    running = asyncio.create_task(handler.run(ctx, payload))
    await ctx.saw(b"ready? ")
    gate.write_text("go\n")
    assert isinstance(await running, Success)


@pytest.mark.parametrize(
    ("reference", "content", "message"),
    [
        ("prod/absent", None, "secrets.X: prod/absent can't be read on this host: No such file or directory"),
        ("absent/db", None, "secrets.X: absent/db can't be read on this host: No such file or directory"),
        ("prod", None, "secrets.X: prod is no file"),
        ("prod/short", "abc\n", "secrets.X: prod/short has fewer than 4 bytes"),
        ("prod/large", "x" * (LARGEST_SECRET + 1), "secrets.X: prod/large has more than 16384 bytes"),
    ],
)
async def test_a_secret_that_is_not_there_or_unfit_is_rejected_by_name(
    handler, ctx, asked, vault, reference, content, message
):
    if content is not None:
        put(vault / reference, content)
    with pytest.raises(Rejected) as refusal:
        await handler.run(ctx, asked("true", secrets={"X": reference}))
    assert str(refusal.value).startswith(message)
    assert ctx.stages == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_file_others_may_read_or_change_is_refused(vault, mode):
    (vault / "prod/db").chmod(mode)
    with pytest.raises(
        Rejected, match=rf"secrets.DB_PASSWORD: prod/db is open to others \(mode {mode:04o}\); chmod it to 0600"
    ):
        read_secrets(str(vault), DB)


@pytest.mark.parametrize("place", [".", "prod"])
def test_a_directory_others_may_enter_is_refused(vault, place):
    (vault / place).chmod(0o750)
    with pytest.raises(Rejected, match=r"is open to others \(mode 0750\); chmod it to 0700"):
        read_secrets(str(vault), DB)


def test_a_link_is_never_followed_wherever_it_stands(vault, tmp_path):
    put(tmp_path / "outside", "not a secret of ours")
    (vault / "link").symlink_to(tmp_path / "outside")
    (vault / "folder").symlink_to(vault / "prod")
    for reference in ("link", "folder/db"):
        with pytest.raises(Rejected, match=f"secrets.X: {reference} can't be read on this host"):
            read_secrets(str(vault), {"X": reference})


def test_a_pipe_or_device_by_that_name_is_refused_and_does_not_hold_us_up(vault):
    os.mkfifo(vault / "pipe", 0o600)
    with pytest.raises(Rejected, match=r"secrets\.X: pipe is no file"):
        read_secrets(str(vault), {"X": "pipe"})


@pytest.mark.parametrize(
    "reference", ["../vault/prod/db", "prod/../prod/db", "/etc/shadow", "prod/.hidden", "a\nb", ""]
)
def test_no_name_leads_out_of_the_directory(reference, asked):
    with pytest.raises(ValueError, match="names no secret"):
        asked("true", secrets={"X": reference})


def test_a_file_of_another_user_is_refused(vault):
    if os.getuid():
        pytest.skip("only root can give a file away")
    os.chown(vault / "prod/db", 12345, -1)
    with pytest.raises(Rejected, match="prod/db belongs to another user of this host"):
        read_secrets(str(vault), DB)


def test_no_descriptor_is_left_open(vault):
    before = os.listdir("/proc/self/fd")
    assert read_secrets(str(vault), DB) == {"DB_PASSWORD": (SECRET + "\n").encode()}
    (vault / "prod/db").chmod(0o644)
    with pytest.raises(Rejected):
        read_secrets(str(vault), DB)
    assert os.listdir("/proc/self/fd") == before
    assert stat.S_IMODE((vault / "prod/db").stat().st_mode) == 0o644


async def test_a_flood_is_searched_for_secrets_and_leaves_the_event_loop_to_others(handler, ctx, asked):
    seen = 0

    async def forget(data: bytes) -> None:
        nonlocal seen
        seen += len(data)
        ctx.chunks.clear()

    ctx.pace = forget
    running = asyncio.create_task(handler.run(ctx, asked("yes", secrets=DB)))
    await ctx.until(lambda: seen > 200_000)
    began = time.process_time()
    await asyncio.sleep(0.5)
    used = time.process_time() - began
    ctx.cancelled.set()
    await running
    assert used < 0.2, f"{used:.2f} s of CPU in half a second"


async def test_what_only_began_like_a_secret_is_passed_on_at_the_end(handler, ctx, asked):
    await handler.run(ctx, asked(f"printf 'ends with {SECRET[:5]}'; printf '{SECRET[:7]}' >&2", secrets=DB))
    assert ctx.text() == b"ends with tr0ub"
    assert ctx.text("stderr") == b"tr0ub4d"


async def test_a_secret_that_a_task_spells_out_is_redacted_in_its_result(handler, ctx, asked):
    outcome = await handler.run(ctx, asked(argv=["echo", SECRET], secrets=DB))
    assert outcome.result["argv"] == ["echo", "[secret DB_PASSWORD]"]


async def test_the_process_above_the_script_keeps_nothing_of_what_it_handed_over(handler, ctx, asked):
    """The script could read it there a second time."""
    script = "for fd in 3 7; do readlink /proc/$$/fd/$fd; done; echo above:; readlink /proc/$PPID/fd/*"
    await handler.run(ctx, asked(script, secrets=DB))
    mine, _, above = ctx.text().decode().partition("above:\n")
    assert len(mine.split()) == 2
    assert not set(mine.split()) & set(above.split())


PLACES = """
import os, sys
from windlass_scripts.runner.spawn import _place
for number, name in ((40, "a"), (41, "b"), (42, "failure")):
    fd = os.memfd_create(name)
    os.write(fd, name.encode())
    os.dup2(fd, number)
os.dup2(40, 7), os.dup2(41, 8), os.dup2(42, 9)
failure = _place([(7, 8), (8, 9), (8, 7)], 9)
print(*(os.pread(fd, 99, 0).decode() for fd in (7, 8, 9, failure)), os.get_inheritable(7), os.get_inheritable(failure))
"""


def test_descriptors_change_places_without_losing_one_another():
    done = subprocess.run([sys.executable, "-c", PLACES], capture_output=True, text=True)
    assert done.stdout == "b a b failure True False\n", done.stderr
