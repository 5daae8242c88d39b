/* SPDX-License-Identifier: Apache-2.0 */
/* The functions and programs in which most samples are, where most stacks end early, and where most frames have no
 * name, for the terminal. */
#pragma once

struct batch;
struct frame_names;
struct object_cache;
struct summary;

/* The cache tells what there is in files whose code has no names. */
int top_table_make(const struct batch *batch, const struct frame_names *names, struct object_cache *cache,
		   struct summary *ret);
