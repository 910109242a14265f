#!/usr/bin/python3
"""Every public header compiles alone, in C and in C++, without a warning. usage: headers.py ROOT CC CXX"""
import os
import subprocess
import sys

C = ["-std=c11", "-x", "c", "-Wstrict-prototypes"]
CXX = ["-std=c++11", "-x", "c++", "-Wold-style-cast"]
COMMON = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def main():
    root, cc, cxx = sys.argv[1:4]
    include = os.path.join(root, "include")
    headers = sorted(os.listdir(os.path.join(include, "vecmux")))
    failed = 0
    for header in headers:
        for compiler in ([cc, *C], [cxx, *CXX]):
            text = f"#include <vecmux/{header}>\n#include <vecmux/{header}>\n"
            command = [*compiler, *COMMON, f"-I{include}", "-"]
            failed += subprocess.run(command, input=text.encode(), check=False).returncode != 0
    print(f"{len(headers)} headers, {failed} failures")
    return 1 if failed or not headers else 0


sys.exit(main())
