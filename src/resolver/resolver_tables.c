/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver_internal.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ipc/memfd.h"
#include "unwind/table_build.h"

_Static_assert(MESSAGE_MAX_GAPS == TABLE_MAX_GAPS, "the gaps of a table fit its message");

static uint64_t own_cpu_ns(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time))
		return 0;
	return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

static void describe_table(const struct table_coverage *coverage, const struct table_writer_stats *stats,
			   struct message_table *table)
{
	table->is_whole = coverage->is_whole;
	table->code = coverage->code;
	table->eh_frame = coverage->eh_frame;
	table->debug_frame = coverage->debug_frame;
	table->go = coverage->go;
	table->scanned = coverage->scanned;
	table->none = coverage->none;
	table->unsupported = coverage->unsupported;
	table->bad_entries = coverage->bad_entries;
	table->rows_given = stats->rows_given;
	table->rows_merged = stats->rows_merged;
	table->rows_written = stats->rows_written;
	table->n_gaps = coverage->n_gaps;
	for (uint32_t i = 0; i < coverage->n_gaps; i++)
		table->gaps[i] = (struct message_gap){coverage->gaps[i].elf_va, coverage->gaps[i].file_off,
						      coverage->gaps[i].bytes};
}

/* Makes the table; *ret_fd is -1 when another object's serves. */
static int make_table(struct resolver *resolver, struct message_table *table, int *ret_fd)
{
	struct table_coverage coverage = {0};
	struct table_writer_stats stats = {0};
	bool awaits_debug = false;
	auto_close int fd = -1;
	int err = memfd_new("unwind table", &fd);

	if (!err)
		err = object_cache_table(resolver->cache, table->object, table->page, fd, &table->same_as,
					 &awaits_debug, &stats, &coverage);
	table->awaits_debug = awaits_debug;
	table->build_id_len = (uint32_t)object_cache_file_build_id(resolver->cache, table->object, table->build_id);
	describe_table(&coverage, &stats, table);
	if (!err && !table->same_as)
		err = memfd_seal(fd);
	if (!err && !table->same_as)
		*ret_fd = take_fd(&fd);
	return err;
}

int resolver_on_make_table(struct resolver *resolver, const struct message *message)
{
	const struct message_make_table *request = message->payload;
	struct message_table table = {.object = request->object, .page = request->page};
	const struct message_parsing parsing = {.object = request->object};
	struct message_parsed parsed = {.object = request->object};
	uint64_t began_ns = own_cpu_ns();
	auto_close int fd = -1;
	int err;

	err = channel_send(resolver->channel, MESSAGE_PARSING, 0, &parsing, sizeof(parsing), -1);
	if (err)
		return err;
	setpriority(PRIO_PROCESS, 0, resolver->table_nice);
	table.err = make_table(resolver, &table, &fd);
	setpriority(PRIO_PROCESS, 0, 0);
	table.cpu_ns = own_cpu_ns() - began_ns;
	err = channel_send(resolver->channel, MESSAGE_PARSED, 0, &parsed, sizeof(parsed), -1);
	resolver->made_table = true;
	return err ? err : channel_send(resolver->channel, MESSAGE_TABLE, message->id, &table, sizeof(table), fd);
}
