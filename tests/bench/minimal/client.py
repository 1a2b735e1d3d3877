"""The least a Python epoll client can do: send, receive, send again; nothing verified or recorded.

The yardstick of the load generator. `python client.py PORT CONNECTIONS SIZE WARMUP_S DURATION_S
[CORE]` prints one JSON line: requests and CPU nanoseconds between the end of the warm-up and the
end of the run. Replies are taken to be whole, which holds for small payloads on loopback.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time

READ_BYTES = 4096


def connect(epoll: select.epoll, port: int, connections: int) -> dict[int, socket.socket]:
    sockets = {}
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        epoll.register(connection, select.EPOLLIN)
        sockets[connection.fileno()] = connection
    return sockets


def turn(epoll: select.epoll, sockets: dict[int, socket.socket], payload: bytes, end: int) -> int:
    requests = 0
    while time.monotonic_ns() < end:
        for descriptor, _ in epoll.poll():
            connection = sockets[descriptor]
            connection.recv(READ_BYTES)
            connection.send(payload)
            requests += 1
    return requests


def main() -> None:
    port, connections, size = (int(argument) for argument in sys.argv[1:4])
    warmup_s, duration_s = (float(argument) for argument in sys.argv[4:6])
    if len(sys.argv) > 6:
        os.sched_setaffinity(0, {int(sys.argv[6])})
    epoll = select.epoll()
    payload = bytes(size)
    sockets = connect(epoll, port, connections)
    for connection in sockets.values():
        connection.send(payload)
    turn(epoll, sockets, payload, time.monotonic_ns() + int(warmup_s * 1e9))
    cpu_ns = time.process_time_ns()
    print(json.dumps({"measuring": True}), flush=True)
    requests = turn(epoll, sockets, payload, time.monotonic_ns() + int(duration_s * 1e9))
    cpu_ns = time.process_time_ns() - cpu_ns
    print(json.dumps({"requests": requests, "cpu_ns": cpu_ns}))


if __name__ == "__main__":
    main()
