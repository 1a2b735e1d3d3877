"""Mixtures: the shares are exact, the order is seeded, and a wrong one is named."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import METHODS, Request, Sleep
from netbench.servers.handlers._deck import LONGEST, SHORTEST, STRIDE, Deck

from .handling import ask, hear, resource

weights = st.lists(st.integers(1, 200), min_size=1, max_size=8)


@given(weights, st.integers(0, 2**32))
def test_shares_are_exact_over_a_round(weights: list[int], seed: int) -> None:
    """Each card comes as often as its weight says, not only on the average."""
    deck = Deck(list(enumerate(weights)), seed)
    drawn = Counter(deck.draw() for _ in range(len(deck)))
    assert len(deck) >= SHORTEST
    assert [drawn[card] * sum(weights) for card in range(len(weights))] == [
        weight * len(deck) for weight in weights
    ]


def test_the_order_is_that_of_the_seed() -> None:
    """The same seed gives the same order, another one another, and none is sorted."""
    orders = []
    for seed in (1, 1, 2):
        deck = Deck([("a", 1), ("b", 1)], seed)
        orders.append("".join(deck.draw() for _ in range(200)))
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert "abab" * 50 not in orders
    assert orders[0].count("ab") > 10


def test_processes_begin_at_places_of_their_own() -> None:
    """A child that serves one request each would otherwise always draw the first card."""
    deck = Deck([("a", 3), ("b", 1)], seed=1)
    drawn: Counter[str] = Counter()
    for pid in range(1000, 1000 + len(deck)):
        deck.restart(pid * STRIDE)
        drawn[deck.draw()] += 1
    assert drawn["a"] == 3 * drawn["b"]


FORKING = """
import os
from netbench.servers.handlers._deck import Deck

def deck():
    return Deck([(card, 1) for card in range(1009)], seed=1)

early = deck()
if pid := os.fork():
    os.waitpid(pid, 0)
    print(pid, early.draw(), flush=True)
else:
    print(early.draw(), deck().draw(), end=" ", flush=True)
    os._exit(0)
"""


def test_a_forked_child_begins_elsewhere() -> None:
    """A fork moves every deck that the child has, and those made later, but not the parent's."""
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True)
    early, later, pid, parents = (int(number) for number in done.stdout.split())
    cards = [Deck([(card, 1) for card in range(1009)], seed=1) for _ in range(2)]
    cards[1].restart(pid * STRIDE)
    assert parents == cards[0].draw()
    assert early == later == cards[1].draw()


def test_threads_share_one_deck() -> None:
    """Whoever draws, no card comes twice and none is left out."""
    deck = Deck([(card, 1) for card in range(2000)], seed=1)
    drawn: list[int] = []

    def draw() -> None:
        drawn.extend([deck.draw() for _ in range(500)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == list(range(2000))


def test_weights_that_no_deck_holds_are_refused() -> None:
    """A mixture of one in a million would need a million cards."""
    with pytest.raises(ValueError, match="too far apart"):
        Deck([("a", 1), ("b", LONGEST)], 0)
    assert len(Deck([("a", 10**17), ("b", 2 * 10**17)], 0)) < 2 * SHORTEST


@pytest.mark.parametrize(
    ("argument", "query"),
    [
        (":plaintext=3,bytes:20=1", ""),
        ("", "plaintext=3&bytes/20=1"),
        ("", "plaintext=3&bytes%2F20=1"),
        ("", "plaintext=3&bytes:20=1"),
    ],
)
def test_members_answer_by_their_weights(argument: str, query: str) -> None:
    """On the command line and as a query: three greetings for each document."""
    handler = resource("mixed" + argument).handler
    request = Request(method="GET", query=query)
    lengths = Counter(len(hear(handler(request)).body) for _ in range(1012))
    assert lengths == {13: 759, 20: 253}


def test_a_seed_can_be_given() -> None:
    """Another seed is another order; the same seed is the same."""
    orders = []
    for text in ("seed=1,", "seed=2,", "seed=1,", ""):
        handler = resource(f"mixed:{text}plaintext=1,bytes:20=1").handler
        orders.append([len(hear(handler(Request(method="GET"))).body) for _ in range(100)])
    assert orders[0] == orders[2]
    assert len({tuple(order) for order in orders}) == 3


def test_queries_do_not_disturb_each_other() -> None:
    """Each mixture that is asked for has its own members."""
    handler = resource("mixed").handler
    for _ in range(2):
        for query, body in (("status/404=1", b"404 Not Found\n"), ("bytes/0=1", b"")):
            assert hear(handler(Request(method="GET", query=query))).body == body


def test_a_mixture_goes_on_while_many_others_are_asked_for() -> None:
    """Forgotten, it would begin its round with every request, and the shares would be wrong."""
    request = Request(method="GET", query="plaintext=3&bytes/20=1")
    alone, among = (resource("mixed").handler for _ in range(2))
    bodies: list[list[bytes]] = [[], []]
    for _ in range(50):
        bodies[0].append(hear(alone(request)).body)
        bodies[1].append(hear(among(request)).body)
        for size in range(100):
            among(Request(method="GET", query=f"bytes/{size}=1"))
    assert bodies[0] == bodies[1]
    assert len(set(bodies[0])) == 2


def test_members_may_have_effects() -> None:
    """A member that sleeps says so, as it would alone."""
    assert ask("mixed:sleep:1ms=1").effects == [Sleep(0.001)]


def test_a_mixture_has_the_methods_of_its_members() -> None:
    """Documents alone are read-only; with an echo there is something to post."""
    assert resource("mixed:json=1,plaintext=1").methods == ("GET", "HEAD")
    assert set(resource("mixed:json=1,echo=1").methods) == {"GET", "HEAD", "POST", "PUT"}
    assert resource("mixed:echo=1,upload=2").needs_body
    assert not resource("mixed:echo=1,json=1").needs_body
    assert resource("mixed").methods == METHODS


WRONG = [
    ("", "write a mixture like"),
    ("json", "write a mixture like"),
    ("json=", "write a mixture like"),
    ("json=x", "write a mixture like"),
    ("json=-1", "write a mixture like"),
    ("json=1.5", "write a mixture like"),
    ("json=٣", "write a mixture like"),
    ("json=" + "9" * 5000, "write a mixture like"),
    ("=1", "write a mixture like"),
    ("json=0", "from 1 on"),
    ("seed=1", "1 to 16 members"),
    ("xyzzy=1", "no workload 'xyzzy'"),
    ("mixed=1", "no mixtures"),
    ("mixed/json=1", "no mixtures"),
    ("bytes/tiny=1", "not understood"),
    ("sleep=1", "needs a duration"),
    ("json=1,bytes:1=999999", "too far apart"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_mixture_is_refused(text: str, message: str) -> None:
    """The user of the command line and the client of the route get the same words."""
    with pytest.raises(ValueError, match=message):
        resource(f"mixed:{text}")
    said = ask("mixed", query=text.replace(",", "&"))
    assert (said.status, said.content_type) == (400, b"text/plain")
    assert message in said.body.decode()


def test_no_query_harms_the_server() -> None:
    """What no text can hold is replaced, never raised: an exception would end the server."""
    assert ask("mixed", query="status/\udcff=1").status == 400


def test_a_mixture_is_bounded() -> None:
    """Nobody can make a server hold any number of members."""
    with pytest.raises(ValueError, match="not 17"):
        resource("mixed:" + ",".join(["json=1"] * 17))
