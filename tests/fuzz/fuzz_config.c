/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as ovld's YAML file: taken with every text in bounds, or refused with a reason that names the file. */
#include "agent/config_file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define INPUT_MAX ((size_t)1 << 14)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_all(const struct config_file *f)
{
	const char *texts[] = { f->name,      f->etcd_prefix, f->etcd_ca,
				f->etcd_cert, f->etcd_key,    f->etcd_user,
				f->advertise, f->socket,      f->etcd_password_file,
				f->state_dir, f->log_level,   f->overlay_netns };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		n += texts[i] ? strlen(texts[i]) : 0;
	for (unsigned i = 0; i < f->n_etcd; i++)
		n += strlen(f->etcd[i]);
	for (unsigned i = 0; i < f->n_pools; i++)
		n += strlen(f->pools[i].base);
	for (unsigned i = 0; i < f->n_local_pools; i++)
		n += strlen(f->local_pools[i].base);
	if (f->egress && f->egress->subnet)
		n += strlen(f->egress->subnet);
	if (f->default_bridge && f->default_bridge->subnet)
		n += strlen(f->default_bridge->subnet);
	if (f->dns) {
		n += f->dns->domain ? strlen(f->dns->domain) : 0;
		n += f->dns->enabled && *f->dns->enabled ? 1 : 0;
		n += f->dns->ttl && f->dns->cache_kib && *f->dns->ttl == *f->dns->cache_kib;
		for (unsigned i = 0; i < f->dns->n_servers; i++)
			n += strlen(f->dns->servers[i]);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;
	struct config_file *f = NULL;
	struct err e = { 0 };

	if (size > INPUT_MAX)
		return 0;
	text = mem_alloc(size + 1);
	memcpy(text, data, size);
	if (config_file_parse(text, size, "f.yaml", &f, &e) < 0) {
		if (f || e.code == 0 || strncmp(e.text, "f.yaml: ", 8) != 0)
			abort();
	} else if (!f || read_all(f) > 64 * INPUT_MAX) {
		abort();
	}
	config_file_free(f);
	return 0;
}
