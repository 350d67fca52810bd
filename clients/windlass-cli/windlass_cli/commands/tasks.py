"""`windlass tasks`: the queue.  The daily verbs are commands of their own too: the same functions, twice."""

from __future__ import annotations

import typer

from windlass_cli.commands.active import active
from windlass_cli.commands.enqueue import enqueue
from windlass_cli.commands.explain import explain
from windlass_cli.commands.interrupt import interrupt
from windlass_cli.commands.logs import logs
from windlass_cli.commands.reprioritize import reprioritize
from windlass_cli.commands.retry import retry
from windlass_cli.commands.run_script import run_script
from windlass_cli.commands.show import show
from windlass_cli.commands.watch import watch

tasks = typer.Typer(help="Put work in, look at it, follow it, stop it, repeat it.", no_args_is_help=True)

tasks.command("list")(active)
tasks.command("show")(show)
tasks.command("watch")(watch)
tasks.command("logs")(logs)
tasks.command("explain")(explain)
tasks.command("enqueue")(enqueue)
tasks.command("run-script")(run_script)
tasks.command("interrupt")(interrupt)
tasks.command("retry")(retry)
tasks.command("reprioritize")(reprioritize)
