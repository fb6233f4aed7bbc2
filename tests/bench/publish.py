#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Published ports: connections per second and throughput beside Docker's (with and without its proxy) and a bare DNAT rule; what 1,000 ports cost."""
import json
import socket
import threading
import time

from bench import Client, Lab, Table, arguments, median, netns, quantile, quiet_python, wait_for
from docker import Docker


class Server:
    """Accepts and closes; answers a UDP datagram. In a namespace, by a thread of ours."""

    def __init__(self, ns, port):
        self.sock = netns.open_socket(ns, socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("0.0.0.0", port))
        self.sock.listen(1024)
        self.udp = netns.open_socket(ns, socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("0.0.0.0", port))
        for work in (self._accept, self._answer):
            threading.Thread(target=work, daemon=True).start()

    def _accept(self):
        while True:
            try:
                self.sock.accept()[0].close()
            except OSError:
                return

    def _answer(self):
        while True:
            try:
                self.udp.sendto(b"!", self.udp.recvfrom(64)[1])
            except OSError:
                return


def connections(client, ip, port, seconds):
    """Connections opened, and closed by the server, one after the other: per second."""
    n, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        with netns.open_socket(client, socket.AF_INET, socket.SOCK_STREAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.connect((ip, port))
            s.recv(1)
        n += 1
    return n / seconds


def first_packets(client, ip, port, count):
    """Microseconds from a datagram of a new flow to its answer: each crosses all rules."""
    out = []
    with quiet_python():
        for _ in range(count):
            with netns.open_socket(client, socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(2)
                s.connect((ip, port))
                begin = time.perf_counter()
                s.send(b"?")
                s.recv(8)
                out.append((time.perf_counter() - begin) * 1e6)
    return out


def iperf(client, server, ip, port, listen, seconds):
    netns.run(server, "iperf3", "-s", "-1", "-D", "-p", listen)
    for _ in range(200):
        done = netns.run(client, "iperf3", "-J", "-c", ip, "-p", port, "-t", max(1, round(seconds)), check=False)
        reply = json.loads(done.stdout or '{"error": "nothing printed"}')
        if "error" not in reply:
            return reply["end"]["sum_received"]["bits_per_second"] / 1e9
        time.sleep(0.02)
    raise AssertionError(reply["error"])


class Way:
    """One way to a container's port from the client."""

    def __init__(self, label, ns, ip, port, bulk):
        self.label, self.ns, self.ip, self.port, self.bulk = label, ns, ip, port, bulk
        self.server = Server(ns, 80)


def bare(lab, host):
    """What cannot be undercut: a bridge, one DNAT rule, nothing else on that host."""
    box = lab.prefix + "bare"
    netns.add(box)
    for line in ("link add br9 type bridge", "addr add 172.27.0.1/24 dev br9", "link set br9 up",
                 f"link add ve9 type veth peer name eth0 netns {box}", "link set ve9 master br9 up"):
        host.run("ip", *line.split())
    for line in ("addr add 172.27.0.2/24 dev eth0", "link set eth0 up", "route add default via 172.27.0.1"):
        netns.run(box, "ip", *line.split())
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    host.run("nft", "-f", "-", input="table ip bare { chain p { type nat hook prerouting priority -100;\n"
             "tcp dport 8080 dnat to 172.27.0.2:80\nudp dport 8080 dnat to 172.27.0.2:80\ntcp dport 8081 dnat to 172.27.0.2:5301\n}\n}\n")
    return Way("one bare DNAT rule", box, host.ip, 8080, 8081)


def docker_way(lab, host, label, *args):
    docker = Docker(lab, host, args, plugin=False).__enter__()
    d = docker.run("web", "-p", "8080:80", "-p", "8080:80/udp", "-p", "8081:5301")
    name = f"{lab.prefix}{host.name}web"
    netns.add(name)  # a name for the container's namespace
    netns.sh("umount", netns.path(name))
    netns.sh("mount", "--bind", f"/proc/{d['State']['Pid']}/ns/net", netns.path(name))
    return docker, Way(label, name, host.ip, 8080, 8081)


def ovl_way(lab, host):
    c = lab.container(host, "web")
    c.connect("bridge", "-p", "8080:80", "-p", "8080:80/udp", "-p", "8081:5301")
    return Way("ovl", c.netns, host.ip, 8080, 8081)


def more_ports(lab, docker, ovl_host, count):
    c = lab.container(ovl_host, "many")
    c.connect("bridge", "-p", f"20000-{20000 + count - 1}:1000-{1000 + count - 1}")
    docker.run("many", "-p", f"20000-{20000 + count - 1}:1000-{1000 + count - 1}")


def rates(ways, client, rounds, seconds, title):
    table = Table(title, "conn/s", "x bare", "first us", "x bare", "Gbit/s", "x bare", first=34)
    got = {w.label: ([], [], []) for w in ways}
    for r in range(rounds):
        turn = ways[r % len(ways):] + ways[:r % len(ways)]
        for w in turn:
            got[w.label][0].append(connections(client.netns, w.ip, w.port, seconds))
            got[w.label][1].append(median(first_packets(client.netns, w.ip, w.port, 100)))
            got[w.label][2].append(iperf(client.netns, w.ns, w.ip, w.bulk, 5301, seconds))
    base = got["one bare DNAT rule"]
    for w in ways:
        cells = []
        for i in range(3):
            cells += [median(got[w.label][i]), f"{median([a / b for a, b in zip(got[w.label][i], base[i])]):.3f}"]
        table.line(w.label, *cells)


def attaches(lab, host, label, table, n):
    """Attach of a container with one published port to a local bridge, and detach, through the API."""
    client = Client(host)
    boxes = [lab.container(host, f"at{label}{i}") for i in range(3)]
    up, down = [], []
    with quiet_python():
        for i in range(n):
            c = boxes[i % 3]
            up.append(client.attach("bridge", c, Publish=[{"Proto": "tcp", "HostPort": 30000, "Port": 80}])[0])
            down.append(client.detach("bridge", c))
    table.line(f"attach, {label} ports published", median(up), quantile(up, .99), max(up), n)
    table.line(f"detach, {label} ports published", median(down), quantile(down, .99), max(down), n)
    client.close()


def main():
    quick = arguments(__doc__).quick
    rounds, seconds, n = (3, 0.5, 20) if quick else (7, 1, 100)
    with Lab(hosts=4, etcd=0, start=False) as lab:
        ovl_host, hand, with_proxy, without = list(lab)
        ovl_host.start()
        client = lab.stranger("client")
        dockers = []
        try:
            ways = [ovl_way(lab, ovl_host), bare(lab, hand)]
            for host, label, args in ((with_proxy, "Docker", ()), (without, "Docker, no userland proxy", ("--userland-proxy=false",))):
                docker, way = docker_way(lab, host, label, *args)
                dockers.append(docker)
                ways.append(way)
            wait_for(lambda: ovl_host.info()["Reconcile"]["Dirty"] == 0, "ovld at rest")
            rates(ways, client, rounds, seconds, "through a published port, another host as client (one after the other)")
            table = Table("attach to a local bridge with one port (ms, API)", "p50", "p99", "max", "n")
            attaches(lab, ovl_host, "3", table, n)
            more_ports(lab, dockers[1], ovl_host, 1000)
            attaches(lab, ovl_host, "1,003", table, n)
            rates([w for w in ways if w.label != "Docker"], client, rounds, seconds, "the same with 1,000 more ports published")
        finally:
            for d in dockers:
                d.__exit__(None, None, None)


if __name__ == "__main__":
    main()
