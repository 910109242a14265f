"""A Qdrant of one shard: Qdrant's gRPC messages as its Python client publishes them, over Qdrant's storage core.

    qdrant_edge_server.py DIRECTORY PORT

How points are kept, matched by filters, searched, paged and counted is Qdrant's own code (qdrant_edge), and so are the
numbers of the messages' fields (qdrant_client.grpc). Of ours are only the way from one to the other, the list of
collections, and the codes of errors: after Qdrant's documents. A condition or an RPC that is not here is refused.
"""
import os
import shutil
import signal
import sys
import threading
from concurrent import futures

import grpc
import qdrant_edge as core
from qdrant_client import grpc as messages
from qdrant_client.conversions.conversion import grpc_to_payload, json_to_value

DISTANCES = {messages.Cosine: core.Distance.Cosine, messages.Euclid: core.Distance.Euclid, messages.Dot: core.Distance.Dot,
             messages.Manhattan: core.Distance.Manhattan}
# The core's Python takes true for 1 in a match (0.9.0), so booleans are kept as these texts.
BOOLEANS = {True: "\0true", False: "\0false"}


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def invalid(text):
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Wrong input: {text}")


def kept(value):
    """A payload's value as the core keeps it."""
    if isinstance(value, dict):
        return {key: kept(member) for key, member in value.items()}
    if isinstance(value, list):
        return [kept(item) for item in value]
    return BOOLEANS[value] if isinstance(value, bool) else value


def given(value):
    """And back."""
    if isinstance(value, dict):
        return {key: given(member) for key, member in value.items()}
    if isinstance(value, list):
        return [given(item) for item in value]
    return value == BOOLEANS[True] if value in BOOLEANS.values() else value


# --- from messages to the core ----------------------------------------------------------------------------------------

def to_id(message):
    kind = message.WhichOneof("point_id_options")
    if kind is None:
        raise invalid("an empty point id")
    return getattr(message, kind)


def to_match(match):
    kind = match.WhichOneof("match_value")
    value = getattr(match, kind)
    if kind in ("keyword", "integer", "boolean"):
        return core.MatchValue(kept(value))
    if kind in ("keywords", "except_keywords"):
        value = list(value.strings)
    elif kind in ("integers", "except_integers"):
        value = list(value.integers)
    else:
        raise invalid(f"a match by {kind} is not here")
    return core.MatchExcept(value) if kind.startswith("except") else core.MatchAny(value)


def to_range(limits):
    return core.RangeFloat(**{name: getattr(limits, name) for name in ("lt", "gt", "lte", "gte") if limits.HasField(name)})


def to_condition(condition):
    kind = condition.WhichOneof("condition_one_of")
    if kind == "filter":
        return to_filter(condition.filter)
    if kind == "is_empty":
        return core.IsEmptyCondition(condition.is_empty.key)
    if kind == "is_null":
        return core.IsNullCondition(condition.is_null.key)
    if kind == "has_id":
        return core.HasIdCondition({to_id(point_id) for point_id in condition.has_id.has_id})
    if kind != "field":
        raise invalid(f"a condition {kind} is not here")
    field = condition.field
    return core.FieldCondition(field.key, match=to_match(field.match) if field.HasField("match") else None,
                               range=to_range(field.range) if field.HasField("range") else None)


def to_filter(selection):
    """None where there is no condition, as the core wants it."""
    parts = {name: [to_condition(c) for c in getattr(selection, name)] for name in ("must", "should", "must_not")}
    return core.Filter(**{name: conditions or None for name, conditions in parts.items()})


def to_vector(vector):
    kind = vector.WhichOneof("vector")
    if kind == "sparse" or vector.HasField("indices"):
        pairs = vector.sparse if kind == "sparse" else None
        return core.SparseVector(list(pairs.indices if pairs else vector.indices.data),
                                 list(pairs.values if pairs else vector.data))
    return list(vector.dense.data if kind == "dense" else vector.data)


def to_vectors(vectors):
    kind = vectors.WhichOneof("vectors_options")
    if kind is None:
        raise invalid("Expected vectors")
    if kind == "vector":
        return to_vector(vectors.vector)
    return {name: to_vector(vector) for name, vector in vectors.vectors.vectors.items()}


def to_config(request):
    def dense(params):
        if params.distance not in DISTANCES or params.size == 0:
            raise invalid("a vector without size or distance")
        return core.EdgeVectorParams(params.size, DISTANCES[params.distance])
    config = request.vectors_config
    named = {"": config.params} if config.WhichOneof("config") == "params" else config.params_map.map
    return core.EdgeConfig(vectors={name: dense(params) for name, params in named.items()},
                           sparse_vectors={name: core.EdgeSparseVectorParams() for name in request.sparse_vectors_config.map})


# --- and back ---------------------------------------------------------------------------------------------------------

def fill_id(message, point_id):
    if isinstance(point_id, int):
        message.num = point_id
    else:
        message.uuid = str(point_id)


def fill_vector(message, vector):
    if isinstance(vector, core.SparseVector):
        message.sparse.values.extend(vector.values)
        message.sparse.indices.extend(vector.indices)
    else:
        message.dense.data.extend(vector)


def fill_point(message, point):
    fill_id(message.id, point.id)
    for key, value in given(point.payload or {}).items():
        message.payload[key].CopyFrom(json_to_value(value))
    if isinstance(point.vector, dict):
        for name, vector in point.vector.items():
            fill_vector(message.vectors.vectors.vectors[name], vector)
    elif point.vector is not None:
        fill_vector(message.vectors.vector, point.vector)


def wanted(request):
    """with_payload and with_vector of a read."""
    payload = request.with_payload
    kind = payload.WhichOneof("selector_options")
    names = {"include": lambda: list(payload.include.fields), "enable": lambda: payload.enable, None: lambda: False}
    return {"with_payload": names[kind](), "with_vector": request.with_vectors.enable}


# --- the service ------------------------------------------------------------------------------------------------------

class Collection:
    """A shard, and the request that made it, both in a directory."""

    def __init__(self, directory, request=None):
        self.directory = directory
        path = os.path.join(directory, "request")
        if request is None:
            with open(path, "rb") as file:
                request = messages.CreateCollection.FromString(file.read())
            self.shard = core.EdgeShard.load(os.path.join(directory, "shard"))
        else:
            config = to_config(request)
            os.makedirs(directory)
            self.shard = core.EdgeShard.create(os.path.join(directory, "shard"), config)
            with open(path, "wb") as file:
                file.write(request.SerializeToString())
        self.request = request

    def drop(self):
        self.shard.close()
        shutil.rmtree(self.directory)

    def selected(self, selector):
        """The ids of a PointsSelector."""
        if selector.WhichOneof("points_selector_one_of") == "points":
            return [to_id(point_id) for point_id in selector.points.ids]
        found, offset = [], None
        while True:
            page, offset = self.shard.scroll(core.ScrollRequest(offset=offset, limit=1000, filter=to_filter(selector.filter),
                                                                with_payload=False, with_vector=False))
            found += [point.id for point in page]
            if offset is None:
                return found

    def must_have(self, ids):
        known = {str(point.id) for point in self.shard.retrieve(list(ids), False, False)}
        for point_id in ids:
            if str(point_id) not in known:
                raise Refused(grpc.StatusCode.NOT_FOUND, f"Not found: No point with id {point_id} found")


class Service:
    def __init__(self, directory):
        self.directory = directory
        self.lock = threading.Lock()
        os.makedirs(directory, exist_ok=True)
        self.collections = {name: Collection(os.path.join(directory, name)) for name in os.listdir(directory)}
        self.operations = 0

    def find(self, request):
        if request.collection_name not in self.collections:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Not found: Collection `{request.collection_name}` doesn't exist!")
        return self.collections[request.collection_name]

    def wrote(self, request, operation):
        """The operation is done and can be seen."""
        if operation is not None:
            self.find(request).shard.update(operation)
        self.operations += 1
        result = messages.UpdateResult(operation_id=self.operations, status=messages.Completed)
        return messages.PointsOperationResponse(result=result)

    # --- collections

    def collections_create(self, request):
        name = request.collection_name
        if name in self.collections:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Wrong input: Collection `{name}` already exists!")
        self.collections[name] = Collection(os.path.join(self.directory, name), request)
        return messages.CollectionOperationResponse(result=True)

    def collections_update(self, request):
        self.find(request).shard.optimize()
        return messages.CollectionOperationResponse(result=True)

    def collections_delete(self, request):
        collection = self.collections.pop(request.collection_name, None)
        if collection is not None:
            collection.drop()
        return messages.CollectionOperationResponse(result=collection is not None)

    def collections_list(self, _):
        names = [messages.CollectionDescription(name=name) for name in sorted(self.collections)]
        return messages.ListCollectionsResponse(collections=names)

    def collections_get(self, request):
        collection = self.find(request)
        state = collection.shard.info()
        made = collection.request
        params = messages.CollectionParams(shard_number=made.shard_number or 1, vectors_config=made.vectors_config,
                                           sparse_vectors_config=made.sparse_vectors_config)
        info = messages.CollectionInfo(status=messages.Green, segments_count=state.segments_count,
                                       points_count=state.points_count, indexed_vectors_count=state.indexed_vectors_count,
                                       config=messages.CollectionConfig(params=params))
        info.optimizer_status.ok = True
        return messages.GetCollectionInfoResponse(result=info)

    # --- writes

    def points_upsert(self, request):
        self.find(request)
        if not request.points:
            raise invalid("Empty update request")
        points = [core.Point(to_id(p.id), to_vectors(p.vectors), kept(grpc_to_payload(p.payload))) for p in request.points]
        return self.wrote(request, core.UpdateOperation.upsert_points(points))

    def points_delete(self, request):
        ids = self.find(request).selected(request.points)
        return self.wrote(request, core.UpdateOperation.delete_points(ids) if ids else None)

    def points_setpayload(self, request):
        ids = self.find(request).selected(request.points_selector)
        self.find(request).must_have(ids)
        payload = kept(grpc_to_payload(request.payload))
        return self.wrote(request, core.UpdateOperation.set_payload(ids, payload) if ids else None)

    def points_updatevectors(self, request):
        changes = [core.PointVectors(to_id(p.id), to_vectors(p.vectors)) for p in request.points]
        self.find(request).must_have([change.id for change in changes])
        return self.wrote(request, core.UpdateOperation.update_vectors(changes))

    # --- reads

    def points_get(self, request):
        reply = messages.GetResponse()
        for point in self.find(request).shard.retrieve([to_id(point_id) for point_id in request.ids], **wanted(request)):
            fill_point(reply.result.add(), point)
        return reply

    def points_scroll(self, request):
        asked = core.ScrollRequest(offset=to_id(request.offset) if request.HasField("offset") else None,
                                   limit=request.limit if request.HasField("limit") else 10,
                                   filter=to_filter(request.filter), **wanted(request))
        reply = messages.ScrollResponse()
        page, following = self.find(request).shard.scroll(asked)
        for point in page:
            fill_point(reply.result.add(), point)
        if following is not None:
            fill_id(reply.next_page_offset, following)
        return reply

    def points_count(self, request):
        count = self.find(request).shard.count(core.CountRequest(exact=request.exact, filter=to_filter(request.filter)))
        return messages.CountResponse(result=messages.CountResult(count=count))

    def fill_scored(self, results, request):
        near = request.query.nearest
        if near.WhichOneof("variant") not in ("dense", "sparse"):
            raise invalid("only vectors are looked for here")
        vector = (core.SparseVector(list(near.sparse.indices), list(near.sparse.values)) if near.HasField("sparse")
                  else list(near.dense.data))
        params = core.SearchParams(hnsw_ef=request.params.hnsw_ef or None, exact=request.params.exact)
        asked = core.QueryRequest(limit=request.limit if request.HasField("limit") else 10, offset=request.offset,
                                  query=core.Query.Nearest(vector, using=request.using or None), params=params,
                                  filter=to_filter(request.filter), **wanted(request))
        for point in self.find(request).shard.query(asked):
            message = results.add()
            message.score = point.score
            message.version = point.version
            fill_point(message, point)

    def points_query(self, request):
        reply = messages.QueryResponse()
        self.fill_scored(reply.result, request)
        return reply

    def points_querybatch(self, request):
        reply = messages.QueryBatchResponse()
        for query in request.query_points:
            self.fill_scored(reply.result.add().result, query)
        return reply

    # --- gRPC

    def handler(self, method, answer):
        def respond(request, context):
            with self.lock:
                try:
                    return answer(request)
                except Refused as refused:
                    context.abort(refused.code, str(refused))
                except Exception as error:  # what the core refuses has no class of its own
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"Wrong input: {error}")
        take, give = (messages.__dict__[kind.name] for kind in (method.input_type, method.output_type))
        return grpc.unary_unary_rpc_method_handler(respond, take.FromString, give.SerializeToString)

    def handlers(self):
        """What there is of Qdrant's services, under their published names."""
        from qdrant_client.grpc import collections_service_pb2, points_service_pb2
        for file in (collections_service_pb2, points_service_pb2):
            for service in file.DESCRIPTOR.services_by_name.values():
                answers = {m.name: (m, getattr(self, f"{service.name}_{m.name}".lower(), None)) for m in service.methods}
                here = {name: self.handler(*pair) for name, pair in answers.items() if pair[1] is not None}
                yield grpc.method_handlers_generic_handler(service.full_name, here)


def main():
    directory, port = sys.argv[1:]
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[
        ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)])
    service = Service(directory)
    server.add_generic_rpc_handlers(tuple(service.handlers()))
    if server.add_insecure_port(f"127.0.0.1:{port}") == 0:
        sys.exit(f"port {port} cannot be had")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    stop.wait()
    server.stop(1).wait(10)
    for collection in service.collections.values():
        collection.shard.close()


if __name__ == "__main__":
    main()
