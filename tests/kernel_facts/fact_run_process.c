/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What agent/run and agent/containers.c rely on of processes: PDEATHSIG outlives exec and fires on SIGKILL of the parent; a signal through a
 * pidfd carries a value to a signalfd; the end of a pipe to write polls POLLERR once nobody reads; an unreaped leader keeps its group's number.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 10000

static void fact(bool holds, const char *what)
{
	printf("%s: %s\n", holds ? "holds" : "DOES NOT HOLD", what);
	if (!holds)
		exit(1);
}

static bool polls(int fd, short events, short want, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) == 1 && (p.revents & want);
}

static void parent_death(void)
{
	int out[2], gone;
	pid_t parent, child = 0;

	if (pipe2(out, O_CLOEXEC) < 0)
		exit(2);
	parent = fork();
	if (parent == 0) {
		child = fork();
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			child = getpid();
			if (write(out[1], &child, sizeof(child)) != sizeof(child))
				_exit(2);
			execl("/bin/sleep", "sleep", "1000", (char *)NULL);
			_exit(2);
		}
		close(out[1]);
		for (;;)
			pause();
	}
	close(out[1]);
	if (read(out[0], &child, sizeof(child)) != sizeof(child))
		exit(2);
	gone = pidfd_open(child, 0);
	/* The other end closes on exec. */
	fact(polls(out[0], POLLIN, POLLHUP, DEADLINE_MS), "the program runs");
	kill(parent, SIGKILL);
	fact(polls(gone, POLLIN, POLLIN, DEADLINE_MS),
	     "PDEATHSIG: the program dies with its parent");
	waitpid(parent, NULL, 0);
	close(out[0]);
	close(gone);
}

static void signal_value(void)
{
	siginfo_t si = { .si_signo = SIGRTMIN + 3, .si_code = SI_QUEUE };
	struct signalfd_siginfo got = { 0 };
	sigset_t set;
	int fd, self = pidfd_open(getpid(), 0);

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	si.si_value.sival_int = 42;
	fact(pidfd_send_signal(self, SIGRTMIN + 3, &si, 0) == 0,
	     "a signal with a value through a pidfd");
	fact(read(fd, &got, sizeof(got)) == sizeof(got) && got.ssi_int == 42 &&
		     got.ssi_code == SI_QUEUE,
	     "arrives with it in a signalfd");
	close(fd);
	close(self);
}

static void reader_gone(void)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		exit(2);
	fact(!polls(p[1], POLLIN, POLLERR, 0),
	     "the end to write polls nothing while there is a reader");
	close(p[0]);
	fact(polls(p[1], POLLIN, POLLERR, 0), "and POLLERR when there is none");
	close(p[1]);
}

static void group_of_the_dead(void)
{
	pid_t pid = fork();
	siginfo_t si;

	if (pid == 0) {
		setsid();
		_exit(0);
	}
	waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
	fact(kill(-pid, 0) == 0, "the group of a leader that is not reaped can be signalled");
	waitid(P_PID, (id_t)pid, &si, WEXITED);
	fact(kill(-pid, 0) < 0, "and is gone when it is");
}

int main(void)
{
	parent_death();
	signal_value();
	reader_gone();
	group_of_the_dead();
	return 0;
}
