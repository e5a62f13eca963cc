-- +goose Up

-- One-off containers that a controller is at. It counts up while it is there:
-- one whose count stands still has lost its controller.
CREATE TABLE runs (
    uuid  uuid NOT NULL PRIMARY KEY,
    app   text COLLATE "C" NOT NULL REFERENCES apps ON DELETE CASCADE,
    beats bigint NOT NULL DEFAULT 0
);
CREATE INDEX runs_of_app ON runs (app);
