# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever happens to containers, dockerd and ovld: afterwards Docker's view, etcd, ovld and the kernel agree, and who runs is reached."""
import concurrent.futures
import random
import signal
import time

import pytest
from agree import agree
from docker import IMAGE, Inside
from flows import Ping
from procs import wait_for

DOCKERS = dict(hosts=2)
SEED = 20261121
KILLS = 9


@pytest.fixture(scope="module")
def demo(dockers):
    """A network with a container on node2 that is there all the time."""
    dockers["node1"].create("demo")
    dockers["node2"].knows("demo")
    dockers["node2"].run("far", "--network", "demo")
    return "demo"


@pytest.fixture(autouse=True)
def node1_is_empty(request, dockers, demo):
    yield
    dockers["node1"].clear()
    agree(dockers, reserved="killed_while" in request.node.name)


def reached(dockers, *containers, net="demo"):
    """Both ways, by address, and by name from the other host."""
    one, two = dockers["node1"], dockers["node2"]
    for c in containers:
        one.reaches(c, two.ip4("far", net))
        two.reaches("far", one.ip4(c, net))
        two.reaches("far", c)


# ---- containers ----

@pytest.mark.parametrize("how", [("stop",), ("kill",), ("rm", "-f"), ("network", "disconnect", "demo"), ("network", "disconnect", "-f", "demo")])
def test_ends(dockers, how):
    one = dockers["node1"]
    one.run("c1", "--network", "demo")
    reached(dockers, "c1")
    agree(dockers)
    one.cli(*how, "c1")
    agree(dockers)
    assert len(dockers.lab.etcd.keys("endpoint/")) == 1


def test_starts_again(dockers):
    one = dockers["node1"]
    one.run("c1", "--network", "demo", "--restart", "always")
    before = one.endpoint("c1", "demo")["EndpointID"]
    for how in (("stop",), ("start",), ("restart",), ("kill",), ("start",)):
        one.cli(*how, "c1")
        if how[0] in ("start", "restart"):
            reached(dockers, "c1")
        agree(dockers)
    assert one.endpoint("c1", "demo")["EndpointID"] != before
    # It ends by itself and is started by its restart policy.
    before = one.inspect("c1")["State"]["Pid"]
    one.host.run("kill", "-9", before)
    wait_for(lambda: one.inspect("c1")["State"]["Running"] and one.inspect("c1")["State"]["Pid"] not in (0, before), "Docker starts it again")
    reached(dockers, "c1")
    agree(dockers)


def test_ends_by_itself(dockers):
    one = dockers["node1"]
    assert one.cli("run", "--rm", "--network", "demo", IMAGE, "ping", "-c", "1", dockers["node2"].ip4("far", "demo")).returncode == 0
    # One that cannot even start.
    assert one.cli("run", "--name", "bad", "--network", "demo", IMAGE, "/no/such/program", check=False).returncode == 127
    agree(dockers)


def test_connect_and_prune(dockers):
    one, two = dockers["node1"], dockers["node2"]
    nets = [one.create(f"more{i}") for i in range(3)]
    for i in range(3):
        two.knows(f"more{i}")
    one.run("c1", "--network", "demo")
    for i in range(3):
        one.cli("network", "connect", f"more{i}", "c1")
    agree(dockers)
    reached(dockers, "c1")
    one.cli("network", "disconnect", "more1", "c1")
    agree(dockers)
    one.cli("stop", "c1")
    agree(dockers)
    one.cli("start", "c1")
    agree(dockers)
    one.cli("network", "disconnect", "more2", "c1")
    # What Docker holds unused goes: everywhere where nobody uses it, else here only.
    two.cli("network", "prune", "-f")
    wait_for(lambda: sorted(one.networks()) == ["demo", "more0"], "unused ones are gone")
    assert sorted(two.networks()) == ["demo"]
    agree(dockers)
    one.cli("rm", "-f", "c1")
    one.cli("network", "rm", "more0")
    wait_for(lambda: {k.split("/")[1] for k in dockers.lab.etcd.keys("network/")}.isdisjoint(nets), "all are gone")
    agree(dockers)


# ---- dockerd ----

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_dockerd_restarts(dockers, sig):
    one = dockers["node1"]
    one.run("c1", "--network", "demo")
    one.run("c2", "--network", "demo", "--restart", "always")
    one.restart(sig)
    wait_for(lambda: one.inspect("c2")["State"]["Running"], "the restart policy")
    assert not one.inspect("c1")["State"]["Running"]
    agree(dockers)
    reached(dockers, "c2")
    one.cli("start", "c1")
    reached(dockers, "c1")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_dockerd_restarts_alive(dockers, sig):
    """With live-restore: containers go on, and nothing is lost."""
    one, two = dockers["node1"], dockers["node2"]
    one.live_restore = True
    try:
        one.restart()
        one.run("c1", "--network", "demo")
        one.run("c2", "--network", "demo")
        ids = {c: one.endpoint(c, "demo")["EndpointID"] for c in ("c1", "c2")}
        reached(dockers, "c1", "c2")
        dying = Inside(one, "c2")
        with Ping(Inside(two, "far"), one.ip4("c1", "demo"), every=0.01) as ping:
            one.stop(sig)
            # This one dies while dockerd is away: its end is told at the start.
            one.host.run("kill", "-9", dying.pid)
            one.start()
            agree(dockers)
        assert ping.lost == 0
        assert one.endpoint("c1", "demo")["EndpointID"] == ids["c1"]
        reached(dockers, "c1")
        one.cli("stop", "c1")
        agree(dockers)
    finally:
        one.clear()
        one.live_restore = False
        one.restart()


# ---- ovld ----

def test_ovld_restarts(dockers):
    """Running containers never lose a packet."""
    one, two = dockers["node1"], dockers["node2"]
    one.run("c1", "--network", "demo")
    with Ping(Inside(two, "far"), one.ip4("c1", "demo"), every=0.005) as ping:
        for sig in (signal.SIGTERM, signal.SIGKILL):
            one.host.stop(sig)
            one.host.start()
            agree(dockers)
    assert ping.lost == 0
    reached(dockers, "c1")


def test_ovld_absent_while_containers_end(dockers):
    """Docker tries for 45 s and tells nobody then."""
    one = dockers["node1"]
    names = ["c1", "c2", "c3"]
    for n in names:
        one.run(n, "--network", "demo")
    one.host.stop(signal.SIGKILL)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n, how: one.cli(*how, n, timeout=120), names, (("stop",), ("kill",), ("rm", "-f"))))
        assert len(dockers.lab.etcd.keys("endpoint/")) == 4
        one.host.start()
        agree(dockers)
    one.cli("start", "c1")
    reached(dockers, "c1")


def test_both_killed(dockers):
    """Both end at once; what ran is ended by the next dockerd."""
    one = dockers["node1"]
    one.run("c1", "--network", "demo", "--restart", "always")
    one.host.stop(signal.SIGKILL)
    one.stop(signal.SIGKILL)
    one.host.start()
    one.start()
    wait_for(lambda: one.inspect("c1")["State"]["Running"], "the restart policy")
    reached(dockers, "c1")
    agree(dockers)


@pytest.mark.parametrize("first", ["ovld", "dockerd"])
def test_reboot(dockers, first):
    """Only the disk is left; whoever starts first."""
    one = dockers["node1"]
    one.run("c1", "--network", "demo", "--restart", "always")
    one.run("c2", "--network", "demo")
    reached(dockers, "c1", "c2")
    one.power_cut()
    if first == "ovld":
        one.host.start()
        one.start()
    else:
        one.start(wait=False)
        wait_for(lambda: "plugin" in one.lab.tail(one.log, 8000), "dockerd asks for its plugin")
        one.host.start()
        one.wait_ready()
    wait_for(lambda: one.inspect("c1")["State"]["Running"], "the restart policy", 40)
    assert not one.inspect("c2")["State"]["Running"]
    agree(dockers)
    reached(dockers, "c1")
    one.cli("start", "c2")
    reached(dockers, "c1", "c2")
    agree(dockers)


# These last: they leave addresses to be swept.

def test_ovld_killed_while_containers_start(dockers):
    """
    At any point of an attach. Docker is told of an error, or nothing happened; whatever is left over is cleared away, but for an address that Docker
    was told of and may still ask for: it is swept after a minute or two.
    """
    one, rng = dockers["node1"], random.Random(SEED)
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for i in range(KILLS):
            names = [f"k{i}-{j}" for j in range(3)]
            runs = [pool.submit(one.cli, "run", "-d", "--name", n, "--network", "demo", IMAGE, "sleep", "1000", check=False) for n in names]
            time.sleep(rng.uniform(0.15, 0.9))
            one.host.stop(signal.SIGKILL)
            one.host.start(wait=False)
            ok = [n for n, r in zip(names, runs) if r.result().returncode == 0]
            outcomes.append(len(ok))
            one.host.wait_ready()
            agree(dockers, reserved=True)
            reached(dockers, *ok)
            if i % 3 == 2:
                one.clear()
                agree(dockers, reserved=True)
    # Both were seen: some came through, some did not.
    assert sum(outcomes) > 0, outcomes


def test_ovld_killed_while_containers_end(dockers):
    one, rng = dockers["node1"], random.Random(SEED)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for i in range(4):
            names = [f"e{i}-{j}" for j in range(3)]
            list(pool.map(lambda n: one.run(n, "--network", "demo"), names))
            ends = [pool.submit(one.cli, "rm", "-f", n) for n in names]
            time.sleep(rng.uniform(0.02, 0.4))
            one.host.stop(signal.SIGKILL)
            one.host.start(wait=False)
            for end in ends:
                end.result()
            one.host.wait_ready()
            agree(dockers, reserved=True)
