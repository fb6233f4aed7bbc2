/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define LINE_MAX_BYTES 8192 /* one write(2); PIPE_BUF matters less than a whole line */

static const struct {
	const char *name;
	int priority; /* syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN] = { "warn", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

/* Atomic because work in libuv's pool may log while the loop changes the level. */
static _Atomic enum log_level current_level = LOG_LEVEL_INFO;

int log_level_parse(const char *s, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strcmp(levels[i].name, s) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return (size_t)level < ARRAY_SIZE(levels) ? levels[level].name : "?";
}

void log_set_level(enum log_level level)
{
	atomic_store(&current_level, level);
}

enum log_level log_get_level(void)
{
	return atomic_load(&current_level);
}

/*
 * JOURNAL_STREAM alone does not tell: a child with its stderr redirected inherits the variable, so
 * device and inode are compared as systemd.exec(5) says.
 */
static bool stderr_is_journal(void)
{
	const char *s = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char *end;

	if (!s || fstat(STDERR_FILENO, &st) < 0)
		return false;
	dev = strtoull(s, &end, 10);
	if (end == s || *end != ':')
		return false;
	s = end + 1;
	ino = strtoull(s, &end, 10);
	return end != s && *end == '\0' && st.st_dev == dev && st.st_ino == ino;
}

static size_t clip(int n, size_t room)
{
	if (n < 0)
		return 0;
	return (size_t)n < room ? (size_t)n : room - 1;
}

static size_t put_head(char *line, size_t room, enum log_level level)
{
	struct timespec ts;
	struct tm tm;
	char stamp[32];

	if (stderr_is_journal())
		return clip(snprintf(line, room, "<%d>", levels[level].priority), room);
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	return clip(snprintf(line, room, "%s.%03ldZ %s ", stamp, ts.tv_nsec / 1000000,
			     log_level_name(level)),
		    room);
}

void log_event(enum log_level level, const char *msg, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	const size_t room = sizeof(line) - 1; /* one byte kept for the newline */
	const char *p = line;
	size_t n;
	va_list ap;

	if ((size_t)level >= ARRAY_SIZE(levels) || level > log_get_level())
		return;
	n = put_head(line, room, level);
	n += clip(snprintf(line + n, room - n, "msg=\"%s\" ", msg), room - n);
	va_start(ap, fmt);
	n += clip(vsnprintf(line + n, room - n, fmt, ap), room - n);
	va_end(ap);
	if (line[n - 1] == ' ')
		n--;
	/* One event is one line, whatever slipped in unquoted. */
	for (size_t i = 0; i < n; i++) {
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = ' ';
	}
	line[n++] = '\n';
	while (n > 0) {
		ssize_t w = write(STDERR_FILENO, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return; /* nowhere to complain */
		p += w;
		n -= (size_t)w;
	}
}

static bool needs_quotes(const char *s)
{
	if (*s == '\0')
		return true;
	for (; *s; s++) {
		if ((unsigned char)*s <= ' ' || *s == '"' || *s == '\\' || *s == '=' || *s == 0x7f)
			return true;
	}
	return false;
}

/* One byte, escaped as C and journald readers expect, into @out (5 bytes). Return: its length. */
static size_t escape(unsigned char c, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	if (c >= ' ' && c != 0x7f) {
		if (c == '"' || c == '\\')
			out[n++] = '\\';
		out[n++] = (char)c;
		return n;
	}
	out[n++] = '\\';
	if (c == '\n') {
		out[n++] = 'n';
	} else if (c == '\t') {
		out[n++] = 't';
	} else if (c == '\r') {
		out[n++] = 'r';
	} else {
		out[n++] = 'x';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	return n;
}

struct log_quoted log_quote(const char *s)
{
	struct log_quoted q;
	const size_t room = sizeof(q.s) - 5; /* the tail `..."` and the NUL */
	size_t i, n = 0;

	if (!s)
		s = "";
	if (strnlen(s, LOG_QUOTE_MAX + 1) <= LOG_QUOTE_MAX && !needs_quotes(s)) {
		memcpy(q.s, s, strlen(s) + 1);
		return q;
	}
	q.s[n++] = '"';
	for (i = 0; s[i] && i < LOG_QUOTE_MAX; i++) {
		char out[5];
		size_t len = escape((unsigned char)s[i], out);

		if (n + len > room)
			break;
		memcpy(q.s + n, out, len);
		n += len;
	}
	if (s[i]) {
		/* Cut between characters, not inside one: continuation bytes are 10xxxxxx. */
		while (i > 0 && ((unsigned char)s[i] & 0xc0) == 0x80 && n > 1 &&
		       (unsigned char)q.s[n - 1] >= 0x80) {
			n--;
			i--;
		}
		memcpy(q.s + n, "...", 3);
		n += 3;
	}
	q.s[n++] = '"';
	q.s[n] = '\0';
	return q;
}

bool log_limit_pass(struct log_limit *l, uint64_t now_ms, uint64_t interval_ms,
		    unsigned *ret_suppressed)
{
	if (now_ms < l->next_ms) {
		l->suppressed++;
		return false;
	}
	*ret_suppressed = l->suppressed;
	l->suppressed = 0;
	l->next_ms = now_ms + interval_ms;
	return true;
}
