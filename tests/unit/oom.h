/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations that fail when a test says so. Test programs are linked with a copy of our objects whose calls of
 * malloc() and its kin go to oom.c; the tests' own calls and those within libraries are not touched.
 *
 * With OOM_AT=N in the environment the Nth allocation of the program fails (tests/check-oom.sh); with OOM_COUNT_FILE=F
 * the number of allocations is written to F at the end. */
#pragma once

/* The nth allocation from now on fails, once: 1 is the next one. 0: none. */
void oom_fail_at(unsigned long nth);
