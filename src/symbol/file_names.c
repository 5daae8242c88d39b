/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol/file_names.h"

#include <errno.h>
#include <stdlib.h>

#include "elf/elf_file.h"
#include "elf/gopclntab.h"
#include "elf/symtab.h"

struct file_names {
	struct gopclntab *go;  /* NULL: no Go program */
	struct symtab *symtab; /* NULL: it could not be read */
};

/* A source that cannot be read, for whatever it holds, is one less. */
static int pass_over_bad(int err)
{
	return err == -ENOMEM || err == -EIO ? err : 0;
}

int file_names_new(const struct elf_file *file, struct file_names **ret)
{
	struct file_names *names = calloc(1, sizeof(*names));
	int err;

	if (!names)
		return -ENOMEM;
	err = pass_over_bad(gopclntab_open(file, &names->go));
	if (!err)
		err = symtab_new(file, &names->symtab);
	if (names->go)
		err = pass_over_bad(err);
	if (err) {
		file_names_free(names);
		return err;
	}
	*ret = names;
	return 0;
}

void file_names_free(struct file_names *names)
{
	if (!names)
		return;
	gopclntab_free(names->go);
	symtab_free(names->symtab);
	free(names);
}

size_t file_names_count(const struct file_names *names)
{
	return (names->go ? gopclntab_count(names->go) : 0) + (names->symtab ? symtab_count(names->symtab) : 0);
}

size_t file_names_memory_bytes(const struct file_names *names)
{
	return sizeof(*names) + (names->go ? gopclntab_memory_bytes(names->go) : 0) +
	       (names->symtab ? symtab_memory_bytes(names->symtab) : 0);
}

static int find_in_go(struct gopclntab *go, uint64_t elf_va, uint64_t *ret_start, char *name, size_t size)
{
	struct go_function function;
	size_t index;
	int err = gopclntab_find(go, elf_va, &index);

	if (!err)
		err = gopclntab_function(go, index, &function);
	if (!err)
		err = gopclntab_name(go, &function, name, size);
	if (err || !name[0])
		return err ? err : -ENOENT;
	*ret_start = function.start;
	return 0;
}

int file_names_find(const struct file_names *names, uint64_t elf_va, uint64_t *ret_start, char *name, size_t size)
{
	struct symbol symbol;
	int err;

	if (names->go && !find_in_go(names->go, elf_va, ret_start, name, size))
		return 0;
	err = names->symtab ? symtab_find(names->symtab, elf_va, &symbol, name, size) : -ENOENT;
	if (err || !name[0])
		return err ? err : -ENOENT;
	*ret_start = symbol.elf_va;
	return 0;
}
