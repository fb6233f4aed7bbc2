/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/run/run_loop.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/api/body_run.h"
#include "base/mem.h"

#define CHUNK \
	4096 /* PIPE_BUF: a pipe that polls writable takes this much without waiting (pipe(7)) */
#define DRAIN_MAX \
	(1024 * 1024) /* bytes read after the end; a process left behind may write for ever */
#define SIGNAL_LAST 31
#define STREAM_FDS 3 /* signals, and what the command writes */

static const int passed[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH };

struct stream {
	int *from; /* -1: ended */
	int to; /* -1: log only */
	char data[CHUNK];
	size_t off, len; /* what @to has still to take */
	size_t drained;
};

struct loop {
	const struct run_loop *l;
	struct stream s[2];
	bool ended;
	int code, signal;
};

void run_loop_signals(sigset_t *ret)
{
	sigemptyset(ret);
	for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
		sigaddset(ret, passed[i]);
	sigaddset(ret, SIGCHLD);
	sigaddset(ret, RUN_SIGNAL_FORWARD);
}

static void end_stream(struct stream *s)
{
	mem_closep(s->from);
	*s->from = -1;
	s->len = 0;
}

/* Return: whether there was something. */
static bool read_stream(struct loop *lp, struct stream *s)
{
	ssize_t n = read(*s->from, s->data, sizeof(s->data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		end_stream(s);
		return false;
	}
	run_log_write(lp->l->log, s->data, (size_t)n);
	if (lp->ended) {
		s->drained += (size_t)n;
		if (s->drained > DRAIN_MAX)
			end_stream(s);
	}
	if (s->to >= 0 && *s->from >= 0) {
		s->off = 0;
		s->len = (size_t)n;
	}
	return true;
}

static void write_stream(struct stream *s)
{
	ssize_t n = write(s->to, s->data + s->off, s->len);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	/* Nobody reads any more: the command shall learn it from its next write, as in a pipeline. */
	if (n < 0) {
		end_stream(s);
		return;
	}
	s->off += (size_t)n;
	s->len -= (size_t)n;
}

static void pass_signal(struct loop *lp, const struct signalfd_siginfo *si)
{
	int signo = (int)si->ssi_signo;

	if (signo == SIGCHLD || lp->ended)
		return;
	if (signo == RUN_SIGNAL_FORWARD) {
		/* Its value is a wish of ovld: taken from root only. */
		if (si->ssi_code != SI_QUEUE || si->ssi_uid != 0 || si->ssi_int < 1 ||
		    si->ssi_int > SIGNAL_LAST)
			return;
		signo = si->ssi_int;
	} else if (si->ssi_code == SI_KERNEL && lp->l->tee) {
		return; /* from the terminal: the command, in the same process group, has it already */
	}
	kill(lp->l->child->pid, signo);
}

static void read_signals(struct loop *lp)
{
	struct signalfd_siginfo si;

	while (read(lp->l->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		/* After the end of the command only the terminal's patience is left. */
		if (lp->ended && (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)) {
			end_stream(&lp->s[0]);
			end_stream(&lp->s[1]);
		}
		pass_signal(lp, &si);
	}
}

static void look_after_etc(struct loop *lp, const struct pollfd *p, size_t n, bool timeout)
{
	bool asked = false;

	for (size_t i = 0; i < n; i++)
		asked = asked || p[i].revents;
	if (asked || (timeout && !lp->ended))
		run_etc_look(lp->l->etc, asked);
}

/* One turn. Return: whether anything is left to do. */
static bool turn(struct loop *lp)
{
	struct pollfd p[STREAM_FDS + RUN_ETC_FDS] = { { .fd = lp->l->signal_fd,
							.events = POLLIN } };
	size_t n_etc = lp->ended ? 0 : run_etc_poll(lp->l->etc, p + STREAM_FDS);
	bool pending = false, moved = false;
	int ready;

	for (int i = 0; i < 2; i++) {
		struct stream *s = &lp->s[i];

		if (s->len)
			p[1 + i] = (struct pollfd){ .fd = s->to, .events = POLLOUT };
		else
			p[1 + i] = (struct pollfd){ .fd = *s->from, .events = POLLIN };
		pending |= s->len > 0;
	}
	/* Ended: read what is there, wait only for the terminal. */
	ready = poll(p, STREAM_FDS + n_etc,
		     !lp->ended ? run_etc_timeout(lp->l->etc) :
		     pending	? -1 :
				  0);
	if (ready < 0)
		return errno == EINTR;
	look_after_etc(lp, p + STREAM_FDS, n_etc, ready == 0);
	for (int i = 0; i < 2; i++) {
		struct stream *s = &lp->s[i];

		if (!p[1 + i].revents)
			continue;
		if (s->len)
			write_stream(s);
		else
			read_stream(lp, s);
		moved = true;
	}
	if (p[0].revents)
		read_signals(lp);
	if (lp->ended)
		return moved || pending;
	lp->ended = run_child_reap(lp->l->child, &lp->code, &lp->signal) == 0;
	return true;
}

void run_loop_run(const struct run_loop *l, int *ret_code, int *ret_signal)
{
	struct loop lp = { .l = l };

	lp.s[0].from = &l->child->out;
	lp.s[1].from = &l->child->err;
	lp.s[0].to = l->tee ? STDOUT_FILENO : -1;
	lp.s[1].to = l->tee ? STDERR_FILENO : -1;
	while (turn(&lp))
		;
	*ret_code = lp.code;
	*ret_signal = lp.signal;
}
