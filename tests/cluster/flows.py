# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic that runs while a test does something else, and tells what was lost."""
import hashlib
import os
import re
import signal
import socket
import threading
import time

from procs import wait_for


class Ping:
    """A fast ping in the background: with Ping(c1, ip) as p: ...; then p.sent, p.received, p.lost."""

    def __init__(self, place, ip, every=0.001):
        self.place, self.ip = place, ip
        self.log = os.path.join(place.lab.dir, f"ping-{place.name}-{ip}-{time.monotonic_ns()}")
        self.argv = ["ping", "-n", "-q", "-i", f"{every}", "-W", "1", ip]
        self.sent = self.received = None

    def __enter__(self):
        self.proc = self.place.spawn(*self.argv, log=self.log)
        # It runs once it has printed its first line.
        wait_for(lambda: os.path.getsize(self.log) > 0, f"ping of {self.ip} started")
        return self

    def __exit__(self, *exc):
        self.proc.kill(signal.SIGINT)
        self.proc.wait()
        with open(self.log, encoding="utf-8") as f:
            text = f.read()
        found = re.search(r"(\d+) packets transmitted, (\d+) received", text)
        if not found:
            raise AssertionError(f"ping {self.ip}: {text}")
        self.sent, self.received = int(found[1]), int(found[2])

    @property
    def lost(self):
        """Without the last one, which may have been under way at the end."""
        return max(0, self.sent - self.received - 1)


class Stream:
    """A TCP connection that carries data in the background and checks every byte:
    with Stream(c1, c2, ip) as s: ...; then s.received, s.longest_gap."""

    def __init__(self, client, server, ip, port=7000):
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self.listener = server.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((ip, port))
        self.listener.listen(1)
        self.client = client.socket(family, socket.SOCK_STREAM)
        self.client.settimeout(30)
        self.client.connect((ip, port))
        self.server, _ = self.listener.accept()
        self.server.settimeout(30)
        self.stopping = threading.Event()
        self.sent = self.received = 0
        self.error = None
        self.longest_gap = 0.0  # seconds without a byte arriving
        self.threads = [threading.Thread(target=self._guard, args=(f,), daemon=True)
                        for f in (self._send, self._receive)]

    PATTERN = bytes(range(256)) * 64

    def _guard(self, work):
        try:
            work()
        except (OSError, AssertionError) as e:
            self.error = self.error or e

    def _send(self):
        while not self.stopping.wait(0.002):
            self.client.sendall(self.PATTERN)
            self.sent += len(self.PATTERN)
        self.client.shutdown(socket.SHUT_WR)

    def _receive(self):
        last = time.monotonic()
        while True:
            data = self.server.recv(65536)
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - last)
            last = now
            if not data:
                return
            at = self.received % len(self.PATTERN)
            expected = (self.PATTERN * (len(data) // len(self.PATTERN) + 2))[at:at + len(data)]
            assert data == expected, f"other bytes than sent at {self.received}"
            self.received += len(data)

    def __enter__(self):
        for t in self.threads:
            t.start()
        self.flows()
        return self

    def flows(self, deadline=5):
        """Wait until further data arrive."""
        before = self.received
        wait_for(lambda: self.received > before or self.error, "the stream carries data", deadline)
        assert not self.error, f"stream: {self.error}"

    def __exit__(self, *exc):
        self.stopping.set()
        for t in self.threads:
            t.join(35)
        for s in (self.client, self.server, self.listener):
            s.close()
        if exc[0] is None:
            assert not self.error, f"stream: {self.error}"
            assert self.sent == self.received, f"stream: {self.sent} bytes sent, {self.received} received"


def transfer(client, server, ip, size=32 << 20, port=7001):
    """Send size bytes from one place to another over TCP; asserts that the same ones arrive. Returns seconds."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    block = os.urandom(1 << 20)
    want, got, count = hashlib.sha256(), hashlib.sha256(), 0
    begin = time.monotonic()
    with server.socket(family, socket.SOCK_STREAM) as listener, client.socket(family, socket.SOCK_STREAM) as c:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ip, port))
        listener.listen(1)
        c.settimeout(20)
        c.connect((ip, port))
        s, _ = listener.accept()
        s.settimeout(20)

        def send():
            for _ in range(size // len(block)):
                want.update(block)
                c.sendall(block)
            c.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        with s:
            while data := s.recv(1 << 16):
                got.update(data)
                count += len(data)
        sender.join()
    assert count == size // len(block) * len(block) and got.digest() == want.digest(), f"{count} of {size} bytes"
    return time.monotonic() - begin
