-- What calls were given and what they answered is kept only where a server's owner asks for it (HIST-12), and never as it was: what
-- looks like a secret is taken out before.
ALTER TABLE servers ADD COLUMN keep_contents text NOT NULL DEFAULT 'none' CHECK (keep_contents IN ('none', 'errors', 'all'));

-- It goes with its record, which the customer's tier keeps for so many days.
CREATE TABLE execution_contents (
    call_id uuid PRIMARY KEY REFERENCES executions ON DELETE CASCADE,
    -- JSON; none if it was too large to be kept.
    input text CHECK (octet_length(input) <= 65536),
    input_bytes bigint NOT NULL CHECK (input_bytes >= 0),
    -- JSON; none if it was too large to be kept, or if there was none, which then has no size either.
    result text CHECK (octet_length(result) <= 65536),
    result_bytes bigint CHECK (result_bytes >= 0),
    CHECK (result IS NULL OR result_bytes IS NOT NULL)
);

GRANT SELECT, INSERT ON execution_contents TO toolwright_runtime;
