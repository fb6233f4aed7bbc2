#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What every file and folder carries: the licence line, a header's contract, a README."""
import os
import re

from lintlib import Finding, main

SPDX = "SPDX-License-Identifier: GPL-2.0-or-later"


def wants_spdx(tree, path):
    if path.endswith((".c", ".h", ".py", ".cmake", "CMakeLists.txt", ".sh")):
        return True
    return "." not in os.path.basename(path) and tree.text(path).startswith("#!")


def check_header(tree, path, found):
    """Line 2 on: `/*`, ` * name - what it is` (STYLE.md, Reading)."""
    name = os.path.basename(path)[:-2]
    lines = tree.lines(path)[1:3]
    if len(lines) < 2 or lines[0] != "/*" or not re.match(rf" \* {re.escape(name)} - \S", lines[1]):
        found.append(Finding(path, 2, f'a header opens with its contract: "/*", " * {name} - ..."'))


def check_folders(tree, found):
    folders = {os.path.dirname(p) for p in tree.paths}
    for folder in sorted(folders | {os.path.dirname(f) for f in folders}):
        if folder and os.path.join(folder, "README.md") not in tree.paths:
            # Folders of data (man pages, examples, units) are told of by the README above.
            if any(os.path.dirname(p) == folder and p.endswith((".c", ".h", ".py", "CMakeLists.txt")) for p in tree.paths):
                found.append(Finding(folder, 1, "no README.md: what lives here, who may use it, what it may use"))


def check(tree):
    found = []
    for path in tree.paths:
        if wants_spdx(tree, path) and not any(SPDX in line for line in tree.lines(path)[:3]):
            found.append(Finding(path, 1, f"no line {SPDX}"))
        if path.endswith(".h"):
            check_header(tree, path, found)
        if path.endswith((".c", ".h")) and tree.lines(path)[:1] != [f"/* {SPDX} */"]:
            found.append(Finding(path, 1, f"the first line is not /* {SPDX} */"))
    check_folders(tree, found)
    return found


S = f"/* {SPDX} */\n"
R = {"base/README.md": "x\n"}
CASES = [
    ("good", {**R, "base/a.h": S + "/*\n * a - a thing.\n */\n", "base/a.c": S, "tool": f"#!/bin/sh\n# {SPDX}\n"}, []),
    ("C without licence line", {**R, "base/a.c": "int a;\n"}, ["base/a.c:1: error: no line SPDX"]),
    ("script without licence line", {"deploy/x": "#!/bin/bash\ntrue\n"}, ["deploy/x:1: error: no line SPDX"]),
    ("CMake without licence line", {**R, "base/CMakeLists.txt": "add_library(a)\n"}, ["no line SPDX"]),
    ("another licence", {**R, "base/a.c": "/* SPDX-License-Identifier: MIT */\n"}, ["no line SPDX"]),
    ("header without contract", {**R, "base/a.h": S + "#pragma once\n"}, ["opens with its contract"]),
    ("header that describes another", {**R, "base/a.h": S + "/*\n * b - a thing.\n */\n"}, ["opens with its contract"]),
    ("folder without README", {"base/a.c": S}, ["base:1: error: no README.md"]),
]

if __name__ == "__main__":
    main(check, CASES)
