#!/usr/bin/python3
"""docs/CONFIGURATION.md and docs/STATISTICS.md are what `vecmux config --markdown` and `vecmux metrics --markdown` print.

usage: manual.py ROOT VECMUX
"""
import difflib
import subprocess
import sys

import source

MANUALS = {"docs/engines.md": ("engines", "## qdrant\n"), "docs/CONFIGURATION.md": ("config", "## endpoint\n"), "docs/STATISTICS.md": ("metrics", "## vecmux_calls_total\n")}


def check(root, vecmux, path, command, sign):
    printed = subprocess.run([vecmux, command, "--markdown"], capture_output=True, text=True, check=True).stdout
    committed = source.read(root, path)
    for line in difflib.unified_diff(committed.splitlines(), printed.splitlines(), path, f"vecmux {command} --markdown",
                                     lineterm=""):
        print(line)
    if printed != committed:
        print(f"run: build/bin/vecmux {command} --markdown > {path}")
    return printed == committed and sign in printed


def main():
    root, vecmux = sys.argv[1:3]
    good = [check(root, vecmux, path, command, sign) for path, (command, sign) in MANUALS.items()]
    return 0 if all(good) else 1


sys.exit(main())
