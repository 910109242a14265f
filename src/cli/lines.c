#include "lines.h"

#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
cli_lines_open(cli_lines *lines, const char *path)
{
    bool standard = !path || strcmp(path, "-") == 0;
    *lines = (cli_lines){.file = standard ? stdin : fopen(path, "re"), .name = standard ? "standard input" : path};
    if (!lines->file)
        cli_error("\"%s\": %s", path, strerror(errno));
    return lines->file != NULL;
}

void
cli_lines_close(cli_lines *lines)
{
    if (lines->file && lines->file != stdin)
        fclose(lines->file);
    free(lines->line);
    *lines = (cli_lines){0};
}

void
cli_lines_error(const cli_lines *lines, const cli_reason *reason)
{
    cli_error("%s, line %llu: %s", lines->name, (unsigned long long)lines->number, reason->text);
}

cli_line
cli_lines_next(cli_lines *lines, json_t **value)
{
    ssize_t length;
    do {
        length = getline(&lines->line, &lines->capacity, lines->file);
        lines->number++;
    } while (length >= 0 && strspn(lines->line, " \t\r\n") == (size_t)length);
    if (length < 0) {
        if (!ferror(lines->file) && feof(lines->file))
            return CLI_LINE_END;
        cli_error("%s, line %llu: %s", lines->name, (unsigned long long)lines->number, strerror(errno));
        return CLI_LINE_BAD;
    }
    cli_reason reason;
    *value = cli_json_parse(lines->line, (size_t)length, &reason);
    if (*value)
        return CLI_LINE_READ;
    cli_lines_error(lines, &reason);
    return CLI_LINE_BAD;
}
