/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/batch.h"
#include "resolver/kernel_names.h"

#define KERNEL                                                                                                         \
	"ffffffff81000000 T _stext\n"                                                                                  \
	"ffffffff81000010 T do_one\n"                                                                                  \
	"ffffffff81001000 T _etext\n"

static void write_text(int fd, const char *text)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
}

static void modules_loaded_meanwhile_are_named_by_reading_once_more(void **state)
{
	const struct batch batch = {.n_ksymbols = 0};
	int fd = memfd_create("kallsyms", MFD_CLOEXEC), kept = dup(fd);
	struct kernel_names *kernel;
	struct ksym sym;

	(void)state;
	assert_int_equal(kernel_names_new(&kernel), 0);
	assert_false(kernel_names_known(kernel));
	assert_int_equal(kernel_names_find(kernel, 0xffffffff81000010, &sym), -ENOENT);
	write_text(fd, KERNEL);
	assert_int_equal(kernel_names_read(kernel, fd), 0);
	close(fd);
	assert_true(kernel_names_known(kernel));

	kernel_names_begin_batch(kernel, &batch);
	write_text(kept, KERNEL "ffffffffc0000000 t first\t[one]\n");
	assert_int_equal(kernel_names_find(kernel, 0xffffffff81000020, &sym), 0);
	assert_int_equal(kernel_names_count(kernel), 2); /* that needed no second reading */
	assert_int_equal(kernel_names_find(kernel, 0xffffffffc0000020, &sym), 0);
	assert_string_equal(sym.name, "first");
	assert_string_equal(sym.module, "one");

	/* Once a batch, whatever its frames are. */
	write_text(kept, KERNEL "ffffffffc0000000 t first\t[one]\nffffffffc0100000 t second\t[two]\n");
	assert_int_equal(kernel_names_find(kernel, 0xffffffffc0100020, &sym), -ENOENT);
	kernel_names_begin_batch(kernel, &batch);
	assert_int_equal(kernel_names_find(kernel, 0xffffffffc0100020, &sym), 0);
	assert_string_equal(sym.name, "second");

	/* What seems to be the end of a module may be another's that came later. */
	kernel_names_begin_batch(kernel, &batch);
	write_text(kept, KERNEL "ffffffffc0000000 t first\t[one]\nffffffffc0100000 t second\t[two]\n"
				"ffffffffc0101000 t third\t[three]\n");
	assert_int_equal(kernel_names_find(kernel, 0xffffffffc0101020, &sym), 0);
	assert_string_equal(sym.name, "third");

	/* An address in the kernel's own text that has no name is no module's. */
	kernel_names_begin_batch(kernel, &batch);
	write_text(kept, "");
	assert_int_equal(kernel_names_find(kernel, 0xffffffff80000000, &sym), -ENOENT);
	assert_int_equal(kernel_names_find(kernel, 0xffffffff81000020, &sym), 0);
	close(kept);
	kernel_names_free(kernel);
}

static void zeros_are_names_not_known(void **state)
{
	int fd = memfd_create("kallsyms", MFD_CLOEXEC);
	struct kernel_names *kernel;
	uint64_t start, end;

	(void)state;
	assert_int_equal(kernel_names_new(&kernel), 0);
	write_text(fd, "0000000000000000 T _stext\n0000000000000000 T do_one\n");
	assert_int_equal(kernel_names_read(kernel, fd), 0);
	assert_false(kernel_names_known(kernel));
	assert_false(kernel_names_text(kernel, &start, &end));
	close(fd);
	assert_int_equal(kernel_names_read(kernel, -1), -EBADF);
	assert_false(kernel_names_known(kernel));
	kernel_names_free(kernel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_loaded_meanwhile_are_named_by_reading_once_more),
		cmocka_unit_test(zeros_are_names_not_known),
	};

	return cmocka_run_group_tests_name("kernel_names", tests, NULL, NULL);
}
