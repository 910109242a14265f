/*
 * server/limits.h: what Pinecone allows in one request (docs: "Database limits", "Identifier limits").
 */
#ifndef VMXD_LIMITS_H
#define VMXD_LIMITS_H

#define VMXD_MAX_RECEIVE_BYTES   (64 << 20) /* what gRPC lets in, so that larger requests get our text, not its */
#define VMXD_MAX_REQUEST_BYTES   (2 << 20)  /* "2MB": 2,000,000 as documented, up to 2 MiB as clients count */
#define VMXD_MAX_UNPACKED_BYTES  (256 << 20)
#define VMXD_MAX_REPLY_BYTES     (4 << 20)
#define VMXD_MAX_UPSERT_RECORDS  1000
#define VMXD_MAX_FETCH_IDS       1000
#define VMXD_MAX_DELETE_IDS      1000
#define VMXD_MAX_ID_BYTES        512
#define VMXD_MAX_NAMESPACE_BYTES 512
#define VMXD_MAX_METADATA_BYTES  40960 /* of the encoded Struct */
#define VMXD_MAX_DIMENSION       20000
#define VMXD_MAX_SPARSE_VALUES   2048
#define VMXD_MAX_TOP_K           10000
#define VMXD_MAX_CANDIDATES      100000
#define VMXD_MAX_LIST            100
#define VMXD_MAX_FETCH_BY_FILTER 10000
#define VMXD_MAX_OPERATOR_VALUES 10000 /* of one $in or $nin */
#define VMXD_DEFAULT_PAGE        100

#endif
