/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe - what the kernel alone costs, measured with as little of anything else as can be.
 *
 *   probe path udp|tcp SECONDS CPU NETNS_A NETNS_B IP_A IP_B [NETNS_A ...]
 *       One thread owns a socket in either namespace, so send() carries a packet through the whole path, the receiving softirq
 *       included, on one CPU: no scheduler and no wake-up in it. A line per
 *       pair: ns per packet one way (udp, 64 bytes) or per KiB (tcp); the pairs take turns every millisecond or two.
 *   probe floor N
 *       In a namespace that holds the bridge br0: N veths, each born with its peer in a namespace of its own, address, up and
 *       route included; then N single deletions. Prints a line per attach "a <us>" and per detach "d <us>".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UDP_BYTES 64
#define UDP_BATCH 200 /* round trips in one figure */
#define TCP_BATCH (8l << 20) /* bytes in one figure */
#define BATCHES_MAX 100000
#define PAIRS_MAX 16
#define STALL_S 5
#define FLOOR_MAX 512
#define FLOOR_MTU 1450
#define PEER_IFINDEX 2 /* the first after lo in a new namespace */

static void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* ---- path ---- */

static struct sockaddr_in address(const char *ip, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
		die(ip);
	return a;
}

static int bound(const char *netns, int type, const struct sockaddr_in *a)
{
	int one = 1, fd;

	enter(netns);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)a, sizeof(*a)) < 0)
		die("bind");
	return fd;
}

/* To the other socket and back, UDP_BATCH times. */
static double udp_batch(const int fd[2])
{
	char buf[2048] = { 0 };
	double begin = now();

	for (int i = 0; i < 2 * UDP_BATCH; i++) {
		if (send(fd[i % 2], buf, UDP_BYTES, 0) < 0)
			die("send");
		while (recv(fd[1 - i % 2], buf, sizeof(buf), MSG_DONTWAIT) < 0)
			if (now() - begin > STALL_S)
				die("no packet arrives");
	}
	return (now() - begin) * 1e9 / (2 * UDP_BATCH);
}

static double tcp_batch(const int fd[2])
{
	static char out[128 << 10], in[256 << 10];
	double begin = now();
	long done = 0;

	while (done < TCP_BATCH) {
		ssize_t n;

		if (send(fd[0], out, sizeof(out), MSG_DONTWAIT) < 0 && errno != EAGAIN)
			die("send");
		while ((n = recv(fd[1], in, sizeof(in), MSG_DONTWAIT)) > 0)
			done += n;
		if (now() - begin > STALL_S)
			die("no data arrive");
	}
	return (now() - begin) * 1e9 / ((double)done / 1024);
}

/* On that CPU, and before whatever else would like to run there (the kernel leaves the others 5 % of it). */
static void pin(int cpu)
{
	struct sched_param first = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("sched_setaffinity");
	if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		die("sched_setscheduler");
}

struct pair {
	int fd[2];
	double *figures;
};

static void open_pair(struct pair *p, char **arg, bool tcp)
{
	int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
	struct sockaddr_in a = address(arg[2], 7001), b = address(arg[3], 7002);

	p->fd[0] = bound(arg[0], type, &a);
	p->fd[1] = bound(arg[1], type, &b);
	p->figures = calloc(BATCHES_MAX, sizeof(*p->figures));
	if (!p->figures || (tcp && listen(p->fd[1], 1) < 0))
		die("listen");
	if (connect(p->fd[0], (struct sockaddr *)&b, sizeof(b)) < 0)
		die("connect");
	if (tcp)
		p->fd[1] = accept(p->fd[1], NULL, NULL);
	else if (connect(p->fd[1], (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect");
}

static int path(int argc, char **arg)
{
	static struct pair pairs[PAIRS_MAX];
	bool tcp = !strcmp(arg[0], "tcp");
	double seconds = strtod(arg[1], NULL), begin;
	int n = 0, count = (argc - 3) / 4;

	for (int i = 0; i < count; i++)
		open_pair(&pairs[i], arg + 3 + 4l * i, tcp);
	pin((int)strtol(arg[2], NULL, 10));
	/* Batch by batch in turn: what disturbs disturbs all alike. */
	for (begin = now(); now() - begin < seconds && n < BATCHES_MAX; n++) {
		for (int i = 0; i < count; i++)
			pairs[i].figures[n] = tcp ? tcp_batch(pairs[i].fd) : udp_batch(pairs[i].fd);
	}
	for (int i = 0; i < count; i++) {
		qsort(pairs[i].figures, (size_t)n, sizeof(double), compare);
		printf("%.1f\n", pairs[i].figures[n / 2]);
	}
	return 0;
}

/* ---- floor ---- */

struct batch {
	char buf[8192];
	size_t len;
	unsigned int seq, acks;
};

static struct nlmsghdr *begin_msg(struct batch *b, uint16_t type, uint16_t flags, const void *head,
				  size_t len)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(b->buf + b->len);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	h->nlmsg_seq = ++b->seq;
	memcpy(mnl_nlmsg_put_extra_header(h, len), head, len);
	return h;
}

static void end_msg(struct batch *b, const struct nlmsghdr *h)
{
	b->len += NLMSG_ALIGN(h->nlmsg_len);
	b->acks++;
}

static void flush(struct mnl_socket *s, struct batch *b)
{
	char in[8192];

	if (mnl_socket_sendto(s, b->buf, b->len) < 0)
		die("netlink");
	while (b->acks > 0) {
		ssize_t n = mnl_socket_recvfrom(s, in, sizeof(in));
		int left = (int)n;

		if (n < 0)
			die("netlink");
		for (struct nlmsghdr *h = (struct nlmsghdr *)in; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			errno = -e->error;
			if (e->error)
				die("netlink");
			b->acks--;
		}
	}
	b->len = 0;
}

static struct mnl_socket *netlink_socket(void)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink socket");
	return s;
}

static void put_veth(struct batch *b, int i, uint32_t bridge, int netns)
{
	struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
			 peer = { .ifi_index = PEER_IFINDEX };
	struct nlmsghdr *h = begin_msg(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
	uint8_t mac[6] = { 2, 0x42, 10, 99, (uint8_t)(i >> 8), (uint8_t)i };
	struct nlattr *info, *data, *other;
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "w%d", i);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put_u32(h, IFLA_MASTER, bridge);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_str(h, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(h, VETH_INFO_PEER);
	memcpy(mnl_nlmsg_put_extra_header(h, sizeof(peer)), &peer, sizeof(peer));
	mnl_attr_put_strz(h, IFLA_IFNAME, "eth0");
	mnl_attr_put_u32(h, IFLA_MTU, FLOOR_MTU);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(mac), mac);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)netns);
	mnl_attr_nest_end(h, other);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	end_msg(b, h);
}

static void put_up(struct batch *b, int ifindex)
{
	struct ifinfomsg up = { .ifi_index = ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	end_msg(b, begin_msg(b, RTM_NEWLINK, 0, &up, sizeof(up)));
}

static void put_address_route(struct batch *b, int i)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_INET,
				 .ifa_prefixlen = 16,
				 .ifa_index = PEER_IFINDEX };
	struct rtmsg rt = { .rtm_family = AF_INET,
			    .rtm_table = RT_TABLE_MAIN,
			    .rtm_protocol = RTPROT_STATIC,
			    .rtm_type = RTN_UNICAST };
	uint32_t ip = htonl(0x0a630000 + (uint32_t)i + 2);
	struct nlmsghdr *h =
		begin_msg(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa));

	mnl_attr_put_u32(h, IFA_LOCAL, ip);
	mnl_attr_put_u32(h, IFA_ADDRESS, ip);
	end_msg(b, h);
	put_up(b, PEER_IFINDEX);
	h = begin_msg(b, RTM_NEWROUTE, NLM_F_CREATE, &rt, sizeof(rt));
	mnl_attr_put_u32(h, RTA_OIF, PEER_IFINDEX);
	mnl_attr_put_u32(h, RTA_GATEWAY, htonl(0x0a630001));
	end_msg(b, h);
}

static void floor_detach(struct mnl_socket *s, struct batch *b, int i)
{
	struct ifinfomsg head = { 0 };
	struct nlmsghdr *h = begin_msg(b, RTM_DELLINK, 0, &head, sizeof(head));
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "w%d", i);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	end_msg(b, h);
	flush(s, b);
}

static int floor_run(char **arg)
{
	static struct mnl_socket *inside[FLOOR_MAX];
	static int netns[FLOOR_MAX];
	static struct batch b;
	struct mnl_socket *s = netlink_socket();
	int n = (int)strtol(arg[0], NULL, 10),
	    own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	uint32_t bridge = if_nametoindex("br0");

	n = n > FLOOR_MAX ? FLOOR_MAX : n;
	for (int i = 0; i < n; i++) {
		if (unshare(CLONE_NEWNET) < 0)
			die("unshare");
		netns[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		inside[i] = netlink_socket();
		put_up(&b, 1);
		flush(inside[i], &b);
	}
	if (bridge == 0 || setns(own, CLONE_NEWNET) < 0)
		die("br0");
	for (int i = 0; i < n; i++) {
		double begin = now();

		put_veth(&b, i, bridge, netns[i]);
		flush(s, &b);
		put_address_route(&b, i);
		flush(inside[i], &b);
		printf("a %.1f\n", (now() - begin) * 1e6);
	}
	for (int i = 0; i < n; i++) {
		double begin = now();

		floor_detach(s, &b, i);
		printf("d %.1f\n", (now() - begin) * 1e6);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 9 && argc <= 5 + 4 * PAIRS_MAX && argc % 4 == 1 && !strcmp(argv[1], "path"))
		return path(argc - 2, argv + 2);
	if (argc == 3 && !strcmp(argv[1], "floor"))
		return floor_run(argv + 2);
	fprintf(stderr,
		"usage: probe path udp|tcp SECONDS CPU NETNS_A NETNS_B IP_A IP_B... | probe floor N\n");
	return 2;
}
