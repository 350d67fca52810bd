"""Every public artifact is what its schema says, and says nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator
from windlass_entities import indexes, pages
from windlass_entities.health import Health
from windlass_entities.schemas import NAMES, schema, schema_name

from tests.plugins.entities.workshop import Workshop

DOCUMENTS: dict[str, type[msgspec.Struct]] = {
    "asn": pages.AsnPage,
    "asns-index": indexes.AsnsIndex,
    "countries-index": indexes.CountriesIndex,
    "country": pages.CountryPage,
    "version": indexes.Version,
}


def test_every_page_of_the_sample_is_valid(tmp_path: Path, sample: Path) -> None:
    shop = Workshop(tmp_path / "shop", sample)
    shop.wave(1)
    shop.rebuild()
    validators = {name: Draft202012Validator(schema(name)) for name in NAMES}
    seen = set()
    for path, data in shop.files().items():
        name = schema_name(path)
        if name is not None:
            document = json.loads(data)
            if name == "version":
                document["generation"] = 1
            validators[name].validate(document)
            seen.add(name)
    assert seen == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_and_names_the_fields_in_their_order(name: str) -> None:
    found = schema(name)
    Draft202012Validator.check_schema(found)
    assert (
        list(found["properties"])
        == found["required"]
        == [each.name for each in msgspec.structs.fields(DOCUMENTS[name])]
    )
    assert found["additionalProperties"] is False


def test_the_schemas_know_all_classes_of_health() -> None:
    classes = schema("asn")["properties"]["feeds"]["items"]["properties"]["health"]["enum"]
    assert set(classes) == set(Health.__args__)  # type: ignore[attr-defined]
