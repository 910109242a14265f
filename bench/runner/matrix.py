"""What is measured: groups of clients that do the same work against the same server, and what is wanted of the ratios."""
import dataclasses
import os

from . import sdk, tools

DRIVEN, BACKGROUND = "vecmux driven", "vecmux background"
RAW, HANDOFF, CPP, PYTHON, H2 = "raw_core", "raw_core_handoff", "grpc++", "python grpcio", "h2load"
RAW_CHECKED, RAW_COPIED = "raw_core, checked pieces", "raw_core, copies"
STREAM, WALKING, DECODER = "raw_stream", "vecmux, parts walked to", "vecmux's decoder"
PINECONE_8, PINECONE_RUST, PINECONE_GO = "pinecone 8 (Python)", "pinecone newest (Rust)", "go-pinecone"
SLOW = {PYTHON, H2, PINECONE_8, PINECONE_RUST, PINECONE_GO}  # to start


@dataclasses.dataclass
class Check:
    """Wanted: the median over the rounds of ours / other, of a metric, is within a bound. With other None: the value."""
    metric: str  # "cpu_us_per_op", "ops_per_s", "p50", "mean", "allocations_per_op", "anonymous_mb"
    other: str
    bound: float
    at_least: bool = False
    row: int = 0
    floor: str = None  # a client that is subtracted from both: what they take beyond it is compared


@dataclasses.dataclass
class Group:
    name: str
    title: str
    scenario: str
    clients: list  # ours first
    arguments: list = dataclasses.field(default_factory=list)
    sink: list = dataclasses.field(default_factory=list)
    checks: list = dataclasses.field(default_factory=list)
    discards: bool = True  # the server keeps nothing: --discard
    tls: bool = False
    deciding: bool = False  # ratios are close to their bounds: more rounds, and shorter ones
    seconds_factor: float = 1.0
    warm_up_s: float = 0.0  # more than that of all
    rounds: int = 0         # 0: as all
    whole_operations: int = 0  # of a job whose seconds the report tells


def commands(build, programs, groups):
    """The command of each client of the groups, without scenario and options; or a Missing that says why there is none. What
    registries have is installed below `build`."""
    def program(name, *options):
        return lambda: [os.path.join(programs, name), *options]

    def script(name):
        return lambda: ["/usr/bin/python3", os.path.join(tools.PEERS, name)]

    makers = {DRIVEN: program("vecmux-bench", "--driven"), BACKGROUND: program("vecmux-bench"), RAW: program("raw_core"),
              RAW_CHECKED: program("raw_core", "--send", "checked"), RAW_COPIED: program("raw_core", "--send", "copied"),
              HANDOFF: program("raw_core_handoff"), STREAM: program("raw_stream"), DECODER: program("decode_alone"),
              WALKING: program("vecmux-bench", "--driven", "--source", "walking"), CPP: program("grpcpp"), PYTHON: script("python_grpcio.py"),
              H2: script("h2load.py"), PINECONE_GO: lambda: sdk.go_client(build),
              PINECONE_8: lambda: sdk.python_client(build, "pinecone-8", "pinecone[grpc]==8.1.2"),
              PINECONE_RUST: lambda: sdk.python_client(build, "pinecone-newest", "pinecone")}
    wanted = {client for group in groups for client in group.clients}
    return {client: sdk.prepare(make) for client, make in makers.items() if client in wanted}


def cpu(other, bound, row=0):
    return Check("cpu_us_per_op", other, bound, row=row)


def rate(other, bound, row=0):
    return Check("ops_per_s", other, bound, True, row)


QUERY = Group("query", "Queries of 768 values, 32 in flight, 10 matches read; one thread", "query",
              [DRIVEN, RAW, CPP, PYTHON, H2, PINECONE_8, PINECONE_RUST, PINECONE_GO], ["--in-flight", "32"], deciding=True,
              checks=[cpu(RAW, 1.15), rate(RAW, 0.9), cpu(CPP, 1.0), cpu(PINECONE_8, 0.1), cpu(PINECONE_RUST, 1.0),
                      cpu(PINECONE_GO, 1.0),
                      Check("allocations_per_op", None, 0.0)])
QUERY_BACKGROUND = Group("query-background", "The same, completions handed over by a thread in the background", "query",
                         [BACKGROUND, HANDOFF], ["--in-flight", "32"], checks=[cpu(HANDOFF, 1.10)], deciding=True)
LATENCY = Group("latency", "Queries one after the other, each waited for", "latency", [DRIVEN, RAW, CPP, PYTHON, BACKGROUND],
                checks=[Check("p50", RAW, 1.05), cpu(CPP, 1.0)], deciding=True)

UPSERT = Group("upsert", "Upserts of 768 values each, lent by the caller, 610 to a request of 1.9 MB, 8 in flight", "upsert",
               [DRIVEN, RAW, RAW_CHECKED, CPP, PYTHON, PINECONE_8, PINECONE_RUST, PINECONE_GO],
               ["--in-flight", "8", "--lend"], deciding=True,
               checks=[rate(RAW, 0.9), cpu(RAW, 1.15), rate(RAW_CHECKED, 0.9), cpu(RAW_CHECKED, 1.15), cpu(CPP, 1.0)])

UPLOAD = Group("upload", "2 GiB of made-up vectors into a repository that discards them, 4 parts of 8 MiB at a time, crc32c; an "
               "operation is a MiB", "upload", [DRIVEN, BACKGROUND, STREAM],
               ["--bytes", "2g", "--set", "memory.limit.bytes=32m"], ["--discard-blobs"],
               [rate(STREAM, 0.85), Check("anonymous_mb", None, 64.0)], discards=False)

DEFAULT = [
    QUERY,
    QUERY_BACKGROUND,
    LATENCY,
    Group("scale", "Queries by how many are in flight", "scale", [DRIVEN, BACKGROUND, RAW, CPP],
          ["--in-flight", "1,4,16,64,256,1024"], checks=[cpu(CPP, 1.0, row) for row in range(6)], rounds=3, seconds_factor=0.5),
    Group("scale-10000", "Queries, 10,000 in flight; the server keeps 9,900 open", "scale", [DRIVEN, RAW, CPP],
          ["--in-flight", "10000"], ["--discard-hold", "9900"], [cpu(RAW, 1.15), cpu(CPP, 1.0)], warm_up_s=1.3),
    UPSERT,
    Group("upsert-copied", "The same, the values copied", "upsert", [DRIVEN, RAW, RAW_COPIED, CPP], ["--in-flight", "8"],
          checks=[cpu(RAW_COPIED, 1.15), cpu(CPP, 1.0)], seconds_factor=0.5),
    Group("load", "The bulk writer, 610 vectors of 768 values to a batch of 1.9 MB, 8 in flight, lent", "load",
          [DRIVEN, BACKGROUND, RAW, RAW_CHECKED], ["--in-flight", "8", "--lend"], deciding=True,
          checks=[rate(RAW, 0.85), cpu(RAW, 1.25), rate(RAW_CHECKED, 0.85), cpu(RAW_CHECKED, 1.25)]),
    Group("load-copied", "The same, copied once", "load", [DRIVEN, BACKGROUND, RAW, RAW_COPIED], ["--in-flight", "8"],
          checks=[rate(RAW_COPIED, 0.85), cpu(RAW_COPIED, 1.25)], seconds_factor=0.5),
    UPLOAD,
    Group("upload-parts", "512 MiB of made-up vectors of 128 values, beside them 40 % deleted documents, cut into 4 to 1,024 parts",
          "upload", [DRIVEN, WALKING], ["--bytes", "512m", "--dimension", "128", "--deleted", "40", "--parts", "4,16,64,256,1024"],
          ["--discard-blobs"], [rate(WALKING, 1.2, 2), rate(WALKING, 2.5, 3), rate(WALKING, 5, 4)], discards=False, rounds=3),
    Group("download", "A built index of 128 MiB, 4 parts at a time, to a file; an operation is a MiB", "download",
          [DRIVEN, BACKGROUND, STREAM], ["--bytes", "128m", "--dimension", "4096"], checks=[rate(STREAM, 0.85)], discards=False, seconds_factor=0.5),
    Group("decode", "Replies of 100 matches with 768 values and metadata, every value read, 4 in flight", "decode",
          [DRIVEN, CPP, RAW, PYTHON, PINECONE_8, PINECONE_RUST], ["--in-flight", "4"], ["--discard-reply", "100,768,metadata"],
          [Check("cpu_us_per_op", CPP, 0.5, floor=RAW), cpu(CPP, 0.5), cpu(PINECONE_8, 0.05),
           cpu(PINECONE_RUST, 1.0), cpu(CPP, 1.0, 1)], seconds_factor=0.5, rounds=7),
    Group("decode-alone", "One such reply decoded and every value read, again and again, without a network", "decode-alone",
          [DECODER, CPP, PYTHON, PINECONE_8], sink=["--discard-reply", "100,768,metadata"],
          checks=[Check("p50", CPP, 0.5), Check("p50", PINECONE_8, 0.05)], seconds_factor=0.5),
    Group("tls", "Queries as above, over TLS", "query", [DRIVEN, RAW, CPP, PYTHON, PINECONE_RUST, PINECONE_GO],
          ["--in-flight", "32"], checks=[cpu(RAW, 1.15), cpu(CPP, 1.0), cpu(PINECONE_RUST, 1.0)], tls=True, deciding=True),
    Group("mixed", "Upserts, queries, fetches and deletes, 10:70:15:5, zipfian ids, 32 in flight", "mixed", [DRIVEN, BACKGROUND],
          rounds=3, seconds_factor=0.5),
    Group("channels", "64 queries in flight over 1 to 16 connections", "channels", [DRIVEN, BACKGROUND], rounds=3,
          seconds_factor=0.5),
]


def pinecone_cell(name, title, tls):
    """The cell that Pinecone publishes for its Python clients (docs/guides/performance.md of pinecone-io/python-sdk): 10,000
    vectors of 1536 values in batches of 100. An operation is a batch, so the whole is 100 operations."""
    return Group(name, title, "upsert", [DRIVEN, CPP, PINECONE_8, PINECONE_RUST, PINECONE_GO],
                 ["--dimension", "1536", "--batch", "100", "--in-flight", "1,4,8,16,32"], tls=tls, rounds=3, seconds_factor=0.25,
                 whole_operations=100)


FULL = DEFAULT + [
    dataclasses.replace(UPLOAD, name="upload-10g", title=UPLOAD.title.replace("2 GiB", "10 GiB"), rounds=3,
                        arguments=["--bytes", "10g", "--set", "memory.limit.bytes=32m"]),
    pinecone_cell("pinecone-cell", "Upserts of 100 vectors of 1536 values, as in Pinecone's published figures", False),
    pinecone_cell("pinecone-cell-tls", "The same over TLS", True),
]

# Bounds that hold on a busy machine too: they find what has become much worse.
QUICK = [
    dataclasses.replace(QUERY, clients=[DRIVEN, RAW],
                        checks=[cpu(RAW, 2.0), rate(RAW, 0.5), Check("allocations_per_op", None, 1.0)]),
    dataclasses.replace(QUERY_BACKGROUND, checks=[cpu(HANDOFF, 2.0)]),
    dataclasses.replace(LATENCY, clients=[DRIVEN, RAW], checks=[Check("p50", RAW, 2.0)]),
    dataclasses.replace(UPSERT, clients=[DRIVEN, RAW], checks=[cpu(RAW, 2.5), rate(RAW, 0.4)]),
]
