-- +goose Up

-- A container outlives the row of a release that failed until it is stopped,
-- so its version refers to none. The job id is the container's name on its
-- host: there cannot be two.
CREATE TABLE containers (
    seq     bigint GENERATED ALWAYS AS IDENTITY,
    uuid    uuid NOT NULL PRIMARY KEY,
    app     text COLLATE "C" NOT NULL REFERENCES apps ON DELETE CASCADE,
    owner   text COLLATE "C" NOT NULL REFERENCES users,
    version integer NOT NULL CHECK (version > 0),
    type    text COLLATE "C" NOT NULL,
    num     integer NOT NULL CHECK (num > 0),
    phase   text NOT NULL CHECK (phase IN ('starting', 'serving', 'leaving')),
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT containers_job UNIQUE (app, version, type, num)
);
CREATE INDEX containers_of_app ON containers (app, seq);
CREATE INDEX containers_in_order ON containers (seq);
CREATE INDEX containers_of_user ON containers (owner);
