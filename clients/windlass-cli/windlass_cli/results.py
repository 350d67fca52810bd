"""JSON of any shape, for people: a list of flat things as a table, everything else as YAML."""

from __future__ import annotations

from typing import Any

from windlass_cli.documents import as_text, print_document, print_documents
from windlass_cli.forms import Column
from windlass_cli.options import Format


def print_result(result: Any, output: Format) -> None:
    if not output.for_people and isinstance(result, list):
        print_documents(result, output)
    elif not output.for_people:
        print_document(result, output)
    elif _is_flat_list(result):
        from windlass_cli.tables import print_table

        print_table(result, [_column(name) for name in dict.fromkeys(name for row in result for name in row)])
    else:
        print_document(result, Format.yaml)


def _is_flat_list(result: Any) -> bool:
    return (
        isinstance(result, list)
        and bool(result)
        and all(isinstance(row, dict) and row for row in result)
        and not any(isinstance(value, dict | list) for row in result for value in row.values())
    )


def _column(name: str) -> Column[dict[str, Any]]:
    def cell(row: dict[str, Any]) -> str:
        value = row.get(name)
        return value if isinstance(value, str) else "" if value is None else as_text(value)

    return Column(name, cell)
