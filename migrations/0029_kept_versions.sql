-- Versions and releases were kept for ever, and whoever puts a source every minute filled the disk. Of each server the last ones stay, whatever it serves, and
-- whatever a client has pinned. The role of the program still deletes none by itself: what goes, is decided here.
CREATE FUNCTION forget_versions(of_server uuid, releases_kept bigint, versions_kept bigint, before timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    gone bigint;
BEGIN
    -- In turn with whoever changes what the server serves.
    PERFORM FROM servers WHERE server_id = of_server FOR NO KEY UPDATE;
    DELETE FROM releases WHERE created_at < before AND release_id IN (
        SELECT release_id FROM releases JOIN servers USING (server_id)
        WHERE server_id = of_server AND release_id IS DISTINCT FROM current_release_id
        ORDER BY release_id DESC OFFSET greatest(releases_kept, 1)
    );
    DELETE FROM versions USING (
        SELECT version_id, removed_at, row_number() OVER (PARTITION BY tool_id ORDER BY version_id DESC) AS place
        FROM versions JOIN tools USING (tool_id) WHERE server_id = of_server
    ) AS ranked
    WHERE versions.version_id = ranked.version_id AND created_at < before
        -- Of a deleted tool, releases alone have something.
        AND (place > greatest(versions_kept, 1) OR removed_at < before)
        AND NOT EXISTS (
            SELECT FROM release_tools
            WHERE release_tools.tool_id = versions.tool_id AND release_tools.version_id = versions.version_id
        )
        AND NOT EXISTS (SELECT FROM definition_pins WHERE definition_pins.version_id = versions.version_id);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
REVOKE ALL ON FUNCTION forget_versions(uuid, bigint, bigint, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_versions(uuid, bigint, bigint, timestamptz) TO toolwright_runtime;
