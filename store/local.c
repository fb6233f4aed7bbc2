/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/local_db.h"

#define BUSY_MS 200 /* a person's sqlite3 shell may write; longer would hold up the loop */
#define SCHEMA_VERSION 3

/* Identities and addresses as text: the file is to be read with the sqlite3 shell when something is wrong. */
static const char schema_1[] = "CREATE TABLE value ("
			       " name TEXT PRIMARY KEY,"
			       " value TEXT NOT NULL"
			       ") STRICT, WITHOUT ROWID;"
			       "CREATE TABLE endpoint ("
			       " id TEXT PRIMARY KEY,"
			       " network TEXT NOT NULL,"
			       " state INTEGER NOT NULL,"
			       " name TEXT, aliases TEXT NOT NULL, sandbox TEXT,"
			       " ifname TEXT, port TEXT,"
			       " mac TEXT NOT NULL, ip4 TEXT NOT NULL, ip6 TEXT NOT NULL,"
			       " target_path TEXT,"
			       " netns_dev INTEGER NOT NULL, netns_ino INTEGER NOT NULL,"
			       " pid INTEGER NOT NULL, pid_start INTEGER NOT NULL,"
			       " run_name TEXT, boot_id TEXT, created TEXT, container_id TEXT,"
			       " endpoint_rev INTEGER NOT NULL,"
			       " addr4_rev INTEGER NOT NULL, addr6_rev INTEGER NOT NULL"
			       ") STRICT, WITHOUT ROWID;"
			       "CREATE TABLE snapshot ("
			       " key TEXT PRIMARY KEY,"
			       " value TEXT NOT NULL,"
			       " mod_revision INTEGER NOT NULL"
			       ") STRICT, WITHOUT ROWID;"
			       "CREATE TABLE run ("
			       " name TEXT PRIMARY KEY,"
			       " json TEXT NOT NULL"
			       ") STRICT, WITHOUT ROWID;";

/* Networks of this node only, and what their endpoints have beside. */
static const char schema_2[] =
	"CREATE TABLE network ("
	" id TEXT PRIMARY KEY,"
	" json TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"ALTER TABLE endpoint ADD COLUMN publish TEXT NOT NULL DEFAULT '{}';"
	"ALTER TABLE endpoint ADD COLUMN gw_priority INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE endpoint ADD COLUMN defer_egress INTEGER NOT NULL DEFAULT 0;";

/* What it is found by and told: JSON (local_endpoint.c). */
static const char schema_3[] = "ALTER TABLE endpoint ADD COLUMN names TEXT NOT NULL DEFAULT '{}';";

/* From version i to i + 1. */
static const char *const upgrades[SCHEMA_VERSION] = { schema_1, schema_2, schema_3 };

/* As mkdir -p; parents get the usual mode, the directory itself 0700. */
static int make_dir(const char *dir, struct err *e)
{
	_cleanup_free_ char *path = mem_strdup(dir);

	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_set(e, -errno, "%s: %s", path, strerror(errno));
		*p = '/';
	}
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %s", dir, strerror(errno));
	return 0;
}

/* flock, not a lock file's existence: it ends with the process however that ends. The holder's pid is for the error. */
static int take_lock(struct local *l, struct err *e)
{
	_cleanup_free_ char *path = mem_printf("%s/lock", l->dir);
	char pid[24] = "";
	ssize_t n;

	l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock_fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (flock(l->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_set(e, -errno, "%s: %s", path, strerror(errno));
		n = pread(l->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		return err_set(e, -EBUSY, "state directory %s is in use by process %.*s", l->dir,
			       (int)strcspn(pid, "\n"), pid);
	}
	n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(l->lock_fd, 0) < 0 || pwrite(l->lock_fd, pid, (size_t)n, 0) != n)
		return err_set(e, -EIO, "%s: cannot be written", path);
	return 0;
}

static int schema_version(struct local *l, int *ret, struct err *e)
{
	static const char sql[] = "PRAGMA user_version";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);
	int r = s ? local_db_step(l, s, e) : -EIO;

	if (r < 0)
		return e && e->code ? e->code : r;
	*ret = sqlite3_column_int(s, 0);
	sqlite3_reset(s);
	return 0;
}

static int set_up_schema(struct local *l, struct err *e)
{
	char set[64];
	int have = 0, r;

	r = schema_version(l, &have, e);
	if (r < 0 || have == SCHEMA_VERSION)
		return r;
	if (have < 0 || have > SCHEMA_VERSION)
		return err_set(
			e, -EPROTO,
			"%s: state is of version %d, written by a newer ovl; this one knows %d",
			l->dir, have, SCHEMA_VERSION);
	r = local_db_exec(l, "BEGIN IMMEDIATE", e);
	for (int v = have; r == 0 && v < SCHEMA_VERSION; v++)
		r = local_db_exec(l, upgrades[v], e);
	snprintf(set, sizeof(set), "PRAGMA user_version = %d", SCHEMA_VERSION);
	if (r == 0)
		r = local_db_exec(l, set, e);
	if (r == 0)
		r = local_db_exec(l, "COMMIT", e);
	if (r < 0)
		local_db_exec(l, "ROLLBACK", NULL);
	return r;
}

static int open_db(struct local *l, struct err *e)
{
	_cleanup_free_ char *path = mem_printf("%s/state.db", l->dir);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_EXRESCODE;
	int r;

	if (sqlite3_open_v2(path, &l->db, flags, NULL) != SQLITE_OK)
		return local_db_fail(l, "state.db", e);
	sqlite3_busy_timeout(l->db, BUSY_MS);
	/* FULL: an intent is on the disk before the transaction it announces is sent. */
	r = local_db_exec(l, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;", e);
	return r < 0 ? r : set_up_schema(l, e);
}

int local_open(const char *dir, struct local **ret, struct err *e)
{
	struct local *l;
	int r = make_dir(dir, e);

	if (r < 0)
		return r;
	l = mem_alloc(sizeof(*l));
	l->dir = mem_strdup(dir);
	l->lock_fd = -1;
	r = take_lock(l, e);
	if (r == 0)
		r = open_db(l, e);
	if (r < 0) {
		local_close(l);
		return r;
	}
	*ret = l;
	return 0;
}

int local_wipe(struct local *l, struct err *e)
{
	int r;

	local_db_forget_gathered(l);
	r = local_db_exec(l,
			  "BEGIN IMMEDIATE; DELETE FROM value; DELETE FROM endpoint;"
			  "DELETE FROM network; DELETE FROM snapshot; DELETE FROM run; COMMIT;",
			  e);
	if (r < 0)
		local_db_exec(l, "ROLLBACK", NULL);
	return r;
}

void local_close(struct local *l)
{
	if (!l)
		return;
	if (l->db)
		local_snapshot_flush(l, NULL);
	local_db_forget_gathered(l);
	for (size_t i = 0; i < LOCAL_STATEMENTS_MAX; i++)
		sqlite3_finalize(l->statements[i].stmt);
	sqlite3_close(l->db);
	mem_closep(&l->lock_fd);
	free(l->dir);
	free(l);
}

int local_get(struct local *l, const char *name, char **ret_value)
{
	static const char sql[] = "SELECT value FROM value WHERE name = ?";
	struct err e = { 0 };
	sqlite3_stmt *s = local_db_stmt(l, sql, &e);
	int r;

	if (!s)
		return e.code;
	local_db_bind_text(s, 1, name);
	r = local_db_step(l, s, &e);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret_value = local_db_text(s, 0);
	sqlite3_reset(s);
	return 0;
}

int local_set(struct local *l, const char *name, const char *value, struct err *e)
{
	static const char sql[] = "INSERT OR REPLACE INTO value (name, value) VALUES (?, ?)";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);

	if (!s)
		return -EIO;
	local_db_bind_text(s, 1, name);
	local_db_bind_text(s, 2, value);
	return local_db_run(l, s, e);
}

int local_run_put(struct local *l, const char *name, const char *json, struct err *e)
{
	static const char sql[] = "INSERT OR REPLACE INTO run (name, json) VALUES (?, ?)";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);

	if (!s)
		return -EIO;
	local_db_bind_text(s, 1, name);
	local_db_bind_text(s, 2, json);
	return local_db_run(l, s, e);
}

int local_run_del(struct local *l, const char *name, struct err *e)
{
	static const char sql[] = "DELETE FROM run WHERE name = ?";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);

	if (!s)
		return -EIO;
	local_db_bind_text(s, 1, name);
	return local_db_run(l, s, e);
}

int local_run_each(struct local *l, void (*fn)(void *user, const char *name, const char *json),
		   void *user, struct err *e)
{
	static const char sql[] = "SELECT name, json FROM run ORDER BY name";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);
	int r;

	if (!s)
		return -EIO;
	while ((r = local_db_step(l, s, e)) > 0)
		fn(user, (const char *)sqlite3_column_text(s, 0),
		   (const char *)sqlite3_column_text(s, 1));
	return r;
}
