-- The outbox of a PostgreSQL database (14 or newer). Each change is a row, which is written in the transaction of the
-- change and deleted when its event is on the bus. Run this file again to update the functions.
CREATE TABLE IF NOT EXISTS millrace_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    organization text NOT NULL,
    table_name text NOT NULL,
    operation text NOT NULL CHECK (operation IN ('insert', 'update', 'delete')),
    keys jsonb NOT NULL DEFAULT '{}',
    old_row jsonb,
    new_row jsonb,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The trigger that fills it: millrace_capture('<column with the organization>', '<key column>', ...).
-- A row that moves to another organization, or whose key changes, is a delete of the old row and an insert of the new
-- one. A row whose organization is null belongs to nobody and is skipped. If a column no longer exists, the change fails
-- instead of being lost. Because of SECURITY DEFINER and REVOKE, a user who may only write rows can neither write to the
-- outbox nor use this trigger on another table, and therefore cannot speak for another organization. `public` is the
-- schema of the outbox.
CREATE OR REPLACE FUNCTION millrace_capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP IN ('INSERT', 'UPDATE') THEN to_jsonb(NEW) END;
    owner_before text := before ->> TG_ARGV[0];
    owner_after text := after ->> TG_ARGV[0];
    moved boolean := TG_OP = 'UPDATE' AND (
        owner_before IS DISTINCT FROM owner_after
        OR millrace_keys(before, TG_ARGV) IS DISTINCT FROM millrace_keys(after, TG_ARGV));
    missing text;
BEGIN
    IF TG_NARGS < 1 THEN
        RAISE EXCEPTION 'millrace_capture: name the column with the organization, and the key columns.';
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'millrace_capture: TRUNCATE of % reports no rows. Use DELETE, which reports each.', TG_TABLE_NAME;
    END IF;
    SELECT name INTO missing FROM unnest(TG_ARGV) AS given (name)
    WHERE NOT coalesce(after, before) ? name LIMIT 1;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'millrace_capture: % has no column %. Create the trigger again with its columns.',
            TG_TABLE_NAME, missing USING ERRCODE = 'undefined_column';
    END IF;
    IF moved AND owner_before IS NOT NULL THEN
        INSERT INTO millrace_outbox (organization, table_name, operation, keys, old_row)
        VALUES (owner_before, TG_TABLE_NAME, 'delete', millrace_keys(before, TG_ARGV), before);
    END IF;
    IF moved AND owner_after IS NOT NULL THEN
        INSERT INTO millrace_outbox (organization, table_name, operation, keys, new_row)
        VALUES (owner_after, TG_TABLE_NAME, 'insert', millrace_keys(after, TG_ARGV), after);
    END IF;
    IF NOT moved AND coalesce(owner_after, owner_before) IS NOT NULL THEN
        INSERT INTO millrace_outbox (organization, table_name, operation, keys, old_row, new_row)
        VALUES (coalesce(owner_after, owner_before), TG_TABLE_NAME, lower(TG_OP),
                millrace_keys(coalesce(after, before), TG_ARGV), before, after);
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION millrace_capture() FROM PUBLIC;

-- Returns the key columns of a row: those that the trigger names after the first.
CREATE OR REPLACE FUNCTION millrace_keys(image jsonb, arguments text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(name, image -> name), '{}')
    FROM unnest(arguments) WITH ORDINALITY AS given (name, place) WHERE place > 1
$$;
