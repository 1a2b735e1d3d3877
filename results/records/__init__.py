"""What was measured, as immutable values, and the histogram that all of it is counted in.

The histogram needs numpy, so it is imported by its own name: `netbench.results.records.histogram`.
"""

from netbench.results.records.schema import (
    SCHEMA_VERSION,
    Ceiling,
    Document,
    Fairness,
    Generator,
    Percentiles,
    Run,
    Server,
    Trial,
    Verdict,
)

__all__ = [
    "SCHEMA_VERSION",
    "Ceiling",
    "Document",
    "Fairness",
    "Generator",
    "Percentiles",
    "Run",
    "Server",
    "Trial",
    "Verdict",
]
