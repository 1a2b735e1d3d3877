"""The answer in words: claims need evidence, and what limits them is said."""

from __future__ import annotations

import pytest

from netbench.results.answer import answer
from netbench.results.records import Server, Trial, Verdict
from netbench.results.summary import summarise

from .made_up import run, trial

STEADY = (1.0, 1.01, 0.99, 1.005, 0.995, 1.0)


def rounds(
    model: str,
    thousand_rps: float,
    verdict: Verdict = "server",
    cpu_us: float = 7.5,
    count: int = 6,
) -> list[Trial]:
    """One model in `count` rounds with one per cent of noise that all models share."""
    return [
        trial(model, n, thousand_rps * noise, cpu_us / noise, verdict)
        for n, noise in enumerate(STEADY[:count], 1)
    ]


def said(*models: list[Trial]) -> str:
    """The answer of a run with these models."""
    trials = [made for model in models for made in model]
    return answer(summarise(run([model[0].model for model in models], 6), trials))


def test_a_clear_winner_is_claimed_with_its_interval() -> None:
    """Ratio, interval and rounds stand in the sentence."""
    assert said(rounds("trio", 20.0), rounds("selectors", 50.0)) == (
        "selectors is the fastest: 2.50 times the throughput of trio"
        " (95 % interval 2.50 to 2.50, 6 rounds)."
    )


def test_a_small_difference_is_not_claimed() -> None:
    """One per cent is below what is ever claimed, however sure."""
    sentence = said(rounds("selectors", 50.5), rounds("uvloop", 50.0), rounds("trio", 20.0))
    assert sentence == (
        "No difference is shown between selectors and uvloop; selectors came first with 50.5 k/s,"
        " 1.01 times uvloop (95 % interval 1.01 to 1.01, 6 rounds)."
    )


def test_everyone_level_with_the_best_is_named() -> None:
    """A third model without a shown difference belongs to those that lead."""
    sentence = said(rounds("a", 50.2), rounds("b", 50.1), rounds("c", 50.0), rounds("d", 30.0))
    assert sentence.startswith("No difference is shown between a, b and c; a")


def test_the_fastest_is_faster_than_every_other() -> None:
    """A row further down that varies so much that it is not told apart forbids the claim."""
    wild = [trial("c", n, rate) for n, rate in enumerate((20.0, 60.0, 25.0, 55.0, 30.0, 50.0), 1)]
    sentence = said(rounds("a", 50.0), rounds("b", 45.0), wild)
    assert sentence.startswith("No difference is shown between a and c; a came first with 50.0 k/s")
    cheapest = said(
        rounds("a", 50.0, "generator", 6.0),
        rounds("b", 45.0, "generator", 7.0),
        [
            trial("c", n, 40.0, cost, "generator")
            for n, cost in enumerate((7.1, 20.0, 4.0, 21.0, 3.0, 22.0), 1)
        ],
    )
    assert "no difference is shown between a and c: a used 6.00 µs." in cheapest


@pytest.mark.parametrize(("count", "words"), [(1, "from one round"), (2, "from two rounds")])
def test_few_rounds_claim_nothing(count: int, words: str) -> None:
    """The interval of two rounds has one degree of freedom: it may be narrow by luck."""
    sentence = said(rounds("selectors", 50.0, count=count), rounds("trio", 25.0, count=count))
    assert f"{words} no difference is claimed" in sentence
    assert "fastest" in said(rounds("selectors", 50.0, count=3), rounds("trio", 25.0, count=3))


def test_one_round_claims_nothing() -> None:
    """Even a factor of two is not claimed from a single pair."""
    sentence = said(rounds("selectors", 50.0, count=1), rounds("trio", 25.0, count=1))
    assert sentence == (
        "selectors came first with 50.0 k/s, but from one round no difference is claimed:"
        " --rounds 6 may decide."
    )


def test_models_without_a_common_round_are_not_compared() -> None:
    """An interrupted run may leave two models no pair."""
    first, second = rounds("selectors", 50.0)[:1], rounds("trio", 20.0)[1:2]
    assert "no difference is claimed" in said(first, second)


def test_a_generator_bound_model_may_be_faster() -> None:
    """A lower bound above the best row is mentioned with its CPU cost, and not ranked."""
    sentence = said(
        rounds("selectors", 50.0),
        rounds("trio", 20.0),
        rounds("uvloop", 60.0, "generator", 6.0),
    )
    assert sentence.startswith("selectors is the fastest")
    assert sentence.endswith(
        "But uvloop reached at least 60.0 k/s before the generator was the limit and may be"
        " faster: it costs 6.00 µs of server CPU per request, selectors 7.50 µs."
    )


def test_a_slower_lower_bound_is_not_mentioned() -> None:
    """What was held back below the best says nothing about the best."""
    sentence = said(rounds("selectors", 50.0), rounds("uvloop", 40.0, "generator"))
    assert sentence == "selectors served 50.0 k/s, and no other model can be ranked by throughput."


def test_generator_bound_models_are_compared_by_cpu() -> None:
    """Where the generator limits all, cost per request decides."""
    sentence = said(
        rounds("selectors", 50.0, "generator", 8.0), rounds("uvloop", 49.0, "generator", 6.0)
    )
    assert (
        "uvloop costs the least server CPU per request, 6.00 µs: selectors costs 1.33" in sentence
    )


def test_equal_cpu_is_no_difference() -> None:
    """The same rule holds for CPU as for throughput."""
    sentence = said(
        rounds("selectors", 50.0, "generator", 6.05), rounds("uvloop", 49.0, "generator", 6.0)
    )
    assert "no difference is shown between uvloop and selectors: uvloop used 6.00 µs." in sentence


def test_cpu_of_one_round_is_not_claimed() -> None:
    """One round names the cheapest, and says that it is one round."""
    sentence = said(
        rounds("selectors", 50.0, "generator", 8.0, 1), rounds("uvloop", 49.0, "generator", 6.0, 1)
    )
    assert sentence.endswith(
        "uvloop used the least server CPU per request, 6.00 µs, but from one round no difference is"
        " claimed."
    )


def test_without_cpu_figures_only_the_limit_is_said() -> None:
    """A server that is not ours has no CPU to compare."""
    models = [[trial(m, 1, 50.0, verdict="generator", server=Server())] for m in ("a", "b")]
    assert said(*models) == (
        "No model can be ranked by throughput, because the generator was the limit."
    )


def test_nothing_to_rank_is_said() -> None:
    """Starved and failed models give no answer."""
    sentence = said(rounds("iterative", 9.0, "starved"), [trial("trio", 1, None, None, "failed")])
    assert sentence.startswith("No model can be ranked")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("server", "selectors served 50.0 k/s, and the server was the limit."),
        ("load", "all that was asked; neither side was at its limit."),
        ("generator", "selectors served at least 50.0 k/s: the generator was the limit"),
        ("starved", "which says little about it: the trial was starved."),
    ],
)
def test_a_single_model_is_told_what_limited_it(verdict: Verdict, words: str) -> None:
    """With one row there is nothing to compare, but there is a limit."""
    assert words in said(rounds("selectors", 50.0, verdict))


def test_a_single_failed_model_is_told_why() -> None:
    """The reason of the trial is the answer."""
    sentence = said([trial("trio", 1, None, None, "failed")])
    assert sentence == (
        "trio was not measured: the server ended with status 1 before it was ready."
    )


def test_an_empty_run_says_so() -> None:
    """Interrupted before the first trial."""
    assert answer(summarise(run([], 3), [])) == "Nothing was measured."
