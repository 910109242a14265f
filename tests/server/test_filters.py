"""Filters with every operator on random records, against an evaluation of its own in Python."""
import random
import unittest

from server_case import ServerCase, struct, vector

FIELDS = ("text", "number", "flag", "tags", "mixed")
TEXTS = ("", "a", "b", "ab", "ä", "drama", 'a"b', "c\\d", "x'y", "line\nfeed", "%", "1", "' or 1==1 or '")
NUMBERS = (-1.5, 0, 1, 2, 2020, 1e300)


def random_metadata(rng):
    metadata = {}
    if rng.random() < 0.8:
        metadata["text"] = rng.choice(TEXTS)
    if rng.random() < 0.8:
        metadata["number"] = rng.choice(NUMBERS)
    if rng.random() < 0.8:
        metadata["flag"] = rng.random() < 0.5
    if rng.random() < 0.8:
        metadata["tags"] = [rng.choice(TEXTS) for _ in range(rng.randrange(4))]
    metadata["mixed"] = rng.choice([rng.choice(TEXTS), rng.choice(NUMBERS), True, False, ["a", "b"]])
    return metadata


def random_scalar(rng, booleans=True):
    return rng.choice([rng.choice(TEXTS), rng.choice(NUMBERS), *((True, False) if booleans else ())])


def random_condition(rng, depth):
    operator = rng.choice(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$not"])
    if operator == "$not":
        return {operator: random_condition(rng, depth - 1) if depth > 0 else {"$eq": "a"}}
    if operator in ("$in", "$nin"):
        return {operator: [random_scalar(rng, booleans=False) for _ in range(rng.randrange(4))]}
    if operator == "$exists":
        return {operator: rng.random() < 0.5}
    if operator in ("$eq", "$ne"):
        return {operator: random_scalar(rng)}
    return {operator: rng.choice(NUMBERS)}


def random_filter(rng, depth=3):
    kind = rng.random()
    if depth > 0 and kind < 0.35:
        return {rng.choice(["$and", "$or"]): [random_filter(rng, depth - 1) for _ in range(rng.randrange(1, 4))]}
    if kind < 0.5:
        return {rng.choice(FIELDS): random_scalar(rng)}
    condition = {}
    for _ in range(rng.randrange(1, 3)):
        condition.update(random_condition(rng, depth))
    return {field: condition for field in rng.sample(FIELDS, rng.randrange(1, 3))}


def same(a, b):
    return isinstance(a, bool) == isinstance(b, bool) and isinstance(a, str) == isinstance(b, str) and a == b


def equals(value, wanted):
    if isinstance(value, list):
        return any(same(item, wanted) for item in value)
    return value is not None and same(value, wanted)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


OPERATORS = {
    "$eq": equals,
    "$ne": lambda value, wanted: not equals(value, wanted),
    "$gt": lambda value, limit: is_number(value) and value > limit,
    "$gte": lambda value, limit: is_number(value) and value >= limit,
    "$lt": lambda value, limit: is_number(value) and value < limit,
    "$lte": lambda value, limit: is_number(value) and value <= limit,
    "$in": lambda value, wanted: any(equals(value, item) for item in wanted),
    "$nin": lambda value, wanted: not any(equals(value, item) for item in wanted),
    "$exists": lambda value, wanted: (value is not None) == wanted,
    "$not": lambda value, inner: not holds(value, inner),
}


def holds(value, condition):
    return all(OPERATORS[operator](value, argument) for operator, argument in condition.items())


def matches(metadata, selection):
    for key, value in selection.items():
        if key == "$and":
            good = all(matches(metadata, clause) for clause in value)
        elif key == "$or":
            good = any(matches(metadata, clause) for clause in value)
        else:
            good = holds(metadata.get(key), value if isinstance(value, dict) else {"$eq": value})
        if not good:
            return False
    return True


class Filters(ServerCase):
    arguments = ("--metric", "dotproduct")

    def test_random_filters(self):
        rng = random.Random(20240607)
        records = {f"r{i}": random_metadata(rng) for i in range(300)}
        records["bare"] = {}
        self.client.Upsert(vectors=[vector(name, [rng.random(), 1], metadata) for name, metadata in records.items()])
        self.client.Upsert(vectors=[vector("none", [0.5, 1])])
        records["none"] = {}
        used, selective = set(), 0
        for round_number in range(400):
            selection = random_filter(rng)
            expected = {name for name, metadata in records.items() if matches(metadata, selection)}
            reply = self.client.Query(vector=[1, 0], top_k=1000, filter=struct(selection))
            self.assertEqual({match.id for match in reply.matches}, expected, f"round {round_number}: {selection}")
            used |= {operator for operator in (*OPERATORS, "$and", "$or") if f"'{operator}'" in str(selection)}
            selective += 0 < len(expected) < len(records)
        self.assertEqual(used, {*OPERATORS, "$and", "$or"})
        self.assertGreater(selective, 100)

    def test_the_same_filter_selects_the_same_everywhere(self):
        rng = random.Random(7)
        records = {f"r{i}": random_metadata(rng) for i in range(200)}
        selection = {"$or": [{"number": {"$gte": 2}}, {"tags": {"$in": ["a", "drama"]}}]}
        expected = sorted(name for name, metadata in records.items() if matches(metadata, selection))
        self.assertTrue(0 < len(expected) < 200)
        self.client.Upsert(namespace="same",
                           vectors=[vector(name, [1, 1], metadata) for name, metadata in records.items()])
        fetched = self.client.FetchByMetadata(namespace="same", filter=struct(selection), limit=1000)
        self.assertEqual(sorted(fetched.vectors), expected)
        updated = self.client.Update(namespace="same", filter=struct(selection), set_metadata=struct({"hit": True}))
        self.assertEqual(updated.matched_records, len(expected))
        self.client.Delete(namespace="same", filter=struct(selection))
        self.assertEqual(self.client.DescribeIndexStats().namespaces["same"].vector_count, 200 - len(expected))

    def test_an_empty_filter_of_a_query_selects_all(self):
        self.client.Upsert(namespace="all", vectors=[vector("a", [1, 1]), vector("b", [1, 2], {"x": 1})])
        self.assertEqual(len(self.client.Query(namespace="all", vector=[1, 1], top_k=9, filter=struct({})).matches), 2)


if __name__ == "__main__":
    unittest.main()
