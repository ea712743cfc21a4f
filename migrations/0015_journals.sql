-- Calls that wait for what their client was asked (2026-07-28): no guest is kept for them, only what the host answered it so far, by which
-- the next run gets to where this one was.
CREATE TABLE journals (
    journal_id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customers ON DELETE CASCADE,
    -- The record of the call; no foreign key, since records are written behind the calls.
    call_id uuid NOT NULL,
    -- A nonce of 24 bytes, the journal, a tag of 16: it holds answers of hosts. None once it was taken, so that it is used once.
    sealed bytea CHECK (octet_length(sealed) BETWEEN 41 AND 16777216),
    -- Until when it can be taken; or, once it was, until when whoever took it will have ended.
    expires_at timestamptz NOT NULL
);
CREATE INDEX journals_waiting ON journals (customer_id) WHERE sealed IS NOT NULL;
CREATE INDEX journals_by_call ON journals (call_id);
CREATE INDEX journals_by_expiry ON journals (expires_at);

-- Answers to calls that wait on another node than the one that was told (2025-11-25). Whoever waits takes them away.
CREATE TABLE question_answers (
    question_id uuid PRIMARY KEY,
    -- A nonce of 24 bytes, the answer, a tag of 16.
    sealed bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 41 AND 2097152),
    expires_at timestamptz NOT NULL
);
CREATE INDEX question_answers_by_expiry ON question_answers (expires_at);
CREATE TRIGGER question_answers_changed AFTER INSERT ON question_answers
    FOR EACH ROW EXECUTE FUNCTION notify_change('question_id');

-- A call that waits for its client has no node that would close its record when it starts again.
ALTER TABLE executions DROP CONSTRAINT executions_status_check;
ALTER TABLE executions ADD CONSTRAINT executions_status_check CHECK (status IN (
    'running', 'waiting', 'success', 'tool_error', 'invalid_arguments', 'invalid_result', 'limit_exceeded', 'trap', 'cancelled',
    'interrupted'
));
ALTER TABLE executions DROP CONSTRAINT executions_check;
ALTER TABLE executions ADD CONSTRAINT executions_check CHECK ((status IN ('running', 'waiting')) = (completed_at IS NULL));

GRANT SELECT, INSERT, UPDATE, DELETE ON journals TO toolwright_runtime;
GRANT SELECT, INSERT, DELETE ON question_answers TO toolwright_runtime;
