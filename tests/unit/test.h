/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with the headers it expects. Test names read as facts: maps_line_without_path_is_anonymous. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
