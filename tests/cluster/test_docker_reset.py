# SPDX-License-Identifier: GPL-2.0-or-later
"""A node that begins anew beside a Docker that does not: what its former self called networks goes, Docker's networks stay usable."""
import os
import signal

import pytest
from agree import agree
from docker import IMAGE
from procs import wait_for

DOCKERS = dict(hosts=2)
KINDS = ("network", "endpoint", "address", "pool", "binding")


def node_ids(lab):
    return {k.split("/")[1] for k in lab.etcd.get("node/")}


def bound_by(lab):
    return {k.split("/")[2] for k in lab.etcd.get("binding/")}


@pytest.mark.parametrize("how", ["reset", "lost"])
def test_begins_anew(dockers, how):
    lab, one, two = dockers.lab, dockers["node1"], dockers["node2"]
    one.create("mine")
    two.create("theirs")
    for net in ("mine", "theirs"):
        dockers.everywhere(net)
    wait_for(lambda: len(lab.etcd.get("binding/")) == 4, "all are bound", 20)
    before = node_ids(lab)
    one.run("c1", "--network", "mine")
    two.run("c2", "--network", "mine")
    one.reaches("c1", two.ip4("c2", "mine"))
    if how == "reset":
        one.host.ctl("reset", "-f")
        one.host.ended()
        assert len(lab.etcd.get("binding/")) == 2
    else:
        one.host.stop(signal.SIGKILL)
        state = os.path.join(one.host.dir, "state")
        os.rename(state, state + ".lost")
    one.host.start("--takeover")
    wait_for(lambda: len(lab.etcd.get("binding/")) == 4 and bound_by(lab) == node_ids(lab), "bound under the new id, and only that", 30)
    assert node_ids(lab) != before
    # Docker's endpoint is none of ours any more: its container starts again.
    one.cli("restart", "-t", "0", "c1")
    one.reaches("c1", two.ip4("c2", "mine"))
    agree(dockers, deadline=30)
    for d, c in ((one, "c1"), (two, "c2")):
        d.cli("rm", "-f", c)
    one.cli("network", "rm", "theirs")
    two.cli("network", "rm", "mine")
    for net in ("mine", "theirs"):
        dockers.nowhere(net)
    wait_for(lambda: not any(lab.etcd.get(k + "/") for k in KINDS), "nothing left in etcd", 10)
    agree(dockers)


def test_etcd_is_wiped(dockers):
    """Under Docker's networks and containers; Docker goes on meanwhile, as far as it can."""
    lab, one, two = dockers.lab, dockers["node1"], dockers["node2"]
    for net in ("kept", "gone"):
        one.create(net)
        two.knows(net)
    lab["node1"].ctl("network", "create", "-d", "overlay", "ours")
    dockers.everywhere("ours")
    one.run("c1", "--network", "kept")
    two.run("c2", "--network", "kept")
    wait_for(lambda: len(lab.etcd.get("binding/")) == 6, "all are bound", 20)
    bound = lab.etcd.get("binding/")
    lab.etcd.wipe()
    wait_for(lambda: [h.info()["Cluster"]["State"] for h in lab] == ["frozen"] * 2, "both nodes guard what they know", 20)
    for refused in (one.create("more", check=False), one.cli("run", "--rm", "--network", "kept", IMAGE, "true", check=False)):
        assert refused.returncode != 0 and "adopt" in refused.stderr
    one.cli("network", "rm", "gone")
    one.cli("kill", "c1")
    lab["node2"].ctl("cluster", "adopt")
    wait_for(lambda: [h.info()["Cluster"]["State"] for h in lab] == ["synced"] * 2, "all nodes take etcd's word again", 30)
    # What was removed meanwhile goes everywhere, and all else is as it was.
    dockers.nowhere("gone")
    one.cli("start", "c1")
    one.reaches("c1", two.ip4("c2", "kept"))
    two.reaches("c2", "c1")
    agree(dockers)
    now = lab.etcd.get("binding/")
    assert len(now) == 4 and all(bound[key] == value for key, value in now.items())
    for d, c in ((one, "c1"), (two, "c2")):
        d.cli("rm", "-f", c)
    for net in ("kept", "ours"):
        two.cli("network", "rm", net)
        dockers.nowhere(net)
    wait_for(lambda: not any(lab.etcd.get(k + "/") for k in KINDS), "nothing left in etcd", 10)
    agree(dockers)
