/* SPDX-License-Identifier: Apache-2.0 */
/* Writes flame graph pages of made-up profiles for flamegraph_browser.sh.
 *
 * usage: flamegraph_browser machine|large|huge|hostile|empty >page.html */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encode/flamegraph_encode.h"
#include "encode/sink.h"
#include "profile/profile.h"

#define PERIOD_NS 10101010
#define MAX_FRAMES 128

static struct profile *profile;
static uint64_t random_state = 88172645463325252ULL;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16) % n;
}

static void must(int err)
{
	if (!err)
		return;
	fprintf(stderr, "flamegraph_browser: %s\n", strerror(-err));
	exit(1);
}

static uint32_t add_mapping(const char *module)
{
	struct profile_mapping mapping = {.file = module, .start = 0x400000, .limit = 0x800000};
	char path[128];
	uint32_t id = 0;

	if (!module)
		return 0;
	if (!strcmp(module, "k")) {
		mapping.file = "[kernel.kallsyms]";
		mapping.start = 0xffffffff81000000;
		mapping.limit = 0xffffffff82000000;
	} else if (module[0] == '[') {
		mapping.start = 0xffffffffc0000000;
		mapping.limit = 0xffffffffc1000000;
	} else {
		snprintf(path, sizeof(path), "/usr/lib/%s", module);
		mapping.file = path;
	}
	must(profile_add_mapping(profile, &mapping, &id));
	return id;
}

static uint32_t add_location(const char *name, const char *module, bool is_named)
{
	const struct profile_function function = {.name = name, .system_name = is_named ? name : ""};
	struct profile_line line = {0};
	uint32_t mapping = add_mapping(module), id;

	must(profile_add_function(profile, &function, &line.function));
	must(profile_add_location(profile, mapping, 0, &line, 1, &id));
	return id;
}

static void add_sample(const char *comm, unsigned int pid, const uint32_t *root_first, size_t n, int64_t samples)
{
	char digits[16];
	const struct profile_label labels[] = {{.key = "comm", .str = comm}, {.key = "pid", .str = digits}};
	const int64_t values[] = {samples, samples * PERIOD_NS};
	uint32_t leaf_first[PROFILE_MAX_DEPTH];

	snprintf(digits, sizeof(digits), "%u", pid);
	for (size_t i = 0; i < n; i++)
		leaf_first[i] = root_first[n - 1 - i];
	must(profile_add_sample(profile, leaf_first, n, labels, 2, values));
}

/* "main@cc1;do_syscall_64@k;+[stripped libfoo.so+0x12]@libfoo.so": '+' has no real name. In a frame a|b|c one is drawn.
 */
static void add_stack(const char *comm, unsigned int pid, const char *stack, int64_t samples)
{
	uint32_t frames[MAX_FRAMES];
	size_t n = 0;

	while (*stack && n < MAX_FRAMES) {
		size_t len = strcspn(stack, ";");
		char text[256], *choice = text, *module;
		uint32_t choices = 1;

		snprintf(text, sizeof(text), "%.*s", (int)len, stack);
		module = strchr(text, '@');
		if (module)
			*module++ = 0;
		for (const char *pos = text; *pos; pos++)
			choices += *pos == '|';
		for (uint32_t skip = random_below(choices); skip; skip--)
			choice = strchr(choice, '|') + 1;
		choice[strcspn(choice, "|")] = 0;
		frames[n++] = add_location(choice + (*choice == '+'), module, *choice != '+' && *choice != '[');
		stack += len + (stack[len] == ';');
	}
	add_sample(comm, pid, frames, n, samples);
}

#define LIBC "@libc.so.6;"
#define SYSCALL "entry_SYSCALL_64_after_hwframe@k;do_syscall_64@k;"
#define FAULT "asm_exc_page_fault@k;exc_page_fault@k;do_user_addr_fault@k;handle_mm_fault@k;__handle_mm_fault@k;"
#define GCC "_start@cc1;__libc_start_call_main" LIBC "main@cc1;toplev::main(int, char**)@cc1;do_compile()@cc1;"
#define PASSES                                                                                                         \
	GCC "symbol_table::compile()@cc1;expand_all_functions()@cc1;cgraph_node::expand()@cc1;execute_pass_list("      \
	    "function*, "                                                                                              \
	    "opt_pass*)@cc1;execute_pass_list_1(opt_pass*)@cc1;"

static const struct {
	const char *comm;
	unsigned int processes;
	unsigned int rounds;
	const char *stack;
} machine[] = {
	{"cc1", 24, 900,
	 PASSES
	 "execute_one_pass(opt_pass*)@cc1;(anonymous namespace)::pass_reload::execute(function*)|(anonymous "
	 "namespace)::pass_pre::execute(function*)|(anonymous namespace)::pass_cse::execute(function*)|(anonymous "
	 "namespace)::pass_sched2::execute(function*)|(anonymous "
	 "namespace)::pass_ira::execute(function*)@cc1;lra(_IO_FILE*)|do_rest_of_store_motion|df_analyze()|"
	 "compute_avail|rest_of_handle_df_initialize()@cc1;df_worklist_dataflow(dataflow*, bitmap_head*, int*, "
	 "int)|bitmap_ior_into|df_live_bb_local_compute|alloc_hash_table@cc1;bitmap_set_bit(bitmap_head*, "
	 "int)|bitmap_element_allocate|ggc_internal_alloc@cc1"},
	{"cc1", 24, 700,
	 GCC "c_common_parse_file()@cc1;c_parse_file()@cc1;c_parser_external_declaration(c_parser*)@cc1;"
	     "c_parser_declaration_or_fndef@cc1;c_parser_compound_statement|c_parser_declspecs@cc1;"
	     "c_parser_statement_after_labels|c_parser_expr_no_commas@cc1;c_parser_if_statement|c_parser_for_statement|"
	     "c_parser_binary_expression@cc1;c_lex_with_flags|build_binary_op|c_parser_postfix_expression@cc1;"
	     "cpp_get_token_1|_cpp_lex_direct|ggc_internal_alloc@cc1"},
	{"cc1", 24, 260,
	 PASSES FAULT
	 "do_anonymous_page|wp_page_copy|do_fault@k;__alloc_pages|clear_page_erms|filemap_map_pages|charge_memcg@k"},
	{"cc1", 24, 120, PASSES "memset|_int_malloc|memcpy|malloc_consolidate@libc.so.6"},
	{"as", 12, 240,
	 "_start@as;__libc_start_call_main" LIBC
	 "main@as;perform_an_assembly_pass@as;read_a_source_file@as;md_assemble|"
	 "potable_hash|s_app_line@as;parse_insn|output_insn|i386_finalize_immediate@as;hash_lookup|frag_more|"
	 "strlen@libc.so.6"},
	{"ld", 3, 160,
	 "_start@ld;__libc_start_call_main" LIBC "main@ld;lang_process@ld;ldwrite|bfd_link_hash_traverse|"
	 "lang_gc_sections@ld;bfd_elf_final_link|elf_link_add_object_symbols@libbfd.so;elf_link_input_bfd|"
	 "bfd_hash_lookup|bfd_elf64_swap_symbol_in@libbfd.so;memcpy|qsort|strcmp@libc.so.6"},
	{"postgres", 8, 420,
	 "_start@postgres;__libc_start_call_main" LIBC
	 "main@postgres;PostmasterMain@postgres;ServerLoop@postgres;BackendRun@"
	 "postgres;PostgresMain@postgres;exec_simple_query|exec_execute_message@postgres;PortalRun@postgres;"
	 "ExecutorRun@"
	 "postgres;ExecSeqScan|ExecHashJoin|ExecIndexScan|ExecSort@postgres;ExecProcNode|heap_getnextslot|_bt_search@"
	 "postgres;hash_search_with_hash_value|heapgettup_pagemode|slot_deform_heap_tuple|pg_qsort|LWLockAcquire@"
	 "postgres"},
	{"postgres", 8, 130,
	 "_start@postgres;__libc_start_call_main" LIBC
	 "main@postgres;PostmasterMain@postgres;ServerLoop@postgres;BackendRun@"
	 "postgres;PostgresMain@postgres;exec_simple_query@postgres;CommitTransactionCommand@postgres;XLogFlush@"
	 "postgres;"
	 "fdatasync@libc.so.6;" SYSCALL
	 "__x64_sys_fdatasync@k;ext4_sync_file@[ext4];jbd2_log_wait_commit|ext4_do_writepages@"
	 "[ext4];submit_bio|mpage_map_and_submit_buffers@k;blk_mq_submit_bio|schedule@k"},
	{"nginx", 4, 260,
	 "+[stripped "
	 "nginx+0x3a1c0]@nginx;ngx_worker_process_cycle@nginx;ngx_process_events_and_timers@nginx;ngx_epoll_process_"
	 "events@nginx;"
	 "ngx_http_process_request_line|ngx_http_upstream_handler|ngx_http_writer@nginx;writev|recvfrom|epoll_wait@"
	 "libc.so.6;" SYSCALL
	 "sock_write_iter|__sys_recvfrom|__x64_sys_epoll_wait@k;tcp_sendmsg|tcp_recvmsg|ep_poll@k;tcp_write_xmit|"
	 "skb_copy_datagram_iter|__local_bh_enable_ip@k;ip_queue_xmit|net_rx_action@k;nft_do_chain|nf_hook_slow|__dev_"
	 "queue_xmit"
	 "@[nf_tables]"},
	{"nginx", 4, 60,
	 "[truncated: no frame pointer];SSL_read|SSL_write@libssl.so.3;+[stripped "
	 "libcrypto.so.3+0x1d2a40]@libcrypto.so.3"},
	{"python3", 2, 300,
	 "[truncated: no frame "
	 "pointer];_PyEval_EvalFrameDefault@python3.11;_PyFunction_Vectorcall|PyObject_Call@python3.11;"
	 "_PyEval_EvalFrameDefault@python3.11;PyObject_GetAttr|_PyObject_GenericGetAttrWithDict|dict_subscript|list_"
	 "append|"
	 "long_add@python3.11;lookdict_unicode|_PyType_Lookup|PyObject_Malloc|_Py_Dealloc@python3.11"},
	{"kworker/u4:2", 1, 90,
	 "ret_from_fork_asm@k;ret_from_fork@k;kthread@k;worker_thread@k;process_one_work@k;wb_workfn|flush_to_ldisc|"
	 "blk_mq_run_work_fn@k;wb_writeback|ext4_writepages|virtio_queue_rqs@k"},
	{"ksoftirqd/0", 1, 50,
	 "ret_from_fork_asm@k;ret_from_fork@k;kthread@k;smpboot_thread_fn@k;run_ksoftirqd@k;handle_softirqs@"
	 "k;net_rx_action|rcu_core|run_timer_softirq@k;napi_poll|rcu_do_batch@k"},
	{"bash", 30, 90,
	 "_start@bash;__libc_start_call_main" LIBC "main@bash;reader_loop@bash;execute_command_internal@bash;"
	 "make_child|parse_command|expand_word_list_internal@bash;_Fork@libc.so.6;" SYSCALL
	 "__do_sys_clone@k;kernel_clone@k;copy_process@k;dup_mm|copy_page_range|copy_files@k"},
	{"make", 2, 60,
	 "+[stripped make+0x52f0]@make;+[stripped make+0x6a10]@make;+[stripped make+0x1183c]@make;+[stripped "
	 "make+0x12214]|+[stripped make+0x12ff0]@make;strcmp|_int_malloc|"
	 "readdir64@libc.so.6"},
	{"systemd-journal", 1, 24,
	 "+[stripped systemd-journald+0x7d00]@systemd-journald;sd_event_run|sd_event_dispatch@libsystemd.so;"
	 "journal_file_append_entry|journal_file_find_data@libsystemd.so;siphash24|fsync@libsystemd.so"},
};

static void make_machine(void)
{
	for (size_t i = 0; i < sizeof(machine) / sizeof(*machine); i++)
		for (unsigned int round = 0; round < machine[i].rounds; round++) {
			unsigned int pid =
				1000 * (1 + (unsigned int)strlen(machine[i].comm)) + random_below(machine[i].processes);
			char stack[2048];
			const char *text = machine[i].stack;
			size_t frames = 1, keep;

			/* Some samples end on the way. */
			for (const char *pos = text; *pos; pos++)
				frames += *pos == ';';
			keep = random_below(3) || frames < 3 ? frames : frames - random_below(3);
			snprintf(stack, sizeof(stack), "%s", text);
			for (char *pos = stack; *pos; pos++)
				if (*pos == ';' && !--keep)
					*pos = 0;
			add_stack(machine[i].comm, pid, stack, 1);
		}
}

/* A tree of about this many nodes, some of it deep, with names of C++ length. */
static void make_tree(size_t samples)
{
	uint32_t pool[4000];
	char name[256];

	for (size_t i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name),
			 "std::map<std::string, namespace_%zu::widget_%zu, std::less<std::string> >::method_%zu(int)",
			 i % 37, i % 411, i);
		pool[i] = add_location(name, i % 5 ? (i % 3 ? "libwidget.so" : "libgadget.so") : "k", i % 11 != 0);
	}
	for (size_t i = 0; i < samples; i++) {
		uint32_t frames[MAX_FRAMES], path = 1, n = 5 + random_below(25);
		char comm[16];

		/* Near the root few ways, and many further on. */
		for (uint32_t depth = 0; depth < n; depth++) {
			path = path * 31 + random_below(depth < 6 ? 2 : depth < 20 ? 3 : 1) + depth;
			frames[depth] = pool[path % 4000];
		}
		if (i % 100 == 0)
			for (; n < MAX_FRAMES; n++)
				frames[n] = pool[n % 3];
		snprintf(comm, sizeof(comm), "proc-%zu", i % 60);
		add_sample(comm, (unsigned int)(100 + i % 300), frames, n, 1 + random_below(4));
	}
}

static void make_hostile(void)
{
	static const char *const names[] = {
		"</script><script>alert(1)</script>",
		"<!--<script>",
		"]]><img src=x onerror=alert(2)>",
		"\"};alert(3);//",
		"'+alert(4)+'",
		"&lt;b&gt;&amp;",
		"a\xe2\x80\xa8"
		"b\xe2\x80\xa9"
		"c",
		"\x1b[31mred\r\n\t\x07",
		"\xff\xfe\xc0\x80 not UTF-8",
		"\xe2\x80\xae"
		"thgil-ot-thgir",
		"{{data}}{{script}}",
		"\\u003cscript>",
		"__proto__",
		"constructor",
	};
	const size_t n = sizeof(names) / sizeof(*names);

	for (size_t i = 0; i < n; i++) {
		uint32_t frames[] = {add_location(names[i], names[(i + 1) % n], true),
				     add_location(names[(i + 2) % n], "k", true)};

		add_sample(names[i], (unsigned int)i + 1, frames, 2, 10);
		must(profile_add_comment(profile, names[i]));
	}
}

int main(int argc, char **argv)
{
	const struct profile_limits limits = {.max_bytes = 1u << 30};
	const char *kind = argc == 2 ? argv[1] : "";
	struct flamegraph_options options = {.title = "hostprof", .duration_seconds = 10};
	const int fd = STDOUT_FILENO;
	struct sink sink = sink_to_fd(&fd);

	must(profile_new(&limits, &profile));
	must(profile_add_sample_type(profile, "samples", "count"));
	must(profile_add_sample_type(profile, "cpu", "nanoseconds"));
	must(profile_set_period(profile, "cpu", "nanoseconds", PERIOD_NS));
	profile_set_time(profile, 1700000000000000000, 10000000000);
	must(profile_add_comment(profile, "hostprof.host: build-7"));
	must(profile_add_comment(profile, "hostprof.taken: 3864"));
	must(profile_add_comment(profile, "hostprof.delivered: 3864"));
	if (!strcmp(kind, "machine")) {
		make_machine();
	} else if (!strcmp(kind, "large")) {
		make_tree(3900);
	} else if (!strcmp(kind, "huge")) {
		make_tree(60000);
	} else if (!strcmp(kind, "hostile")) {
		make_hostile();
		options.title = "</title><script>alert(5)</script>";
	} else if (strcmp(kind, "empty") != 0) {
		fprintf(stderr, "usage: flamegraph_browser machine|large|huge|hostile|empty\n");
		return 2;
	}
	must(flamegraph_encode(profile, &options, &sink));
	profile_free(profile);
	return 0;
}
