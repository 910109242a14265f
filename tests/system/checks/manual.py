#!/usr/bin/python3
"""docs/CONFIGURATION.md is what `vecmux config --markdown` prints. usage: manual.py ROOT VECMUX"""
import difflib
import subprocess
import sys

import source


def main():
    root, vecmux = sys.argv[1:3]
    printed = subprocess.run([vecmux, "config", "--markdown"], capture_output=True, text=True, check=True).stdout
    committed = source.read(root, "docs/CONFIGURATION.md")
    diff = difflib.unified_diff(committed.splitlines(), printed.splitlines(), "docs/CONFIGURATION.md",
                                "vecmux config --markdown", lineterm="")
    print("\n".join(diff))
    if printed != committed:
        print("run: build/bin/vecmux config --markdown > docs/CONFIGURATION.md")
    return 0 if printed == committed and "## endpoint\n" in printed else 1


sys.exit(main())
