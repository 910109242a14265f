#include "cli.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_SIZE 2048

void
cli_error(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    fprintf(stderr, "vecmux: %s\n", line);
}
