-- +goose Up

-- The name becomes part of an etcd key, whoever writes the row.
CREATE TABLE certs (
    id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT certs_id PRIMARY KEY,
    owner       text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    common_name text COLLATE "C" NOT NULL CONSTRAINT certs_common_name UNIQUE
                CHECK (common_name ~ '^[a-z0-9-]+([.][a-z0-9-]+)*$'),
    expires     timestamptz NOT NULL,
    chain       text NOT NULL,
    key         text NOT NULL,
    created     timestamptz NOT NULL DEFAULT now(),
    updated     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX certs_of_user ON certs (owner, id);

-- OpenSSH shows keys by SHA256; so they can be named by it. Keys from before
-- get it here, but for those that are no keys, which only tests have made.
ALTER TABLE keys ADD COLUMN sha256 text COLLATE "C" NOT NULL DEFAULT '';
UPDATE keys SET sha256 = 'SHA256:' || rtrim(encode(sha256(decode(blob, 'base64')), 'base64'), '=')
FROM (SELECT uuid AS id, (regexp_match(public, '^\S+\s+(\S+)'))[1] AS blob FROM keys) parsed
WHERE parsed.id = keys.uuid AND blob ~ '^[A-Za-z0-9+/]+={0,2}$' AND length(blob) % 4 = 0;
