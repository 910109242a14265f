"""What a Qdrant keeps beside the vectors, for qdrant_stub.py: payload values, ids, and filters as Qdrant's documents tell
them. `condition_holds` and `filter_holds` look at a point's `key` and `payload`.
"""
import math
import uuid

import grpc

MISSING = object()


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def invalid(text):
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, "Wrong input: " + text)


def not_found(text):
    return Refused(grpc.StatusCode.NOT_FOUND, "Not found: " + text)


# --- values and ids ---------------------------------------------------------------------------------------------------

def plain(value):
    """A Value as Python's."""
    kind = value.WhichOneof("kind")
    if kind in (None, "null_value"):
        return None
    if kind == "struct_value":
        return {key: plain(member) for key, member in value.struct_value.fields.items()}
    if kind == "list_value":
        return [plain(item) for item in value.list_value.values]
    if kind == "double_value" and not math.isfinite(value.double_value):
        raise invalid("a number is not finite")
    return getattr(value, kind)


def fill_value(value, content):
    if content is None:
        value.null_value = 0
    elif isinstance(content, bool):
        value.bool_value = content
    elif isinstance(content, int):
        value.integer_value = content
    elif isinstance(content, float):
        value.double_value = content
    elif isinstance(content, str):
        value.string_value = content
    elif isinstance(content, list):
        value.list_value.SetInParent()
        for item in content:
            fill_value(value.list_value.values.add(), item)
    else:
        value.struct_value.SetInParent()
        for key, item in content.items():
            fill_value(value.struct_value.fields[key], item)


def key_of(point_id):
    """(0, number) or (1, uuid): the order of pages."""
    kind = point_id.WhichOneof("kind")
    if kind == "num":
        return (0, point_id.num)
    try:
        return (1, str(uuid.UUID(point_id.uuid)))
    except ValueError as error:
        raise invalid(f"Unable to parse UUID: {point_id.uuid}") from error


def fill_id(message, key):
    if key[0] == 0:
        message.num = key[1]
    else:
        message.uuid = key[1]


# --- filters ----------------------------------------------------------------------------------------------------------

def path_of(key):
    """A key is a path of names with dots between; a name in quotes is literal."""
    path, rest = [], key
    while rest:
        if rest[0] == '"':
            name, rest = rest[1:].split('"', 1)
        else:
            cut = rest.find(".")
            name, rest = (rest, "") if cut < 0 else (rest[:cut], rest[cut:])
        path.append(name)
        if rest and rest[0] != ".":
            raise invalid(f"Invalid json path: {key}")
        rest = rest[1:]
    return path


def look_up(payload, key):
    for name in path_of(key):
        if not isinstance(payload, dict) or name not in payload:
            return MISSING
        payload = payload[name]
    return payload


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def match_one(match, value):
    kind = match.WhichOneof("kind")
    if kind == "keyword":
        return isinstance(value, str) and value == match.keyword
    if kind == "keywords":
        return isinstance(value, str) and value in match.keywords.strings
    if kind == "boolean":
        return isinstance(value, bool) and value == match.boolean
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind == "integer":
        return whole and value == match.integer
    if kind == "integers":
        return whole and value in match.integers.integers
    raise invalid(f"the stub knows no match by {kind}")


def in_range(limits, value):
    return is_number(value) and not (
        (limits.HasField("lt") and not value < limits.lt) or (limits.HasField("gt") and not value > limits.gt) or
        (limits.HasField("lte") and not value <= limits.lte) or (limits.HasField("gte") and not value >= limits.gte))


def field_holds(field, payload):
    value = look_up(payload, field.key)
    values = value if isinstance(value, list) else [] if value is MISSING else [value]
    if field.HasField("match"):
        return any(match_one(field.match, item) for item in values)
    if field.HasField("range"):
        return any(in_range(field.range, item) for item in values)
    raise invalid("a field condition without match and range")


def condition_holds(condition, point):
    kind = condition.WhichOneof("kind")
    if kind == "field":
        return field_holds(condition.field, point.payload)
    if kind == "filter":
        return filter_holds(condition.filter, point)
    if kind == "is_empty":
        return look_up(point.payload, condition.is_empty.key) in (MISSING, None, [])
    if kind == "has_id":
        return point.key in {key_of(point_id) for point_id in condition.has_id.has_id}
    raise invalid(f"the stub knows no condition {kind}")


def filter_holds(selection, point):
    return (all(condition_holds(c, point) for c in selection.must) and
            not any(condition_holds(c, point) for c in selection.must_not) and
            (not selection.should or any(condition_holds(c, point) for c in selection.should)))
