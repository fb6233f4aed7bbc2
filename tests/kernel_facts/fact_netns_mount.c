/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Namespaces as files: one mounted in a private mount namespace dies with it and leaves an empty file; one held by a descriptor can be mounted
 * again after its file was removed (facts §1; overlay/netns.c).
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/kernel_facts/nft_lab.h"

static ino_t ino(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

int main(void)
{
	char path[64], from[64];
	ino_t before;
	int fd;

	nft_lab_begin();
	nft_lab_ns("o");
	snprintf(path, sizeof(path), "%s", nft_lab_path("o"));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	before = ino(path);
	nft_lab_sh("ip -n ~o link add br1 type bridge; ip netns del ~o");
	nft_lab_fact(ino(path) == 0, "the file is gone");
	close(open(path, O_CREAT | O_RDONLY | O_CLOEXEC, 0444));
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	nft_lab_fact(mount(from, path, "none", MS_BIND, NULL) == 0,
		     "a descriptor can be mounted, though nothing else mounts it");
	nft_lab_fact(ino(path) == before, "it is the same namespace");
	nft_lab_sh("ip -n ~o link show br1 >/dev/null");
	close(fd);

	nft_lab_sh("unshare --mount --propagation private ip netns add ~p");
	nft_lab_fact(!nft_lab_try("test -f %s && ! test -s %s", nft_lab_path("p"),
				  nft_lab_path("p")),
		     "a private mount leaves an empty file");
	nft_lab_fact(nft_lab_try("ip -n ~p link show 2>/dev/null"), "that is no namespace");
	nft_lab_sh("rm %s", nft_lab_path("p"));
	return 0;
}
