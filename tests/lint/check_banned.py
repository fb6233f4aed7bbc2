#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that are not made, each with what to use instead; and places for those made in one place only."""
import re

from lintlib import Finding, blank, main

PRODUCT = ("base/", "store/", "ipam/", "overlay/", "agent/")
EVERYWHERE = {
    "gets": "fgets",
    "strcpy": "snprintf or mem_strdup",
    "strcat": "buf_puts",
    "stpcpy": "snprintf",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "strtok": "strv_split",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
}
PRODUCT_ONLY = {
    "system": "netlink, or a library",
    "popen": "netlink, or a library",
    "atoi": "strtoul with its end looked at, or json_get_u64",
    "atol": "strtoul with its end looked at",
    "atoll": "strtoull with its end looked at",
    "atof": "strtod with its end looked at",
    "sleep": "a timer of the loop",
    "usleep": "a timer of the loop",
    "strncpy": "snprintf or mem_strndup: it leaves texts without an end",
    "alloca": "mem_alloc",
    "rand": "backoff_rand",
    "random": "backoff_rand",
    "gethostbyname": "curl resolves names",
    "inet_aton": "ip_parse",
    "inet_ntoa": "ip_format",
}
# DESIGN.md §6: only these enter or make namespaces; ctl for `exec` alone.
PLACES = {
    "setns": r"overlay/netns\.c$|agent/run/|agent/ctl/[a-z_]*exec[a-z_]*\.c$",
    "unshare": r"overlay/netns\.c$|agent/run/",
    "clone": r"overlay/netns\.c$|agent/run/",
    "pthread_create": r"$^",
    "uv_thread_create": r"$^",
}
# A member (x.sleep()) or a longer name is another function; a definition or declaration counts too.
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")
MARK = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def check(tree):
    found = []
    for path in tree.c_files():
        product = path.startswith(PRODUCT)
        text = tree.text(path)
        for i, line in enumerate(blank(text).split("\n"), 1):
            for name in CALL.findall(line):
                instead = EVERYWHERE.get(name) or (product and PRODUCT_ONLY.get(name))
                if instead:
                    found.append(Finding(path, i, f"{name}() is banned: use {instead}"))
                if product and name in PLACES and not re.match(PLACES[name], path):
                    found.append(Finding(path, i, f"{name}() is not for this file (DESIGN.md §6)"))
        for i, line in enumerate(text.split("\n"), 1):
            m = MARK.search(line)
            if m:
                found.append(Finding(path, i, f"{m.group(1)}: do it, or open an issue"))
    return found


CASES = [
    ("good", {"base/a.c": 'int f(void)\n{\n\treturn snprintf(b, 4, "system(x)"); /* no strcpy() */\n}\n'}, []),
    ("a longer name", {"base/a.c": "my_system(1); obj->sleep(2); filesystem(3);\n"}, []),
    ("system", {"agent/a.c": 'system("ls");\n'}, ["system() is banned"]),
    ("popen", {"overlay/a.c": 'popen ("ls", "r");\n'}, ["popen() is banned"]),
    ("sprintf in a test", {"tests/unit/a.c": 'sprintf(b, "x");\n'}, ["sprintf() is banned"]),
    ("strcpy", {"base/a.h": "strcpy(a, b);\n"}, ["strcpy() is banned"]),
    ("several in a line", {"base/a.c": "x = atoi(s) + atoi(t); strcat(a, b);\n"}, ["atoi()", "strcat()"]),
    ("a test may run a program", {"tests/netns/a.c": 'system("ip link");\n'}, []),
    ("sleep", {"agent/a.c": "usleep(5);\n"}, ["usleep() is banned"]),
    ("setns in its place", {"overlay/netns.c": "setns(fd, 0);\n", "agent/run/ns.c": "setns(fd, 0);\n"}, []),
    ("setns elsewhere", {"agent/endpoint.c": "setns(fd, 0);\n"}, ["setns() is not for this file"]),
    ("a thread", {"agent/a.c": "pthread_create(&t, NULL, f, NULL);\n"}, ["pthread_create() is not"]),
    ("a promise", {"base/a.c": "/* TO" + "DO: later */\n"}, ["do it, or open an issue"]),
]

if __name__ == "__main__":
    main(check, CASES)
