-- Components that were built elsewhere. Their bytes are blobs; a version says which of a component's functions it is.
ALTER TABLE versions
    DROP CONSTRAINT versions_language_check,
    ADD CONSTRAINT versions_language_check CHECK (language IN ('typescript', 'javascript', 'component')),
    ALTER COLUMN source DROP NOT NULL,
    -- The exported function; without one, the component is of the world toolwright:tool and one tool as a whole.
    ADD COLUMN export text CHECK (char_length(export) BETWEEN 1 AND 512),
    ADD CONSTRAINT versions_are_sources_or_components CHECK ((language = 'component') = (source IS NULL)),
    ADD CONSTRAINT versions_have_exports_of_components CHECK (export IS NULL OR language = 'component');
