/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbol/ksyms.h"

struct lookup {
	uint64_t address;
	const char *name; /* NULL: none */
	const char *module;
	uint64_t start;
};

static int text_fd(const char *text, size_t len)
{
	int fd = memfd_create("kallsyms", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	return fd;
}

static struct ksyms *read_text(const char *text, bool *restricted, size_t *bad)
{
	struct ksyms *ksyms = NULL;
	int fd = text_fd(text, strlen(text));

	assert_int_equal(ksyms_new(&ksyms), 0);
	assert_int_equal(ksyms_read(ksyms, fd, restricted, bad), 0);
	close(fd);
	return ksyms;
}

static void check_lookups(const struct ksyms *ksyms, const struct lookup *lookups, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ksym sym = {.name = "", .module = ""};
		int err = ksyms_find(ksyms, lookups[i].address, &sym);

		if (err != (lookups[i].name ? 0 : -ENOENT))
			fail_msg("0x%lx: %d '%s'", lookups[i].address, err, sym.name);
		if (lookups[i].name && (strcmp(sym.name, lookups[i].name) != 0 ||
					strcmp(sym.module, lookups[i].module) != 0 || sym.address != lookups[i].start))
			fail_msg("0x%lx: '%s' [%s] at 0x%lx, not '%s' [%s]", lookups[i].address, sym.name, sym.module,
				 sym.address, lookups[i].name, lookups[i].module);
	}
}

static void check(const char *text, const struct lookup *lookups, size_t n)
{
	bool restricted;
	size_t bad;
	struct ksyms *ksyms = read_text(text, &restricted, &bad);

	assert_false(restricted);
	assert_int_equal(bad, 0);
	check_lookups(ksyms, lookups, n);
	ksyms_free(ksyms);
}

#define CHECK(text, ...)                                                                                               \
	check(text, (const struct lookup[]){__VA_ARGS__},                                                              \
	      sizeof((const struct lookup[]){__VA_ARGS__}) / sizeof(struct lookup))

#define KERNEL                                                                                                         \
	"ffffffff81000000 T _stext\n"                                                                                  \
	"ffffffff81000000 T startup_64\n"                                                                              \
	"ffffffff81000100 t __pfx_do_one\n"                                                                            \
	"ffffffff81000110 t do_one\n"                                                                                  \
	"ffffffff81000200 T do_two\n"                                                                                  \
	"ffffffff81000300 T _etext\n"                                                                                  \
	"ffffffff81400000 D some_data\n"                                                                               \
	"ffffffff81500000 T _sinittext\n"                                                                              \
	"ffffffff81500000 t init_only\n"

static void kernel_text_is_named_and_what_follows_it_is_not(void **state)
{
	(void)state;
	CHECK(KERNEL, {0xffffffff80ffffff, NULL, "", 0}, {0xffffffff81000000, "startup_64", "", 0xffffffff81000000},
	      {0xffffffff810000ff, "startup_64", "", 0xffffffff81000000},
	      {0xffffffff81000105, "__pfx_do_one", "", 0xffffffff81000100},
	      {0xffffffff81000110, "do_one", "", 0xffffffff81000110},
	      {0xffffffff810002ff, "do_two", "", 0xffffffff81000200}, {0xffffffff81000300, NULL, "", 0},
	      {0xffffffff81400000, NULL, "", 0}, {0xffffffff81500010, NULL, "", 0}, {0, NULL, "", 0},
	      {UINT64_MAX, NULL, "", 0});
}

static void text_range_is_told(void **state)
{
	bool restricted;
	struct ksyms *ksyms = read_text(KERNEL, &restricted, NULL);
	uint64_t start, end;

	(void)state;
	assert_true(ksyms_text(ksyms, &start, &end));
	assert_int_equal(start, 0xffffffff81000000);
	assert_int_equal(end, 0xffffffff81000300);
	assert_int_equal(ksyms_count(ksyms), 4); /* what lies outside takes no memory */
	ksyms_free(ksyms);
	ksyms = read_text("ffffffff81000000 T _stext\n", &restricted, NULL);
	assert_false(ksyms_text(ksyms, &start, &end));
	ksyms_free(ksyms);
}

static void best_alias_names_an_address(void **state)
{
	(void)state;
	CHECK("ffffffff81000000 T _stext\nffffffff81000000 T _text\nffffffff81000000 t a\n"
	      "ffffffff81000010 t l\nffffffff81000010 T global\nffffffff81000010 W weaker_global\n"
	      "ffffffff81000020 T bbb\nffffffff81000020 T aaa\nffffffff81000020 T aaaa\n"
	      "ffffffff81000030 T __irqentry_text_end\nffffffff81000030 t asm_call\n"
	      "ffffffff81000040 T __sched_text_end\n"
	      "ffffffff81000100 T _etext\n",
	      {0xffffffff81000000, "a", "", 0xffffffff81000000}, {0xffffffff81000010, "global", "", 0xffffffff81000010},
	      {0xffffffff81000020, "aaa", "", 0xffffffff81000020},
	      {0xffffffff81000030, "asm_call", "", 0xffffffff81000030},
	      {0xffffffff81000040, "__sched_text_end", "", 0xffffffff81000040});
}

static void order_of_lines_does_not_matter(void **state)
{
	(void)state;
	CHECK("ffffffff81000300 T _etext\nffffffff81000200 T two\nffffffff81000000 T _stext\nffffffff81000100 t one\n"
	      "ffffffffc0000100 t b\t[mod]\nffffffffc0000000 t a\t[mod]\n",
	      {0xffffffff81000150, "one", "", 0xffffffff81000100}, {0xffffffff81000250, "two", "", 0xffffffff81000200},
	      {0xffffffffc00000ff, "a", "mod", 0xffffffffc0000000},
	      {0xffffffffc0000100, "b", "mod", 0xffffffffc0000100});
}

static void module_ends_at_the_next_one_or_64_kib_behind_its_last_symbol(void **state)
{
	(void)state;
	CHECK(KERNEL
	      "ffffffffc0000000 t first\t[one]\nffffffffc0001000 t last\t[one]\nffffffffc0002000 t begin\t[two]\n"
	      "ffffffffc0002800 d data\t[two]\nffffffffc0200000 t far\t[two]\n",
	      {0xffffffffc0000fff, "first", "one", 0xffffffffc0000000},
	      {0xffffffffc0001fff, "last", "one", 0xffffffffc0001000},
	      {0xffffffffc0002000, "begin", "two", 0xffffffffc0002000},
	      {0xffffffffc0101fff, "begin", "two", 0xffffffffc0002000}, {0xffffffffc0102000, NULL, "", 0},
	      {0xffffffffc0200000, "far", "two", 0xffffffffc0200000},
	      {0xffffffffc020ffff, "far", "two", 0xffffffffc0200000}, {0xffffffffc0210000, NULL, "", 0});
}

static void bpf_program_loses_its_tag(void **state)
{
	(void)state;
	CHECK(KERNEL "ffffffffc0000000 t bpf_prog_6deef7357e7b4530_sd_fw_egress\t[bpf]\n"
		     "ffffffffc0001000 t bpf_prog_6deef7357e7b4530\t[bpf]\n"
		     "ffffffffc0002000 t bpf_prog_6deef7357e7b453G_x\t[bpf]\n"
		     "ffffffffc0003000 t bpf_prog_6deef7357e7b4530_\t[bpf]\n"
		     "ffffffffc0004000 t bpf_trampoline_42\t[bpf]\n"
		     "ffffffffc0005000 t ftrace_trampoline\t[__builtin__ftrace]\n"
		     "ffffffffc0006000 t bpf_prog_6deef7357e7b4530_mine\t[mod]\n",
	      {0xffffffffc0000010, "sd_fw_egress", "bpf", 0xffffffffc0000000},
	      {0xffffffffc0001010, "bpf_prog_6deef7357e7b4530", "bpf", 0xffffffffc0001000},
	      {0xffffffffc0002010, "bpf_prog_6deef7357e7b453G_x", "bpf", 0xffffffffc0002000},
	      {0xffffffffc0003010, "bpf_prog_6deef7357e7b4530_", "bpf", 0xffffffffc0003000},
	      {0xffffffffc0004010, "bpf_trampoline_42", "bpf", 0xffffffffc0004000},
	      {0xffffffffc0005010, "ftrace_trampoline", "__builtin__ftrace", 0xffffffffc0005000},
	      {0xffffffffc0006010, "bpf_prog_6deef7357e7b4530_mine", "mod", 0xffffffffc0006000});
}

static void bad_lines_are_counted_and_skipped(void **state)
{
	static const char *const lines[] = {
		"zzz T name",
		"ffffffff81000000",
		"ffffffff81000000 T",
		"ffffffff81000000T name",
		"11112222333344445 T name",
		"ffffffff81000000 T name mod",
		"ffffffff81000000 T name [mod",
		"ffffffff81000000 T name []",
		" ffffffff81000000 t name",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[256];
		bool restricted;
		size_t bad = 0;
		struct ksyms *ksyms;

		snprintf(text, sizeof(text), "ffffffff80000000 T good\n%s\n\nffffffff82000000 T good2", lines[i]);
		ksyms = read_text(text, &restricted, &bad);
		if (bad != 1 || ksyms_count(ksyms) != 2)
			fail_msg("'%s': %zu bad, %zu symbols", lines[i], bad, ksyms_count(ksyms));
		ksyms_free(ksyms);
	}
}

static void overlong_line_is_one_bad_line(void **state)
{
	static const size_t lens[] = {1025, 65536, 200000};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char *text = malloc(lens[i] + 200);
		size_t at, bad = 0;
		struct ksyms *ksyms;
		bool restricted;

		assert_non_null(text);
		at = (size_t)snprintf(text, 100, "ffffffff81000000 T one\nffffffff81000010 T ");
		memset(text + at, 'x', lens[i]);
		snprintf(text + at + lens[i], 100, "\nffffffff81000020 T two\n");
		ksyms = read_text(text, &restricted, &bad);
		assert_int_equal(bad, 1);
		assert_int_equal(ksyms_count(ksyms), 2);
		ksyms_free(ksyms);
		free(text);
	}
}

/* Lines that lie across the ends of what is read at once. */
static void lines_across_pieces_are_whole(void **state)
{
	const size_t n = 10000;
	char *text = malloc(n * 64);
	struct ksyms *ksyms;
	bool restricted;
	size_t len = 0, bad;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, 64, "%016lx T function_number_%zu\n", 0xffffffff81000000 + i * 16,
					i);
	ksyms = read_text(text, &restricted, &bad);
	assert_int_equal(bad, 0);
	assert_int_equal(ksyms_count(ksyms), n);
	for (size_t i = 0; i < n; i++) {
		char name[64];
		struct ksym sym;

		snprintf(name, sizeof(name), "function_number_%zu", i);
		assert_int_equal(ksyms_find(ksyms, 0xffffffff81000000 + i * 16 + 15, &sym), 0);
		assert_string_equal(sym.name, name);
	}
	ksyms_free(ksyms);
	free(text);
}

static void zeros_mean_restricted(void **state)
{
	bool restricted = false;
	struct ksyms *ksyms = read_text("0000000000000000 T _stext\n0000000000000000 T do_one\n0000000000000000 d x\n",
					&restricted, NULL);
	struct ksym sym;

	(void)state;
	assert_true(restricted);
	assert_int_equal(ksyms_count(ksyms), 0);
	assert_int_equal(ksyms_find(ksyms, 0, &sym), -ENOENT);
	ksyms_free(ksyms);
	ksyms = read_text("", &restricted, NULL);
	assert_false(restricted);
	ksyms_free(ksyms);
}

static void reading_again_replaces_all_and_failing_nothing(void **state)
{
	bool restricted;
	struct ksyms *ksyms = read_text(KERNEL, &restricted, NULL);
	int fd = text_fd("ffffffff81000000 T other\n", 25);

	(void)state;
	assert_int_equal(ksyms_add(ksyms, 0xffffffffd0000000, 64, "bpf_trampoline_1"), 0);
	assert_int_equal(ksyms_read(ksyms, -1, &restricted, NULL), -EBADF);
	check_lookups(ksyms,
		      (const struct lookup[]){{0xffffffff81000110, "do_one", "", 0xffffffff81000110},
					      {0xffffffffd0000000, "bpf_trampoline_1", "bpf", 0xffffffffd0000000}},
		      2);
	assert_int_equal(ksyms_read(ksyms, fd, &restricted, NULL), 0);
	check_lookups(ksyms,
		      (const struct lookup[]){{0xffffffff81000110, "other", "", 0xffffffff81000000},
					      {0xffffffffd0000000, NULL, "", 0}},
		      2);
	close(fd);
	ksyms_free(ksyms);
}

static void records_name_their_range_and_replace_what_lay_there(void **state)
{
	struct ksyms *ksyms = NULL;

	(void)state;
	assert_int_equal(ksyms_new(&ksyms), 0);
	assert_int_equal(ksyms_add(ksyms, 0x1000, 0x100, "bpf_prog_6deef7357e7b4530_one"), 0);
	assert_int_equal(ksyms_add(ksyms, 0x3000, 0x100, "three"), 0);
	assert_int_equal(ksyms_add(ksyms, 0x2000, 0x100, "bpf_prog_6deef7357e7b4530_two"), 0);
	assert_int_equal(ksyms_count(ksyms), 3);
	check_lookups(ksyms,
		      (const struct lookup[]){{0xfff, NULL, "", 0},
					      {0x1000, "one", "bpf", 0x1000},
					      {0x10ff, "one", "bpf", 0x1000},
					      {0x1100, NULL, "", 0},
					      {0x2010, "two", "bpf", 0x2000},
					      {0x3010, "three", "", 0x3000}},
		      6);
	assert_int_equal(ksyms_add(ksyms, 0x10f0, 0x1000, "bpf_prog_6deef7357e7b4530_new"), 0);
	assert_int_equal(ksyms_count(ksyms), 2);
	check_lookups(ksyms,
		      (const struct lookup[]){{0x1000, NULL, "", 0},
					      {0x10ff, NULL, "", 0}, /* was it "one", or "new"? */
					      {0x20ef, NULL, "", 0},
					      {0x20f0, NULL, "", 0},
					      {0x3010, "three", "", 0x3000}},
		      5);
	assert_int_equal(ksyms_add(ksyms, 0x3000, 0x200, "three"), 0); /* loaded again, or told again */
	check_lookups(ksyms, (const struct lookup[]){{0x3110, "three", "", 0x3000}}, 1);
	assert_int_equal(ksyms_add(ksyms, 0, 16, "x"), -EINVAL);
	assert_int_equal(ksyms_add(ksyms, 16, 0, "x"), -EINVAL);
	assert_int_equal(ksyms_add(ksyms, 16, 16, ""), -EINVAL);
	assert_int_equal(ksyms_add(ksyms, UINT64_MAX - 4, 16, "x"), -EINVAL);
	ksyms_free(ksyms);
}

static void a_record_over_one_of_kallsyms_is_unclear_unless_it_is_the_same(void **state)
{
	bool restricted;
	struct ksyms *ksyms = read_text(KERNEL "ffffffffc0001000 t bpf_prog_6deef7357e7b4530_one\t[bpf]\n"
					       "ffffffffc0002000 t bpf_prog_6deef7357e7b4530_two\t[bpf]\n"
					       "ffffffffc0003000 t bpf_prog_6deef7357e7b4530_three\t[bpf]\n",
					&restricted, NULL);

	(void)state;
	assert_int_equal(ksyms_add(ksyms, 0xffffffffc0001000, 0x100, "bpf_prog_6deef7357e7b4530_one"), 0);
	assert_int_equal(ksyms_add(ksyms, 0xffffffffc0001f00, 0x180, "bpf_prog_6deef7357e7b4530_other"), 0);
	/* Behind the end of "three", which kallsyms does not tell. */
	assert_int_equal(ksyms_add(ksyms, 0xffffffffc0003040, 0x40, "bpf_prog_6deef7357e7b4530_four"), 0);
	check_lookups(ksyms,
		      (const struct lookup[]){{0xffffffffc0001010, "one", "bpf", 0xffffffffc0001000},
					      {0xffffffffc0001f10, NULL, "", 0},
					      {0xffffffffc0002010, NULL, "", 0},
					      {0xffffffffc0003010, "three", "bpf", 0xffffffffc0003000},
					      {0xffffffffc0003050, "four", "bpf", 0xffffffffc0003040}},
		      5);
	ksyms_free(ksyms);
}

static void trampolines_are_of_who_made_them(void **state)
{
	struct ksyms *ksyms = NULL;

	(void)state;
	assert_int_equal(ksyms_new(&ksyms), 0);
	assert_int_equal(ksyms_add(ksyms, 0x1000, 0x100, "ftrace_trampoline"), 0);
	assert_int_equal(ksyms_add(ksyms, 0x2000, 0x100, "kprobe_insn_page"), 0);
	assert_int_equal(ksyms_add(ksyms, 0x3000, 0x100, "bpf_trampoline_6442459906"), 0);
	assert_int_equal(ksyms_add(ksyms, 0x4000, 0x100, "bpf_dispatcher_xdp"), 0);
	check_lookups(ksyms,
		      (const struct lookup[]){{0x1010, "ftrace_trampoline", "__builtin__ftrace", 0x1000},
					      {0x2010, "kprobe_insn_page", "__builtin__kprobes", 0x2000},
					      {0x3010, "bpf_trampoline_6442459906", "bpf", 0x3000},
					      {0x4010, "bpf_dispatcher_xdp", "bpf", 0x4000}},
		      4);
	ksyms_free(ksyms);
}

static void the_raw_name_keeps_the_tag(void **state)
{
	bool restricted;
	struct ksyms *ksyms =
		read_text(KERNEL "ffffffffc0001000 t bpf_prog_6deef7357e7b4530_one\t[bpf]\n", &restricted, NULL);
	struct ksym sym;

	(void)state;
	assert_int_equal(ksyms_find(ksyms, 0xffffffffc0001010, &sym), 0);
	assert_string_equal(sym.system_name, "bpf_prog_6deef7357e7b4530_one");
	assert_int_equal(ksyms_add(ksyms, 0x1000, 0x100, "bpf_prog_6deef7357e7b4530_two"), 0);
	assert_int_equal(ksyms_find(ksyms, 0x1010, &sym), 0);
	assert_string_equal(sym.system_name, "bpf_prog_6deef7357e7b4530_two");
	ksyms_free(ksyms);
}

static void records_are_bounded(void **state)
{
	struct ksyms *ksyms = NULL;
	int err = 0;
	size_t n = 0;

	(void)state;
	assert_int_equal(ksyms_new(&ksyms), 0);
	while (!err && n < 1000000)
		err = ksyms_add(ksyms, 0x1000 + 32 * n++, 16, "same");
	assert_int_equal(err, -E2BIG);
	assert_true(ksyms_memory_bytes(ksyms) < 16 << 20);
	ksyms_free(ksyms);
}

/* As many lines as a large kernel has, with half of them __pfx_. */
static void large_kernel_is_small(void **state)
{
	const size_t n = 122000;
	char *text = malloc(n * 80);
	struct ksyms *ksyms;
	bool restricted;
	size_t len = 0;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n / 2; i++) {
		len += (size_t)snprintf(
			text + len, 160,
			"%016lx T __pfx_name_as_long_as_usual_%05zu\n%016lx T name_as_long_as_usual_%05zu\n",
			0xffffffff81000000 + i * 64, i, 0xffffffff81000010 + i * 64, i);
	}
	ksyms = read_text(text, &restricted, NULL);
	assert_int_equal(ksyms_count(ksyms), n);
	assert_true(ksyms_memory_bytes(ksyms) < 4500000);
	ksyms_free(ksyms);
	free(text);
}

static void a_second_reading_adds_modules_and_takes_names_that_are_unclear(void **state)
{
	const char *then = KERNEL "ffffffff81000200 T do_three\n"
				  "ffffffffc0000000 t stays\t[same]\nffffffffc0100000 t new_one\t[other]\n"
				  "ffffffffc0300000 t come\t[come]\nffffffffc0001000 t behind\t[behind]\n";
	const struct lookup lookups[] = {{0xffffffff81000205, "do_two", "", 0xffffffff81000200},
					 {0xffffffffc0000010, "stays", "same", 0xffffffffc0000000},
					 {0xffffffffc0100010, NULL, "", 0},
					 {0xffffffffc0200010, "gone", "gone", 0xffffffffc0200000},
					 {0xffffffffc0300010, "come", "come", 0xffffffffc0300000},
					 /* It seemed to be the end of "same". */
					 {0xffffffffc0001010, "behind", "behind", 0xffffffffc0001000}};
	bool restricted;
	struct ksyms *ksyms = read_text(KERNEL "ffffffffc0000000 t stays\t[same]\nffffffffc0100000 t old_one\t[one]\n"
					       "ffffffffc0200000 t gone\t[gone]\n",
					&restricted, NULL);
	int fd = text_fd(then, strlen(then));

	(void)state;
	assert_int_equal(ksyms_read_again(ksyms, -1), -EBADF);
	assert_int_equal(ksyms_read_again(ksyms, fd), 0);
	check_lookups(ksyms, lookups, sizeof(lookups) / sizeof(lookups[0]));
	assert_int_equal(ksyms_count(ksyms), 4 + 3 + 4);
	assert_int_equal(ksyms_read_again(ksyms, fd), 0);
	check_lookups(ksyms, lookups, sizeof(lookups) / sizeof(lookups[0]));
	assert_int_equal(ksyms_read(ksyms, fd, &restricted, NULL), 0);
	assert_int_equal(ksyms_count(ksyms), 4 + 4);
	close(fd);
	ksyms_free(ksyms);
}

static void where_a_program_was_taken_away_a_module_may_come(void **state)
{
	const char *then = KERNEL "ffffffffc0001000 t come\t[come]\nffffffffc0001200 t after\t[come]\n"
				  "ffffffffc0009000 t last\t[come]\n";
	const struct lookup lookups[] = {{0xffffffffc0000010, "old", "bpf", 0xffffffffc0000000},
					 {0xffffffffc0001010, "come", "come", 0xffffffffc0001000},
					 /* "three" went without a record: after sampling was over. */
					 {0xffffffffc0009010, "last", "come", 0xffffffffc0009000},
					 /* Of the program or of the module: who knows. */
					 {0xffffffffc0001210, NULL, "", 0}};
	bool restricted;
	struct ksyms *ksyms = read_text(KERNEL "ffffffffc0000000 t bpf_prog_0123456789abcdef_old\t[bpf]\n"
					       "ffffffffc0001200 t bpf_prog_0123456789abcdef_two\t[bpf]\n"
					       "ffffffffc0008000 t bpf_prog_0123456789abcdef_three\t[bpf]\n",
					&restricted, NULL);
	int fd = text_fd(then, strlen(then));
	struct ksym sym;

	(void)state;
	assert_int_equal(ksyms_find(ksyms, 0xffffffffc0000010, &sym), 0);
	assert_true(sym.has_no_end);
	assert_int_equal(ksyms_add(ksyms, 0xffffffffc0000000, 0x100, "bpf_prog_0123456789abcdef_old"), 0);
	assert_int_equal(ksyms_find(ksyms, 0xffffffffc0000010, &sym), 0);
	assert_false(sym.has_no_end);
	assert_int_equal(ksyms_find(ksyms, 0xffffffffc0001010, &sym), -ENOENT);
	assert_int_equal(ksyms_read_again(ksyms, fd), 0);
	check_lookups(ksyms, lookups, sizeof(lookups) / sizeof(lookups[0]));
	close(fd);
	ksyms_free(ksyms);
}

static void own_kernel_is_read(void **state)
{
	struct ksyms *ksyms = NULL;
	bool restricted = true;
	size_t bad = 1;
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(ksyms_new(&ksyms), 0);
	assert_int_equal(ksyms_read(ksyms, fd, &restricted, &bad), 0);
	assert_int_equal(bad, 0);
	if (!restricted) {
		uint64_t start, end;
		struct ksym sym;

		assert_true(ksyms_count(ksyms) > 10000);
		assert_true(ksyms_text(ksyms, &start, &end));
		assert_int_equal(ksyms_find(ksyms, start + 0x10000, &sym), 0);
		assert_string_equal(sym.module, "");
		assert_int_equal(ksyms_find(ksyms, end, &sym), -ENOENT);
	}
	close(fd);
	ksyms_free(ksyms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_text_is_named_and_what_follows_it_is_not),
		cmocka_unit_test(text_range_is_told),
		cmocka_unit_test(best_alias_names_an_address),
		cmocka_unit_test(order_of_lines_does_not_matter),
		cmocka_unit_test(module_ends_at_the_next_one_or_64_kib_behind_its_last_symbol),
		cmocka_unit_test(bpf_program_loses_its_tag),
		cmocka_unit_test(bad_lines_are_counted_and_skipped),
		cmocka_unit_test(overlong_line_is_one_bad_line),
		cmocka_unit_test(lines_across_pieces_are_whole),
		cmocka_unit_test(zeros_mean_restricted),
		cmocka_unit_test(reading_again_replaces_all_and_failing_nothing),
		cmocka_unit_test(records_name_their_range_and_replace_what_lay_there),
		cmocka_unit_test(a_record_over_one_of_kallsyms_is_unclear_unless_it_is_the_same),
		cmocka_unit_test(trampolines_are_of_who_made_them),
		cmocka_unit_test(the_raw_name_keeps_the_tag),
		cmocka_unit_test(records_are_bounded),
		cmocka_unit_test(a_second_reading_adds_modules_and_takes_names_that_are_unclear),
		cmocka_unit_test(where_a_program_was_taken_away_a_module_may_come),
		cmocka_unit_test(large_kernel_is_small),
		cmocka_unit_test(own_kernel_is_read),
	};

	return cmocka_run_group_tests_name("ksyms", tests, NULL, NULL);
}
