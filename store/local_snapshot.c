/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last known cluster as raw records. Writes gather in memory, the newest of each key, and go to disk in one
 * transaction: one record a transaction would cost a sync each, and an open transaction would hold back the intents
 * that local_endpoint_put() must have on disk at once.
 */
#include "store/local.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/local_db.h"

#define GATHER_FLUSH 1024 /* records gathered before they are written unasked */

void local_db_forget_gathered(struct local *l)
{
	struct local_gathered *g = l->gathered, *next;

	/* The elements keep their chain; only the table goes. */
	HASH_CLEAR(hh, l->gathered);
	for (; g; g = next) {
		next = g->hh.next;
		free(g->key);
		free(g->value);
		free(g);
	}
}

void local_snapshot_put(struct local *l, const char *key, const char *value, int64_t mod_revision)
{
	struct local_gathered *g;

	HASH_FIND_STR(l->gathered, key, g);
	if (!g) {
		g = mem_alloc(sizeof(*g));
		g->key = mem_strdup(key);
		HASH_ADD_KEYPTR(hh, l->gathered, g->key, strlen(g->key), g);
	}
	free(g->value);
	g->value = mem_strdup(value);
	g->mod_revision = mod_revision;
	/* A failure keeps what is gathered; the caller hears of it from its own flush. */
	if (HASH_COUNT(l->gathered) % GATHER_FLUSH == 0)
		local_snapshot_flush(l, NULL);
}

static int write_one(struct local *l, const struct local_gathered *g, struct err *e)
{
	static const char put[] =
		"INSERT OR REPLACE INTO snapshot (key, value, mod_revision) VALUES (?, ?, ?)";
	static const char del[] = "DELETE FROM snapshot WHERE key = ?";
	sqlite3_stmt *s = local_db_stmt(l, g->value ? put : del, e);

	if (!s)
		return -EIO;
	local_db_bind_text(s, 1, g->key);
	if (g->value) {
		local_db_bind_text(s, 2, g->value);
		local_db_bind_i64(s, 3, g->mod_revision);
	}
	return local_db_run(l, s, e);
}

int local_snapshot_flush(struct local *l, struct err *e)
{
	struct local_gathered *g;
	int r;

	if (!l->gathered)
		return 0;
	/* What a power cut takes of the snapshot comes again from etcd: NORMAL does. */
	r = local_db_exec(l, "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE;", e);
	for (g = l->gathered; r == 0 && g; g = g->hh.next)
		r = write_one(l, g, e);
	if (r == 0)
		r = local_db_exec(l, "COMMIT", e);
	if (r < 0)
		local_db_exec(l, "ROLLBACK", NULL);
	local_db_exec(l, "PRAGMA synchronous = FULL", NULL);
	if (r < 0)
		return r;
	local_db_forget_gathered(l);
	return 0;
}

int local_snapshot_each(struct local *l,
			void (*fn)(void *user, const char *key, const char *value, size_t len,
				   int64_t mod_revision),
			void *user, struct err *e)
{
	static const char sql[] = "SELECT key, value, mod_revision FROM snapshot ORDER BY key";
	sqlite3_stmt *s;
	int r = local_snapshot_flush(l, e);

	if (r < 0)
		return r;
	s = local_db_stmt(l, sql, e);
	if (!s)
		return -EIO;
	while ((r = local_db_step(l, s, e)) > 0)
		fn(user, (const char *)sqlite3_column_text(s, 0),
		   (const char *)sqlite3_column_text(s, 1), (size_t)sqlite3_column_bytes(s, 1),
		   sqlite3_column_int64(s, 2));
	return r;
}
