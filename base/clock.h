/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock - the two clocks, for thin edges only; state machines take now_ms.
 */
#pragma once
#include <stdint.h>

#define CLOCK_TEXT_MAX 40
/** clock_boot_ms() - CLOCK_BOOTTIME in ms: for deadlines. */
uint64_t clock_boot_ms(void);
/** clock_wall_text() - RFC 3339 UTC with nanoseconds ("2026-11-21T09:30:00.123456789Z"): for display only. Return: @buf. */
const char *clock_wall_text(char buf[CLOCK_TEXT_MAX]);
