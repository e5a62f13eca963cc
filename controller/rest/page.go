package rest

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

// defaultPageSize is used for sizes that make no sense, too.
const defaultPageSize = 100

// pageOf reads which page of a list is asked for.
func pageOf(query url.Values) (deis.Page, error) {
	p := deis.Page{Size: defaultPageSize, Number: 1}
	if n, err := strconv.Atoi(query.Get("page_size")); err == nil && n > 0 {
		p.Size = min(n, maxNumber)
	}
	switch text := query.Get("page"); text {
	case "":
	case "last":
		p.Last = true
	default:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxNumber {
			return deis.Page{}, errNotFound()
		}
		p.Number = n
	}
	return p, nil
}

// list answers with a page of what find returns, each made by shape.
func list[N, A any](w http.ResponseWriter, r *request, shape func(N) A, find func(deis.Page) ([]N, int, error)) error {
	query := r.URL.Query()
	p, err := pageOf(query)
	if err != nil {
		return err
	}
	nouns, count, err := find(p)
	if err != nil {
		return err
	}
	pages := max((count+p.Size-1)/p.Size, 1)
	if p.Last {
		p.Number = pages
	}
	if p.Number > pages {
		return errNotFound()
	}
	page := api.Page[A]{Count: count, Results: shapeAll(nouns, shape)}
	if p.Number < pages {
		page.Next = pageURL(r.Request, query, p.Number+1)
	}
	if p.Number > 1 {
		page.Previous = pageURL(r.Request, query, p.Number-1)
	}
	return r.answer(w, page)
}

func shapeAll[N, A any](nouns []N, shape func(N) A) []A {
	out := make([]A, len(nouns))
	for i, n := range nouns {
		out[i] = shape(n)
	}
	return out
}

// pageURL is the request's own URL, for another page.
func pageURL(r *http.Request, query url.Values, number int) *string {
	query.Set("page", strconv.Itoa(number))
	scheme := "http"
	if r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	u := scheme + "://" + r.Host + r.URL.EscapedPath() + "?" + query.Encode()
	return &u
}
