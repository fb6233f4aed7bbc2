/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "agent/agent_priv.h"
#include "base/log.h"

static void load_one(void *user, const char *key, const char *value, size_t len,
		     int64_t mod_revision)
{
	struct agent *a = user;

	mirror_load(a->mirror, key, value, len, mod_revision);
}

int agent_snapshot_load(struct agent *a, struct err *e)
{
	return local_snapshot_each(a->local, load_one, a, e);
}

void agent_snapshot_flush(struct agent *a)
{
	char text[24];
	struct err e = { 0 };

	a->snapshot_due = false;
	snprintf(text, sizeof(text), "%" PRId64, mirror_revision(a->mirror));
	/* The revision last: one that is too old costs a list, one that is too new would look like a rewound store. */
	if (local_snapshot_flush(a->local, &e) < 0 ||
	    (mirror_get_state(a->mirror) == MIRROR_SYNCED &&
	     local_set(a->local, "seen-revision", text, &e) < 0))
		log_error("cannot write the snapshot of the cluster", "err=%s",
			  LOG_Q(err_text(&e)));
}

static void flush_timer(uv_timer_t *t)
{
	agent_snapshot_flush(t->data);
}

void agent_snapshot_put(struct agent *a, const char *key, const char *value, int64_t mod_revision)
{
	local_snapshot_put(a->local, key, value, mod_revision);
	if (a->snapshot_due || !a->timers_open)
		return;
	a->snapshot_due = true;
	uv_timer_start(&a->snapshot_timer, flush_timer, AGENT_SNAPSHOT_MS, 0);
}
