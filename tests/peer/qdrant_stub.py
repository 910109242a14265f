#!/usr/bin/python3
"""A Qdrant for tests, on grpc and numpy: it keeps points in memory and answers as Qdrant's documents say, for dimension,
metric, payload, filters, pages and errors alike.

    with QdrantStub(form="new") as stub:      # vectors in replies: "new" (1.17 and later) or "old" (up to 1.16)
        ... a client works with stub.target ...
        stub.calls                            # [(rpc, request, metadata)]
        stub.fail("Points/Upsert", grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", [("retry-after", "1")])
        stub.statuses.append(4)               # the UpdateStatus of the next write

As a program it prints its address and serves until it is told to end: usage: qdrant_stub.py [--form old|new]
"""
import argparse
import collections
import copy
import signal
import threading
from concurrent import futures

import grpc
import numpy

from qdrant_payload import Refused, fill_id, fill_value, filter_holds, invalid, key_of, not_found, path_of, plain
from qdrant_proto import MESSAGES, SERVICES, messages

COSINE, EUCLID, DOT, MANHATTAN = 1, 2, 3, 4
ACKNOWLEDGED, COMPLETED = 1, 2
GREEN, YELLOW = 1, 2


# --- points -----------------------------------------------------------------------------------------------------------

class Point:
    def __init__(self, key):
        self.key = key
        self.payload = {}
        self.dense = {}   # name -> array
        self.sparse = {}  # name -> {index: value}
        self.version = 0


class Collection:
    def __init__(self, request):
        self.request = copy.deepcopy(request)
        config = request.vectors_config
        self.params = ({"": config.params} if config.WhichOneof("kind") == "params" else dict(config.params_map.map))
        self.sparse_names = set(request.sparse_vectors_config.map)
        self.points = {}
        self.schema = {}
        self.indexed = 0
        self.looks_until_green = 0
        self.operation = 0

    def take_vector(self, point, name, vector):
        kind = vector.WhichOneof("kind")
        data = list(vector.dense.data if kind == "dense" else vector.sparse.values if kind == "sparse" else vector.data)
        indices = (list(vector.sparse.indices) if kind == "sparse" else
                   list(vector.indices.data) if vector.HasField("indices") else None)
        if indices is not None:
            if name not in self.sparse_names or len(indices) != len(data) or len(set(indices)) != len(indices):
                raise invalid(f"Not existing vector name error: {name}, or bad indices")
            point.sparse[name] = dict(zip(indices, data))
            return
        if name not in self.params:
            raise invalid(f"Not existing vector name error: {name}")
        if len(data) != self.params[name].size:
            raise invalid(f"Vector dimension error: expected dim: {self.params[name].size}, got {len(data)}")
        array = numpy.array(data, dtype="f4")
        norm = numpy.linalg.norm(array)
        point.dense[name] = array / norm if self.params[name].distance == COSINE and norm > 0 else array

    def take_vectors(self, point, vectors):
        if vectors.WhichOneof("kind") is None:
            raise invalid("no vectors")
        named = {"": vectors.vector} if vectors.WhichOneof("kind") == "vector" else vectors.vectors.vectors
        for name, vector in named.items():
            self.take_vector(point, name, vector)

    def selected(self, selection):
        return [point for point in self.points.values() if filter_holds(selection, point)]

    def sorted(self):
        return sorted(self.points.values(), key=lambda point: point.key)

    def scores(self, name, query, points):
        """(score, point), best first."""
        if name in self.sparse_names:
            wanted = dict(zip(query.sparse.indices, query.sparse.values))
            scored = [(sum(value * wanted.get(index, 0) for index, value in p.sparse[name].items()), p)
                      for p in points if set(p.sparse.get(name, {})) & set(wanted)]
            return sorted(scored, key=lambda pair: -pair[0])
        params = self.params.get(name)
        if params is None:
            raise invalid(f"Not existing vector name error: {name}")
        array = numpy.array(query.dense.data, dtype="f4")
        if len(array) != params.size:
            raise invalid(f"Vector dimension error: expected dim: {params.size}, got {len(array)}")
        points = [p for p in points if name in p.dense]
        if not points:
            return []
        matrix = numpy.stack([p.dense[name] for p in points])
        if params.distance == EUCLID:
            values, sign = numpy.linalg.norm(matrix - array, axis=1), 1
        else:
            norm = numpy.linalg.norm(array)
            values, sign = matrix @ (array / norm if params.distance == COSINE and norm > 0 else array), -1
        return sorted(zip((float(v) for v in values), points), key=lambda pair: sign * pair[0])


# --- the server -------------------------------------------------------------------------------------------------------

class QdrantStub:
    def __init__(self, form="new", api_key=None, threads=8, port=0):
        self.form = form
        self.api_key = api_key
        self.collections = {}
        self.calls = []
        self.failures = collections.defaultdict(collections.deque)
        self.statuses = collections.deque()
        self.lock = threading.Lock()
        self.server = grpc.server(futures.ThreadPoolExecutor(threads), options=[
            ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)])
        for service, rpcs in SERVICES.items():
            handlers = {rpc: self.handler(service.split(".")[1], rpc, *names) for rpc, names in rpcs.items()}
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.target = f"127.0.0.1:{self.port}"
        self.server.start()

    def fail(self, rpc, code, text="", trailing=()):
        """The next call of "Points/Upsert" ends with this."""
        self.failures[rpc].append((code, text, trailing))

    def take(self):
        """The calls since the last take."""
        with self.lock:
            calls, self.calls = self.calls, []
        return calls

    def handler(self, service, rpc, request, reply):
        answer = getattr(self, f"{service.lower()}_{rpc.lower()}")

        def respond(message, context):
            metadata = dict(context.invocation_metadata())
            with self.lock:
                self.calls.append((f"{service}/{rpc}", message, metadata))
                if self.api_key is not None and metadata.get("api-key") != self.api_key:
                    context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid API key or JWT")
                if self.failures[f"{service}/{rpc}"]:
                    code, text, trailing = self.failures[f"{service}/{rpc}"].popleft()
                    context.set_trailing_metadata(trailing)
                    context.abort(code, text)
                try:
                    return answer(message)
                except Refused as refused:
                    context.abort(refused.code, str(refused))
        return grpc.unary_unary_rpc_method_handler(respond, MESSAGES[request].FromString,
                                                   MESSAGES[reply].SerializeToString)

    def collection(self, name):
        if name not in self.collections:
            raise not_found(f"Collection `{name}` doesn't exist!")
        return self.collections[name]

    def written(self, collection, request):
        collection.operation += 1
        status = self.statuses.popleft() if self.statuses else COMPLETED if request.wait else ACKNOWLEDGED
        reply = messages.PointsOperationResponse()
        reply.result.operation_id = collection.operation
        reply.result.status = status
        return reply

    # --- collections

    def collections_create(self, request):
        name = request.collection_name
        if name in self.collections:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Wrong input: Collection `{name}` already exists!")
        self.collections[name] = Collection(request)
        return messages.CollectionOperationResponse(result=True)

    def collections_update(self, request):
        collection = self.collection(request.collection_name)
        if request.HasField("optimizers_config"):
            collection.request.optimizers_config.MergeFrom(request.optimizers_config)
        if collection.request.optimizers_config.indexing_threshold > 0:
            collection.looks_until_green = 3
        return messages.CollectionOperationResponse(result=True)

    def collections_delete(self, request):
        return messages.CollectionOperationResponse(result=self.collections.pop(request.collection_name, None) is not None)

    def collections_list(self, _):
        return messages.ListCollectionsResponse(
            collections=[messages.CollectionDescription(name=name) for name in sorted(self.collections)])

    def collections_get(self, request):
        collection = self.collection(request.collection_name)
        if collection.looks_until_green > 0:
            collection.looks_until_green -= 1
            collection.indexed = len(collection.points) if collection.looks_until_green == 0 else 0
        reply = messages.GetCollectionInfoResponse()
        info = reply.result
        info.status = YELLOW if collection.looks_until_green > 0 else GREEN
        info.optimizer_status.ok = True
        info.segments_count = 1
        info.points_count = len(collection.points)
        info.indexed_vectors_count = collection.indexed
        info.config.params.shard_number = collection.request.shard_number or 1
        info.config.params.vectors_config.CopyFrom(collection.request.vectors_config)
        info.config.params.sparse_vectors_config.CopyFrom(collection.request.sparse_vectors_config)
        info.config.optimizer_config.CopyFrom(collection.request.optimizers_config)
        for name, kind in collection.schema.items():
            info.payload_schema[name].data_type = kind
        return reply

    # --- writes

    def points_upsert(self, request):
        collection = self.collection(request.collection_name)
        if not request.points:
            raise invalid("Empty update request")
        taken = []
        for struct in request.points:
            if not struct.HasField("id") or not struct.HasField("vectors"):
                raise invalid("Expected id and vectors")
            point = Point(key_of(struct.id))
            point.payload = {key: plain(value) for key, value in struct.payload.items()}
            collection.take_vectors(point, struct.vectors)
            taken.append(point)
        for point in taken:
            point.version = collection.operation + 1
            collection.points[point.key] = point
        return self.written(collection, request)

    def chosen(self, collection, selector, must_exist):
        if selector.WhichOneof("kind") == "filter":
            return [point.key for point in collection.selected(selector.filter)]
        keys = [key_of(point_id) for point_id in selector.points.ids]
        for key in keys:
            if must_exist and key not in collection.points:
                raise not_found(f"No point with id {key[1]} found")
        return keys

    def points_delete(self, request):
        collection = self.collection(request.collection_name)
        for key in self.chosen(collection, request.points, False):
            collection.points.pop(key, None)
        return self.written(collection, request)

    def points_setpayload(self, request):
        collection = self.collection(request.collection_name)
        changes = {key: plain(value) for key, value in request.payload.items()}
        for key in self.chosen(collection, request.points_selector, True):
            collection.points[key].payload.update(copy.deepcopy(changes))
        return self.written(collection, request)

    def points_updatevectors(self, request):
        collection = self.collection(request.collection_name)
        for change in request.points:
            if key_of(change.id) not in collection.points:
                raise not_found(f"No point with id {key_of(change.id)[1]} found")
            collection.take_vectors(collection.points[key_of(change.id)], change.vectors)
        return self.written(collection, request)

    def points_createfieldindex(self, request):
        collection = self.collection(request.collection_name)
        path_of(request.field_name)
        collection.schema[request.field_name] = request.field_type
        return self.written(collection, request)

    # --- reads

    def fill_vector(self, message, dense=None, sparse=None):
        values = list(sparse.values()) if sparse is not None else list(dense)
        if self.form == "old":
            message.data.extend(values)
            if sparse is not None:
                message.indices.data.extend(sparse)
        elif sparse is not None:
            message.sparse.values.extend(values)
            message.sparse.indices.extend(sparse)
        else:
            message.dense.data.extend(values)

    def fill_point(self, message, point, request):
        fill_id(message.id, point.key)
        selector = request.with_payload
        kind = selector.WhichOneof("kind")
        for key, value in point.payload.items():
            if (kind == "enable" and selector.enable) or (kind == "include" and key in selector.include.fields):
                fill_value(message.payload[key], value)
        if not request.with_vectors.enable:
            return
        if list(point.dense) == [""] and not point.sparse:
            self.fill_vector(message.vectors.vector, point.dense[""])
            return
        for name, array in point.dense.items():
            self.fill_vector(message.vectors.vectors.vectors[name], array)
        for name, pairs in point.sparse.items():
            self.fill_vector(message.vectors.vectors.vectors[name], sparse=pairs)

    def points_get(self, request):
        collection = self.collection(request.collection_name)
        reply = messages.GetResponse()
        for key in dict.fromkeys(key_of(point_id) for point_id in request.ids):
            if key in collection.points:
                self.fill_point(reply.result.add(), collection.points[key], request)
        return reply

    def points_scroll(self, request):
        collection = self.collection(request.collection_name)
        limit = request.limit if request.HasField("limit") else 10
        first = key_of(request.offset) if request.HasField("offset") else (0, 0)
        found = [p for p in collection.sorted() if p.key >= first and filter_holds(request.filter, p)]
        reply = messages.ScrollResponse()
        for point in found[:limit]:
            self.fill_point(reply.result.add(), point, request)
        if len(found) > limit:
            fill_id(reply.next_page_offset, found[limit].key)
        return reply

    def points_count(self, request):
        reply = messages.CountResponse()
        reply.result.count = len(self.collection(request.collection_name).selected(request.filter))
        return reply

    def fill_scored(self, results, request):
        collection = self.collection(request.collection_name)
        if request.limit == 0 and request.HasField("limit"):
            raise invalid("limit must be at least 1")
        points = collection.selected(request.filter)
        limit = request.limit if request.HasField("limit") else 10
        for score, point in collection.scores(request.using, request.query.nearest, points)[:limit]:
            message = results.add()
            message.score = score
            message.version = point.version
            self.fill_point(message, point, request)

    def points_query(self, request):
        reply = messages.QueryResponse()
        self.fill_scored(reply.result, request)
        return reply

    def points_querybatch(self, request):
        reply = messages.QueryBatchResponse()
        for query in request.query_points:
            self.fill_scored(reply.result.add().result, query)
        return reply

    def close(self):
        self.server.stop(0).wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=["old", "new"], default="new")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with QdrantStub(parser.parse_args().form) as stub:
        print(stub.target, flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
