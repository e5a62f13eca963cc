-- +goose Up

-- Users are referred to by name, apps by id: both never change, and rows read
-- as the nouns do. Names sort by their bytes, whatever the database's locale.
-- "seq" is the order of insertion, which lists are in.
CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT users_id UNIQUE,
    username      text COLLATE "C" NOT NULL CONSTRAINT users_username PRIMARY KEY,
    email         text NOT NULL,
    first_name    text NOT NULL,
    last_name     text NOT NULL,
    password_hash text NOT NULL,
    superuser     boolean NOT NULL,
    active        boolean NOT NULL DEFAULT true,
    joined        timestamptz NOT NULL DEFAULT now(),
    last_login    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX users_superusers ON users (username) WHERE superuser;

-- Only the hash of a token is stored: a copy of the database logs nobody in.
CREATE TABLE tokens (
    seq      bigint GENERATED ALWAYS AS IDENTITY,
    hash     bytea NOT NULL CONSTRAINT tokens_hash PRIMARY KEY,
    username text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    created  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tokens_of_user ON tokens (username, seq);

-- A key stands for one user: the builder knows who pushes by it alone.
CREATE TABLE keys (
    seq         bigint GENERATED ALWAYS AS IDENTITY,
    uuid        uuid NOT NULL PRIMARY KEY,
    owner       text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    id          text COLLATE "C" NOT NULL,
    public      text NOT NULL,
    fingerprint text COLLATE "C" NOT NULL CONSTRAINT keys_fingerprint UNIQUE,
    created     timestamptz NOT NULL DEFAULT now(),
    updated     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT keys_id UNIQUE (owner, id)
);
CREATE INDEX keys_of_user ON keys (owner, seq);
