/*
 * vecmux/vecmux.h: the whole library. Read in this order: types.h, config.h, client.h, op.h, index.h, result.h,
 * engine.h, log.h, stats.h.
 */
#ifndef VECMUX_VECMUX_H
#define VECMUX_VECMUX_H

#include <vecmux/arrow.h>
#include <vecmux/build.h>
#include <vecmux/client.h>
#include <vecmux/config.h>
#include <vecmux/engine.h>
#include <vecmux/index.h>
#include <vecmux/log.h>
#include <vecmux/op.h>
#include <vecmux/result.h>
#include <vecmux/source.h>
#include <vecmux/stats.h>
#include <vecmux/types.h>
#include <vecmux/writer.h>

#endif /* VECMUX_VECMUX_H */
