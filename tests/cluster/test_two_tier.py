# SPDX-License-Identifier: GPL-2.0-or-later
"""Two tiers on two hosts: a Flask application that counts its hits in a redis of another node, found by name, published to the outside."""
import os
import re
import time

import pytest
from procs import wait_for

LAB = dict(hosts=2, etcd=1)
AGAIN_S = 4.0  # from the moment that both run again until hits are counted: less than the TTL of an old answer, with room for a busy machine
APP = '''
import os, socket
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError

app = Flask(__name__)
# The name is resolved at each connection; what hangs on a redis that is no more is left soon.
redis = Redis(host=os.environ["REDIS_HOST"], port=6379, socket_timeout=0.5, socket_connect_timeout=0.5)

@app.route("/")
def hello():
    try:
        n = redis.incr("hits")
    except RedisError as e:
        return f"no redis: {e}", 503
    return f"Hello Container World! I have been seen {n} times and my hostname is {socket.gethostname()}.\\n"

app.run(host="0.0.0.0", port=5000, threaded=True)
'''


class Tiers:
    """The application: where its two containers run, and what a visitor is told."""

    def __init__(self, lab):
        self.lab = lab
        self.visitor = lab.stranger("visitor", "192.168.205.98")
        self.data = os.path.join(lab.dir, "redis")
        self.app = os.path.join(lab.dir, "app.py")
        os.mkdir(self.data)
        with open(self.app, "w", encoding="utf-8") as f:
            f.write(APP)
        self.at = {}

    def start(self, tier, node):
        host = self.lab[node]
        self.at[tier] = node
        if tier == "redis":
            host.ctl("run", "-d", "--name", "redis", "--network", "demo", "--", "redis-server", "--bind", "0.0.0.0", "--protected-mode", "no",
                     "--dir", self.data, "--appendonly", "yes", "--appendfsync", "no", "--save", "")
        else:
            host.ctl("run", "-d", "--name", "web", "--network", "demo", "-p", "5000:5000", "--",
                     "env", "REDIS_HOST=redis", "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3", self.app)

    def stop(self, tier, *args):
        self.lab[self.at.pop(tier)].ctl("stop", *args, tier)

    def listening(self, tier):
        """Does its server run? (Its own start is not what is measured here.)"""
        port = {"redis": 6379, "web": 5000}[tier]
        host = self.lab[self.at[tier]]
        wait_for(lambda: f":{port} " in host.ctl("exec", tier, "--", "ss", "-Hltn").stdout, f"{tier} listens", 30)

    def visit(self):
        """What curl shows of the one who is asked, from outside."""
        return self.visitor.run("curl", "-s", "--max-time", "2", f"http://{self.lab[self.at['web']].ip}:5000", check=False).stdout

    def hits(self):
        m = re.fullmatch(r"Hello Container World! I have been seen (\d+) times and my hostname is web\.\n", self.visit())
        return int(m[1]) if m else None

    def again(self):
        """Wait until hits are counted; the number, and the seconds that took from when both listened."""
        for tier in ("redis", "web"):
            self.listening(tier)
        begin = time.monotonic()
        n = wait_for(self.hits, "hits are counted", 20)
        return n, time.monotonic() - begin


@pytest.fixture(scope="module")
def tiers(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    tiers = Tiers(lab)
    tiers.start("redis", "node1")
    tiers.start("web", "node2")
    assert tiers.again()[0] == 1
    return tiers


def moved(tiers, tier, node, *stop):
    """Stop one tier and start it on a node: the count goes on where it was."""
    before = tiers.hits()
    assert before
    tiers.stop(tier, *stop)
    tiers.start(tier, node)
    n, took = tiers.again()
    assert n > before, "nothing is lost"
    assert took < AGAIN_S, f"{took:.2f} s after both were up"
    for i in range(3):
        assert tiers.hits() == n + 1 + i


def test_counts(tiers):
    first = tiers.hits()
    assert [tiers.hits() for _ in range(5)] == [first + 1 + i for i in range(5)]
    # At any node's address it is found: that of the one where it runs is published, and only that.
    assert tiers.visitor.run("curl", "-s", "--max-time", "1", f"http://{tiers.lab['node1'].ip}:5000", check=False).returncode != 0


@pytest.mark.parametrize("tier, node", [("web", "node2"), ("redis", "node1"), ("redis", "node2"), ("web", "node1"), ("web", "node2"),
                                        ("redis", "node1")])
def test_restarted_and_moved(tiers, tier, node):
    moved(tiers, tier, node)


def test_killed(tiers):
    moved(tiers, "redis", "node2", "-t", "0")
    moved(tiers, "web", "node1", "-t", "0")


def test_while_etcd_is_away(lab, tiers):
    """Names are answered from what the node knows: new connections to the redis of the other node go on."""
    lab.etcd.pause()
    try:
        first = tiers.hits()
        for i in range(5):
            # Each visit asks anew: the application's connections are dropped first.
            tiers.lab[tiers.at["redis"]].ctl("exec", "redis", "--", "redis-cli", "client", "kill", "type", "normal")
            assert wait_for(tiers.hits, "hits go on") > first + i
    finally:
        lab.etcd.resume()
