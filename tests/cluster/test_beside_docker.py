# SPDX-License-Identifier: GPL-2.0-or-later
"""ovl and a real dockerd on one host, whoever comes first: neither breaks the other; and FORWARD policies that drop."""
import pytest
from docker import Docker
from greet import Greeter, greeting
from procs import wait_for

from lab import Lab


@pytest.fixture(params=["ovld first", "dockerd first"])
def both(request):
    with Lab(hosts=2, etcd=1, start=False) as lab:
        lab.etcd.start()
        lab["node2"].start()
        outside = lab.stranger("outside")
        if request.param == "ovld first":
            lab["node1"].start()
        with Docker(lab, lab["node1"], plugin=False) as docker:
            if request.param == "dockerd first":
                lab["node1"].start()
            yield lab, docker, outside


def address(box):
    """Of the interface that leads out."""
    return box.run("ip", "route", "get", "192.168.205.99").stdout.split(" src ")[1].split()[0]


def ovl_works(lab, outside, c, net, port):
    host = lab["node1"]
    with Greeter(outside, 7100), Greeter(c, 80, name="c"):
        wait_for(lambda: greeting(c, outside.ip, 7100, timeout=0.5) == ("outside", host.ip), f"{net}: the way out", 5)
        wait_for(lambda: greeting(outside, host.ip, port, timeout=0.5) == ("c", outside.ip), f"{net}: published", 5)
        assert greeting(host, "127.0.0.1", port)[0] == "c"
        assert greeting(c, host.ip, port)[0] == "c", "hairpin"


def fetched(place, ip, port):
    with place.socket() as s:
        s.settimeout(1)
        try:
            s.connect((ip, port))
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return s.recv(100).startswith(b"HTTP/1.")
        except OSError:
            return False


def docker_works(docker, outside, host):
    assert docker.exec("d1", "ping", "-c", "1", "-W", "2", outside.ip).returncode == 0
    wait_for(lambda: fetched(outside, host.ip, 9080), "Docker's published port", 10)


def test_both_work(both):
    lab, docker, outside = both
    host = lab["node1"]
    host.ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    docker.run("d1", "-p", "9080:80", command=("sh", "-c", "httpd -p 81; exec httpd -f -p 80"))
    a, b, c = lab.container(host, "a"), lab.container(host, "b"), lab.container("node2", "c")
    a.connect("bridge", "-p", "8080:80")
    b.connect("demo", "-p", "8081:80")
    c.connect("demo")
    for _ in range(2):
        ovl_works(lab, outside, a, "bridge", 8080)
        ovl_works(lab, outside, b, "demo", 8081)
        docker_works(docker, outside, host)
        b.reaches(c.ip4("demo"))
        # From ours to Docker's and back: what is published, and nothing else.
        theirs = docker.inspect("d1")["NetworkSettings"]["IPAddress"]
        assert fetched(host, theirs, 81)
        for box in (a, b):
            assert fetched(box, host.ip, 9080)
            assert not fetched(box, theirs, 81)
            assert docker.exec("d1", "ping", "-c", "1", "-W", "1", address(box), check=False).returncode != 0
        # Once more after each of the two was restarted.
        docker.stop()
        host.stop()
        docker.start()
        host.start()
        docker.cli("start", "d1")
    assert host.run("iptables", "-S").returncode == 0
    assert "DOCKER-USER" in host.run("iptables", "-S", "FORWARD").stdout
    # What was found is shown; what was put into others' chains goes with `reset`.
    assert "DOCKER-USER" in host.ctl("info").stdout
    assert "ovl" in host.run("iptables", "-S", "DOCKER-USER").stdout
    for box, net in ((a, "bridge"), (b, "demo")):
        box.disconnect(net)
    host.ctl("reset", "-f")
    host.ended()
    assert "ovl" not in host.run("iptables", "-S").stdout
    docker_works(docker, outside, host)


def test_icc_off_under_dockers_bridge_nf_call(both):
    """dockerd switches br_netfilter's calls on: bridged frames then cross the host's rules as well."""
    lab, docker, outside = both
    host = lab["node1"]
    host.ctl("network", "create", "-d", "bridge", "-o", "icc=false", "quiet")
    a, b = lab.container(host, "a"), lab.container(host, "b")
    a.connect("quiet", "-p", "8082:80")
    b.connect("quiet")
    c, d = lab.container(host, "c"), lab.container(host, "d")
    c.connect("bridge")
    d.connect("bridge")
    c.reaches(d.ip4("bridge"))
    with Greeter(a, 80, name="a"):
        assert greeting(b, a.ip4("quiet"), 80, timeout=0.7) is None
        assert greeting(b, host.ip, 8082)[0] == "a"
        assert greeting(a, host.ip, 8082)[0] == "a"
        assert greeting(outside, host.ip, 8082) == ("a", outside.ip)
    b.cut_from(a.ip4("quiet"))


def test_forward_policy_drop_without_docker():
    with Lab(hosts=1, etcd=0) as lab:
        host, outside = lab["node1"], lab.stranger("outside")
        c, d = lab.container(host, "c"), lab.container(host, "d")
        c.connect("bridge", "-p", "8080:80")
        d.connect("bridge")
        ovl_works(lab, outside, c, "bridge", 8080)
        host.run("iptables", "-P", "FORWARD", "DROP")
        ovl_works(lab, outside, c, "bridge", 8080)
        c.reaches(d.ip4("bridge"))
        assert "FORWARD" in host.ctl("info").stdout
        # Flushed by somebody: put again.
        host.run("iptables", "-F", "FORWARD")
        ovl_works(lab, outside, c, "bridge", 8080)
        host.run("iptables", "-P", "FORWARD", "ACCEPT")
        ovl_works(lab, outside, c, "bridge", 8080)
