/* For LD_PRELOAD: fsync of a file of a MiB and more takes a second, as with a blob that is large for its disk. */
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LARGE_BYTES (1 << 20)

__attribute__((visibility("default"))) int
fsync(int fd)
{
    struct stat about;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size >= LARGE_BYTES)
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    return (int)syscall(SYS_fsync, fd);
}
