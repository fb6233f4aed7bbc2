/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/kernel_linux_priv.h"

#include <errno.h>
#include <string.h>
#include "overlay/knl_link.h"
#include "overlay/netns.h"
#include "overlay/sysctl_ground.h"

/* Does the file still show the namespace that we hold? */
static int check_file(const struct kernel_linux *k, struct err *e)
{
	struct err why = { 0 };
	_cleanup_close_ int fd = netns_open(k->netns_path, &why);
	uint64_t dev, ino, own_dev, own_ino;

	if (fd < 0)
		return err_set(e, -ESTALE, "%s", err_text(&why));
	if (netns_identify(fd, &dev, &ino) < 0 || netns_identify(k->nsfd, &own_dev, &own_ino) < 0 ||
	    dev != own_dev || ino != own_ino)
		return err_set(e, -ESTALE, "%s is another namespace than that of the networks",
			       k->netns_path);
	return 0;
}

int kernel_linux_ground_check(struct kernel *kernel, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	int r;

	if (k->nsfd < 0)
		return err_set(e, -ESTALE, "there is no namespace %s yet", k->netns_path);
	r = check_file(k, e);
	if (r == 0)
		r = sysctl_ground_check(k->nsfd, e);
	if (r == 0)
		r = nft_ground_check(k->nft, e);
	return r;
}

/* The namespace: held already (its file perhaps to be mounted again), found, or made. */
static int have_namespace(struct kernel_linux *k, struct err *e)
{
	struct err why = { 0 };
	bool created;
	int fd, r;

	if (k->nsfd >= 0) {
		if (check_file(k, &why) == 0)
			return 0;
		k->writes++;
		return netns_remount(k->nsfd, k->netns_path, e);
	}
	fd = netns_ensure(k->netns_path, &created, e);
	if (fd < 0)
		return fd;
	r = kernel_linux_hold(k, fd, e);
	if (r < 0) {
		close(fd);
		return r;
	}
	if (!created)
		return 0;
	k->writes++;
	knl_drop(k->ovl);
	knl_link_set(k->ovl, "lo", IFF_UP, IFF_UP);
	r = knl_send(k->ovl, NULL, NULL);
	return r < 0 ? knl_fail(k->ovl, e, r, "cannot set lo up in %s", k->netns_path) : 0;
}

int kernel_linux_ground(struct kernel *kernel, const struct kernel_elements *el, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	unsigned writes = 0;
	int r = have_namespace(k, e);

	if (r < 0)
		return r;
	/* bridge-nf off before any table is there (facts §10). */
	r = sysctl_ground_make(k->nsfd, &writes, e);
	k->writes += writes;
	if (r < 0)
		return r;
	r = nft_ground_check(k->nft, NULL);
	if (r != -ESTALE)
		return r < 0 ? err_set(e, r, "cannot read the nf_tables rules: %s", strerror(-r)) :
			       0;
	return nft_ground_make(k->nft, el, e);
}
