/*
 * server/fault.h: what `--fault` says: which calls go wrong, how, and how often.
 *
 * A rule is METHOD:FAULT[:DETAIL]...; the first rule whose dice fall so decides a call.
 */
#ifndef VMXD_FAULT_H
#define VMXD_FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <vecmux/mock.h>

#include "core/random.h"

#define VMXD_MAX_FAULTS 32

typedef struct vmxd_fault {
    const char *text;       /* as given */
    char method[32];        /* "Upsert"; "*" is every one */
    vmx_mock_answer answer; /* without the reply; its texts are below or static */
    bool served;            /* the call is served as ever, and its reply goes wrong on the way */
    uint32_t millionths;    /* of the calls */
    uint64_t times;         /* hits at most; 0: no limit */
    vmx_header trailer;     /* pushback or retry-after; key.ptr NULL: none */
    char trailer_value[24];
    uint64_t calls;        /* of the method */
    _Atomic uint64_t hits; /* with this fault; may be read while calls come */
} vmxd_fault;

typedef struct vmxd_faults {
    vmxd_fault rules[VMXD_MAX_FAULTS];
    size_t count;
    bool has_seed;
    uint64_t seed;
} vmxd_faults;

/* Adds the rule that `text` (kept) says. NULL, or what is wrong with it: one line, static or in `why`. */
const char *
vmxd_faults_add(vmxd_faults *faults, const char *text, char why[160]);

/* The rule that decides a call of "/<service>/<method>", or NULL: of those that hit when its headers have come, or of the
 * others. Counts. */
vmxd_fault *
vmxd_faults_choose(vmxd_faults *faults, vmx_str path, bool at_headers, vmx_random *random);

/* What --help says of it. */
extern const char vmxd_fault_help[];

#endif
