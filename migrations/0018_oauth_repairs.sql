-- What nodes remember of an authorization was dropped when it was revoked: that its row is swept away later is news to nobody.
DROP TRIGGER authorizations_ended ON authorizations;
CREATE TRIGGER authorizations_ended AFTER DELETE ON authorizations
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL) EXECUTE FUNCTION notify_change('authorization_id');
