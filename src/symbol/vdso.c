/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol/vdso.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"

#define MAX_IMAGE_BYTES (64u << 10) /* x86-64: 8 KiB, arm64: 4 to 8 KiB */

/* The kernel maps the image whole; its section headers come last. */
static uint64_t image_size(const Elf64_Ehdr *ehdr)
{
	const Elf64_Phdr *phdrs = (const Elf64_Phdr *)((const char *)ehdr + ehdr->e_phoff);
	uint64_t size = ehdr->e_shoff + (uint64_t)ehdr->e_shnum * ehdr->e_shentsize;

	for (unsigned int i = 0; i < ehdr->e_phnum; i++)
		if (phdrs[i].p_type == PT_LOAD && phdrs[i].p_offset + phdrs[i].p_filesz > size)
			size = phdrs[i].p_offset + phdrs[i].p_filesz;
	return size;
}

int vdso_image(int *ret_fd)
{
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	auto_close int fd = -1;
	uint64_t size;
	int err;

	if (!ehdr)
		return -ENOENT;
	size = image_size(ehdr);
	if (size < sizeof(*ehdr) || size > MAX_IMAGE_BYTES)
		return -ENOENT;
	fd = memfd_create("vdso", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	err = io_write_full(fd, ehdr, size);
	if (err)
		return err;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}
