/*
 * Prints what becomes of a build under each fault in each of its calls, as a Markdown table: docs/build-faults.md holds
 * it, and a test compares the two. Each cell is one vmx_client_build of a client of its own against a server of its own
 * with that fault; many run at a time. Beside what is printed every cell is checked: the operation ends once, the file
 * is whole or the one that was there before, and a fallback says in which phase and why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build/harness.h"

enum { CELLS_AT_A_TIME = 16 };

/* --- the table ----------------------------------------------------------------------------------------------------- */

/* A call of a build, and what makes that it is made. */
typedef struct target {
    const char *method, *phase;
    const char *when;     /* the phase makes the call for more than one reason; "" */
    const char *key;      /* NEW_KEY, KEPT_KEY, or NULL */
    const char *with;     /* other rules; "" */
    const char *cause;    /* a build that ends there fell back in this phase for another reason, which it still says */
    bool clean_up_failed; /* asked for */
} target;

/* A key that no build has; and that of a build whose result is still on the server, to be downloaded. */
#define NEW_KEY  ""
#define KEPT_KEY "kept"

static const target targets[] = {
    {"DescribeBuilder", "check", "", NULL, "", NULL, false},
    {"DescribeRepository", "check", "", NULL, "", NULL, false},
    {"GetBuild", "check", " by key", NEW_KEY, "", NULL, false},
    {"StatBlob", "check", "", KEPT_KEY, "", NULL, false},
    {"BeginUpload", "upload", "", NULL, "", NULL, false},
    {"WritePart", "upload", "", NULL, "", NULL, false},
    {"GetUpload", "upload", "", NULL, "WritePart:unavailable:times=1", NULL, false},
    {"CompleteUpload", "upload", "", NULL, "", NULL, false},
    {"TriggerBuild", "trigger", "", NULL, "", NULL, false},
    {"WatchBuild", "await", "", NULL, "", NULL, false},
    {"GetBuild", "await", "", NULL, "WatchBuild:unavailable:times=1", NULL, false},
    {"ReadRange", "download", "", NULL, "", NULL, false},
    {"DeleteBlob", "clean-up", "", NULL, "", NULL, false},
    {"AbortUpload", "clean-up", "", NULL, "WritePart:permission-denied", "upload", true},
    {"CancelBuild", "clean-up", "", NULL, "WatchBuild:unavailable GetBuild:not-found", "await", true},
};

static const char *const faults[] = {
    "drop",
    "drop:headers",
    "drop:inside",
    "drop:after",
    "reset",
    "reset:headers",
    "reset:inside",
    "reset:after",
    "rst=refused",
    "rst=cancel",
    "rst=internal",
    "rst=calm",
    "rst=cancel:headers",
    "rst=cancel:inside",
    "rst=cancel:after",
    "goaway",
    "goaway:headers",
    "goaway:inside",
    "goaway:after",
    "goaway=calm",
    "stall",
    "stall:headers",
    "stall:inside",
    "deaf",
    "deaf:headers",
    "deaf:inside",
    "deaf:after",
    "garbage",
    "garbage:headers",
    "garbage:inside",
    "garbage:after",
    "truncate",
    "notrailers",
    "delay=50ms",
    "drip=1000/1ms",
    "http=503",
    "http=429",
    "cancelled",
    "unknown",
    "invalid-argument",
    "deadline-exceeded",
    "not-found",
    "already-exists",
    "permission-denied",
    "exhausted",
    "exhausted:pushback=20ms",
    "exhausted:pushback=-1",
    "failed-precondition",
    "aborted",
    "out-of-range",
    "unimplemented",
    "internal",
    "unavailable",
    "data-loss",
    "unauthenticated",
};

enum { TARGETS = sizeof targets / sizeof targets[0], FAULTS = sizeof faults / sizeof faults[0] };

/* --- a cell -------------------------------------------------------------------------------------------------------- */

typedef struct cell {
    const target *target;
    const char *fault;
    bool always;
    char name[32]; /* of its file */
    faulty server;
    vmx_client *client;
    vmx_queue *queue;
    vmx_op *op;
    const char *outcome;
} cell;

static bool failed;

/* The answer has come when it happens: whatever call is next on the connection meets it. */
static bool
is_late(const char *fault)
{
    return strstr(fault, ":after") != NULL;
}

/* A kept result that is said to be gone is built anew, and then is in the way. */
static bool
is_hidden(const cell *self)
{
    return strcmp(self->target->method, "StatBlob") == 0 && strcmp(self->fault, "not-found") == 0;
}

static void
complain(const cell *self, const char *what)
{
    failed = true;
    fprintf(stderr, "%s:%s%s: %s: %s\n", self->target->method, self->fault, self->always ? ", always" : ", once", what,
            vmx_op_error(self->op)->message);
}

static bool
wants_kept(const cell *self)
{
    return self->target->key != NULL && strcmp(self->target->key, KEPT_KEY) == 0;
}

static void
start_cell(cell *self, unsigned number)
{
    char rules[200];
    snprintf(rules, sizeof rules, "%s%s%s:%s%s", self->target->with, self->target->with[0] != '\0' ? " " : "",
             self->target->method, self->fault, self->always ? "" : ":times=1");
    snprintf(self->name, sizeof self->name, "%u.faiss", number);
    write_file(self->name, "what was there before");
    faulty_start(&self->server, rules);
    self->client = open_builder(self->server.endpoint);
    self->queue = make_queue(self->client);
    vmx_build_spec spec = make_spec(self->name);
    spec.clean_up_failed = self->target->clean_up_failed;
    if (self->target->key != NULL)
        spec.idempotency_key = vmx_str_from(wants_kept(self) ? KEPT_KEY : self->name);
    spec.clean_up = wants_kept(self) ? VMX_SWITCH_OFF : VMX_SWITCH_DEFAULT;
    self->op = start_build(self->client, make_source(), &spec, self->queue, NULL);
}

static void
check_fallback(const cell *self)
{
    const vmx_error *error = vmx_op_error(self->op);
    char begins[64];
    vmx_build_info info;
    vmx_build_info_init(&info, sizeof info);
    ck_assert(vmx_op_build(self->op, &info));
    snprintf(begins, sizeof begins, "build (%s): ", self->target->cause ? self->target->cause : self->target->phase);
    if (error->code != VMX_ERR_FALLBACK || info.cause == VMX_OK || info.cause == VMX_ERR_FALLBACK)
        complain(self, "no fallback");
    if ((!is_late(self->fault) && !is_hidden(self) && strncmp(error->message, begins, strlen(begins)) != 0) ||
        strstr(error->message, "; build it locally") == NULL)
        complain(self, "not the phase and the reason");
    if (strcmp(compare_files(self->name, "before"), "whole") != 0)
        complain(self, "the file that was there is not there any more");
}

/* The end is told once; the file is whole, or what it was. */
static void
end_cell(cell *self)
{
    vmx_event events[4];
    char part[64];
    size_t count = vmx_queue_poll(self->queue, events, 4, slow_ms(30000));
    bool whole = count == 1 && events[0].status == VMX_OK;
    if (count != 1)
        complain(self, "it did not end once");
    if (whole && strcmp(compare_files(self->name, "reference"), "whole") != 0)
        complain(self, "the file is not the right one");
    if (!whole)
        check_fallback(self);
    snprintf(part, sizeof part, "%s.part", self->name);
    if (self->target->key == NULL && strcmp(compare_files(part, "before"), "absent") != 0)
        complain(self, "OUTPUT.part is still there");
    if (faulty_hits(&self->server) == 0)
        complain(self, "the fault was never met");
    self->outcome = whole ? "whole" : "fallback";
    if (vmx_queue_poll(self->queue, events, 4, 0) != 0)
        complain(self, "its end was told twice");
    vmx_op_free(self->op);
    vmx_queue_free(self->queue);
    close_client(self->client);
    faulty_stop(&self->server);
    remove_file(self->name);
}

/* --- the run ------------------------------------------------------------------------------------------------------- */

static cell cells[FAULTS][TARGETS][2];

static cell *
cell_of(unsigned number)
{
    return &cells[number / 2 / TARGETS][number / 2 % TARGETS][number % 2];
}

static void
run_cells(void)
{
    enum { ALL = FAULTS * TARGETS * 2 };
    for (unsigned from = 0; from < ALL; from += CELLS_AT_A_TIME) {
        unsigned to = from + CELLS_AT_A_TIME < ALL ? from + CELLS_AT_A_TIME : ALL;
        for (unsigned i = from; i < to; i++) {
            *cell_of(i) =
                (cell){.target = &targets[i / 2 % TARGETS], .fault = faults[i / 2 / TARGETS], .always = i % 2 == 1};
            start_cell(cell_of(i), i);
        }
        for (unsigned i = from; i < to; i++)
            end_cell(cell_of(i));
    }
}

/* Depends on what else is on the connection. A stream that meets garbage goes on, but a call beside it does not. */
static bool
is_open(const cell *self)
{
    bool garbage = strncmp(self->fault, "garbage", 7) == 0 && strcmp(self->target->method, "WritePart") == 0;
    return garbage || (self->always && is_late(self->fault));
}

/* "whole", or "once / always" where they differ. */
static void
print_row(unsigned fault)
{
    printf("| %s |", faults[fault]);
    for (unsigned i = 0; i < TARGETS; i++) {
        const cell *both = cells[fault][i];
        const char *once = is_open(&both[0]) ? "any" : both[0].outcome;
        const char *always = is_open(&both[1]) ? "any" : both[1].outcome;
        printf(strcmp(once, always) == 0 ? " %s |" : " %s / %s |", once, always);
    }
    putchar('\n');
}

static void
print_table(void)
{
    printf("| Fault |");
    for (unsigned i = 0; i < TARGETS; i++)
        printf(" %s: %s%s |", targets[i].phase, targets[i].method, targets[i].when);
    printf("\n|---|");
    for (unsigned i = 0; i < TARGETS; i++)
        printf("---|");
    putchar('\n');
    for (unsigned i = 0; i < FAULTS; i++)
        print_row(i);
}

/* Leaves the result of a build where it is. */
static void
build_kept(void)
{
    vmx_client *client = open_builder(the_service.endpoint);
    vmx_build_spec spec = make_spec("reference");
    spec.idempotency_key = VMX_STR(KEPT_KEY);
    spec.clean_up = VMX_SWITCH_OFF;
    vmx_op *op = start_build(client, make_source(), &spec, NULL, NULL);
    ck_assert_msg(vmx_op_wait(op, VMX_FOREVER) == VMX_OK, "%s", vmx_op_error(op)->message);
    vmx_op_free(op);
    close_client(client);
}

START_TEST(table)
{
    service_start(0);
    write_file("before", "what was there before");
    build_reference("reference");
    build_kept();
    run_cells();
    service_stop();
    for (unsigned i = 0; i < FAULTS * TARGETS * 2; i++)
        faulty_free(&cell_of(i)->server);
    print_table();
    ck_assert(!failed);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {table, NULL};
    return run_builds("table", tests, 250000, true);
}
