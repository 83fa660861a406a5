// Made from docs/openapi.json by `make openapi`. Do not edit.

export interface paths {
    "/api/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List agents, the built-in ones first; without agents:read, as summaries */
        get: operations["list_agents"];
        put?: never;
        /** Create an agent */
        post: operations["create_agent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/agents/{agent_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read an agent; without agents:read, as a summary */
        get: operations["get_agent"];
        /** Replace an agent, or create it */
        put: operations["put_agent"];
        post?: never;
        /** Delete an agent; its conversations are kept */
        delete: operations["delete_agent"];
        options?: never;
        head?: never;
        /** Change the given fields of an agent */
        patch: operations["change_agent"];
        trace?: never;
    };
    "/api/agents/{agent_id}/tools": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the tools that an agent has now, including those of its MCP servers */
        get: operations["list_tools"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/agent-parts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the tools and model providers that agents can use */
        get: operations["list_agent_parts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the limits of the organization */
        get: operations["get_limits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Change the given limits; null removes a limit */
        patch: operations["change_limits"];
        trace?: never;
    };
    "/api/limits/stops": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the stops of agents and of the organization */
        get: operations["list_stops"];
        put?: never;
        /** Stop all runs of an agent, or of the organization, and refuse new ones until the stop is removed */
        post: operations["create_stop"];
        /** Remove the stop of an agent, or of the organization */
        delete: operations["lift_stop"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read your own limits and usage; with organization:manage, those of others */
        get: operations["get_usage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/erasures": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the erasures that are in progress or ended in the last 30 days */
        get: operations["list_erasures"];
        put?: never;
        /** Erase all data of a user, or the whole organization; this cannot be undone */
        post: operations["create_erasure"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/exports": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the exports that are in progress or can be downloaded, latest first */
        get: operations["list_exports"];
        put?: never;
        /** Export all data of a user, or of the whole organization; an export that is already in progress continues */
        post: operations["create_export"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/exports/{export_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the progress of an export */
        get: operations["get_export"];
        put?: never;
        post?: never;
        /** Cancel an export, or delete a finished one */
        delete: operations["delete_export"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/exports/{export_id}/parts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the parts of an export, with their download URLs */
        get: operations["list_export_parts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/retention": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read how long conversations are kept */
        get: operations["get_retention"];
        /** Set how long conversations are kept after their latest run */
        put: operations["set_retention"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the audit log, latest first */
        get: operations["list_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/revocations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the revocations of tokens, latest first */
        get: operations["list_revocations"];
        put?: never;
        /** Revoke all tokens that were issued until now, to a user or to everybody */
        post: operations["create_revocation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the API keys of the organization */
        get: operations["list_api_keys"];
        put?: never;
        /** Create an API key; its secret is returned only this once */
        post: operations["create_api_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys/{key_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read an API key */
        get: operations["get_api_key"];
        put?: never;
        post?: never;
        /** Revoke an API key with all its secrets */
        delete: operations["revoke_api_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys/{key_id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give an API key a new secret; the current one stays valid for a while */
        post: operations["rotate_api_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/schema": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the JSON Schema of a pipeline's definition */
        get: operations["get_schema"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List pipelines, oldest first */
        get: operations["list_pipelines"];
        put?: never;
        /** Create a pipeline */
        post: operations["create_pipeline"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a pipeline */
        get: operations["get_pipeline"];
        /** Replace the definition, which creates a new version; create the pipeline if it does not exist */
        put: operations["put_pipeline"];
        post?: never;
        /** Delete a pipeline */
        delete: operations["delete_pipeline"];
        options?: never;
        head?: never;
        /** Change parts of the definition, which creates a new version */
        patch: operations["change_pipeline"];
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List versions, newest first */
        get: operations["list_versions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/versions/{version}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read an earlier definition */
        get: operations["get_version"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/versions/{version}/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Compare a version with another one, or with the current definition */
        get: operations["compare_versions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/versions/{version}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Restore an earlier definition, as a new version */
        post: operations["restore_version"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/templates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List templates: definitions for common cases, with parameters */
        get: operations["list_templates"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/templates/{template_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a template */
        get: operations["get_template"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/templates/{template_id}/pipelines": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Create a pipeline from a template */
        post: operations["create_from_template"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/start": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Start a pipeline, which then accepts events */
        post: operations["start_pipeline"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pause a pipeline, which then keeps its events until it is resumed */
        post: operations["pause_pipeline"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Resume a pipeline, starting with the events that it has kept */
        post: operations["resume_pipeline"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stop a pipeline, which cannot be started again; its windows fire */
        post: operations["stop_pipeline"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/process": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Push an item */
        post: operations["process"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Push up to 1,000 items, as a list or as JSON lines */
        post: operations["batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/metrics/series": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a pipeline's metrics over time: the last hour, or a period of up to 7 days */
        get: operations["get_metrics_series"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a pipeline's counts, throughput, latency and backpressure */
        get: operations["get_metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a pipeline's health, with reasons in words */
        get: operations["get_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the statistics of all pipelines together */
        get: operations["get_stats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/destinations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List destinations with their states, and why some receive nothing */
        get: operations["list_destinations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/destinations/{number}/enable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Enable a destination, so that events are sent to it again */
        post: operations["enable_destination"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/destinations/{number}/disable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Disable a destination, so that nothing is sent to it */
        post: operations["disable_destination"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/destinations/{number}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a marked test event to a destination */
        post: operations["send_test_event"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/checkpoints": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List checkpoints, newest first */
        get: operations["list_checkpoints"];
        put?: never;
        /** Create a checkpoint, to replay from later */
        post: operations["create_checkpoint"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/checkpoints/{checkpoint_id}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Restore a checkpoint: process again what was accepted since then */
        post: operations["restore_checkpoint"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Replay: process again what was accepted in a period */
        post: operations["replay"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/dry-run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Show what each step of a definition would do to events; nothing is sent or stored */
        post: operations["dry_run_definition"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dry-run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Show what each step would do to events; nothing is sent */
        post: operations["dry_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the events that a pipeline accepted in the last 30 days, newest first */
        get: operations["list_recorded_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dead-letters": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List dead letters, oldest first */
        get: operations["list_dead_letters"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dead-letters/count": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Count dead letters, by place and by code */
        get: operations["count_dead_letters"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dead-letters/groups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List dead letters by place and error, the largest group first */
        get: operations["list_dead_letter_groups"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dead-letters/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Delete dead letters, 1,000 in one call */
        post: operations["delete_dead_letters"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dead-letters/redrive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Redrive dead letters: send them again */
        post: operations["redrive"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dead-letters/redrives": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List redrives, newest first */
        get: operations["list_redrives"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dead-letters/redrives/{redrive_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a redrive and its progress */
        get: operations["get_redrive"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dead-letters/redrives/{redrive_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel a redrive, which then sends no more dead letters */
        post: operations["cancel_redrive"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/pipelines/{pipeline_id}/dead-letters/{dead_letter_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a dead letter */
        get: operations["get_dead_letter"];
        put?: never;
        post?: never;
        /** Delete a dead letter */
        delete: operations["delete_dead_letter"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/secrets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the names of secrets */
        get: operations["list_secrets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/streaming/secrets/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Store a secret, bound to hosts */
        put: operations["put_secret"];
        post?: never;
        /** Delete a secret */
        delete: operations["delete_secret"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Check that the API answers; needs no token */
        get: operations["get_api_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read this document */
        get: operations["get_openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List conversations, latest first */
        get: operations["list_conversations"];
        put?: never;
        /** Create a conversation */
        post: operations["create_conversation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a conversation */
        get: operations["get_conversation"];
        put?: never;
        post?: never;
        /** Delete a conversation with its threads, messages and runs; active runs are stopped */
        delete: operations["delete_conversation"];
        options?: never;
        head?: never;
        /** Rename a conversation, or change its metadata */
        patch: operations["change_conversation"];
        trace?: never;
    };
    "/api/conversations/{conversation_id}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Undo a restorable deletion */
        post: operations["restore_conversation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List messages, oldest first; streamed: the events of the active or the next run */
        get: operations["list_messages"];
        put?: never;
        /** Send a message; the answer is JSON or streamed */
        post: operations["send_message"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stop the active run */
        post: operations["stop_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/inject": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the waiting live messages */
        get: operations["list_injected"];
        put?: never;
        /** Send a live message to the running agent */
        post: operations["inject_message"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/inject/{message_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Withdraw a waiting live message */
        delete: operations["withdraw_message"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/regenerate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answer a question again; the answer is JSON or streamed */
        post: operations["regenerate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/branch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Make the branch with a message the active one */
        put: operations["select"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/shares": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the users with whom a conversation is shared */
        get: operations["list_shares"];
        put?: never;
        /** Share a conversation */
        post: operations["share_conversation"];
        /** Remove a share */
        delete: operations["unshare_conversation"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Stream the events of the conversation's runs, including future ones */
        get: operations["attach"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{run_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a run */
        get: operations["get_run"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{run_id}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Stream a run's events */
        get: operations["stream_run"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List runs, latest first: your own, or with the scope `observe` the organization's */
        get: operations["list_runs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{run_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a run's events with their times (kept for 24 hours) */
        get: operations["list_run_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{run_id}/model-calls": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List a run's latest model calls with tokens, cost and times (24 hours, 500 calls) */
        get: operations["list_model_calls"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/memories": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the memories about you */
        get: operations["list_memories"];
        put?: never;
        post?: never;
        /** Delete all memories about you */
        delete: operations["forget_user"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/memories/{agent_id}/{memory_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Delete a memory of an agent */
        delete: operations["forget_memory"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List your files, latest first */
        get: operations["list_files"];
        put?: never;
        /** Announce a file, and get the form that uploads it */
        post: operations["create_file"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files/{file_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a file's details, with its download URL */
        get: operations["read_file"];
        put?: never;
        post?: never;
        /** Delete a file; messages that have it keep a note */
        delete: operations["delete_file"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/approvals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the calls that wait for an answer, in the order in which they expire */
        get: operations["list_approvals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{run_id}/answers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answer a waiting call; the response is JSON, or the run's events that follow */
        post: operations["answer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/a2a/tasks/{task_id}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Stream a task's updates, from its start or after any event */
        get: operations["stream_task"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/command-center/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Stream the events of the organization's runs, and its alerts */
        get: operations["stream_command_center"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/command-center/snapshot": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the active runs, with the event id to stream from */
        get: operations["get_command_center_snapshot"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/command-center/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the events of the last 24 hours, oldest first */
        get: operations["list_command_center_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/command-center/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List alert rules with their states */
        get: operations["list_alert_rules"];
        put?: never;
        /** Create an alert rule */
        post: operations["create_alert_rule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/command-center/alerts/{rule_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read an alert rule */
        get: operations["get_alert_rule"];
        /** Replace an alert rule, or create it */
        put: operations["put_alert_rule"];
        post?: never;
        /** Delete an alert rule */
        delete: operations["delete_alert_rule"];
        options?: never;
        head?: never;
        /** Change the given fields of an alert rule */
        patch: operations["change_alert_rule"];
        trace?: never;
    };
    "/api/command-center/alerts/{rule_id}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List a rule's alerts of the last 31 days, newest first */
        get: operations["list_alerts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/command-center/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a metric over time, as an alert rule with these settings would see it */
        get: operations["get_alert_metric"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/flows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List flows */
        get: operations["list_flows"];
        put?: never;
        /** Create a flow */
        post: operations["create_flow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/flows/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a flow */
        get: operations["get_flow"];
        /** Replace a flow, or create it */
        put: operations["put_flow"];
        post?: never;
        /** Delete a flow */
        delete: operations["delete_flow"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/flows/{name}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Run a flow, or continue one that waits; the response is JSON or streamed step by step */
        post: operations["run_flow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/flows/{name}/executions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List a flow's executions, latest first: your own, or with the scope observe all */
        get: operations["list_executions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/flows/{name}/executions/{execution_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read an execution */
        get: operations["get_execution"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/flows/{name}/executions/{execution_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stop an execution, even one that is waiting */
        post: operations["cancel_execution"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/voice/tts/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Speak a text, by ticket */
        get: operations["speak_text_by_ticket"];
        put?: never;
        /** Speak a text */
        post: operations["speak_text"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/voice/conversations/{run_id}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Speak an agent's answer, even while it is being written, by ticket */
        get: operations["speak_run_by_ticket"];
        put?: never;
        /** Speak an agent's answer, even while it is being written */
        post: operations["speak_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/voice/streams/{stream_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stop a speech that the caller started */
        post: operations["stop"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/voice/voices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List voices, formats and engines */
        get: operations["list_voices"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/stream-tickets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Create a ticket for one GET within a minute, or for one event stream */
        post: operations["create_ticket"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A remote A2A agent, by the address of its card or one above it. Its tool is `<name>__send_message`. */
        A2aAgent: {
            name: string;
            url: string;
            headers?: {
                [key: string]: string;
            };
            /**
             * @description the scope that the run's user needs for the server's tools; empty for none
             * @default
             */
            scope?: string;
        };
        /** @description The message was sent to the active run as a live message (`ifBusy: inject`). */
        AcceptedMessage: {
            messageId: string;
            /** @description the text, with a note for each image and file */
            content: string;
            /**
             * @description the images and files
             * @default null
             */
            attachments?: components["schemas"]["ContentBlock"][] | null;
            createdAt: string;
            createdBy: string | null;
            expiresAt: string;
            runId: string;
        };
        /** @description An agent of an organization; `builtin` ones can be neither changed nor deleted. */
        Agent: {
            name: string;
            /** @default  */
            description?: string;
            /**
             * @description provider:model; empty for the default
             * @default
             */
            model?: string;
            /** @default  */
            instructions?: string;
            /** @description names of tools, or a tool with its rule for approvals */
            tools?: (string | components["schemas"]["ToolUse"])[];
            mcpServers?: components["schemas"]["McpServer"][];
            /** @description remote A2A agents that the agent may send messages to */
            a2aAgents?: components["schemas"]["A2aAgent"][];
            /**
             * @description the highest detail that a viewer may see
             * @default full
             * @enum {string}
             */
            visibility?: "answer" | "steps" | "full";
            /**
             * @description the model writes ReAct lines (Action:, Observation:)
             * @default false
             */
            react?: boolean;
            /**
             * @description the format in which the model writes thinking and tool calls into its text, if its server leaves them there; null: by the model's name
             * @default null
             */
            dialect?: ("plain" | "harmony" | "hermes" | "mistral" | "llama" | "deepseek" | "kimi" | "minimax") | null;
            /**
             * @description the model's text starts in thinking and only closes it; null: by the model's name
             * @default null
             */
            startsInThinking?: boolean | null;
            /**
             * @description a JSON Schema (2020-12, 32 KB) that answers must match; done has the value as output
             * @default null
             */
            responseSchema?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description the tokens that a Claude model may think before each answer; less than limits.maxTokens
             * @default null
             */
            thinkingTokens?: number | null;
            /**
             * @description the context window of the model in tokens, prompt and answer together; null: by the model's name, if it is known
             * @default null
             */
            contextTokens?: number | null;
            /**
             * @description the attachments that the model accepts; null: by the model's name, if it is known
             * @default null
             */
            accepts?: ("image" | "pdf")[] | null;
            /**
             * @description provider:model that summarizes what no longer fits into the context window; empty for the agent's own
             * @default
             */
            compactionModel?: string;
            /**
             * @description if nobody answers a call in time: the agent continues without it, or the run fails
             * @default continue
             * @enum {string}
             */
            onExpired?: "continue" | "fail";
            limits?: components["schemas"]["AgentLimits"];
            /** @description suggested first messages, shown before the conversation begins and sent as they are */
            starters?: string[];
            /**
             * @description whether A2A clients of the organization can find the agent and send it tasks
             * @default false
             */
            exposeA2A?: boolean;
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
            id: string;
            /** @default false */
            builtin?: boolean;
            /** @default null */
            createdAt?: string | null;
            /** @default null */
            updatedAt?: string | null;
        };
        /** @description An agent's answer. `cost` is in US dollars, null if the model's price is not known. */
        AgentAnswer: {
            runId: string;
            conversationId: string;
            messageId: string;
            /** @constant */
            role: "assistant";
            content: string;
            toolCalls: components["schemas"]["ToolCallSummary"][];
            usage: components["schemas"]["TokenUsage"] | null;
            cost: number | null;
            finishReason: string;
            /**
             * @description the answer as JSON, with `responseSchema`
             * @default null
             */
            output?: unknown;
            durationMs: number | null;
        };
        /** @description The fields of an agent to change; `limits` field by field. */
        AgentChanges: {
            [key: string]: unknown;
        };
        /** @description Run events of the organization's agents. */
        AgentExecutionSource: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "agent_execution";
            /** @default null */
            agentIds?: string[] | null;
            /** @default null */
            statuses?: string[] | null;
        };
        /**
         * @description Limits of a run. Tokens are the model's output tokens over the whole run. The cost is in US dollars,
         *     and limited only if the model's price is known.
         */
        AgentLimits: {
            /** @default 20 */
            maxIterations?: number;
            /** @default 8192 */
            maxTokens?: number;
            /** @default 600 */
            maxSeconds?: number;
            /** @default null */
            maxCost?: number | null;
        };
        /** @description A page of agents. */
        AgentPage: {
            items: (components["schemas"]["Agent"] | components["schemas"]["AgentSummary"])[];
            nextCursor: string | null;
        };
        /**
         * @description The built-in tools, the default model of agents, and the providers that may precede a model's name (not
         *     all of them are necessarily configured).
         */
        AgentParts: {
            tools: components["schemas"]["BuiltInTool"][];
            defaultModel: string;
            providers: string[];
        };
        /** @description An agent as GET returns it, with edits; `id`, `builtin`, `createdAt` and `updatedAt` are ignored. */
        AgentReplacement: {
            name: string;
            /** @default  */
            description?: string;
            /**
             * @description provider:model; empty for the default
             * @default
             */
            model?: string;
            /** @default  */
            instructions?: string;
            /** @description names of tools, or a tool with its rule for approvals */
            tools?: (string | components["schemas"]["ToolUse"])[];
            mcpServers?: components["schemas"]["McpServer"][];
            /** @description remote A2A agents that the agent may send messages to */
            a2aAgents?: components["schemas"]["A2aAgent"][];
            /**
             * @description the highest detail that a viewer may see
             * @default full
             * @enum {string}
             */
            visibility?: "answer" | "steps" | "full";
            /**
             * @description the model writes ReAct lines (Action:, Observation:)
             * @default false
             */
            react?: boolean;
            /**
             * @description the format in which the model writes thinking and tool calls into its text, if its server leaves them there; null: by the model's name
             * @default null
             */
            dialect?: ("plain" | "harmony" | "hermes" | "mistral" | "llama" | "deepseek" | "kimi" | "minimax") | null;
            /**
             * @description the model's text starts in thinking and only closes it; null: by the model's name
             * @default null
             */
            startsInThinking?: boolean | null;
            /**
             * @description a JSON Schema (2020-12, 32 KB) that answers must match; done has the value as output
             * @default null
             */
            responseSchema?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description the tokens that a Claude model may think before each answer; less than limits.maxTokens
             * @default null
             */
            thinkingTokens?: number | null;
            /**
             * @description the context window of the model in tokens, prompt and answer together; null: by the model's name, if it is known
             * @default null
             */
            contextTokens?: number | null;
            /**
             * @description the attachments that the model accepts; null: by the model's name, if it is known
             * @default null
             */
            accepts?: ("image" | "pdf")[] | null;
            /**
             * @description provider:model that summarizes what no longer fits into the context window; empty for the agent's own
             * @default
             */
            compactionModel?: string;
            /**
             * @description if nobody answers a call in time: the agent continues without it, or the run fails
             * @default continue
             * @enum {string}
             */
            onExpired?: "continue" | "fail";
            limits?: components["schemas"]["AgentLimits"];
            /** @description suggested first messages, shown before the conversation begins and sent as they are */
            starters?: string[];
            /**
             * @description whether A2A clients of the organization can find the agent and send it tasks
             * @default false
             */
            exposeA2A?: boolean;
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
            /** @default null */
            id?: string | null;
            /** @default null */
            builtin?: boolean | null;
            /** @default null */
            createdAt?: string | null;
            /** @default null */
            updatedAt?: string | null;
        };
        /**
         * @description Asks an agent; the result is the text of its answer. With `plan` the agent first plans which of its
         *     tools to call, then they are called, and then it answers.
         */
        AgentStep: {
            name: string;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "agent";
            agentId: string;
            /** @default input */
            message?: string;
            /** @default false */
            plan?: boolean;
        };
        /** @description An agent without instructions, tools and limits, for those who only use it. */
        AgentSummary: {
            id: string;
            name: string;
            description: string;
            model: string;
            /** @enum {string} */
            visibility: "answer" | "steps" | "full";
            starters: string[];
            builtin: boolean;
        };
        /** @description A tool as the model sees it. `server` is the MCP server or A2A agent that has it. */
        AgentToolEntry: {
            name: string;
            description: string;
            parameters: {
                [key: string]: unknown;
            };
            /** @enum {string} */
            source: "builtin" | "app" | "agent" | "mcp" | "a2a";
            server: string | null;
        };
        /** @description The tools of an agent; `problems` says which of its MCP servers are not available, and why. */
        AgentToolPage: {
            items: components["schemas"]["AgentToolEntry"][];
            leftOut: components["schemas"]["LeftOutTools"][];
            problems: string[];
        };
        /** @description An agent; its summary for callers without `agents:read` or `agents:write`. */
        AgentView: components["schemas"]["Agent"] | components["schemas"]["AgentSummary"];
        AggregateConfig: {
            groupBy?: string[];
            aggregations: components["schemas"]["Aggregation"][];
        };
        AggregateStep: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @default dlq
             * @enum {string}
             */
            onError?: "dlq" | "drop" | "null";
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "aggregate";
            config: components["schemas"]["AggregateConfig"];
        };
        /** @description `alias` names the result. The default is `sum_cost` and the like (`count` for `*`). */
        Aggregation: {
            /**
             * @description A field by name; dots lead into objects (`tokenUsage.total`, `$meta.type`), brackets into lists (`items[0].price`) and to other names (`["a.b"]`).
             * @default *
             */
            field?: string;
            /** @enum {string} */
            function: "count" | "sum" | "avg" | "min" | "max" | "first" | "last" | "stddev" | "countDistinct" | "percentile" | "p50" | "p90" | "p95" | "p99";
            /** @default null */
            alias?: string | null;
            /** @default null */
            p?: number | null;
        };
        /** @description The fields of a rule to change. */
        AlertChanges: {
            [key: string]: unknown;
        };
        /** @description An alert of a rule; `id` identifies this alert. */
        AlertFacts: {
            id: string;
            ruleId: string;
            name: string;
            metric: string;
            op: string;
            threshold: number;
            window: number;
            agentIds: string[];
            value: number | null;
            /** @enum {string} */
            state: "triggered" | "resolved";
            triggeredAt: string | null;
            resolvedAt: string | null;
        };
        /** @description A page of a rule's alerts, newest first. */
        AlertHistoryPage: {
            items: components["schemas"]["PastAlert"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description A metric over time, as seen by rules with this window and these agents. */
        AlertMetricSeries: {
            /** @enum {string} */
            metric: "error_rate" | "cost" | "latency_p95" | "tokens" | "stuck_run" | "backpressure";
            window: number;
            agentIds: string[];
            from: string;
            to: string;
            points: components["schemas"]["MetricValue"][];
        };
        /** @description A rule as GET returns it, with edits; `id`, `createdAt`, `updatedAt` and `state` are ignored. */
        AlertReplacement: {
            name: string;
            /** @enum {string} */
            metric: "error_rate" | "cost" | "latency_p95" | "tokens" | "stuck_run" | "backpressure";
            /**
             * @default gt
             * @enum {string}
             */
            op?: "gt" | "gte" | "lt" | "lte";
            threshold: number;
            /**
             * @description resolved beyond this value; default: 10 % off
             * @default null
             */
            resolveThreshold?: number | null;
            /** @default 300000 */
            window?: number;
            agentIds?: string[];
            /** @default true */
            enabled?: boolean;
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
            /** @default null */
            id?: string | null;
            /** @default null */
            createdAt?: string | null;
            /** @default null */
            updatedAt?: string | null;
            /** @default null */
            state?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description An alert was resolved. */
        AlertResolvedEvent: {
            id: string;
            time: string;
            organization: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "alert:resolved";
            alert: components["schemas"]["AlertFacts"];
        };
        /** @description An alert rule. */
        AlertRule: {
            name: string;
            /** @enum {string} */
            metric: "error_rate" | "cost" | "latency_p95" | "tokens" | "stuck_run" | "backpressure";
            /**
             * @default gt
             * @enum {string}
             */
            op?: "gt" | "gte" | "lt" | "lte";
            threshold: number;
            /**
             * @description resolved beyond this value; default: 10 % off
             * @default null
             */
            resolveThreshold?: number | null;
            /** @default 300000 */
            window?: number;
            agentIds?: string[];
            /** @default true */
            enabled?: boolean;
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
            id: string;
            createdAt: string;
            updatedAt: string;
        };
        /** @description All alert rules, oldest first. */
        AlertRulePage: {
            items: components["schemas"]["AlertRuleState"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description An alert rule with its state. */
        AlertRuleState: {
            name: string;
            /** @enum {string} */
            metric: "error_rate" | "cost" | "latency_p95" | "tokens" | "stuck_run" | "backpressure";
            /**
             * @default gt
             * @enum {string}
             */
            op?: "gt" | "gte" | "lt" | "lte";
            threshold: number;
            /**
             * @description resolved beyond this value; default: 10 % off
             * @default null
             */
            resolveThreshold?: number | null;
            /** @default 300000 */
            window?: number;
            agentIds?: string[];
            /** @default true */
            enabled?: boolean;
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
            id: string;
            createdAt: string;
            updatedAt: string;
            state: components["schemas"]["RuleState"];
        };
        /**
         * @description The settings of an alert rule. Units of the thresholds: `error_rate` 0 to 1, `cost` US dollars,
         *     `latency_p95` milliseconds, `tokens` a sum, `stuck_run` the seconds for which an active run has been
         *     silent, `backpressure` 0 to 1. `window` is in milliseconds.
         */
        AlertSettings: {
            name: string;
            /** @enum {string} */
            metric: "error_rate" | "cost" | "latency_p95" | "tokens" | "stuck_run" | "backpressure";
            /**
             * @default gt
             * @enum {string}
             */
            op?: "gt" | "gte" | "lt" | "lte";
            threshold: number;
            /**
             * @description resolved beyond this value; default: 10 % off
             * @default null
             */
            resolveThreshold?: number | null;
            /** @default 300000 */
            window?: number;
            agentIds?: string[];
            /** @default true */
            enabled?: boolean;
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
        };
        /** @description Alerts of the command center, when they are triggered and when they are resolved. */
        AlertSource: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "alert";
            /** @default null */
            ruleIds?: string[] | null;
            /** @default null */
            states?: ("triggered" | "resolved")[] | null;
        };
        /** @description An alert was triggered. */
        AlertTriggeredEvent: {
            id: string;
            time: string;
            organization: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "alert:triggered";
            alert: components["schemas"]["AlertFacts"];
        };
        /** @description The limits of an organization: in total, for each user, and for each agent. */
        AllLimits: {
            /**
             * @default {
             *       "tokensPerDay": null,
             *       "costPerDay": null,
             *       "requestsPerMinute": null,
             *       "concurrentRuns": null,
             *       "conversations": null,
             *       "storageBytes": null,
             *       "agents": null,
             *       "secrets": null
             *     }
             */
            organization?: components["schemas"]["OrganizationLimits"];
            /**
             * @default {
             *       "tokensPerDay": null,
             *       "costPerDay": null,
             *       "requestsPerMinute": null,
             *       "concurrentRuns": null,
             *       "conversations": null,
             *       "storageBytes": null
             *     }
             */
            user?: components["schemas"]["UserLimits"];
            /**
             * @default {
             *       "tokensPerDay": null,
             *       "costPerDay": null,
             *       "requestsPerMinute": null,
             *       "concurrentRuns": null
             *     }
             */
            agent?: components["schemas"]["LevelLimits"];
        };
        /** @description True if every condition is true. */
        AllOf: {
            and: (components["schemas"]["Condition"] | components["schemas"]["AllOf"] | components["schemas"]["AnyOf"] | components["schemas"]["NotOf"])[];
        };
        AmplitudeConfig: {
            /**
             * @default {
             *       "maxRetries": 3,
             *       "backoffMs": 1000
             *     }
             */
            retryPolicy?: components["schemas"]["RetryPolicy"];
            /** @default null */
            rateLimit?: components["schemas"]["RateLimit"] | null;
            /** @default null */
            event?: string | null;
            /** @default null */
            distinctId?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            provider: "amplitude";
            apiKey: string;
            /**
             * @default us
             * @enum {string}
             */
            region?: "us" | "eu";
        };
        AnalyticsDestination: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "analytics";
            config: components["schemas"]["MixpanelConfig"] | components["schemas"]["AmplitudeConfig"] | components["schemas"]["SegmentConfig"] | components["schemas"]["CustomAnalyticsConfig"];
        };
        /**
         * @description An answer to a waiting call: `approve` or `reject` for a tool, `answer` or `reject` for a question.
         *     `arguments` replace those from the agent.
         */
        AnswerCall: {
            callId: string;
            /** @enum {string} */
            decision: "approve" | "reject" | "answer";
            /** @default null */
            arguments?: {
                [key: string]: unknown;
            } | null;
            /** @default null */
            content?: unknown;
            /** @default null */
            reason?: string | null;
        };
        /** @description True if any condition is true. */
        AnyOf: {
            or: (components["schemas"]["Condition"] | components["schemas"]["AllOf"] | components["schemas"]["AnyOf"] | components["schemas"]["NotOf"])[];
        };
        /** @description The platform's own API activity. */
        ApiEventSource: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "api_event";
            /** @default null */
            paths?: string[] | null;
            /** @default null */
            methods?: string[] | null;
            /** @default null */
            statuses?: number[] | null;
        };
        /** @description All API keys of the organization. */
        ApiKeyList: {
            items: components["schemas"]["ApiKeyView"][];
        };
        /**
         * @description An API key without its secret. During a rotation, `previousStart` is the beginning of the previous
         *     secret.
         */
        ApiKeyView: {
            id: string;
            name: string;
            scopes: string[];
            /** @description the user id under which the key acts */
            userId: string;
            /** @description the beginning of the secret */
            start: string;
            createdBy: string;
            createdAt: string;
            expiresAt: string;
            rotatedAt: string | null;
            previousStart: string | null;
            previousExpiresAt: string | null;
            /** @description updated at most once an hour */
            lastUsedAt: string | null;
        };
        /** @description A call that waited was answered; `answeredBy` is null if it expired. */
        ApprovalAnsweredEvent: {
            parent?: string;
            agentId?: string;
            step?: string;
            callId: string;
            kind: string;
            name: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "approval_answered";
            decision: string;
            answeredBy: string | null;
            reason: string | null;
        };
        /**
         * @description A call waits for a person: a tool that needs an approval, or a question. `arguments` are `{}` unless
         *     the client asks for `detail=full`; at `expiresAt` the call is rejected.
         */
        ApprovalRequestedEvent: {
            parent?: string;
            agentId?: string;
            step?: string;
            callId: string;
            kind: string;
            name: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "approval_requested";
            arguments: {
                [key: string]: unknown;
            };
            expiresAt: string;
            prompt?: string;
            options?: string[];
            schema?: {
                [key: string]: unknown;
            };
        };
        /** @description Calls of agents and steps of flows that wait for a person, when they are requested and answered. */
        ApprovalSource: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "approval";
            /** @default null */
            agentIds?: string[] | null;
            /** @default null */
            states?: ("requested" | "answered")[] | null;
        };
        /** @description The people who may answer; matching one of these is enough. */
        Approvers: {
            /**
             * @description users with this scope
             * @default null
             */
            scope?: string | null;
            /**
             * @description users with this role
             * @default null
             */
            role?: string | null;
            /**
             * @description users by their id (the token's sub)
             * @default null
             */
            users?: string[] | null;
            /**
             * @description the user for whom the run works
             * @default false
             */
            owner?: boolean;
        };
        /** @description Ask if the expression over the call's arguments returns anything but `false`. */
        AskWhen: {
            ask: string;
        };
        /** @description A call that waits for a person. `name` is null if the agent does not show it. */
        AskedCall: {
            callId: string;
            kind: string;
            name: string | null;
        };
        /** @description The calls that a run waits for, and when the first of them expires. */
        AskedCalls: {
            calls: components["schemas"]["AskedCall"][];
            expiresAt: string;
        };
        /** @description An agent, or a step of a flow, on the path to a question. */
        AskingAgent: {
            /** @default null */
            agentId?: string | null;
            /** @default null */
            agentName?: string | null;
            /** @default null */
            step?: string | null;
        };
        /** @description An image or a file, with either a `url` or a `fileId` for `GET /api/files/{fileId}`. */
        AttachmentBlock: {
            /** @default null */
            mediaType?: string | null;
            /** @default null */
            name?: string | null;
            /**
             * @description in bytes
             * @default null
             */
            size?: number | null;
            /** @default null */
            fileId?: string | null;
            /** @default null */
            url?: string | null;
        };
        /** @description An audio format; `available` if the deployment has its codec. */
        AudioFormat: {
            id: string;
            contentType: string;
            available: boolean;
        };
        /** @description An entry of the audit log. */
        AuditEntryView: {
            id: string;
            at: string;
            /**
             * @description a change, a read of another user's data, or a refused call
             * @enum {string}
             */
            kind: "act" | "access" | "refusal";
            /** @description the `sub` of a token, or `key:` and the id of an API key */
            userId: string;
            /** @description the operation, such as `DELETE /api/keys/{key_id}` */
            action: string;
            /** @description the ids of what it was about */
            target: {
                [key: string]: string;
            };
            /** @description the path of what it created */
            created: string | null;
            /** @description of the answer; null: the process ended before that, so the outcome must be checked */
            status: number | null;
            requestId: string;
        };
        /** @description Entries of the audit log, latest first. */
        AuditPage: {
            items: components["schemas"]["AuditEntryView"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description `size` items, or those collected within `timeout` milliseconds. */
        BatchConfig: {
            size: number;
            timeout: number;
        };
        BatchStep: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @default dlq
             * @enum {string}
             */
            onError?: "dlq" | "drop" | "null";
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "batch";
            config: components["schemas"]["BatchConfig"];
        };
        /** @description A built-in tool as the model sees it. */
        BuiltInTool: {
            name: string;
            description: string;
            parameters: {
                [key: string]: unknown;
            };
        };
        /** @description The answer to a call; `answeredBy` is null if the call expired. */
        CallAnswer: {
            /** @enum {string} */
            decision: "approve" | "reject" | "answer";
            /** @description the edited arguments; null if they are the agent's */
            arguments: {
                [key: string]: unknown;
            } | null;
            content: unknown;
            reason: string | null;
            answeredBy: string | null;
            answeredAt: string;
        };
        /**
         * @description The body of a request that renames a conversation or changes its metadata. Fields that are left out do
         *     not change.
         */
        ChangedConversation: {
            /** @default null */
            title?: string | null;
            /** @default null */
            metadata?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description A chat's incoming webhook. Values in `template` are escaped for it. */
        ChatConfig: {
            /**
             * @default {
             *       "maxRetries": 3,
             *       "backoffMs": 1000
             *     }
             */
            retryPolicy?: components["schemas"]["RetryPolicy"];
            /** @default null */
            rateLimit?: components["schemas"]["RateLimit"] | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            channel: "discord" | "slack" | "teams";
            webhook: string;
            /** @description Text with `{{expression}}` in it. */
            template: string;
        };
        /** @description A time in the journal, and the version that was current then. */
        Checkpoint: {
            id: string;
            time: string;
            version: number;
            createdAt: string;
        };
        /** @description The latest hundred checkpoints, newest first. */
        CheckpointPage: {
            items: components["schemas"]["Checkpoint"][];
        };
        /** @description An event on the stream of the command center. Clients ignore unknown types. */
        CommandCenterEvent: components["schemas"]["RunStartedEvent"] | components["schemas"]["RunStatusChangedEvent"] | components["schemas"]["RunProgressEvent"] | components["schemas"]["RunToolStartedEvent"] | components["schemas"]["RunToolCompletedEvent"] | components["schemas"]["RunModelCallEvent"] | components["schemas"]["RunMemoryEvent"] | components["schemas"]["RunApprovalRequestedEvent"] | components["schemas"]["RunApprovalAnsweredEvent"] | components["schemas"]["RunCompletedEvent"] | components["schemas"]["RunErrorEvent"] | components["schemas"]["RunDeletedEvent"] | components["schemas"]["AlertTriggeredEvent"] | components["schemas"]["AlertResolvedEvent"] | components["schemas"]["PipelineBackpressureEvent"] | components["schemas"]["ResyncEvent"] | components["schemas"]["HeartbeatEvent"];
        /**
         * @description A page of events in the order in which they were recorded. It may be empty without being the last
         *     page.
         */
        CommandCenterEventPage: {
            items: components["schemas"]["CommandCenterEvent"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description The active runs and the triggered alerts. The stream continues after `since`. */
        CommandCenterSnapshot: {
            since: number;
            runs: components["schemas"]["LiveRun"][];
            alerts: components["schemas"]["TriggeredAlert"][];
            /** @description there are more than 1,000 runs */
            truncated: boolean;
        };
        /** @description A comparison of a field. `exists` takes true (the default) or false. */
        Condition: {
            /** @description A field by name; dots lead into objects (`tokenUsage.total`, `$meta.type`), brackets into lists (`items[0].price`) and to other names (`["a.b"]`). */
            field: string;
            /** @enum {string} */
            operator: "eq" | "neq" | "gt" | "gte" | "lt" | "lte" | "contains" | "in" | "regex" | "exists";
            /** @default null */
            value?: unknown;
        };
        /** @description A part of a message, with exactly one of these fields, as in Amazon Bedrock's Converse API. */
        ContentBlock: {
            /** @default null */
            text?: string | null;
            /** @default null */
            image?: components["schemas"]["AttachmentBlock"] | null;
            /** @default null */
            file?: components["schemas"]["AttachmentBlock"] | null;
            /** @default null */
            toolUse?: components["schemas"]["ToolUseBlock"] | null;
            /** @default null */
            toolResult?: components["schemas"]["ToolResultBlock"] | null;
            /** @default null */
            reasoningContent?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description A conversation with an agent. */
        Conversation: {
            id: string;
            agentId: string;
            title: string;
            createdAt: string;
            updatedAt: string;
            /** @description the owner of the conversation; empty if it has none */
            createdBy: string;
            metadata: {
                [key: string]: unknown;
            };
            /** @description the active run, if any */
            activeRunId: string | null;
            /** @description false: it is not listed */
            listed: boolean;
            /**
             * @description with `text`: its messages that have the words, the latest three
             * @default null
             */
            matches?: components["schemas"]["FoundMessage"][] | null;
        };
        /** @description A page of conversations, latest first. */
        ConversationPage: {
            items: components["schemas"]["Conversation"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        CustomAnalyticsConfig: {
            /**
             * @default {
             *       "maxRetries": 3,
             *       "backoffMs": 1000
             *     }
             */
            retryPolicy?: components["schemas"]["RetryPolicy"];
            /** @default null */
            rateLimit?: components["schemas"]["RateLimit"] | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            provider: "custom";
            url: string;
            headers?: {
                [key: string]: string;
            };
            /** @default null */
            body?: string | null;
        };
        /** @description Rows inserted, updated or deleted in a table, with the old and the new image. */
        DatabaseChangeSource: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "database_change";
            table: string;
            /** @default null */
            operations?: ("insert" | "update" | "delete")[] | null;
        };
        /**
         * @description `conflictFields` is the key for all operations except insert; with `versionField`, a stale row never
         *     overwrites.
         *
         *     A template for `operation` determines each event's operation on its row. `deletedField` marks deleted
         *     rows.
         */
        DatabaseConfig: {
            /**
             * @default {
             *       "maxRetries": 3,
             *       "backoffMs": 1000
             *     }
             */
            retryPolicy?: components["schemas"]["RetryPolicy"];
            /** @default null */
            rateLimit?: components["schemas"]["RateLimit"] | null;
            table: string;
            /**
             * @description `insert`, `upsert`, `update`, `delete`, or a template such as `{{$meta.type}}`.
             * @default insert
             */
            operation?: string;
            conflictFields?: string[];
            /** @default null */
            versionField?: string | null;
            /** @default null */
            deletedField?: string | null;
            /** @default null */
            connection?: string | null;
        };
        DatabaseDestination: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "database";
            config: components["schemas"]["DatabaseConfig"];
        };
        /** @description An event that could not be processed or delivered. */
        DeadLetter: {
            id: string;
            /** @description `step:<n>` or `destination:<n>` */
            place: string;
            /** @description the definition's version */
            version: number;
            acceptedAt: string;
            error: components["schemas"]["LetterError"];
            attempts: number;
            /** @description the HTTP status of the last answer */
            status: number | null;
            /** @description the beginning of the last answer */
            body: string | null;
            payloadBytes: number | null;
            event: {
                [key: string]: unknown;
            };
        };
        /** @description Counts of dead letters; there are more unless `complete`. */
        DeadLetterCount: {
            count: number;
            complete: boolean;
            places: {
                [key: string]: number;
            };
            codes: {
                [key: string]: number;
            };
        };
        /**
         * @description The dead letters of a place with the same error. A page covers only a part of all dead letters: later
         *     pages may continue a group, whose counts are then to be added.
         */
        DeadLetterGroup: {
            /** @description `step:<n>` or `destination:<n>` */
            place: string;
            code: string;
            count: number;
            /** @description the message of the latest one */
            message: string;
            /** @description the number of dead letters with each HTTP status */
            statuses: {
                [key: string]: number;
            };
            /** @description when the first of their events was accepted */
            firstAt: string;
            lastAt: string;
            latestId: string;
        };
        /** @description Groups of dead letters, largest first. */
        DeadLetterGroupPage: {
            items: components["schemas"]["DeadLetterGroup"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description A page of dead letters, oldest first. */
        DeadLetterPage: {
            items: components["schemas"]["DeadLetter"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description Only the first event of each key within `ttl` milliseconds passes. */
        DedupeConfig: {
            /** @description An expression, such as `upper(user.name)`. */
            key: string;
            /** @default 86400000 */
            ttl?: number;
        };
        DedupeStep: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @default dlq
             * @enum {string}
             */
            onError?: "dlq" | "drop" | "null";
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "dedupe";
            config: components["schemas"]["DedupeConfig"];
        };
        /** @description A part of a definition that differs. `path` is written with dots, and positions in lists as numbers. */
        DefinitionChange: {
            path: string;
            /** @enum {string} */
            change: "added" | "removed" | "changed";
            /** @default null */
            before?: unknown;
            /** @default null */
            after?: unknown;
        };
        /** @description The definition and the events to try it on. */
        DefinitionDryRun: {
            definition: {
                [key: string]: unknown;
            };
            events: {
                [key: string]: unknown;
            }[];
        };
        /** @description A warning about a definition that may not mean what its author intended. */
        DefinitionWarning: {
            code: string;
            path: string;
            message: string;
        };
        /** @description The number of deleted dead letters; with `more` there are others. */
        DeletedDeadLetters: {
            deleted: number;
            more: boolean;
        };
        /** @description A request to delete dead letters. `all` confirms that all are meant if nothing is selected. */
        DeletionRequest: {
            ids?: string[];
            /** @default null */
            place?: string | null;
            /** @default null */
            code?: string | null;
            /** @default null */
            from?: string | null;
            /** @default null */
            to?: string | null;
            /** @default false */
            all?: boolean;
        };
        /** @description Counts of deliveries. */
        Deliveries: {
            attempts: number;
            delivered: number;
            failed: number;
            retried: number;
            throttled: number;
        };
        /**
         * @description A destination. If `closed` it receives everything, if `open` nothing until `until`, if `half_open` one
         *     event at a time, if `disabled` nothing.
         */
        Destination: {
            destination: number;
            name: string | null;
            type: string;
            /** @enum {string} */
            state: "closed" | "open" | "half_open" | "disabled";
            since: string | null;
            until: string | null;
            reason: string | null;
            requests: components["schemas"]["Requests"];
            rateLimit: {
                [key: string]: unknown;
            } | null;
        };
        /** @description All destinations of the current definition, in order. */
        DestinationPage: {
            items: components["schemas"]["Destination"][];
        };
        /** @description The event to send; without `payload`, an event that says that it is a test. */
        DestinationTest: {
            /** @default null */
            payload?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description The outcome of a test event, with the destination's own answer if there was one. */
        DestinationTestResult: {
            destination: number;
            outcome: string;
            code: string | null;
            message: string | null;
            /** @default null */
            status?: number | null;
            /** @default null */
            body?: string | null;
            /** @default null */
            eventId?: string | null;
            durationMs: number;
        };
        /**
         * @description The run has ended successfully. `cost` is in US dollars, null if the model's price is not known.
         *     `firstTokenMs` is the time to the first token of the answer, if known; `output` is the answer as JSON,
         *     if a schema was requested. Those of flows have `executionId`, `flow`, `result`, and the `answers` of
         *     people.
         */
        DoneEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "done";
            messageId: string;
            usage: components["schemas"]["TokenUsage"] | null;
            cost: number | null;
            finishReason: string;
            durationMs: number | null;
            firstTokenMs?: number;
            output?: unknown;
            executionId?: string;
            flow?: string;
            result?: unknown;
            answers?: components["schemas"]["StepAnswer"][];
        };
        /** @description The effects of a pipeline on events; `outputs` include those of windows and batches. */
        DryRun: {
            events: components["schemas"]["DryRunEvent"][];
            outputs: {
                [key: string]: unknown;
            }[];
        };
        /** @description The effects of all steps on an event, and the output. */
        DryRunEvent: {
            id: string;
            steps: components["schemas"]["DryRunStep"][];
            outputs: {
                [key: string]: unknown;
            }[];
        };
        /**
         * @description The definition and the events to try; by default the current definition, and the latest recorded
         *     events.
         */
        DryRunRequest: {
            /** @default null */
            definition?: {
                [key: string]: unknown;
            } | null;
            /** @default null */
            events?: {
                [key: string]: unknown;
            }[] | null;
        };
        /** @description The effect of a step on an event. */
        DryRunStep: {
            step: number;
            type: string;
            /** @enum {string} */
            did: "passed" | "mapped" | "dropped" | "split" | "held" | "late" | "failed";
            /** @default null */
            payloads?: {
                [key: string]: unknown;
            }[] | null;
            /** @default null */
            error?: string | null;
        };
        /** @description Ends the flow, with the `result` of an expression. */
        EndStep: {
            name: string;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "end";
            /** @default last */
            result?: string;
        };
        /** @description The erasures that are in progress or ended recently. */
        ErasureList: {
            items: components["schemas"]["ErasureView"][];
        };
        /** @description The deletion of everything that belongs to a user or the organization. */
        ErasureView: {
            /** @description null: the organization */
            userId: string | null;
            /** @enum {string} */
            state: "running" | "done";
            /** @description the kind of data that is being deleted */
            step: string;
            /** @description conversations, files, objects and items that were deleted so far */
            removed: number;
            createdBy: string;
            createdAt: string;
            doneAt: string | null;
        };
        /** @description The run has failed; `retryable` says whether sending the message again may succeed. */
        ErrorEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "error";
            message: string;
            code: string;
            retryable: boolean;
            step?: string;
            executionId?: string;
        };
        /** @description The exports that are in progress or can be downloaded. */
        ExportList: {
            items: components["schemas"]["ExportView"][];
        };
        /** @description A page of the archives of an export. */
        ExportPartPage: {
            items: components["schemas"]["ExportPartView"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description One archive of an export, with a download URL that is valid for 15 minutes. */
        ExportPartView: {
            number: number;
            name: string;
            /** @description in bytes */
            size: number;
            downloadUrl: string;
        };
        /** @description Everything that is stored about a user or the organization, as zip archives. */
        ExportView: {
            id: string;
            /** @description null: the organization */
            userId: string | null;
            /** @enum {string} */
            state: "running" | "done";
            /** @description the kind of data that is being read */
            step: string;
            /** @description records and files that were written so far */
            items: number;
            /** @description archives that were completed so far */
            parts: number;
            /** @description their bytes */
            size: number;
            createdBy: string;
            createdAt: string;
            doneAt: string | null;
            /** @description it can be downloaded until then */
            expiresAt: string;
        };
        /**
         * @description A file of a user. `conversationId` is the conversation that keeps it; a file that no message has used
         *     expires.
         */
        File: {
            fileId: string;
            name: string;
            mediaType: string;
            /** @description in bytes */
            size: number;
            conversationId: string | null;
            createdAt: string;
            expiresAt: string | null;
        };
        /** @description A file, with a download URL that is valid for 15 minutes. */
        FileDownload: {
            fileId: string;
            name: string;
            mediaType: string;
            /** @description in bytes */
            size: number;
            conversationId: string | null;
            createdAt: string;
            expiresAt: string | null;
            downloadUrl: string;
        };
        /** @description A page of files, latest first. */
        FilePage: {
            items: components["schemas"]["File"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description A file: a PDF, or text (plain, Markdown, CSV, JSON). */
        FilePart: {
            /**
             * @description fetched when the agent runs
             * @default null
             */
            url?: string | null;
            /**
             * @description base64; with mediaType
             * @default null
             */
            data?: string | null;
            /**
             * @description the id of a file that was uploaded with POST /api/files
             * @default null
             */
            fileId?: string | null;
            /** @default null */
            mediaType?: string | null;
            /** @default null */
            name?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "file";
        };
        /** @description A file to upload, with its form. */
        FileUpload: {
            fileId: string;
            name: string;
            mediaType: string;
            /** @description in bytes */
            size: number;
            conversationId: string | null;
            createdAt: string;
            expiresAt: string | null;
            upload: components["schemas"]["UploadForm"];
        };
        FilterStep: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @default dlq
             * @enum {string}
             */
            onError?: "dlq" | "drop" | "null";
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "filter";
            config: components["schemas"]["Condition"] | components["schemas"]["AllOf"] | components["schemas"]["AnyOf"] | components["schemas"]["NotOf"];
        };
        /** @description A flow of an organization. */
        Flow: {
            /** @default  */
            description?: string;
            steps: (components["schemas"]["AgentStep"] | components["schemas"]["ToolStep"] | components["schemas"]["PipelineStep"] | components["schemas"]["WaitStep"] | components["schemas"]["EndStep"] | components["schemas"]["NotifyStep"])[];
            /** @default null */
            output?: string | null;
            limits?: components["schemas"]["AgentLimits"];
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
            name: string;
            createdAt: string;
            updatedAt: string;
        };
        /**
         * @description The body of a request that runs a flow, with any JSON as `input`. With `executionId` it continues a
         *     waiting execution (at `step`, if given): `input` is the answer, or the `decision` is to approve or to
         *     reject.
         */
        FlowEvent: {
            /** @default null */
            input?: unknown;
            /** @default null */
            executionId?: string | null;
            /** @default null */
            step?: string | null;
            /**
             * @default answer
             * @enum {string}
             */
            decision?: "answer" | "approve" | "reject";
            /** @default null */
            reason?: string | null;
            /** @default null */
            idempotencyKey?: string | null;
        };
        /** @description An execution with its results, and the step that waits for a person. */
        FlowExecution: {
            executionId: string;
            flow: string;
            runId: string;
            state: ("queued" | "running" | "waiting" | "completed" | "failed" | "stopped") | null;
            finishReason: string | null;
            error: {
                [key: string]: unknown;
            } | null;
            createdAt: string;
            endedAt: string | null;
            createdBy: string | null;
            /** @description the results so far by step; `{}` where its agents hide them */
            steps: {
                [key: string]: unknown;
            };
            answers: components["schemas"]["StepAnswer"][];
            waitingFor: components["schemas"]["WaitingFor"] | null;
        };
        /** @description A page of executions, latest first. */
        FlowExecutionPage: {
            items: components["schemas"]["FlowExecutionSummary"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description An execution of a flow. A field is null if its value is not known, or no longer known. */
        FlowExecutionSummary: {
            executionId: string;
            flow: string;
            runId: string;
            state: ("queued" | "running" | "waiting" | "completed" | "failed" | "stopped") | null;
            finishReason: string | null;
            error: {
                [key: string]: unknown;
            } | null;
            createdAt: string;
            endedAt: string | null;
            createdBy: string | null;
        };
        /** @description A page of flows, by name. */
        FlowPage: {
            items: (components["schemas"]["Flow"] | components["schemas"]["FlowSummary"])[];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description A flow as GET returns it, with edits; `name`, `createdAt` and `updatedAt` are ignored. */
        FlowReplacement: {
            /** @default  */
            description?: string;
            steps: (components["schemas"]["AgentStep"] | components["schemas"]["ToolStep"] | components["schemas"]["PipelineStep"] | components["schemas"]["WaitStep"] | components["schemas"]["EndStep"] | components["schemas"]["NotifyStep"])[];
            /** @default null */
            output?: string | null;
            limits?: components["schemas"]["AgentLimits"];
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
            /** @default null */
            name?: string | null;
            /** @default null */
            createdAt?: string | null;
            /** @default null */
            updatedAt?: string | null;
        };
        /**
         * @description The result of a flow's run: its `result`, or the step that waits. `cost` is in US dollars, null if the
         *     model's price is not known.
         */
        FlowResult: {
            runId: string;
            executionId: string;
            /** @enum {string} */
            state: "waiting" | "completed" | "stopped";
            finishReason: string;
            result: unknown;
            waitingFor: components["schemas"]["WaitingFor"] | null;
            answers: components["schemas"]["StepAnswer"][];
            steps: components["schemas"]["StepOutcome"][];
            usage: components["schemas"]["TokenUsage"] | null;
            cost: number | null;
            durationMs: number | null;
        };
        /** @description A step of a flow has ended; `index` counts from 0. */
        FlowStepCompleteEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "flow_step_complete";
            name: string;
            durationMs: number;
            ok: boolean;
            step: string;
            index: number;
            total: number;
        };
        /** @description A step of a flow is skipped, since its `when` is not true. */
        FlowStepSkippedEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "flow_step_skipped";
            name: string;
            step: string;
            index: number;
            total: number;
        };
        /** @description A step of a flow has started; `index` counts from 0. */
        FlowStepStartEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "flow_step_start";
            name: string;
            kind: string;
            step: string;
            index: number;
            total: number;
        };
        /** @description A flow without its steps, for those who only run it. */
        FlowSummary: {
            name: string;
            description: string;
            createdAt: string;
            updatedAt: string;
        };
        /** @description A flow; its summary for callers without `agents:read` or `agents:write`. */
        FlowView: components["schemas"]["Flow"] | components["schemas"]["FlowSummary"];
        /** @description A message with the words of a search, and the part of its text around the first of them. */
        FoundMessage: {
            messageId: string;
            runId: string | null;
            /** @enum {string} */
            role: "user" | "assistant";
            createdAt: string;
            snippet: string;
        };
        /** @description The API answers. */
        Health: {
            /** @constant */
            status: "ok";
            version: string;
        };
        /** @description Nothing else was sent for five seconds; with an id, it marks where the stream begins. */
        HeartbeatEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "heartbeat";
        };
        /** @description An image: PNG, JPEG, GIF or WebP. */
        ImagePart: {
            /**
             * @description fetched when the agent runs
             * @default null
             */
            url?: string | null;
            /**
             * @description base64; with mediaType
             * @default null
             */
            data?: string | null;
            /**
             * @description the id of a file that was uploaded with POST /api/files
             * @default null
             */
            fileId?: string | null;
            /** @default null */
            mediaType?: string | null;
            /** @default null */
            name?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "image";
        };
        /** @description A live message for a running agent. */
        InjectMessage: {
            /** @description a text of at most 32,768 bytes of UTF-8, or parts: texts, images and files */
            content: string | (components["schemas"]["TextPart"] | components["schemas"]["ImagePart"] | components["schemas"]["FilePart"])[];
            /** @default null */
            idempotencyKey?: string | null;
        };
        /** @description A live message was passed to the model, in this iteration (counted from 1). */
        InjectedEvent: {
            parent?: string;
            agentId?: string;
            step?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "injected";
            messageId: string;
            content: string;
            iteration: number;
        };
        /** @description A JSON Schema. */
        JsonSchema: {
            [key: string]: unknown;
        };
        /** @description Milliseconds from the acceptance of an event to its output; null if nothing was measured. */
        Latency: {
            avg: number | null;
            p50: number | null;
            p95: number | null;
            p99: number | null;
        };
        /** @description Tools of an MCP server that the agent does not get, with the reason. */
        LeftOutTools: {
            server: string;
            reason: string;
            names: string[];
        };
        /** @description The reason for a dead letter. */
        LetterError: {
            code: string;
            message: string;
        };
        /** @description The limits of a level; null is no limit. Days are in UTC, the cost is in US dollars. */
        LevelLimits: {
            /** @default null */
            tokensPerDay?: number | null;
            /** @default null */
            costPerDay?: number | null;
            /** @default null */
            requestsPerMinute?: number | null;
            /** @default null */
            concurrentRuns?: number | null;
        };
        /** @description The limits to change, by level. Limits that are not named do not change; null removes one. */
        LimitChanges: {
            /** @default null */
            organization?: components["schemas"]["OrganizationLimits"] | null;
            /** @default null */
            user?: components["schemas"]["UserLimits"] | null;
            /** @default null */
            agent?: components["schemas"]["LevelLimits"] | null;
        };
        /** @description A message for a running agent, which sees it before its next model call. */
        LiveMessage: {
            messageId: string;
            /** @description the text, with a note for each image and file */
            content: string;
            /**
             * @description the images and files
             * @default null
             */
            attachments?: components["schemas"]["ContentBlock"][] | null;
            createdAt: string;
            createdBy: string | null;
            expiresAt: string;
        };
        /** @description The waiting live messages, in order. */
        LiveMessagePage: {
            items: components["schemas"]["LiveMessage"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description An active run as its events have shown it; null if something is not known yet. */
        LiveRun: {
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string | null;
            model: string;
            status: string;
            startedAt: string;
            lastEventAt: string;
            tokens: number | null;
            cost: number | null;
            /** @description the tool that is running */
            tool: string | null;
        };
        /** @description Strings are expressions; numbers, booleans and null stand for themselves; objects and lists nest. */
        MapConfig: {
            expression: {
                [key: string]: components["schemas"]["MapValue"];
            };
        };
        MapStep: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @default dlq
             * @enum {string}
             */
            onError?: "dlq" | "drop" | "null";
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "map";
            config: components["schemas"]["MapConfig"];
        };
        MapValue: string | {
            [key: string]: components["schemas"]["MapValue"];
        } | unknown[] | (boolean | number | null);
        /** @description An MCP server (streamable HTTP); its tools appear as `<name>__<tool>`. */
        McpServer: {
            name: string;
            url: string;
            headers?: {
                [key: string]: string;
            };
            /**
             * @description the scope that the run's user needs for the server's tools; empty for none
             * @default
             */
            scope?: string;
            /**
             * @description the tools that the agent gets, by the server's own names; null: all
             * @default null
             */
            tools?: string[] | null;
        };
        /** @description A memory of an agent about a user. */
        Memory: {
            id: string;
            agentId: string;
            text: string;
            createdAt: string;
            updatedAt: string;
        };
        /** @description A page of memories. */
        MemoryPage: {
            items: components["schemas"]["Memory"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /**
         * @description A message of a conversation. `steps` are the events that led to it, as the stream showed them. The last
         *     message of a run also says how the run ended.
         */
        Message: {
            id: string;
            /** @enum {string} */
            role: "user" | "assistant";
            content: components["schemas"]["ContentBlock"][];
            createdAt: string;
            runId: string | null;
            /** @description the message that it follows; null for the first one */
            parentId: string | null;
            /**
             * @description the ids of all messages that follow the same message, if there are several
             * @default null
             */
            siblings?: string[] | null;
            /**
             * @description the user who wrote it
             * @default null
             */
            createdBy?: string | null;
            /**
             * @description it was a live message
             * @default null
             */
            injected?: boolean | null;
            /**
             * @description the answer was cut off
             * @default null
             */
            interrupted?: boolean | null;
            /** @default null */
            steps?: {
                [key: string]: unknown;
            }[] | null;
            /**
             * @description the run ended with this message, and why
             * @default null
             */
            finishReason?: string | null;
            /** @default null */
            usage?: components["schemas"]["TokenUsage"] | null;
            /**
             * @description in US dollars; null if the price is not known
             * @default null
             */
            cost?: number | null;
            /** @default null */
            durationMs?: number | null;
            /**
             * @description from the start of the run to its first token
             * @default null
             */
            firstTokenMs?: number | null;
            /**
             * @description why the run failed
             * @default null
             */
            error?: {
                [key: string]: unknown;
            } | null;
        } & {
            [key: string]: unknown;
        };
        /** @description A page of messages, oldest first. */
        MessagePage: {
            items: components["schemas"]["Message"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description A metric at a time, over the window before it; null if nothing ran. */
        MetricValue: {
            time: string;
            value: number | null;
        };
        /** @description The metrics of a period: counts are 0 if nothing happened, null if nothing was measured. */
        MetricsPoint: {
            /** @description its start */
            time: string;
            itemsProcessed: number;
            itemsFiltered: number;
            itemsOut: number;
            itemsDelivered: number;
            itemsFailed: number;
            lateEvents: number;
            deadLetters: number;
            /** @description events a second */
            throughput: number;
            /** @description pushed messages and deliveries that waited at the end of the period */
            queueDepth: number;
            latency: components["schemas"]["Latency"];
            /** @description the highest, from 0 to 1 */
            backpressure: number | null;
        };
        /** @description A pipeline's metrics over time. `step` is in seconds; the last point may cover only a part of it. */
        MetricsSeries: {
            pipelineId: string;
            from: string;
            to: string;
            step: number;
            points: components["schemas"]["MetricsPoint"][];
        };
        MixpanelConfig: {
            /**
             * @default {
             *       "maxRetries": 3,
             *       "backoffMs": 1000
             *     }
             */
            retryPolicy?: components["schemas"]["RetryPolicy"];
            /** @default null */
            rateLimit?: components["schemas"]["RateLimit"] | null;
            /** @default null */
            event?: string | null;
            /** @default null */
            distinctId?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            provider: "mixpanel";
            projectToken: string;
            /** @default null */
            projectId?: string | null;
            /** @default null */
            serviceAccount?: string | null;
            /** @default null */
            serviceSecret?: string | null;
            /**
             * @default us
             * @enum {string}
             */
            region?: "us" | "eu" | "in";
        };
        /** @description The latest model calls of a run, including those of its sub-agents, oldest first. */
        ModelCallList: {
            items: components["schemas"]["RunModelCallEvent"][];
        };
        /** @description Tokens of one model call; see `TokenUsage`. */
        ModelCallTokens: {
            input: number;
            output: number;
            cacheRead?: number;
            cacheWrite?: number;
        };
        /** @description The body of a request that creates an agent. Without an id, one is generated. */
        NewAgent: {
            name: string;
            /** @default  */
            description?: string;
            /**
             * @description provider:model; empty for the default
             * @default
             */
            model?: string;
            /** @default  */
            instructions?: string;
            /** @description names of tools, or a tool with its rule for approvals */
            tools?: (string | components["schemas"]["ToolUse"])[];
            mcpServers?: components["schemas"]["McpServer"][];
            /** @description remote A2A agents that the agent may send messages to */
            a2aAgents?: components["schemas"]["A2aAgent"][];
            /**
             * @description the highest detail that a viewer may see
             * @default full
             * @enum {string}
             */
            visibility?: "answer" | "steps" | "full";
            /**
             * @description the model writes ReAct lines (Action:, Observation:)
             * @default false
             */
            react?: boolean;
            /**
             * @description the format in which the model writes thinking and tool calls into its text, if its server leaves them there; null: by the model's name
             * @default null
             */
            dialect?: ("plain" | "harmony" | "hermes" | "mistral" | "llama" | "deepseek" | "kimi" | "minimax") | null;
            /**
             * @description the model's text starts in thinking and only closes it; null: by the model's name
             * @default null
             */
            startsInThinking?: boolean | null;
            /**
             * @description a JSON Schema (2020-12, 32 KB) that answers must match; done has the value as output
             * @default null
             */
            responseSchema?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description the tokens that a Claude model may think before each answer; less than limits.maxTokens
             * @default null
             */
            thinkingTokens?: number | null;
            /**
             * @description the context window of the model in tokens, prompt and answer together; null: by the model's name, if it is known
             * @default null
             */
            contextTokens?: number | null;
            /**
             * @description the attachments that the model accepts; null: by the model's name, if it is known
             * @default null
             */
            accepts?: ("image" | "pdf")[] | null;
            /**
             * @description provider:model that summarizes what no longer fits into the context window; empty for the agent's own
             * @default
             */
            compactionModel?: string;
            /**
             * @description if nobody answers a call in time: the agent continues without it, or the run fails
             * @default continue
             * @enum {string}
             */
            onExpired?: "continue" | "fail";
            limits?: components["schemas"]["AgentLimits"];
            /** @description suggested first messages, shown before the conversation begins and sent as they are */
            starters?: string[];
            /**
             * @description whether A2A clients of the organization can find the agent and send it tasks
             * @default false
             */
            exposeA2A?: boolean;
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
            /** @default null */
            id?: string | null;
        };
        /** @description The body of a request that creates a key. The key may only have scopes that the caller has. */
        NewApiKey: {
            name: string;
            scopes: string[];
            /** @default 90 */
            days?: number;
        };
        /** @description An API key with its new secret, which is returned only once. */
        NewApiKeySecret: {
            id: string;
            name: string;
            scopes: string[];
            /** @description the user id under which the key acts */
            userId: string;
            /** @description the beginning of the secret */
            start: string;
            createdBy: string;
            createdAt: string;
            expiresAt: string;
            rotatedAt: string | null;
            previousStart: string | null;
            previousExpiresAt: string | null;
            /** @description updated at most once an hour */
            lastUsedAt: string | null;
            secret: string;
        };
        /** @description The body of a request that creates a conversation. Without an id, one is generated. */
        NewConversation: {
            /** @default null */
            id?: string | null;
            agentId: string;
            /** @default  */
            title?: string;
            metadata?: {
                [key: string]: unknown;
            };
            /**
             * @description false: not listed, for example for a trial of an agent
             * @default true
             */
            listed?: boolean;
        };
        /** @description The body of a request that erases a user, or the caller's organization, which must be named. */
        NewErasure: {
            /** @default null */
            userId?: string | null;
            /** @default null */
            organization?: string | null;
        };
        /** @description The body of a request that exports a user, or the caller's organization, which must be named. */
        NewExport: {
            /** @default null */
            userId?: string | null;
            /** @default null */
            organization?: string | null;
        };
        /** @description A flow to create. */
        NewFlow: {
            /** @default  */
            description?: string;
            steps: (components["schemas"]["AgentStep"] | components["schemas"]["ToolStep"] | components["schemas"]["PipelineStep"] | components["schemas"]["WaitStep"] | components["schemas"]["EndStep"] | components["schemas"]["NotifyStep"])[];
            /** @default null */
            output?: string | null;
            limits?: components["schemas"]["AgentLimits"];
            /**
             * @description the label of the file that defines it, see `millrace apply`; empty for none
             * @default
             */
            managedBy?: string;
            name: string;
        };
        /** @description The body of a request that revokes the tokens of either a user or everybody. */
        NewRevocation: {
            /** @default null */
            userId?: string | null;
            /** @default false */
            everybody?: boolean;
        };
        /** @description The value of a secret, and the 1 to 20 hosts that it may be sent to. */
        NewSecret: {
            value: string;
            hosts: string[];
        };
        /** @description A user of the organization, by the `sub` of their tokens, and the access to give them. */
        NewShare: {
            userId: string;
            /**
             * @default read
             * @enum {string}
             */
            access?: "read" | "write";
        };
        /** @description The body of a request that stops an agent or, without `agentId`, the whole organization. */
        NewStop: {
            /** @default null */
            agentId?: string | null;
            reason: string;
        };
        /**
         * @description The request that a ticket allows. `body` replaces the body that a GET does not have, so that a long
         *     text does not have to be part of the URL.
         */
        NewTicket: {
            path: string;
            /**
             * @default GET
             * @constant
             */
            method?: "GET";
            /** @default null */
            body?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description True if the condition inside is false. */
        NotOf: {
            not: components["schemas"]["Condition"] | components["schemas"]["AllOf"] | components["schemas"]["AnyOf"] | components["schemas"]["NotOf"];
        };
        NotificationDestination: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "notification";
            config: components["schemas"]["ChatConfig"] | components["schemas"]["SnsConfig"];
        };
        /**
         * @description Sends an object through a destination of one of the organization's pipelines; the result is the
         *     outcome.
         */
        NotifyStep: {
            name: string;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "notify";
            pipelineId: string;
            /**
             * @description the pipeline's destination, from 0
             * @default 0
             */
            destination?: number;
            payload?: {
                [key: string]: unknown;
            };
        };
        /** @description An OpenAPI document. */
        OpenApiDocument: {
            [key: string]: unknown;
        };
        /** @description The limits of the whole organization. */
        OrganizationLimits: {
            /** @default null */
            tokensPerDay?: number | null;
            /** @default null */
            costPerDay?: number | null;
            /** @default null */
            requestsPerMinute?: number | null;
            /** @default null */
            concurrentRuns?: number | null;
            /** @default null */
            conversations?: number | null;
            /** @default null */
            storageBytes?: number | null;
            /** @default null */
            agents?: number | null;
            /** @default null */
            secrets?: number | null;
        };
        /** @description An alert of a rule. `resolvedAt` is null while it is triggered; a value is null if nothing ran. */
        PastAlert: {
            id: string;
            triggeredAt: string | null;
            resolvedAt: string | null;
            threshold: number;
            triggeredValue: number | null;
            resolvedValue: number | null;
        };
        /** @description The message was sent to the active run, or started a run that now waits for people. */
        PendingAnswer: components["schemas"]["AcceptedMessage"] | components["schemas"]["WaitingAnswer"];
        /** @description A pipeline: the fields of its definition (see `PipelineDefinition`), and its state. */
        Pipeline: {
            id: string;
            /** @enum {string} */
            state: "created" | "running" | "paused" | "stopped";
            /** @description the number of definitions so far */
            version: number;
            createdAt: string;
            updatedAt: string;
            stateSince: string;
            name: string;
            source: {
                [key: string]: unknown;
            };
        } & {
            [key: string]: unknown;
        };
        /** @description The backpressure of a pipeline, from 0 (it keeps up) to 1; at most once per minute. */
        PipelineBackpressureEvent: {
            id: string;
            time: string;
            organization: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "pipeline:backpressure";
            pipelineId: string;
            backpressure: number;
        };
        /** @description The fields of a definition to change; null removes a field. */
        PipelineChanges: {
            [key: string]: unknown;
        };
        /** @description A definition as a user writes it, with one `destination`, or several as `destinations`. */
        PipelineDefinition: {
            name: string;
            /** @default null */
            description?: string | null;
            source: components["schemas"]["AgentExecutionSource"] | components["schemas"]["WebhookSource"] | components["schemas"]["DatabaseChangeSource"] | components["schemas"]["ApiEventSource"] | components["schemas"]["AlertSource"] | components["schemas"]["ApprovalSource"] | components["schemas"]["ScheduleSource"];
            transforms?: (components["schemas"]["FilterStep"] | components["schemas"]["MapStep"] | components["schemas"]["AggregateStep"] | components["schemas"]["WindowStep"] | components["schemas"]["BatchStep"] | components["schemas"]["DedupeStep"] | components["schemas"]["SampleStep"] | components["schemas"]["SplitStep"])[];
            /** @default null */
            destination?: (components["schemas"]["WebhookDestination"] | components["schemas"]["DatabaseDestination"] | components["schemas"]["AnalyticsDestination"] | components["schemas"]["NotificationDestination"]) | null;
            /** @default null */
            destinations?: (components["schemas"]["WebhookDestination"] | components["schemas"]["DatabaseDestination"] | components["schemas"]["AnalyticsDestination"] | components["schemas"]["NotificationDestination"])[] | null;
            /** @default null */
            managedBy?: string | null;
        };
        /** @description The differences between two versions. */
        PipelineDifferences: {
            from: number;
            to: number;
            changes: components["schemas"]["DefinitionChange"][];
        };
        /** @description A pipeline's health, with the reasons and the time since which it is like this. */
        PipelineHealth: {
            pipelineId: string;
            /** @enum {string} */
            status: "healthy" | "degraded" | "unhealthy";
            /** @enum {string} */
            state: "created" | "running" | "paused" | "stopped";
            reasons: string[];
            since: string;
            checkedAt: string;
        };
        /** @description An event: its payload, or `{payload, id?, type?, time?}`. */
        PipelineItem: {
            [key: string]: unknown;
        };
        /** @description 1 to 1,000 events, as a list or as `{items}`. */
        PipelineItems: {
            [key: string]: unknown;
        }[] | {
            [key: string]: unknown;
        };
        /** @description A pipeline's metrics. `lag` is in milliseconds, `backpressure` goes from 0 to 1. */
        PipelineMetrics: {
            itemsProcessed: number;
            itemsFiltered: number;
            itemsOut: number;
            itemsDelivered: number;
            itemsFailed: number;
            lateEvents: number;
            deadLetters: number;
            deliveries: components["schemas"]["Deliveries"];
            throughput: number;
            latency: components["schemas"]["Latency"];
            pipelineId: string;
            lag: number;
            backpressure: number;
            steps: components["schemas"]["StepCounts"][];
        };
        /** @description A page of pipelines, oldest first. */
        PipelinePage: {
            items: components["schemas"]["Pipeline"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description All pipelines together. */
        PipelineStats: {
            itemsProcessed: number;
            itemsFiltered: number;
            itemsOut: number;
            itemsDelivered: number;
            itemsFailed: number;
            lateEvents: number;
            deadLetters: number;
            deliveries: components["schemas"]["Deliveries"];
            throughput: number;
            latency: components["schemas"]["Latency"];
            pipelines: components["schemas"]["PipelineTotals"];
        };
        /**
         * @description Sends events (a list or one object) through a pipeline's transforms; the result is the output. Nothing
         *     is delivered. Has either `pipelineId` or a `definition`.
         */
        PipelineStep: {
            name: string;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "pipeline";
            /** @default null */
            pipelineId?: string | null;
            /** @default null */
            definition?: {
                [key: string]: unknown;
            } | null;
            /** @default last */
            events?: string;
        };
        /** @description A definition for a common case; `$(name)` stands for a parameter. */
        PipelineTemplate: {
            id: string;
            name: string;
            description: string;
            parameters: components["schemas"]["TemplateParameter"][];
            definition: {
                [key: string]: unknown;
            };
        };
        /** @description All templates. */
        PipelineTemplatePage: {
            items: components["schemas"]["PipelineTemplate"][];
        };
        /** @description Numbers of pipelines, in total and by state. */
        PipelineTotals: {
            total: number;
            /** @default null */
            created?: number | null;
            /** @default null */
            running?: number | null;
            /** @default null */
            paused?: number | null;
            /** @default null */
            stopped?: number | null;
        };
        /** @description A current or earlier definition of a pipeline. */
        PipelineVersion: {
            version: number;
            /** @description null if an earlier release created it */
            createdAt: string | null;
            definition: {
                [key: string]: unknown;
            };
        };
        /** @description A page of versions, newest first. */
        PipelineVersionPage: {
            items: components["schemas"]["PipelineVersion"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description The id of the event that was accepted. */
        PushedItem: {
            accepted: number;
            ids: string[];
            id: string;
        };
        /** @description The ids of the events that were accepted. */
        PushedItems: {
            accepted: number;
            ids: string[];
        };
        /** @description At most `perSecond` requests per second on average, and `burst` at once. */
        RateLimit: {
            perSecond: number;
            /** @default 1 */
            burst?: number;
        };
        /** @description An event that the pipeline accepted, as it arrived. */
        RecordedEvent: {
            id: string;
            type: string;
            source: string;
            time: string;
            acceptedAt: string;
            payload: {
                [key: string]: unknown;
            };
        };
        /** @description A page of recorded events, newest first. It may have fewer than `limit` events, or none. */
        RecordedEventPage: {
            items: components["schemas"]["RecordedEvent"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /**
         * @description A redrive of dead letters. `skipped` ones are kept, as the definition has no such step or
         *     destination.
         */
        Redrive: {
            id: string;
            /** @enum {string} */
            state: "running" | "done" | "cancelled";
            /** @description the fields of the request */
            request: {
                [key: string]: unknown;
            };
            redriven: number;
            skipped: number;
            createdAt: string;
            updatedAt: string;
        };
        /** @description The latest hundred redrives, newest first. */
        RedrivePage: {
            items: components["schemas"]["Redrive"][];
        };
        /** @description A redrive with the number of those left; there are more unless `leftComplete`. */
        RedriveProgress: {
            id: string;
            /** @enum {string} */
            state: "running" | "done" | "cancelled";
            /** @description the fields of the request */
            request: {
                [key: string]: unknown;
            };
            redriven: number;
            skipped: number;
            createdAt: string;
            updatedAt: string;
            left: number;
            leftComplete: boolean;
        };
        /**
         * @description A request for a redrive. `version` selects the `current` definition, or for each dead letter its
         *     `original` one. `fromStep` starts at that step, with the event as it was when it failed.
         */
        RedriveRequest: {
            ids?: string[];
            /** @default null */
            place?: string | null;
            /** @default null */
            code?: string | null;
            /** @default null */
            from?: string | null;
            /** @default null */
            to?: string | null;
            /**
             * @default current
             * @enum {string}
             */
            version?: "current" | "original";
            /** @default null */
            fromStep?: number | null;
            /** @default 50 */
            perSecond?: number;
        };
        /** @description A request for another answer. The existing one is kept; the new one is on a branch of its own. */
        Regenerate: {
            /**
             * @description a message of the answer, or the question; by default the latest answer of the active branch
             * @default
             */
            messageId?: string;
            /** @default null */
            agentId?: string | null;
            /** @default null */
            threadId?: string | null;
            /** @default null */
            idempotencyKey?: string | null;
            /**
             * @default reject
             * @enum {string}
             */
            ifBusy?: "reject" | "interrupt";
            /**
             * @description as in an agent's settings, for this answer only
             * @default null
             */
            responseSchema?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description Events that are processed again with a version: those accepted from `from` until before `to`. */
        Replay: {
            from: string;
            to: string;
            version: number;
        };
        /** @description The events to process again; by default up to now, with the current version. */
        ReplayRequest: {
            from: string;
            /** @default null */
            to?: string | null;
            /** @default null */
            version?: number | null;
        };
        /** @description Counts of requests. */
        Requests: {
            succeeded: number;
            failed: number;
        };
        /** @description A conversation that will be deleted at a time, unless it is restored before that. */
        RestorableDeletion: {
            restorableUntil: string;
        };
        /** @description This many events are no longer available; read a new snapshot. */
        ResyncEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "resync";
            missed: number;
        };
        /** @description The days for which conversations are kept after their latest run; null keeps them forever. */
        RetentionSettings: {
            conversationDays: number | null;
        };
        /** @description The time for which conversations are kept after their latest run. */
        RetentionView: {
            /** @description in days; null: forever */
            conversationDays: number | null;
        };
        /** @description Waits start at `backoffMs` and double, with jitter. */
        RetryPolicy: {
            /** @default 3 */
            maxRetries?: number;
            /** @default 1000 */
            backoffMs?: number;
        };
        /** @description The current revocations, latest first. */
        RevocationList: {
            items: components["schemas"]["RevocationView"][];
        };
        /** @description Tokens that are no longer valid. */
        RevocationView: {
            /** @description null: those of everybody */
            userId: string | null;
            /** @description tokens issued before this time are refused */
            notBefore: string;
            createdBy: string;
            createdAt: string;
        };
        /** @description The events after this id are void: another process continues from there. */
        RewindEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "rewind";
            after: string;
        };
        /**
         * @description The body of a request for a new secret: the hours for which the current one stays valid, and which one
         *     to keep if two are valid already.
         */
        Rotation: {
            /** @default 24 */
            overlapHours?: number;
            /** @default null */
            keep?: ("latest" | "previous") | null;
        };
        /** @description The state of a rule. `alerts` is the number of alerts so far. */
        RuleState: {
            triggered: boolean;
            triggeredAt: string | null;
            alerts: number;
        };
        /** @description A run: one answer of an agent, or one execution of a flow. */
        Run: components["schemas"]["RunView"];
        /** @description A call that waited since `requestedAt` was answered; `answeredBy` is null if it expired. */
        RunApprovalAnsweredEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            callId: string;
            kind: string;
            name: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "approval:answered";
            requestedAt?: string;
            decision: string;
            answeredBy: string | null;
            reason: string | null;
            requestedBy: string | null;
            step?: string;
        };
        /**
         * @description A call of the run waits for a person. `arguments`, `prompt`, `options` and `schema` are present if the
         *     agent shows them; `requestedBy` is the user for whom the run works.
         */
        RunApprovalRequestedEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            callId: string;
            kind: string;
            name: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "approval:requested";
            expiresAt: string;
            requestedBy: string | null;
            arguments?: {
                [key: string]: unknown;
            };
            prompt?: string;
            options?: string[];
            schema?: {
                [key: string]: unknown;
            };
            step?: string;
        };
        /**
         * @description A run has ended successfully. `result` is its answer, at most 16,000 characters of it; null once its
         *     conversation was deleted.
         */
        RunCompletedEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            run: components["schemas"]["RunView"];
            status: string;
            tokenUsage: components["schemas"]["TokenUsage"] | null;
            tokens: number | null;
            cost: number | null;
            startedAt: string;
            completedAt: string | null;
            durationMs: number | null;
            finishReason: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:completed";
            result: string | null;
        };
        /** @description A run was deleted with its conversation. */
        RunDeletedEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:deleted";
            /** @constant */
            status: "deleted";
        };
        /** @description A run has failed. */
        RunErrorEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            run: components["schemas"]["RunView"];
            status: string;
            tokenUsage: components["schemas"]["TokenUsage"] | null;
            tokens: number | null;
            cost: number | null;
            startedAt: string;
            completedAt: string | null;
            durationMs: number | null;
            finishReason: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:error";
            error: {
                [key: string]: unknown;
            };
        };
        /** @description An event on the stream of a run or a conversation. Clients ignore unknown types. */
        RunEvent: components["schemas"]["StartEvent"] | components["schemas"]["StatusEvent"] | components["schemas"]["ThinkingEvent"] | components["schemas"]["TokenEvent"] | components["schemas"]["ToolCallEvent"] | components["schemas"]["ToolOutputEvent"] | components["schemas"]["ToolResultEvent"] | components["schemas"]["InjectedEvent"] | components["schemas"]["ApprovalRequestedEvent"] | components["schemas"]["ApprovalAnsweredEvent"] | components["schemas"]["WaitingEvent"] | components["schemas"]["RewindEvent"] | components["schemas"]["FlowStepStartEvent"] | components["schemas"]["FlowStepCompleteEvent"] | components["schemas"]["FlowStepSkippedEvent"] | components["schemas"]["DoneEvent"] | components["schemas"]["ErrorEvent"] | components["schemas"]["HeartbeatEvent"];
        /**
         * @description The agent's memory was used: a live message (`inject`), a search of conversations (`search`), or
         *     memories of its user (`remember`, `recall`, `forget`). Texts are null if they are hidden.
         */
        RunMemoryEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:memory_op";
            op: string;
            memoryId?: string;
            messageId?: string;
            text?: string | null;
            query?: string | null;
            hits?: number;
        };
        /**
         * @description A model call has ended. `cost` is in US dollars, null if the price is not known; `estimated` says that
         *     the server did not count the tokens. `parent` is the call of the sub-agent that made it.
         */
        RunModelCallEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:llm_call";
            parent?: string;
            model: string;
            tokens: components["schemas"]["ModelCallTokens"];
            estimated: boolean;
            cost: number | null;
            latencyMs: number;
            firstTokenMs: number | null;
            error: string | null;
        };
        /** @description A page of runs, latest first. It may be empty without being the last page. */
        RunPage: {
            items: components["schemas"]["Run"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description The tokens that a run has written so far, and their cost in US dollars; at most once per second. */
        RunProgressEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:progress";
            tokens: number;
            cost: number | null;
        };
        /** @description A run has started. */
        RunStartedEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:started";
            run: components["schemas"]["RunView"];
            /** @constant */
            status: "running";
        };
        /** @description A run has changed its state. */
        RunStatusChangedEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            /** @enum {string} */
            from: "queued" | "running" | "waiting" | "completed" | "failed" | "stopped";
            /** @enum {string} */
            to: "queued" | "running" | "waiting" | "completed" | "failed" | "stopped";
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:status_changed";
        };
        /** @description A tool, or the sub-agent in `subAgentId`, has finished. `parent` is as in `run:tool_started`. */
        RunToolCompletedEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:tool_completed";
            tool: string | null;
            callId: string;
            parent?: string;
            subAgentId?: string;
            ok: boolean;
            durationMs: number | null;
            bytes: number;
        };
        /**
         * @description A tool has started; its name is null if the agent does not show it. `parent` is the call of the
         *     sub-agent that uses it.
         */
        RunToolStartedEvent: {
            id: string;
            time: string;
            organization: string;
            runId: string;
            agentId: string;
            agentName: string;
            conversationId: string;
            hops?: number;
            traceparent?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run:tool_started";
            tool: string | null;
            callId: string;
            parent?: string;
        };
        /** @description A run as `GET /api/runs/{run_id}` returns it. */
        RunView: {
            id: string;
            conversationId: string;
            threadId: string | null;
            agentId: string;
            agentName: string;
            model: string;
            /** @enum {string} */
            state: "queued" | "running" | "waiting" | "completed" | "failed" | "stopped";
            messageId: string;
            startedAt: string;
            endedAt: string | null;
            durationMs: number | null;
            firstTokenMs: number | null;
            finishReason: string | null;
            usage: components["schemas"]["TokenUsage"] | null;
            cost: number | null;
            error: {
                [key: string]: unknown;
            } | null;
            createdBy: string | null;
        };
        /** @description Keeps a share (`rate`, 0 to 1) of all keys, always the same ones. Without `key`, of all events. */
        SampleConfig: {
            rate: number;
            /** @default null */
            key?: string | null;
        };
        SampleStep: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @default dlq
             * @enum {string}
             */
            onError?: "dlq" | "drop" | "null";
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "sample";
            config: components["schemas"]["SampleConfig"];
        };
        /** @description One event for each tick of an EventBridge Scheduler expression. */
        ScheduleSource: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "schedule";
            expression: string;
            /** @default null */
            timezone?: string | null;
            /** @default null */
            payload?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description The name of a secret and the hosts that it may be sent to. Its value is never returned. */
        Secret: {
            name: string;
            hosts: string[];
            updatedAt: string;
        };
        /** @description A page of secrets, by name. */
        SecretPage: {
            items: components["schemas"]["Secret"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        SegmentConfig: {
            /**
             * @default {
             *       "maxRetries": 3,
             *       "backoffMs": 1000
             *     }
             */
            retryPolicy?: components["schemas"]["RetryPolicy"];
            /** @default null */
            rateLimit?: components["schemas"]["RateLimit"] | null;
            /** @default null */
            event?: string | null;
            /** @default null */
            distinctId?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            provider: "segment";
            writeKey: string;
            /**
             * @default us
             * @enum {string}
             */
            region?: "us" | "eu";
        };
        /** @description The branch to continue: the one with this message and the latest messages that follow it. */
        SelectBranch: {
            messageId: string;
        };
        /** @description The active branch, identified by its last message. */
        SelectedBranch: {
            messageId: string;
        };
        /** @description A message to an agent. `ifBusy` says what to do if the agent is still answering. */
        SendMessage: {
            /** @description a text of at most 524,288 bytes of UTF-8, or parts: texts, images and files */
            content: string | (components["schemas"]["TextPart"] | components["schemas"]["ImagePart"] | components["schemas"]["FilePart"])[];
            /** @default null */
            agentId?: string | null;
            /** @default null */
            threadId?: string | null;
            /** @default null */
            idempotencyKey?: string | null;
            /**
             * @default reject
             * @enum {string}
             */
            ifBusy?: "reject" | "inject" | "interrupt";
            /**
             * @description as in an agent's settings, for this answer only; not for a live message
             * @default null
             */
            responseSchema?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description the message that this one follows, null for none. If another message already follows it, this one begins a branch. By default, the end of the active branch
             * @default null
             */
            parentId?: string | null;
        };
        /** @description A user's access to a conversation. */
        Share: {
            userId: string;
            /** @enum {string} */
            access: "none" | "read" | "write" | "own";
        };
        /** @description The users with whom a conversation is shared. */
        SharePage: {
            items: components["schemas"]["Share"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        SnsConfig: {
            /**
             * @default {
             *       "maxRetries": 3,
             *       "backoffMs": 1000
             *     }
             */
            retryPolicy?: components["schemas"]["RetryPolicy"];
            /** @default null */
            rateLimit?: components["schemas"]["RateLimit"] | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            channel: "sns";
            topicArn: string;
            /** @description Text with `{{expression}}` in it. */
            template: string;
            /** @default null */
            subject?: string | null;
        };
        /** @description A text to speak. */
        Speak: {
            /** @default alloy */
            voice?: string;
            /** @default mp3 */
            format?: string;
            /** @default 1 */
            speed?: number;
            /** @default  */
            engine?: string;
            /** @default  */
            language?: string;
            text: string;
        };
        /** @description The next bytes of the audio file. */
        SpeechAudio: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "audio";
            /** @description base64 */
            audio: string;
        };
        /** @description The end of the speech. */
        SpeechDone: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "done";
            seconds: number;
        };
        /** @description A speech engine, and what the deployment lacks for it. */
        SpeechEngine: {
            id: string;
            default: boolean;
            available: boolean;
            missing: string | null;
        };
        /** @description The engine failed after the first sound; nothing follows. */
        SpeechError: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "error";
            code: string;
            message: string;
        };
        /** @description An event of speech with timings, distinguished by its `type`. */
        SpeechEvent: components["schemas"]["SpeechAudio"] | components["schemas"]["SpeechWords"] | components["schemas"]["SpeechDone"] | components["schemas"]["SpeechError"];
        /**
         * @description Options of speech. `speed` 1 is the voice's normal speed; without `engine` the deployment's default is
         *     used; `language` is a BCP 47 tag, for texts whose script does not identify it.
         */
        SpeechOptions: {
            /** @default alloy */
            voice?: string;
            /** @default mp3 */
            format?: string;
            /** @default 1 */
            speed?: number;
            /** @default  */
            engine?: string;
            /** @default  */
            language?: string;
        };
        /** @description A speech that is being stopped. */
        SpeechStopping: {
            streamId: string;
            /** @constant */
            state: "stopping";
        };
        /** @description The words of a sentence. */
        SpeechWords: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "words";
            /** @description true if the times were estimated, as the engine does not report them */
            estimated: boolean;
            words: components["schemas"]["TimedWord"][];
        };
        /** @description The speeds that an engine supports; 1 is a voice's normal speed. */
        SpeedRange: {
            min: number;
            max: number;
        };
        /** @description One event for each element of the list in `field`, which then contains the element. */
        SplitConfig: {
            /** @description A field by name; dots lead into objects (`tokenUsage.total`, `$meta.type`), brackets into lists (`items[0].price`) and to other names (`["a.b"]`). */
            field: string;
        };
        SplitStep: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @default dlq
             * @enum {string}
             */
            onError?: "dlq" | "drop" | "null";
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "split";
            config: components["schemas"]["SplitConfig"];
        };
        /** @description The run has started; `messageId` is the answer's id. */
        StartEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "start";
            runId: string;
            conversationId: string;
            messageId: string;
            agentId: string;
        };
        /** @description Progress of the agent, for users. */
        StatusEvent: {
            parent?: string;
            agentId?: string;
            step?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "status";
            message: string;
            icon?: string;
        };
        /** @description A person's answer to a step of a flow; `answeredBy` is null if nobody answered in time. */
        StepAnswer: {
            step: string;
            decision: string;
            answeredBy: string | null;
            answeredAt: string;
            reason: string | null;
        };
        /** @description Counts of a step in the last 24 hours. */
        StepCounts: {
            step: number;
            type: string;
            received: number;
            passed: number;
            dropped: number;
            failed: number;
            held: number;
            late: number;
        };
        /** @description A step that has ended. */
        StepOutcome: {
            name: string;
            ok: boolean;
            durationMs: number;
        };
        /** @description A stop: nothing of the agent or, without `agentId`, of the organization runs until it is removed. */
        Stop: {
            agentId: string | null;
            reason: string;
            createdBy: string;
            createdAt: string;
        };
        /** @description Everything that is stopped. */
        StopList: {
            items: components["schemas"]["Stop"][];
        };
        /** @description The run that is being stopped. */
        StoppedRun: {
            runId: string;
            /** @constant */
            state: "stopping";
        };
        /** @description A definition as it was written (see `PipelineDefinition`). */
        StoredDefinition: {
            [key: string]: unknown;
        };
        /**
         * @description An update of a task. The field of its `type` is A2A's own; the other fields are set if they apply.
         *
         *     `status` is the state in words (`submitted`, `working`, `input-required`, `completed`, `failed`,
         *     `canceled` or `rejected`) with its `message`. For an artifact, `chunk` is the new text and `artifact` the
         *     text so far, which is complete at the `lastChunk`.
         */
        TaskEvent: {
            /** @enum {string} */
            type: "task" | "message" | "statusUpdate" | "artifactUpdate";
            /** @default null */
            task?: {
                [key: string]: unknown;
            } | null;
            /** @default null */
            message?: unknown;
            /** @default null */
            statusUpdate?: {
                [key: string]: unknown;
            } | null;
            /** @default null */
            artifactUpdate?: {
                [key: string]: unknown;
            } | null;
            /** @default null */
            status?: string | null;
            /** @default null */
            artifact?: {
                [key: string]: unknown;
            } | null;
            /** @default null */
            chunk?: string | null;
            /** @default null */
            append?: boolean | null;
            /** @default null */
            lastChunk?: boolean | null;
        };
        /** @description The arguments of a template. `name` is the name of the new pipeline, if it should have another one. */
        TemplateArguments: {
            /** @default null */
            name?: string | null;
            parameters?: {
                [key: string]: unknown;
            };
        };
        /** @description A parameter of a template; one without `default` must be given. */
        TemplateParameter: {
            name: string;
            description: string;
            /** @enum {string} */
            type: "text" | "number" | "texts" | "secret";
            /** @default null */
            required?: boolean | null;
            /** @default null */
            default?: unknown;
        };
        /** @description A text. */
        TextPart: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "text";
            text: string;
        };
        /** @description A piece of reasoning. In the history it is a complete thought, with its duration if that is known. */
        ThinkingEvent: {
            parent?: string;
            agentId?: string;
            step?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "thinking";
            text: string;
            durationMs?: number;
        };
        /** @description A ticket for one GET, or for one event stream. */
        Ticket: {
            ticket: string;
            /** @description the path with the ticket in its query */
            url: string;
            expiresAt: string;
        };
        /** @description An event of a run as its viewer sees it, with its time (null in logs of earlier releases). */
        TimedEvent: {
            /** @description `<runId>.<number>`, as on the run's stream */
            id: string;
            time: string | null;
            event: components["schemas"]["RunEvent"];
        };
        /**
         * @description A page of a run's events, oldest first. It may be empty without being the last page. An active run may
         *     have more events later.
         */
        TimedEventPage: {
            items: components["schemas"]["TimedEvent"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description A word, and the seconds after the first sound between which it is heard. */
        TimedWord: {
            word: string;
            start: number;
            end: number;
        };
        /** @description A piece of the answer. */
        TokenEvent: {
            parent?: string;
            agentId?: string;
            step?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "token";
            token: string;
        };
        /**
         * @description Tokens as the model's server counted them; `estimated` is present, and true, if it did not. Tokens that
         *     were read from or written to a prompt cache are part of the input.
         */
        TokenUsage: {
            input: number;
            output: number;
            total: number;
            estimated?: boolean;
            cacheRead?: number;
            cacheWrite?: number;
        };
        /**
         * @description The agent calls a tool. `arguments` are `{}` unless the client asks for `detail=full`. With `client`,
         *     the tool came with the message and the client runs it; such a call is always shown completely.
         */
        ToolCallEvent: {
            parent?: string;
            agentId?: string;
            step?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool_call";
            id: string;
            name: string;
            arguments: unknown;
            client?: boolean;
        };
        /** @description A tool that the agent called. */
        ToolCallSummary: {
            id: string;
            name: string;
            ok: boolean;
            summary: string;
        };
        /** @description A piece of a tool's result while the tool is running; only shown with `detail=full`. */
        ToolOutputEvent: {
            parent?: string;
            agentId?: string;
            step?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool_output";
            id: string;
            name: string;
            output: string;
        };
        /** @description A tool's result; `content` is empty below `detail=full`. */
        ToolResultBlock: {
            toolUseId: string;
            content: {
                [key: string]: unknown;
            }[];
            /** @default null */
            status?: string | null;
        };
        /**
         * @description A tool has finished. `bytes` is the size of the complete `result`, which is only shown with
         *     `detail=full`. The duration is null if it is not known.
         */
        ToolResultEvent: {
            parent?: string;
            agentId?: string;
            step?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool_result";
            id: string;
            name: string;
            ok: boolean;
            summary: string;
            bytes: number;
            durationMs: number | null;
            result?: string;
        };
        /**
         * @description Calls a tool; `arguments` are expressions, as in a pipeline's map. The result is the tool's, parsed as
         *     JSON if it is an object, a list or a number.
         */
        ToolStep: {
            name: string;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool";
            tool: string;
            arguments?: {
                [key: string]: unknown;
            };
        };
        /**
         * @description A tool of an agent with its approval rule. The tools of MCP servers are named as the model sees them,
         *     `<server>__<tool>`; listing one here only sets its rule.
         */
        ToolUse: {
            name: string;
            /**
             * @description auto, ask, or {ask: an expression over the arguments, such as amount > 50}
             * @default auto
             */
            policy?: ("auto" | "ask") | components["schemas"]["AskWhen"];
            /**
             * @description the people who may answer; by default the user for whom the run works
             * @default null
             */
            approvers?: components["schemas"]["Approvers"] | null;
            /**
             * @description seconds to wait; by default as long as the deployment allows
             * @default null
             */
            expires?: number | null;
        };
        /** @description A tool call; `input` is `{}` below `detail=full`. */
        ToolUseBlock: {
            toolUseId: string;
            name: string;
            input: unknown;
        };
        /** @description A triggered alert. */
        TriggeredAlert: {
            ruleId: string;
            name: string;
            triggeredAt: string | null;
        };
        /** @description A file to upload. */
        UploadFile: {
            name: string;
            /** @description one of image/png, image/jpeg, image/gif, image/webp, application/pdf, text/plain, text/markdown, text/csv, application/json */
            mediaType: string;
            /** @description in bytes: at most 25,000,000, and 1,000,000 of text */
            size: number;
        };
        /**
         * @description A form that uploads one file within 15 minutes: POST `fields`, followed by the file as `file`, as
         *     multipart/form-data.
         */
        UploadForm: {
            url: string;
            fields: {
                [key: string]: string;
            };
        };
        /** @description The limits of one level, and their usage since the beginning of the day. */
        UsageOfLevel: {
            /** @enum {string} */
            level: "organization" | "user" | "agent";
            /** @description the user or the agent; null for the organization */
            id: string | null;
            /** @description null: not limited */
            limits: components["schemas"]["OrganizationLimits"] | components["schemas"]["UserLimits"] | components["schemas"]["LevelLimits"];
            /** @description null: not limited */
            tokensPerDay: number | null;
            /** @description in US dollars; null: not limited */
            costPerDay: number | null;
            /** @description null: not counted, since nothing is limited */
            tokens: number | null;
            /** @description in US dollars; null: not counted */
            cost: number | null;
            /** @description currently active; null: not counted, since they are not limited */
            runs: number | null;
        };
        /** @description Today's usage, in UTC. */
        UsageToday: {
            items: components["schemas"]["UsageOfLevel"][];
            resetsAt: string;
        };
        /** @description The limits of each user. */
        UserLimits: {
            /** @default null */
            tokensPerDay?: number | null;
            /** @default null */
            costPerDay?: number | null;
            /** @default null */
            requestsPerMinute?: number | null;
            /** @default null */
            concurrentRuns?: number | null;
            /** @default null */
            conversations?: number | null;
            /** @default null */
            storageBytes?: number | null;
        };
        /** @description A voice of an engine. */
        Voice: {
            id: string;
            name: string;
            language: string | null;
            gender: string | null;
        };
        /** @description The voices of an engine, and all formats and engines. */
        VoiceCatalog: {
            engine: string;
            speed: components["schemas"]["SpeedRange"];
            /** @description samples per second of `pcm` */
            sampleRate: number;
            voices: components["schemas"]["Voice"][];
            formats: components["schemas"]["AudioFormat"][];
            engines: components["schemas"]["SpeechEngine"][];
        };
        /**
         * @description Suspends the flow until a person answers; the result is the answer. If it is rejected, or not answered
         *     in time, the flow ends and no further step runs.
         */
        WaitStep: {
            name: string;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "wait_for_input";
            /** @default  */
            prompt?: string;
            /**
             * @description the possible answers
             * @default null
             */
            choices?: string[] | null;
            /**
             * @description JSON Schema of the answer
             * @default null
             */
            schema?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description the people who may answer; by default the user who started the flow
             * @default null
             */
            approvers?: components["schemas"]["Approvers"] | null;
            /**
             * @description seconds to wait; by default as long as the deployment allows
             * @default null
             */
            expires?: number | null;
        };
        /**
         * @description The agent's answer so far, while the run waits for people. `usage`, `cost` and `durationMs` are
         *     null.
         */
        WaitingAnswer: {
            runId: string;
            conversationId: string;
            messageId: string;
            /** @constant */
            role: "assistant";
            content: string;
            toolCalls: components["schemas"]["ToolCallSummary"][];
            usage: components["schemas"]["TokenUsage"] | null;
            cost: number | null;
            finishReason: string;
            /**
             * @description the answer as JSON, with `responseSchema`
             * @default null
             */
            output?: unknown;
            durationMs: number | null;
            waiting: components["schemas"]["AskedCalls"];
        };
        /**
         * @description A call that waits for a person, or was answered: a tool to approve, a question, or a step of a flow.
         *     Callers who may not answer see only what the agent shows to users.
         */
        WaitingCall: {
            runId: string;
            callId: string;
            conversationId: string;
            threadId: string | null;
            agentId: string;
            agentName: string;
            /** @description from the run's agent, or the flow's step, to the one that asks; empty for the run's */
            path: components["schemas"]["AskingAgent"][];
            /** @enum {string} */
            kind: "approval" | "question" | "input" | "client";
            name: string | null;
            arguments: {
                [key: string]: unknown;
            };
            prompt: string | null;
            options: string[];
            /** @description the JSON Schema of the answer */
            schema: {
                [key: string]: unknown;
            } | null;
            approvers: components["schemas"]["Approvers"];
            requestedBy: string | null;
            requestedAt: string;
            expiresAt: string;
            /** @enum {string} */
            state: "waiting" | "answered" | "closed";
            answer: components["schemas"]["CallAnswer"] | null;
            canAnswer: boolean;
        };
        /** @description A page of waiting calls, the first to expire first. */
        WaitingCallPage: {
            items: components["schemas"]["WaitingCall"][];
            /** @description the `cursor` of the next page; null on the last page */
            nextCursor: string | null;
        };
        /** @description The run waits for answers, and its stream ends here for now. */
        WaitingEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "waiting";
            calls: components["schemas"]["AskedCall"][];
            expiresAt: string;
        };
        /** @description The step of a flow that waits for a person. */
        WaitingFor: {
            step: string | null;
            prompt: string | null;
            choices: string[];
            schema: {
                [key: string]: unknown;
            } | null;
            expiresAt: string;
        };
        WebhookConfig: {
            /**
             * @default {
             *       "maxRetries": 3,
             *       "backoffMs": 1000
             *     }
             */
            retryPolicy?: components["schemas"]["RetryPolicy"];
            /** @default null */
            rateLimit?: components["schemas"]["RateLimit"] | null;
            url: string;
            /**
             * @default POST
             * @enum {string}
             */
            method?: "POST" | "PUT" | "PATCH";
            headers?: {
                [key: string]: string;
            };
            /** @default null */
            signingSecret?: string | null;
            /** @default null */
            body?: string | null;
        };
        WebhookDestination: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "webhook";
            config: components["schemas"]["WebhookConfig"];
        };
        /**
         * @description Requests to the pipeline's own address.
         *
         *     The signature of the raw body is verified before it is parsed.
         */
        WebhookSource: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "webhook";
            /** @default null */
            verify?: ("standard" | "github" | "stripe" | "slack" | "shopify" | "hmac") | null;
            /** @default null */
            secret?: string | null;
        };
        /** @description Times in milliseconds. Without `aggregations`, an `aggregate` step has to follow. */
        WindowConfig: {
            /** @enum {string} */
            type: "tumbling" | "sliding" | "session";
            /** @default null */
            size?: number | null;
            /** @default null */
            slide?: number | null;
            /** @default null */
            gap?: number | null;
            /** @default 0 */
            offset?: number;
            /** @default 86400000 */
            maxDuration?: number;
            groupBy?: string[];
            aggregations?: components["schemas"]["Aggregation"][];
            /** @default null */
            timeField?: string | null;
            /** @default 10000 */
            grace?: number;
            /** @default 300000 */
            allowedLateness?: number;
            /**
             * @default drop
             * @enum {string}
             */
            late?: "drop" | "dlq";
        };
        WindowStep: {
            /** @default null */
            name?: string | null;
            /** @default null */
            when?: string | null;
            /**
             * @default dlq
             * @enum {string}
             */
            onError?: "dlq" | "drop" | "null";
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "window";
            config: components["schemas"]["WindowConfig"];
        };
        /** @description A pipeline in the answer to a request that wrote it. */
        WrittenPipeline: {
            id: string;
            /** @enum {string} */
            state: "created" | "running" | "paused" | "stopped";
            /** @description the number of definitions so far */
            version: number;
            createdAt: string;
            updatedAt: string;
            stateSince: string;
            name: string;
            source: {
                [key: string]: unknown;
            };
            warnings: components["schemas"]["DefinitionWarning"][];
        } & {
            [key: string]: unknown;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    list_agents: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string | null;
                /** @description words of the name or id */
                q?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentPage"];
                };
            };
        };
    };
    create_agent: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewAgent"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
        };
    };
    get_agent: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The agent's id */
                agent_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentView"];
                };
            };
        };
    };
    put_agent: {
        parameters: {
            query?: {
                /** @description The `updatedAt` that you have read, empty if there was nothing; a 409 `changed` if it differs */
                unchangedSince?: string | null;
                /** @description `true` checks everything and answers as the write would, but writes nothing */
                dryRun?: boolean;
            };
            header?: never;
            path: {
                /** @description The agent's id */
                agent_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AgentReplacement"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
        };
    };
    delete_agent: {
        parameters: {
            query?: {
                /** @description The `updatedAt` that you have read, empty if there was nothing; a 409 `changed` if it differs */
                unchangedSince?: string | null;
            };
            header?: never;
            path: {
                /** @description The agent's id */
                agent_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_agent: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The agent's id */
                agent_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AgentChanges"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
        };
    };
    list_tools: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The agent's id */
                agent_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentToolPage"];
                };
            };
        };
    };
    list_agent_parts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentParts"];
                };
            };
        };
    };
    get_limits: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AllLimits"];
                };
            };
        };
    };
    change_limits: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LimitChanges"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AllLimits"];
                };
            };
        };
    };
    list_stops: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StopList"];
                };
            };
        };
    };
    create_stop: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewStop"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stop"];
                };
            };
        };
    };
    lift_stop: {
        parameters: {
            query?: {
                /** @description The agent; by default the organization */
                agentId?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    get_usage: {
        parameters: {
            query?: {
                /** @description Another user, with organization:manage */
                userId?: string | null;
                /** @description Include an agent, with organization:manage */
                agentId?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsageToday"];
                };
            };
        };
    };
    list_erasures: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErasureList"];
                };
            };
        };
    };
    create_erasure: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewErasure"];
            };
        };
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErasureView"];
                };
            };
        };
    };
    list_exports: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExportList"];
                };
            };
        };
    };
    create_export: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewExport"];
            };
        };
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExportView"];
                };
            };
        };
    };
    get_export: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The export's id */
                export_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExportView"];
                };
            };
        };
    };
    delete_export: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The export's id */
                export_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_export_parts: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page */
                cursor?: string | null;
            };
            header?: never;
            path: {
                /** @description The export's id */
                export_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExportPartPage"];
                };
            };
        };
    };
    get_retention: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RetentionView"];
                };
            };
        };
    };
    set_retention: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RetentionSettings"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RetentionView"];
                };
            };
        };
    };
    list_audit: {
        parameters: {
            query?: {
                /** @description Who did it */
                userId?: string | null;
                /** @description An operation, `DELETE /api/keys/{key_id}` */
                action?: string | null;
                /** @description Changes, reads of other users' data, or refused calls */
                kind?: ("act" | "access" | "refusal") | null;
                /** @description The earliest time, ISO 8601 */
                since?: string | null;
                /** @description The latest time, ISO 8601 */
                until?: string | null;
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page */
                cursor?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditPage"];
                };
            };
        };
    };
    list_revocations: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RevocationList"];
                };
            };
        };
    };
    create_revocation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewRevocation"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RevocationView"];
                };
            };
        };
    };
    list_api_keys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiKeyList"];
                };
            };
        };
    };
    create_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewApiKey"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewApiKeySecret"];
                };
            };
        };
    };
    get_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The API key's id */
                key_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiKeyView"];
                };
            };
        };
    };
    revoke_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The API key's id */
                key_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    rotate_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The API key's id */
                key_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["Rotation"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewApiKeySecret"];
                };
            };
        };
    };
    get_schema: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JsonSchema"];
                };
            };
        };
    };
    list_pipelines: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string | null;
                /** @description words of the name or id */
                q?: string;
                /** @description only those in this state */
                state?: ("created" | "running" | "paused" | "stopped") | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PipelinePage"];
                };
            };
        };
    };
    create_pipeline: {
        parameters: {
            query?: {
                /** @description `true` checks everything and answers as the write would, but writes nothing */
                dryRun?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PipelineDefinition"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WrittenPipeline"];
                };
            };
        };
    };
    get_pipeline: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pipeline"];
                };
            };
        };
    };
    put_pipeline: {
        parameters: {
            query?: {
                /** @description The `updatedAt` that you have read, empty if there was nothing; a 409 `changed` if it differs */
                unchangedSince?: string | null;
                /** @description `true` checks everything and answers as the write would, but writes nothing */
                dryRun?: boolean;
            };
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PipelineDefinition"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WrittenPipeline"];
                };
            };
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WrittenPipeline"];
                };
            };
        };
    };
    delete_pipeline: {
        parameters: {
            query?: {
                /** @description The `updatedAt` that you have read, empty if there was nothing; a 409 `changed` if it differs */
                unchangedSince?: string | null;
            };
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_pipeline: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PipelineChanges"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WrittenPipeline"];
                };
            };
        };
    };
    list_versions: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string | null;
            };
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PipelineVersionPage"];
                };
            };
        };
    };
    get_version: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The version, from 1 */
                version: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StoredDefinition"];
                };
            };
        };
    };
    compare_versions: {
        parameters: {
            query?: {
                /** @description by default the current version */
                to?: number | null;
            };
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The version, from 1 */
                version: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PipelineDifferences"];
                };
            };
        };
    };
    restore_version: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The version, from 1 */
                version: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WrittenPipeline"];
                };
            };
        };
    };
    list_templates: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PipelineTemplatePage"];
                };
            };
        };
    };
    get_template: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The template's id */
                template_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PipelineTemplate"];
                };
            };
        };
    };
    create_from_template: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The template's id */
                template_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["TemplateArguments"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WrittenPipeline"];
                };
            };
        };
    };
    start_pipeline: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pipeline"];
                };
            };
        };
    };
    pause_pipeline: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pipeline"];
                };
            };
        };
    };
    resume_pipeline: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pipeline"];
                };
            };
        };
    };
    stop_pipeline: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pipeline"];
                };
            };
        };
    };
    process: {
        parameters: {
            query?: never;
            header?: {
                /** @description Requests with the same key are one push */
                "idempotency-key"?: string;
            };
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PipelineItem"];
            };
        };
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PushedItem"];
                };
            };
        };
    };
    batch: {
        parameters: {
            query?: never;
            header?: {
                /** @description Requests with the same key are one push */
                "idempotency-key"?: string;
            };
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PipelineItems"];
                "application/x-ndjson": string;
            };
        };
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PushedItems"];
                };
            };
        };
    };
    get_metrics_series: {
        parameters: {
            query?: {
                /** @description Only events that were accepted at or after this time (ISO 8601) */
                from?: string | null;
                /** @description Only events that were accepted before this time (ISO 8601) */
                to?: string | null;
                /** @description seconds: 60, 300, 900 or 3600 */
                step?: number | null;
            };
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MetricsSeries"];
                };
            };
        };
    };
    get_metrics: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PipelineMetrics"];
                };
            };
        };
    };
    get_health: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PipelineHealth"];
                };
            };
        };
    };
    get_stats: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PipelineStats"];
                };
            };
        };
    };
    list_destinations: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DestinationPage"];
                };
            };
        };
    };
    enable_destination: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The destination's number, from 0, in the order of the definition */
                number: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Destination"];
                };
            };
        };
    };
    disable_destination: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The destination's number, from 0, in the order of the definition */
                number: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Destination"];
                };
            };
        };
    };
    send_test_event: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The destination's number, from 0, in the order of the definition */
                number: number;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["DestinationTest"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DestinationTestResult"];
                };
            };
        };
    };
    list_checkpoints: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CheckpointPage"];
                };
            };
        };
    };
    create_checkpoint: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Checkpoint"];
                };
            };
        };
    };
    restore_checkpoint: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The checkpoint's id */
                checkpoint_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Replay"];
                };
            };
        };
    };
    replay: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReplayRequest"];
            };
        };
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Replay"];
                };
            };
        };
    };
    dry_run_definition: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DefinitionDryRun"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DryRun"];
                };
            };
        };
    };
    dry_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["DryRunRequest"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DryRun"];
                };
            };
        };
    };
    list_recorded_events: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string | null;
            };
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecordedEventPage"];
                };
            };
        };
    };
    list_dead_letters: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string | null;
                /** @description Only dead letters of this place: `step:<n>` or `destination:<n>` */
                place?: string | null;
                /** @description Only dead letters with this code */
                code?: string | null;
                /** @description Only events that were accepted at or after this time (ISO 8601) */
                from?: string | null;
                /** @description Only events that were accepted before this time (ISO 8601) */
                to?: string | null;
            };
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeadLetterPage"];
                };
            };
        };
    };
    count_dead_letters: {
        parameters: {
            query?: {
                /** @description Only dead letters of this place: `step:<n>` or `destination:<n>` */
                place?: string | null;
                /** @description Only dead letters with this code */
                code?: string | null;
                /** @description Only events that were accepted at or after this time (ISO 8601) */
                from?: string | null;
                /** @description Only events that were accepted before this time (ISO 8601) */
                to?: string | null;
            };
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeadLetterCount"];
                };
            };
        };
    };
    list_dead_letter_groups: {
        parameters: {
            query?: {
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string | null;
                /** @description Only dead letters of this place: `step:<n>` or `destination:<n>` */
                place?: string | null;
                /** @description Only dead letters with this code */
                code?: string | null;
                /** @description Only events that were accepted at or after this time (ISO 8601) */
                from?: string | null;
                /** @description Only events that were accepted before this time (ISO 8601) */
                to?: string | null;
            };
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeadLetterGroupPage"];
                };
            };
        };
    };
    delete_dead_letters: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeletionRequest"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeletedDeadLetters"];
                };
            };
        };
    };
    redrive: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RedriveRequest"];
            };
        };
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Redrive"];
                };
            };
        };
    };
    list_redrives: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RedrivePage"];
                };
            };
        };
    };
    get_redrive: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The redrive's id */
                redrive_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RedriveProgress"];
                };
            };
        };
    };
    cancel_redrive: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The redrive's id */
                redrive_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Redrive"];
                };
            };
        };
    };
    get_dead_letter: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The dead letter's id */
                dead_letter_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeadLetter"];
                };
            };
        };
    };
    delete_dead_letter: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The pipeline's id */
                pipeline_id: string;
                /** @description The dead letter's id */
                dead_letter_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_secrets: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SecretPage"];
                };
            };
        };
    };
    put_secret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The name of the flow, or of the secret */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewSecret"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Secret"];
                };
            };
        };
    };
    delete_secret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The name of the flow, or of the secret */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    get_api_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    get_openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OpenApiDocument"];
                };
            };
        };
    };
    list_conversations: {
        parameters: {
            query?: {
                /** @description A user's id, or `all` (with the scope `observe`); by default your own and those shared with you */
                owner?: string;
                /** @description Words that must all be in the title */
                q?: string;
                /** @description Words, all of which one message has; a page may be empty though others follow, since a request reads only so much */
                text?: string;
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConversationPage"];
                };
            };
        };
    };
    create_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewConversation"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
        };
    };
    get_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
        };
    };
    delete_conversation: {
        parameters: {
            query?: {
                /** @description `true`: the conversation is deleted after ten minutes, and can be restored until then */
                restorable?: "true" | "false";
            };
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RestorableDeletion"];
                };
            };
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangedConversation"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
        };
    };
    restore_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
        };
    };
    list_messages: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
                /** @description A message: list its branch, with the latest messages that follow it */
                branch?: string;
                /** @description `true` streams the answer as Server-Sent Events, as does `Accept: text/event-stream`; `false` does not */
                stream?: "true" | "false";
                /** @description The id of the last event seen, `<runId>.<number>`; the stream continues after it */
                after?: string;
                /** @description How much of the run is shown */
                detail?: "answer" | "steps" | "full";
                /** @description `named` adds the SSE field `event` to each event */
                events?: "named";
                /** @description A thread of the conversation; by default the conversation itself */
                threadId?: string;
            };
            header?: {
                /** @description Like `after`; browsers send it when they reconnect */
                "Last-Event-ID"?: string;
            };
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessagePage"];
                    "text/event-stream": components["schemas"]["RunEvent"];
                };
            };
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    send_message: {
        parameters: {
            query?: {
                /** @description `true` streams the answer as Server-Sent Events, as does `Accept: text/event-stream`; `false` does not */
                stream?: "true" | "false";
                /** @description The id of the last event seen, `<runId>.<number>`; the stream continues after it */
                after?: string;
                /** @description How much of the run is shown */
                detail?: "answer" | "steps" | "full";
                /** @description `named` adds the SSE field `event` to each event */
                events?: "named";
            };
            header?: {
                /** @description A repeated key returns the first answer and has no further effect */
                "Idempotency-Key"?: string;
                /** @description Like `after`; browsers send it when they reconnect */
                "Last-Event-ID"?: string;
            };
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SendMessage"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentAnswer"];
                    "text/event-stream": components["schemas"]["RunEvent"];
                };
            };
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PendingAnswer"];
                };
            };
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    stop_run: {
        parameters: {
            query?: {
                /** @description A thread of the conversation; by default the conversation itself */
                threadId?: string;
            };
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StoppedRun"];
                };
            };
        };
    };
    list_injected: {
        parameters: {
            query?: {
                /** @description A thread of the conversation; by default the conversation itself */
                threadId?: string;
            };
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LiveMessagePage"];
                };
            };
        };
    };
    inject_message: {
        parameters: {
            query?: {
                /** @description A thread of the conversation; by default the conversation itself */
                threadId?: string;
            };
            header?: {
                /** @description A repeated key returns the first answer and has no further effect */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InjectMessage"];
            };
        };
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LiveMessage"];
                };
            };
        };
    };
    withdraw_message: {
        parameters: {
            query?: {
                /** @description A thread of the conversation; by default the conversation itself */
                threadId?: string;
            };
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
                /** @description The live message's id */
                message_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    regenerate: {
        parameters: {
            query?: {
                /** @description `true` streams the answer as Server-Sent Events, as does `Accept: text/event-stream`; `false` does not */
                stream?: "true" | "false";
                /** @description The id of the last event seen, `<runId>.<number>`; the stream continues after it */
                after?: string;
                /** @description How much of the run is shown */
                detail?: "answer" | "steps" | "full";
                /** @description `named` adds the SSE field `event` to each event */
                events?: "named";
            };
            header?: {
                /** @description A repeated key returns the first answer and has no further effect */
                "Idempotency-Key"?: string;
                /** @description Like `after`; browsers send it when they reconnect */
                "Last-Event-ID"?: string;
            };
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["Regenerate"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentAnswer"];
                    "text/event-stream": components["schemas"]["RunEvent"];
                };
            };
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    select: {
        parameters: {
            query?: {
                /** @description A thread of the conversation; by default the conversation itself */
                threadId?: string;
            };
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SelectBranch"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SelectedBranch"];
                };
            };
        };
    };
    list_shares: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SharePage"];
                };
            };
        };
    };
    share_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewShare"];
            };
        };
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    unshare_conversation: {
        parameters: {
            query?: {
                /** @description The user whose share to remove */
                userId?: string;
            };
            header?: never;
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    attach: {
        parameters: {
            query?: {
                /** @description The id of the last event seen, `<runId>.<number>`; the stream continues after it */
                after?: string;
                /** @description How much of the run is shown */
                detail?: "answer" | "steps" | "full";
                /** @description `named` adds the SSE field `event` to each event */
                events?: "named";
                /** @description A thread of the conversation; by default the conversation itself */
                threadId?: string;
            };
            header?: {
                /** @description Like `after`; browsers send it when they reconnect */
                "Last-Event-ID"?: string;
            };
            path: {
                /** @description The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -` */
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["RunEvent"];
                };
            };
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    get_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's id */
                run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Run"];
                };
            };
        };
    };
    stream_run: {
        parameters: {
            query?: {
                /** @description The id of the last event seen, `<runId>.<number>`; the stream continues after it */
                after?: string;
                /** @description How much of the run is shown */
                detail?: "answer" | "steps" | "full";
                /** @description `named` adds the SSE field `event` to each event */
                events?: "named";
            };
            header?: {
                /** @description Like `after`; browsers send it when they reconnect */
                "Last-Event-ID"?: string;
            };
            path: {
                /** @description The run's id */
                run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["RunEvent"];
                };
            };
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_runs: {
        parameters: {
            query?: {
                /** @description Only runs of this agent */
                agentId?: string;
                /** @description Only runs in this state */
                state?: "queued" | "running" | "waiting" | "completed" | "failed" | "stopped";
                /** @description Only runs of this conversation, for those who may read it */
                conversationId?: string;
                /** @description Only runs in this user's conversations, or of messages of this user */
                user?: string;
                /** @description Only runs that started at this time (ISO 8601) or later */
                since?: string;
                /** @description Only runs that started at this time (ISO 8601) or before */
                until?: string;
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunPage"];
                };
            };
        };
    };
    list_run_events: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
                /** @description How much of the run is shown */
                detail?: "answer" | "steps" | "full";
            };
            header?: never;
            path: {
                /** @description The run's id */
                run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TimedEventPage"];
                };
            };
        };
    };
    list_model_calls: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's id */
                run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelCallList"];
                };
            };
        };
    };
    list_memories: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
                /** @description Another user, with the scope `conversations:manage` */
                userId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MemoryPage"];
                };
            };
        };
    };
    forget_user: {
        parameters: {
            query?: {
                /** @description Another user, with the scope `conversations:manage` */
                userId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    forget_memory: {
        parameters: {
            query?: {
                /** @description Another user, with the scope `conversations:manage` */
                userId?: string;
            };
            header?: never;
            path: {
                /** @description The agent's id */
                agent_id: string;
                /** @description The memory's id */
                memory_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_files: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FilePage"];
                };
            };
        };
    };
    create_file: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UploadFile"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FileUpload"];
                };
            };
        };
    };
    read_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the file */
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FileDownload"];
                };
            };
        };
    };
    delete_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the file */
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_approvals: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
                /** @description Only those of this conversation */
                conversationId?: string;
                /** @description With `conversationId`: only those of this thread */
                threadId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WaitingCallPage"];
                };
            };
        };
    };
    answer: {
        parameters: {
            query?: {
                /** @description `true` streams the answer as Server-Sent Events, as does `Accept: text/event-stream`; `false` does not */
                stream?: "true" | "false";
                /** @description How much of the run is shown */
                detail?: "answer" | "steps" | "full";
                /** @description `named` adds the SSE field `event` to each event */
                events?: "named";
            };
            header?: never;
            path: {
                /** @description The run's id */
                run_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnswerCall"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WaitingCall"];
                    "text/event-stream": components["schemas"]["RunEvent"];
                };
            };
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    stream_task: {
        parameters: {
            query?: {
                /** @description The id of the last event seen, `<runId>.<number>`; the stream continues after it */
                after?: string;
                /** @description How much of the run is shown */
                detail?: "answer" | "steps" | "full";
                /** @description `named` adds the SSE field `event` to each event */
                events?: "named";
            };
            header?: {
                /** @description Like `after`; browsers send it when they reconnect */
                "Last-Event-ID"?: string;
            };
            path: {
                /** @description The task's id, which is that of its run */
                task_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["TaskEvent"];
                };
            };
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    stream_command_center: {
        parameters: {
            query?: {
                /** @description Only these agents, separated by commas */
                agentIds?: string;
                /** @description Only these types of events, separated by commas */
                eventTypes?: string;
                /** @description Only these runs, separated by commas */
                runIds?: string;
                /** @description The number of the last event seen, or a snapshot's `since`; the stream continues after it */
                since?: string;
                /** @description `named` adds the SSE field `event` to each event */
                events?: "named";
            };
            header?: {
                /** @description Like `after`; browsers send it when they reconnect */
                "Last-Event-ID"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["CommandCenterEvent"];
                };
            };
        };
    };
    get_command_center_snapshot: {
        parameters: {
            query?: {
                /** @description Only these agents, separated by commas */
                agentIds?: string;
                /** @description Only these types of events, separated by commas */
                eventTypes?: string;
                /** @description Only these runs, separated by commas */
                runIds?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CommandCenterSnapshot"];
                };
            };
        };
    };
    list_command_center_events: {
        parameters: {
            query?: {
                /** @description Only these agents, separated by commas */
                agentIds?: string;
                /** @description Only these types of events, separated by commas */
                eventTypes?: string;
                /** @description Only these runs, separated by commas */
                runIds?: string;
                /** @description The time (ISO 8601) to start at; by default, as far back as events are kept */
                from?: string;
                /** @description The time (ISO 8601) to end at; by default now */
                until?: string;
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CommandCenterEventPage"];
                };
            };
        };
    };
    list_alert_rules: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertRulePage"];
                };
            };
        };
    };
    create_alert_rule: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AlertSettings"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertRule"];
                };
            };
        };
    };
    get_alert_rule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The alert rule's id */
                rule_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertRuleState"];
                };
            };
        };
    };
    put_alert_rule: {
        parameters: {
            query?: {
                /** @description The `updatedAt` that you have read, empty if there was nothing; a 409 `changed` if it differs */
                unchangedSince?: string;
                /** @description `true` checks everything and answers as the write would, but writes nothing */
                dryRun?: boolean;
            };
            header?: never;
            path: {
                /** @description The alert rule's id */
                rule_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AlertReplacement"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertRule"];
                };
            };
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertRule"];
                };
            };
        };
    };
    delete_alert_rule: {
        parameters: {
            query?: {
                /** @description The `updatedAt` that you have read, empty if there was nothing; a 409 `changed` if it differs */
                unchangedSince?: string;
            };
            header?: never;
            path: {
                /** @description The alert rule's id */
                rule_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_alert_rule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The alert rule's id */
                rule_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AlertChanges"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertRule"];
                };
            };
        };
    };
    list_alerts: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
            };
            header?: never;
            path: {
                /** @description The alert rule's id */
                rule_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertHistoryPage"];
                };
            };
        };
    };
    get_alert_metric: {
        parameters: {
            query?: {
                /** @description The metric */
                metric?: "error_rate" | "cost" | "latency_p95" | "tokens" | "stuck_run" | "backpressure";
                /** @description The rule's window, in milliseconds */
                window?: number;
                /** @description Only these agents, separated by commas */
                agentIds?: string;
                /** @description ISO 8601, at most 24 hours ago; by default an hour before `to` */
                from?: string;
                /** @description ISO 8601; by default now */
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertMetricSeries"];
                };
            };
        };
    };
    list_flows: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
                /** @description Words of the name or the description */
                q?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FlowPage"];
                };
            };
        };
    };
    create_flow: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewFlow"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Flow"];
                };
            };
        };
    };
    get_flow: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The name of the flow, or of the secret */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FlowView"];
                };
            };
        };
    };
    put_flow: {
        parameters: {
            query?: {
                /** @description The `updatedAt` that you have read, empty if there was nothing; a 409 `changed` if it differs */
                unchangedSince?: string;
                /** @description `true` checks everything and answers as the write would, but writes nothing */
                dryRun?: boolean;
            };
            header?: never;
            path: {
                /** @description The name of the flow, or of the secret */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FlowReplacement"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Flow"];
                };
            };
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Flow"];
                };
            };
        };
    };
    delete_flow: {
        parameters: {
            query?: {
                /** @description The `updatedAt` that you have read, empty if there was nothing; a 409 `changed` if it differs */
                unchangedSince?: string;
            };
            header?: never;
            path: {
                /** @description The name of the flow, or of the secret */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    run_flow: {
        parameters: {
            query?: {
                /** @description `true` streams the answer as Server-Sent Events, as does `Accept: text/event-stream`; `false` does not */
                stream?: "true" | "false";
                /** @description The id of the last event seen, `<runId>.<number>`; the stream continues after it */
                after?: string;
                /** @description How much of the run is shown */
                detail?: "answer" | "steps" | "full";
                /** @description `named` adds the SSE field `event` to each event */
                events?: "named";
            };
            header?: {
                /** @description A repeated key returns the first answer and has no further effect */
                "Idempotency-Key"?: string;
                /** @description Like `after`; browsers send it when they reconnect */
                "Last-Event-ID"?: string;
            };
            path: {
                /** @description The name of the flow, or of the secret */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FlowEvent"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FlowResult"];
                    "text/event-stream": components["schemas"]["RunEvent"];
                };
            };
            /** @description Nothing to return */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_executions: {
        parameters: {
            query?: {
                /** @description The maximum number of items in the page */
                limit?: number;
                /** @description `nextCursor` of the previous page; by default the first page */
                cursor?: string;
            };
            header?: never;
            path: {
                /** @description The name of the flow, or of the secret */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FlowExecutionPage"];
                };
            };
        };
    };
    get_execution: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The name of the flow, or of the secret */
                name: string;
                /** @description The execution's id */
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FlowExecution"];
                };
            };
        };
    };
    cancel_execution: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The name of the flow, or of the secret */
                name: string;
                /** @description The execution's id */
                execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StoppedRun"];
                };
            };
        };
    };
    speak_text_by_ticket: {
        parameters: {
            query?: {
                /** @description The secret from `POST /api/stream-tickets`, instead of a token */
                ticket?: string;
                /** @description `true` answers with Server-Sent Events: the audio in parts, and the times of the words */
                timings?: "true" | "false";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "audio/aac": string;
                    "audio/flac": string;
                    "audio/mpeg": string;
                    "audio/ogg": string;
                    "audio/pcm": string;
                    "audio/wav": string;
                    "text/event-stream": components["schemas"]["SpeechEvent"];
                };
            };
            /** @description The requested part of the audio */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "audio/aac": string;
                    "audio/flac": string;
                    "audio/mpeg": string;
                    "audio/ogg": string;
                    "audio/pcm": string;
                    "audio/wav": string;
                };
            };
        };
    };
    speak_text: {
        parameters: {
            query?: {
                /** @description `true` answers with Server-Sent Events: the audio in parts, and the times of the words */
                timings?: "true" | "false";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Speak"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "audio/aac": string;
                    "audio/flac": string;
                    "audio/mpeg": string;
                    "audio/ogg": string;
                    "audio/pcm": string;
                    "audio/wav": string;
                    "text/event-stream": components["schemas"]["SpeechEvent"];
                };
            };
        };
    };
    speak_run_by_ticket: {
        parameters: {
            query?: {
                /** @description The secret from `POST /api/stream-tickets`, instead of a token */
                ticket?: string;
                /** @description `true` answers with Server-Sent Events: the audio in parts, and the times of the words */
                timings?: "true" | "false";
            };
            header?: never;
            path: {
                /** @description The run's id */
                run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "audio/aac": string;
                    "audio/flac": string;
                    "audio/mpeg": string;
                    "audio/ogg": string;
                    "audio/pcm": string;
                    "audio/wav": string;
                    "text/event-stream": components["schemas"]["SpeechEvent"];
                };
            };
            /** @description The requested part of the audio */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "audio/aac": string;
                    "audio/flac": string;
                    "audio/mpeg": string;
                    "audio/ogg": string;
                    "audio/pcm": string;
                    "audio/wav": string;
                };
            };
        };
    };
    speak_run: {
        parameters: {
            query?: {
                /** @description `true` answers with Server-Sent Events: the audio in parts, and the times of the words */
                timings?: "true" | "false";
            };
            header?: never;
            path: {
                /** @description The run's id */
                run_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SpeechOptions"];
            };
        };
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "audio/aac": string;
                    "audio/flac": string;
                    "audio/mpeg": string;
                    "audio/ogg": string;
                    "audio/pcm": string;
                    "audio/wav": string;
                    "text/event-stream": components["schemas"]["SpeechEvent"];
                };
            };
        };
    };
    stop: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a speech, from `X-Stream-Id` */
                stream_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SpeechStopping"];
                };
            };
        };
    };
    list_voices: {
        parameters: {
            query?: {
                /** @description The engine whose voices to list; by default the deployment's */
                engine?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VoiceCatalog"];
                };
            };
        };
    };
    create_ticket: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTicket"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ticket"];
                };
            };
        };
    };
}
