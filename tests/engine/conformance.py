#!/usr/bin/python3
"""One suite for every engine: the same cases, through the public API, and a matrix of what came of them.

usage: conformance.py [--vecmuxd] [--qdrant-stub] [ENGINE=ENDPOINT...] [--only CASE]

ENGINE is one of ours, or a server of which more is known: milvus-lite, milvus-2.3.

VMX_DRIVER is the program of tests/peer/driver.h, VECMUX the command-line tool, which tells what each engine can do: a case
that an engine cannot pass for that reason is SKIP, with the engine's own remark. A case that it cannot pass for another
reason is listed in DIFFERENCES, with the reason. Every index that is made is dropped. Exit code 0: nothing FAILed.
--qdrant-stub takes the server that QDRANT_ENDPOINT names, where it is set.
"""
import argparse
import contextlib
import functools
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peer"))
from conformance_index import CASES, DIMENSION, TIMEOUT_MS, Index, Skip  # noqa: E402
from conformance_index import capabilities, case, metadata, near, same  # noqa: E402
from driver import Driver  # noqa: E402
from vecmuxd import Vecmuxd  # noqa: E402
from qdrant_stub import QdrantStub  # noqa: E402

SERVERS = {"milvus-lite": "milvus", "milvus-2.3": "milvus"}  # these are of an engine, with differences of their own
DIFFERENCES = {  # (engine or server, case): why it cannot be
    ("pinecone", "ids_beyond_ascii"): "Pinecone takes ASCII ids only, and says so",
    ("milvus-lite", "booleans_are_no_numbers"): "milvus-lite holds true for 1 and false for 0 (docs/filters.md)",
    ("milvus-2.3", "sparse_values"): "Milvus has sparse vectors from 2.4 on; ensure says that the server refuses them",
    ("qdrant", "an_empty_list_is_there"): "to Qdrant a field with an empty list is empty, as if it were not there",
}


# --- ids --------------------------------------------------------------------------------------------------------------

IDS = ["a", "7", "007", "0", "18446744073709551615", "18446744073709551616", "-1", "1.0", "1e3", "A", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "F47AC10B-58CC-4372-A567-0E02B2C3D479",
       "f47ac10b58cc4372a5670e02b2c3d479", "it's", 'a"b', "a\\b", "a\\", "' or 1==1 or '", '" or id != "', "$in", "{}",
       "%s%n", "a\tb", "a\nb", "\x01\x7f", "/*", "--", "null", "true", "x" * 512]
UNICODE_IDS = ["ä", "a\u0308", "日本", "\U0001f600", "\u2028", "é" * 256]


def check_ids(index, ids):
    index.put(*({"id": text, "metadata": {"n": n}} for n, text in enumerate(ids)))
    for n, text in enumerate(ids):
        found = index.fetch(text)
        same(list(found), [text])
        same(metadata(found[text]), {"n": n})
    same({match["id"] for match in index.good("query", dense=[1, 0, 0, 0], top_k=1000)["matches"]}, set(ids))
    half = len(ids) // 2
    index.settle(index.good("delete", ids=ids[:half]))
    same(set(index.fetch(*ids)), set(ids[half:]))


@case()
def ids_of_every_kind(index):
    check_ids(index, IDS)


@case()
def ids_beyond_ascii(index):
    check_ids(index, UNICODE_IDS)


@case()
def ids_that_do_not_exist(index):
    index.put({"id": "a"})
    same(list(index.fetch("b", "a", "c")), ["a"])
    index.good("delete", ids=["b"])
    same(list(index.fetch("a")), ["a"])


# --- metadata ---------------------------------------------------------------------------------------------------------

METADATA = {"text": "ä\U0001f600\n\"quoted\" 'single' \\ \x01", "empty": "", "whole": 3, "negative": -7, "part": 0.1,
            "large": 9007199254740992, "tiny": 1e-300, "yes": True, "no": False, "list": ["a", "ä", ""], "none": [],
            "ключ": "значение", "a.b": 1, "with blank": 2}


@case()
def metadata_comes_back(index):
    index.put({"id": "a", "metadata": METADATA}, {"id": "b", "metadata": {}}, {"id": "c"})
    found = index.fetch("a", "b", "c")
    same(metadata(found["a"]), METADATA)
    same([metadata(found[i]) for i in "bc"], [{}, {}])
    match = index.good("query", dense=[1, 0, 0, 0], top_k=3, include_metadata=True, filter={"whole": 3})["matches"]
    same([metadata(m) for m in match], [METADATA])


@case()
def metadata_is_large(index):
    text = "x" * 30000
    index.put({"id": "a", "metadata": {"text": text}})
    same(metadata(index.fetch("a")["a"]), {"text": text})
    same(index.select({"text": text}), {"a"})
    same(index.select({"text": text + "x"}), set())


@case()
def values_come_back(index):
    values = [0.1, -2.5, 1e-30, 3e30]
    index.put({"id": "a", "values": values})
    found = index.fetch("a")["a"]["values"]
    assert all(abs(f - v) <= 1e-6 * abs(v) for f, v in zip(found, values)), found
    match = index.good("query", dense=[1, 0, 0, 0], top_k=1, include_values=True)["matches"][0]
    same(match["values"], found)
    near([match["score"]], [0.1])


# --- writing ----------------------------------------------------------------------------------------------------------

@case()
def many_records_in_one_request(index):
    rng = random.Random(7)
    index.put(*({"id": f"r{n}", "values": [rng.random() for _ in range(4)]} for n in range(1000)))
    matches = index.good("query", dense=[1, 1, 1, 1], top_k=1000)["matches"]
    same(len({match["id"] for match in matches}), 1000)
    scores = [match["score"] for match in matches]
    same(scores, sorted(scores, reverse=True))


@case()
def overwriting_replaces_all(index):
    index.put({"id": "a", "values": [1, 0, 0, 0], "metadata": {"old": 1}})
    index.put({"id": "a", "values": [0, 1, 0, 0], "metadata": {"new": 2}})
    found = index.fetch("a")["a"]
    same((found["values"], metadata(found)), ([0, 1, 0, 0], {"new": 2}))
    same(index.select({"old": {"$exists": True}}), set())
    same(len(index.good("query", dense=[1, 1, 1, 1], top_k=10)["matches"]), 1)


@case("update", "update values")
def updating_values_and_metadata(index):
    index.put({"id": "a", "metadata": {"x": 1, "y": 2}}, {"id": "b", "metadata": {"x": 1}})
    index.settle(index.good("update", id="a", values=[0, 0, 2, 0], set_metadata={"y": 3, "z": "new"}))
    found = index.fetch("a", "b")
    same((found["a"]["values"], metadata(found["a"])), ([0, 0, 2, 0], {"x": 1, "y": 3, "z": "new"}))
    same((found["b"]["values"], metadata(found["b"])), ([1, 0, 0, 0], {"x": 1}))


@case("update", "update by filter")
def updating_by_filter(index):
    index.put({"id": "a", "metadata": {"x": 1}}, {"id": "b", "metadata": {"x": 2}})
    index.settle(index.good("update", filter={"x": 2}, set_metadata={"seen": True}))
    same(index.select({"seen": True}), {"b"})


@case("delete by filter")
def deleting_by_filter(index):
    index.put(*({"id": f"r{n}", "metadata": {"n": n}} for n in range(10)))
    index.settle(index.good("delete", filter={"n": {"$gte": 3}}))
    same(index.select(""), {"r0", "r1", "r2"})
    index.refused("delete", ("VMX_ERR_INVALID", "VMX_ERR_REJECTED"), filter={})
    same(index.select(""), {"r0", "r1", "r2"})


@case("delete all")
def deleting_all(index):
    index.put(*({"id": f"r{n}"} for n in range(10)))
    index.settle(index.good("delete", all=True))
    same(index.select(""), set())
    index.put({"id": "again"})
    same(index.select(""), {"again"})


# --- reading ----------------------------------------------------------------------------------------------------------

@case("list")
def listing_in_pages(index):
    ids = {f"r{n:03}" for n in range(130)} | {"7", "8"}
    index.put(*({"id": text} for text in sorted(ids)))
    listed = index.good("list", page_size=50)["ids"]
    same((len(listed), set(listed)), (132, ids))
    seen, token = [], None
    for _ in range(10):
        page = index.good("list", page_size=40, limit=40, **({"token": token} if token else {}))
        seen += page["ids"]
        token = page["next_token"]
        if token is None:
            break
    same((len(seen), set(seen)), (132, ids))


@case("list", "list prefix")
def listing_by_prefix(index):
    index.put(*({"id": text} for text in ("a1", "a2", "b1", "a", "A1")))
    same(sorted(index.good("list", prefix="a")["ids"]), ["a", "a1", "a2"])


@case("fetch by filter")
def fetching_by_filter_in_pages(index):
    index.put(*({"id": f"r{n}", "metadata": {"even": n % 2 == 0}} for n in range(50)))
    seen, token = [], None
    for _ in range(20):
        page = index.good("fetch", filter={"even": True}, limit=10, **({"token": token} if token else {}))
        seen += [match["id"] for match in page["matches"]]
        token = page["next_token"]
        if token is None:
            break
    same((len(seen), set(seen)), (25, {f"r{n}" for n in range(0, 50, 2)}))


@case("query by id")
def querying_by_id(index):
    index.put({"id": "a", "values": [1, 0, 0, 0]}, {"id": "b", "values": [2, 1, 0, 0]}, {"id": "c", "values": [0, 0, 0, 1]})
    matches = index.good("query", id="a", top_k=2)["matches"]
    same([match["id"] for match in matches], ["b", "a"])


@case("batch query")
def querying_in_batches(index):
    index.put({"id": "a", "values": [1, 0, 0, 0]}, {"id": "b", "values": [0, 1, 0, 0]})
    answer = index.good("batch_query", queries=[{"dense": [1, 0, 0, 0], "top_k": 1}, {"dense": [0, 1, 0, 0], "top_k": 1}])
    same([match["id"] for match in answer["matches"]], ["a", "b"])
    same(answer["query_counts"], [1, 1])


@case("count")
def counting(index):
    index.put(*({"id": f"r{n}", "metadata": {"n": n}} for n in range(20)))
    same(index.good("count")["count"], 20)
    same(index.good("count", filter={"n": {"$lt": 5}})["count"], 5)


@case("sparse values")
def sparse_values(index):
    if not index.made:
        raise Skip("a dense index of Pinecone's takes sparse queries only together with dense ones")
    index.put({"id": "a", "sparse": {"indices": [1, 4294967290], "values": [0.5, 2]}},
              {"id": "b", "sparse": {"indices": [1, 7], "values": [1, 4]}})
    matches = index.good("query", sparse={"indices": [1], "values": [2]}, top_k=5, include_values=True)["matches"]
    same([(match["id"], match["score"]) for match in matches], [("b", 2), ("a", 1)])
    same(matches[1]["sparse"], {"indices": [1, 4294967290], "values": [0.5, 2]})


@case("hybrid query", "sparse values")
def dense_and_sparse_together(index):
    index.put({"id": "a", "values": [1, 0, 0, 0], "sparse": {"indices": [5], "values": [3]}}, {"id": "b", "values": [2, 0, 0, 0]})
    matches = index.good("query", dense=[1, 0, 0, 0], sparse={"indices": [5], "values": [1]}, top_k=2)["matches"]
    same([(match["id"], match["score"]) for match in matches], [("a", 4), ("b", 2)])


# --- filters ----------------------------------------------------------------------------------------------------------

STORED = {
    "one": {"genre": "drama", "year": 1999, "tags": ["a", "b"], "seen": True, "rate": 1.5},
    "two": {"genre": "comedy", "year": 2005, "tags": ["b"], "seen": False, "rate": -2},
    "three": {"genre": "dra", "year": 2005.5, "tags": [], "a.b": 1, "with blank": "x", "ä": "ö"},
    "four": {"year": "2005", "genre": "it's \"so\" \\ or 1==1"},
    "bare": {},
}
EVERY = set(STORED)
FILTERS = [
    ({"genre": "drama"}, {"one"}), ({"genre": {"$eq": "dra"}}, {"three"}), ({"genre": "Drama"}, set()),
    ({"genre": {"$ne": "drama"}}, EVERY - {"one"}), ({"genre": {"$in": ["drama", "comedy", "none"]}}, {"one", "two"}),
    ({"genre": {"$in": []}}, set()), ({"genre": {"$nin": []}}, EVERY),
    ({"genre": {"$nin": ["drama", "comedy"]}}, {"three", "four", "bare"}),
    ({"year": 2005}, {"two"}), ({"year": "2005"}, {"four"}), ({"year": {"$ne": 2005}}, EVERY - {"two"}),
    ({"year": {"$gt": 1999}}, {"two", "three"}), ({"year": {"$gte": 1999, "$lt": 2005.5}}, {"one", "two"}),
    ({"year": {"$lte": 2005.5}}, {"one", "two", "three"}), ({"year": {"$in": [1999, "2005", 7.5]}}, {"one", "four"}),
    ({"rate": {"$lt": 0}}, {"two"}), ({"rate": 1.5}, {"one"}), ({"rate": {"$eq": -2.0}}, {"two"}),
    ({"seen": True}, {"one"}), ({"seen": False}, {"two"}), ({"seen": {"$ne": True}}, EVERY - {"one"}),
    ({"seen": "true"}, set()),
    ({"tags": "b"}, {"one", "two"}), ({"tags": {"$ne": "b"}}, {"three", "four", "bare"}),
    ({"tags": {"$in": ["a", "z"]}}, {"one"}), ({"tags": {"$nin": ["a"]}}, EVERY - {"one"}), ({"tags": {"$gt": 0}}, set()),
    ({"seen": {"$exists": True}}, {"one", "two"}), ({"seen": {"$exists": False}}, {"three", "four", "bare"}),
    ({"year": {"$not": {"$gt": 2000}}}, {"one", "four", "bare"}), ({"year": {"$not": {"$not": {"$gt": 2000}}}}, {"two", "three"}),
    ({"$or": [{"genre": "drama"}, {"year": 2005}]}, {"one", "two"}), ({"$and": [{"genre": "drama"}, {"year": 2005}]}, set()),
    ({"$and": [{"$or": [{"seen": True}, {"seen": False}]}, {"rate": {"$gt": 0}}]}, {"one"}),
    ({"genre": "drama", "seen": True}, {"one"}), ({}, EVERY),
    ({"a.b": 1}, {"three"}), ({"with blank": "x"}, {"three"}), ({"ä": "ö"}, {"three"}),
    ({"genre": "it's \"so\" \\ or 1==1"}, {"four"}),
]
INJECTIONS = ["' or 1==1 or '", '" or 1==1 or "', '"] or true or [', "\\", "\\\"", "\\' or true #", "a' || 'b", "*", "%", "_",
              "\x01\x02\x1f", "\n or 1==1", "\u2028", "') or (1==1", "{{x}}", "${x}", "$eq", "json_contains(1,1)", "a\tb",
              "\x7f", "\\u0022", "or 1==1", "drama' --", "/**/", "x" * 1000000]


@case()
def filters_mean_the_same(index):
    index.put(*({"id": name, "metadata": metadata} for name, metadata in STORED.items()))
    for selection, expected in FILTERS:
        found = index.select(selection)
        assert found == expected, f"{selection}: {sorted(found)}, not {sorted(expected)}"


@case()
def booleans_are_no_numbers(index):
    index.put({"id": "yes", "metadata": {"x": True}}, {"id": "no", "metadata": {"x": False}},
              {"id": "one", "metadata": {"x": 1}}, {"id": "zero", "metadata": {"x": 0}})
    for selection, expected in (({"x": True}, {"yes"}), ({"x": False}, {"no"}), ({"x": 1}, {"one"}), ({"x": 0}, {"zero"}),
                                ({"x": {"$gte": 0}}, {"one", "zero"}), ({"x": {"$ne": True}}, {"no", "one", "zero"})):
        same(index.select(selection), expected)


@case()
def what_is_no_number_is_in_no_order(index):
    index.put(*({"id": name, "metadata": {"x": x}} for name, x in
                {"two": 2, "text": "2", "none": "", "list": ["2"], "empty": []}.items()), {"id": "bare"})
    rest = {"text", "none", "list", "empty", "bare"}
    same(index.select({"x": {"$gt": 1}}), {"two"})
    same(index.select({"x": {"$not": {"$gt": 1}}}), rest)
    same(index.select({"x": {"$not": {"$lte": 1}}}), rest | {"two"})


@case()
def an_empty_list_is_there(index):
    index.put({"id": "empty", "metadata": {"tags": []}}, {"id": "bare"})
    same(index.select({"tags": {"$exists": True}}), {"empty"})


@case()
def values_cannot_change_a_filter(index):
    index.put(*({"id": name, "metadata": metadata} for name, metadata in STORED.items()))
    for text in INJECTIONS:
        for selection in ({"genre": text}, {"genre": {"$in": [text, "none"]}}, {"tags": text}):
            found = index.select(selection)
            assert found == set(), f"{selection!r:.100}: {sorted(found)}"
        same(index.select({"genre": {"$ne": text}}), EVERY)
    for name in INJECTIONS[:-1]:
        answer = index("query", dense=[1, 1, 1, 1], top_k=10, filter={name: "drama"})
        status = answer["start"] if answer["start"] != "VMX_OK" else answer["status"]
        good = status in ("VMX_ERR_INVALID", "VMX_ERR_UNSUPPORTED") or (status == "VMX_OK" and not answer["matches"])
        assert good, f"{name!r}: {answer}"


# --- errors -----------------------------------------------------------------------------------------------------------

@case()
def wrong_input_is_refused_here(index):
    index.put({"id": "a"})
    index.refused("query", "VMX_ERR_INVALID", "top_k 0", dense=[1, 0, 0, 0], top_k=0)
    index.refused("query", "VMX_ERR_INVALID", "nothing to look for", top_k=1)
    index.refused("query", "VMX_ERR_INVALID", "$regex", dense=[1, 0, 0, 0], top_k=1, filter={"a": {"$regex": "x"}})
    index.refused("query", "VMX_ERR_INVALID", "$exists", dense=[1, 0, 0, 0], top_k=1, filter={"a": None})
    index.refused("upsert", "VMX_ERR_INVALID", "the id is empty", vectors=[{"id": "", "values": [1, 0, 0, 0]}])
    index.refused("upsert", "VMX_ERR_INVALID", "is NaN", vectors=[{"id": "x", "values": [1, "nan", 0, 0]}])
    index.refused("fetch", "VMX_ERR_INVALID", "neither")
    same(set(index.select("")), {"a"})


@case()
def wrong_dimension_is_refused_there(index):
    index.put({"id": "a"})
    index.refused("upsert", ("VMX_ERR_REJECTED", "VMX_ERR_INVALID"), vectors=[{"id": "b", "values": [1, 2]}])
    index.refused("query", ("VMX_ERR_REJECTED", "VMX_ERR_INVALID"), dense=[1, 2], top_k=1)
    same(set(index.select("")), {"a"})


@case("ensure")
def ensure_verifies(index):
    index.good("ensure", dimension=DIMENSION, metric="dotproduct")
    index.refused("ensure", "VMX_ERR_ALREADY_EXISTS", "4", dimension=5, metric="dotproduct")
    index.refused("ensure", "VMX_ERR_ALREADY_EXISTS", "dotproduct", dimension=DIMENSION, metric="cosine")
    index.refused("ensure", "VMX_ERR_INVALID", "is none", dimension=DIMENSION, metric="l7")


@case("ensure", "drop", "describe", "list indexes")
def making_and_dropping(index):
    other = {"collection": index.place["collection"] + "x"}
    run = functools.partial(index.driver, timeout_ms=TIMEOUT_MS, **other)
    same(run(op="ensure", dimension=3, metric="euclidean")["status"], "VMX_OK")
    state = run(op="describe")["state"]
    same((state["dimension"], state["metric"]), (3, "euclidean"))
    assert other["collection"] in run(op="list_indexes")["ids"]
    same(run(op="drop")["status"], "VMX_OK")
    same(run(op="drop")["status"], "VMX_OK")
    assert other["collection"] not in run(op="list_indexes")["ids"]
    same(run(op="describe")["status"], "VMX_ERR_NOT_FOUND")


@case("build")
def building(index):
    index.put(*({"id": f"r{n}", "values": [n, 1, 0, 0]} for n in range(100)))
    answer = index.good("build")
    same(answer["build"]["state"], "READY")
    same(index.good("query", dense=[1, 0, 0, 0], top_k=1)["matches"][0]["id"], "r99")


@case("flush")
def flushing(index):
    index.put({"id": "a"})
    index.good("flush")
    same(set(index.select("")), {"a"})


@case()
def what_is_not_there_is_unsupported(index):
    members = {"count": {}, "flush": {}, "batch query": {"queries": [{"dense": [1, 0, 0, 0], "top_k": 1}]}, "build": {},
               "create namespace": {}, "list namespaces": {}, "update": {"id": "a", "set_metadata": {"x": 1}}}
    for name, arguments in members.items():
        if not capabilities(index.engine)[name][0]:
            index.refused(name.replace(" ", "_"), "VMX_ERR_UNSUPPORTED", f"{name}: the engine {index.engine}", **arguments)


# --- running ----------------------------------------------------------------------------------------------------------

def run_case(server, engine, driver, name, needs, function):
    """(PASS, SKIP or FAIL, why)"""
    difference = DIFFERENCES.get((server, name), DIFFERENCES.get((engine, name)))
    if difference is not None:
        return "SKIP", difference
    for need in needs:
        can, note = capabilities(engine)[need]
        if not can:
            return "SKIP", f"{need}: {note or 'the engine cannot'}"
    index = None
    try:
        index = Index(engine, driver, f"conformance_{os.getpid()}_{name}"[:60], "sparse values" in needs)
        function(index)
        return "PASS", ""
    except Skip as skip:
        return "SKIP", str(skip)
    except AssertionError as failure:
        return "FAIL", str(failure)[:300]
    finally:
        if index is not None:
            with contextlib.suppress(AssertionError):
                index.close()


def run_engine(server, engine, endpoint, only):
    with Driver(engine=engine, endpoint=endpoint, tls="off") as driver:
        assert driver.opened.get("start") == "VMX_OK", driver.opened
        return {name: run_case(server, engine, driver, name, needs, function) for name, needs, function in CASES
                if only in (None, name)}


def print_matrix(results):
    print("| case | " + " | ".join(results) + " |")
    print("|---|" + "---|" * len(results))
    for name, _, _ in CASES:
        cells = [result.get(name, ("", ""))[0] for result in results.values()]
        if any(cells):
            print(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    for engine, result in results.items():
        for name, (outcome, why) in result.items():
            if outcome != "PASS":
                print(f"{outcome} {engine}: {name}: {why}")


def add_server_options(parser):
    parser.add_argument("server", nargs="*", help="ENGINE=ENDPOINT")
    parser.add_argument("--vecmuxd", action="store_true", help="a vecmuxd of its own, as tests/peer/vecmuxd.py finds it")
    parser.add_argument("--qdrant-stub", action="store_true")


def servers(arguments, stack):
    """(label, engine, endpoint) of each."""
    for text in arguments.server:
        server, endpoint = text.split("=", 1)
        yield server, SERVERS.get(server, server), endpoint
    if arguments.vecmuxd:
        server = stack.enter_context(Vecmuxd("--metric", "dotproduct", "--dimension", str(DIMENSION)))
        yield "vecmuxd", "pinecone", server.target
    if arguments.qdrant_stub and "QDRANT_ENDPOINT" in os.environ:
        yield "qdrant", "qdrant", os.environ["QDRANT_ENDPOINT"]
    elif arguments.qdrant_stub:
        for form in ("old", "new"):
            yield f"qdrant stub, {form} vectors", "qdrant", stack.enter_context(QdrantStub(form=form)).target


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_server_options(parser)
    parser.add_argument("--only", help="one case")
    arguments = parser.parse_args(words)
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        results = {label: run_engine(label, engine, endpoint, arguments.only)
                   for label, engine, endpoint in servers(arguments, stack)}
    print_matrix(results)
    outcomes = [outcome for result in results.values() for outcome, _ in result.values()]
    print(", ".join(f"{outcomes.count(o)} {o}" for o in ("PASS", "SKIP", "FAIL")), f"in {time.monotonic() - started:.1f} s")
    return 1 if "FAIL" in outcomes or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
