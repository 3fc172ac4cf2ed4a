-- Whether a person's cards changed, too. Of earlier changes nobody knows, so they may.
ALTER TABLE roster_change ADD COLUMN cards_changed boolean NOT NULL DEFAULT true;
