#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Names: ovld beside dnsmasq on the same 10,000 names, what a forwarded question takes longer, what names weigh, changes at 100/s on three nodes,
attaches during a flood."""
import json
import os
import random
import re
import socket
import threading
import time

from bench import Client, Table, arguments, cpu_seconds, make_lab, median, memory, quantile, quiet_python, wait_for
from names import Ghosts, becomes, flood_figures, gateway, server_of, start_flood, told, upstream_flags

UPSTREAM, SILENT = "192.168.205.53", "192.168.205.54"
BESIDE = "192.0.2.53"  # dnsmasq on node1, in the host's namespace as ovl-gw's address is
SPREAD = 40  # networks of few endpoints, as they are by default: one container may be on 64
CHANGES_PER_S = 100


class One:
    """All names in one network."""
    label, networks = "all in one network", [("big", "10.32.0.0/15")]

    def __init__(self, count):
        self.count = count

    def network(self, _):
        return 0

    def address(self, i):
        i += 256
        return f"10.{32 + (i >> 16)}.{i >> 8 & 255}.{i & 255}"

    def changed(self, _, k):
        return f"10.33.{k >> 8 & 127}.{k & 255}"

    def fqdn(self, i):
        return f"n{i:05}.big.ovl"

    def client_ip(self, _, node):
        return f"10.33.255.{10 + node}"


class Many:
    """The same in 40 networks of 250, and on each node a container that is on all of them."""
    label, networks = f"in {SPREAD} networks", [(f"net{n:02}", f"10.40.{2 * n}.0/23") for n in range(SPREAD)]

    def __init__(self, count):
        self.count = count

    def network(self, i):
        return i % SPREAD

    def address(self, i):
        return f"10.40.{2 * (i % SPREAD)}.{i // SPREAD + 2}"

    def changed(self, i, k):
        return f"10.40.{2 * (i % SPREAD) + 1}.{k // SPREAD % 200}"

    def fqdn(self, i):
        return f"n{i:05}.net{i % SPREAD:02}.ovl"

    def client_ip(self, network, node):
        return f"10.40.{2 * network + 1}.{210 + node}"


class World:
    """Three nodes, the names of a node that is not there, a client on each node."""

    def __init__(self, lab, layout):
        self.lab, self.count, self.layout = lab, layout.count, layout
        self.nodes = list(lab)
        self.outside = lab.stranger("outside", UPSTREAM)
        self.outside.run("ip", "addr", "add", f"{SILENT}/24", "dev", "eth0")
        self.api = Client(self.nodes[0])
        for name, subnet in layout.networks:
            self.api.create(name, subnet)
        lab.everywhere(layout.networks[-1][0])
        self.networks = [self.nodes[0].inspect(name)["Id"] for name, _ in layout.networks]
        self.clients = []
        for i, node in enumerate(self.nodes):
            c = lab.container(node, f"client{i}")
            for n, (name, _) in enumerate(layout.networks):
                c.connect(name, "--ip", layout.client_ip(n, i))
            self.clients.append(c)
        self.servers = [server_of(c) for c in self.clients]
        self.ghosts = Ghosts(lab)
        self.ids = [None] * self.count

    def file(self, name, lines):
        path = os.path.join(self.lab.dir, name)
        with open(path, "w", encoding="ascii") as f:
            f.writelines(line + "\n" for line in lines)
        return path

    def dnsmasq(self, place, ip, *args):
        return place.spawn("dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=", "--user=root",
                           f"--listen-address={ip}", "--bind-interfaces", "--local-ttl=5", "--log-facility=-", *args)

    def fill(self):
        """All names known on all nodes. Returns the seconds after the last was put."""
        at = self.layout
        for n, network in enumerate(self.networks):
            mine = [i for i in range(self.count) if at.network(i) == n]
            for i, made in zip(mine, self.ghosts.add(network, [self.ghosts.record(f"n{i:05}", at.address(i)) for i in mine])):
                self.ids[i] = made
        begin = time.perf_counter()
        for c, server in zip(self.clients, self.servers):
            self.last_told(c, server, 120)
        took = time.perf_counter() - begin
        for node in self.nodes:
            wait_for(lambda: at_rest(node), f"{node.name} at rest", 120)
        return took

    def last_told(self, c, server, deadline=30):
        """Wait until the last name is told: it never changes."""
        becomes(c, server, self.layout.fqdn(self.count - 1), [self.layout.address(self.count - 1)], deadline=deadline)


def at_rest(node):
    rec = node.info()["Reconcile"]
    return rec["Ready"] and not rec["Dirty"] and not rec["BackingOff"]


# ---- dnsperf ----

def dnsperf(place, server, file, seconds, *args):
    return place.run("dnsperf", "-s", server, "-d", file, "-l", seconds, *args, timeout=seconds + 60).stdout


def rate(place, server, file, seconds, pid):
    """(questions per second, microseconds of the server's CPU for each, share that was lost) with 100 outstanding of 10 ports."""
    before = cpu_seconds(pid)
    text = dnsperf(place, server, file, seconds, "-c", 10, "-q", 100)
    n = int(re.search(r"Queries completed:\s+(\d+)", text)[1])
    lost = int(re.search(r"Queries lost:\s+(\d+)", text)[1])
    return float(re.search(r"Queries per second:\s+(\S+)", text)[1]), (cpu_seconds(pid) - before) / n * 1e6, lost / (n + lost)


def latencies(place, server, file, seconds, per_s):
    """Milliseconds of each question at a fixed rate; NOERROR is demanded of all."""
    text = dnsperf(place, server, file, seconds, "-Q", per_s, "-v")
    out = [float(m[1]) * 1e3 for m in re.finditer(r"^> NOERROR \S+ \S+ (\S+)$", text, re.M)]
    wrong = re.search(r"^> (?!NOERROR).*$", text, re.M)
    assert out and not wrong, wrong and wrong[0]
    return out


def beside_dnsmasq(world, seconds, rounds):
    """Returns what the names weigh in dnsmasq, MiB."""
    node, client, at = world.nodes[0], world.clients[0], world.layout
    names = world.file("questions", (f"{at.fqdn(i)} A" for i in random.Random(1).sample(range(world.count), world.count)))
    hosts = world.file("hosts", (f"{at.address(i)} {at.fqdn(i)}" for i in range(world.count)))
    node.run("ip", "addr", "add", f"{BESIDE}/32", "dev", "lo")
    bare = world.dnsmasq(node, BESIDE, "--local=/ovl/")
    wait_for(lambda: told(client, BESIDE, at.fqdn(0), timeout=0.5), "the empty dnsmasq answers")
    empty = memory(bare.pid)[1]
    bare.stop()
    masq = world.dnsmasq(node, BESIDE, "--local=/ovl/", f"--addn-hosts={hosts}")
    world.last_told(client, BESIDE)
    ways = [("dnsmasq", BESIDE, masq.pid), ("ovl, at ovl-gw", world.servers[0], node.ovld.pid),
            ("ovl, at the overlay's gateway", gateway(node, at.networks[0][0]), node.ovld.pid)]
    got = {label: ([], [], [], [], []) for label, _, _ in ways}
    for r in range(rounds):
        for label, server, pid in ways[r % 3:] + ways[:r % 3]:
            per_s, cpu, lost = rate(client, server, names, seconds, pid)
            times = latencies(client, server, names, seconds, 2000)
            for kept, value in zip(got[label], (per_s, cpu, median(times), quantile(times, .99), lost)):
                kept.append(value)
    table = Table(f"{world.count} names, from a container: as quick as it goes, and at 2,000/s (ms)", "queries/s", "x dnsmasq", "us CPU", "x dnsmasq",
                  "p50", "p99", "x p99", "lost", first=32)
    base = got["dnsmasq"]
    for label, _, _ in ways:
        q, cpu, p50, p99, lost = got[label]
        table.line(label, f"{median(q):.0f}", ratio(q, base[0]), median(cpu), ratio(cpu, base[1]), f"{median(p50):.3f}", f"{median(p99):.3f}",
                   ratio(p99, base[3]), f"{max(lost):.2%}")
    full = memory(masq.pid)[1]
    masq.stop()
    return full - empty


def ratio(mine, base):
    return f"{median([a / b for a, b in zip(mine, base)]):.2f}"


# ---- memory ----

def weigh(world, dnsmasq_mib):
    """The same agent with names off and on, both started with all endpoints there."""
    node = world.nodes[0]
    table = Table(f"memory of {world.count} names (MiB, anonymous)", "off", "on", "more", first=32)
    got = []
    for flags in (["--no-dns"], []):
        node.stop()
        node.start(*flags)
        wait_for(lambda: at_rest(node) and node.info()["Endpoints"] >= world.count, "all are there", 60)
        if not flags:
            world.last_told(world.clients[0], world.servers[0])
        got.append(memory(node.ovld.pid)[1])
    table.line("ovld", *got, got[1] - got[0])
    table.line("  of it the names, as it counts", None, None, node.info()["Dns"]["NameBytes"] / 2**20)
    table.line("dnsmasq", None, None, dnsmasq_mib)


# ---- forwarding ----

def forwarded(world, seconds):
    """A question that nobody has asked before: at the upstream itself, through ovld, through a dnsmasq on the host."""
    node, client = world.nodes[0], world.clients[0]
    up = world.dnsmasq(world.outside, UPSTREAM, "--address=/example/203.0.113.7")
    masq = world.dnsmasq(node, BESIDE, f"--server={UPSTREAM}", "--cache-size=10000")
    for server in (UPSTREAM, BESIDE, world.servers[0]):
        becomes(client, server, "first.example", ["203.0.113.7"], deadline=15)
    table = Table("a question that is forwarded (ms, 500/s)", "p50", "p99", "added p50", "x dnsmasq", first=32)
    numbers = iter(range(10**9))

    def fresh(label):
        return world.file(f"fresh-{label}", (f"u{next(numbers)}.example A" for _ in range(500 * seconds + 500)))
    again = world.file("again", ["first.example A"])
    direct, added = None, None
    for label, server in (("the upstream itself", UPSTREAM), ("through dnsmasq", BESIDE), ("through ovld", world.servers[0])):
        times = latencies(client, server, fresh(server), seconds, 500)
        p50 = median(times)
        if direct is None:
            direct = p50
            table.line(label, f"{p50:.3f}", f"{quantile(times, .99):.3f}")
            continue
        added = added or p50 - direct
        table.line(label, f"{p50:.3f}", f"{quantile(times, .99):.3f}", f"{p50 - direct:.3f}", f"{(p50 - direct) / added:.2f}")
    for label, server in (("dnsmasq, from its cache", BESIDE), ("ovld, from its cache", world.servers[0])):
        times = latencies(client, server, again, seconds, 500)
        table.line(label, f"{median(times):.3f}", f"{quantile(times, .99):.3f}")
    up.stop()
    masq.stop()


# ---- changes ----

class Changes(threading.Thread):
    """Endpoints move to other addresses, 100 a second, one transaction each; every 20th is looked after on all nodes."""

    def __init__(self, world, seconds):
        super().__init__()
        self.world, self.total = world, round(seconds * CHANGES_PER_S)
        self.followed, self.late = [], 0
        self.start()

    def run(self):
        world, at = self.world, self.world.layout
        begin = time.perf_counter()
        for k in range(self.total):
            i = k * 7 % (world.count // 2)  # the other half stays as it is: that is what is asked for meanwhile
            new = at.changed(i, k)
            world.ghosts.change(world.networks[at.network(i)], world.ids[i], world.ghosts.record(f"n{i:05}", new))
            if k % 20 == 0:
                self.followed.append((i, new, time.perf_counter()))
            time.sleep(max(0, begin + (k + 1) / CHANGES_PER_S - time.perf_counter()))
        self.late = time.perf_counter() - begin - self.total / CHANGES_PER_S


def follow(world, changes):
    """Milliseconds from etcd's reply to the new answer on the last of the nodes, of each change that is followed."""
    took, at = [], 0
    with quiet_python():
        while changes.is_alive() or at < len(changes.followed):
            if at == len(changes.followed):
                time.sleep(0.001)
                continue
            i, new, since = changes.followed[at]
            at += 1
            name = world.layout.fqdn(i)
            for c, server in zip(world.clients, world.servers):
                wait_for(lambda c=c, server=server: told(c, server, name, timeout=1) == [new], f"{name} is {new}", 10, 0.001)
            took.append((time.perf_counter() - since) * 1e3)
    return took


def churn(world, seconds):
    stable = world.file("stable", (f"{world.layout.fqdn(i)} A" for i in range(world.count // 2, world.count)))
    table = Table(f"{world.count} names {world.layout.label}, {CHANGES_PER_S} changes/s, three nodes asked 500 times/s each (ms)", "p50", "p99",
                  "max", "n")
    got = {}

    def measure(c, server):
        got[c.name] = latencies(c, server, stable, seconds, 500)
    for kind in ("at rest", "meanwhile"):
        before = [cpu_seconds(node.ovld.pid) for node in world.nodes]
        crew = [threading.Thread(target=measure, args=(c, s)) for c, s in zip(world.clients, world.servers)]
        for t in crew:
            t.start()
        if kind == "meanwhile":
            changes = Changes(world, seconds)
            took = follow(world, changes)
            changes.join()
        for t in crew:
            t.join()
        for node, c in zip(world.nodes, world.clients):
            times = got[c.name]
            table.line(f"a question on {node.name}, {kind}", f"{median(times):.3f}", f"{quantile(times, .99):.3f}", f"{max(times):.3f}", len(times))
    table.line("right on all three, after etcd's reply", median(took), quantile(took, .99), max(took), len(took))
    used = [(cpu_seconds(node.ovld.pid) - b) / changes.total * 1e3 for node, b in zip(world.nodes, before)]
    print("  CPU of each ovld for a change (and its share of the questions), ms: " + ", ".join(f"{u:.2f}" for u in used))
    if changes.late > 0.5:
        print(f"  the changes took {changes.late:.1f} s longer than they should: this machine or its etcd does no {CHANGES_PER_S}/s")


# ---- a flood ----

def attaches(world, net, containers, until):
    """(ms of each attach, ms of each detach) until told to end."""
    up, down = [], []
    with quiet_python():
        while not until(len(up)):
            c = containers[len(up) % len(containers)]
            up.append(world.api.attach(net, c)[0])
            down.append(world.api.detach(net, c))
    return up, down


def flooded(world, count, n):
    node, client = world.nodes[0], world.clients[0]
    table = Table("attach during a flood of questions whose server is silent, from one container (ms, API)", "p50", "p99", "max", "n", "x alone")
    some = [world.lab.container(node, f"some{i}") for i in range(3)]
    bad = world.lab.container(node, "bad")
    world.api = Client(node)  # the former was silent for too long
    net = "small"  # a pass over 10,000 endpoints is not what is asked for here
    world.api.create(net)
    world.api.attach(net, bad, Dns=[SILENT])
    hole = world.outside.socket(socket.AF_INET, socket.SOCK_DGRAM)
    hole.bind((SILENT, 53))
    attaches(world, net, some, lambda done: done >= 5)  # warm
    alone, _ = attaches(world, net, some, lambda done: done >= n)
    base = median(alone)
    table.line("attach, alone", base, quantile(alone, .99), max(alone), len(alone), 1.0)
    low = memory(node.ovld.pid)[0]
    for label, per_s in ((f"attach, {count} questions at 10,000/s", 10000), (f"attach, {count} questions at once", 0)):
        proc = start_flood(bad, server_of(bad), count, per_s)
        asked = []

        def ended(done):
            begin = time.perf_counter()
            if told(client, world.servers[0], world.layout.fqdn(world.count - 1), timeout=1):
                asked.append((time.perf_counter() - begin) * 1e3)
            return not proc.alive() and done >= 5
        up, _ = attaches(world, net, some, ended)
        table.line(label, median(up), quantile(up, .99), max(up), len(up), median(up) / base)
        table.line("  a name of ours, another container (ms)", median(asked), quantile(asked, .99), max(asked), len(asked))
        print("  " + json.dumps(flood_figures(proc)))
    print(f"  resident before {low:.1f}, right after {memory(node.ovld.pid)[0]:.1f} MiB")
    wait_for(lambda: node.info()["Dns"]["InFlight"] == 0, "nothing is in flight", 15)
    hole.close()


def main():
    args = arguments(__doc__, names={"type": int, "default": 10000})
    seconds, changes_s, rounds, n, flood = (2, 2, 1, 20, 20000) if args.quick else (5, 20, 3, 100, 100000)
    for layout in (Many(args.names), One(args.names)):
        with make_lab(3, ovld_args=upstream_flags(UPSTREAM)) as lab:
            world = World(lab, layout)
            print(f"\n{args.names} names put into etcd, {layout.label}: the last is told on all three nodes {world.fill():.2f} s later")
            churn(world, changes_s)
            if isinstance(layout, One):
                dnsmasq_mib = beside_dnsmasq(world, seconds, rounds)
                forwarded(world, seconds)
                flooded(world, flood, n)
                weigh(world, dnsmasq_mib)


if __name__ == "__main__":
    main()
