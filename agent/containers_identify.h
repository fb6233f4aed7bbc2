/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * containers_identify - is the process that registers as a supervisor what it says: its start time, its network namespace?
 */
#pragma once
#include "agent/containers.h"

/**
 * containers_identify() - look at @req->pid
 * @ret: its namespace, for RUN_HOST the host's; target_done()
 * Return: a pidfd of the process, the caller's; -EINVAL, -ENOENT: as container_create()
 */
int containers_identify(const struct containers *cs, const struct run_create *req,
			struct local_target *ret, struct err *e);
