/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/kernel_names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/batch.h"

#define MODULE "resolver"

struct kernel_names {
	struct ksyms *ksyms;
	int fd; /* of kallsyms, or -1 */
	bool is_known;
	bool was_read_again; /* for this batch */
};

int kernel_names_new(struct kernel_names **ret)
{
	struct kernel_names *kernel = calloc(1, sizeof(*kernel));
	int err;

	if (!kernel)
		return -ENOMEM;
	kernel->fd = -1;
	err = ksyms_new(&kernel->ksyms);
	if (err) {
		kernel_names_free(kernel);
		return err;
	}
	*ret = kernel;
	return 0;
}

void kernel_names_free(struct kernel_names *kernel)
{
	if (!kernel)
		return;
	ksyms_free(kernel->ksyms);
	cleanup_close(&kernel->fd);
	free(kernel);
}

int kernel_names_read(struct kernel_names *kernel, int fd)
{
	bool is_restricted;
	size_t bad;
	int err;

	kernel->is_known = false;
	err = ksyms_read(kernel->ksyms, fd, &is_restricted, &bad);
	if (err)
		return err;
	kernel->is_known = !is_restricted;
	log_write(LOG_DEBUG, MODULE, "%zu kernel symbols, %zu bad lines%s", ksyms_count(kernel->ksyms), bad,
		  is_restricted ? ", restricted" : "");
	cleanup_close(&kernel->fd);
	kernel->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return 0;
}

void kernel_names_begin_batch(struct kernel_names *kernel, const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->n_ksymbols; i++)
		ksyms_add(kernel->ksyms, batch->ksymbols[i].address, batch->ksymbols[i].len,
			  batch_string(batch, batch->ksymbols[i].name));
	kernel->was_read_again = false;
}

bool kernel_names_known(const struct kernel_names *kernel)
{
	return kernel->is_known;
}

static bool is_own_text(const struct kernel_names *kernel, uint64_t address)
{
	uint64_t start, end;

	return ksyms_text(kernel->ksyms, &start, &end) && address >= start && address < end;
}

static void read_again(struct kernel_names *kernel)
{
	int err = kernel->fd < 0 ? -EBADF : ksyms_read_again(kernel->ksyms, kernel->fd);

	kernel->was_read_again = true;
	if (err)
		log_write(LOG_WARN, MODULE, "modules loaded meanwhile stay unnamed: %s", err_name(err));
}

int kernel_names_find(struct kernel_names *kernel, uint64_t address, struct ksym *ret)
{
	int err = kernel->is_known ? ksyms_find(kernel->ksyms, address, ret) : -ENOENT;

	if ((!err && !ret->has_no_end) || !kernel->is_known || kernel->was_read_again || is_own_text(kernel, address))
		return err;
	read_again(kernel);
	return ksyms_find(kernel->ksyms, address, ret);
}

bool kernel_names_text(const struct kernel_names *kernel, uint64_t *start, uint64_t *end)
{
	return ksyms_text(kernel->ksyms, start, end);
}

size_t kernel_names_count(const struct kernel_names *kernel)
{
	return ksyms_count(kernel->ksyms);
}

size_t kernel_names_memory_bytes(const struct kernel_names *kernel)
{
	return ksyms_memory_bytes(kernel->ksyms);
}
