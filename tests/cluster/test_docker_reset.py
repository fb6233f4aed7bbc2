# SPDX-License-Identifier: GPL-2.0-or-later
"""A node that begins anew beside a Docker that does not: what its former self called networks goes, Docker's networks stay usable."""
import os
import signal

import pytest
from agree import agree
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
