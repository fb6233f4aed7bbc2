#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may include whom (DESIGN.md §2): arrows between folders, pure parts, netlink in its place."""
import os
import re

from lintlib import Finding, blank, main

# First match wins: (files, what they may include of the project). Headers of these files' own
# module are covered by the same pattern.
BASE = r"base/"
# kv.h is types and an ops struct: the codec of etcd's answers fills its types.
PURE_BASE = r"(base/(addr|b64|backoff|buf|err|id|json|mem|strv)|store/kv)\.h"
ARROWS = [
    (r"tests/", r".*"),
    (r"base/", BASE),
    (r"store/", rf"{BASE}|store/"),
    (r"ipam/claim", rf"{BASE}|ipam/|store/(kv|model[a-z0-9_]*)\.h"),
    # One arrow more than DESIGN.md §2: subnet fills in struct model_subnet, pure as itself.
    (r"ipam/subnet", rf"{BASE}|ipam/(pool|subnet)|store/model[a-z0-9_]*\.h"),
    (r"ipam/", rf"{BASE}|ipam/(pool|subnet)"),
    (r"overlay/", rf"{BASE}|overlay/"),
    (r"agent/(ctl|run|cni|netavark)/", rf"{BASE}|agent/\1/|agent/api/body[a-z0-9_]*\.h"),
    # The daemon: everything but the programs that are its clients.
    (r"agent/", rf"{BASE}|ipam/|store/|overlay/|agent/(?!ctl/|run/|cni/|netavark/)"),
]

# No IO, clock, globals or logs: DESIGN.md §2. Their headers too.
PURE = re.compile(
    r"(store/(model|etcd_json)|ipam/(pool|subnet)|overlay/(state|diff)|agent/(compile|netopt|sandbox)"
    r"|agent/dns/(zone|dns_client|dns_wire|dns_cache|resolv_conf)|agent/docker/(plugin_body|docker_decode|docker_sync))"
    r"(_[a-z0-9_]+)?\.[ch]$"
)
PURE_SYSTEM = re.compile(
    r"(assert|ctype|errno|inttypes|limits|math|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|strings"
    r"|arpa/inet|net/if|net/ethernet|netinet/in|sys/socket|sys/types|cjson/cJSON|ldns/[a-z]+|uthash|utlist|utarray)\.h$"
)

# A library stays behind the few files that wrap it: (headers, files that may include them).
WRAPPED = [
    (
        r"linux/(netlink|rtnetlink|neighbour|if_link|if_addr|if_bridge|if_vlan|netfilter.*)\b|linux/netfilter"
        r"|libmnl/|netlink/|libnftnl/",
        r"overlay/(knl_|nft_|kernel_linux[a-z0-9_]*\.c$)",
    ),
    (r"sqlite3\.h", r"store/local"),
    (r"curl/", r"store/|agent/"),
    (r"uv\.h", r"store/|ipam/claim|overlay/|agent/"),
    (r"ldns/", r"agent/dns/dns_wire"),
    (r"microhttpd\.h", r"agent/"),
    (r"systemd/", r"agent/"),
    (r"cyaml/", r"agent/"),
    (r"popt\.h|libsmartcols/", r"agent/"),
    # Libraries below agent/ do not log: the layer that decides logs once.
    (r"base/log\.h", r"base/log|agent/"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
PRODUCT = ("base/", "store/", "ipam/", "overlay/", "agent/")


def allowed(path, header):
    for files, targets in ARROWS:
        m = re.match(files, path)
        if m:
            return re.match(m.expand(targets) if "\\1" in targets else targets, header) is not None
    return False


def includes(tree, path):
    text = blank(tree.text(path), strings=False)
    for m in INCLUDE.finditer(text):
        yield text.count("\n", 0, m.start(2)) + 1, m.group(1) == '"', m.group(2)


def check_one(tree, path, line, quoted, header, found):
    def bad(text):
        found.append(Finding(path, line, text))

    product = path.startswith(PRODUCT)
    if quoted:
        if header not in tree.paths:
            near = os.path.normpath(os.path.join(os.path.dirname(path), header))
            if not (path.startswith("tests/") and near in tree.paths):
                bad(f'"{header}" is no file of the project (paths start at the root)')
        if header.startswith("tests/") and product:
            bad(f"the product includes {header}")
        elif not allowed(path, header):
            bad(f"{os.path.dirname(path)} may not include {header} (DESIGN.md §2)")
    if PURE.match(path):
        if quoted and not (PURE.match(header) or re.match(PURE_BASE, header)):
            bad(f"a pure part may not include {header}")
        if not quoted and not PURE_SYSTEM.match(header):
            bad(f"a pure part may not include <{header}>")
    if product:
        for headers, files in WRAPPED:
            if re.match(headers, header) and not re.match(files, path):
                bad(f"{header} is only for {files}")


def check(tree):
    found = []
    for path in tree.c_files():
        first = True
        own = path[:-2] + ".h"
        for line, quoted, header in includes(tree, path):
            if first and path.endswith(".c") and own in tree.paths and header != own:
                found.append(Finding(path, line, f'the own header "{own}" comes first'))
            first = False
            check_one(tree, path, line, quoted, header, found)
    return found


H = "#pragma once\n"
CASES = [
    (
        "good arrows",
        {
            "base/mem.h": H,
            "base/log.h": H,
            "store/kv.h": '#include "base/mem.h"\n',
            "store/model.h": '#include "base/mem.h"\n',
            "ipam/claim.c": '#include "store/kv.h"\n#include "store/model.h"\n',
            "agent/api/body.h": H,
            "agent/ctl/main.c": '#include "agent/api/body.h"\n#include "base/log.h"\n',
            "agent/agent.c": '#include <uv.h>\n#include "store/kv.h"\n',
            "overlay/knl_link.c": "#include <libmnl/libmnl.h>\n",
            "tests/unit/test_x.c": '#include "store/kv.h"\n#include <libmnl/libmnl.h>\n',
        },
        [],
    ),
    ("base includes store", {"base/a.c": '#include "store/kv.h"\n', "store/kv.h": H}, ["may not include store/kv.h"]),
    ("store includes ipam", {"store/a.c": '#include "ipam/pool.h"\n', "ipam/pool.h": H}, ["may not include ipam"]),
    ("overlay includes store", {"overlay/a.c": '#include "store/kv.h"\n', "store/kv.h": H}, ["may not include"]),
    ("pool includes store", {"ipam/pool.c": '#include "store/kv.h"\n', "store/kv.h": H}, ["may not include"]),
    (
        "claim includes more of store than it may",
        {"ipam/claim.c": '#include "store/mirror.h"\n', "store/mirror.h": H},
        ["may not include store/mirror.h"],
    ),
    ("ctl includes store", {"agent/ctl/a.c": '#include "store/kv.h"\n', "store/kv.h": H}, ["may not include"]),
    ("ctl includes the server", {"agent/ctl/a.c": '#include "agent/api/server.h"\n', "agent/api/server.h": H}, ["may not"]),
    ("the daemon includes ctl", {"agent/a.c": '#include "agent/ctl/x.h"\n', "agent/ctl/x.h": H}, ["may not include"]),
    ("cni includes run", {"agent/cni/a.c": '#include "agent/run/x.h"\n', "agent/run/x.h": H}, ["may not include"]),
    ("product includes tests", {"agent/a.c": '#include "tests/fake/x.h"\n', "tests/fake/x.h": H}, ["the product includes"]),
    ("a path that is not from the root", {"store/a.c": '#include "kv.h"\n', "store/kv.h": H}, ["no file of the project"]),
    ("netlink in agent", {"agent/a.c": "#include <linux/rtnetlink.h>\n"}, ["is only for overlay"]),
    ("nftnl in another file of overlay", {"overlay/egress.c": "#include <libnftnl/set.h>\n"}, ["is only for"]),
    ("uv in a pure part", {"overlay/diff.c": "#include <uv.h>\n"}, ["a pure part may not include <uv.h>"]),
    ("clock in a pure part", {"agent/compile.c": '#include "base/clock.h"\n', "base/clock.h": H}, ["pure part"]),
    (
        "a pure part leans on one that is not",
        {"agent/compile.c": '#include "store/mirror.h"\n', "store/mirror.h": H},
        ["a pure part may not include store/mirror.h"],
    ),
    ("a library logs", {"store/a.c": '#include "base/log.h"\n', "base/log.h": H}, ["is only for"]),
    ("sqlite outside local", {"store/mirror.c": "#include <sqlite3.h>\n"}, ["is only for store/local"]),
    ("own header not first", {"base/a.c": '#include <errno.h>\n#include "base/a.h"\n', "base/a.h": H}, ["comes first"]),
    ("commented out is no include", {"base/a.c": '/*\n#include "store/kv.h"\n*/\n'}, []),
]

if __name__ == "__main__":
    main(check, CASES)
