"""HTTP clients in a process of their own, over plain sockets, so that the server is what is measured.

    python -m benchmarks.client drain HOST:PORT PATH HEADERS          reads it all: seconds, seconds to the first byte, bytes
    python -m benchmarks.client pages HOST:PORT PATHS HEADERS N S     N connections for S seconds: requests/s, p50, p99 in ms, bytes
    python -m benchmarks.client sip   HOST:PORT PATH HEADERS N        N slow readers, until stdin ends; says when all are under way
    python -m benchmarks.client walk  HOST:PORT PATH HEADERS PIDS     every page of OData, plain and by gzip in turns: seconds, bytes and
                                                                      the CPU seconds of these processes, of each
    python -m benchmarks.client echo  BYTES                           a server that answers at once: the client's own ceiling

PATHS is a file with one path a line; HEADERS is JSON (for `sip` a list: each reader takes the next one).
"""

import gzip
import http.client
import json
import os
import random
import re
import select
import socket
import sys
import threading
import time

RECEIVE = 1 << 18


def connect(where, receive=None):
    host, _, port = where.rpartition(":")
    link = socket.socket()
    if receive:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    link.connect((host, int(port)))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def request(where, path, headers, keep=True):
    lines = [f"GET {path} HTTP/1.1", f"Host: {where}", f"Connection: {'keep-alive' if keep else 'close'}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def drain(where, path, headers):
    link = connect(where)
    began = time.perf_counter()
    link.sendall(request(where, path, headers, keep=False))
    head = b""
    while b"\r\n\r\n" not in head:
        head += link.recv(RECEIVE)
    assert head.startswith(b"HTTP/1.1 200"), head[:500]
    head, _, rest = head.partition(b"\r\n\r\n")
    while not rest:
        rest = link.recv(RECEIVE)
    first, size = time.perf_counter() - began, len(rest)
    buffer, tail = bytearray(RECEIVE), rest[-5:]
    while count := link.recv_into(buffer):
        size += count
        tail = (tail + bytes(buffer[max(0, count - 5) : count]))[-5:]
    seconds = time.perf_counter() - began
    assert b"chunked" not in head or tail == b"0\r\n\r\n", "the answer broke off"
    print(seconds, first, size)


def pages(where, paths, headers, connections, seconds):
    chance = random.Random(1)
    with open(paths) as file:
        asked = [request(where, path, headers) for path in file.read().splitlines()]
    poll, links = select.epoll(), {}
    for _ in range(connections):
        link = connect(where)
        poll.register(link, select.EPOLLIN)
        links[link.fileno()] = [
            link,
            0.0,
            b"",
            -1,
        ]  # socket, asked at, what came, how much is still to come (-1: unknown)
    took, size, buffer = [], 0, bytearray(RECEIVE)

    def ask(state):
        state[1:] = time.perf_counter(), b"", -1
        state[0].sendall(chance.choice(asked))

    for state in links.values():
        ask(state)
    began = time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        for number, _ in poll.poll(1):
            state = links[number]
            count = state[0].recv_into(buffer)
            assert count, "the server hung up"
            size += count
            if state[3] >= 0:
                state[3] -= count
            else:
                state[2] += bytes(buffer[:count])
                head, end, body = state[2].partition(b"\r\n\r\n")
                if not end:
                    continue
                assert head.startswith(b"HTTP/1.1 200"), state[2][:500]
                length = head.lower().partition(b"content-length: ")[2]
                if length:
                    state[3] = int(length.split(b"\r\n")[0]) - len(body)
                elif body.endswith(b"0\r\n\r\n"):  # the last chunk
                    state[3] = 0
            if state[3] == 0:
                took.append(time.perf_counter() - state[1])
                ask(state)
    took.sort()
    print(len(took) / (now - began), took[len(took) // 2] * 1000, took[int(len(took) * 0.99)] * 1000, size // len(took))


def sip(where, path, headers, readers):
    """Each reader takes 16 KiB ten times a second: with small buffers the server waits for it most of the time."""
    under_way = threading.Semaphore(0)

    def read(own):
        while True:  # a server that is full says 429: come again, perhaps to its other process
            link = connect(where, receive=1 << 16)
            link.sendall(request(where, path, own, keep=False))
            head = link.recv(1 << 14)
            if head.startswith(b"HTTP/1.1 200"):
                break
            assert head.startswith(b"HTTP/1.1 429"), head[:500]
            link.close()
            time.sleep(0.02)
        under_way.release()
        while link.recv(1 << 14):
            time.sleep(0.1)

    for number in range(readers):
        threading.Thread(target=read, args=(headers[number % len(headers)],), daemon=True).start()
    for _ in range(readers):
        under_way.acquire()
    print("under way", flush=True)
    sys.stdin.read()


def walk(where, path, headers, pids):
    sums = {"identity": [0.0, 0, 0.0], "gzip": [0.0, 0, 0.0]}
    link, number = http.client.HTTPConnection(where, timeout=600), 0
    while path:
        for coding in sorted(sums, reverse=number % 2):
            before, began = cpu_seconds(pids), time.perf_counter()
            link.request("GET", path, headers=headers | {"Accept-Encoding": coding})
            answer = link.getresponse()
            body = answer.read()
            spent = (time.perf_counter() - began, len(body), cpu_seconds(pids) - before)
            assert answer.status == 200 and (answer.headers["Content-Encoding"] or "identity") == coding, answer.headers
            sums[coding] = [total + part for total, part in zip(sums[coding], spent, strict=True)]
            if coding == "gzip":
                body = gzip.decompress(body)
            found = re.search(rb'"@odata\.nextLink":"([^"]+)"', body[-4000:])
            following = found and found[1].decode().partition(where)[2]
        path, number = following, number + 1
    print(*sums["identity"], *sums["gzip"])


def cpu_seconds(pids):
    """User and system time of these processes so far."""
    spent = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / os.sysconf("SC_CLK_TCK")


def echo(size):
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        poll, links = select.epoll(), {}
        poll.register(listener, select.EPOLLIN)
        poll.register(sys.stdin, select.EPOLLIN | select.EPOLLHUP)
        while True:
            for number, _ in poll.poll():
                if number == sys.stdin.fileno():
                    return
                if number == listener.fileno():
                    link, _ = listener.accept()
                    links[link.fileno()] = link
                    poll.register(link, select.EPOLLIN)
                    continue
                try:
                    asked = links[number].recv(RECEIVE)
                except ConnectionResetError:
                    asked = b""
                if asked:
                    links[number].sendall(answer)
                else:
                    poll.unregister(number)
                    links.pop(number).close()


def main(what, *arguments):
    if what == "drain":
        drain(arguments[0], arguments[1], json.loads(arguments[2]))
    elif what == "pages":
        where, paths, headers, connections, seconds = arguments
        pages(where, paths, json.loads(headers), int(connections), float(seconds))
    elif what == "sip":
        sip(arguments[0], arguments[1], json.loads(arguments[2]), int(arguments[3]))
    elif what == "walk":
        where, path, headers, pids = arguments
        walk(where, path, json.loads(headers), list(map(int, pids.split(","))))
    elif what == "echo":
        echo(int(arguments[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
