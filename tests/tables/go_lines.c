/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what Go's function table says of random addresses of a program, a line each:
 *
 *     go_lines FILE COUNT     "0xADDRESS" and for each place in the source, innermost first, TAB "FUNCTION FILE:LINE"
 */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "elf/elf_file.h"
#include "elf/gopclntab.h"

/* Padding behind a function belongs to none. */
static int print_lines(struct gopclntab *table, uint64_t va)
{
	struct go_line lines[GOPCLNTAB_MAX_LINES];
	struct go_function function;
	char name[4096], file[4096];
	size_t index, n = 0;
	int err = gopclntab_find(table, va, &index);

	if (!err)
		err = gopclntab_function(table, index, &function);
	if (!err)
		err = gopclntab_lines(table, &function, va, lines, GOPCLNTAB_MAX_LINES, &n);
	printf("0x%" PRIx64, va);
	for (size_t i = 0; i < n && !err; i++) {
		err = gopclntab_line_name(table, &lines[i], name, sizeof(name));
		if (!err)
			err = gopclntab_line_file(table, &lines[i], file, sizeof(file));
		if (!err)
			printf("\t%s %s:%" PRIu32, name, file, lines[i].line);
	}
	if (err)
		printf("\t%s", err_name(err));
	putchar('\n');
	return err;
}

int main(int argc, char **argv)
{
	struct gopclntab *table;
	struct elf_file *file;
	uint64_t start, limit, step;
	int err;

	if (argc != 3)
		return 2;
	err = elf_file_open(open(argv[1], O_RDONLY | O_CLOEXEC), &file);
	if (!err)
		err = gopclntab_open(file, &table);
	if (err) {
		fprintf(stderr, "%s: %s\n", argv[1], err_name(err));
		return 2;
	}
	gopclntab_range(table, &start, &limit);
	step = elf_file_machine(file) == EM_AARCH64 ? 4 : 1;
	srandom(1);
	for (unsigned long i = 0; i < strtoul(argv[2], NULL, 10); i++)
		print_lines(table,
			    start + ((uint64_t)random() << 31 ^ (uint64_t)random()) % (limit - start) / step * step);
	gopclntab_free(table);
	elf_file_free(file);
	return 0;
}
