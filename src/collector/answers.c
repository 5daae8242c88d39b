/* SPDX-License-Identifier: Apache-2.0 */
/* What the children answer, what records and samples ask for, and who is told. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector_internal.h"
#include "base/cleanup.h"
#include "base/counters.h"
#include "base/err.h"
#include "base/log.h"

/* What one takes, on the average and with its place in maps. */
#define PROCESS_BYTES 512
#define OBJECT_BYTES 384
#define RESCAN_INTERVAL_NS NSEC_PER_SEC
#ifdef __aarch64__
#define UNWIND_MACHINE EM_AARCH64
#else
#define UNWIND_MACHINE EM_X86_64
#endif

static void on_scanned_process(void *ctx, const struct message_process *process, const char *cgroup)
{
	struct collector *collector = ctx;

	count(COUNTER_scan_processes);
	if (collector->attribution)
		attribution_scan_process(collector->attribution, process, cgroup);
	if (process->tgid == (uint32_t)getpid())
		collector->own_mnt_ns = process->mnt_ns;
}

static void on_scanned_mappings(void *ctx, const struct message_mappings *mappings, const char *paths)
{
	struct collector *collector = ctx;

	if (collector->attribution)
		attribution_scan_mappings(collector->attribution, mappings, paths);
}

static void on_scanned(void *ctx, uint32_t tgid)
{
	struct collector *collector = ctx;

	collector->is_scanned = collector->is_scanned || !tgid;
	if (collector->attribution)
		attribution_scan_done(collector->attribution, tgid, collector_now());
}

/* Opened again, it may be the same. What was open and is not to be had any more is good still. */
static void on_perf_map(struct collector *collector, struct object *object, const struct message_object_opened *opened,
			int fd)
{
	bool was_open = object->fd >= 0;
	bool is_same = was_open && object->file_dev == opened->dev && object->file_ino == opened->ino;

	if (opened->err) {
		object->state = was_open ? OBJECT_OPEN : OBJECT_FAILED;
		object->err = was_open ? 0 : opened->err;
		log_write(LOG_DEBUG, COLLECTOR_MODULE, "no perf map of %u: %s", object->process->tgid,
			  err_name(opened->err));
		return;
	}
	object->state = OBJECT_OPEN;
	object->err = 0;
	if (is_same) {
		cleanup_close(&fd);
		return;
	}
	cleanup_close(&object->fd);
	object->fd = fd;
	object->file_dev = opened->dev;
	object->file_ino = opened->ino;
	object->file_size = opened->size;
	object->file_mtime_ns = opened->mtime_ns;
	count(COUNTER_perf_maps_opened);
	resolver_link_object(collector->resolver, object);
}

static void on_object(void *ctx, const struct message_object_opened *opened, int fd)
{
	struct collector *collector = ctx;
	struct object *object = object_table_get(collector->objects, opened->object);

	if (object && object->kind == OBJECT_PERF_MAP) {
		on_perf_map(collector, object, opened, fd);
		return;
	}
	if (!object || object->fd >= 0) {
		cleanup_close(&fd);
		return;
	}
	object->state = opened->err ? OBJECT_FAILED : OBJECT_OPEN;
	object->err = opened->err;
	object->fd = fd;
	object->file_dev = opened->dev;
	object->file_ino = opened->ino;
	object->file_size = opened->size;
	object->file_mtime_ns = opened->mtime_ns;
	count(opened->err ? COUNTER_objects_failed : COUNTER_objects_opened);
	if (opened->err)
		log_write(LOG_DEBUG, COLLECTOR_MODULE, "%s not opened: %s", object->path, err_name(opened->err));
	resolver_link_object(collector->resolver, object);
	if (collector->unwinding)
		unwinding_object_changed(collector->unwinding, object, collector_now());
}

static void on_kernel_symbols(void *ctx, const struct message_kernel_symbols *symbols, int fd)
{
	struct collector *collector = ctx;

	if (symbols->err)
		log_write(LOG_WARN, COLLECTOR_MODULE, "no kernel symbols, kernel frames stay unnamed: %s",
			  err_name(symbols->err));
	else if (symbols->is_restricted)
		log_write(
			LOG_WARN, COLLECTOR_MODULE,
			"the kernel hides its addresses: kernel frames are [kernel restricted]; give CAP_SYSLOG or set "
			"kernel.kptr_restrict to 0");
	resolver_link_kernel_symbols(collector->resolver, symbols, fd);
}

static void on_kernel_symbols_ready(void *ctx)
{
	struct collector *collector = ctx;

	if (!collector->kernel_symbols_ns)
		collector->kernel_symbols_ns = collector_now();
}

static void want_object(void *ctx, struct object *object, struct process *process, const struct mapping *mapping)
{
	struct message_open_object request = {.object = object->id, .mnt_ns = object->mnt_ns};
	struct process *others[OPEN_CANDIDATES];
	struct collector *collector = ctx;
	size_t n;

	if (object->kind != OBJECT_FILE && object->kind != OBJECT_JITDUMP) { /* nothing to open */
		object->state = OBJECT_OPEN;
		resolver_link_object(collector->resolver, object);
		return;
	}
	object->state = OBJECT_WANTED;
	object->found_tgid = process->tgid;
	object->found_start_ns = process->start_boottime_ns;
	request.dev = object->dev;
	request.ino = object->ino;
	request.candidate[request.candidates++] = (struct message_candidate){
		.tgid = process->tgid,
		.start_boottime_ns = process->start_boottime_ns,
		.map_start = mapping->start,
		.map_limit = mapping->limit,
	};
	n = registry_in_mount_namespace(collector->registry, object->mnt_ns, others, OPEN_CANDIDATES);
	for (size_t i = 0; i < n && request.candidates < OPEN_CANDIDATES; i++)
		if (others[i] != process)
			request.candidate[request.candidates++] = (struct message_candidate){
				.tgid = others[i]->tgid, .start_boottime_ns = others[i]->start_boottime_ns};
	if (opener_link_open(collector->opener, &request, object->path)) {
		object->state = OBJECT_FAILED;
		object->err = -ENOBUFS;
		count(COUNTER_objects_failed);
	}
}

static void want_perf_map(void *ctx, struct object *perf_map)
{
	const struct process *process = perf_map->process;
	const struct message_open_perf_map request = {.object = perf_map->id,
						      .mnt_ns = process->mnt_ns,
						      .start_boottime_ns = process->start_boottime_ns,
						      .tgid = process->tgid,
						      .inner_tgid = process->inner_tgid,
						      .uid = process->uid};
	struct collector *collector = ctx;

	if (!process->tgid || opener_link_perf_map(collector->opener, &request)) {
		perf_map->state = perf_map->fd >= 0 ? OBJECT_OPEN : OBJECT_FAILED;
		perf_map->err = -ENOBUFS;
	}
}

static int make_table(void *ctx, const struct object *object, uint32_t page)
{
	struct collector *collector = ctx;

	return resolver_link_make_table(collector->resolver, object, page, collector_now());
}

static void on_table(void *ctx, const struct message_table *table, int fd)
{
	struct collector *collector = ctx;

	if (collector->unwinding)
		unwinding_table(collector->unwinding, table, fd, collector_now());
}

static void on_table_lost(void *ctx)
{
	struct collector *collector = ctx;

	if (collector->unwinding)
		unwinding_ask_again(collector->unwinding);
}

static void set_unwind_epoch(void *ctx, uint32_t epoch)
{
	struct collector *collector = ctx;

	sampler_set_unwind_epoch(collector->sampler, epoch);
}

int collector_start_unwinding(struct collector *collector)
{
	struct unwinding_options options = {.objects = collector->objects,
					    .table_bytes = collector->budget.tables,
					    .machine = UNWIND_MACHINE,
					    .set_epoch = set_unwind_epoch,
					    .want_object = want_object,
					    .make_table = make_table,
					    .ctx = collector};
	int err;

	sampler_table_memory(collector->sampler, &options.memory);
	err = unwinding_new(&options, &collector->unwinding);
	if (!err)
		attribution_use_unwinding(collector->attribution, collector->unwinding);
	return err;
}

static void want_scan(void *ctx, struct process *process)
{
	struct collector *collector = ctx;

	opener_link_scan(collector->opener, process->tgid);
}

static void on_ksymbol(void *ctx, const struct sideband_record *record)
{
	struct collector *collector = ctx;
	struct batch_ksymbol *symbol;
	size_t at = collector->ksymbol_names.len;

	/* What is taken away tells by its record where it ended. */
	if (at > UINT32_MAX)
		return;
	buf_append(&collector->ksymbol_names, record->ksymbol.name, strlen(record->ksymbol.name) + 1);
	symbol = collector->ksymbol_names.err ? NULL : vec_push(&collector->ksymbols);
	if (symbol)
		*symbol = (struct batch_ksymbol){
			.address = record->ksymbol.address, .len = record->ksymbol.len, .name = (uint32_t)at};
}

/* What was lost is read from /proc: once for all losses of a moment. */
static void on_records_lost(void *ctx)
{
	struct collector *collector = ctx;
	uint64_t now_ns = collector_now();

	if (now_ns < collector->next_rescan_ns)
		return;
	collector->next_rescan_ns = now_ns + RESCAN_INTERVAL_NS;
	log_write(LOG_INFO, COLLECTOR_MODULE, "perf records were lost: reading /proc again");
	opener_link_scan(collector->opener, 0);
}

void collector_hold_new_roots(struct collector *collector)
{
	uint32_t tgid, mnt_ns;

	while (registry_next_new_mount_namespace(collector->registry, &tgid, &mnt_ns))
		if (mnt_ns != collector->own_mnt_ns)
			opener_link_hold_root(collector->opener, tgid, mnt_ns);
}

int collector_make_tables(struct collector *collector)
{
	const struct memory_budget *budget = &collector->budget;
	/* Processes with samples stay, and objects: they may take of what is for stacks. */
	uint64_t third = (budget->registry + budget->stacks) / 3;
	struct registry_options registry = {.max_processes = third / PROCESS_BYTES,
					    .max_mapping_bytes = budget->registry / 4};
	struct attribution_options attribution = {.want_object = want_object,
						  .record_bytes = budget->records,
						  .want_scan = want_scan,
						  .on_ksymbol = on_ksymbol,
						  .on_records_lost = on_records_lost,
						  .ctx = collector};
	struct jit_code_options jit = {.want_perf_map = want_perf_map, .ctx = collector};
	int err = object_table_new(third / OBJECT_BYTES, &collector->objects);

	registry.objects = jit.objects = collector->objects;
	if (!err)
		err = registry_new(&registry, &collector->registry);
	if (!err)
		err = stack_store_new(budget->stacks, &collector->store);
	if (!err)
		err = jit_code_new(&jit, &collector->jit);
	if (!err)
		err = debug_answers_start(collector);
	if (err)
		return err;
	attribution.registry = collector->registry;
	attribution.objects = collector->objects;
	attribution.store = collector->store;
	attribution.stack_bytes = budget->stacks;
	attribution.registry_bytes = budget->registry;
	attribution.table_bytes = budget->tables;
	attribution.jit = collector->jit;
	return attribution_new(&attribution, &collector->attribution);
}

int collector_start_children(struct collector *collector)
{
	const struct opener_events opener_events = {.process = on_scanned_process,
						    .mappings = on_scanned_mappings,
						    .scanned = on_scanned,
						    .object = on_object,
						    .kernel_symbols = on_kernel_symbols,
						    .debug_directory = debug_answers_directory,
						    .debug_opened = debug_answers_opened,
						    .debug_kept = debug_answers_kept,
						    .output_prepared = delivery_output_prepared,
						    .output_written = delivery_output_written,
						    .ctx = collector};
	const struct resolver_events resolver_events = {.output = delivery_output,
							.summary = delivery_summary,
							.table = on_table,
							.table_lost = on_table_lost,
							.want_debug = debug_answers_want,
							.sources = debug_answers_sources,
							.started_anew = debug_answers_started_anew,
							.done = delivery_built,
							.kernel_symbols_ready = on_kernel_symbols_ready,
							.ctx = collector};
	struct worker_options worker = {
		.role = ROLE_OPENER, .invoker = collector->invoker, .epoll_fd = collector->epoll_fd};
	int err;

	worker.epoll_tag = TAG_OPENER;
	err = opener_link_new(&worker, &opener_events, collector_now(), &collector->opener);
	if (err)
		return err;
	worker.role = ROLE_RESOLVER;
	worker.epoll_tag = TAG_RESOLVER;
	worker.share_bytes = collector->budget.resolver;
	worker.naming_bytes = collector->budget.naming;
	worker.memory_bytes = RESOLVER_SPACE_BYTES + RESOLVER_SPACE_TIMES * collector->budget.total;
	worker.demangle = collector->options->demangle;
	worker.has_servers = collector->downloads;
	return resolver_link_new(&worker, &resolver_events, collector->objects, collector_now(), &collector->resolver);
}
