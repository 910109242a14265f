#include "lines.h"

#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 4096

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

/* The next line, ended by NUL, with its line break; -1 at the end of the input, or with errno. */
static ssize_t
read_line(cli_lines *lines)
{
    size_t length = 0;
    for (int c = 0; c != '\n' && (c = getc_unlocked(lines->file)) != EOF;) {
        if (length == CLI_LINE_MAX) {
            errno = EMSGSIZE;
            return -1;
        }
        if (length + 1 >= lines->capacity) {
            size_t capacity = lines->capacity ? 2 * lines->capacity : FIRST_BYTES;
            char *grown = realloc(lines->line, capacity);
            if (!grown)
                return -1;
            lines->line = grown;
            lines->capacity = capacity;
        }
        lines->line[length++] = (char)c;
        lines->line[length] = '\0';
    }
    return length > 0 && !ferror(lines->file) ? (ssize_t)length : -1;
}

/* Why there is no further line, where that is not the end of the input. */
static cli_line
report_failure(const cli_lines *lines)
{
    cli_reason reason;
    if (errno == EMSGSIZE)
        cli_refuse(&reason, "has more than %d bytes; write one record on each line", CLI_LINE_MAX);
    else
        cli_refuse(&reason, "%s", strerror(errno));
    cli_lines_error(lines, &reason);
    return CLI_LINE_BAD;
}

cli_line
cli_lines_next(cli_lines *lines, json_t **value)
{
    ssize_t length;
    do {
        errno = 0;
        length = read_line(lines);
        lines->number++;
    } while (length >= 0 && strspn(lines->line, " \t\r\n") == (size_t)length);
    if (length < 0)
        return !ferror(lines->file) && feof(lines->file) ? CLI_LINE_END : report_failure(lines);
    cli_reason reason;
    *value = cli_json_parse(lines->line, (size_t)length, &reason);
    if (*value)
        return CLI_LINE_READ;
    cli_lines_error(lines, &reason);
    return CLI_LINE_BAD;
}
