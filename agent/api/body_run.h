/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * body_run - what is said about containers of `ovlctl run`: by ovlctl to ovl-run (a request over an inherited descriptor, a report
 * back), and by ovl-run to ovld (POST /containers/create, /containers/{name}/started).
 *
 * Pure. A supervisor takes signals for its command two ways: an ordinary one is passed on as it is; RUN_SIGNAL_FORWARD, sent with a
 * value (sigqueue(3)), asks for the signal whose number is the value, so that KILL can be sent without knowing the command's pid.
 */
#pragma once
#include <signal.h>
#include "agent/api/body.h"
#include "base/addr.h"
#include "base/json.h"
#include "base/strv.h"

#define RUN_SIGNAL_FORWARD (SIGRTMIN + 3)
#define RUN_PROGRAM "ovl-run"
#define RUN_LIBEXEC_DIR "/usr/libexec/ovl"

#define RUN_COMMAND_MAX 4096 /* arguments that ovld is told */
#define RUN_REQUEST_MAX (1024 * 1024) /* bytes */
#define RUN_NETWORKS_MAX 64
#define RUN_TEXT_MAX 1024 /* names, paths */
#define RUN_COMMAND_SHOWN_MAX 4096 /* bytes of the command line that ovld is told */
#define RUN_STOP_SECONDS_MAX 86400
#define RUN_HOSTNAME_MAX 64 /* __NEW_UTS_LEN of the kernel */

/*
 * ovlctl to ovl-run: `ovl-run -- CMD...` with the request readable at descriptor RUN_REQUEST_FD and, detached, a pipe for the report at
 * RUN_REPORT_FD. The command is no part of the JSON: its bytes need not be UTF-8.
 */
#define RUN_REQUEST_FD 3
#define RUN_REPORT_FD 4
/* Whose network namespace the command runs in. */
enum run_mode {
	RUN_OWN, /* a new one, joined to networks */
	RUN_NONE, /* a new one with lo alone */
	RUN_HOST, /* the host's */
	RUN_SHARED, /* that of another container of `ovlctl run` */
};
struct run_network {
	char *name;
	struct ip ip4, ip6; /* unset: chosen */
	struct mac mac; /* zero: from the address */
	struct strv aliases;
	char *ifname; /* NULL: the first free ethN */
	int32_t gw_priority;
};
struct run_request {
	char *name; /* NULL: ovld chooses */
	char *socket; /* of ovld: absolute path */
	bool detach;
	enum run_mode mode;
	char *container; /* RUN_SHARED: its name */
	struct run_network *networks; /* RUN_OWN: eth0, eth1, ... in this order; at least one */
	size_t n_networks;
	struct body_publishes publish; /* RUN_OWN */
	struct body_names
		names; /* of the container, told with every network; the host name also with RUN_NONE and RUN_HOST */
};
/** run_request_encode() - one line of JSON, heap. */
char *run_request_encode(const struct run_request *r);
/** run_request_decode() - Return: 0; -EINVAL, -EMSGSIZE with the field named. @ret only on success, run_request_done(). */
int run_request_decode(const char *text, size_t len, struct run_request *ret, struct err *e);
void run_request_done(struct run_request *r);
/** run_network_parse() - an argument of --network: NAME, or Docker's long form name=demo,ip=10.0.0.9,... Return: 0, -EINVAL with the key named. */
int run_network_parse(const char *text, struct run_network *ret, struct err *e);
void run_network_done(struct run_network *n);
/** run_network_json() / run_network_decode() - one item of a request's Networks. */
cJSON *run_network_json(const struct run_network *n);
int run_network_decode(const cJSON *j, struct run_network *ret, struct err *e);
/** run_request_mode() - "host", "none", "container:NAME", or the name of the first network: Docker's NetworkMode; heap. */
char *run_request_mode(const struct run_request *r);
/** run_mode_of() - the mode that a NetworkMode stands for; *ret_container: borrowed from @text, set for RUN_SHARED only (may be NULL). */
enum run_mode run_mode_of(const char *text, const char **ret_container);
/**
 * run_request_connect() - the body (body.h) of POST /networks/{net}/connect for the network at @index; owned by the caller
 *
 * Names go with each. Published ports go with the last one; with those before it is said that more follow: the way out is then the last ethN.
 */
cJSON *run_request_connect(const struct run_request *r, size_t index, const char *target);

/* ovl-run to ovlctl, once: the command runs, or why not. */
struct run_report {
	char *name; /* of the container that runs; NULL: failed */
	char *error; /* NULL: runs */
	int status; /* for ovlctl to exit with */
};
#define RUN_REPORT_MAX (64 * 1024)
char *run_report_encode(const struct run_report *r);
int run_report_decode(const char *text, size_t len, struct run_report *ret, struct err *e);
void run_report_done(struct run_report *r);

/* POST /containers/create */
struct run_create {
	char *name; /* NULL: to be chosen */
	int64_t pid; /* of the supervisor, which is in the namespace */
	uint64_t pid_start; /* field 22 of its /proc/<pid>/stat */
	struct strv command; /* cut to RUN_COMMAND_SHOWN_MAX bytes: for display */
	char *mode; /* run_request_mode(); NULL: a namespace of its own */
};
cJSON *run_create_json(const struct run_create *c);
int run_create_decode(const cJSON *j, struct run_create *ret, struct err *e);
void run_create_done(struct run_create *c);
/** run_command_shown() - @argv (NULL-terminated) up to the maxima, what was cut ended with "..."; bytes that are no printable UTF-8 become '?'. */
void run_command_shown(char *const *argv, struct strv *ret);

/** run_signal_parse() - "TERM", "SIGTERM", "15". Return: 0 or -EINVAL. */
int run_signal_parse(const char *text, int *ret, struct err *e);
/** run_exit_status() - as a shell tells it: the exit code, or 128 + signal. */
int run_exit_status(int code, int signal);
/** run_url_escape() - percent-encode what is no unreserved character (RFC 3986 §2.3), for one path segment; heap. */
char *run_url_escape(const char *s);
