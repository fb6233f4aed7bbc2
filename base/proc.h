/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc - what /proc says of a process, for thin edges only.
 */
#pragma once
#include <stdint.h>

/** proc_start() - when @pid started (proc(5), field 22 of stat: clock ticks since boot); with the pid it names a process once and for all. Return: 0 or -ESRCH. */
int proc_start(int64_t pid, uint64_t *ret);
