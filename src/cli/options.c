#include "options.h"

#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN  26
#define HELP_WIDTH   100
#define FIRST_OPTION 256 /* getopt's value of the first one, behind every character */

void
cli_texts_free(cli_texts *texts)
{
    free(texts->ptr);
    *texts = (cli_texts){0};
}

static bool
texts_add(cli_texts *texts, const char *text)
{
    const char **grown = realloc(texts->ptr, (texts->count + 1) * sizeof *grown);
    if (!grown) {
        cli_error("out of memory");
        return false;
    }
    texts->ptr = grown;
    texts->ptr[texts->count++] = text;
    return true;
}

static bool
read_number(const cli_option *option, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    uint64_t max = option->max ? option->max : UINT64_MAX;
    if (*text < '0' || *text > '9' || *end || errno || value < option->min || value > max) {
        cli_error("--%s \"%s\": give a whole number from %llu to %llu", option->name, text,
                  (unsigned long long)option->min, (unsigned long long)max);
        return false;
    }
    *(uint64_t *)option->target = value;
    return true;
}

static bool
read_real(const cli_option *option, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (!*text || *end || !isfinite(value)) {
        cli_error("--%s \"%s\": give a number", option->name, text);
        return false;
    }
    *(double *)option->target = value;
    return true;
}

static bool
read_option(const cli_option *option, const char *text)
{
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->target = true;
        return true;
    case CLI_TEXT:
        *(const char **)option->target = text;
        return true;
    case CLI_NUMBER:
        return read_number(option, text);
    case CLI_REAL:
        return read_real(option, text);
    case CLI_REPEAT:
        return texts_add(option->target, text);
    }
    return false;
}

/* Prints a text in the right-hand column, broken between words. */
static void
print_wrapped(const char *text)
{
    int column = HELP_COLUMN;
    for (const char *word = text; *word; word += strspn(word, " ")) {
        int length = (int)strcspn(word, " ");
        if (word > text && column + 1 + length > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (word > text) {
            putchar(' ');
            column++;
        }
        printf("%.*s", length, word);
        column += length;
        word += length;
    }
    putchar('\n');
}

static void
print_options(const cli_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char left[64];
        const char *argument = options[i].argument;
        int width =
            snprintf(left, sizeof left, "  --%s%s%s", options[i].name, argument ? " " : "", argument ? argument : "");
        if (width < HELP_COLUMN)
            printf("%-*s", HELP_COLUMN, left);
        else
            printf("%s\n%*s", left, HELP_COLUMN, "");
        print_wrapped(options[i].help);
    }
}

static void
print_help(const cli_usage *usage)
{
    printf("usage: vecmux %s [options]%s%s\n\n%s\n", usage->command, *usage->arguments ? " " : "", usage->arguments,
           usage->text);
    if (usage->count > 0)
        fputs("\nOptions:\n", stdout);
    print_options(usage->options, usage->count);
    if (usage->common_count > 0)
        fputs("\nConnection:\n", stdout);
    print_options(usage->common, usage->common_count);
    fputs("\nExit codes: 0 success, 1 an operation failed or its input is wrong, 2 the command line is wrong.\n",
          stdout);
}

static const cli_option *
option_at(const cli_usage *usage, size_t i)
{
    return i < usage->count ? &usage->options[i] : &usage->common[i - usage->count];
}

/* getopt's table of all options, --help behind the last; NULL when memory is out. */
static struct option *
make_table(const cli_usage *usage)
{
    size_t count = usage->count + usage->common_count;
    struct option *table = calloc(count + 2, sizeof *table);
    for (size_t i = 0; table && i < count; i++) {
        const cli_option *option = option_at(usage, i);
        int has_argument = option->kind == CLI_FLAG ? no_argument : required_argument;
        table[i] = (struct option){option->name, has_argument, NULL, FIRST_OPTION + (int)i};
    }
    if (table)
        table[count] = (struct option){"help", no_argument, NULL, 'h'};
    return table;
}

static int
usage_error(const cli_usage *usage, const char *what, const char *argument)
{
    cli_error("%s: %s \"%s\"; see vecmux %s --help", usage->command, what, argument, usage->command);
    return CLI_USAGE;
}

/* getopt stays at an argument of short options until it has looked at all of them, and names the one it does not know. */
static int
unknown_option(const cli_usage *usage, char **argv)
{
    const char option[] = {'-', (char)optopt, '\0'};
    bool is_short = optopt > ' ' && optopt < 0x7f && optopt != 'h';
    return usage_error(usage, "unknown or ambiguous option", is_short ? option : argv[optind - 1]);
}

static int
parse_all(const cli_usage *usage, const struct option *table, int argc, char **argv)
{
    int value;
    opterr = 0;
    optind = 1;
    while ((value = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        if (value == 'h') {
            print_help(usage);
            return CLI_OK;
        }
        if (value == ':')
            return usage_error(usage, "no value behind", argv[optind - 1]);
        if (value < FIRST_OPTION)
            return unknown_option(usage, argv);
        if (!read_option(option_at(usage, (size_t)(value - FIRST_OPTION)), optarg))
            return CLI_USAGE;
    }
    return -1;
}

int
cli_parse(const cli_usage *usage, int argc, char **argv, int *positional)
{
    struct option *table = make_table(usage);
    if (!table) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    int code = parse_all(usage, table, argc, argv);
    free(table);
    *positional = optind;
    if (code < 0 && usage->max_positional >= 0 && argc - optind > usage->max_positional)
        return usage_error(usage, "unexpected argument", argv[optind + usage->max_positional]);
    return code;
}
