/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/kernel.h"

#include <stdlib.h>
#include <string.h>

void kernel_dump_done(struct kernel_dump *d)
{
	for (size_t i = 0; i < d->n_nets; i++)
		state_net_free(d->nets[i]);
	free(d->nets);
	free(d->vteps);
	free(d->strays);
	free(d->guards);
	free(d->loose);
	free(d->elems);
	memset(d, 0, sizeof(*d));
}
