import type { Schemas } from "@millrace/client";
import type { ReactNode } from "react";
import { useAdministration } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { formatBytes } from "../../ui/format";
import { EmptyState } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { usePages } from "../../ui/usePages";
import type { Export } from "./Exports";

type Part = Schemas["ExportPartView"];

/** Their URLs hold for 15 minutes. */
const REFRESH_MS = 10 * 60_000;
const COLUMNS: readonly Column<Part>[] = [
  {
    key: "name",
    header: "Archive",
    cell: ({ name, downloadUrl }) => (
      <a href={downloadUrl} download={name}>
        {name}
      </a>
    ),
  },
  { key: "size", header: "Size", align: "right", cell: ({ size }) => formatBytes(size) },
];

/** The finished archives of an export. */
export function ExportParts({ one, onClose }: { one: Export; onClose: () => void }): ReactNode {
  const api = useAdministration();
  const pages = usePages<Part>({
    queryKey: ["export-parts", one.id],
    fetchPage: (cursor, signal) => api.exports.parts(one.id, { cursor, signal }),
    refetchInterval: REFRESH_MS,
  });
  return (
    <Dialog
      title={`Export of ${one.userId ?? "the organization"}`}
      description="Anyone who has a link can download the archive for 15 minutes, without a token. Share links only with the person whose data it is."
      isOpen
      onClose={onClose}
    >
      <PagedTable caption="Archives" columns={COLUMNS} pages={pages} rowKey={({ name }) => name} empty={<EmptyState title="No archives yet." />} />
    </Dialog>
  );
}
