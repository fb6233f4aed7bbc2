/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log - one line per event, key=value, to stderr (with journal prefixes when run by systemd).
 *
 * Libraries below agent/ do not log: the layer that decides logs once. The sink and its level are
 * the project's only mutable globals. Format of a line:
 *   2026-11-21T09:30:00.123Z info msg="network created" name=demo id=1f2e3d
 * Under systemd (JOURNAL_STREAM set): "<6>msg=..." without time and level.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/** log_level_parse() - "error", "warn", "info", "debug". Return: 0 or -EINVAL. */
int log_level_parse(const char *s, enum log_level *ret_level);
const char *log_level_name(enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/**
 * log_event() - write one line
 * @msg: what happened, a constant in plain words
 * @fmt: key=value pairs, printf style, may be ""; wrap foreign text in LOG_Q()
 */
void log_event(enum log_level level, const char *msg, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_event(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A value that may hold spaces, quotes or control bytes: quoted, escaped and cut at LOG_QUOTE_MAX. */
#define LOG_QUOTE_MAX 512
struct log_quoted {
	char s[LOG_QUOTE_MAX * 2 + 8];
};
struct log_quoted log_quote(const char *s);
#define LOG_Q(str) (log_quote(str).s)

/* Rate limit of one message: at most one line per interval, the suppressed ones counted. */
struct log_limit {
	uint64_t next_ms;
	unsigned suppressed;
};
/**
 * log_limit_pass() - may this line be written now?
 * @ret_suppressed: how many were kept back since the last one that passed
 */
bool log_limit_pass(struct log_limit *l, uint64_t now_ms, uint64_t interval_ms,
		    unsigned *ret_suppressed);
