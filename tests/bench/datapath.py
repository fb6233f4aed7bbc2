#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet and a KiB cost on one core: ovl, the same made by hand, the underlay, and any pair of namespaces beside them."""
import json
import time

from bench import DOCKER, Table, arguments, make_lab, median, netns, probe

PORT, VNI = 4801, 77


class Pair:
    """Two namespaces that reach each other."""

    def __init__(self, label, ns_a, ns_b, ip_a, ip_b):
        self.label, self.ns, self.ip = label, (netns.path(ns_a), netns.path(ns_b)), (ip_a, ip_b)

    def iperf(self, seconds):
        """Gbit/s, one stream, client and server on a CPU each."""
        server = netns.argv(self.ns[1], "taskset", "-c", "1", "iperf3", "-s", "-1", "-D", "-B", self.ip[1], "-p", 5301)
        netns.sh(*server)
        for _ in range(100):
            done = netns.run(self.ns[0], "taskset", "-c", "0", "iperf3", "-J", "-c", self.ip[1], "-p", 5301, "-t", seconds,
                             check=False)
            reply = json.loads(done.stdout or '{"error": "nothing printed"}')
            if "error" not in reply:
                return reply["end"]["sum_received"]["bits_per_second"] / 1e9
            time.sleep(0.02)  # the server is not listening yet
        raise AssertionError(reply["error"])


def by_hand(lab, hosts, label, number):
    """vxlan and bridge in a namespace of their own, br_netfilter off, veths born in place: iproute2 only."""
    ends = []
    for i, host in enumerate(hosts):
        other, own = hosts[1 - i], f"{lab.prefix}hand{number}{i}"
        box, port, vni = own + "c", PORT + number, VNI + number
        netns.add(own)
        netns.add(box)
        for family in ("ip", "ip6", "arp"):
            netns.run(own, "sysctl", "-qw", f"net.bridge.bridge-nf-call-{family}tables=0", check=False)
        netns.run(host.netns, "ip", "link", "add", "vx0", "netns", own, "mtu", 1450, "type", "vxlan", "id", vni, "dstport", port,
                  "local", host.ip, "nolearning")
        for line in ("link add br0 mtu 1450 type bridge", "link set vx0 master br0 up", "link set br0 up",
                     f"link add ve0 mtu 1450 type veth peer name eth0 address 02:42:0a:63:00:0{i + 1} mtu 1450 netns {box}",
                     "link set ve0 master br0 up"):
            netns.run(own, "ip", *line.split())
        mac = f"02:42:0a:63:00:0{2 - i}"
        netns.run(own, "bridge", "fdb", "add", mac, "dev", "vx0", "dst", other.ip, "self", "permanent")
        netns.run(own, "bridge", "fdb", "add", mac, "dev", "vx0", "master", "static")
        netns.run(box, "ip", "addr", "add", f"10.99.0.{i + 1}/24", "dev", "eth0")
        netns.run(box, "ip", "link", "set", "eth0", "up")
        netns.run(box, "ip", "neigh", "add", f"10.99.0.{2 - i}", "lladdr", mac, "dev", "eth0", "nud", "permanent")
        ends.append(box)
    return Pair(label, *ends, "10.99.0.1", "10.99.0.2")


def ovl(lab, label, net, *options):
    lab["node1"].ctl("network", "create", "-o", "mtu=1450", *options, net)
    lab.everywhere(net)
    boxes = [lab.container(n, f"{net}-{n}") for n in ("node1", "node2")]
    ips = [box.connect(net)["ip4"] for box in boxes]
    boxes[0].reaches(ips[1])
    return Pair(label, *[b.netns for b in boxes], *ips)


def rounds(pairs, count, seconds):
    """mode -> label -> figures, one per round. Within a round the pairs take turns by the millisecond; who begins changes."""
    out = {mode: {p.label: [] for p in pairs} for mode in ("udp", "tcp")}
    for r in range(count):
        k = r % len(pairs)
        turn = pairs[k:] + pairs[:k]
        for mode, figures in out.items():
            lines = probe("path", mode, seconds * len(pairs), 0, *[a for p in turn for a in (*p.ns, *p.ip)]).split()
            for pair, value in zip(turn, lines):
                figures[pair.label].append(float(value))
    return out


def ratio(figures, label, base):
    """The median of the rounds' ratios: each compares what was measured in the same second."""
    return median([a / b for a, b in zip(figures[label], figures[base])])


def print_rounds(pairs, out, base):
    for mode, what in (("udp", "UDP 64 bytes, one way, send and recv included: ns per packet"), ("tcp", "TCP: ns per KiB")):
        others = [p.label for p in pairs if p.label in base]
        table = Table(what + " (one thread, one CPU)", "median", "min", "max", *[f"x {b}" for b in others], first=34)
        for p in pairs:
            figures = out[mode][p.label]
            table.line(p.label, f"{median(figures):.0f}", f"{min(figures):.0f}", f"{max(figures):.0f}",
                       *[f"{ratio(out[mode], p.label, b):.3f}" for b in others])
        print(f"  recorded for Docker's overlay elsewhere (see README): {DOCKER[mode]}")


def print_iperf(pairs, count, seconds):
    table = Table("iperf3, one TCP stream, two CPUs (noisy: the whole machine takes part): Gbit/s", "median", "min", "max", first=34)
    got = {p.label: [] for p in pairs}
    for _ in range(count):
        for p in pairs:
            got[p.label].append(p.iperf(seconds))
    for label, values in got.items():
        table.line(label, median(values), min(values), max(values))


def main():
    args = arguments(__doc__, **{
        "beside": {"action": "append", "default": [], "metavar": "LABEL,NETNS_A,NETNS_B,IP_A,IP_B"},
        "host-rules": {"metavar": "FILE", "help": "iptables-restore FILE on the hosts first, as a Docker host has it"}})
    count, seconds = (5, 0.1) if args.quick else (15, 0.2)
    with make_lab(2) as lab:
        if args.host_rules:
            with open(args.host_rules, encoding="utf-8") as f:
                rules = f.read()
            for host in lab:
                host.run("iptables-restore", input=rules)
        clean = [lab.stranger(f"clean{i}", f"192.168.205.{90 + i}") for i in range(2)]
        hosts = list(lab)
        pairs = [ovl(lab, "ovl", "demo"), by_hand(lab, clean, "hand", 0), by_hand(lab, hosts, "hand on ovl's hosts", 1),
                 Pair("underlay", clean[0].netns, clean[1].netns, clean[0].ip, clean[1].ip),
                 Pair("underlay of ovl's hosts", hosts[0].netns, hosts[1].netns, hosts[0].ip, hosts[1].ip)]
        pairs += [Pair(*text.split(",")) for text in args.beside]
        bases = ["hand", "hand on ovl's hosts"] + [p.label for p in pairs[5:]]
        print_rounds(pairs, rounds(pairs, count, seconds), bases)
        print_iperf(pairs, 1 if args.quick else 3, 1)


if __name__ == "__main__":
    main()
