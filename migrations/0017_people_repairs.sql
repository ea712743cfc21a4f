-- Invitations that ended are deleted after a while; so many rows are not kept for ever.
GRANT DELETE ON invitations TO toolwright_runtime;
CREATE INDEX invitations_by_end ON invitations (least(expires_at, accepted_at, revoked_at));
-- Whoever is an owner no more takes their open invitations along.
CREATE INDEX invitations_by_inviter ON invitations (invited_by) WHERE accepted_at IS NULL AND revoked_at IS NULL;
