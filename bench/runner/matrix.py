"""What is measured: groups of clients that do the same work against the same server, and what is wanted of the ratios."""
import dataclasses
import os
import sys

from . import tools

DRIVEN, BACKGROUND = "vecmux driven", "vecmux background"
RAW, HANDOFF, CPP, PYTHON, H2 = "raw_core", "raw_core_handoff", "grpc++", "python grpcio", "h2load"


@dataclasses.dataclass
class Check:
    """Wanted: the median over the rounds of ours / other, of a metric, is within a bound. With other None: the value."""
    metric: str  # "cpu_us_per_op", "ops_per_s", "p50", "allocations_per_op"
    other: str
    bound: float
    at_least: bool = False
    row: int = 0


@dataclasses.dataclass
class Group:
    name: str
    title: str
    scenario: str
    clients: list  # ours first
    arguments: list = dataclasses.field(default_factory=list)
    sink: list = dataclasses.field(default_factory=list)
    checks: list = dataclasses.field(default_factory=list)
    tls: bool = False
    seconds_factor: float = 1.0
    warm_up_s: float = 0.0  # more than that of all
    rounds: int = 0         # 0: as all


def commands(programs):
    """The command of each client, without scenario and options."""
    def program(name):
        return os.path.join(programs, name)

    def script(name):
        return ["/usr/bin/python3", os.path.join(tools.PEERS, name)]

    return {DRIVEN: [program("vecmux-bench"), "--driven"], BACKGROUND: [program("vecmux-bench")],
            RAW: [program("raw_core")], HANDOFF: [program("raw_core_handoff")], CPP: [program("grpcpp")],
            PYTHON: script("python_grpcio.py"), H2: script("h2load.py")}


def cpu(other, bound, row=0):
    return Check("cpu_us_per_op", other, bound, row=row)


def rate(other, bound, row=0):
    return Check("ops_per_s", other, bound, True, row)


QUERY = Group("query", "Queries of 768 values, 32 in flight, 10 matches read; one thread", "query",
              [DRIVEN, RAW, CPP, PYTHON, H2], ["--in-flight", "32"],
              checks=[cpu(RAW, 1.15), rate(RAW, 0.9), cpu(CPP, 1.0), cpu(PYTHON, 0.1),
                      Check("allocations_per_op", None, 0.0)])
QUERY_BACKGROUND = Group("query-background", "The same, completions handed over by a thread in the background", "query",
                         [BACKGROUND, HANDOFF], ["--in-flight", "32"], checks=[cpu(HANDOFF, 1.10)])
LATENCY = Group("latency", "Queries one after the other, each waited for", "latency", [DRIVEN, RAW, CPP, PYTHON, BACKGROUND],
                checks=[Check("p50", RAW, 1.05), cpu(CPP, 1.0)])

FULL = [
    QUERY,
    QUERY_BACKGROUND,
    LATENCY,
    Group("scale", "Queries by how many are in flight", "scale", [DRIVEN, BACKGROUND, RAW, CPP],
          ["--in-flight", "1,4,16,64,256,1024"]),
    Group("scale-10000", "Queries, 10,000 in flight; the server keeps 9,900 open", "scale", [DRIVEN, RAW, CPP],
          ["--in-flight", "10000"], ["--discard-hold", "9900"], [cpu(RAW, 1.15), cpu(CPP, 1.0)], warm_up_s=1.5),
    Group("upsert", "Upserts of 768 values each, 610 to a request of 1.9 MB, 8 in flight", "upsert",
          [DRIVEN, RAW, CPP, PYTHON], ["--in-flight", "8"],
          checks=[rate(RAW, 0.9), cpu(RAW, 1.15), cpu(CPP, 1.0)]),
    Group("decode", "Replies of 100 matches with 768 values and metadata, every value read, 4 in flight", "decode",
          [DRIVEN, CPP, RAW, PYTHON], ["--in-flight", "4"], ["--discard-reply", "100,768,metadata"],
          [cpu(CPP, 0.5), cpu(PYTHON, 0.05)]),
    Group("tls", "Queries as above, over TLS", "query", [DRIVEN, RAW, CPP, PYTHON], ["--in-flight", "32"],
          checks=[cpu(RAW, 1.15), cpu(CPP, 1.0)], tls=True),
    Group("mixed", "Upserts, queries, fetches and deletes, 10:70:15:5, zipfian ids, 32 in flight", "mixed", [DRIVEN, BACKGROUND],
          rounds=3),
    Group("channels", "64 queries in flight over 1 to 16 connections", "channels", [DRIVEN, BACKGROUND], rounds=3),
]

# Bounds that hold on a busy machine too: they find what has become much worse.
QUICK = [
    dataclasses.replace(QUERY, clients=[DRIVEN, RAW],
                        checks=[cpu(RAW, 2.0), rate(RAW, 0.5), Check("allocations_per_op", None, 8.0)]),
    dataclasses.replace(QUERY_BACKGROUND, checks=[cpu(HANDOFF, 2.0)]),
    dataclasses.replace(LATENCY, clients=[DRIVEN, RAW], checks=[Check("p50", RAW, 2.0)]),
]
