# SPDX-License-Identifier: GPL-2.0-or-later
"""deploy/quickstart: up, up again, down, and nothing of it is left. With the build under test, under names of its own."""
import os
import re
import subprocess

import netns
import pytest
from lab import BIN, ROOT
from procs import kill_exact, marked

PREFIX = f"oc{os.getpid()}q"
LAB_DIR = f"/run/{PREFIX}-lab"


def quickstart(*args, input=""):
    env = dict(os.environ, OVL_BUILD=str(BIN.parent), OVL_LAB_PREFIX=PREFIX)
    done = subprocess.run([ROOT / "deploy/quickstart", *args], input=input, capture_output=True, text=True,
                          timeout=180, env=env)
    return done.returncode, done.stdout, done.stderr


def remains():
    return {"namespaces": netns.names(PREFIX), "processes": marked(f"quickstart-{PREFIX}"),
            "folder": os.path.exists(LAB_DIR)}


NOTHING = {"namespaces": [], "processes": [], "folder": False}


def machine():
    """What a lab could have changed outside its own namespaces."""
    return [netns.sh(*command, check=False).stdout for command in
            (("ip", "-o", "link"), ("ip", "route"), ("nft", "list", "ruleset"), ("sysctl", "net.ipv4.ip_forward"))]


@pytest.fixture(scope="module")
def before():
    was = machine()
    yield was
    quickstart("down")
    for pid, start, _ in marked(f"quickstart-{PREFIX}"):
        kill_exact(pid, start)


def check_up(out):
    ids = re.findall(r"create -d overlay demo\n([0-9a-f]{64})\n", out)
    assert len(ids) == 1
    assert re.search(rf"node2# ovlctl network ls\n(?:.*\n)*?{ids[0][:12]} +demo +overlay +global\n", out)
    assert "3 packets transmitted, 3 received, 0% packet loss" in out
    assert f"/ovl/v1/network/{ids[0]}\n{{" in out and '"vtep":"192.168.205.11"' in out
    for step in range(1, 8):
        assert f"[{step}/7]" in out


def test_up(before):
    status, out, err = quickstart()
    assert (status, err) == (0, ""), out + err
    check_up(out)
    # Every command it prints to look around does work; the last one is `down`.
    printed = [line.strip().split("  ")[0].split() for line in out[out.index("Look around"):].splitlines()
               if "/quickstart node" in line]
    assert len(printed) == 7
    for _, *words in printed:
        if words[1:] == ["ovlctl", "events"]:
            continue  # runs until it is ended
        status, shown, err = quickstart(*words, input="ovlctl network ls\nexit 3\n")
        assert status == (3 if len(words) == 1 else 0), (words, shown, err)
        assert "demo" in shown or "10.0.0." in shown or "c1" in shown, (words, shown)


def test_up_again(before):
    status, out, err = quickstart("up")
    assert (status, err) == (0, ""), out + err
    assert "starting over" in out
    check_up(out)
    assert len(netns.names(PREFIX)) == 4


def test_down(before):
    status, out, err = quickstart("down")
    assert (status, err) == (0, ""), out + err
    assert remains() == NOTHING
    assert machine() == before
    assert quickstart("down")[0] == 0
    status, _, err = quickstart("node1", "true")
    assert status == 1 and "not up" in err
    assert quickstart("sideways")[0] == 2


def test_a_failure_is_told_and_cleaned_up(before, tmp_path):
    """A lab that does not come up: the reason is shown, and down removes what there is."""
    (tmp_path / "bin").mkdir()
    for program in ("ovlctl", "ovl-run"):
        (tmp_path / "bin" / program).symlink_to(BIN / program)
    (tmp_path / "bin/ovld").write_text("#!/bin/sh\nexit 1\n")
    env = dict(os.environ, OVL_BUILD=str(tmp_path), OVL_LAB_PREFIX=PREFIX)
    done = subprocess.run([ROOT / "deploy/quickstart"], capture_output=True, text=True, timeout=180, env=env)
    assert done.returncode != 0 and "is not executable" in done.stderr
    os.chmod(tmp_path / "bin/ovld", 0o755)
    done = subprocess.run([ROOT / "deploy/quickstart"], capture_output=True, text=True, timeout=180,
                          env=dict(env, OVL_LAB_PATIENCE="1"))
    assert done.returncode != 0 and "in sync" in done.stderr and "down" in done.stderr, done.stderr
    assert quickstart("down")[0] == 0
    assert remains() == NOTHING
