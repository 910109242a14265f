/*
 * ids.h: record ids named on the command line, or read from standard input.
 */
#ifndef VMX_CLI_IDS_H
#define VMX_CLI_IDS_H

#include "options.h"

#include <vecmux/vecmux.h>

#define CLI_IDS_PER_REQUEST 1000

typedef struct cli_ids {
    vmx_str *ptr; /* each owned and NUL-terminated */
    size_t count;
    size_t capacity;
} cli_ids;

/*
 * The ids among the arguments; "-" stands for those on standard input, on each line {"id": text, ...} (other fields are
 * skipped: the output of list, fetch and upsert's input all serve) or a JSON text. False after one line on stderr; free
 * the ids either way.
 */
bool
cli_ids_read(cli_ids *ids, const cli_texts *arguments);

void
cli_ids_free(cli_ids *ids);

/* At most CLI_IDS_PER_REQUEST ids from `from` on, borrowed. */
vmx_strs
cli_ids_part(const cli_ids *ids, size_t from);

#endif
