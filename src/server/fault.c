#include "server/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/number.h"

#define MAX_TIME_MS 3600000
#define MILLION     1000000

const char vmxd_fault_help[] =
    "Faults, to try clients against; may be given up to 32 times, the first rule that hits a call decides:\n"
    "\n"
    "  --fault METHOD:FAULT[:DETAIL]...\n"
    "  --fault-seed N         the same calls in the same order get the same faults   (printed at the start)\n"
    "\n"
    "  METHOD   Upsert, Query, ...; * is every one\n"
    "  FAULT    unavailable, exhausted, aborted, internal, ... (any gRPC status)   http=503\n"
    "           delay=500ms    drip=100/20ms (bytes in a time)    stall (no answer)    deaf (nothing is read any "
    "more)\n"
    "           drop, reset (the connection, by FIN or RST)    rst=refused, rst=cancel, rst=internal, rst=calm, rst=N\n"
    "           goaway, goaway=calm, goaway=N    truncate, notrailers (the reply)    garbage (no HTTP/2)\n"
    "  DETAIL   5% (of the calls; 100%)    pushback=100ms, pushback=-1, retry-after=2s (with a status)\n"
    "           before (the call is not served; so unless said), headers (its request has not come yet),\n"
    "           inside (the reply), after (it)    times=2 (and then never again)\n"
    "\n"
    "  --fault Upsert:unavailable:5%    --fault '*:drop:after:1%'    --fault Upsert:exhausted:pushback=100ms:2%\n";

typedef struct word {
    const char *name;
    int value;
} word;

/* gRPC's statuses (grpc/grpc: doc/statuscodes.md), with "_" or "-". */
static const word statuses[] = {
    {"cancelled", 1},         {"unknown", 2},
    {"invalid-argument", 3},  {"deadline-exceeded", 4},
    {"not-found", 5},         {"already-exists", 6},
    {"permission-denied", 7}, {"resource-exhausted", 8},
    {"exhausted", 8},         {"failed-precondition", 9},
    {"aborted", 10},          {"out-of-range", 11},
    {"unimplemented", 12},    {"internal", 13},
    {"unavailable", 14},      {"data-loss", 15},
    {"unauthenticated", 16},  {NULL, 0},
};

static const word faults_by_name[] = {
    {"drop", VMX_MOCK_CLOSE},        {"reset", VMX_MOCK_RESET},
    {"rst", VMX_MOCK_RST_STREAM},    {"goaway", VMX_MOCK_GOAWAY},
    {"stall", VMX_MOCK_STALL},       {"deaf", VMX_MOCK_DEAF},
    {"truncate", VMX_MOCK_TRUNCATE}, {"notrailers", VMX_MOCK_NO_TRAILERS},
    {"garbage", VMX_MOCK_GARBAGE},   {NULL, 0},
};

/* RFC 9113, 7. */
static const word http2_codes[] = {
    {"none", 0}, {"protocol", 1}, {"internal", 2}, {"refused", 7}, {"cancel", 8}, {"calm", 11}, {NULL, 0},
};

static const word moments[] = {
    {"before", VMX_MOCK_BEFORE},
    {"headers", VMX_MOCK_AT_HEADERS},
    {"inside", VMX_MOCK_INSIDE},
    {"after", VMX_MOCK_AFTER},
    {NULL, 0},
};

/* One piece of a rule: "name" or "name=value". */
typedef struct piece {
    char name[32];
    char value[32];
    bool has_value;
} piece;

/* Cuts the piece off `*text`; false when it is too long, or empty. */
static bool
next_piece(const char **text, piece *out)
{
    size_t len = strcspn(*text, ":"), name_len = strcspn(*text, "=:");
    out->has_value = name_len < len;
    size_t value_len = out->has_value ? len - name_len - 1 : 0;
    if (name_len == 0 || name_len >= sizeof out->name || value_len >= sizeof out->value)
        return false;
    snprintf(out->name, sizeof out->name, "%.*s", (int)name_len, *text);
    snprintf(out->value, sizeof out->value, "%.*s", (int)value_len, *text + len - value_len);
    *text += len + ((*text)[len] == ':');
    return true;
}

static bool
find(const word *words, const char *name, int *value)
{
    char same[32];
    snprintf(same, sizeof same, "%s", name);
    for (char *c = same; *c != '\0'; c++)
        *c = *c == '_' ? '-' : *c;
    for (; words->name != NULL; words++)
        if (strcmp(words->name, same) == 0) {
            *value = words->value;
            return true;
        }
    return false;
}

/* "500ms" or "2s". */
static bool
read_time(const char *text, int64_t *ms)
{
    vmx_str number = vmx_str_from(text);
    bool in_ms = number.len > 2 && strcmp(text + number.len - 2, "ms") == 0;
    bool in_s = !in_ms && number.len > 1 && text[number.len - 1] == 's';
    number.len -= in_ms ? 2 : in_s ? 1 : 0;
    if (!(in_ms || in_s) || !vmx_integer_parse(number, false, ms) || *ms < 0 || *ms > MAX_TIME_MS)
        return false;
    *ms *= in_s ? 1000 : 1;
    return true;
}

static bool
read_http2_code(const char *text, uint32_t *code)
{
    int value;
    int64_t number;
    if (find(http2_codes, text, &value))
        *code = (uint32_t)value;
    else if (vmx_integer_parse(vmx_str_from(text), false, &number) && number >= 0 && number <= UINT32_MAX)
        *code = (uint32_t)number;
    else
        return false;
    return true;
}

/* --- the fault ----------------------------------------------------------------------------------------------------- */

static bool
read_drip(vmxd_fault *rule, const char *text)
{
    const char *slash = strchr(text, '/');
    int64_t bytes;
    if (slash == NULL || !vmx_integer_parse((vmx_str){text, (size_t)(slash - text)}, false, &bytes) || bytes < 1 ||
        !read_time(slash + 1, &rule->answer.drip_interval_ms))
        return false;
    rule->answer.drip_bytes = (size_t)bytes;
    return true;
}

/* "delay", "drip", "http": NULL, or what is wrong; "" when it is none of them. */
static const char *
read_manner(vmxd_fault *rule, const piece *fault)
{
    int64_t number;
    if (strcmp(fault->name, "delay") == 0) {
        rule->served = true;
        return read_time(fault->value, &rule->answer.delay_ms) ? NULL : "delay wants a time: delay=500ms or delay=2s";
    }
    if (strcmp(fault->name, "drip") == 0) {
        rule->served = true;
        return read_drip(rule, fault->value) ? NULL : "drip wants bytes and a time: drip=100/20ms";
    }
    if (strcmp(fault->name, "http") != 0)
        return "";
    if (!vmx_integer_parse(vmx_str_from(fault->value), false, &number) || number < 201 || number > 599)
        return "http wants a status from 201 to 599: http=503";
    rule->answer.http_status = (int32_t)number;
    return NULL;
}

static const char *
read_fault(vmxd_fault *rule, const piece *fault)
{
    int value;
    const char *wrong = read_manner(rule, fault);
    if (wrong == NULL || wrong[0] != '\0')
        return wrong;
    if (!fault->has_value && find(statuses, fault->name, &value)) {
        rule->answer.grpc_code = value;
        rule->answer.details = VMX_STR("a fault that --fault asked for");
        return NULL;
    }
    if (!find(faults_by_name, fault->name, &value))
        return "no such fault; see --help";
    rule->answer.fault = (vmx_mock_fault)value;
    rule->answer.last_stream = VMX_MOCK_STREAM_BEFORE;
    rule->served = value == VMX_MOCK_TRUNCATE || value == VMX_MOCK_NO_TRAILERS;
    bool takes_code = value == VMX_MOCK_RST_STREAM || value == VMX_MOCK_GOAWAY;
    if ((fault->has_value && !takes_code) || (!fault->has_value && value == VMX_MOCK_RST_STREAM))
        return takes_code ? "rst wants a code: rst=refused, rst=cancel, rst=11" : "this fault takes no value";
    if (fault->has_value && !read_http2_code(fault->value, &rule->answer.http2_code))
        return "no such HTTP/2 code; give none, protocol, internal, refused, cancel, calm or a number";
    return NULL;
}

/* --- its details --------------------------------------------------------------------------------------------------- */

static const char *
read_share(vmxd_fault *rule, const char *text)
{
    double percent;
    vmx_str number = {text, strlen(text) - 1};
    if (!vmx_number_parse(number, &percent) || !(percent > 0 && percent <= 100))
        return "the share of calls must be above 0% and at most 100%";
    rule->millionths = (uint32_t)(percent * (MILLION / 100) + 0.5);
    return NULL;
}

static const char *
read_hint(vmxd_fault *rule, const piece *detail)
{
    int64_t ms = -1;
    bool pushback = strcmp(detail->name, "pushback") == 0;
    if (rule->answer.grpc_code == 0)
        return "pushback and retry-after go with a status: exhausted:pushback=100ms";
    if (!(pushback && strcmp(detail->value, "-1") == 0) && !read_time(detail->value, &ms))
        return "a hint is a time: pushback=100ms, pushback=-1, retry-after=2s";
    snprintf(rule->trailer_value, sizeof rule->trailer_value, "%lld", (long long)(pushback || ms < 0 ? ms : ms / 1000));
    rule->trailer.key = VMX_STR(pushback ? "grpc-retry-pushback-ms" : "retry-after");
    return NULL;
}

static const char *
read_times(vmxd_fault *rule, const char *text)
{
    int64_t times;
    if (!vmx_integer_parse(vmx_str_from(text), false, &times) || times < 1)
        return "times wants a number from 1 on: times=2";
    rule->times = (uint64_t)times;
    return NULL;
}

static const char *
read_detail(vmxd_fault *rule, const piece *detail)
{
    int when;
    size_t len = strlen(detail->name);
    if (!detail->has_value && detail->name[len - 1] == '%')
        return read_share(rule, detail->name);
    if (detail->has_value && (strcmp(detail->name, "pushback") == 0 || strcmp(detail->name, "retry-after") == 0))
        return read_hint(rule, detail);
    if (detail->has_value && strcmp(detail->name, "times") == 0)
        return read_times(rule, detail->value);
    if (detail->has_value || !find(moments, detail->name, &when))
        return "no such detail; see --help";
    if (rule->answer.fault == VMX_MOCK_NO_FAULT || rule->served)
        return "before, headers, inside and after go with drop, reset, rst, goaway, stall, deaf and garbage";
    rule->answer.when = (vmx_mock_when)when;
    rule->served = when == VMX_MOCK_INSIDE || when == VMX_MOCK_AFTER;
    return NULL;
}

/* --- rules --------------------------------------------------------------------------------------------------------- */

static bool
is_method(const char *name)
{
    static const char *const methods[] = {"Upsert",
                                          "Query",
                                          "Fetch",
                                          "FetchByMetadata",
                                          "List",
                                          "Update",
                                          "Delete",
                                          "DescribeIndexStats",
                                          "CreateNamespace",
                                          "ListNamespaces",
                                          "DescribeNamespace",
                                          "DeleteNamespace",
                                          "BeginUpload",
                                          "WritePart",
                                          "GetUpload",
                                          "CompleteUpload",
                                          "AbortUpload",
                                          "ReadRange",
                                          "StatBlob",
                                          "DeleteBlob",
                                          "ListBlobs",
                                          "DescribeRepository",
                                          "TriggerBuild",
                                          "GetBuild",
                                          "WatchBuild",
                                          "CancelBuild",
                                          "ListBuilds",
                                          "DescribeBuilder",
                                          "*"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i], name) == 0)
            return true;
    return false;
}

static const char *
read_rule(vmxd_fault *rule, const char *text)
{
    piece part;
    if (!next_piece(&text, &part) || part.has_value)
        return "write METHOD:FAULT, as Upsert:unavailable:5%";
    if (!is_method(part.name))
        return "no such method; give Upsert, Query, Fetch, ... or *";
    snprintf(rule->method, sizeof rule->method, "%s", part.name);
    if (!next_piece(&text, &part))
        return "no fault; write METHOD:FAULT, as Upsert:unavailable:5%";
    const char *wrong = read_fault(rule, &part);
    while (wrong == NULL && *text != '\0')
        wrong = next_piece(&text, &part) ? read_detail(rule, &part) : "a detail is empty or too long";
    return wrong;
}

const char *
vmxd_faults_add(vmxd_faults *faults, const char *text, char why[160])
{
    if (faults->count == VMXD_MAX_FAULTS) {
        snprintf(why, 160, "at most %d are taken", VMXD_MAX_FAULTS);
        return why;
    }
    vmxd_fault *rule = &faults->rules[faults->count];
    *rule = (vmxd_fault){.text = text, .millionths = MILLION};
    vmx_mock_answer_init(&rule->answer, sizeof rule->answer);
    const char *wrong = read_rule(rule, text);
    if (wrong == NULL)
        faults->count++;
    return wrong;
}

vmxd_fault *
vmxd_faults_choose(vmxd_faults *faults, vmx_str path, bool at_headers, vmx_random *random)
{
    const char *slash = memrchr(path.ptr, '/', path.len);
    vmx_str method = slash ? (vmx_str){slash + 1, (size_t)(path.ptr + path.len - slash - 1)} : path;
    for (size_t i = 0; i < faults->count; i++) {
        vmxd_fault *rule = &faults->rules[i];
        bool named = strlen(rule->method) == method.len && memcmp(rule->method, method.ptr, method.len) == 0;
        if ((!named && strcmp(rule->method, "*") != 0) || (rule->answer.when == VMX_MOCK_AT_HEADERS) != at_headers)
            continue;
        rule->calls++;
        if ((rule->times > 0 && rule->hits == rule->times) || vmx_random_up_to(random, MILLION - 1) >= rule->millionths)
            continue;
        rule->hits++;
        return rule;
    }
    return NULL;
}
