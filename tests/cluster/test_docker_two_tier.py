# SPDX-License-Identifier: GPL-2.0-or-later
"""The two-tier application, Flask and redis, in Docker's containers: by `docker run` on two hosts, and by compose files."""
import os
import re

import netns
import pytest
from agree import agree
from docker import DEBIAN, SHARED, debian_tar
from procs import wait_for
from test_two_tier import APP

DOCKERS = dict(hosts=2, images=((DEBIAN, debian_tar()),))
REDIS = ("/usr/bin/redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "")
WEB = ("/usr/bin/python3", "-c", APP)
HIT = r"Hello Container World! I have been seen (\d+) times and my hostname is (\S+)\.\n"
SERVICES = {
    "redis": """
  redis:
    image: debian
    command: ["/usr/bin/redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""]
    stop_signal: SIGKILL
    volumes: ["/usr:/usr:ro"]
    networks: {demo: {aliases: [store]}}
""",
    "web": """
  web:
    image: debian
    command: ["/usr/bin/python3", "/srv/app.py"]
    stop_signal: SIGKILL
    environment: {REDIS_HOST: store, PYTHONDONTWRITEBYTECODE: "1"}
    volumes: ["/usr:/usr:ro", "%s:/srv/app.py:ro"]
    ports: ["5000:5000"]
    networks: [demo]
"""}
OWN = "networks:\n  demo:\n    name: demo\n    driver: ovl\n    ipam: {driver: ovl}\n"
OTHERS = "networks:\n  demo:\n    external: true\n"


@pytest.fixture(scope="module")
def visitor(dockers):
    return dockers.lab.stranger("visitor", "192.168.205.98")


@pytest.fixture(autouse=True)
def nothing_left(dockers):
    yield
    for d in dockers:
        d.clear()
    if "demo" in dockers["node1"].networks():
        dockers["node1"].cli("network", "rm", "demo")
    wait_for(lambda: dockers.lab.etcd.keys("network/") == [], "the network is gone")


def hits(visitor, d):
    """(number, host name) that a visit from outside is told, None: none yet."""
    out = visitor.run("curl", "-s", "--max-time", "2", f"http://{d.host.ip}:5000", check=False).stdout
    m = re.fullmatch(HIT, out)
    assert m, out
    return int(m[1]), m[2]


def counts(visitor, d):
    first, name = wait_for(lambda: hits(visitor, d), "hits are counted", 30)
    assert [hits(visitor, d) for _ in range(3)] == [(first + 1 + i, name) for i in range(3)]
    return first


def test_by_docker_run(dockers, visitor):
    one, two = dockers["node1"], dockers["node2"]
    one.create("demo")
    two.knows("demo")
    web = ("--network", "demo", "-p", "5000:5000", "-e", "REDIS_HOST=redis", *SHARED)
    one.run("redis", "--network", "demo", *SHARED, image=DEBIAN, command=REDIS)
    two.run("web", "--hostname", "web", *web, image=DEBIAN, command=WEB)
    counts(visitor, two)
    assert hits(visitor, two)[1] == "web"
    agree(dockers)
    # redis moves to the other host: the same name, another address.
    one.cli("rm", "-f", "redis")
    two.run("redis", "--network", "demo", *SHARED, image=DEBIAN, command=REDIS)
    assert counts(visitor, two) <= 4
    two.cli("rm", "-f", "web")
    one.run("web", *web, image=DEBIAN, command=WEB)
    counts(visitor, one)
    agree(dockers)


class Compose:
    """docker-compose of one host, with a file of some of the services."""

    def __init__(self, d, networks, *services):
        self.d = d
        self.dir = os.path.join(d.lab.dir, "compose-" + d.host.name)
        os.makedirs(self.dir, exist_ok=True)
        app = os.path.join(self.dir, "app.py")
        with open(app, "w", encoding="utf-8") as f:
            f.write(APP)
        text = "".join(SERVICES[s] % app if "%s" in SERVICES[s] else SERVICES[s] for s in services)
        with open(os.path.join(self.dir, "docker-compose.yml"), "w", encoding="utf-8") as f:
            f.write('version: "2.4"\nservices:' + text + networks)

    def __call__(self, *args):
        env = dict(self.d.lab.env, DOCKER_HOST="unix://" + self.d.socket_path, COMPOSE_PROJECT_NAME="tiers")
        return netns.sh("docker-compose", "-f", os.path.join(self.dir, "docker-compose.yml"), *args, env=env, timeout=120)


def test_by_one_compose_file(dockers, visitor):
    """It makes the network, and everything else on one host; another host's container uses it as well."""
    one, two = dockers["node1"], dockers["node2"]
    compose = Compose(one, OWN, "redis", "web")
    compose("up", "-d")
    counts(visitor, one)
    two.knows("demo")
    two.run("guest", "--network", "demo")
    for name in ("redis", "store", "web", "tiers_web_1"):
        two.reaches("guest", name)
    agree(dockers)
    compose("restart")
    assert counts(visitor, one) <= 2
    agree(dockers)
    two.cli("rm", "-f", "guest")
    compose("down")
    dockers.nowhere("demo")


def test_by_two_compose_files(dockers, visitor):
    one, two = dockers["node1"], dockers["node2"]
    data = Compose(one, OWN, "redis")
    data("up", "-d")
    two.knows("demo")
    web = Compose(two, OTHERS, "web")
    web("up", "-d")
    counts(visitor, two)
    agree(dockers)
    web("down")
    data("down")
    dockers.nowhere("demo")
