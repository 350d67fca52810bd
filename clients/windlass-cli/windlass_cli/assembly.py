"""The command line, put together from entry points of the group `windlass.commands`.

An entry point is a plain function, which becomes the command of that name, or a typer.Typer, which becomes a noun with
its verbs.  A name with a dot (`pools.drain`) puts a function into a noun as one more verb, whoever brings the noun.
Ours come in the same way as a stranger's.  One that cannot be loaded is told in a line and left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from windlass_cli.exits import Failure, help_text
from windlass_cli.harmless import one_line
from windlass_cli.root import windlass

GROUP = "windlass.commands"
SECTIONS = {
    "Every day": ("run-script", "enqueue", "active", "history", "show", "watch", "logs", "explain", "interrupt"),
    "Nouns": (
        "tasks",
        "scripts",
        "buffer",
        "entities",
        "schedules",
        "pools",
        "kinds",
        "lanes",
        "nodes",
        "agents",
        "cluster",
        "tokens",
        "audit",
        "operations",
    ),
    "The whole": ("overview", "top", "doctor", "whoami", "profiles"),
    "Servers": ("serve", "config", "first-token", "agent", "plugin", "demo"),
}
"""How the help is ordered; what strangers bring follows under More."""
MORE = "More"
WITHOUT_A_SERVER = (*SECTIONS["Servers"], "profiles")
"""Commands that call no server, or their own: they need none of the options that say which."""
CONNECTION = ("profile", "address", "token_file")
VALUED = ("--profile", "--address", "--token-file")


class Overview(TyperGroup):
    """The help of `windlass` itself: commands by section."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        placed = {name for names in SECTIONS.values() for name in names}
        rest = tuple(name for name in self.commands if name not in placed)
        longest = max(map(len, self.commands), default=0)
        for title, names in {**SECTIONS, MORE: rest}.items():
            shown = [(name, self.commands[name]) for name in names if name in self.commands]
            rows = [
                (name.ljust(longest), each.get_short_help_str(formatter.width - longest - 6)) for name, each in shown
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def assemble(arguments: list[str]) -> Any:
    """The command to call.  Only what is asked for is loaded: the others would cost its start-up."""
    app = typer.Typer(
        cls=Overview,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
        epilog=help_text(),
    )
    app.callback()(windlass)
    found = _by_name(entry_points(group=GROUP))
    wanted = _wanted(arguments, found)
    for name in wanted:
        _add(app, name, found[name], asked_for=len(wanted) == 1)
    command: Any = get_command(app)
    _let_every_command_choose_its_server(command)
    return command


def _by_name(found: Iterable[EntryPoint]) -> dict[str, list[EntryPoint]]:
    """By first word, in the order of the help: the command or noun itself, if there is one, then verbs for it.

    Of two with the same name the first one counts, and the other is told.
    """
    commands: dict[str, EntryPoint] = {}
    for each in sorted(found, key=lambda each: each.name):
        if each.name in commands and commands[each.name].value != each.value:
            _tell(f"two commands are called {each.name}: {commands[each.name].value} is taken, {each.value} is not")
        commands.setdefault(each.name, each)
    names = dict.fromkeys(name.partition(".")[0] for name in commands)
    order = [name for section in SECTIONS.values() for name in section]
    return {
        first: [each for name, each in commands.items() if name.partition(".")[0] == first]
        for first in sorted(names, key=lambda name: order.index(name) if name in order else len(order))
    }


def _wanted(arguments: list[str], found: dict[str, list[EntryPoint]]) -> list[str]:
    """The one that is named, or all of them for the help, for completion and for a word nobody knows."""
    if "_WINDLASS_COMPLETE" not in os.environ:
        words = iter(arguments)
        for word in words:
            if word in found:
                return [word]
            if word in ("-h", "--help"):
                break
            if word in VALUED:
                next(words, "")
    return list(found)


def _add(app: typer.Typer, name: str, points: list[EntryPoint], *, asked_for: bool) -> None:
    noun: typer.Typer | None = None
    for point in points:
        command = _load(point, asked_for=asked_for)
        if command is None:
            continue
        verb = point.name.partition(".")[2]
        if isinstance(command, typer.Typer):
            noun = command
            app.add_typer(command, name=name)
        elif not verb:
            app.command(name)(command)
        else:
            if noun is None:
                noun = typer.Typer(help=f"What {one_line(point.module)} adds.", no_args_is_help=True)
                app.add_typer(noun, name=name)
            noun.command(verb)(command)


def _load(point: EntryPoint, *, asked_for: bool) -> Any:
    """None, and a line on stderr, when it cannot be loaded; Failure when it is the one that was asked for."""
    try:
        return point.load()
    except Exception as error:  # whatever a stranger's module raises must not take the others down
        problem = f"the command {point.name} cannot be loaded from {point.value}: {type(error).__name__}: {error}"
        if asked_for and "." not in point.name:
            raise Failure(1, problem) from error
        _tell(problem)
        return None


def _let_every_command_choose_its_server(root: TyperGroup) -> None:
    """`windlass --profile X tasks list` and `windlass tasks list --profile X` are the same."""
    options = [option for option in root.params if option.name in CONNECTION]
    for name, command in root.commands.items():
        if name in WITHOUT_A_SERVER:
            continue
        for leaf in _leaves(command):
            taken = {spelling for parameter in leaf.params for spelling in parameter.opts}
            leaf.params.extend(option for option in options if not taken.intersection(option.opts))


def _leaves(command: Any) -> Iterator[Any]:
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            yield from _leaves(each)
    else:
        yield command


def _tell(problem: str) -> None:
    print(f"warning: {one_line(problem)}", file=sys.stderr)
