/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as what etcd may send: the first one says which answer it is taken for. */
#include "store/etcd_json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key or value that is handed out ends where it says. */
static void check_entries(const struct kv_entry *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strlen(v[i].key) > KV_KEY_MAX || v[i].value[v[i].value_len] != '\0')
			abort();
	}
}

static void read_range(const char *text, size_t len)
{
	struct etcd_json_entries list = { 0 };
	struct etcd_json_page page;
	struct err e = { 0 };

	if (etcd_json_range_read(text, len, &page, &list, &e) == 0 && page.last_key && list.n == 0)
		abort();
	check_entries(list.v, list.n);
	etcd_json_page_done(&page);
	etcd_json_entries_done(&list);
}

static void read_txn(const char *text, size_t len)
{
	struct etcd_json_ops ops = {
		.n_then = 3,
		.n_else = 1,
		.then_types = { KV_OP_PUT, KV_OP_DELETE, KV_OP_GET },
		.else_types = { KV_OP_GET },
	};
	struct etcd_json_txn txn;
	struct err e = { 0 };

	if (etcd_json_txn_read(text, len, &ops, &txn, &e) == 0) {
		if (txn.n_ops != (txn.succeeded ? 3u : 1u))
			abort();
		for (size_t i = 0; i < txn.n_ops; i++)
			check_entries(txn.ops[i].entries, txn.ops[i].n_entries);
	}
	etcd_json_txn_done(&txn);
}

static void read_small(const char *text, size_t len)
{
	_cleanup_free_ char *token = NULL;
	struct etcd_json_lease lease;
	struct etcd_json_error error;

	etcd_json_lease_read(text, len, &lease, NULL);
	etcd_json_error_read(text, len, &error);
	if (etcd_json_auth_read(text, len, &token, NULL) == 0 && strpbrk(token, " \r\n"))
		abort();
}

static void read_watch(const char *text, size_t len)
{
	struct etcd_json_watch w;
	struct err e = { 0 };

	if (etcd_json_watch_read(text, len, &w, &e) == 0) {
		for (size_t i = 0; i < w.n_events; i++)
			check_entries(&w.events[i].entry, 1);
	}
	etcd_json_watch_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;

	if (size == 0)
		return 0;
	switch (data[0] & 3) {
	case 0:
		read_range(text, size - 1);
		break;
	case 1:
		read_txn(text, size - 1);
		break;
	case 2:
		read_small(text, size - 1);
		break;
	case 3:
		read_watch(text, size - 1);
		break;
	}
	return 0;
}
