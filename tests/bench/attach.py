#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Attach and detach through the API: alone, with 200 endpoints, with 300 networks, many at once; beside them what cannot be undercut."""
import threading

from bench import (DOCKER, Client, EtcdHTTP, Table, arguments, bare_transactions, kernel_floor, make_lab, median, quantile,
                   quiet_python, wait_for)

BESIDE = 3  # containers in turn, so that a deletion under way is not waited for


def pairs(client, net, containers, count):
    """([attach], [detach]) milliseconds: one after the other, each detached before the next is attached."""
    up, down = [], []
    with quiet_python():
        for i in range(count):
            c = containers[i % len(containers)]
            up.append(client.attach(net, c)[0])
            down.append(client.detach(net, c))
    return up, down


def fill(client, net, containers):
    with quiet_python():
        return [client.attach(net, c)[0] for c in containers]


def empty(client, net, containers):
    with quiet_python():
        return [client.detach(net, c) for c in containers]


def parallel(hosts, net, groups, threads):
    """groups: one list of containers per host. Returns ([attach], [detach], errors)."""
    results = {"attach": [], "detach": []}
    errors = []

    def work(kind, host, mine):
        client = Client(host)
        for c in mine:
            try:
                took = client.attach(net, c)[0] if kind == "attach" else client.detach(net, c)
                results[kind].append(took)
            except (AssertionError, OSError) as e:
                errors.append(str(e))
        client.close()

    for kind in results:
        with quiet_python():
            crew = [threading.Thread(target=work, args=(kind, host, group[i::threads]))
                    for host, group in zip(hosts, groups) for i in range(threads)]
            for t in crew:
                t.start()
            for t in crew:
                t.join()
    return results["attach"], results["detach"], errors


class Report:
    def __init__(self, txn):
        self.txn = txn
        self.table = Table("attach and detach (ms; API on a kept unix socket, etcd fsyncs)", "p50", "p99", "max", "n", "x txn", "x Docker")

    def line(self, what, values, docker=None):
        p50 = median(values)
        self.table.line(what, p50, quantile(values, .99), max(values), len(values), p50 / self.txn,
                        f"{p50 / DOCKER[docker]:.3f}" if docker else None)


def settled(host):
    """Deletions of links go on behind the replies: let them end before the next is measured."""
    wait_for(lambda: not any(link["ifname"].startswith("ve") for link in host.overlay_json("ip", "-j", "link")),
             "no veth left", 30)


def serial(lab, report, n, full):
    node = lab["node1"]
    client, etcd = Client(node), EtcdHTTP(node)
    some = [lab.container(node, f"s{i}") for i in range(BESIDE)]
    keep, many = lab.container(node, "keep"), [lab.container(node, f"m{i}") for i in range(full)]
    for net in ("demo", "full"):
        client.create(net, "10.1.0.0/22" if net == "full" else None)
    up, down = pairs(client, "demo", some, max(5, n // 4))
    report.line("attach, first of its network on the node", up, "attach cold")
    report.line("detach, last of its network", down)
    client.attach("demo", keep)
    before = etcd.calls()
    up, down = pairs(client, "demo", some, n)
    after = etcd.calls()
    report.line("attach", up, "attach")
    report.line("detach", down, "detach")
    filling = fill(client, "full", many)
    report.line(f"attach, filling up to {full}", filling)
    report.line("  the last 25 of them", filling[-25:], "attach 200")
    report.line(f"attach, {full} endpoints there", (more := pairs(client, "full", some, n))[0], "attach 200")
    report.line(f"detach, {full} endpoints there", more[1])
    report.line(f"detach, emptying from {full}", empty(client, "full", many))
    print_calls(before, after, n)
    return client, some


def print_calls(before, after, n):
    used = {k: (after[k] - before.get(k, 0)) / (2 * n) for k in after if after[k] != before.get(k, 0)}
    print("  etcd calls per attach or detach:", ", ".join(f"{k} {v:.2f}" for k, v in sorted(used.items())))


def many_networks(client, report, some, n, networks):
    with quiet_python():
        made = [client.create(f"n{i}") for i in range(networks)]
    report.line(f"network create, up to {networks}", made)
    up, down = pairs(client, "demo", some, n)
    report.line(f"attach, {networks} other networks", up, "attach 300")
    report.line(f"detach, {networks} other networks", down, "detach 300")


def at_once(lab, report, each):
    client = Client(lab["node1"])
    client.create("busy", "10.2.0.0/16")
    for names in (["node1"], ["node1", "node2"]):
        hosts = [lab[n] for n in names]
        lab.everywhere("busy")
        groups = [[lab.container(h, f"p{len(names)}{h.name}-{i}") for i in range(each)] for h in hosts]
        up, down, errors = parallel(hosts, "busy", groups, 16)
        what = f"16 at once on {' and '.join(names)}"
        report.line(f"attach, {what}", up, "attach")
        report.line(f"detach, {what}", down, "detach")
        total = len(hosts) * each
        print(f"  failures: {len(errors)} of {2 * total}; p99 {quantile(up, .99):.1f} ms,"
              f" {quantile(up, .99) / DOCKER['attach 16 p99']:.3f} of Docker's{' ' + errors[0] if errors else ''}")


def main():
    quick = arguments(__doc__).quick
    n, full, networks, each = (20, 60, 60, 32) if quick else (100, 200, 300, 80)
    with make_lab(3) as lab:
        txn = bare_transactions(lab["node2"], n)
        born, deleted = kernel_floor(lab, n)
        report = Report(median(txn))
        report.line("one etcd transaction, bare (compare, 3 puts)", txn)
        report.line("a veth born in place, bare netlink", born)
        report.line("a veth deleted, bare netlink", deleted)
        client, some = serial(lab, report, n, full)
        at_once(lab, report, each)
        many_networks(client, report, some, n, networks)
        report.line("one etcd transaction, bare, again", bare_transactions(lab["node2"], n))


if __name__ == "__main__":
    main()
