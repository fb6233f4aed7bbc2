# SPDX-License-Identifier: GPL-2.0-or-later
"""`ovlctl run --network`: bridge, host, none, container:NAME, or networks."""
import json

import pytest
from greet import Greeter, greeting
from procs import wait_for

LAB = dict(hosts=1, etcd=0)


@pytest.fixture(scope="module")
def host(lab):
    return lab["node1"]


@pytest.fixture(autouse=True)
def nothing_left(host):
    yield
    names = host.ctl("ps", "-q").stdout.split()
    if names:
        host.ctl("stop", "-t", "0", *names)
    wait_for(lambda: host.get("/endpoints") == [], "no endpoint is left")


def run(host, name, *args, check=True):
    return host.ctl("run", "-d", "--name", name, *args, "--", "sleep", "1000", check=check)


def inside(host, name, *command, check=True):
    return host.ctl("exec", name, "--", *command, check=check)


def links(host, name):
    return sorted(link["ifname"] for link in json.loads(inside(host, name, "ip", "-j", "link").stdout))


def netns_of(host, name):
    return inside(host, name, "readlink", "/proc/self/ns/net").stdout.strip()


def test_the_default_is_bridge(host):
    run(host, "a")
    run(host, "b", "--network", "bridge")
    shown = host.get("/containers/b/json")["NetworkSettings"]["Networks"]
    assert list(shown) == ["bridge"]
    assert inside(host, "a", "ping", "-c1", "-W2", shown["bridge"]["IPAddress"]).returncode == 0
    assert links(host, "a") == ["eth0", "lo"]


def test_host(lab, host):
    run(host, "a", "--network", "host")
    assert netns_of(host, "a") == host.run("readlink", "/proc/self/ns/net").stdout.strip()
    assert host.ctl("exec", "a", "--", "sh", "-c", "exit 3", check=False).returncode == 3
    assert host.get("/containers/a/json")["NetworkSettings"]["Networks"].keys() <= {"host"}
    warned = run(host, "b", "--network", "host", "-p", "8080:80")
    assert "host" in warned.stderr and "discarded" in warned.stderr
    host.stop()
    host.start()
    assert sorted(host.ctl("ps", "-q").stdout.split()) == ["a", "b"]
    host.ctl("stop", "-t", "0", "a", "b")


def test_none(host):
    run(host, "a", "--network", "none")
    assert links(host, "a") == ["lo"]
    assert inside(host, "a", "ping", "-c1", "-W1", "127.0.0.1").returncode == 0
    assert host.get("/endpoints") == []
    # It may be joined to a network later.
    host.ctl("network", "connect", "bridge", "a")
    assert links(host, "a") == ["eth0", "lo"]


def test_container(lab, host):
    run(host, "web", "-p", "8080:80")
    run(host, "side", "--network", "container:web")
    assert netns_of(host, "side") == netns_of(host, "web")
    assert links(host, "side") == ["eth0", "lo"]
    # One loopback, one address.
    ip = host.get("/containers/web/json")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert ip in inside(host, "side", "ip", "-4", "addr").stdout
    host.ctl("stop", "-t", "0", "side")
    # Its end takes nothing from the other.
    assert links(host, "web") == ["eth0", "lo"]
    assert len(host.get("/endpoints")) == 1


def test_several_networks_and_their_options(host):
    host.ctl("network", "create", "-d", "bridge", "--subnet", "172.28.5.0/24", "front")
    host.ctl("network", "create", "-d", "bridge", "--subnet", "172.28.6.0/24", "back")
    try:
        run(host, "a", "--network", "name=front,ip=172.28.5.50,ifname=eth7", "--network", "name=back,gw-priority=5")
        shown = host.get("/containers/a/json")["NetworkSettings"]["Networks"]
        assert shown["front"]["IPAddress"] == "172.28.5.50" and shown["front"]["IfName"] == "eth7"
        routes = json.loads(inside(host, "a", "ip", "-j", "route", "show", "default").stdout)
        assert [r["gateway"] for r in routes] == ["172.28.6.1"]
        host.ctl("network", "disconnect", "back", "a")
        routes = json.loads(inside(host, "a", "ip", "-j", "route", "show", "default").stdout)
        assert [r["gateway"] for r in routes] == ["172.28.5.1"]
    finally:
        host.ctl("stop", "-t", "0", "a", check=False)
        host.ctl("network", "rm", "front", "back")


def test_published_of_a_run_container(lab, host):
    gate = lab.stranger("client")
    done = host.ctl("run", "-d", "--name", "web", "-p", "8088:80", "--", "python3", "-m", "http.server", "80", "--bind", "0.0.0.0",
                    "--directory", lab.dir)
    assert done.stdout == "web\n"

    def served():
        with gate.socket() as s:
            s.settimeout(1)
            try:
                s.connect((host.ip, 8088))
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return s.recv(100).startswith(b"HTTP/1.0 200")
            except OSError:
                return False
    wait_for(served, "the page is served", 10)
    assert host.ctl("port", "web", "80/tcp").stdout.splitlines()[0] == "0.0.0.0:8088"


@pytest.mark.parametrize("args, word", [
    (["--network", "host", "--network", "bridge"], "host"),
    (["--network", "none", "--network", "bridge"], "none"),
    (["--network", "container:nobody"], "nobody"),
    (["--network", "container:"], "container"),
    (["--network", "none", "-p", "80:80"], "none"),
    (["--network", "nosuch"], "nosuch"),
    (["--network", "name=bridge,colour=red"], "colour"),
    (["-p", "70000:80"], "70000"),
])
def test_bad_input(host, args, word):
    done = run(host, "x", *args, check=False)
    assert done.returncode in (1, 2) and word in done.stderr, done
    assert host.ctl("ps", "-q").stdout == ""


def test_names_of_their_ports_are_their_own(host):
    run(host, "a", "-p", "8090:80")
    done = run(host, "b", "-p", "8090:80", check=False)
    assert done.returncode == 1 and "published by container a" in done.stderr
    with Greeter(host, 8091):
        done = run(host, "b", "-p", "8091:80", check=False)
    assert done.returncode == 1 and "8091" in done.stderr
    host.ctl("stop", "-t", "0", "a")
    run(host, "b", "-p", "8090:80")
    assert greeting(host, "127.0.0.1", 8090) is None  # nobody listens inside: refused, not answered by the host
