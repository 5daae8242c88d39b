/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/summary.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool rows_ok(const struct summary *summary)
{
	if (summary->functions > SUMMARY_MAX_ROWS || summary->processes > SUMMARY_MAX_ROWS)
		return false;
	for (uint32_t i = 0; i < summary->functions + summary->processes; i++)
		if (!memchr(summary->rows[i].name, 0, sizeof(summary->rows[i].name)) ||
		    !memchr(summary->rows[i].module, 0, sizeof(summary->rows[i].module)))
			return false;
	return true;
}

static bool ends_ok(const struct summary *summary)
{
	if (summary->n_ends > SUMMARY_MAX_ENDS)
		return false;
	for (uint32_t i = 0; i < summary->n_ends; i++)
		if (summary->ends[i].end >= UNWIND_END_COUNT ||
		    !memchr(summary->ends[i].module, 0, sizeof(summary->ends[i].module)))
			return false;
	return true;
}

static bool unnamed_ok(const struct summary *summary)
{
	if (summary->n_unnamed > SUMMARY_MAX_UNNAMED)
		return false;
	for (uint32_t i = 0; i < summary->n_unnamed; i++) {
		const struct summary_unnamed *row = &summary->unnamed[i];

		if (row->why >= UNNAMED_COUNT || (row->sought | row->found | row->bad) >> SOURCE_KINDS ||
		    !memchr(row->module, 0, sizeof(row->module)) || !memchr(row->build_id, 0, sizeof(row->build_id)))
			return false;
	}
	return true;
}

int summary_write(const struct summary *summary, int *ret_fd)
{
	return memfd_from_bytes("hostprof-summary", summary, sizeof(*summary), ret_fd);
}

int summary_read(int fd, struct summary *ret)
{
	const struct summary *summary;
	struct memfd_map map;
	int err = memfd_map(fd, sizeof(*ret), &map);

	if (err)
		return err;
	err = -EBADMSG;
	summary = (const struct summary *)map.bytes;
	if (map.len == sizeof(*ret) && rows_ok(summary) && ends_ok(summary) && unnamed_ok(summary)) {
		memcpy(ret, summary, sizeof(*ret));
		err = 0;
	}
	memfd_unmap(&map);
	return err;
}
