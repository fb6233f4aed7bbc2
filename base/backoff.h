/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backoff - exponential delays with jitter, without clock: the caller passes time and keeps the seed.
 */
#pragma once
#include <stdint.h>

struct backoff {
	uint32_t min_ms, max_ms;
	uint32_t cur_ms; /* last ceiling, 0 before the first failure */
	uint64_t seed;
};
void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t max_ms, uint64_t seed);
/** backoff_next() - the delay before the next try: between half and all of a ceiling that doubles up to max_ms. */
uint32_t backoff_next(struct backoff *b);
/** backoff_reset() - after a success. */
void backoff_reset(struct backoff *b);
/** backoff_rand() - the module's small generator (splitmix64), for callers that need seeded chance. */
uint64_t backoff_rand(uint64_t *seed);
