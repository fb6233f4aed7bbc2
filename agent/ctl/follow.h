/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * follow - a container's log on stdout, to its end or as it grows.
 */
#pragma once
#include "base/err.h"

/** follow_print() - what is kept: PATH.1 where there is one, then PATH. @pidfd -1: no more; else until that process (its writer) has ended. */
int follow_print(const char *path, int pidfd, struct err *e);
