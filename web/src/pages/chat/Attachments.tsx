import { type ReactNode, createContext, useContext, useEffect, useState } from "react";
import type { Millrace } from "@millrace/client";
import { type Upload, isImage } from "../../chat/attachments";
import type { Attachment } from "../../chat/state";
import { Icon } from "../../ui/Icon";

/** The API for parts of messages, because addresses of stored files are valid for minutes only. */
export const FilesContext = createContext<Millrace | null>(null);

/** The images and files of a message. */
export function Attachments({ items }: { items: readonly Attachment[] }): ReactNode {
  return (
    <ul className="attachments" aria-label="Attachments">
      {items.map((item, number) => (
        <li key={item.fileId ?? item.url ?? number}>
          <Shown item={item} />
        </li>
      ))}
    </ul>
  );
}

function Shown({ item }: { item: Attachment }): ReactNode {
  const { url, isGone } = useAddress(item);
  const [isBroken, setBroken] = useState(false);
  const name = item.name ?? item.url ?? "attachment";
  if (isGone || isBroken) return <span className="chip">{name} is not available any more</span>;
  // Images on other hosts are links: the page loads nothing from addresses in messages.
  if (isImage(item.mediaType) && (item.fileId || !item.url)) {
    return url ? (
      <a href={url} target="_blank" rel="noreferrer">
        <img src={url} alt={name} onError={() => setBroken(true)} />
      </a>
    ) : (
      <span className="chip">{name}</span>
    );
  }
  return (
    <a className="chip" href={url ?? undefined} target="_blank" rel="noreferrer">
      <Icon name="file" />
      {name}
    </a>
  );
}

/** The address of a file: the browser's own, or one that the server signs. */
function useAddress({ fileId, url }: Attachment): { url: string | null; isGone: boolean } {
  const api = useContext(FilesContext);
  const [found, setFound] = useState<{ url: string | null; isGone: boolean }>({ url: url ?? null, isGone: false });
  useEffect(() => {
    if (url || !fileId || !api) return undefined;
    let isOver = false;
    api.files.get(fileId).then(
      ({ downloadUrl }) => isOver || setFound({ url: downloadUrl, isGone: false }),
      () => isOver || setFound({ url: null, isGone: true }),
    );
    return () => {
      isOver = true;
    };
  }, [api, fileId, url]);
  return found;
}

/** The files of the message that is being written. */
export function UploadList({
  uploads,
  onRemove,
}: {
  uploads: readonly Upload[];
  onRemove: (upload: Upload) => void;
}): ReactNode {
  if (uploads.length === 0) return null;
  return (
    <ul className="attachments uploads" aria-label="Files to send">
      {uploads.map((upload) => (
        <li key={upload.id} className="chip" data-failed={upload.problem !== null || undefined}>
          {upload.preview ? <img src={upload.preview} alt="" /> : <Icon name="file" />}
          <span className="about">
            <span className="name">{upload.name}</span>
            {upload.problem && <span role="alert">{upload.problem}</span>}
            {!upload.problem && !upload.fileId && (
              <progress value={upload.progress} max={1} aria-label={`Uploading ${upload.name}`} />
            )}
          </span>
          <button type="button" className="quiet" aria-label={`Remove ${upload.name}`} onClick={() => onRemove(upload)}>
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}
