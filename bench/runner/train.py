"""Builds that are optimized for what vecmux is used for: built to count, run for a moment, built again from the counts (GCC's
profile-guided optimization). All that is compiled here is trained, the floors and the C++ peer too."""
import glob
import hashlib
import os
import subprocess
import sys

from . import tools

SOURCES = ("CMakeLists.txt", "cmake", "include", "proto", "src", "bench")
SUFFIXES = (".txt", ".cmake", ".c", ".h", ".cc", ".proto")
RUN_LIMIT_S = 60
RECORDS = ["--discard-reply", "100,768,metadata"]
TRANSFERS = [["upload", "--bytes", "64m"], ["download", "--bytes", "16m", "--dimension", "1024"]]

# (what vecmuxd is told, scenarios): each for the clients that know it.
CALLS = [
    (["--discard"], [["query"], ["query", "--in-flight", "1000"], ["latency"], ["upsert"], ["upsert", "--lend"], ["load"],
                     ["load", "--lend"]]),
    (["--discard", *RECORDS], [["decode", "--in-flight", "4"]]),
]


def digest():
    """Of all that is compiled."""
    total = hashlib.sha256()
    for source in SOURCES:
        top = os.path.join(tools.ROOT, source)
        names = [top] if os.path.isfile(top) else sorted(glob.glob(os.path.join(top, "**"), recursive=True))
        for name in names:
            if name.endswith(SUFFIXES):
                with open(name, "rb") as file:
                    total.update(os.path.relpath(name, tools.ROOT).encode() + b"\0" + file.read())
    return total.hexdigest()


def run(programs, endpoint, program, arguments):
    path = os.path.join(programs, program)
    if not os.path.exists(path):  # the C++ peer, without gRPC C++
        return
    done = subprocess.run([path, *arguments, "--endpoint", endpoint], capture_output=True, text=True, timeout=RUN_LIMIT_S,
                          check=False)
    if done.returncode != 0:
        sys.exit(f"bench/train: {program} {' '.join(arguments)}: {done.stderr}")


def practise(programs):
    for told, scenarios in CALLS:
        with tools.Sink(programs, told) as sink:
            for scenario in scenarios:
                timed = [*scenario, "--seconds", "0.5", "--warm-up", "0.1"]
                run(programs, sink.endpoint, "vecmux-bench", timed)
                run(programs, sink.endpoint, "vecmux-bench", [*timed, "--driven"])
                for peer in ("raw_core", "raw_core_handoff") + (("grpcpp",) if scenario[0] != "load" else ()):
                    run(programs, sink.endpoint, peer, timed)
    for told, transfer in zip((["--discard-blobs"], []), TRANSFERS):
        with tools.Sink(programs, told) as sink:
            run(programs, sink.endpoint, "vecmux-bench", transfer)
            run(programs, sink.endpoint, "vecmux-bench", [*transfer, "--driven"])
            run(programs, sink.endpoint, "raw_stream", transfer)


def build(directory):
    """Gives the directory of the programs; trains again only when something that is compiled has changed."""
    note, now = os.path.join(directory, "trained"), digest()
    if os.path.exists(note):
        with open(note, encoding="ascii") as file:
            if file.read() == now:
                return tools.build(directory, "-DVECMUX_PROFILE=use")
        os.remove(note)
    for counts in glob.glob(os.path.join(directory, "**", "*.gcda"), recursive=True):
        os.remove(counts)
    practise(tools.build(directory, "-DVECMUX_PROFILE=generate"))
    programs = tools.build(directory, "-DVECMUX_PROFILE=use")
    with open(note, "w", encoding="ascii") as file:
        file.write(now)
    return programs
