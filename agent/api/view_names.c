/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an endpoint is found by and told, as the API shows it (view.h). */
#include "agent/api/view.h"

#include "base/json.h"

void view_put_names(cJSON *j, const struct model_endpoint *rec, const struct local_endpoint *local)
{
	const char *hostname = local ? local->hostname : rec->hostname;

	json_put_str(j, "Hostname", hostname ? hostname : "");
	cJSON_AddItemToObject(j, "ExposedPorts",
			      local ? model_expose_json(local->expose, local->n_expose) :
				      model_expose_json(rec->expose, rec->n_expose));
	if (!local)
		return;
	json_put_strv(j, "Links", &local->links);
	json_put_strv(j, "Dns", &local->dns);
	json_put_strv(j, "DnsSearch", &local->dns_search);
	json_put_strv(j, "DnsOptions", &local->dns_options);
	json_put_strv(j, "ExtraHosts", &local->extra_hosts);
}
