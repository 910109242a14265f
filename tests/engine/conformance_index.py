"""An empty index of any engine for a case of conformance.py: its operations through the public API, what the engine can
do as the command-line tool tells it, and what is expected of an answer.

VMX_DRIVER is the program of tests/peer/driver.h, VECMUX the command-line tool.
"""
import functools
import json
import os
import subprocess

DIMENSION = 4
TIMEOUT_MS = 15000  # less than the driver waits
CASES = []          # (name, needs, function)


class Skip(Exception):
    pass


def case(*needs):
    """A case with the capabilities that it needs, by name."""
    def add(function):
        CASES.append((function.__name__, needs, function))
        return function
    return add


@functools.lru_cache
def capabilities(engine):
    """{name: (can it, the engine's remark)}, as `vecmux engines --markdown` prints them."""
    page = subprocess.run([os.environ["VECMUX"], "engines", "--markdown"], check=True, capture_output=True,
                          text=True).stdout
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    column = rows[0].index(engine)
    own = page.split(f"\n## {engine}\n")[1].split("\n## ")[0]
    notes = dict([cell.strip() for cell in line.strip("|").split("|")][:2]
                 for line in own.splitlines() if line.startswith("|"))
    return {row[0]: (row[column] == "yes", notes.get(row[0], "")) for row in rows if len(row) > column and row[0]}


class Index:
    """An empty index of an engine: a collection where it has them, else a namespace. `sparse`: its records have such
    values, which Milvus then wants of each."""

    def __init__(self, engine, driver, name, sparse=False):
        self.engine = engine
        self.driver = driver
        self.place = {"collection": name}
        self.made = capabilities(engine)["ensure"][0]
        if not self.made:
            self.place = {"namespace": name}
            return
        spec = {"dimension": DIMENSION, "metric": "dotproduct", "sparse": sparse}
        self.good("ensure", **spec)
        if engine == "milvus":
            self.good("build")

    def __call__(self, op, **members):
        return self.driver(op=op, timeout_ms=TIMEOUT_MS, **self.place, **members)

    def good(self, op, **members):
        """An operation that must succeed; its answer."""
        answer = self(op, **members)
        assert answer["start"] == "VMX_OK", answer["error"]["message"]
        assert answer["status"] == "VMX_OK", answer["error"]["message"]
        return answer

    def refused(self, op, code, says="", **members):
        """An operation that must fail, before or after it is sent."""
        answer = self(op, **members)
        status = answer["start"] if answer["start"] != "VMX_OK" else answer["status"]
        codes = (code,) if isinstance(code, str) else code
        assert status in codes, f"{status}, not {code}: {answer['error']['message']}"
        assert says in answer["error"]["message"], answer["error"]["message"]

    def put(self, *vectors):
        vectors = [{"values": [1, 0, 0, 0], **vector} for vector in vectors]
        answer = self.good("upsert", vectors=vectors)
        assert answer["count"] == len(vectors), answer["count"]
        self.settle(answer)

    def settle(self, answer):
        if answer["lsn"] is not None and capabilities(self.engine)["wait visible"][0]:
            self.good("wait_visible", lsn=answer["lsn"])

    def fetch(self, *ids):
        return {match["id"]: match for match in self.good("fetch", ids=list(ids))["matches"]}

    def select(self, selection, top_k=1000):
        return {match["id"] for match in
                self.good("query", dense=[1, 1, 1, 1], top_k=top_k, filter=selection)["matches"]}

    def close(self):
        if self.made:
            self.good("drop")
        elif capabilities(self.engine)["delete namespace"][0]:
            self("delete_namespace")


def same(actual, expected):
    assert actual == expected, f"{actual!r}, not {expected!r}"


def near(actual, expected):
    assert len(actual) == len(expected) and all(abs(a - b) < 1e-5 for a, b in zip(actual, expected)), actual


def metadata(match):
    return json.loads(match["metadata"]) if match["metadata"] else {}
