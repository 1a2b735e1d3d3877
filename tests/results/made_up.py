"""Made-up runs that look like real ones: what every test of results starts from.

All figures are functions of a seed, so that a test that fails does so again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netbench.results.records import Ceiling, Generator, Run, Server, Trial, Verdict
from netbench.results.records.histogram import Histogram

STARTED = "2026-11-22T12:13:14Z"
SECOND_NS = 1_000_000_000

# model -> (thousand requests per second, CPU µs per request, PSS in MiB)
MODELS = {
    "uvloop:protocol": (58.1, 6.9, 31.0),
    "selectors": (52.4, 7.5, 14.2),
    "selectors:poll": (51.9, 7.7, 14.1),
    "selectors:select": (47.2, 8.6, 14.1),
    "asyncio:buffered": (46.0, 8.9, 24.5),
    "uvloop": (41.3, 10.0, 31.4),
    "threads": (38.8, 10.9, 17.8),
    "threads:pool": (37.5, 11.1, 15.3),
    "processes": (33.0, 12.0, 88.3),
    "processes:prefork": (32.4, 12.2, 71.9),
    "trio": (20.1, 21.2, 29.9),
    "uvloop:sock": (18.3, 23.1, 31.2),
    "asyncio": (15.2, 28.8, 25.1),
    "asyncio:sock": (14.1, 30.5, 25.0),
    "asyncio:protocol": (13.9, 31.2, 24.7),
    "iterative": (9.8, 8.0, 12.4),
}


class Window(NamedTuple):
    """What the load generator says of one second."""

    start_ns: int
    length_ns: int
    service_time: str
    response_time: str
    service_time_max_ns: int | None = None
    response_time_max_ns: int | None = None


class MadeUp(NamedTuple):
    """A run with its trials and the service times of each trial."""

    run: Run
    trials: list[Trial]
    histograms: dict[str, Histogram]


def histogram(median_ns: float, count: int = 5_000, seed: int = 1) -> Histogram:
    """Log-normal values, a stall for one in a thousand."""
    random = np.random.default_rng(seed)
    values = random.lognormal(np.log(median_ns), 0.25, count)
    values[random.random(count) < 0.001] *= 12
    result = Histogram()
    result.add(values.astype(np.int64))
    return result


def window(index: int, seed: int = 1, count: int = 500) -> Window:
    """One second of a trial in a closed loop: both times are equal."""
    text = histogram(1e6, count, seed + index).encode()
    return Window(7 * SECOND_NS + index * SECOND_NS, SECOND_NS, text, text)


def trial(
    model: str = "selectors",
    number: int = 1,
    thousand_rps: float | None = 50.0,
    cpu_us: float | None = 7.5,
    verdict: Verdict = "server",
    **fields: object,
) -> Trial:
    """One trial of `model` in round `number`; `fields` replace those of the record."""
    defaults: dict[str, object] = {
        "id": f"{number:03d}-{model.replace(':', '-')}",
        "started": STARTED,
        "model": model,
        "connections": 64,
        "round": number,
        "duration_s": 2.0,
        "warmup_s": 0.5,
        "verdict": verdict,
        "verdict_reason": reason(verdict, number),
        "throughput_rps": None if thousand_rps is None else thousand_rps * 1e3,
        "requests": None if thousand_rps is None else int(thousand_rps * 2e3),
        "server": Server(cpu_us_per_request=cpu_us, busy_share=0.98, pss_bytes=20 * 2**20),
        "generator": Generator(cpu_us_per_request=8.0, cpu_share=0.7),
    }
    return Trial(**(defaults | fields))  # type: ignore[arg-type]


def reason(verdict: Verdict, number: int = 1) -> str:
    """A sentence such as the harness writes, with figures that differ by round."""
    return {
        "failed": "the server ended with status 1 before it was ready",
        "generator": f"the generator used {91 + number % 3} % of a core, the server 88 %",
        "starved": "connections 2 to 64 were never served",
        "unsteady": f"throughput drifted over {50 + number} % of the measurement",
        "network": "the interface was full",
        "server": f"the server kept its core {96 + number % 3} % busy",
        "load": "all that was asked for was served, neither side at its limit",
    }[verdict]


def run(models: list[str], rounds: int, **fields: object) -> Run:
    """The record of a finished run with a ceiling and a floor."""
    defaults: dict[str, object] = {
        "id": "20261122T121314Z-ab12cd",
        "started": STARTED,
        "finished": STARTED,
        "status": "complete",
        "seed": 7,
        "rounds": rounds,
        "models": models,
        "floor_us_per_request": 0.9,
        "ceiling": Ceiling(
            requests_per_second=101_000.0,
            generator_cpu_share=0.93,
            ceiling_rps=108_000.0,
            protocol="echo",
            size_bytes=64,
            connections=64,
            processes=1,
        ),
    }
    return Run(**(defaults | fields))  # type: ignore[arg-type]


def measured(count: int = 7, rounds: int = 6, seed: int = 3) -> MadeUp:
    """A run of `count` models; the fastest is limited by the generator, `iterative` starves."""
    names = list(MODELS)
    chosen = names[: count - 1] + names[-1:] if count > 1 else ["selectors"]
    random = np.random.default_rng(seed)
    trials, histograms = [], {}
    for number in range(1, rounds + 1):
        for model in chosen:
            made = _one(model, number, random.normal(1.0, 0.015))
            trials.append(made)
            median_ns = 64e9 / (made.throughput_rps or 1.0)
            histograms[made.id] = histogram(median_ns, seed=number)
    return MadeUp(run(chosen, rounds), trials, histograms)


def _one(model: str, number: int, noise: float) -> Trial:
    thousand_rps, cpu_us, pss_mib = MODELS[model]
    verdicts: dict[str, Verdict] = {"uvloop:protocol": "generator", "iterative": "starved"}
    return trial(
        model,
        number,
        thousand_rps * noise,
        verdict=verdicts.get(model, "server"),
        server=Server(
            cpu_us_per_request=cpu_us / noise, busy_share=0.98, pss_bytes=int(pss_mib * 2**20)
        ),
    )
