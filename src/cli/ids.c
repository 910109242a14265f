#include "ids.h"

#include "cli.h"
#include "lines.h"

#include <stdlib.h>
#include <string.h>

static bool
ids_add(cli_ids *ids, const char *id)
{
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity ? 2 * ids->capacity : 64;
        vmx_str *grown = realloc(ids->ptr, capacity * sizeof *grown);
        if (!grown)
            return false;
        ids->ptr = grown;
        ids->capacity = capacity;
    }
    char *copy = strdup(id);
    if (copy)
        ids->ptr[ids->count++] = vmx_str_from(copy);
    return copy != NULL;
}

static bool
add_line(cli_ids *ids, const json_t *line, cli_reason *reason)
{
    const char *id = NULL;
    const json_t *field = json_is_object(line) ? json_object_get(line, "id") : line;
    if (!cli_json_string(field, "id", &id, reason))
        return false;
    if (!id)
        return cli_refuse(reason, "no \"id\"");
    return ids_add(ids, id) || cli_refuse(reason, "out of memory");
}

static bool
add_lines(cli_ids *ids)
{
    cli_lines lines;
    json_t *value;
    cli_line kind;
    if (!cli_lines_open(&lines, NULL))
        return false;
    while ((kind = cli_lines_next(&lines, &value)) == CLI_LINE_READ) {
        cli_reason reason;
        bool good = add_line(ids, value, &reason);
        json_decref(value);
        if (!good) {
            cli_lines_error(&lines, &reason);
            kind = CLI_LINE_BAD;
            break;
        }
    }
    cli_lines_close(&lines);
    return kind == CLI_LINE_END;
}

bool
cli_ids_read(cli_ids *ids, const cli_texts *arguments)
{
    *ids = (cli_ids){0};
    for (size_t i = 0; i < arguments->count; i++) {
        if (strcmp(arguments->ptr[i], "-") == 0) {
            if (!add_lines(ids))
                return false;
        } else if (!ids_add(ids, arguments->ptr[i])) {
            cli_error("out of memory");
            return false;
        }
    }
    return true;
}

void
cli_ids_free(cli_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        free((char *)ids->ptr[i].ptr);
    free(ids->ptr);
    *ids = (cli_ids){0};
}

vmx_strs
cli_ids_part(const cli_ids *ids, size_t from)
{
    size_t left = ids->count - from;
    return (vmx_strs){ids->ptr + from, left < CLI_IDS_PER_REQUEST ? left : CLI_IDS_PER_REQUEST};
}
