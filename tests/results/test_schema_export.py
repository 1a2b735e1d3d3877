"""The published schema of `--json`."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from netbench.results.records import Document
from netbench.results.schema_export import document_schema

from .made_up import measured

TRIAL_FIELDS = {
    *("model", "protocol", "transport", "workload", "connections", "rate_rps", "workers"),
    *("interpreter", "round", "verdict", "verdict_reason", "throughput_rps", "requests", "errors"),
    *("response_time_ns", "service_time_ns", "server", "generator", "fairness"),
}


def resolved(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The definition of one record."""
    definition: dict[str, Any] = schema["$defs"][name]
    return definition


def test_the_schema_is_plain_json() -> None:
    """It can be printed as it is, and says which dialect it is written in."""
    schema = document_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_the_schema_names_what_scripts_rely_on() -> None:
    """All field names that are promised stand in it."""
    schema = document_schema()
    assert set(resolved(schema, "Document")["properties"]) >= {"schema", "run", "trials"}
    assert set(resolved(schema, "Trial")["properties"]) >= TRIAL_FIELDS
    percentiles = set(resolved(schema, "Percentiles")["properties"])
    assert percentiles >= {"p50", "p90", "p99", "p99_9", "max", "mean", "count"}


def test_a_document_comes_back_as_it_was() -> None:
    """Writing and reading `--json` loses nothing."""
    made = measured(7, 2)
    document = Document(run=made.run, trials=made.trials)
    assert msgspec.json.decode(msgspec.json.encode(document), type=Document) == document
