/*
 * tests/core/comma_locale.h: a locale whose decimal point is a comma, made in a temporary directory with localedef.
 */
#ifndef VMX_TESTS_COMMA_LOCALE_H
#define VMX_TESTS_COMMA_LOCALE_H

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void
comma_locale_run(const char *format, const char *directory)
{
    char command[256];
    snprintf(command, sizeof command, format, directory, directory);
    if (system(command) != 0)
        fprintf(stderr, "failed: %s\n", command);
}

/* Sets it for the process; false, with a line that says why, when the machine has none and cannot make one. */
static inline bool
comma_locale_set(void)
{
    char directory[] = "/tmp/vmx-locale-XXXXXX";
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && mkdtemp(directory)) {
        comma_locale_run("localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >%s/log 2>&1", directory);
        setenv("LOCPATH", directory, 1);
        setlocale(LC_ALL, "de_DE.UTF-8");
        comma_locale_run("rm -rf %s", directory);
    }
    if (strcmp(localeconv()->decimal_point, ",") == 0)
        return true;
    fprintf(stderr, "SKIP: no locale with a decimal comma here, and localedef (Debian package locales) made none\n");
    return false;
}

#endif
