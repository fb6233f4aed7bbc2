/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/local_db.h"

#include <errno.h>

#include "base/mem.h"

static int map_code(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_TOOBIG:
		return -EMSGSIZE;
	default:
		return -EIO;
	}
}

int local_db_fail(struct local *l, const char *what, struct err *e)
{
	int code = l->db ? sqlite3_extended_errcode(l->db) : SQLITE_CANTOPEN;

	if ((code & 0xff) == SQLITE_NOMEM)
		abort(); /* out of memory (base/mem.h) */
	return err_set(e, map_code(code) ? map_code(code) : -EIO, "%s: %s: %s", l->dir, what,
		       l->db ? sqlite3_errmsg(l->db) : "cannot be opened");
}

int local_db_exec(struct local *l, const char *sql, struct err *e)
{
	if (sqlite3_exec(l->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return local_db_fail(l, "database", e);
	return 0;
}

sqlite3_stmt *local_db_stmt(struct local *l, const char *sql, struct err *e)
{
	for (size_t i = 0; i < LOCAL_STATEMENTS_MAX; i++) {
		sqlite3_stmt *s = l->statements[i].stmt;

		if (l->statements[i].sql == sql) {
			sqlite3_reset(s);
			sqlite3_clear_bindings(s);
			return s;
		}
		if (l->statements[i].sql)
			continue;
		if (sqlite3_prepare_v3(l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) !=
		    SQLITE_OK) {
			local_db_fail(l, "database", e);
			return NULL;
		}
		l->statements[i].sql = sql;
		l->statements[i].stmt = s;
		return s;
	}
	abort(); /* more statements in the code than LOCAL_STATEMENTS_MAX */
}

int local_db_step(struct local *l, sqlite3_stmt *s, struct err *e)
{
	int r = sqlite3_step(s);

	if (r == SQLITE_ROW)
		return 1;
	r = r == SQLITE_DONE ? 0 : local_db_fail(l, "database", e);
	sqlite3_reset(s);
	return r;
}

int local_db_run(struct local *l, sqlite3_stmt *s, struct err *e)
{
	int r = local_db_step(l, s, e);

	if (r > 0)
		sqlite3_reset(s);
	return r < 0 ? r : 0;
}

static void bound(int code)
{
	if (code != SQLITE_OK)
		abort(); /* out of memory, or an index that is not in the statement */
}

void local_db_bind_text(sqlite3_stmt *s, int i, const char *text)
{
	bound(text ? sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC) : sqlite3_bind_null(s, i));
}

void local_db_bind_i64(sqlite3_stmt *s, int i, int64_t v)
{
	bound(sqlite3_bind_int64(s, i, v));
}

void local_db_bind_id(sqlite3_stmt *s, int i, struct id id)
{
	char text[ID_TEXT_MAX];

	bound(sqlite3_bind_text(s, i, id_format(id, text), -1, SQLITE_TRANSIENT));
}

char *local_db_text(sqlite3_stmt *s, int column)
{
	return mem_strdup((const char *)sqlite3_column_text(s, column));
}
