-- What holds on to what a client has read is a key, or what a person let a client do (SEC-18): then what says something else later is not
-- served to that client before the person has accepted it.
ALTER TABLE consents ADD COLUMN pins_definitions boolean NOT NULL DEFAULT false;

-- Each row is of one of the two.
ALTER TABLE definition_pins
    DROP CONSTRAINT definition_pins_pkey,
    ALTER COLUMN api_key_id DROP NOT NULL,
    ADD COLUMN consent_id uuid REFERENCES consents ON DELETE CASCADE,
    ADD CONSTRAINT definition_pins_holder CHECK ((api_key_id IS NULL) <> (consent_id IS NULL));
CREATE UNIQUE INDEX one_pin_of_a_key ON definition_pins (api_key_id, server_id, name) WHERE api_key_id IS NOT NULL;
CREATE UNIQUE INDEX one_pin_of_a_consent ON definition_pins (consent_id, server_id, name) WHERE consent_id IS NOT NULL;

ALTER TABLE server_pins
    DROP CONSTRAINT server_pins_pkey,
    ALTER COLUMN api_key_id DROP NOT NULL,
    ADD COLUMN consent_id uuid REFERENCES consents ON DELETE CASCADE,
    ADD CONSTRAINT server_pins_holder CHECK ((api_key_id IS NULL) <> (consent_id IS NULL));
CREATE UNIQUE INDEX one_server_pin_of_a_key ON server_pins (api_key_id, server_id) WHERE api_key_id IS NOT NULL;
CREATE UNIQUE INDEX one_server_pin_of_a_consent ON server_pins (consent_id, server_id) WHERE consent_id IS NOT NULL;

-- As before, those that go are not told of: their key, their consent or their server gives its own notice.
DROP TRIGGER definition_pins_changed ON definition_pins;
CREATE TRIGGER definition_pins_changed AFTER INSERT OR UPDATE ON definition_pins
    FOR EACH ROW EXECUTE FUNCTION notify_change('api_key_id', 'consent_id', 'server_id');
DROP TRIGGER server_pins_changed ON server_pins;
CREATE TRIGGER server_pins_changed AFTER INSERT OR UPDATE ON server_pins
    FOR EACH ROW EXECUTE FUNCTION notify_change('api_key_id', 'consent_id', 'server_id');

-- Nodes remember with a token whether its consent holds tools back. A new consent is in nobody's memory, and one that is taken back ends
-- its authorizations, which give their own notice.
CREATE TRIGGER consents_changed AFTER UPDATE OF pins_definitions ON consents
    FOR EACH ROW WHEN (OLD.pins_definitions IS DISTINCT FROM NEW.pins_definitions) EXECUTE FUNCTION notify_change('consent_id');

-- A consent that holds nothing back any more forgets what it held.
GRANT DELETE ON definition_pins, server_pins TO toolwright_runtime;
