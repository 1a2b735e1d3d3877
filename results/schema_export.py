"""The JSON Schema of what `--json` prints, for scripts that read it in other languages."""

from __future__ import annotations

from typing import Any

import msgspec

from netbench.results.records import SCHEMA_VERSION, Document


def document_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `Document`, as plain values ready for `json.dumps`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"netbench document, schema version {SCHEMA_VERSION}",
        **msgspec.json.schema(Document),
    }
