/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO has no file; every 64-bit process of the machine maps the same image, so ours serves. */
#pragma once

/* A sealed memfd with a copy of this process' vDSO image, to be opened as an ELF file. -ENOENT: the kernel gives none.
 */
int vdso_image(int *ret_fd);
