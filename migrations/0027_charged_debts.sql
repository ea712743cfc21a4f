-- Calls that were made while the database was away are charged once, however often a node asks for it: it may not have heard that it was done,
-- or have been killed before it could write that down.
CREATE TABLE charged_debts (
    debt_id uuid PRIMARY KEY,
    charged_at timestamptz NOT NULL
);
CREATE INDEX charged_debts_by_time ON charged_debts (charged_at);
GRANT SELECT, INSERT, DELETE ON charged_debts TO toolwright_runtime;
