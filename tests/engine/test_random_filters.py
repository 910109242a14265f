#!/usr/bin/python3
"""500 random filters over 5,000 records: every engine selects the ids that an evaluation in Python does, which knows
nothing of ours (tests/server/test_filters.py). usage: test_random_filters.py, with the servers of conformance.py
"""
import argparse
import contextlib
import json
import os
import random
import subprocess
import sys

from conformance import add_server_options, servers
from conformance_index import Index
from driver import Driver
from test_filters import OPERATORS, matches, random_filter, random_metadata

RECORDS = 5000
STUB_RECORDS = 300  # the stub evaluates filters in Python too
FILTERS = 500
LIMIT_S = 150  # milvus-lite takes 0.1 s of CPU for a filter
# where engines and servers differ (docs/filters.md): to these a field with an empty list is as if it were not there,
EMPTY_LIST_IS_MISSING = {"qdrant"}
# and to these true is 1 and false is 0
BOOLEANS_ARE_NUMBERS = {"milvus-lite"}


def without_booleans(value):
    """The same metadata or filter with numbers in their place; the operand of $exists is no value."""
    if isinstance(value, dict):
        return {key: inner if key == "$exists" else without_booleans(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_booleans(item) for item in value]
    return int(value) if isinstance(value, bool) else value


def as_seen(server, engine, metadata, selections):
    """Metadata and filters as the server takes them."""
    if server in BOOLEANS_ARE_NUMBERS:
        metadata, selections = without_booleans(metadata), without_booleans(selections)
    if engine in EMPTY_LIST_IS_MISSING:
        metadata = {name: {key: value for key, value in own.items() if value != []} for name, own in metadata.items()}
    return metadata, selections


def load(index, records):
    ids = list(records)
    for first in range(0, len(ids), 500):
        index.put(*({"id": name, "values": [1, 0, 0, 0], "metadata": records[name]} for name in ids[first:first + 500]))


def ask(index, endpoint, selections):
    """The ids that each selects, by the command-line tool: one process, a query a line."""
    lines = "".join(json.dumps({"vector": [1, 0, 0, 0], "filter": selection}) + "\n" for selection in selections)
    place = [text for name, value in index.place.items() for text in (f"--{name}", value)]
    done = subprocess.run([os.environ["VECMUX"], "query", "--endpoint", endpoint, "--set", f"engine={index.engine}",
                           "--set", "tls=off", "--top-k", str(RECORDS), *place], input=lines, capture_output=True,
                          text=True, timeout=LIMIT_S * float(os.environ.get("VMX_TEST_SLOW", "1")), check=False)
    assert done.returncode == 0, done.stderr
    return [{match["id"] for match in json.loads(line)["matches"]} for line in done.stdout.splitlines()]


def check(label, engine, endpoint, records, selections):
    with Driver(engine=engine, endpoint=endpoint, tls="off") as driver:
        index = Index(engine, driver, f"filters_{os.getpid()}")
        try:
            load(index, records)
            answers = ask(index, endpoint, selections)
        finally:
            index.close()
    stored, wanted = as_seen(label, engine, records, selections)
    selective = 0
    for selection, found in zip(wanted, answers, strict=True):
        expected = {name for name, metadata in stored.items() if matches(metadata, selection)}
        assert found == expected, f"{label}: {json.dumps(selection)}: {len(found ^ expected)} ids differ"
        selective += 0 < len(expected) < len(records)
    assert selective > FILTERS / 4, selective
    print(f"{label}: {len(answers)} filters over {len(records)} records, {selective} of them selective: the same ids")


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add_server_options(parser)
    arguments = parser.parse_args(words)
    rng = random.Random(20261122)
    records = {f"r{n}": random_metadata(rng) for n in range(RECORDS)}
    selections = [random_filter(rng) for _ in range(FILTERS)]
    assert all(f"'{operator}'" in str(selections) for operator in (*OPERATORS, "$and", "$or"))
    with contextlib.ExitStack() as stack:
        for label, engine, endpoint in servers(arguments, stack):
            few = dict(list(records.items())[:STUB_RECORDS])
            check(label, engine, endpoint, few if "stub" in label else records, selections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
