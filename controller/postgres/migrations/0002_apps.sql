-- +goose Up

-- An app that is being destroyed keeps its row, and thus its id, until the
-- last trace of it is gone.
CREATE TABLE apps (
    seq       bigint GENERATED ALWAYS AS IDENTITY,
    uuid      uuid NOT NULL UNIQUE,
    id        text COLLATE "C" NOT NULL CONSTRAINT apps_id PRIMARY KEY,
    owner     text COLLATE "C" NOT NULL REFERENCES users,
    structure jsonb NOT NULL CHECK (jsonb_typeof(structure) = 'object'),
    created   timestamptz NOT NULL DEFAULT now(),
    updated   timestamptz NOT NULL DEFAULT now(),
    destroyed timestamptz
);
CREATE INDEX apps_listed ON apps (seq) WHERE destroyed IS NULL;
CREATE INDEX apps_destroyed ON apps (seq) WHERE destroyed IS NOT NULL;
CREATE INDEX apps_of_user ON apps (owner);

CREATE TABLE grants (
    seq      bigint GENERATED ALWAYS AS IDENTITY,
    app      text COLLATE "C" NOT NULL REFERENCES apps ON DELETE CASCADE,
    username text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    PRIMARY KEY (app, username)
);
CREATE INDEX grants_of_user ON grants (username);

-- Names of hosts know no case, so two apps cannot share one by it.
CREATE TABLE domains (
    seq     bigint GENERATED ALWAYS AS IDENTITY,
    app     text COLLATE "C" NOT NULL REFERENCES apps ON DELETE CASCADE,
    owner   text COLLATE "C" NOT NULL REFERENCES users,
    domain  text COLLATE "C" NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX domains_domain ON domains (lower(domain));
CREATE INDEX domains_of_app ON domains (app, seq);
CREATE INDEX domains_of_user ON domains (owner);

CREATE TABLE pushes (
    seq                  bigint GENERATED ALWAYS AS IDENTITY,
    uuid                 uuid NOT NULL PRIMARY KEY,
    app                  text COLLATE "C" NOT NULL REFERENCES apps ON DELETE CASCADE,
    owner                text COLLATE "C" NOT NULL REFERENCES users,
    sha                  text NOT NULL,
    fingerprint          text NOT NULL,
    receive_user         text NOT NULL,
    receive_repo         text NOT NULL,
    ssh_connection       text NOT NULL,
    ssh_original_command text NOT NULL,
    created              timestamptz NOT NULL DEFAULT now(),
    updated              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pushes_of_app ON pushes (app, seq);
CREATE INDEX pushes_of_user ON pushes (owner);
