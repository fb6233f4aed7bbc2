/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * containers_log - where the output of containers is kept; agent/run writes it.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

/** containers_log_path() is in containers.h. This makes its folder, 0700. */
int containers_log_mkdir(const char *state_dir, struct err *e);
/** containers_log_prune() - keep the newest @keep logs of those that no container uses (@used tells, by name). */
void containers_log_prune(const char *state_dir, unsigned keep,
			  bool (*used)(void *user, const char *name), void *user);
