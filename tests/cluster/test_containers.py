# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers of `ovlctl run`: their life, their names and endpoints, and what happens when things die."""
import json
import os
import re
import signal

import pytest
from procs import kill_exact, start_time, wait_for

LAB = dict(hosts=2, etcd=1)


@pytest.fixture(scope="module", autouse=True)
def demo(lab):
    lab["node1"].ctl("network", "create", "demo")
    lab["node1"].ctl("network", "create", "other")
    lab.everywhere("demo")
    lab.everywhere("other")


@pytest.fixture(autouse=True)
def nothing_left(lab):
    """After each test: no container, no endpoint, no address."""
    yield
    for host in lab:
        names = host.ctl("ps", "-q").stdout.split()
        if names:
            host.ctl("stop", "-t", "0", *names)
    wait_for(lambda: lab.etcd.keys("endpoint/") == [] and lab.etcd.keys("address/") == [], "no endpoint is left")


def one(host, name):
    return host.get(f"/containers/{name}/json")


def ip_of(host, name, net="demo"):
    return one(host, name)["NetworkSettings"]["Networks"][net]["IPAddress"]


def test_two_nodes(lab):
    a, b = lab["node1"], lab["node2"]
    assert a.ctl("run", "-d", "--name", "c1", "--network", "demo", "--", "sleep", "1000").stdout == "c1\n"
    b.ctl("run", "-d", "--name", "c2", "--network", "demo", "--network", "other", "--", "sleep", "1000")
    assert b.ctl("exec", "c2", "--", "hostname").stdout == "c2\n"
    links = json.loads(b.ctl("exec", "c2", "ip", "-j", "link").stdout)
    assert sorted(link["ifname"] for link in links) == ["eth0", "eth1", "eth2", "lo"]  # the last: the way out
    wait_for(lambda: a.ctl("exec", "c1", "--", "ping", "-c1", "-W1", ip_of(b, "c2"), check=False).returncode == 0,
             "c1 reaches c2")
    line = b.ctl("ps").stdout.splitlines()[1]
    assert re.match(rf"c2 +\d+ +demo={re.escape(ip_of(b, 'c2'))} other=10\.\S+ +.*\"sleep 1000\"$", line), line
    assert a.ctl("stop", "-t", "5", "c1").stdout == "c1\n"
    assert a.ctl("ps", "-q").stdout == ""


def test_network_can_go_right_after_its_containers(lab):
    a = lab["node1"]
    a.ctl("network", "create", "brief")
    for _ in range(3):
        a.ctl("run", "-d", "--name", "c1", "--network", "brief", "--", "sleep", "1000")
        a.ctl("stop", "c1")
    assert a.ctl("run", "--network", "brief", "--", "true").stdout == ""
    a.ctl("network", "rm", "brief")


def test_foreground(lab):
    a = lab["node1"]
    done = a.ctl("run", "--network", "demo", "--ip", "10.0.0.77", "--ifname", "net7", "--", "sh", "-c",
                 "ip -4 -o addr show net7; cat; echo err >&2; exit 7", check=False, input="typed\n")
    assert done.returncode == 7 and done.stderr == "err\n"
    assert "10.0.0.77/24" in done.stdout and done.stdout.endswith("typed\n")
    assert a.ctl("run", "--", "sh", "-c", "kill -9 $$", check=False).returncode == 137


def test_signals_of_the_foreground(lab):
    a = lab["node1"]
    proc = a.ctl_spawn("run", "--name", "fg", "--", "sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done")
    wait_for(lambda: "up" in lab.tail(proc.log), "it runs")
    proc.kill(signal.SIGTERM)
    assert proc.wait() == 9
    assert a.ctl("ps", "-q").stdout == ""


def test_failures_leave_nothing(lab):
    a = lab["node1"]
    a.ctl("run", "-d", "--name", "c1", "--network", "demo", "--ip", "10.0.0.50", "--", "sleep", "1000")
    for args, status, text in (
            (["--name", "c1", "--", "true"], 1, "c1 is in use"),
            (["--name", "-x", "--", "true"], 1, "container name"),
            (["--network", "demo", "--network", "nowhere", "--", "true"], 1, "nowhere not found"),
            (["--network", "demo", "--ip", "10.0.0.50", "--", "true"], 1, "10.0.0.50"),
            (["--network", "demo", "--", "/no/such/program"], 127, "/no/such/program"),
            (["--network", "demo", "--", "/tmp"], 126, "/tmp"),
            (["--ip", "203.0.113.9", "--", "true"], 1, "203.0.113.9"),
            (["--network", "host", "--ip", "10.0.0.9", "--", "true"], 2, "--network host"),
            (["--network", "container:nobody", "--", "true"], 1, "container nobody not found"),
            (["-p", "65536:80", "--", "true"], 2, "65536"),
            ([], 2, "argument")):
        for detach in ([], ["-d"]):
            done = a.ctl("run", *detach, *args, check=False)
            assert done.returncode == status and text in done.stderr, (args, done)
            assert done.stderr.startswith("ovlctl") and done.stdout == ""
    assert a.ctl("ps", "-q").stdout == "c1\n"
    assert len(lab.etcd.keys("endpoint/")) == 1 and len(lab.etcd.keys("address/")) == 1


def test_stop_and_exec_of_several(lab):
    a = lab["node1"]
    a.ctl("run", "-d", "--name", "stubborn", "--", "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    a.ctl("run", "-d", "--name", "meek", "--", "sleep", "1000")
    assert a.ctl("exec", "meek", "--", "sh", "-c", "exit 5", check=False).returncode == 5
    assert a.ctl("exec", "meek", "--", "/no/such", check=False).returncode == 127
    assert a.ctl("exec", "nobody", "--", "true", check=False).returncode == 1
    done = a.ctl("stop", "-t", "1", "nobody", "stubborn", "meek", check=False)
    assert done.returncode == 1 and done.stdout == "stubborn\nmeek\n" and "nobody not found" in done.stderr


def test_logs(lab):
    a = lab["node1"]
    gate = os.path.join(lab.dir, "gate")
    a.ctl("run", "-d", "--name", "talker", "--", "sh", "-c",
          f"echo one; echo two >&2; while [ ! -e {gate} ]; do sleep 0.02; done; echo three")
    wait_for(lambda: a.ctl("logs", "talker").stdout == "one\ntwo\n", "the first lines")
    follower = a.ctl_spawn("logs", "-f", "talker")
    wait_for(lambda: "two" in lab.tail(follower.log), "the follower has them")
    open(gate, "w").close()
    assert follower.wait() == 0  # by itself, with the container
    assert lab.tail(follower.log) == "one\ntwo\nthree\n"
    wait_for(lambda: a.ctl("ps", "-q").stdout == "", "it has ended")
    assert a.ctl("logs", "talker").stdout == "one\ntwo\nthree\n"
    assert a.ctl("logs", "nobody", check=False).returncode == 1


def test_killed_supervisor(lab):
    a = lab["node1"]
    a.ctl("run", "-d", "--name", "c1", "--network", "demo", "--", "sleep", "1000")
    c = one(a, "c1")
    began = start_time(c["Pid"])
    kill_exact(c["SupervisorPid"], c["SupervisorStart"])
    wait_for(lambda: start_time(c["Pid"]) != began, "its command dies")
    wait_for(lambda: a.ctl("ps", "-q").stdout == "" and lab.etcd.keys("endpoint/") == [], "the endpoint is withdrawn", 2)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_restart_of_ovld(lab, sig):
    a, b = lab["node1"], lab["node2"]
    a.ctl("run", "-d", "--name", "stays", "--network", "demo", "--", "sleep", "1000")
    a.ctl("run", "-d", "--name", "goes", "--network", "demo", "--", "sleep", "1000")
    b.ctl("run", "-d", "--name", "peer", "--network", "demo", "--", "sleep", "1000")
    before, gone = one(a, "stays"), one(a, "goes")
    a.stop(sig)
    kill_exact(gone["Pid"], start_time(gone["Pid"]), signal.SIGTERM)
    wait_for(lambda: start_time(gone["SupervisorPid"]) is None, "a supervisor ends without ovld")
    ping = b.ctl("exec", "peer", "--", "ping", "-c1", "-W2", ip_of_known(before), check=False)
    assert ping.returncode == 0, ping.stdout
    a.start()
    assert a.ctl("ps", "-q").stdout == "stays\n"
    assert one(a, "stays") == before
    wait_for(lambda: len(lab.etcd.keys("endpoint/")) == 2, "the one that died meanwhile is withdrawn")
    a.ctl("stop", "stays")


def ip_of_known(container):
    return container["NetworkSettings"]["Networks"]["demo"]["IPAddress"]


def test_events(lab):
    a = lab["node1"]
    events = a.ctl_spawn("events", "--format", "json")

    def seen():
        lines = [json.loads(line) for line in lab.tail(events.log, 100000).splitlines() if line.startswith("{")]
        return [(e["Action"], e["Actor"]["ID"], e["Actor"]["Attributes"].get("exitCode")) for e in lines
                if e["Type"] == "container"]

    # Until the subscription stands nothing is told: a first container is repeated until it is seen.
    wait_for(lambda: a.ctl("run", "--", "true").returncode == 0 and seen(), "events come")
    a.ctl("run", "--name", "c1", "--", "sh", "-c", "exit 3", check=False)
    wait_for(lambda: [e for e in seen() if e[1] == "c1"] == [("start", "c1", None), ("die", "c1", "3")], "start and die")
    events.stop()


def test_wait_and_kill(lab):
    a = lab["node1"]
    a.ctl("run", "-d", "--name", "c1", "--", "sleep", "1000")
    assert a.api("POST", "/containers/c1/kill?signal=NONSENSE")[0] == 400
    assert a.api("POST", "/containers/c1/stop?t=x")[0] == 400
    assert a.api("POST", "/containers/c1/kill?signal=USR1")[0] == 204
    wait_for(lambda: a.api("GET", "/containers/c1/json")[0] == 404, "it is gone")
    a.ctl("run", "-d", "--name", "c2", "--", "sh", "-c", "sleep 0.5; exit 4")
    assert a.api("GET", "/containers/c2/wait") == (200, {"StatusCode": 4})


def test_bad_registrations(lab):
    a = lab["node1"]
    for body, text in (({"Name": "x"}, "Pid"), ({"Pid": os.getpid(), "PidStart": 1}, "PidStart"),
                       ({"Pid": 2 ** 40}, "Pid"), ({"Pid": "x"}, "Pid"),
                       ({"Pid": os.getpid(), "PidStart": start_time(os.getpid()), "Command": "x"}, "Command")):
        status, reply = a.api("POST", "/containers/create", body)
        assert status == 400 and text in reply["message"], (body, reply)
    assert a.ctl("ps", "-q").stdout == ""


def test_many_at_once(lab):
    a = lab["node1"]
    starts = [a.ctl_spawn("run", "-d", "--name", f"m{i}", "--network", "demo", "--", "sleep", "1000") for i in range(30)]
    assert [p.wait() for p in starts] == [0] * 30
    assert len({ip_of(a, f"m{i}") for i in range(30)}) == 30
    racing = [a.ctl_spawn("run", "-d", "--name", "same", "--", "sleep", "1000") for _ in range(5)]
    assert sorted(p.wait() for p in racing) == [0, 1, 1, 1, 1]
    stops = [a.ctl_spawn("stop", f"m{i}") for i in range(30)]
    assert [p.wait() for p in stops] == [0] * 30
    assert a.ctl("ps", "-q").stdout == "same\n"
