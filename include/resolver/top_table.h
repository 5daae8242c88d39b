/* SPDX-License-Identifier: Apache-2.0 */
/* The functions and programs in which most samples are, and where most stacks end early, for the terminal. */
#pragma once

struct batch;
struct frame_names;
struct summary;

int top_table_make(const struct batch *batch, const struct frame_names *names, struct summary *ret);
