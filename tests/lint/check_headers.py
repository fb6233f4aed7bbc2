#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every header compiles alone: it includes what it needs, whatever came before it."""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from lintlib import Finding, main

LIBS = "libnl-route-3.0 libmicrohttpd libcurl libuv libmnl libnftnl libcyaml sqlite3 libcjson".split()


def cflags():
    out = subprocess.run(["pkg-config", "--cflags", *LIBS], capture_output=True, text=True, check=True)
    return out.stdout.split()


def compile_alone(args):
    tree, path, flags = args
    cmd = ["gcc", "-std=gnu17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE=", "-I", tree.root]
    # Through -include: `#pragma once in main file` is a warning of its own.
    cmd += flags + ["-include", os.path.join(tree.root, path), "-x", "c", "/dev/null"]
    out = subprocess.run(cmd, capture_output=True, text=True)
    if out.returncode == 0:
        return []
    errors = [line for line in out.stderr.splitlines() if "error" in line]
    return [Finding(path, 1, "does not compile alone: " + (errors or ["?"])[0].replace(tree.root + "/", ""))]


def check(tree):
    flags = cflags()
    found = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(compile_alone, [(tree, p, flags) for p in tree.select(".h")]):
            found += one
    for path in tree.select(".h"):
        if "#pragma once" not in tree.text(path):
            found.append(Finding(path, 1, "no #pragma once"))
    return found


P = "#pragma once\n"
CASES = [
    ("stands alone", {"base/a.h": P + "#include <stdint.h>\nuint8_t f(void);\n"}, []),
    ("lacks an include", {"base/a.h": P + "uint8_t f(void);\n"}, ["does not compile alone"]),
    ("through another header", {"base/a.h": P + "#include <stddef.h>\n", "base/b.h": P + '#include "base/a.h"\nsize_t g(void);\n'}, []),
    ("includes a file that is not there", {"base/a.h": P + '#include "base/none.h"\n'}, ["does not compile alone"]),
    ("a warning", {"base/a.h": P + "static int unused(void) { int x; return 0; }\n"}, ["does not compile alone"]),
    ("no guard", {"base/a.h": "int f(void);\n"}, ["no #pragma once"]),
]

if __name__ == "__main__":
    main(check, CASES)
