-- +goose Up

-- A container that is being restarted: withdrawn, stopped and made anew.
ALTER TABLE containers DROP CONSTRAINT containers_phase_check;
ALTER TABLE containers ADD CONSTRAINT containers_phase_check
    CHECK (phase IN ('starting', 'serving', 'replacing', 'leaving'));
