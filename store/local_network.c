/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of this node only; one row each. Rare and small: written with synchronous=FULL, as intents are. */
#include "store/local.h"

#include <errno.h>

#include "store/local_db.h"

int local_network_put(struct local *l, struct id id, const char *json, struct err *e)
{
	static const char sql[] = "INSERT OR REPLACE INTO network (id, json) VALUES (?, ?)";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);

	if (!s)
		return -EIO;
	local_db_bind_id(s, 1, id);
	local_db_bind_text(s, 2, json);
	return local_db_run(l, s, e);
}

int local_network_del(struct local *l, struct id id, struct err *e)
{
	static const char sql[] = "DELETE FROM network WHERE id = ?";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);

	if (!s)
		return -EIO;
	local_db_bind_id(s, 1, id);
	return local_db_run(l, s, e);
}

int local_network_each(struct local *l,
		       void (*fn)(void *user, struct id id, const char *json, size_t len),
		       void *user, struct err *e)
{
	static const char sql[] = "SELECT id, json FROM network ORDER BY id";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);
	int r, bad = 0;

	if (!s)
		return -EIO;
	while ((r = local_db_step(l, s, e)) > 0) {
		const char *text = (const char *)sqlite3_column_text(s, 0);
		struct id id;

		if (id_parse(text, &id) < 0)
			bad = err_set(e, -EINVAL, "network %s: the id is no identity", text);
		else
			fn(user, id, (const char *)sqlite3_column_text(s, 1),
			   (size_t)sqlite3_column_bytes(s, 1));
	}
	return r < 0 ? r : bad;
}
