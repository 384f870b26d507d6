/* SPDX-License-Identifier: MIT */
/* verso drop: deletes tables. */
#include "tools/verso/tool.h"

#include <inttypes.h>
#include <string.h>

static enum status drop_one(struct session *s, int i, uint64_t *ret_records)
{
	struct verso_table_stat stat = {.size = sizeof(stat)};
	struct verso_val name = s->args->bytes[i];
	struct verso_table *table;
	int rc;

	if (name.len == 0 || strlen(name.data) != name.len) {
		say_of_command(s->args->command,
			"%s: a name has 1 to 255 bytes, none of them zero; the default table has "
			"none and stays",
			s->args->rest[i]);
		return STATUS_USAGE;
	}
	rc = verso_table_open(s->txn, name.data, 0, &table);
	if (rc == 0)
		rc = verso_table_stat(s->txn, table, &stat);
	if (rc == 0)
		rc = verso_table_drop(s->txn, name.data);
	if (rc == VERSO_NOTFOUND)
		return fail_no_table(s->txn, s->args->path, name.data);
	*ret_records = stat.n_records;
	return rc == 0 ? STATUS_OK : fail(s->args->path, rc);
}

static enum status drop(const struct arguments *args)
{
	struct session s;
	uint64_t n_records = 0, sum = 0;
	enum status status = session_open(&s, args, VERSO_WRITE);

	if (status != STATUS_OK)
		return status;
	for (int i = 0; i < args->n_rest; i++) {
		status = drop_one(&s, i, &n_records);
		if (status != STATUS_OK) {
			session_abort(&s);
			return status;
		}
		sum += n_records;
	}
	status = session_commit(&s);
	if (status == STATUS_OK)
		(void)fprintf(stderr, "dropped %d table%s with %" PRIu64 " records\n", args->n_rest,
			args->n_rest == 1 ? "" : "s", sum);
	return status;
}

const struct command command_drop = {
	.name = "drop",
	.words = "DB TABLE...",
	.summary = "Delete tables with all their records",
	.help = "All in one transaction: if one of them is not there, none is deleted. In TABLE,\n"
		"\\t, \\n, \\\\ and \\xHH stand for the bytes that they name, as `verso tables`\n"
		"prints them. The default table has no name and stays. Exit status 1: there is\n"
		"no such table.",
	.example = "  verso put planets.verso --table=moons luna '1737 km'\n"
		   "  verso drop planets.verso moons\n",
	.takes = TAKES_WRITER,
	.rest_min = 1,
	.rest_max = INT_MAX,
	.rest_is_bytes = true,
	.run = drop,
};
