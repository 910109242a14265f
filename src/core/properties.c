#include "core/properties.h"

#include <ctype.h>
#include <string.h>

#include "core/sized.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The range is written once, as numbers, and is text and check. */
#define NUMBER(row_type, row_name, value, low, high, row_unit, text)                                                   \
    {                                                                                                                  \
        .name = row_name, .type = row_type, .default_value = value, .range = #low " to " #high, .unit = row_unit,      \
        .min = low, .max = high, .help = text                                                                          \
    }
#define INT(...)   NUMBER(VMX_PROPERTY_INT, __VA_ARGS__)
#define FLOAT(...) NUMBER(VMX_PROPERTY_FLOAT, __VA_ARGS__)
#define TEXT(row_name, value, row_check, text)                                                                         \
    {                                                                                                                  \
        .name = row_name, .type = VMX_PROPERTY_STRING, .default_value = value, .range = "", .unit = "",                \
        .check = row_check, .help = text                                                                               \
    }
#define SECRET(row_name, row_check, text)                                                                              \
    {                                                                                                                  \
        .name = row_name, .type = VMX_PROPERTY_STRING, .default_value = "", .range = "", .unit = "", .secret = true,   \
        .check = row_check, .help = text                                                                               \
    }
#define BOOL(row_name, value, text)                                                                                    \
    {                                                                                                                  \
        .name = row_name, .type = VMX_PROPERTY_BOOL, .default_value = value, .range = "true, false", .unit = "",       \
        .help = text                                                                                                   \
    }
#define ENUM(row_name, value, values, text)                                                                            \
    {                                                                                                                  \
        .name = row_name, .type = VMX_PROPERTY_ENUM, .default_value = value, .range = values, .unit = "", .help = text \
    }
#define FILE_OF(row_name, row_check, text)                                                                             \
    {                                                                                                                  \
        .name = row_name, .type = VMX_PROPERTY_FILE, .default_value = "", .range = "", .unit = "", .check = row_check, \
        .help = text                                                                                                   \
    }

static const vmx_property_row rows[] = {
    ENUM("engine", "pinecone", "pinecone, milvus, qdrant", "The vector database that answers at the endpoint."),
    TEXT(
        "endpoint", "", VMX_CHECK_ENDPOINT,
        "Where the server is: host:port, http://host:port (plain text) or https://host[:port] (TLS, port 443 if none "
        "is given); IPv6 addresses in brackets. gRPC's names unix:path, dns:///host:port, ipv4:address:port and "
        "ipv6:[address]:port are accepted too. A client cannot be opened without it. Several endpoints of one index "
        "may "
        "be listed with commas between: the connections are spread over them. A dns:///name that has several addresses "
        "is connected to all of them by each connection of the pool, and calls take turns."),
    SECRET("api.key", VMX_CHECK_HEADER,
           "The key that is sent with every call (milvus: user:password, or a token). Empty: none is sent."),
    TEXT("database", "", VMX_CHECK_HEADER,
         "The database that indexes are in (milvus), sent as dbname. Empty: the server's default one."),
    TEXT("api.version", "2026-07", VMX_CHECK_HEADER,
         "The version of the engine's API, sent as x-pinecone-api-version (pinecone). Empty: none is sent."),
    TEXT("user.agent", "", VMX_CHECK_HEADER,
         "A product token such as myapp/1.2, added to the user agent that the server sees."),

    ENUM("tls", "auto", "auto, on, off",
         "Whether connections are encrypted. auto: off for http://, localhost, loopback addresses and Unix sockets, on "
         "for everything else; a scheme in the endpoint decides before the address does."),
    FILE_OF("tls.ca.file", VMX_CHECK_CERTIFICATES,
            "A PEM file with the certificates of the authorities to trust, read when the property is set. Empty, and "
            "tls.ca.pem empty too: those of the system."),
    TEXT("tls.ca.pem", "", VMX_CHECK_CERTIFICATES,
         "The same certificates as PEM text. Where both are set, both are trusted."),
    TEXT("tls.server.name", "", VMX_CHECK_HEADER,
         "The name that the server's certificate must carry. Empty: the endpoint's host."),
    TEXT("proxy", "", VMX_CHECK_ADDRESS,
         "host:port of an HTTP proxy that understands CONNECT. Never used for loopback addresses. Empty: none; the "
         "environment is not read."),

    INT("channel.count", "4", 1, 64, "",
        "Connections of a client to its endpoint, one TCP connection each. Calls go to the ready one with the fewest "
        "calls in flight. A client's first remote build opens as many again, for the streams of builds."),
    INT("channel.max.streams", "100", 1, 100000, "",
        "Calls in flight on one connection; more wait for room, within their timeout."),
    INT("channel.max.age.ms", "0", 0, 2147483647, "ms",
        "Connections older than this, give or take a tenth, are replaced while calls go on: the new one connects "
        "first. "
        "0: never."),
    INT("io.threads", "1", 0, 16, "",
        "Threads that drive the network. 0: none; the callers of vmx_op_wait, vmx_queue_poll and vmx_client_poll drive "
        "it."),
    BOOL("signals.block", "true",
         "true: all signals are blocked on a thread of yours while it is inside gRPC, whose new threads then have them "
         "blocked too, so that your handlers never run there; two pairs of system calls for a call that is waited "
         "for. false: signals are left as they are; for programs that handle none, or have them blocked everywhere."),
    INT("worker.threads", "1", 0, 16, "",
        "Threads for slow things: dead letter files, pull iterators, files and digests. Each is started when one of "
        "these is first used. 0: none; such work is done by the thread that comes upon it, which may be a network "
        "thread that is then held up."),

    INT("call.timeout.ms", "30000", 1, 86400000, "ms",
        "How long a call may take, its retries and waits included, where its options do not say."),
    BOOL("wait.for.ready", "false",
         "true: a call waits for a connection until its timeout. false: it fails as soon as every connection has "
         "failed and no attempt is left."),
    INT("retry.max.attempts", "6", 1, 1000000, "",
        "How often a call is sent at most, the first time included, where its options do not say. 1: no retries."),
    INT("retry.initial.backoff.ms", "100", 1, 3600000, "ms",
        "The upper end of the wait before the first retry; the wait is drawn evenly from 0 to there."),
    INT("retry.max.backoff.ms", "5000", 1, 3600000, "ms", "The upper end of the wait never grows beyond this."),
    FLOAT("retry.multiplier", "2", 1, 100, "", "By how much the upper end of the wait grows from retry to retry."),
    ENUM("retry.jitter", "full", "full, none, equal, decorrelated",
         "How the wait is drawn from its upper end: evenly from 0 (full), the upper end itself (none), evenly from its "
         "half (equal), or evenly from the initial backoff to three times the wait before (decorrelated)."),
    INT("retry.attempt.timeout.ms", "0", 0, 86400000, "ms",
        "How long one attempt may take before it is given up for another. 0: as long as the call."),
    INT("retry.budget.tokens", "100", 0, 1000000, "",
        "Size of the retry budget. Every attempt that fails for a reason worth a retry takes a token, every successful "
        "one gives retry.budget.ratio back; retries and hedges are made only while more than half are there. 0: no "
        "limit."),
    FLOAT("retry.budget.ratio", "0.2", 0, 10, "", "Tokens that a successful attempt gives back to the retry budget."),
    INT("hedge.delay.ms", "0", -1, 86400000, "ms",
        "Reads that have not been answered after this time are sent a second time, on another connection; the first "
        "answer counts. 0: never. -1: after the time that 95 % of the client's reads have not exceeded."),
    INT("hedge.cancels.per.second", "50", 0, 100000, "",
        "How many attempts that lost to a hedge are cancelled in a second; the others are left to end by themselves. "
        "Some servers take many cancellations for an attack."),
    BOOL(
        "concurrency.adaptive", "true",
        "Calls in flight are limited to what the server takes, learnt from its refusals (RESOURCE_EXHAUSTED, "
        "pushback): "
        "a refusal lowers the limit by a tenth, success raises it slowly. There is no limit before the first refusal."),
    INT("outlier.consecutive", "5", 0, 100000, "",
        "A connection is left alone for a while after so many calls in a row broke off or were not answered in time. "
        "0: never."),
    INT("outlier.rate.percent", "50", 1, 100, "%",
        "... or after this share of its calls, once outlier.min.calls are known."),
    INT("outlier.min.calls", "20", 1, 100000, "", "How many calls tell a connection's error rate."),
    INT("outlier.pause.ms", "1000", 1, 86400000, "ms",
        "How long a connection is left alone the first time; each time after doubles it."),
    INT("outlier.max.pause.ms", "30000", 1, 86400000, "ms", "That time never grows beyond this."),

    INT("reconnect.initial.ms", "100", 10, 3600000, "ms", "The wait before a lost connection is tried again."),
    INT("reconnect.max.ms", "2000", 10, 3600000, "ms",
        "The wait between two tries to connect never grows beyond this."),
    INT("keepalive.time.ms", "300000", 0, 86400000, "ms",
        "After how long without traffic the server is asked whether it is still there. 0: never. Servers may refuse "
        "what they find too frequent; theirs is often 300000."),
    INT("keepalive.timeout.ms", "20000", 1, 86400000, "ms",
        "A connection whose server does not answer that question within this time is closed."),

    INT("receive.limit.bytes", "16m", 1024, 2147483647, "bytes", "The largest reply that is accepted."),
    INT("memory.limit.bytes", "64m", 65536, 1099511627776, "bytes",
        "What encoded vectors may take in memory, waiting or on their way, until the network has let go of them, and "
        "what "
        "remote builds send, receive and put together. A writer's puts wait for room, or say that there is none; a "
        "single upsert of 4 KiB and more says so. A 128th of it, 4 to 256 KiB, is what a build's stream may receive "
        "before anybody asks."),
    INT("memory.reply.limit.bytes", "256m", 65536, 1099511627776, "bytes",
        "What the replies of operations may take in memory until the operations are freed; those under 4 KiB are not "
        "counted. An operation whose reply finds no room fails with VMX_ERR_TOO_LARGE."),
    INT("upsert.max.vectors", "0", 0, 1000000, "",
        "Vectors that one upsert may carry; more are refused before anything is sent. 0: the engine's limit "
        "(pinecone: 1000, milvus: 10000, qdrant: 1000)."),
    INT("upsert.max.bytes", "0", 0, 2147483647, "bytes",
        "Bytes that one upsert may have on the wire. 0: the engine's limit (pinecone: 2000000, milvus: 25165824, "
        "qdrant: 8388608)."),
    INT("metadata.max.bytes", "0", 0, 2147483647, "bytes",
        "Bytes that the metadata of one vector may have as JSON. 0: the engine's limit (pinecone: 40960, milvus: "
        "65536, qdrant: 1048576)."),

    TEXT("qdrant.vector.name", "", VMX_CHECK_NONE,
         "The name of the vector that holds dense values in a collection of Qdrant. Empty: the unnamed one."),
    TEXT("qdrant.sparse.name", "sparse", VMX_CHECK_NONE,
         "The name of the vector that holds sparse values in a collection of Qdrant."),
    BOOL("qdrant.wait", "true",
         "true: Qdrant answers writes when they are visible. false: when they are in its log, which is faster; "
         "vmx_index_flush waits for them."),
    ENUM("qdrant.ordering", "weak", "weak, medium, strong",
         "How Qdrant orders writes that come at once: weak, not at all; medium and strong, by a leader."),

    BOOL("build.enabled", "true",
         "false: every remote index build ends at once with VMX_ERR_FALLBACK, unless its spec says otherwise."),
    INT("build.size.min.bytes", "50m", 0, 1099511627776, "bytes",
        "Remote builds of fewer bytes of vectors fall back at once: a local build is faster."),
    INT("build.size.max.bytes", "0", 0, 1099511627776, "bytes", "Likewise of more. 0: no limit."),
    TEXT("build.repository", "", VMX_CHECK_NONE,
         "The folder of the server's repository that blobs of builds go to, where the spec does not say."),
    TEXT("build.tenant", "", VMX_CHECK_NONE,
         "On whose behalf builds are made, where the spec does not say: keeps idempotency keys apart."),
    INT("build.upload.parts", "4", 1, 16, "", "Parts of a blob that are uploaded at a time, one stream each."),
    INT("build.download.parts", "4", 1, 16, "", "Parts of a result that are downloaded at a time, one stream each."),
    INT("build.part.bytes", "8m", 4096, 4294967296, "bytes",
        "How large a part is: what is repeated at most when its digest is wrong. At least so much that a blob has no "
        "more than 10000 parts."),
    INT("build.chunk.bytes", "1m", 4096, 4194304, "bytes",
        "How much of a part one message carries. Each stream needs two of these from memory.limit.bytes; a download's "
        "stream also a 64th of that limit (512 KiB at most), for what gRPC reads ahead."),
    ENUM("build.digest", "crc32c", "crc32c, sha256", "What parts and blobs are checked by, on both sides."),
    ENUM("build.footer", "none", "none, lucene",
         "What is appended to a downloaded index: nothing, or the 16 bytes that end a file of Lucene's."),
    INT("build.timeout.ms", "3600000", 1, 604800000, "ms",
        "How long a remote build may take, all phases together, where its options do not say."),
    INT("build.idle.timeout.ms", "30000", 100, 86400000, "ms",
        "A stream of a build on which nothing moves for so long is given up for another. Servers tell of a build's "
        "progress every 10 s."),
    INT("build.poll.interval.ms", "1000", 10, 3600000, "ms",
        "How often a build is asked after while its stream of progress is broken, give or take a fifth."),

    ENUM("log.level", "warn", "off, error, warn, info, debug",
         "How much is logged, if log.stderr, log.file or a sink say where: this level and those before it. "
         "docs/logging.md lists the events."),
    BOOL("log.stderr", "false", "true: log records are written to the standard error output, one line each."),
    TEXT("log.file", "", VMX_CHECK_NONE,
         "A file that log records are appended to, one line and one write each; several processes may share it. It is "
         "created when a client is opened, and opened again by vmx_client_reopen_log. Use an absolute path. Empty: "
         "none."),
    ENUM("log.format", "logfmt", "logfmt, json", "How lines look in log.stderr and log.file: key=value, or JSON."),
    INT("log.rate.per.second", "10", 0, 1000000, "",
        "Records of one event in a second; the next record says how many were suppressed. 0: no limit."),
};

const vmx_property_row *
vmx_property_row_at(size_t i)
{
    return i < COUNT(rows) ? &rows[i] : NULL;
}

size_t
vmx_property_find(vmx_str name)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strlen(rows[i].name) == name.len && memcmp(rows[i].name, name.ptr, name.len) == 0)
            return i;
    return SIZE_MAX;
}

#define NEAREST_MAX 40

/* How many letters to insert, drop or change to make one of the other; case does not matter. */
static size_t
edit_distance(vmx_str a, vmx_str b)
{
    size_t row[NEAREST_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            bool same = tolower((unsigned char)a.ptr[i - 1]) == tolower((unsigned char)b.ptr[j - 1]);
            size_t best = diagonal + !same;
            best = best <= above ? best : above + 1;
            row[j] = best <= row[j - 1] ? best : row[j - 1] + 1;
            diagonal = above;
        }
    }
    return row[b.len];
}

const vmx_property_row *
vmx_property_nearest(vmx_str name)
{
    const vmx_property_row *nearest = NULL;
    size_t least = name.len / 3 + 1; /* farther than this is another word */
    for (size_t i = 0; i < COUNT(rows) && name.len <= NEAREST_MAX; i++) {
        size_t distance = edit_distance(name, vmx_str_from(rows[i].name));
        if (distance < least) {
            least = distance;
            nearest = &rows[i];
        }
    }
    return nearest;
}

size_t
vmx_property_count(void)
{
    return COUNT(rows);
}

void
vmx_property_init(vmx_property *property, size_t size)
{
    vmx_sized_init(property, size);
}

bool
vmx_property_at(size_t i, vmx_property *property)
{
    const vmx_property_row *row = vmx_property_row_at(i);
    if (!row)
        return false;
    vmx_property public_row = {.name = row->name,
                               .type = row->type,
                               .default_value = row->default_value,
                               .range = row->range,
                               .unit = row->unit,
                               .help = row->help,
                               .secret = row->secret};
    vmx_sized_write(property, &public_row, sizeof public_row);
    return true;
}
