/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that a sampling program can lock up. copy_from_user_nofault(), by which it reads the user's stack, once went
 * through the checks of CONFIG_HARDENED_USERCOPY; those look a destination in vmalloc memory (our per-CPU scratch) up
 * under a lock, and the code that the sample interrupted may hold it. The look-up came with Linux 5.19; "mm: Fix
 * copy_from_user_nofault()" is in 6.4, 6.3.10 and 6.1.36. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"

#define KERNEL_TEXT_BYTES 256

struct kernel_version {
	uint32_t major, minor, patch;
};

/* What a running kernel tells of its version. Distributions keep "6.1.0" as their release through all its repairs and
 * tell in another place which upstream version they are at. */
struct kernel_texts {
	char release[KERNEL_TEXT_BYTES];   /* uname -r: "6.1.0-13-amd64" */
	char build[KERNEL_TEXT_BYTES];	   /* uname -v: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)" */
	char signature[KERNEL_TEXT_BYTES]; /* Ubuntu's /proc/version_signature: "Ubuntu 6.2.0-39.40-generic 6.2.16" */
};

/* Empty strings where there is no such text. */
void kernel_texts_read(struct kernel_texts *ret);
/* The upstream version; false when the release is none. */
bool kernel_texts_version(const struct kernel_texts *texts, struct kernel_version *ret);
bool kernel_version_locks_up(const struct kernel_version *version);
/* 0, or -EOPNOTSUPP with the problem set. A release that is no version passes. */
int kernel_guard_check(const struct kernel_texts *texts, struct problem *problem);
