#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""From the reply of an attach on node1 to the first packet answered across the hosts."""
import select
import socket
import struct
import time

from bench import DOCKER, Client, Table, arguments, make_lab, median, quantile, quiet_python

AGAIN_S = 0.001  # a packet every so often until one is answered
GIVE_UP_S = 10
REQUEST = 8


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


class Pinger:
    """ICMP echo from a container, over a raw socket: the other side's kernel answers."""

    def __init__(self, container):
        self.sock = container.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.sock.setblocking(False)
        self.ident = 0x4f56
        self.round = 0

    def send(self, ip, seq):
        body = struct.pack("!BBHHHQ", REQUEST, 0, 0, self.ident, seq, self.round)
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        try:
            self.sock.sendto(body, (ip, 0))
        except OSError:
            pass  # unreachable as yet

    def answer(self, seconds):
        """The number of the request that was answered within so long, or None."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if not select.select([self.sock], [], [], left)[0]:
                return None
            data = self.sock.recv(2048)[20:]
            if data[0] == 0 and struct.unpack("!HHQ", data[4:16])[::2] == (self.ident, self.round):
                return struct.unpack("!H", data[6:8])[0]
        return None

    def first(self, ip):
        """(milliseconds to the first answer, whether the very first packet was answered)"""
        self.round += 1
        begin = time.perf_counter()
        for seq in range(60000):
            self.send(ip, seq)
            got = self.answer(AGAIN_S)
            if got is not None:
                return (time.perf_counter() - begin) * 1e3, got == 0
            assert time.perf_counter() - begin < GIVE_UP_S, f"{ip}: no answer within {GIVE_UP_S} s"
        raise AssertionError(ip)


class Rounds:
    """One attach, one first packet, one detach, over and over."""

    def __init__(self, lab, n):
        self.n = n
        self.client = Client(lab["node1"])
        self.client.create("demo", "10.1.0.0/16")
        lab.everywhere("demo")
        lab.container("node1", "keep1").connect("demo")
        self.far = lab.container("node2", "far")
        self.far.connect("demo")
        self.far_ip = self.far.ip4("demo")
        self.near = [lab.container("node1", f"c{i}") for i in range(4)]

    def run(self, measure):
        values, firsts = [], 0
        for i in range(self.n):
            container = self.near[i % len(self.near)]
            with quiet_python():
                ms, first = measure(container)
            values.append(ms)
            firsts += first
            self.client.detach("demo", container)
        return values, firsts

    def to_it(self, pinger):
        def measure(container):
            ip = self.client.attach("demo", container)[1]["IPv4Address"].split("/")[0]
            return pinger.first(ip)
        return self.run(measure)

    def from_it(self):
        def measure(container):
            pinger = Pinger(container)
            self.client.attach("demo", container)
            return pinger.first(self.far_ip)
        return self.run(measure)

    def tried_before(self, pinger):
        """The other side has been sending to that address before anyone had it."""
        number = iter(range(10, 60000))

        def measure(container):
            count = next(number)
            ip = f"10.1.{100 + count // 250}.{count % 250 + 1}"
            pinger.round += 1
            for seq in range(30):
                pinger.send(ip, seq)
                assert pinger.answer(AGAIN_S) is None
            self.client.attach("demo", container, IPAMConfig={"IPv4Address": ip})
            return pinger.first(ip)
        return self.run(measure)


def main():
    args = arguments(__doc__)
    with make_lab(2) as lab:
        rounds = Rounds(lab, 20 if args.quick else 100)
        pinger = Pinger(rounds.far)
        table = Table("from the attach's reply on node1 to the first answer across (ms; a packet every ms until then)",
                      "p50", "p99", "max", "n", "1st answered", "x Docker")
        for what, (values, firsts), docker in (
                ("node2 pings the new container", rounds.to_it(pinger), "first"),
                ("the new container pings node2's", rounds.from_it(), None),
                ("node2 has been trying for 30 ms before", rounds.tried_before(pinger), "first tried")):
            p50 = median(values)
            table.line(what, p50, quantile(values, .99), max(values), len(values), f"{firsts}/{len(values)}",
                       f"{p50 / DOCKER[docker]:.4f}" if docker else None)


if __name__ == "__main__":
    main()
