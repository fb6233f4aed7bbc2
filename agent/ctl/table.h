/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table - rows under headings, aligned with three spaces between as docker prints them; never cut, also on narrow terminals.
 */
#pragma once

struct table;
/** table_new() - @headings: NULL-terminated */
struct table *table_new(const char *const *headings);
void table_free(struct table *t);
/** table_row() - as many texts as there are headings; copied; NULL is "". */
void table_row(struct table *t, const char *const *cells);
/** table_print() - to stdout */
void table_print(struct table *t);
