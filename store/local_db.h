/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local_db - SQLite as store/local*.c use it: one connection, statements kept prepared, codes mapped once.
 */
#pragma once
#include <sqlite3.h>
#include <uthash.h>
#include "store/local.h"

#define LOCAL_STATEMENTS_MAX 24

/* A snapshot record not yet written; the newest one of its key. */
struct local_gathered {
	char *key;
	char *value; /* NULL: delete */
	int64_t mod_revision;
	UT_hash_handle hh;
};
struct local {
	sqlite3 *db;
	int lock_fd;
	char *dir;
	struct {
		const char *sql; /* by address: each text is a constant with one place */
		sqlite3_stmt *stmt;
	} statements[LOCAL_STATEMENTS_MAX];
	struct local_gathered *gathered;
};

/** local_db_fail() - SQLite's last error as -errno, with @what in front in @e. */
int local_db_fail(struct local *l, const char *what, struct err *e);
/** local_db_exec() - one or several statements without results. */
int local_db_exec(struct local *l, const char *sql, struct err *e);
/** local_db_stmt() - @sql (a constant) prepared, reset and without bindings; NULL with @e set. Borrowed. */
sqlite3_stmt *local_db_stmt(struct local *l, const char *sql, struct err *e);
/** local_db_run() - step a statement that yields no rows, and reset it. Return: 0 or -errno. */
int local_db_run(struct local *l, sqlite3_stmt *s, struct err *e);
/** local_db_step() - Return: 1 a row is there, 0 no more (reset), or -errno (reset). */
int local_db_step(struct local *l, sqlite3_stmt *s, struct err *e);
/* Text is borrowed until the statement is run; NULL binds NULL. Binding memory is small: running out aborts. */
void local_db_bind_text(sqlite3_stmt *s, int i, const char *text);
void local_db_bind_i64(sqlite3_stmt *s, int i, int64_t v);
void local_db_bind_id(sqlite3_stmt *s, int i, struct id id);
/** local_db_forget_gathered() - drop what local_snapshot_put() has gathered. */
void local_db_forget_gathered(struct local *l);
/** local_db_text() - column as a heap string, NULL for NULL. */
char *local_db_text(sqlite3_stmt *s, int column);
