"""Random records and filters, and what a filter means, written from docs/filters.md alone."""
WORDS = ["red", "green", "a\"b", "c\\d", "x'y", "\u00e9\u4e16", "line\nfeed", "%", "", "1"]


def record(rng, i):
    """Metadata; fields are missing now and then. Each has values of one type but `mixed`."""
    metadata = {"n": rng.randrange(20), "x": rng.choice([-1.5, 0.25, 3, 1e9]), "s": rng.choice(WORDS),
                "b": rng.random() < 0.5, "tags": rng.sample(WORDS, rng.randrange(4)),
                "mixed": rng.choice([rng.randrange(5), rng.choice(WORDS), ["red", "1"]])}
    return {name: value for name, value in metadata.items() if rng.random() < 0.8}


def condition(rng):
    field = rng.choice(["n", "x", "s", "b", "tags", "mixed", "never"])
    number = rng.choice([rng.randrange(20), rng.choice([-1.5, 0.25, 3, 1e9])])
    word = rng.choice(WORDS)
    value = {"n": number, "x": number, "s": word, "b": rng.random() < 0.5, "tags": word}.get(field, rng.choice([number, word]))
    choices = [{field: value}, {field: {"$eq": value}}, {field: {"$ne": value}}, {field: {"$exists": rng.random() < 0.5}}]
    if field != "b":
        values = [rng.choice(WORDS) if field in ("s", "tags") else rng.randrange(20) for _ in range(rng.randrange(1, 4))]
        choices += [{field: {"$in": values}}, {field: {"$nin": values}}]
    if field in ("n", "x", "s", "mixed", "never"):
        operator = rng.choice(["$gt", "$gte", "$lt", "$lte"])
        choices += [{field: {operator: number}}, {field: {"$not": {operator: number}}},
                    {field: {"$gte": 1, "$lt": number}}]
    return rng.choice(choices)


def random_filter(rng, depth=3):
    if depth == 0 or rng.random() < 0.4:
        return condition(rng)
    if rng.random() < 0.8:
        return {rng.choice(["$and", "$or"]): [random_filter(rng, depth - 1) for _ in range(rng.randrange(1, 4))]}
    first, second = condition(rng), condition(rng)
    return {**first, **second}


# --- the meaning -------------------------------------------------------------------------------------------------------

def same(a, b):
    """Equal, and of one kind: true is not 1."""
    return isinstance(a, bool) == isinstance(b, bool) and isinstance(a, str) == isinstance(b, str) and a == b


def equals(stored, value):
    if isinstance(stored, list):
        return any(isinstance(item, str) and same(item, value) for item in stored)
    return same(stored, value)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


MISSING = object()


def holds(operator, operand, stored):
    if operator == "$exists":
        return (stored is not MISSING) == operand
    if operator == "$not":
        return not holds_all(operand, stored)
    if operator in ("$ne", "$nin"):
        return not holds({"$ne": "$eq", "$nin": "$in"}[operator], operand, stored)
    if stored is MISSING:
        return False
    if operator == "$eq":
        return equals(stored, operand)
    if operator == "$in":
        return any(equals(stored, value) for value in operand)
    if not is_number(stored):
        return False
    return {"$gt": stored > operand, "$gte": stored >= operand, "$lt": stored < operand, "$lte": stored <= operand}[operator]


def holds_all(conditions, stored):
    return all(holds(operator, operand, stored) for operator, operand in conditions.items())


def selects(filter_, metadata):
    for name, value in filter_.items():
        if name == "$and":
            good = all(selects(part, metadata) for part in value)
        elif name == "$or":
            good = any(selects(part, metadata) for part in value)
        else:
            conditions = value if isinstance(value, dict) else {"$eq": value}
            good = holds_all(conditions, metadata.get(name, MISSING))
        if not good:
            return False
    return True
