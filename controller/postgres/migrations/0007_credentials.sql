-- +goose Up

-- What an app shows to other registries. The password must be sent to them, so
-- it is kept as it is, like the values of configs.
CREATE TABLE credentials (
    seq      bigint GENERATED ALWAYS AS IDENTITY,
    app      text COLLATE "C" NOT NULL REFERENCES apps ON DELETE CASCADE,
    owner    text COLLATE "C" NOT NULL REFERENCES users,
    registry text COLLATE "C" NOT NULL,
    username text NOT NULL,
    password text NOT NULL,
    created  timestamptz NOT NULL DEFAULT now(),
    updated  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app, registry)
);
CREATE INDEX credentials_of_user ON credentials (owner);

-- A container that ended again and again, until it has been up for a while.
ALTER TABLE containers ADD COLUMN crashed boolean NOT NULL DEFAULT false;
