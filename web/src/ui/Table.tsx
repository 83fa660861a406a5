import type { ReactNode } from "react";
import { Loaded } from "./states";
import type { Pages } from "./usePages";
import "./table.css";

export interface Column<Row> {
  readonly key: string;
  readonly header: string;
  readonly cell: (row: Row) => ReactNode;
  readonly align?: "right";
}

interface TableProps<Row> {
  /** For screen readers: a description of the rows. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
}

/** A table that becomes a list of cards on a phone. The first column is each row's name. */
export function Table<Row>({ caption, columns, rows, rowKey }: TableProps<Row>): ReactNode {
  return (
    <table className="table-list">
      <caption className="unseen">{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ key, header, align }) => (
            <th key={key} scope="col" data-align={align}>
              {header}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={rowKey(row)}>
            {columns.map((column, index) => (
              <Cell key={column.key} column={column} row={row} isName={index === 0} />
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Cell<Row>({ column, row, isName }: { column: Column<Row>; row: Row; isName: boolean }): ReactNode {
  const Tag = isName ? "th" : "td";
  return (
    <Tag {...(isName && { scope: "row" })} data-align={column.align} data-label={column.header}>
      {column.cell(row)}
    </Tag>
  );
}

interface PagedTableProps<Row> extends Omit<TableProps<Row>, "rows"> {
  readonly pages: Pages<Row>;
  /** Shown instead of a table without rows. */
  readonly empty: ReactNode;
}

/** A table over `usePages`, with its states, to the end of the list. */
export function PagedTable<Row>({ pages, empty, ...table }: PagedTableProps<Row>): ReactNode {
  return (
    <Loaded query={pages}>
      {(rows) => (
        <>
          {rows.length === 0 ? empty : <Table {...table} rows={rows} />}
          {pages.hasMore && (
            <button type="button" className="button more" disabled={pages.isLoadingMore} onClick={pages.more}>
              {pages.isLoadingMore ? "Loading…" : "Show more"}
            </button>
          )}
        </>
      )}
    </Loaded>
  );
}
