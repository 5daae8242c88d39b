/* SPDX-License-Identifier: Apache-2.0 */
/* "comm;root;…;leaf count" lines, sorted, as FlameGraph's stackcollapse tools write them; kernel frames end in "_[k]".
 */
#pragma once

struct profile;
struct sink;

/* The first frame is the label "comm" of each sample. ';' and newlines inside names are replaced. The value is sample
 * type 0 (samples). */
int folded_encode(const struct profile *profile, const struct sink *sink);
