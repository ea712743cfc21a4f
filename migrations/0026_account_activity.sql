-- Whose account an entry of the audit log is about: people look at what happened to theirs, whoever did it. Of the entries that there are it is worked out
-- as the column is made, since none is ever changed; the program says it of those to come.
ALTER TABLE audit_entries ADD COLUMN account_id uuid GENERATED ALWAYS AS (
    CASE
        WHEN operation IN ('refuse_sign_in', 'change_user', 'change_member', 'remove_member') THEN thing_id
        -- Of a client that acts for itself, the actor is its authorization.
        WHEN operation IN ('make_authorization', 'revoke_authorization') AND actor_id <> authorization_id THEN actor_id
        WHEN actor_kind IN ('person', 'member') AND operation IN (
            'sign_up', 'sign_in', 'sign_in_by_passkey', 'sign_in_upstream', 'change_password', 'sign_out', 'sign_out_everywhere',
            'end_sign_in', 'accept_invitation', 'leave_customer', 'add_passkey', 'rename_passkey', 'remove_passkey', 'connect_identity',
            'disconnect_identity', 'give_consent', 'refuse_consent', 'revoke_consent', 'accept_consent_definition', 'accept_consent_words'
        ) THEN actor_id
    END
) STORED;
ALTER TABLE audit_entries ALTER COLUMN account_id DROP EXPRESSION;
CREATE INDEX audit_entries_by_account ON audit_entries (account_id, entry_id DESC) WHERE account_id IS NOT NULL;

-- When the person of a sign-in last showed who they are. An issuer elsewhere lets people in whom it knows without asking them again, so that a sign-in
-- that is new shows nothing: then it is absent.
ALTER TABLE sign_ins ADD COLUMN authenticated_at timestamptz;
UPDATE sign_ins SET authenticated_at = created_at;

-- For which host an authenticator keeps a passkey (Web Authentication Level 3, section 5.1.3): at any other it is no way in. Absent of those that were
-- made before this was written down, until they are used.
ALTER TABLE passkeys ADD COLUMN rp_id text COLLATE "C" CHECK (octet_length(rp_id) BETWEEN 1 AND 253);
