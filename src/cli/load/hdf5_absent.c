/*
 * The HDF5 reader of a build without libhdf5: it says so.
 */
#include "reader.h"

load_reader *
load_hdf5_open(const load_format *format, const char *path, const char *dataset, cli_reason *reason)
{
    (void)format, (void)path, (void)dataset;
    cli_refuse(reason, "this vecmux was built without HDF5; build it where libhdf5-dev is installed");
    return NULL;
}

load_result
load_hdf5_next(load_reader *reader, size_t max, load_rows *rows, cli_reason *reason)
{
    (void)reader, (void)max, (void)rows, (void)reason;
    return LOAD_END;
}

bool
load_hdf5_seek(load_reader *reader, uint64_t row, cli_reason *reason)
{
    (void)reader, (void)row, (void)reason;
    return true;
}

uint64_t
load_hdf5_consumed(const load_reader *reader)
{
    (void)reader;
    return 0;
}

void
load_hdf5_close(load_reader *reader)
{
    (void)reader;
}
