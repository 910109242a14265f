/*
 * server/options.h: the command line of vecmuxd.
 */
#ifndef VMXD_OPTIONS_H
#define VMXD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/discard.h"
#include "server/fault.h"
#include "server/journal.h"
#include "server/repository/repository.h"
#include "server/store.h"

typedef struct vmxd_options {
    const char *listen;    /* "host:port" */
    const char *port_file; /* NULL: none */
    const char *api_key;   /* NULL: any */
    const char *tls_cert;  /* NULL: plain text */
    const char *tls_key;
    unsigned threads;
    vmxd_store_options store;
    vmxd_journal_options journal;
    vmxd_discard_options discard;
    vmxd_repository_options repository;
    uint64_t build_memory_bytes; /* 0: no limit */
    vmxd_faults faults;
} vmxd_options;

/*
 * Reads the arguments; the texts stay in `argv`. False when the program must end now, with `*exit_code`: --help and
 * --version have printed on stdout, a mistake on stderr.
 */
bool
vmxd_options_parse(vmxd_options *options, int argc, char **argv, int *exit_code);

#endif
