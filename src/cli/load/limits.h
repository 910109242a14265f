/*
 * limits.h: how much the readers hold at a time, in bytes but for counts. The fuzz targets are built with
 * LOAD_SMALL_LIMITS, so that the files they make, which are small, reach the edge of every buffer.
 */
#ifndef VMX_CLI_LOAD_LIMITS_H
#define VMX_CLI_LOAD_LIMITS_H

#ifndef LOAD_SMALL_LIMITS

#define LOAD_SHARE_MAX     (4u << 20) /* of all that one file is read into (buffers.h) */
#define LOAD_GZIP_BUFFER   65536
#define LOAD_GZIP_STATE    (4u * LOAD_GZIP_BUFFER) /* what zlib holds with it, about */
#define LOAD_BLOCK_ROWS    1024
#define LOAD_BLOCK_RECORDS 256
#define LOAD_LINE_MAX      (1u << 20) /* a vector of 20,000 numbers has about 400,000 */
#define LOAD_LINE_FIRST    16384      /* of the buffer of lines before it grows */
#define LOAD_LINE_READ     65536
#define LOAD_LINE_CUT      256 /* of a line that is too long: what is shown of it */

#else

#define LOAD_SHARE_MAX     512u
#define LOAD_GZIP_BUFFER   64
#define LOAD_GZIP_STATE    256u
#define LOAD_BLOCK_ROWS    16
#define LOAD_BLOCK_RECORDS 4
#define LOAD_LINE_MAX      512u
#define LOAD_LINE_FIRST    32
#define LOAD_LINE_READ     128
#define LOAD_LINE_CUT      16

#endif

/* The parts of a share. */
#define LOAD_RAW_PART    4 /* a block of rows, as they lie in the file */
#define LOAD_FLOAT_PART  2 /* ... and as float32 */
#define LOAD_RECORD_PART 4 /* a block of records; it ends with the one that passes it */
#define LOAD_TEXT_PART   4 /* ids and metadata of rows */

#endif
