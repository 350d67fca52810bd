from __future__ import annotations

import typer

from windlass_cli.options import Format, Output


def doctor(output: Output = Format.table) -> None:
    """Check that all is well, and say what to do where it is not.

    Looks at server, versions, token, clocks, database, nodes, plugins, health, and at what is paused. Exits with 1 when
    a check fails; a warning is no failure.

    \b
    windlass doctor
    windlass doctor -o json | jq '.checks[] | select(.status != "ok")'
    """
    import asyncio

    from windlass_cli.checkup import FAIL, checkup, print_findings

    findings = asyncio.run(checkup())
    print_findings(findings, output)
    if any(each.status == FAIL for each in findings):
        raise typer.Exit(1)
