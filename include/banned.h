/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that have no bounded use. Included by the compiler command line after the system headers that
 * declare them, so that a call is a compile error and not a review comment. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#pragma GCC poison strcpy strcat strncpy strncat strtok strtok_r sprintf vsprintf gets
#pragma GCC poison scanf fscanf sscanf vscanf vfscanf vsscanf atoi atol atoll atof
