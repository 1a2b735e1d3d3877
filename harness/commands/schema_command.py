"""`netbench schema`: the JSON Schema of what `--json` prints."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of the document of `--json`."""
    from netbench.results.schema_export import document_schema

    click.echo(json.dumps(document_schema(), indent=2))
