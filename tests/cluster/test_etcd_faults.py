# SPDX-License-Identifier: GPL-2.0-or-later
"""etcd loses its leader, is stopped, is compacted, falls silent: flows go on, and each time the nodes agree again at once."""
import os
import signal
import time

import pytest
from flows import Ping
from procs import wait_for

LAB = dict(hosts=3, etcd=3)
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def pair(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
    c1.connect("demo")
    c2.connect("demo")
    c1.reaches(c2.ip4("demo"))
    return c1, c2


def in_touch(lab):
    return all(h.info()["Cluster"]["Link"] and h.info()["Cluster"]["State"] == "synced" for h in lab)


def agree(lab, name, deadline):
    """A network made on one node is listed by all within the deadline."""
    begin = time.monotonic()
    wait_for(lambda: lab["node1"].ctl("network", "create", "-d", "overlay", name, check=False).returncode == 0 or
             name in lab["node1"].ctl("network", "ls").stdout, f"{name} made", deadline)
    for host in lab:
        host.knows(name, max(0.1, deadline - (time.monotonic() - begin)))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def test_the_leader_is_killed(lab, pair):
    c1, c2 = pair
    leader = lab.etcd.leader()
    with Ping(c1, c2.ip4("demo"), 0.005) as ping:
        lab.etcd.stop(leader, sig=signal.SIGKILL)
        agree(lab, "after-leader", 10)
    assert ping.lost == 0
    lab.etcd.start(leader)


def test_all_members_are_stopped(lab, pair):
    c1, c2 = pair
    node1 = lab["node1"]
    lines = sum(1 for _ in open(node1.log, encoding="utf-8"))
    with Ping(c1, c2.ip4("demo"), 0.005) as ping:
        lab.etcd.stop(sig=signal.SIGKILL)
        wait_for(lambda: not node1.info()["Cluster"]["Link"], "node1 notices", 10)
        cpu, begin = cpu_seconds(node1.ovld.pid), time.monotonic()
        # Reads are answered, writes fail soon and clearly, a disconnect is done here and sent later.
        assert "demo" in node1.ctl("network", "ls").stdout
        asked = time.monotonic()
        refused = node1.ctl("network", "create", "-d", "overlay", "never", check=False)
        assert refused.returncode == 1 and "etcd" in refused.stderr and time.monotonic() - asked < 5
        asked = time.monotonic()
        late = lab.container("node1", "late")
        refused = late.connect("demo", check=False)
        assert refused.returncode == 1 and "etcd" in refused.stderr and time.monotonic() - asked < 5
        late.delete()
        wait_for(lambda: time.monotonic() - begin > 60, "a minute without etcd", 70)
        used = (cpu_seconds(node1.ovld.pid) - cpu) / (time.monotonic() - begin)
    assert ping.lost == 0
    assert used < 0.05, f"ovld used {used:.1%} of a CPU while etcd was away"
    said = sum(1 for _ in open(node1.log, encoding="utf-8")) - lines
    assert said < 60, f"{said} log lines in a minute without etcd"
    lab.etcd.start()
    wait_for(lambda: in_touch(lab), "all nodes in touch", 2)
    agree(lab, "after-stop", 2)


def test_a_release_made_meanwhile_is_sent_later(lab, pair):
    node1 = lab["node1"]
    away = lab.container("node1", "away")
    ip = away.connect("demo")["ip4"]
    lab.etcd.pause()
    try:
        wait_for(lambda: not node1.info()["Cluster"]["Link"], "node1 notices", 15)
        away.disconnect("demo")
        wait_for(lambda: "eth0" not in away.run("ip", "-br", "link").stdout, "the interface goes")
    finally:
        lab.etcd.resume()
    wait_for(lambda: in_touch(lab), "all nodes in touch", 15)
    wait_for(lambda: not [k for k in lab.etcd.keys("address/") if k.endswith("/" + ip)], "the address is free", 15)
    away.delete()


def test_compaction_past_the_watched_revision(lab, pair):
    """node3 is cut off, the store moves on and is compacted; back again, node3 lists anew."""
    node3 = lab["node3"]
    if lab.etcd.leader() == "node3":
        lab.etcd.ctl("move-leader", member_id(lab, "node1"), at="node3")
    lab.cut(node3)
    wait_for(lambda: not node3.info()["Cluster"]["Link"], "node3 is cut off", 20)
    for i in range(5):
        agree_on(lab, ["node1", "node2"], f"compact{i}")
    lab["node1"].ctl("network", "rm", "compact0")
    lab.etcd.ctl("compact", lab.etcd.revision(), at="node1")
    lab.cut(node3, up=True)
    node3.knows("compact4", 20)
    wait_for(lambda: "compact0" not in node3.ctl("network", "ls").stdout, "the removed one is gone", 5)


def member_id(lab, name):
    for line in lab.etcd.ctl("member", "list").splitlines():
        fields = [f.strip() for f in line.split(",")]
        if fields[2] == name:
            return fields[0]
    raise AssertionError(f"no member {name}")


def agree_on(lab, hosts, name):
    lab[hosts[0]].ctl("network", "create", "-d", "overlay", name)
    for h in hosts:
        lab[h].knows(name, 10)


def test_the_watch_is_black_holed(lab, pair):
    """A member that accepts and never answers: the others are found."""
    lab.etcd.pause("node2")
    try:
        agree(lab, "black-hole", 20)
        wait_for(lambda: in_touch(lab), "all nodes in touch", 20)
    finally:
        lab.etcd.resume("node2")
