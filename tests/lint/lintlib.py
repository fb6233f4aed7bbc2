# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lint scripts share: walking the tree, blanking comments, reporting, the self-test.

A check is a function check(tree) that returns a list of Finding. A script ends with
    main(check, CASES)
where each case is (what it shows, {path: text}, [texts a finding must contain, "" list: no finding]).
"""
import os
import re
import sys
import tempfile

SKIP_DIRS = {"build", "__pycache__", "corpus"}


class Finding:
    def __init__(self, path, line, text, warning=False):
        self.path, self.line, self.text, self.warning = path, line, text, warning

    def __str__(self):
        kind = "warning" if self.warning else "error"
        return f"{self.path}:{self.line}: {kind}: {self.text}"


class Tree:
    """The source tree: every file outside of build and hidden folders, by path from the root."""

    def __init__(self, root):
        self.root = root
        self.paths = []
        for folder, dirs, files in os.walk(root):
            dirs[:] = sorted(d for d in dirs if d not in SKIP_DIRS and not d.startswith("."))
            for name in sorted(files):
                path = os.path.relpath(os.path.join(folder, name), root)
                if not name.startswith(".") and not os.path.islink(os.path.join(root, path)):
                    self.paths.append(path)

    def select(self, *suffixes):
        return [p for p in self.paths if p.endswith(suffixes)]

    def c_files(self):
        return self.select(".c", ".h")

    def text(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as f:
            return f.read()

    def lines(self, path):
        return self.text(path).splitlines()


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, strings=True):
    """C text with comments (and strings) blanked, so that words in them are no code; lines stay."""

    def spaces(m):
        s = m.group(0)
        if s[0] in "\"'" and not strings:
            return s
        return re.sub(r"[^\n]", " ", s)

    return TOKEN.sub(spaces, text)


def report(findings):
    for f in findings:
        print(f)
    errors = sum(not f.warning for f in findings)
    print(f"{errors} errors, {len(findings) - errors} warnings")
    return 1 if errors else 0


def self_test(check, cases):
    """Each case in a tree of its own: a lint that cannot fail proves nothing."""
    failed = 0
    for what, files, expected in cases:
        with tempfile.TemporaryDirectory(prefix="ovl-lint-") as root:
            for path, text in files.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as f:
                    f.write(text)
            found = [str(f) for f in check(Tree(root))]
        missed = [e for e in expected if not any(e in f for f in found)]
        extra = found if not expected else []
        ok = not missed and not extra
        failed += not ok
        print(f"{'ok' if ok else 'FAILED'}: {what}")
        for e in missed:
            print(f"    not found: {e}\n    findings: {found}")
        for f in extra:
            print(f"    unexpected: {f}")
    print(f"{len(cases) - failed} of {len(cases)} cases")
    return 1 if failed else 0


def main(check, cases):
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test(check, cases))
    root = sys.argv[1] if len(sys.argv) == 2 else os.path.join(os.path.dirname(__file__), "../..")
    tree = Tree(os.path.abspath(root))
    if not tree.c_files():
        print(f"no C files under {tree.root}")
        sys.exit(1)
    sys.exit(report(check(tree)))
