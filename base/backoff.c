/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/backoff.h"

void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t max_ms, uint64_t seed)
{
	b->min_ms = min_ms ? min_ms : 1;
	b->max_ms = max_ms > b->min_ms ? max_ms : b->min_ms;
	b->cur_ms = 0;
	b->seed = seed;
}

uint32_t backoff_next(struct backoff *b)
{
	uint32_t half;

	if (b->cur_ms == 0)
		b->cur_ms = b->min_ms;
	else
		b->cur_ms = b->cur_ms > b->max_ms / 2 ? b->max_ms : b->cur_ms * 2;
	half = b->cur_ms / 2;
	return b->cur_ms - half + (uint32_t)(backoff_rand(&b->seed) % ((uint64_t)half + 1));
}

void backoff_reset(struct backoff *b)
{
	b->cur_ms = 0;
}

/* splitmix64, Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014). */
uint64_t backoff_rand(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}
