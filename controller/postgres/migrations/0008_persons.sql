-- +goose Up

-- Who logs in by the directory is found in whatever case, the oldest of several.
CREATE INDEX users_in_any_case ON users (lower(username), id);
