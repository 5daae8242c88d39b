/* SPDX-License-Identifier: Apache-2.0 */
/* Rows made from the code itself, where a file has no CFI for it (musl, hand-written assembly): a linear scan of each
 * function that follows what moves the stack pointer and where the frame pointer is saved. Better no rule than a wrong
 * one: where the scan loses track, the code has UNWIND_CFA_NONE from there to the end of the function. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "unwind/row_sink.h"

/* Scans one function: `bytes` are its code, at elf_va `va`. Pure. Rows are given in rising order, the first at va.
 * `machine` is EM_X86_64 or EM_AARCH64. Returns 0, or what the sink said. */
int code_scan(uint16_t machine, const uint8_t *bytes, size_t n, uint64_t va, const struct row_sink *sink);
