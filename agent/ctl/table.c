/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <libsmartcols/libsmartcols.h>

#include "base/mem.h"

#define TABLE_GAP "   "
#define TABLE_CELL_MIN 7 /* with the gap Docker's minimum of 10 */

struct table {
	struct libscols_table *t;
	size_t columns;
};

/* libsmartcols fails only for lack of memory. */
static void must(int r)
{
	if (r < 0)
		abort();
}

struct table *table_new(const char *const *headings)
{
	struct table *t = mem_alloc(sizeof(*t));

	t->t = scols_new_table();
	if (!t->t)
		abort();
	/* Not a terminal: no colours, and no column cut to its width. */
	must(scols_table_set_termforce(t->t, SCOLS_TERMFORCE_NEVER));
	must(scols_table_set_column_separator(t->t, TABLE_GAP));
	for (; headings[t->columns]; t->columns++) {
		/* Padded: libsmartcols takes a minimal width for a hint only. */
		_cleanup_free_ char *name =
			headings[t->columns + 1] ?
				mem_printf("%-*s", TABLE_CELL_MIN, headings[t->columns]) :
				mem_strdup(headings[t->columns]);

		if (!scols_table_new_column(t->t, name, 0, 0))
			abort();
	}
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	scols_unref_table(t->t);
	free(t);
}

void table_row(struct table *t, const char *const *cells)
{
	struct libscols_line *line = scols_table_new_line(t->t, NULL);

	if (!line)
		abort();
	for (size_t i = 0; i < t->columns; i++)
		must(scols_line_set_data(line, i, cells[i] ? cells[i] : ""));
}

/* libsmartcols prints nothing, headings neither, where there are no rows. */
static void print_headings(struct table *t)
{
	for (size_t i = 0; i < t->columns; i++) {
		struct libscols_column *col = scols_table_get_column(t->t, i);
		const char *name = scols_cell_get_data(scols_column_get_header(col));

		printf("%s%s", name, i + 1 < t->columns ? TABLE_GAP : "\n");
	}
}

void table_print(struct table *t)
{
	if (scols_table_get_nlines(t->t) == 0)
		print_headings(t);
	else
		must(scols_print_table(t->t));
}
