/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/store/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define ETCD "/usr/bin/etcd"
#define ARGS_MAX 40
#define PORT_FIRST 20000
#define PORTS 12000

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/*
 * Below the range from which the kernel takes ports for outgoing connections: one of those would sit on the port of a
 * server that is down for a moment.
 */
static int free_port(void)
{
	static unsigned next;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (int i = 0; i < PORTS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int port = PORT_FIRST + (int)(((unsigned)getpid() * 17 + next++) % PORTS);
		int r;

		a.sin_port = htons((uint16_t)port);
		r = bind(fd, (struct sockaddr *)&a, sizeof(a));
		close(fd);
		if (r == 0)
			return port;
	}
	die("free port");
	return -1;
}

static void run_args(char **args)
{
	int status, null;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execvp(args[0], args);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "%s %s failed\n", args[0], args[1]);
		exit(1);
	}
}

void run(const char *arg0, ...)
{
	char *args[ARGS_MAX] = { (char *)arg0 };
	int n = 1;
	va_list ap;

	va_start(ap, arg0);
	while (n < ARGS_MAX - 1 && (args[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	run_args(args);
}

char *servers_file(const struct servers *c, const char *name)
{
	return mem_printf("%s/%s", c->dir, name);
}

void servers_init(struct servers *c, int n, bool tls)
{
	*c = (struct servers){ .n = n, .tls = tls, .dir = "/tmp/ovl-test-etcd.XXXXXX" };
	if (access(ETCD, X_OK) < 0) {
		fprintf(stderr, "no %s\n", ETCD);
		exit(77);
	}
	if (!mkdtemp(c->dir))
		die("mkdtemp");
	for (int i = 0; i < n; i++) {
		struct server *s = &c->s[i];

		s->client_port = free_port();
		s->peer_port = free_port();
		snprintf(s->name, sizeof(s->name), "m%d", i);
		snprintf(s->url, sizeof(s->url), "http%s://127.0.0.1:%d", tls ? "s" : "",
			 s->client_port);
		s->data = servers_file(c, s->name);
		s->log = mem_printf("%s.log", s->data);
	}
}

void servers_done(struct servers *c)
{
	for (int i = 0; i < c->n; i++)
		server_kill(c, i, false);
	for (int i = 0; i < c->n; i++) {
		free(c->s[i].data);
		free(c->s[i].log);
	}
	run("rm", "-rf", c->dir, NULL);
}

static void child(struct servers *c, struct server *s, char **args)
{
	_cleanup_free_ char *sock = mem_printf("%s:1", s->name);
	int fd = open(s->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (chdir(c->dir) < 0)
		_exit(126);
	/* After SIGKILL the socket's file is left, and in etcd's way. */
	unlink(sock);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, 1);
	dup2(fd, 2);
	execv(ETCD, args);
	_exit(127);
}

void server_start(struct servers *c, int i)
{
	struct server *s = &c->s[i];
	char peers[512] = "", peer[64], listen[192];
	_cleanup_free_ char *ca = servers_file(c, "ca.pem"), *cert = servers_file(c, "server.pem");
	_cleanup_free_ char *key = servers_file(c, "server.key");
	char *args[ARGS_MAX] = { ETCD,
				 "--name",
				 s->name,
				 "--data-dir",
				 s->data,
				 "--listen-client-urls",
				 listen,
				 "--advertise-client-urls",
				 s->url,
				 "--listen-peer-urls",
				 peer,
				 "--initial-advertise-peer-urls",
				 peer,
				 "--initial-cluster",
				 peers,
				 "--log-level",
				 "error",
				 "--logger",
				 "zap",
				 "--unsafe-no-fsync",
				 "--heartbeat-interval",
				 "50",
				 "--election-timeout",
				 "500" };
	char *tls[] = { "--cert-file",	     cert, "--key-file",	key,
			"--trusted-ca-file", ca,   "--client-cert-auth" };
	size_t n = 0;

	for (int k = 0; k < c->n; k++) {
		size_t used = strlen(peers);

		snprintf(peers + used, sizeof(peers) - used, "%s%s=http://127.0.0.1:%d",
			 k ? "," : "", c->s[k].name, c->s[k].peer_port);
	}
	/* For etcd a unix socket is host:port, too: a file of that name in the working directory. */
	snprintf(listen, sizeof(listen), "%s%s%s%s", s->url, c->tls ? "" : ",unix://",
		 c->tls ? "" : s->name, c->tls ? "" : ":1");
	snprintf(peer, sizeof(peer), "http://127.0.0.1:%d", s->peer_port);
	while (args[n])
		n++;
	if (c->tls)
		memcpy(args + n, tls, sizeof(tls));
	s->pid = fork();
	if (s->pid < 0)
		die("fork");
	if (s->pid == 0)
		child(c, s, args);
}

void server_wait(struct servers *c, int i)
{
	_cleanup_free_ char *url = mem_printf("%s/version", c->s[i].url);
	_cleanup_free_ char *peer = mem_printf("http://127.0.0.1:%d/version", c->s[i].peer_port);
	_cleanup_free_ char *out = servers_file(c, "version");

	run("curl", "-s", "-o", out, "--retry", "1000", "--retry-connrefused", "--retry-delay", "1",
	    "--retry-max-time", "60", "--max-time", "60", url, "-o", out, peer, NULL);
}

void server_kill(struct servers *c, int i, bool gently)
{
	struct server *s = &c->s[i];

	if (s->pid == 0)
		return;
	kill(s->pid, gently ? SIGTERM : SIGKILL);
	kill(s->pid, SIGCONT);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void server_stop(struct servers *c, int i)
{
	kill(c->s[i].pid, SIGSTOP);
	waitpid(c->s[i].pid, NULL, WUNTRACED);
}

void server_wipe(struct servers *c, int i)
{
	run("rm", "-rf", c->s[i].data, NULL);
}

void server_save(struct servers *c, int i)
{
	_cleanup_free_ char *copy = mem_printf("%s.saved", c->s[i].data);

	run("cp", "-a", c->s[i].data, copy, NULL);
}

void server_restore(struct servers *c, int i)
{
	_cleanup_free_ char *copy = mem_printf("%s.saved", c->s[i].data);

	server_wipe(c, i);
	run("mv", copy, c->s[i].data, NULL);
}
