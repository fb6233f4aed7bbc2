/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * containers_row - a container as it is kept in SQLite: one JSON object.
 */
#pragma once
#include "agent/containers.h"

/** containers_row_encode() - heap. */
char *containers_row_encode(const struct container *c);
/** containers_row_decode() - into the zeroed @ret, which owns its strings (containers_row_done()). -EINVAL with the field. */
int containers_row_decode(const char *name, const char *json, struct container *ret, struct err *e);
void containers_row_done(struct container *c);
