-- +goose Up

-- The keys over (app, uuid) let a release name builds and configs of its own
-- app only.
CREATE TABLE configs (
    seq      bigint GENERATED ALWAYS AS IDENTITY,
    uuid     uuid NOT NULL PRIMARY KEY,
    app      text COLLATE "C" NOT NULL REFERENCES apps ON DELETE CASCADE,
    owner    text COLLATE "C" NOT NULL REFERENCES users,
    "values" jsonb NOT NULL CHECK (jsonb_typeof("values") = 'object'),
    memory   jsonb NOT NULL CHECK (jsonb_typeof(memory) = 'object'),
    cpu      jsonb NOT NULL CHECK (jsonb_typeof(cpu) = 'object'),
    tags     jsonb NOT NULL CHECK (jsonb_typeof(tags) = 'object'),
    created  timestamptz NOT NULL DEFAULT now(),
    updated  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (app, uuid)
);
CREATE INDEX configs_of_user ON configs (owner);

CREATE TABLE builds (
    seq        bigint GENERATED ALWAYS AS IDENTITY,
    uuid       uuid NOT NULL PRIMARY KEY,
    app        text COLLATE "C" NOT NULL REFERENCES apps ON DELETE CASCADE,
    owner      text COLLATE "C" NOT NULL REFERENCES users,
    image      text NOT NULL,
    sha        text NOT NULL,
    procfile   jsonb NOT NULL CHECK (jsonb_typeof(procfile) = 'object'),
    dockerfile text NOT NULL,
    created    timestamptz NOT NULL DEFAULT now(),
    updated    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (app, uuid)
);
CREATE INDEX builds_of_app ON builds (app, seq);
CREATE INDEX builds_of_user ON builds (owner);

CREATE TABLE releases (
    uuid    uuid NOT NULL PRIMARY KEY,
    app     text COLLATE "C" NOT NULL REFERENCES apps ON DELETE CASCADE,
    owner   text COLLATE "C" NOT NULL REFERENCES users,
    version integer NOT NULL CHECK (version > 0),
    summary text NOT NULL,
    config  uuid NOT NULL,
    build   uuid,
    image   text NOT NULL,
    pending boolean NOT NULL,
    push    text COLLATE "C" NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT releases_version UNIQUE (app, version),
    FOREIGN KEY (app, config) REFERENCES configs (app, uuid),
    FOREIGN KEY (app, build) REFERENCES builds (app, uuid)
);
-- One push makes one release, however often it is reported.
CREATE UNIQUE INDEX releases_push ON releases (app, push) WHERE push <> '';
CREATE INDEX releases_pending ON releases (app, version) WHERE pending;
CREATE INDEX releases_of_config ON releases (app, config);
CREATE INDEX releases_of_build ON releases (app, build);
CREATE INDEX releases_of_user ON releases (owner);
