"""Qdrant's messages for google.protobuf, built from its published tables of fields, not from our .proto file: an oracle
that shares nothing with what it checks.

TABLE has the notation of those tables: `name=n type`, `?` behind the number for an optional scalar (it has presence), `*`
for repeated, `{a | b}` for a oneof; map<string,T> is a map; enums are int32, which is the same on the wire.
"""
import re

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TABLE = """
Struct: fields=1 map<string,Value>
ListValue: values=1* Value
Value: {null_value=1 int32 | double_value=2 double | integer_value=3 int64 | string_value=4 string | bool_value=5 bool | struct_value=6 Struct | list_value=7 ListValue}
PointId: {num=1 uint64 | uuid=2 string}
HnswConfigDiff: m=1? uint64; ef_construct=2? uint64; full_scan_threshold=3? uint64; max_indexing_threads=4? uint64; on_disk=5? bool; payload_m=6? uint64
OptimizersConfigDiff: deleted_threshold=1? double; vacuum_min_vector_number=2? uint64; default_segment_number=3? uint64; max_segment_size=4? uint64; memmap_threshold=5? uint64; indexing_threshold=6? uint64; flush_interval_sec=7? uint64
VectorParams: size=1 uint64; distance=2 int32; hnsw_config=3 HnswConfigDiff; on_disk=5? bool; datatype=6? int32
VectorParamsMap: map=1 map<string,VectorParams>
VectorsConfig: {params=1 VectorParams | params_map=2 VectorParamsMap}
SparseIndexConfig: full_scan_threshold=1? uint64; on_disk=2? bool; datatype=3? int32
SparseVectorParams: index=1 SparseIndexConfig; modifier=2? int32
SparseVectorConfig: map=1 map<string,SparseVectorParams>
CreateCollection: collection_name=1 string; hnsw_config=4 HnswConfigDiff; optimizers_config=6 OptimizersConfigDiff; shard_number=7? uint32; on_disk_payload=8? bool; timeout=9? uint64; vectors_config=10 VectorsConfig; replication_factor=11? uint32; write_consistency_factor=12? uint32; sharding_method=15? int32; sparse_vectors_config=16 SparseVectorConfig
UpdateCollection: collection_name=1 string; optimizers_config=2 OptimizersConfigDiff; timeout=3? uint64; hnsw_config=5 HnswConfigDiff
DeleteCollection: collection_name=1 string; timeout=2? uint64
CollectionOperationResponse: result=1 bool; time=2 double
GetCollectionInfoRequest: collection_name=1 string
OptimizerStatus: ok=1 bool; error=2 string
CollectionParams: shard_number=3 uint32; on_disk_payload=4 bool; vectors_config=5 VectorsConfig; replication_factor=6? uint32; sparse_vectors_config=10 SparseVectorConfig
CollectionConfig: params=1 CollectionParams; hnsw_config=2 HnswConfigDiff; optimizer_config=3 OptimizersConfigDiff
PayloadSchemaInfo: data_type=1 int32
CollectionInfo: status=1 int32; optimizer_status=2 OptimizerStatus; segments_count=4 uint64; config=7 CollectionConfig; payload_schema=8 map<string,PayloadSchemaInfo>; points_count=9? uint64; indexed_vectors_count=10? uint64
GetCollectionInfoResponse: result=1 CollectionInfo; time=2 double
ListCollectionsRequest:
CollectionDescription: name=1 string
ListCollectionsResponse: collections=1* CollectionDescription; time=2 double
DenseVector: data=1* float
SparseVector: values=1* float; indices=2* uint32
SparseIndices: data=1* uint32
MultiDenseVector: vectors=1* DenseVector
Vector: data=1* float; indices=2 SparseIndices; vectors_count=3? uint32; {dense=101 DenseVector | sparse=102 SparseVector | multi_dense=103 MultiDenseVector}
NamedVectors: vectors=1 map<string,Vector>
Vectors: {vector=1 Vector | vectors=2 NamedVectors}
RepeatedStrings: strings=1* string
RepeatedIntegers: integers=1* int64
Match: {keyword=1 string | integer=2 int64 | boolean=3 bool | text=4 string | keywords=5 RepeatedStrings | integers=6 RepeatedIntegers | except_integers=7 RepeatedIntegers | except_keywords=8 RepeatedStrings}
Range: lt=1? double; gt=2? double; gte=3? double; lte=4? double
FieldCondition: key=1 string; match=2 Match; range=3 Range; is_empty=9? bool; is_null=10? bool
IsEmptyCondition: key=1 string
IsNullCondition: key=1 string
HasIdCondition: has_id=1* PointId
NestedCondition: key=1 string; filter=2 Filter
Condition: {field=1 FieldCondition | is_empty=2 IsEmptyCondition | has_id=3 HasIdCondition | filter=4 Filter | is_null=5 IsNullCondition | nested=6 NestedCondition}
Filter: should=1* Condition; must=2* Condition; must_not=3* Condition
PointStruct: id=1 PointId; payload=3 map<string,Value>; vectors=4 Vectors
WriteOrdering: type=1 int32
UpsertPoints: collection_name=1 string; wait=2? bool; points=3* PointStruct; ordering=4 WriteOrdering; timeout=7? uint64
UpdateResult: operation_id=1? uint64; status=2 int32
PointsOperationResponse: result=1 UpdateResult; time=2 double
PointsIdsList: ids=1* PointId
PointsSelector: {points=1 PointsIdsList | filter=2 Filter}
DeletePoints: collection_name=1 string; wait=2? bool; points=3 PointsSelector; ordering=4 WriteOrdering
SetPayloadPoints: collection_name=1 string; wait=2? bool; payload=3 map<string,Value>; points_selector=5 PointsSelector; ordering=6 WriteOrdering
PointVectors: id=1 PointId; vectors=2 Vectors
UpdatePointVectors: collection_name=1 string; wait=2? bool; points=3* PointVectors; ordering=4 WriteOrdering
CreateFieldIndexCollection: collection_name=1 string; wait=2? bool; field_name=3 string; field_type=4? int32
PayloadNames: fields=1* string
WithPayloadSelector: {enable=1 bool | include=2 PayloadNames | exclude=3 PayloadNames}
WithVectorsSelector: {enable=1 bool | include=2 PayloadNames}
GetPoints: collection_name=1 string; ids=2* PointId; with_payload=4 WithPayloadSelector; with_vectors=5 WithVectorsSelector
RetrievedPoint: id=1 PointId; payload=2 map<string,Value>; vectors=4 Vectors
GetResponse: result=1* RetrievedPoint; time=2 double
ScrollPoints: collection_name=1 string; filter=2 Filter; offset=3 PointId; limit=4? uint32; with_payload=6 WithPayloadSelector; with_vectors=7 WithVectorsSelector
ScrollResponse: next_page_offset=1 PointId; result=2* RetrievedPoint; time=3 double
CountPoints: collection_name=1 string; filter=2 Filter; exact=3? bool
CountResult: count=1 uint64
CountResponse: result=1 CountResult; time=2 double
SearchParams: hnsw_ef=1? uint64; exact=2? bool
VectorInput: {id=1 PointId | dense=2 DenseVector | sparse=3 SparseVector | multi_dense=4 MultiDenseVector}
Query: {nearest=1 VectorInput}
QueryPoints: collection_name=1 string; query=3 Query; using=4? string; filter=5 Filter; params=6 SearchParams; score_threshold=7? float; limit=8? uint64; offset=9? uint64; with_vectors=10 WithVectorsSelector; with_payload=11 WithPayloadSelector
ScoredPoint: id=1 PointId; payload=2 map<string,Value>; score=3 float; version=5 uint64; vectors=6 Vectors
QueryResponse: result=1* ScoredPoint; time=2 double
QueryBatchPoints: collection_name=1 string; query_points=2* QueryPoints
BatchResult: result=1* ScoredPoint
QueryBatchResponse: result=1* BatchResult; time=2 double
"""

# service -> rpc -> (request, reply)
SERVICES = {
    "qdrant.Collections": {
        "Create": ("CreateCollection", "CollectionOperationResponse"),
        "Update": ("UpdateCollection", "CollectionOperationResponse"),
        "Delete": ("DeleteCollection", "CollectionOperationResponse"),
        "Get": ("GetCollectionInfoRequest", "GetCollectionInfoResponse"),
        "List": ("ListCollectionsRequest", "ListCollectionsResponse"),
    },
    "qdrant.Points": {
        "Upsert": ("UpsertPoints", "PointsOperationResponse"),
        "Delete": ("DeletePoints", "PointsOperationResponse"),
        "SetPayload": ("SetPayloadPoints", "PointsOperationResponse"),
        "UpdateVectors": ("UpdatePointVectors", "PointsOperationResponse"),
        "CreateFieldIndex": ("CreateFieldIndexCollection", "PointsOperationResponse"),
        "Get": ("GetPoints", "GetResponse"),
        "Scroll": ("ScrollPoints", "ScrollResponse"),
        "Count": ("CountPoints", "CountResponse"),
        "Query": ("QueryPoints", "QueryResponse"),
        "QueryBatch": ("QueryBatchPoints", "QueryBatchResponse"),
    },
}

FIELD = re.compile(r"(?P<name>\w+)=(?P<number>\d+)(?P<mark>[?*]?) (?P<type>\S+)")
Field = descriptor_pb2.FieldDescriptorProto


def set_type(field, name):
    scalar = getattr(Field, "TYPE_" + name.upper(), None)
    if scalar is not None:
        field.type = scalar
    else:
        field.type = Field.TYPE_MESSAGE
        field.type_name = ".qdrant." + name


def add_map(message, field, key):
    """A map's field is repeated entries of a nested message."""
    entry = message.nested_type.add(name="".join(part.title() for part in field.name.split("_")) + "Entry")
    entry.options.map_entry = True
    set_type(entry.field.add(name="key", number=1, label=Field.LABEL_OPTIONAL), "string")
    set_type(entry.field.add(name="value", number=2, label=Field.LABEL_OPTIONAL), key)
    field.label = Field.LABEL_REPEATED
    field.type = Field.TYPE_MESSAGE
    field.type_name = f".qdrant.{message.name}.{entry.name}"


def add_field(message, text, oneof=None):
    match = FIELD.fullmatch(text.strip())
    field = message.field.add(name=match["name"], number=int(match["number"]), label=Field.LABEL_OPTIONAL)
    if match["type"].startswith("map<"):
        add_map(message, field, match["type"][len("map<string,"):-1])
        return
    set_type(field, match["type"])
    if match["mark"] == "*":
        field.label = Field.LABEL_REPEATED
    if oneof is not None:
        field.oneof_index = oneof
    return match["mark"] == "?" and field


def add_message(file, line):
    name, fields = line.split(":", 1)
    message = file.message_type.add(name=name)
    optional = []
    for text in filter(None, (part.strip() for part in fields.split(";"))):
        if text.startswith("{"):
            message.oneof_decl.add(name="kind")
            for member in text[1:-1].split("|"):
                add_field(message, member, len(message.oneof_decl) - 1)
        else:
            optional.append(add_field(message, text))
    for field in filter(None, optional):  # presence is a oneof of one, behind the others
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name="_" + field.name)


def build():
    file = descriptor_pb2.FileDescriptorProto(name="qdrant_tables.proto", package="qdrant", syntax="proto3")
    for line in filter(None, TABLE.splitlines()):
        add_message(file, line)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    # newer versions of protobuf have the first, older ones the second
    make = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(pool).GetPrototype
    return {m.name: make(pool.FindMessageTypeByName("qdrant." + m.name)) for m in file.message_type}


MESSAGES = build()


class messages:  # pylint: disable=invalid-name,too-few-public-methods
    """messages.PointId and so on."""


for message_name, message_class in MESSAGES.items():
    setattr(messages, message_name, message_class)
