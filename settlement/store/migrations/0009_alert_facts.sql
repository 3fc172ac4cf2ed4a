-- The numbers of an alert's sentence stand with the diagnoses, of which they may name
-- one.
CREATE TABLE clinical.alert_facts (
    alert_id bytea PRIMARY KEY REFERENCES alert (id),
    facts text NOT NULL              -- JSON
);
INSERT INTO clinical.alert_facts SELECT id, facts FROM alert;
ALTER TABLE alert DROP COLUMN facts;
