/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "elf/elf_file.h"
#include "elf/symtab.h"
#include "symbol/vdso.h"

static void image_is_sealed(void **state)
{
	int fd = -1, seals;

	(void)state;
	assert_int_equal(vdso_image(&fd), 0);
	seals = fcntl(fd, F_GET_SEALS);
	assert_int_equal(seals, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void image_holds_what_is_mapped(void **state)
{
	const uint8_t *mapped = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	uint8_t bytes[1024];
	int fd = -1;

	(void)state;
	assert_int_equal(vdso_image(&fd), 0);
	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_memory_equal(bytes, mapped, sizeof(bytes));
	close(fd);
}

static void image_names_its_functions(void **state)
{
	const struct elf_segment *segments;
	struct elf_file *file = NULL;
	struct symtab *symtab = NULL;
	size_t n, named = 0;
	int fd = -1;

	(void)state;
	assert_int_equal(vdso_image(&fd), 0);
	assert_int_equal(elf_file_open(fd, &file), 0);
	assert_int_equal(symtab_new(file, &symtab), 0);
	assert_true(symtab_count(symtab) >= 3);
	segments = elf_file_segments(file, &n);
	assert_true(n >= 1);
	for (uint64_t va = segments[0].vaddr; va < segments[0].vaddr + segments[0].memsz; va++) {
		struct symbol symbol;
		char name[128];

		/* __vdso_clock_gettime, __kernel_clock_gettime on arm64 */
		if (!symtab_find(symtab, va, &symbol, name, sizeof(name)) && symbol.elf_va == va &&
		    strstr(name, "clock_gettime"))
			named++;
	}
	assert_true(named >= 1);
	symtab_free(symtab);
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_is_sealed),
		cmocka_unit_test(image_holds_what_is_mapped),
		cmocka_unit_test(image_names_its_functions),
	};

	return cmocka_run_group_tests_name("vdso", tests, NULL, NULL);
}
