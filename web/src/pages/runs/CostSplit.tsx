import type { Schemas } from "@millrace/client";
import type { ReactNode } from "react";
import { type Column, Table } from "../../ui/Table";
import { formatCost, formatNumber, orDash } from "../../ui/format";
import { type CostShare, costsOf } from "./timeline";

const COLUMNS: readonly Column<CostShare>[] = [
  { key: "model", header: "Model", cell: ({ model }) => model },
  { key: "calls", header: "Calls", align: "right", cell: ({ calls }) => formatNumber(calls) },
  { key: "input", header: "Input tokens", align: "right", cell: ({ input }) => formatNumber(input) },
  { key: "output", header: "Output tokens", align: "right", cell: ({ output }) => formatNumber(output) },
  { key: "cost", header: "Cost", align: "right", cell: ({ cost }) => orDash(cost, formatCost) },
];

/** Tokens and cost by model, including sub-agents. */
export function CostSplit({ calls }: { calls: readonly Schemas["RunModelCallEvent"][] }): ReactNode {
  return <Table caption="Tokens and cost by model" columns={COLUMNS} rows={costsOf(calls)} rowKey={({ model }) => model} />;
}
