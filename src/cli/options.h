/*
 * options.h: a command's options as a table, from which parsing and --help both come.
 */
#ifndef VMX_CLI_OPTIONS_H
#define VMX_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts of the command line, borrowed; the list is freed by cli_texts_free. */
typedef struct cli_texts {
    const char **ptr;
    size_t count;
} cli_texts;

void
cli_texts_free(cli_texts *texts);

/* What an option takes and the type of its target. */
typedef enum cli_option_kind {
    CLI_FLAG,   /* nothing; bool */
    CLI_TEXT,   /* a text; const char *, borrowed */
    CLI_NUMBER, /* a whole number from min to max; uint64_t */
    CLI_REAL,   /* a finite number; double */
    CLI_REPEAT  /* a text, any number of times; cli_texts */
} cli_option_kind;

typedef struct cli_option {
    const char *name;     /* without the dashes */
    const char *argument; /* its name in the help; NULL for a flag */
    cli_option_kind kind;
    void *target; /* keeps its value when the option is not given: the default */
    const char *help;
    uint64_t min, max; /* of a CLI_NUMBER; max 0: no limit */
} cli_option;

/* What a command is called with. Texts are printed by --help. */
typedef struct cli_usage {
    const char *command;
    const char *arguments; /* behind the options: "ID...", or "" */
    const char *text;      /* what it does, reads and prints; lines of at most 100 characters */
    const cli_option *options;
    size_t count;
    const cli_option *common; /* a second table, printed under a title of its own; may be NULL */
    size_t common_count;
    bool no_index;      /* it works with the server, not with an index */
    int max_positional; /* how many arguments may stand behind the options; -1: any number */
} cli_usage;

/*
 * Reads the options of both tables; `*positional` becomes the index in argv of the first argument that is none.
 * Returns -1 to go on, else the exit code: after --help CLI_OK, after one line on stderr CLI_USAGE.
 */
int
cli_parse(const cli_usage *usage, int argc, char **argv, int *positional);

#endif
