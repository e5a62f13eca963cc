package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

// pageSize is that of Deis v1, for a page that names none.
const pageSize = 100

// list reads a page of `SELECT columns from ORDER BY order` and counts all
// rows of it: two statements, however long the list is.
func list[T any](ctx context.Context, r records, p deis.Page, columns, from, order string, args pgx.NamedArgs) ([]T, int, error) {
	total, err := value[int](ctx, r, "SELECT count(*) "+from, args)
	if err != nil {
		return nil, 0, err
	}
	offset, limit, ok := window(p, total)
	if !ok {
		return nil, 0, deis.ErrNotFound
	}
	if total == 0 {
		return []T{}, 0, nil
	}
	paged := pgx.NamedArgs{"page_limit": limit, "page_offset": offset}
	for name, v := range args {
		paged[name] = v
	}
	vs, err := all(ctx, r, pgx.RowToStructByName[T],
		"SELECT "+columns+" "+from+" ORDER BY "+order+" LIMIT @page_limit OFFSET @page_offset", paged)
	return vs, total, err
}

// window says which rows of total are on a page. Only the first page may be
// empty; any other is not ok then.
func window(p deis.Page, total int) (offset, limit int, ok bool) {
	size, number := p.Size, p.Number
	if size < 1 {
		size = pageSize
	}
	last := max(1, (total-1)/size+1)
	if p.Last {
		number = last
	}
	number = max(1, number)
	if number > last {
		return 0, 0, false
	}
	return (number - 1) * size, size, true
}
