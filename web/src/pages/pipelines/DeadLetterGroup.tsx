import type { Schemas } from "@millrace/client";
import type { ReactNode } from "react";
import { useApi } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { formatTime } from "../../ui/format";
import { pretty } from "../../ui/json/JsonEditor";
import { Loaded } from "../../ui/states";
import { usePages } from "../../ui/usePages";
import { type Group, placeText } from "./DeadLetters";
import { type Pipeline, pipelineKey } from "./model";

type DeadLetter = Schemas["DeadLetter"];

interface DeadLetterGroupProps {
  readonly pipeline: Pipeline;
  readonly group: Group;
  readonly onRedrive: (chosen: { ids: readonly string[] }) => void;
  readonly onClose: () => void;
}

/** The dead letters of one error, each with its event and the response. */
export function DeadLetterGroup({ pipeline, group, onRedrive, onClose }: DeadLetterGroupProps): ReactNode {
  const api = useApi();
  const { place, code } = group;
  const deadLetters = usePages<DeadLetter>({
    queryKey: pipelineKey(pipeline.id, "dead-letters", place, code),
    fetchPage: (cursor, signal) => api.streaming.listDeadLetters(pipeline.id, { place, code, cursor, limit: 20, signal }),
  });
  return (
    <Dialog title={group.message} description={`${code} at ${placeText(place)}`} isOpen isWide onClose={onClose}>
      <Loaded query={deadLetters}>
        {(found) => (
          <ul className="trace">
            {found.map((deadLetter) => (
              <One key={deadLetter.id} deadLetter={deadLetter} onRedrive={() => onRedrive({ ids: [deadLetter.id] })} />
            ))}
          </ul>
        )}
      </Loaded>
      {deadLetters.hasMore && (
        <button type="button" className="button more" disabled={deadLetters.isLoadingMore} onClick={deadLetters.more}>
          Show more
        </button>
      )}
    </Dialog>
  );
}

function One({ deadLetter, onRedrive }: { deadLetter: DeadLetter; onRedrive: () => void }): ReactNode {
  const { acceptedAt, attempts, status, body, error, event } = deadLetter;
  const facts = [formatTime(acceptedAt), attempts > 0 && `${attempts} attempts`, status && `status ${status}`].filter(Boolean);
  return (
    <li className="card">
      <details>
        <summary>{facts.join(", ")}</summary>
        <div className="stack">
          <p>{error.message}</p>
          {body && <pre className="json">{body}</pre>}
          <pre className="json">{pretty(event["payload"] ?? "The payload is too large to show here.")}</pre>
          <div className="buttons">
            <button type="button" className="button" onClick={onRedrive}>
              Redrive this one
            </button>
          </div>
        </div>
      </details>
    </li>
  );
}
