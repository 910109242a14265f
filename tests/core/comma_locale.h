/*
 * tests/core/comma_locale.h: locales with another decimal point, made in a temporary directory with localedef.
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
comma_locale_run(const char *format, const char *name, const char *directory)
{
    char command[256];
    snprintf(command, sizeof command, format, name, directory, name, directory);
    if (system(command) != 0)
        fprintf(stderr, "failed: %s\n", command);
}

/*
 * Sets the UTF-8 locale `name` ("de_DE") for the process, whose decimal point must be `point`; false, with a line that
 * says why, when the machine has none and cannot make one.
 */
static inline bool
point_locale_set(const char *name, const char *point)
{
    char directory[] = "/tmp/vmx-locale-XXXXXX", full[64];
    snprintf(full, sizeof full, "%s.UTF-8", name);
    if (!setlocale(LC_ALL, full) && mkdtemp(directory)) {
        comma_locale_run("localedef -i %s -f UTF-8 %s/%s.UTF-8 >%s/log 2>&1", name, directory);
        setenv("LOCPATH", directory, 1);
        setlocale(LC_ALL, full);
        comma_locale_run("rm -rf %.0s%s", name, directory);
    }
    if (strcmp(localeconv()->decimal_point, point) == 0)
        return true;
    fprintf(stderr, "SKIP: no locale %s here, and localedef (Debian package locales) made none\n", full);
    return false;
}

/* One with a decimal comma. */
static inline bool
comma_locale_set(void)
{
    return point_locale_set("de_DE", ",");
}

#endif
