"""Checks: half-close, close, reset: nothing due is lost, nothing is done for the gone."""

from __future__ import annotations

from netbench.servers.testing._check import Stage, rule
from netbench.servers.testing._client import Client
from netbench.servers.testing._script import echo, pattern
from netbench.servers.testing._server import Failed, Server, eventually


@rule(4, "A peer that has said all it has to say still gets the reply that is due.")
def half_close_reply_due(stage: Stage) -> None:
    """Half-close while a handler sleeps."""
    client = stage.client()
    client.send(b"sleep 60\n")
    client.expect(b"begin\n")
    client.shut()
    client.expect(b"slept\n")
    client.expect_end()


@rule(4, "Requests that were held when the input ended are answered too.")
def half_close_requests_held(stage: Stage) -> None:
    """Several requests with effects, then the end of input, in one go."""
    client = stage.client()
    client.send(b"sleep 20\necho 3\nabcsleep 20 2\nblock 5\nburn 5\necho 2\nxy")
    client.shut()
    client.expect(b"begin\nslept\nabcbegin\nslept\nslept\nbegin\nblocked\nbegin\nburnt\nxy")
    client.expect_end()


@rule(4, "Jobs of every key are finished after the end of input.")
def half_close_streams_due(stage: Stage) -> None:
    """Three jobs of different keys are out when the input ends."""
    client = stage.client()
    client.send(b"jobs 1:40 2:40 3:40+10\n")
    client.shut()
    got = sorted(client.read(len(b"started\n") + 3 * len(b"done 1\n")).splitlines())
    if got != [b"done 1", b"done 2", b"done 3", b"started"]:
        raise Failed(f"wrong replies: {got}")
    client.expect_end()


@rule(4, "A long reply is sent to its end although the peer half-closed when it began.")
def half_close_long_reply(stage: Stage) -> None:
    """Ask for 8 MiB, half-close, then read."""
    client = stage.client(receive_buffer_bytes=64 * 1024)
    client.send(b"say 8388608\n")
    client.shut()
    client.expect(pattern(8_388_608))
    client.expect_end()


@rule(4, "The end of input is told once, what is said then is sent, and then the server closes.")
def eof_is_told(stage: Stage) -> None:
    """The script says its farewell in eof()."""
    client = stage.client()
    client.ask("at-eof farewell", "noted")
    client.shut()
    client.expect(b"farewell\n")
    client.expect_end()


@rule(4, "A connection without anything due is closed when its input ends.")
def half_close_idle(stage: Stage) -> None:
    """Half-close before the first byte, in the middle of a request, and with a wake set."""
    for words in (b"", b"slee", b"echo 10\nabc", b"wake 60000 1\n"):
        client = stage.client()
        client.send(words)
        client.shut()
        if client.read_to_end() not in (b"", b"abc", b"awake\n"):
            raise Failed(f"an unexpected reply to {words!r} and the end of input")


@rule(5, "Close comes after everything was sent.")
def close_after_everything(stage: Stage) -> None:
    """Four MiB and a goodbye, for a slow reader."""
    client = stage.client(receive_buffer_bytes=64 * 1024)
    client.send(b"say 4000000\nclose\n")
    client.expect(pattern(4_000_000) + b"bye\n")
    client.expect_end()


@rule(5, "A reply before Close is not lost to a reset although input still arrives.")
def close_discards_input(stage: Stage) -> None:
    """More input than one read takes follows the request that closes; it is sent to the end."""
    client = stage.client()
    client.send(b"close\n" + b"z" * 300_000)
    client.expect(b"bye\n")
    client.expect_end()


@rule(5, "Input that comes after Close is not interpreted, and does not keep the reply away.")
def close_while_writing(stage: Stage) -> None:
    """The client goes on writing between the goodbye and the end."""
    client = stage.client()
    client.send(b"close\n")
    client.expect(b"bye\n")
    client.send(b"flush\n" * 1000)
    client.expect_end()
    client.send(b"flush\n" * 1000)
    if client.read_to_end():
        raise Failed("something was sent after the end")


@rule(5, "A peer that never closes cannot keep a closed connection: discarding ends in a second.")
def close_lets_go(stage: Stage) -> None:
    """After Close the client goes on sending until the server lets go of the connection."""
    server, client = stage.server(), stage.client()
    client.send(b"close\n")
    client.expect(b"bye\n")
    client.expect_end()

    def let_go() -> bool:
        try:
            client.sock.send(b"z")
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    text = "the server still holds a connection that it closed"
    eventually(let_go, server.deadline_s, lambda: text)


@rule(4, "After an error on the socket no job is resumed any more.")
def reset_drops_jobs(stage: Stage) -> None:
    """Reset a connection that has forty sleeps before it; at most the next may still be resumed."""
    server, client = stage.server(), stage.client()
    tag = f"reset-{client.port}"
    client.ask(f"tag {tag}", "noted")
    client.send(b"sleep 10 40\n")
    client.expect(b"begin\nslept\nslept\n")
    client.reset()
    stage.client().ask("sleep 500", "begin slept")  # by then all forty could have been resumed
    resumed = sum(method == "resume" for method, _ in server.calls(tag))
    if resumed > 10:  # two before the reset, the rest is the time it takes to send one
        raise Failed(f"the handler was resumed {resumed} times of 40, after a reset at the second")


@rule(4, "A reset ends one connection and nothing else, whatever it was doing.")
def reset_survived(stage: Stage) -> None:
    """Reset at once, idle, with a job out, with jobs of other keys, with output that waits."""
    states = (b"", b"flush\n", b"sleep 30\n", b"jobs 1:10 2:30\n", b"say 4000000\n", b"close\n")
    for state in states * 3:
        client = stage.client(receive_buffer_bytes=16 * 1024)
        client.send(state)
        if state:
            client.receive_some()
        client.reset()
    server_is_well(stage)


@rule(4, "A peer that vanishes while its reply is made does not disturb others.")
def close_survived(stage: Stage) -> None:
    """Clients that close without reading: the server's send fails later."""
    for state in (b"sleep 20\n", b"say 4000000\n", b"sleep 5 20\n", b"wake 5 20\n") * 3:
        client = stage.client(receive_buffer_bytes=16 * 1024)
        client.send(state)
        client.receive_some()
        client.close()
    server_is_well(stage)


def server_is_well(stage: Stage) -> None:
    """See that the shared server answers."""
    client = stage.client()
    client.ask("sleep 60", "begin slept")  # whatever those who left have set going is over then
    request, reply = echo(1000)
    client.send(request)
    client.expect(reply)
    if not stage.server().alive():
        raise Failed(f"the server died; {stage.server().tail()}")


@rule(7, "Accepted, refused and reset connections are counted, each where it belongs.")
def counted(stage: Stage) -> None:
    """Two refusals with a reason, a plain close, a reset: then the FINAL line."""
    with stage.fresh() as server:
        _leave_traces(stage, server)
        server.stop()
        counters = server.final()["counters"]
    due = {"accepted": 5, "resets": 1, "lost": 0, "refused": {"too long": 2}, "accept_errors": 0}
    seen = {name: counters.get(name) for name in due}
    if seen != due:
        raise Failed(f"the counters are {seen} instead of {due}")


def _leave_traces(stage: Stage, server: Server) -> None:
    for words in (b"close too long\n", b"close too long\n", b"close\n"):
        client = stage.client(server)
        client.send(words)
        client.expect(b"bye\n")
        client.expect_end()
        client.close()
    _reset_idle(stage.client(server))
    client = stage.client(server)
    client.ask("sleep 20", "begin slept")
    client.close()


def _reset_idle(client: Client) -> None:
    client.ask("flush", "flushed")
    client.reset()
