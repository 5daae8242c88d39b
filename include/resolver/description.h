/* SPDX-License-Identifier: Apache-2.0 */
/* What a file has to name its code by, for people. */
#pragma once

#include <stdint.h>

struct message_description;
struct object_cache;

/* The object was parsed. What cannot be read is not there; where nothing can be told, ret->err says why. */
void description_make(struct object_cache *cache, uint32_t object, struct message_description *ret);
