"""What a script is given: its text, arguments, input, environment, directory, and what it is not given."""

import asyncio
import os
import signal

import msgspec
import pytest
from windlass import Success
from windlass_scripts import ExecuteScript, ScriptsSettings

from tests.plugins.scripts.recording import RecordingContext


async def test_a_script_that_exits_0_is_a_success_with_its_facts(handler, ctx, asked):
    outcome = await handler.run(ctx, asked("echo hello; echo careful >&2"))
    assert isinstance(outcome, Success)
    result = outcome.result
    assert ctx.text() == b"hello\n"
    assert ctx.text("stderr") == b"careful\n"
    assert (result["exit_code"], result["signal"], result["killed_by"]) == (0, None, None)
    assert (result["stdout_bytes"], result["stderr_bytes"], result["dropped_bytes"]) == (6, 8, 0)
    assert (result["survivors_killed"], result["survivors_left"]) == (0, 0)
    assert (result["interpreter"], result["confinement"]) == ("sh", "basic")
    assert msgspec.json.decode(msgspec.json.encode(result)) == result


async def test_the_timeline_tells_what_ran_and_how_it_ended(handler, ctx, asked):
    await handler.run(ctx, asked("true", args=["a", "b", "c"]))
    assert ctx.stages == ["running"]
    started, ended = ctx.steps
    assert started.startswith("started sh with 3 arguments (pid ")
    assert ended.startswith("exit code 0 after 0.")


async def test_time_cpu_and_memory_are_measured_over_the_whole_tree(handler, ctx, asked):
    hungry = "import os\nif os.fork():\n os.wait()\nelse:\n x = b'x' * 80_000_000\n while os.times().user < 0.3: pass\n"
    outcome = await handler.run(ctx, asked(hungry, interpreter="python3"))
    assert outcome.result["peak_memory_bytes"] > 80_000_000
    assert 0.3 <= outcome.result["cpu_s"] < 5
    assert outcome.result["duration_s"] >= 0.3


@pytest.mark.parametrize(
    ("interpreter", "script"),
    [
        ("sh", 'printf "%s|" "$@"'),
        ("bash", 'printf "%s|" "${@}"'),
        ("python3", "import sys\nfor a in sys.argv[1:]: print(a, end='|')"),
        ("perl", 'print "$_|" for @ARGV;'),  # git brings it
        ("awk", 'BEGIN { for (i = 1; i < ARGC; i++) printf "%s|", ARGV[i] }'),
    ],
)
async def test_arguments_arrive_as_they_were_sent(handler, ctx, asked, interpreter, script):
    arguments = ["two words", "a\nb", "'\"", "$HOME `id` $(id) ; &", "*", "", "größe 🐟"]
    outcome = await handler.run(ctx, asked(script, interpreter=interpreter, args=arguments))
    assert isinstance(outcome, Success), outcome
    assert ctx.text().decode() == "".join(argument + "|" for argument in arguments)


async def test_a_program_runs_without_any_shell(handler, ctx, asked):
    outcome = await handler.run(ctx, asked(argv=["printf", "%s|", "$HOME", "; ls", "a b"]))
    assert ctx.text() == b"$HOME|; ls|a b|"
    assert outcome.result["argv"] == ["printf", "%s|", "$HOME", "; ls", "a b"]
    assert ctx.steps[0].startswith("started printf with 4 arguments")


async def test_a_relative_program_is_found_in_the_working_directory(handler, ctx, asked, tmp_path):
    program = tmp_path / "hello"
    program.write_text("#!/bin/sh\necho hello from $0\n")
    program.chmod(0o700)
    await handler.run(ctx, asked(argv=["./hello"], working_directory=str(tmp_path)))
    assert ctx.text() == f"hello from {tmp_path}/./hello\n".encode()


async def test_unicode_goes_through_unharmed(handler, ctx, asked):
    await handler.run(ctx, asked("# ☃\necho '日本 🐟'; echo $FISH; cat", env={"FISH": "żółw"}, stdin="наука\n"))
    assert ctx.text().decode() == "日本 🐟\nżółw\nнаука\n"


@pytest.mark.parametrize("reader", ["wc -c", "true", "head -c 3 | wc -c"])
async def test_a_megabyte_of_input_never_blocks_whoever_reads_it(handler, ctx, asked, reader):
    outcome = await handler.run(ctx, asked(reader, stdin="x" * 1024 * 1024, timeout=10.0))
    assert isinstance(outcome, Success)
    assert ctx.text().strip() == {"wc -c": b"1048576", "true": b""}.get(reader, b"3")


async def test_without_input_a_reader_sees_the_end_at_once(handler, ctx, asked):
    outcome = await handler.run(ctx, asked("cat; echo done", timeout=10.0))
    assert isinstance(outcome, Success)
    assert ctx.text() == b"done\n"


async def test_the_environment_holds_only_what_was_allowed(directory, ctx, asked, mark, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("HTTP_PROXY", "proxy.example")
    handler = ExecuteScript(ScriptsSettings(directory=str(directory), inherit_environment=["HTTP_PROXY", "NOT_SET"]))
    await handler.run(ctx, asked(argv=["env"], env={"MINE": "1", "LANG": "de_DE.UTF-8"}))
    seen = dict(line.split("=", 1) for line in ctx.text().decode().splitlines())
    assert seen.pop("WINDLASS_RUN")
    assert seen.pop("HOME") == seen.pop("TMPDIR")
    assert seen == {
        "PATH": ScriptsSettings().path,
        "LANG": "de_DE.UTF-8",
        "HTTP_PROXY": "proxy.example",
        "MINE": "1",
        "MARK": mark,
        "WINDLASS_TASK_ID": "7",
        "WINDLASS_ATTEMPT": "2",
        "WINDLASS_STATUS_FD": "3",
    }


async def test_a_private_directory_is_made_for_it_and_removed(handler, ctx, asked, directory):
    script = 'pwd; echo $HOME; echo $TMPDIR; stat -c %a . "$0" "$(dirname "$0")"; touch new; stat -c %a new; mktemp'
    await handler.run(ctx, asked(script))
    here, home, temporary, mode, script_mode, root_mode, new_mode, made = ctx.text().decode().splitlines()
    assert here == home == temporary
    assert here.startswith(str(directory))
    assert made.startswith(here)
    assert (mode, script_mode, root_mode, new_mode) == ("700", "600", "700", "600")
    assert os.listdir(directory) == []


async def test_a_directory_is_removed_although_its_rights_were_taken_away(handler, ctx, asked, directory):
    await handler.run(ctx, asked("mkdir -p a/b c; touch a/b/x; ln -s / c/root; chmod 000 a/b; chmod 500 a c"))
    assert os.listdir(directory) == []
    assert not any("could not remove" in step for step in ctx.steps)


async def test_a_given_working_directory_is_used_and_kept(handler, ctx, asked, tmp_path):
    await handler.run(ctx, asked("pwd; echo kept > file", working_directory=str(tmp_path)))
    assert ctx.text().decode().strip() == str(tmp_path)
    assert (tmp_path / "file").read_text() == "kept\n"


async def test_it_starts_with_default_signals_although_the_kernel_was_given_others(handler, ctx, asked):
    """`serve &` in a shell script starts the kernel with SIGINT ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        await handler.run(ctx, asked(argv=["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]))
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGPIPE, before[1])
    blocked, ignored = (int(line.split()[1], 16) for line in ctx.text().splitlines())
    # Signals 32 and 33 are the C library's own: nobody can reset them, whoever ignored them.
    assert (blocked, ignored & ~(0b11 << 31)) == (0, 0)


async def test_it_starts_with_closed_descriptors_and_without_new_privileges(handler, ctx, asked):
    script = (
        "import os, resource\n"
        "status = dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines())\n"
        "print(status['NoNewPrivs'])\n"
        "print(sorted(int(n) for n in os.listdir('/proc/self/fd')))\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), os.getsid(0) == os.getpid() == os.getpgrp())\n"
    )
    await handler.run(ctx, asked(script, interpreter="python3"))
    # 3 is for its status, and 4 the listing's own descriptor.
    assert ctx.text().decode().splitlines() == ["1", "[0, 1, 2, 3, 4]", "(0, 0) True"]


async def test_many_run_side_by_side_without_mixing(handler, asked):
    contexts = [RecordingContext(task_id=number) for number in range(12)]
    payload = asked("echo $WINDLASS_TASK_ID; exec cat", stdin="x")
    outcomes = await asyncio.gather(*[handler.run(c, payload) for c in contexts])
    assert all(isinstance(outcome, Success) for outcome in outcomes), outcomes
    assert [c.text() for c in contexts] == [b"%d\nx" % number for number in range(12)]
