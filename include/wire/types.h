/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Fixed-width integers for headers that compile as BPF (vmlinux.h gives them) and as host C. */
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif
