#include "server/port_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
write_whole(const char *path, int port)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    bool written = fprintf(file, "%d\n", port) > 0;
    return fclose(file) == 0 && written;
}

bool
vmxd_port_file_write(const char *path, int port, vmxd_status *status)
{
    char temporary[PATH_MAX];
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) /* a device or pipe would be replaced by a file */
        return vmxd_invalid(status, "--port-file \"%.256s\": is no regular file; name another", path);
    int len = snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof temporary)
        return vmxd_invalid(status, "--port-file \"%.64s...\": the path is too long", path);
    if (write_whole(temporary, port) && rename(temporary, path) == 0)
        return true;
    vmxd_invalid(status, "--port-file \"%.256s\": %s", path, strerror(errno));
    unlink(temporary);
    return false;
}
