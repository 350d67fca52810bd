"""What a confined and a strict script can reach, and that it is told of as ever: codes, signals, CPU time, memory."""

import contextlib
import os
import shutil
import socket
import stat
import time
from pathlib import Path

import pytest
from windlass import Rejected, Retry, Success
from windlass_scripts.confinement.levels import Level

pytestmark = pytest.mark.needs(program="bwrap", package="bubblewrap")

LEVELS = ["basic", "confined", "strict"]
LIMITED = ["confined", "strict"]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that is none of the script's business, in a place that a sandbox does not hide by chance."""
    found = tmp_path / "outside"
    found.mkdir()
    (found / "file").write_text("before")
    return found


@pytest.mark.parametrize("level", LEVELS)
async def test_exit_codes_and_signals_are_the_scripts_own(place, level):
    for script, code, number in (("exit 0", 0, None), ("exit 137", 137, None), ("kill -9 $$", None, "SIGKILL")):
        outcome = await place.run(script, level)
        assert (outcome.result["exit_code"], outcome.result["signal"]) == (code, number)
    outcome = await place.run("kill -SEGV $$", level)
    assert isinstance(outcome, Retry)
    assert outcome.message == "killed by SIGSEGV"


@pytest.mark.parametrize("level", LEVELS)
async def test_cpu_time_and_peak_memory_are_the_scripts_own(place, level):
    script = "import time\nkept = bytearray(60_000_000)\nwhile time.process_time() < 0.3: pass"
    outcome = await place.run(script, level, interpreter="python3")
    assert 0.3 <= outcome.result["cpu_s"] < 1
    assert 60_000_000 < outcome.result["peak_memory_bytes"] < 120_000_000


@pytest.mark.parametrize("level", LEVELS)
async def test_input_arguments_and_both_outputs_pass(place, level):
    outcome = await place.run('cat; echo "$1" >&2; exit 3', level, stdin="through\n", args=["a b"])
    assert place.ctx.text() == b"through\n"
    assert place.ctx.text("stderr") == b"a b\n"
    assert outcome.message == "exit code 3: a b"


@pytest.mark.parametrize("level", LEVELS)
async def test_no_descriptor_of_ours_gets_in(place, level):
    await place.run("ls /proc/$$/fd", level)
    # 3 is its own end of the status pipe; 10 is the shell's, which reads the script there.
    assert set(place.ctx.text().split()) <= {b"0", b"1", b"2", b"3", b"10"}


@pytest.mark.parametrize("level", LEVELS)
async def test_what_the_script_is_handed_by_descriptor_gets_in(place, mark, level, tmp_path):
    vault = tmp_path / "vault"
    vault.mkdir(mode=0o700)
    (vault / "door").write_text("open sesame")
    (vault / "door").chmod(0o600)
    place = place.changed(secrets_directory=str(vault))
    script = 'tr a-z b-za < /dev/fd/7; echo; echo \'{"step": "it said so"}\' >&$WINDLASS_STATUS_FD; '
    script += f"cat {vault}/door 2>/dev/null | tr a-z b-za"
    await place.run(script, level, secrets={"DOOR": "door"})
    assert place.ctx.text() == (b"pqfo tftbnf\npqfo tftbnf" if level == "basic" else b"pqfo tftbnf\n")
    assert "it said so" in place.ctx.steps


async def test_a_program_that_a_sandbox_hides_is_missed_in_there(place, tmp_path):
    shutil.copy("/bin/true", tmp_path / "there")
    place = place.changed(interpreters={"there": [str(tmp_path / "there")]})
    assert isinstance(await place.run("x", "basic", interpreter="there"), Success)
    with pytest.raises(Rejected, match="there could not be started: exec: No such file or directory"):
        await place.run("x", "strict", interpreter="there")
    assert place.groups() == []


@pytest.mark.parametrize("level", ["basic", "confined"])
async def test_a_program_that_does_not_start_is_named_as_ever(place, level, tmp_path):
    (tmp_path / "text").write_text("no program at all")
    (tmp_path / "text").chmod(0o700)
    place = place.changed(interpreters={"text": [str(tmp_path / "text")]})
    with pytest.raises(Rejected, match="text could not be started: exec: Exec format error"):
        await place.run("x", level, interpreter="text")
    assert place.groups() == []


@pytest.mark.parametrize("level", LIMITED)
async def test_it_writes_in_its_own_directory_and_nowhere_else(place, level, outside):
    script = "echo 1 > file && mkdir -p a/b && mv file a/b/ && cat a/b/file\n"
    script += f"for path in {outside}/file {outside}/new /etc/windlass-test /var/lib/windlass-test\n"
    script += "do (echo spoilt > $path) 2>/dev/null && cat $path; done"
    await place.run(script, level)
    assert place.ctx.text() == b"1\n"
    assert (outside / "file").read_text() == "before"
    assert os.listdir(outside) == ["file"]
    assert "windlass-test" not in os.listdir("/etc")


@pytest.mark.parametrize("level", LIMITED)
async def test_nothing_outside_is_emptied_removed_or_moved_either(place, level, outside):
    script = "import os\n"
    for call in (f"truncate('{outside}/file', 0)", f"unlink('{outside}/file')", f"rename('{outside}/file', 'mine')"):
        script += f"try: os.{call}; print('done: {call[:6]}')\nexcept OSError: pass\n"
    await place.run(script, level, interpreter="python3")
    assert place.ctx.text() == b""
    assert (outside / "file").read_text() == "before"


@pytest.mark.parametrize("level", LIMITED)
async def test_what_the_operator_denies_is_not_read_and_the_rest_is(place, mark, level):
    place = place.changed(denied_paths=["/etc/shadow", "/usr/share/doc"])
    denied = "cat /etc/shadow; cat /usr/share/doc/*/copyright; find /usr/share/doc -type f | xargs cat"
    assert isinstance(await place.run(f"{denied}; wc -l < /etc/passwd", level), Success)
    assert int(place.ctx.text()) > 10


@pytest.mark.parametrize("level", LIMITED)
async def test_what_the_operator_adds_is_written(place, mark, level, outside):
    place = place.changed(writable_paths=[str(outside)])
    assert isinstance(await place.run(f"echo after > {outside}/file", level), Success)
    assert (outside / "file").read_text() == "after\n"


@pytest.mark.parametrize("level", LIMITED)
async def test_a_working_directory_is_read_and_not_written(place, level):
    await place.run(
        "head -c 5 passwd; (echo x > windlass-test) 2>/dev/null && echo wrote", level, working_directory="/etc"
    )
    assert place.ctx.text() == b"root:"


@pytest.mark.parametrize("where", ["/run", "/tmp", "/proc/self/root/run", "/usr/share/doc"])
async def test_a_working_directory_shows_a_strict_script_nothing_that_is_hidden(place, where):
    place = place.changed(denied_paths=["/usr/share/doc"])
    with pytest.raises(Rejected, match=r"working_directory: .* can't be seen by a strict script; use another"):
        await place.run("ls", "strict", working_directory=where)


async def test_a_working_directory_opens_nothing_that_is_denied(place):
    place = place.changed(denied_paths=["/usr/share/doc"])
    await place.run("cat */copyright", "confined", working_directory="/usr/share/doc")
    assert place.ctx.text() == b""


@pytest.mark.parametrize("level", LIMITED)
async def test_a_line_break_in_a_path_is_no_line_of_the_plan(place, level, tmp_path):
    (tmp_path / "a\nwritable ").mkdir()
    outcome = place.run("echo x > /etc/windlass-test", level, working_directory=str(tmp_path / "a\nwritable "))
    if level == "strict":
        with pytest.raises(Rejected, match="can't be seen by a strict script"):
            await outcome
    else:
        assert (await outcome).result["exit_code"] == 2
    assert "windlass-test" not in os.listdir("/etc")


@pytest.mark.parametrize("level", LIMITED)
async def test_it_does_not_read_the_private_directory_of_another_task(place, level, directory):
    other = directory / "windlass-script-other"
    other.mkdir()
    (other / "script").write_text("somebody's password")
    await place.run(f"cat {other}/script; cat $(ls -d {directory}/*other)/script", level)
    (other / "script").unlink()
    other.rmdir()
    assert place.ctx.text() == b""


@pytest.mark.parametrize("level", LIMITED)
async def test_no_disk_can_be_read_raw_and_harmless_devices_can_be_used(place, level):
    script = f"(: < {a_disk()}) 2>/dev/null && echo opened; head -c 2 /dev/zero | wc -c; echo x > /dev/null && echo ok"
    await place.run(script, level)
    assert place.ctx.text() == b"2\nok\n"


@pytest.mark.parametrize("level", LIMITED)
async def test_root_keeps_no_capability_that_would_lift_the_rules(place, level):
    await place.run("grep CapEff /proc/self/status", level)
    left = int(place.ctx.text().split()[1], 16)
    assert left & (1 << 21 | 1 << 17 | 1 << 16 | 1 << 27) == 0
    if level == "strict":
        assert left == 0


@pytest.mark.parametrize("level", LIMITED)
async def test_it_can_neither_leave_nor_lift_its_groups(place, level):
    await place.host.require(Level.CONFINED)
    script = f"for room in {' '.join(room.path for room in place.host.rooms)}; do\n"
    script += "(echo 0 > $room/../cgroup.procs) 2>/dev/null && echo left\n"
    script += "for file in $room/*/pids.max $room/*/memory.limit_in_bytes; do\n"
    script += "test -e $file && echo a limit && (echo 500000000 > $file) 2>/dev/null && echo lifted; done; done"
    await place.run(script, level)
    assert place.ctx.text() == b"a limit\na limit\n"


@pytest.mark.parametrize("level", LIMITED)
async def test_it_cannot_signal_a_process_outside(place, level):
    await place.run(f"kill -0 {os.getpid()} && echo reached", level)
    assert place.ctx.text() == b""


async def test_a_strict_script_has_no_network(place):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = ("127.0.0.1", server.getsockname()[1])
        connect = f"import socket; socket.create_connection({address}, 2); print('reached')"
        await place.run(connect, "strict", interpreter="python3")
        assert place.ctx.text() == b""
        await place.run(connect, "confined", interpreter="python3")
        assert place.ctx.text() == b"reached\n"


async def test_a_strict_script_sees_no_process_but_its_own(place):
    await place.run("sleep 0.1 & ls -d /proc/[0-9]* | wc -l; readlink /proc/self/ns/pid", "strict")
    count, namespace = place.ctx.text().split()
    assert int(count) <= 6
    assert namespace.decode() != os.readlink("/proc/self/ns/pid")


async def test_a_strict_script_finds_no_file_or_socket_where_programs_keep_theirs(place):
    await place.run("ls -A /run; ls -A /var/tmp; ls /dev/shm", "strict")
    assert place.ctx.text() == b""


@pytest.mark.parametrize("level", LIMITED)
async def test_cpu_time_is_bounded(place, level):
    """Two that want a core each get a tenth of one together."""
    began = time.monotonic()
    script = "(while :; do :; done) & while :; do :; done"
    outcome = await place.run(script, level, limits={"cpu_max": 0.1}, timeout=1)
    assert outcome.result["cpu_s"] < 0.1 * (time.monotonic() - began) + 0.15


@pytest.mark.parametrize("level", LEVELS)
async def test_resource_limits_hold_at_every_level(place, mark, level):
    place = place.changed(open_files_max=200, file_size_max=5_000_000, cpu_seconds_max=7)
    await place.run("ulimit -n; ulimit -f; ulimit -t; ulimit -c", level)
    assert place.ctx.text().split() == [b"200", b"9765", b"7", b"0"]
    outcome = await place.run("head -c 6000000 /dev/zero > file", level)
    assert "File size limit exceeded" in str(outcome) or outcome.result["exit_code"] == 153


def a_disk() -> str:
    """A block device that we can open."""
    for name in os.listdir("/dev"):
        if stat.S_ISBLK(os.stat(f"/dev/{name}").st_mode):
            with contextlib.suppress(OSError), open(f"/dev/{name}", "rb"):
                return f"/dev/{name}"
    raise AssertionError("this machine has no block device that can be opened")
