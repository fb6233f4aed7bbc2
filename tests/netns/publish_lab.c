/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/netns/publish_lab.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"

#define CHUNK 65536

static pid_t services;
static atomic_size_t *sent;

static bool write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t r = send(fd, data, n, MSG_NOSIGNAL);

		if (r <= 0)
			return false;
		data += r;
		n -= (size_t)r;
	}
	return true;
}

static void echo(int fd)
{
	char buf[CHUNK];

	for (ssize_t n = recv(fd, buf, sizeof(buf), 0); n > 0; n = recv(fd, buf, sizeof(buf), 0))
		if (!write_all(fd, buf, (size_t)n))
			return;
}

static void count(int fd)
{
	char buf[CHUNK];
	size_t all = 0;

	for (ssize_t n = recv(fd, buf, sizeof(buf), 0); n > 0; n = recv(fd, buf, sizeof(buf), 0))
		all += (size_t)n;
	write_all(fd, buf, (size_t)snprintf(buf, sizeof(buf), "%zu", all));
}

static void source(int fd)
{
	char buf[CHUNK] = { 0 };

	*sent = 0;
	while (*sent < LAB_SOURCE_BYTES && write_all(fd, buf, sizeof(buf)))
		*sent += sizeof(buf);
}

static void bye(int fd)
{
	write_all(fd, "bye", 3);
}

static const struct service {
	uint16_t port;
	void (*serve)(int fd);
} tcp_services[] = { { LAB_ECHO, echo },
		     { LAB_COUNT, count },
		     { LAB_SOURCE, source },
		     { LAB_BYE, bye },
		     { LAB_MUTE, NULL } };

struct conn {
	void (*serve)(int fd);
	int fd;
};

static void *serve_one(void *arg)
{
	struct conn c = *(struct conn *)arg;

	free(arg);
	c.serve(c.fd);
	close(c.fd);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct conn listener = *(struct conn *)arg;
	pthread_t t;

	for (;;) {
		struct conn *c = mem_alloc(sizeof(*c));

		c->serve = listener.serve;
		c->fd = accept(listener.fd, NULL, NULL);
		if (c->fd < 0 || pthread_create(&t, NULL, serve_one, c) != 0)
			_exit(1);
		pthread_detach(t);
	}
}

static void echo_udp(int fd)
{
	char buf[CHUNK];

	for (;;) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &len);

		if (n >= 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&ss, len);
	}
}

/* The child: listening already, so that nobody comes too early. */
static void run_services(struct conn *v, size_t n, int udp)
{
	pthread_t t;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < n; i++)
		if (v[i].serve && pthread_create(&t, NULL, accept_all, &v[i]) != 0)
			_exit(1);
	echo_udp(udp);
}

void publish_lab_begin(void)
{
	struct conn v[ARRAY_SIZE(tcp_services)];
	struct rlimit l;
	int udp;

	signal(SIGPIPE, SIG_IGN);
	nft_lab_begin();
	nft_lab_ns("h");
	nft_lab_ns("c");
	nft_lab_sh("ip -n ~h link add up0 type veth peer name eth0 netns ~c; "
		   "ip -n ~h link set up0 up; ip -n ~c link set eth0 up; "
		   "for i in 1 3; do ip -n ~h addr add 10.2.0.$i/24 dev up0; "
		   "ip -n ~h addr add fd02::$i/64 dev up0 nodad; done; "
		   "ip -n ~c addr add 10.2.0.2/24 dev eth0; "
		   "ip -n ~c addr add fd02::2/64 dev eth0 nodad");
	sent = mmap(NULL, sizeof(*sent), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sent == MAP_FAILED)
		abort();
	nft_lab_enter("c");
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		v[i].serve = tcp_services[i].serve;
		v[i].fd = lab_bind(SOCK_STREAM, "::", tcp_services[i].port, false);
	}
	udp = lab_bind(SOCK_DGRAM, "::", LAB_ECHO, false);
	services = fork();
	if (services == 0)
		run_services(v, ARRAY_SIZE(v), udp);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		close(v[i].fd);
	close(udp);
	nft_lab_enter("h");
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = 256; /* publishes_new() raises it */
	setrlimit(RLIMIT_NOFILE, &l);
}

void publish_lab_end(void)
{
	kill(services, SIGKILL);
	waitpid(services, NULL, 0);
	nft_lab_enter(NULL);
}

int publish_lab_setup(void **state)
{
	struct lab *l = mem_alloc(sizeof(*l));

	assert_int_equal(uv_loop_init(&l->loop), 0);
	l->ps = publishes_new(&l->loop);
	l->web = id_random();
	l->db = id_random();
	*state = l;
	return 0;
}

int publish_lab_teardown(void **state)
{
	struct lab *l = *state;

	publishes_close(l->ps);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	free(l);
	return 0;
}

size_t lab_sent(void)
{
	return *sent;
}

struct ip lab_ip(const char *text)
{
	struct ip ip = { 0 };

	if (*text)
		assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

struct model_publish lab_port(uint8_t proto, const char *host_ip, uint16_t host_port, uint16_t port)
{
	return (struct model_publish){
		.proto = proto, .host_ip = lab_ip(host_ip), .host_port = host_port, .port = port
	};
}

void lab_publish(struct lab *l, struct id owner, struct model_publish p, const char *ip4,
		 const char *ip6)
{
	struct err e = { 0 };

	if (publish_reserve(l->ps, owner, "web", &p, 1, true, &e) < 0)
		fail_msg("%s", err_text(&e));
	publish_target(l->ps, owner, lab_ip(ip4), lab_ip(ip6));
}

int lab_socket(int type, const char *addr, uint16_t port)
{
	struct ip ip = lab_ip(addr);
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(ip, port, &ss);
	int fd = socket(ip.family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

int lab_bind(int type, const char *addr, uint16_t port, bool v6only)
{
	struct ip ip = lab_ip(addr);
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(ip, port, &ss);
	_cleanup_close_ int fd = socket(ip.family, type | SOCK_CLOEXEC, 0);
	int only = v6only;

	if (ip.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0)
		return -errno;
	return TAKE_FD(fd);
}

struct job {
	uv_async_t done;
	void (*fn)(void *arg);
	void *arg;
	bool is_done;
};

static void *run_job(void *arg)
{
	struct job *j = arg;

	j->fn(j->arg);
	uv_async_send(&j->done);
	return NULL;
}

static void on_job_done(uv_async_t *a)
{
	struct job *j = a->data;

	j->is_done = true;
	uv_close((uv_handle_t *)a, NULL);
}

void lab_drive(struct lab *l, void (*fn)(void *arg), void *arg)
{
	struct job j = { .fn = fn, .arg = arg };
	pthread_t t;

	uv_async_init(&l->loop, &j.done, on_job_done);
	j.done.data = &j;
	assert_int_equal(pthread_create(&t, NULL, run_job, &j), 0);
	while (!j.is_done || uv_is_active((uv_handle_t *)&j.done))
		uv_run(&l->loop, UV_RUN_ONCE);
	pthread_join(t, NULL);
	uv_run(&l->loop, UV_RUN_NOWAIT); /* the handle is gone */
}

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

void lab_wait(struct lab *l, bool (*cond)(struct lab *l))
{
	uint64_t end_ms = clock_boot_ms() + LAB_WAIT_MS;
	uv_timer_t tick;

	uv_timer_init(&l->loop, &tick);
	uv_timer_start(&tick, on_tick, 10, 10);
	while (!cond(l) && clock_boot_ms() < end_ms)
		uv_run(&l->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_true(cond(l));
}

struct publish_stats lab_stats(struct lab *l)
{
	struct publish_stats s;

	publishes_stats(l->ps, &s);
	return s;
}

unsigned lab_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}
